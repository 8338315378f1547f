# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host scans and plans a piece of the source while it copies.

May import: core, fs, index, mounts, scan, plan.
"""
