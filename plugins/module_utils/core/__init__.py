# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and tools that every room uses: paths, errors, units, processes, records of what happened.

May import: the standard library only.
"""
