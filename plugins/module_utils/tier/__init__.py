# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file goes from one storage pool to another, and its path stays. May import: core, fs, copy."""
