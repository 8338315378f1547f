# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's part of a plan: processes, shards, the work folder.

May import: core, fs, mounts, copy, plan.shards, plan.cost, scan.selection.
"""
