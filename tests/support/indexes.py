# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an index must hold, found out without the engine."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import Any, Callable

from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.index.rows import Totals
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import coordinator
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import ScanOptions

KINDS = {
    stat.S_IFREG: "f",
    stat.S_IFLNK: "l",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
    stat.S_IFBLK: "b",
    stat.S_IFCHR: "c",
    stat.S_IFDIR: "d",
}
FIELDS = ("inode", "device", "mode", "nlink", "uid", "gid", "blocks", "mtime", "ctime")


def scan(
    source: str | bytes,
    folder: str,
    progress: Callable[[Totals], None] | None = None,
    **options: Any,
) -> Totals:
    """Scan a tree with these ScanOptions."""
    for name in ("include", "exclude", "globs"):
        options[name] = tuple(options.get(name, ()))
    return coordinator.scan(ScanOptions(os.fsencode(source), folder, **options), progress)


def describe(found: os.stat_result) -> tuple[Any, ...]:
    """The attributes that both kinds of rows have, in the order of FIELDS."""
    return (
        found.st_ino,
        found.st_dev,
        found.st_mode,
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        found.st_blocks,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def tree(root: bytes) -> dict[bytes, tuple[Any, ...]]:
    """(kind, attributes, and for anything but a directory size and rdev) of every path; any
    depth."""
    result: dict[bytes, tuple[Any, ...]] = {}
    pending: list[tuple[bytes, int]] = [(b"", os.open(root, os.O_RDONLY | os.O_DIRECTORY))]
    result[b""] = ("d", describe(os.fstat(pending[0][1])))
    while pending:
        path, at = pending.pop()
        for text in os.listdir(at):
            name = os.fsencode(text)
            below = path + b"/" + name if path else name
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
            kind = KINDS[stat.S_IFMT(found.st_mode)]
            result[below] = (kind, describe(found))
            if kind == "d":
                pending.append(
                    (below, os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at))
                )
            else:
                result[below] += (found.st_size, found.st_rdev)
        os.close(at)
    return result


def contents(index: Index) -> dict[bytes, tuple[Any, ...]]:
    """The same, as the index has it."""
    result: dict[bytes, tuple[Any, ...]] = {}
    for directory in index.directories():
        assert directory.path not in result
        result[directory.path] = ("d", tuple(getattr(directory, field) for field in FIELDS))
        for entry in index.entries(directory):
            path = directory.path + b"/" + entry.name if directory.path else entry.name
            assert path not in result
            result[path] = (
                entry.type,
                tuple(getattr(entry, field) for field in FIELDS),
                entry.size,
                entry.rdev,
            )
    return result


def all_rows(folder: str) -> list[tuple[Any, ...]]:
    """All that an index says, but for its own numbers, the times of access, which a scan of
    directories changes, and what is allocated, which a file system may do late."""
    index = Index(folder)
    own = {"id": 0, "parent": 0, "first": 0, "last": 0, "part": 0, "atime": 0}
    own.update(blocks=0, disk=0)
    found: list[tuple[Any, ...]] = []
    try:
        for directory in index.directories():
            found.append(tuple(directory._replace(**own)))
            for entry in index.entries(directory):
                twin = index.twin(entry)
                found.append(
                    (directory.path, *entry._replace(id=0, directory=0, atime=0, blocks=0), twin)
                )
        found += sorted(map(tuple, index.errors()))
        count, extras = index.extras()
        found += [(count,), *sorted(map(tuple, extras))]
        return [tuple(index.totals()._replace(disk=0)), *found]
    finally:
        index.close()


def noted(folder: str) -> dict[str, Any]:
    """What an index notes but how the scan was done, and when."""
    index = Index(folder)
    known = index.meta()
    index.close()
    how = ("started", "finished", "looked", "workers", "threads", "parts", "scan", "totals")
    return {name: value for name, value in known.items() if name not in (*how, "wide", "extras")}


def check(index: Index) -> None:
    """All that the rows of an index say about one another."""
    directories = list(index.directories())
    assert directories[0].path == b"" and directories[0].depth == 0
    assert [d.sort for d in directories] == sorted(d.path.replace(b"/", b"\0") for d in directories)
    by_id = {d.id: d for d in directories}
    assert len(by_id) == len(directories)
    below = dict.fromkeys(by_id, 0)
    sums = [0] * len(Totals._fields)
    for d in directories:
        if d.path:
            parent = by_id[d.parent]
            below[d.parent] += 1
            assert d.depth == parent.depth + 1
            assert d.path.rpartition(b"/")[0] == parent.path
        entries = list(index.entries(d))
        files = [e for e in entries if e.type == "f"]
        links = [e for e in entries if e.type == "l"]
        assert all(e.directory == d.id and e.type in "flpsbc" and len(e.type) == 1 for e in entries)
        assert len(entries) == d.entries and len(files) == d.files
        assert d.bytes == sum(e.size for e in files)
        assert d.disk == sum(e.blocks for e in files) * 512
        others = len(entries) - len(files) - len(links)
        numbers = (len(files), len(links), others, 1, len(entries), d.bytes, d.disk, 0)
        sums = [a + b for a, b in zip(sums, numbers)]
    assert {d.id: d.subdirectories for d in directories} == below
    assert index.totals()[:-1] == tuple(sums[:-1])
    assert index.totals().errors == len(list(index.errors()))


def hostile(root: bytes, folder: str) -> None:
    """Make a tree with each byte in names, alone and among others, and its index, in parts."""
    # Not above: hosts that scan with this file have no hypothesis.
    from ansible_collections.scaleout.ingest.tests.support import trees

    nodes = []
    for byte in range(1, 256):
        if byte == ord("/"):
            continue
        for name in (bytes([byte]), b"a" + bytes([byte]) + b"z"):
            if name not in (b".", b".."):
                nodes.append(trees.Node((b"bytes", name), "f", data=((0, b"x" * byte),)))
    nodes += [trees.Node((name, name), "f") for name in trees.NAMES]
    nodes += [
        trees.Node((b"links", b"to"), "l", target=b"no\nwhere"),
        trees.Node((b"links", b"fifo"), "p"),
        trees.Node((b"links", b"again"), "h", target=(b"bytes", b"z")),
        trees.Node((b"mixed", b"link"), "l", target=b"x" * 300),  # larger than the file
        trees.Node((b"mixed", b"file"), "f", data=((0, b"x"),)),
        trees.Node((b"large",), "f", size=3 << 20),
        trees.Node((b"deep", b"er", b"old.tar.gz"), "f", mtime=10**18, mode=0o4755),
        trees.Node((b"deep", b"er", b"$'quoted'"), "f"),
        trees.Node((b"empty",), "d"),
    ]
    if os.geteuid() == 0:
        nodes.append(trees.Node((b"theirs", b"file"), "f", owner=(1234, 1235)))
    trees.build(root, nodes)
    os.makedirs(folder, mode=0o755)
    scan(root, folder, workers=3, sums=True, links=True)


def found(root: bytes, *words: str) -> list[bytes]:
    """What find(1) prints."""
    done = subprocess.run(["find", root, *words, "-print0"], capture_output=True, check=True)
    return sorted(done.stdout.split(b"\0")[:-1])
