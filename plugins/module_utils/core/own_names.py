# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a destination is none of the tree's."""

from __future__ import annotations

PREFIX = b".ingest-"


def beside(name: bytes, root: bool) -> bool:
    """Whether an entry of the destination (of its ``root``) is this collection's, there while it
    works, or the file system's."""
    return name.startswith(PREFIX) or (root and name == b"lost+found")
