# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is being done to an entry: the words that a failure names, and whose side they are on."""

from __future__ import annotations

LIST = "list"
STAT = "stat"
OPEN_DIRECTORY = "open directory"
OPEN = "open"
READ = "read"
READ_LINK = "read link"
SEEK = "seek"
COPY_RANGE = "copy range"
MAKE_DIRECTORY = "make directory"
STAT_DESTINATION = "stat destination"
OPEN_DESTINATION = "open destination"
CREATE = "create"
WRITE = "write"
TRUNCATE = "truncate"
SET_OWNER = "set owner"
SET_ATTRIBUTES = "set attributes"
SET_MODE = "set mode"
SET_TIMES = "set times"
FSYNC = "fsync"
CLOSE = "close"
RENAME = "rename"
LINK = "link"
REMOVE_TEMPORARY = "remove temporary"
FINISH = "finish"
VERIFY = "verify"

# What can only have failed in the destination.
ON_DESTINATION = frozenset(
    [
        MAKE_DIRECTORY,
        STAT_DESTINATION,
        OPEN_DESTINATION,
        CREATE,
        WRITE,
        TRUNCATE,
        SET_OWNER,
        SET_MODE,
        SET_TIMES,
        FSYNC,
        CLOSE,
        RENAME,
        LINK,
        REMOVE_TEMPORARY,
    ]
)
# What needs the destination's directory to be writable and searchable.
IN_DIRECTORY = frozenset(
    [MAKE_DIRECTORY, STAT_DESTINATION, OPEN_DESTINATION, CREATE, RENAME, LINK, REMOVE_TEMPORARY]
)
