# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a run: numbers, failures, the summary, metrics.

May import: core, index, plan.store, plan.results, plan.cost.
"""
