# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a tree between two indexes of it, or what two trees have not in common.
May import: core, index."""
