# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the directories and entries that are not where they were.

First of directories: the same object under another path was moved, and takes what it holds with it,
which is compared in its new place; another object under the same name of the same directory
replaced it; what is left is gone, or new. Then of entries: one that is gone and one that is new
may be the same.
"""

from __future__ import annotations

from typing import NamedTuple

from .contents import Contents, children
from .rows import Compared, Plain, same_identity, same_object
from .sides import Side, row_of
from .spool import Spool, below, pack, parted, unpack


def settle(contents: Contents, spool: Spool, compared: Compared, old: Side, new: Side) -> None:
    """Find out about all that the comparison of the stretches left for later."""
    spool.flush()
    spool.db.execute("CREATE INDEX found_directories_inode ON found_directories(inode, device)")
    if compared.moves:
        _pair_directories(contents, spool)
    _settle_lost(contents, spool)
    _settle_found(contents, spool)
    spool.flush()
    if compared.moves:
        _stayed_behind(spool, old, new)
        _pair_entries(spool)
    spool.flush()


def _pair_directories(contents: Contents, spool: Spool) -> None:
    for old_key, new_key, old_row, new_row, old_at, new_at in spool.db.execute(
        "SELECT l.key, f.key, l.row, f.row, l.at, f.at FROM lost_directories l"
        " JOIN found_directories f ON f.inode = l.inode AND f.device = l.device ORDER BY l.key"
    ):
        before, after = unpack(old_row), unpack(new_row)
        if not same_identity(before, after):
            continue
        places = unpack(old_at), unpack(new_at)
        if same_object(before, after) or contents.share(*places, old_key, new_key):
            spool.db.execute("INSERT OR IGNORE INTO pairs VALUES (?, ?)", (old_key, new_key))


class _Above(NamedTuple):
    """A directory on the way: its key then and now, and whether it is in both trees."""

    key: bytes
    now: bytes
    stands: bool


def _settle_lost(contents: Contents, spool: Spool) -> None:
    """Each directory that is not under its old path, from the top."""
    above: list[_Above] = []
    query = (
        "SELECT l.key, l.row, l.at, p.new FROM lost_directories l"
        " LEFT JOIN pairs p ON p.old = l.key ORDER BY l.key"
    )
    # What is paired below is read at once: it is not asked for by this query again.
    for key, packed, at, now in spool.db.execute(query):
        up, name = parted(key)
        parent = _find(above, up, key)
        expected = below(parent.now, name)
        row = unpack(packed)
        successor = None if now is None else _directory(spool, now)
        if now is None and parent.stands:
            successor = _free(spool, expected)
            now = expected
            if successor is not None:
                spool.db.execute("INSERT INTO pairs VALUES (?, ?)", (key, expected))
        if successor is None:
            above.append(_Above(key, expected, False))
            contents.lost(row, expected if parent.stands else key, key, parent.stands)
            contents.all_lost(unpack(at), key)
            continue
        above.append(_Above(key, now, True))
        after, place = successor
        if not (parent.stands and now == expected):
            spool.add("moved", now, key, pack(row), pack(after))
        elif contents.differ(row, after):
            spool.add("changed", now, key, pack(row), pack(after))
        contents.both(unpack(at), place, now, key)


def _find(above: list[_Above], up: bytes, key: bytes) -> _Above:
    """The parent of a directory; one that is not among the lost stands where it stood."""
    while above and above[-1].key != up and not up.startswith(above[-1].key + b"\0"):
        above.pop()
    if above and above[-1].key == up:
        return above[-1]
    return _Above(up, up, True)


def _directory(spool: Spool, key: bytes) -> tuple[Plain, Plain] | None:
    """The row of a new directory, and where its entries are."""
    found = spool.db.execute(
        "SELECT row, at FROM found_directories WHERE key = ?", (key,)
    ).fetchone()
    return found and (unpack(found[0]), unpack(found[1]))


def _free(spool: Spool, key: bytes) -> tuple[Plain, Plain] | None:
    """The same, if it is no old directory under another name."""
    taken = spool.db.execute("SELECT 1 FROM pairs WHERE new = ?", (key,)).fetchone()
    return None if taken else _directory(spool, key)


def _settle_found(contents: Contents, spool: Spool) -> None:
    """Each directory that was not there before."""
    above: list[_Above] = []
    query = (
        "SELECT f.key, f.row, f.at, p.old FROM found_directories f"
        " LEFT JOIN pairs p ON p.new = f.key ORDER BY f.key"
    )
    for key, packed, at, before in spool.db.execute(query):
        up, _name = parted(key)
        parent = _find(above, up, key)
        above.append(_Above(key, key, before is not None))
        if before is None:
            contents.found(unpack(packed), key, parent.stands)
            contents.all_found(unpack(at), key)


def _stayed_behind(spool: Spool, old: Side, new: Side) -> None:
    """Directories that stand where they stood, in one that does not: it moved, they did not."""
    for (key,) in spool.db.execute(
        "SELECT l.key FROM lost_directories l JOIN found_directories f ON f.key = l.key"
        " LEFT JOIN pairs p ON p.old = l.key WHERE p.new IS NULL OR p.new != l.key"
    ):
        before = {node[0]: node for node in children(old, key)}
        for node in children(new, key):
            was = before.get(node[0])
            if was is not None and same_identity(was, node):
                spool.add("moved", node[0], node[0], pack(row_of(was)), pack(row_of(node)))


class _Gone(NamedTuple):
    """One side of a move: its rowid, its paths as keys, its row."""

    id: int
    key: bytes
    path: bytes
    row: Plain


def _pair_entries(spool: Spool) -> None:
    """Entries: what is gone and what is new, by device and inode."""
    db = spool.db
    db.execute("CREATE INDEX found_inode ON found(inode, device)")
    groups: dict[tuple[int, int], tuple[dict[int, _Gone], dict[int, _Gone]]] = {}
    last = None
    query = (
        "SELECT l.inode, l.device, l.rowid, l.key, l.path, l.row, f.rowid, f.key, f.row"
        " FROM lost l JOIN found f ON f.inode = l.inode AND f.device = l.device"
        " ORDER BY l.inode, l.device"
    )
    for inode, device, lost, key, path, row, found, new_key, new_row in db.execute(query):
        if last is not None and last != (inode, device):
            _match(spool, *groups.pop(last))
        last = inode, device
        losts, founds = groups.setdefault(last, ({}, {}))
        losts.setdefault(lost, _Gone(lost, key, path, unpack(row)))
        founds.setdefault(found, _Gone(found, new_key, new_key, unpack(new_row)))
    if last is not None:
        _match(spool, *groups.pop(last))


def _match(spool: Spool, losts: dict[int, _Gone], founds: dict[int, _Gone]) -> None:
    """Pair the names that one inode lost with those that it got: several if it has hard links."""
    free = sorted(founds.values(), key=lambda gone: gone.key)
    for lost in sorted(losts.values(), key=lambda gone: gone.path):
        if lost.row[1] == "d":
            continue
        fits = [found for found in free if same_object(lost.row, found.row)]
        if not fits:
            continue
        best = min(fits, key=lambda found: _unlike(lost, found))
        free.remove(best)
        spool.add("moved", best.key, lost.path, pack(lost.row), pack(best.row))
        spool.db.execute("UPDATE lost SET moved = 1 WHERE rowid = ?", (lost.id,))
        spool.db.execute("UPDATE found SET moved = 1 WHERE rowid = ?", (best.id,))


def _unlike(lost: _Gone, found: _Gone) -> tuple[bool, bool, bytes]:
    """How little a pair looks like a move: best where the path or the name is the same."""
    return found.key != lost.path, parted(found.key)[1] != parted(lost.path)[1], found.key
