# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a page: sections, charts, markup. May import: core, report."""
