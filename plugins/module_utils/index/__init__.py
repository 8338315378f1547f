# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree holds: an index is written, read and asked here. May import: core."""
