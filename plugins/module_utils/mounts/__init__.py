# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's addresses as mounts: which are wanted, which are used, which answer.

May import: core, fs.
"""
