# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite files are opened for reading by a URI, in which a path needs quotes."""

from __future__ import annotations

import sqlite3


def read_only(path: str, immutable: bool = False) -> sqlite3.Connection:
    """Open a file that must exist, for reading, for any thread.

    ``immutable``: nobody writes it any more, so it is not locked, and its folder may be read-only.
    Raises sqlite3.Error.
    """
    address = read_only_uri(path) + ("&immutable=1" if immutable else "")
    return sqlite3.connect(address, uri=True, check_same_thread=False)


def read_only_uri(path: str) -> str:
    """What SQLite calls a file that is only to be read, whatever is in its name."""
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode=ro"
