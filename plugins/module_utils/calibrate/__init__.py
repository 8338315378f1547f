# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fastest here: trials of the real copy, a search over them, and what limits it.

May import: core, fs, mounts, index, client, plan.shards.
"""
