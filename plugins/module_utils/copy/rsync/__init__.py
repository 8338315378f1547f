# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods that copy with rsync: its options, its two phases, its complaints.

May import: core, fs, copy.
"""
