# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a kind of storage moves a file between its pools, in files of one shape."""
