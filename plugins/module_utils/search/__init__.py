# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an index answers: conditions and SQL, over all its parts. May import: core, index."""
