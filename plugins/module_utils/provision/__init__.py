# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs to be an ingestor: commands, kernel settings, the first boot.

May import: core, fs, mounts, index, scan, plan, copy, client, search, difference, policies.
"""
