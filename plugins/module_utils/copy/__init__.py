# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One entry from tree to tree, faithfully, and the check that it arrived. May import: core, fs."""
