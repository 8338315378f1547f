# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes as GUFI and BeeGFS Hive Index write them, made by their own statements (GUFI's
src/dbutils.c; the plugin of BeeGFS) and by lstat: no GUFI was at hand to run."""

from __future__ import annotations

import os
import sqlite3
import stat
from typing import Any, Dict

# As of 2025, but for the columns that only later versions have.
ENTRIES = (
    "CREATE TABLE entries(name TEXT, type TEXT, inode TEXT, mode INT64, nlink INT64, uid INT64,"
    " gid INT64, size INT64, blksize INT64, blocks INT64, atime INT64, mtime INT64, ctime INT64,"
    " linkname TEXT, xattr_names BLOB, crtime INT64, ossint1 INT64, ossint2 INT64, ossint3 INT64,"
    " ossint4 INT64, osstext1 TEXT, osstext2 TEXT);"
)
SUMMARY = (
    "CREATE TABLE summary(name TEXT, type TEXT, inode TEXT, mode INT64, nlink INT64, uid INT64,"
    " gid INT64, size INT64, blksize INT64, blocks INT64, atime INT64, mtime INT64, ctime INT64,"
    " linkname TEXT, xattr_names BLOB, totfiles INT64, totlinks INT64, minuid INT64, maxuid INT64,"
    " mingid INT64, maxgid INT64, minsize INT64, maxsize INT64, totltk INT64, totmtk INT64,"
    " totltm INT64, totmtm INT64, totmtg INT64, totmtt INT64, totsize INT64, minctime INT64,"
    " maxctime INT64, minmtime INT64, maxmtime INT64, minatime INT64, maxatime INT64,"
    " minblocks INT64, maxblocks INT64, totxattr INT64, depth INT64, mincrtime INT64,"
    " maxcrtime INT64, minossint1 INT64, maxossint1 INT64, totossint1 INT64, minossint2 INT64,"
    " maxossint2 INT64, totossint2 INT64, minossint3 INT64, maxossint3 INT64, totossint3 INT64,"
    " minossint4 INT64, maxossint4 INT64, totossint4 INT64, rectype INT64, pinode TEXT,"
    " isroot INT64, rollupscore INT64);"
)
ROLLUP = ENTRIES.replace("TABLE entries", "TABLE pentries_rollup").replace(
    "osstext2 TEXT)", "osstext2 TEXT, pinode TEXT, ppinode TEXT)"
)
PENTRIES = (
    "CREATE VIEW pentries AS SELECT entries.*, summary.inode AS pinode, summary.pinode AS ppinode"
    " FROM entries, summary WHERE isroot == 1 UNION SELECT * FROM pentries_rollup;"
)
BEEGFS = (
    "CREATE TABLE IF NOT EXISTS beegfs_entries (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL, type TEXT NOT NULL, inode TEXT NOT NULL, owner_id INTEGER,"
    " parent_entry_id TEXT, entry_id TEXT, entry_type INTEGER, feature_flags INTEGER,"
    " stripe_pattern_type INTEGER, stripe_chunk_size INTEGER, stripe_num_targets INTEGER,"
    " stripe_default_num_targets INTEGER, storage_pool_id INTEGER, path_info_flags INTEGER,"
    " orig_parent_uid INTEGER, orig_parent_entry_id TEXT, file_data_state INTEGER,"
    " rst_major_version INTEGER, rst_minor_version INTEGER, rst_cool_down_period INTEGER,"
    " rst_file_policies INTEGER, num_rst_ids INTEGER);"
    "CREATE TABLE IF NOT EXISTS beegfs_stripe_targets (entry_rowid INTEGER NOT NULL,"
    " target_index INTEGER NOT NULL, target_or_group INTEGER NOT NULL,"
    " PRIMARY KEY (entry_rowid, target_index));"
    "CREATE TABLE IF NOT EXISTS beegfs_rst_targets (entry_rowid INTEGER NOT NULL,"
    " rst_index INTEGER NOT NULL, rst_id INTEGER NOT NULL, PRIMARY KEY (entry_rowid, rst_index));"
)


def write(tree: bytes, target: bytes, pools: bool = False) -> None:
    """An index of ``tree`` in the folder ``target``; with ``pools`` BeeGFS's tables, too: the
    files' storage pools are their sizes by 1000."""
    pending = [(tree, target, "0", 0)]
    while pending:
        folder, index, parent, depth = pending.pop()
        os.makedirs(index, exist_ok=True)
        found = os.lstat(folder)
        db = sqlite3.connect(os.path.join(os.fsdecode(index), "db.db"))
        db.executescript(ENTRIES + SUMMARY + ROLLUP + PENTRIES + (BEEGFS if pools else ""))
        own: Dict[str, Any] = {**_attributes(os.path.basename(folder), found), "type": "d"}
        own.update(depth=depth, rectype=0, pinode=parent, isroot=1, rollupscore=0)
        _insert(db, "summary", own)
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            one = os.lstat(path)
            if stat.S_ISDIR(one.st_mode):
                below = os.path.join(index, name)
                pending.append((path, below, str(found.st_ino), depth + 1))
                continue
            values = _attributes(name, one)
            values["crtime"] = 0
            values["type"] = "l" if stat.S_ISLNK(one.st_mode) else "f"
            if stat.S_ISLNK(one.st_mode):
                values["linkname"] = os.readlink(path)
            _insert(db, "entries", values)
            if pools:
                row = {n: values[n] for n in ("name", "type", "inode")}
                row.update(entry_id="ABC-1", storage_pool_id=one.st_size // 1000)
                _insert(db, "beegfs_entries", row)
        db.commit()
        db.close()


def _attributes(name: bytes, found: os.stat_result) -> Dict[str, Any]:
    return {
        "name": name,
        "inode": str(found.st_ino),
        "mode": found.st_mode,
        "nlink": found.st_nlink,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "size": found.st_size,
        "blksize": found.st_blksize,
        "blocks": found.st_blocks,
        "atime": int(found.st_atime_ns // 10**9),
        "mtime": int(found.st_mtime_ns // 10**9),
        "ctime": int(found.st_ctime_ns // 10**9),
        "linkname": b"",
    }


def _insert(db: sqlite3.Connection, table: str, values: Dict[str, Any]) -> None:
    """Names are text to GUFI, whatever their bytes are."""
    marks = ["CAST(? AS TEXT)" if isinstance(v, bytes) else "?" for v in values.values()]
    db.execute(
        f"INSERT INTO {table}({', '.join(values)}) VALUES ({', '.join(marks)})",
        list(values.values()),
    )
