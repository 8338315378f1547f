# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file system as this host sees it: open directories, times, mounts of any kind.

May import: core.
"""
