# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true before anything is written.

May import: core, fs, mounts, index, copy.rsync.
"""
