# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's one exception."""

from __future__ import annotations


class IngestError(Exception):
    """What the user must know, in one clear sentence that names what is wrong and where."""
