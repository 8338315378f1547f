# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an index to shards, and who does which when: plan.db.
May import: core, index, difference, search."""
