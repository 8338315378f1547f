# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that plan, client, report and documentation share."""

from __future__ import annotations

METHODS = ("copy", "rsync", "msrsync")
SPLITS = ("round_robin", "balanced", "dynamic")
VERIFY = ("none", "metadata", "checksum")
# What is kept of an entry besides its contents.
PRESERVE = ("mode", "owner", "times", "xattrs", "acls", "links", "sparse")
