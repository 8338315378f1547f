# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parallel walk that writes an index. May import: core, fs, mounts, index, search."""
