# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fails is a failure with its errno, everything else arrives, and nothing looks complete that
isn't."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.faults import mounts
from ansible_collections.scaleout.ingest.tests.support import engine, trees
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees, show

ROOT = os.geteuid() == 0
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
MB = 1 << 20
RANGES = {"range_threshold": MB, "range_size": MB}
Node = trees.Node


class Place:
    """A source, a destination, each perhaps seen through the fault injector."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.source, self.destination = self.at("source"), self.at("destination")
        self.faults: mounts.FaultFS | None = None
        self._runs = 0
        for tree in (self.source, self.destination):
            os.mkdir(tree)

    def at(self, name: str) -> bytes:
        """A path in the folder."""
        return os.fsencode(os.path.join(self.folder, name))

    def ingest(
        self, source: bytes | None = None, destination: bytes | None = None, **options: object
    ) -> engine.Result:
        """One run."""
        self._runs += 1
        run = os.path.join(self.folder, "run%d" % self._runs)
        options = {"workers": 2, **options}
        return engine.ingest(
            source or self.source, [destination or self.destination], run, **options
        )

    def check(
        self, result: engine.Result, expected: dict[bytes, int], ignore: frozenset = frozenset()
    ) -> None:
        """The expected items alone failed, with that errno, and are missing; the rest is here."""
        assert set(result.errors) == set(expected), result.failures
        for path, number in expected.items():
            assert number in [n for _operation, n in result.errors[path]], (path, result.failures)
            assert all(operation for operation, _number in result.errors[path])
        assert result.counts["failed"] >= len(expected)
        missing = {f"{show(path)}: missing: is only in the first tree" for path in expected}
        assert set(compare_trees(self.source, self.destination, ignore=ignore)) == missing

    def check_complete(self, **options: object) -> None:
        """Without faults, the next run brings all of it."""
        if self.faults:
            self.faults.clear()
        result = self.ingest(**options)
        assert result.failures == []
        assert compare_trees(self.source, self.destination) == []


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place(tempfile.mkdtemp(prefix="faults-", dir=MEMORY))
    yield made
    for tree in (made.source, made.destination):
        trees.remove(tree)
    shutil.rmtree(made.folder)


@pytest.fixture
def faulty_source(place: Place) -> Iterator[Place]:
    """The source is read through the injector."""
    trees.build(place.source, _tree())
    with mounts.faultfs(place.source, place.at("mount")) as faults:
        place.faults = faults
        yield place


@pytest.fixture
def faulty_destination(place: Place) -> Iterator[Place]:
    """The destination is written through the injector."""
    trees.build(place.source, _tree())
    with mounts.faultfs(place.destination, place.at("mount")) as faults:
        place.faults = faults
        yield place


def _tree() -> list[Node]:
    """Small, large and sparse files, links and directories, with names to aim at."""
    nodes = [
        Node((b"d%d" % d, b"f%d" % f), data=((0, b"%d" % f * 100),))
        for d in range(5)
        for f in range(20)
    ]
    nodes += [
        Node((b"big", b"bad"), data=((0, bytes(range(250)) * 20000),), mode=0o4755),
        Node((b"big", b"good"), data=((0, bytes(range(250)) * 20000),)),
        Node((b"big", b"sparse"), size=8 * MB, data=((0, b"x" * 100000), (4 * MB, b"y" * 1000))),
        Node((b"small", b"bad"), data=((0, b"0123456789" * 1000),)),
        Node((b"small", b"empty")),
        Node((b"small", b"link"), "l", target=b"bad"),
        Node((b"small", b"fifo"), "p"),
        Node((b"hard", b"one"), data=((0, b"hard"),)),
        Node((b"hard", b"two"), "h", target=(b"hard", b"one")),
        Node((b"empty",), "d", mode=0o755, mtime=1),
    ]
    return nodes


# ------------------------------------------------------------------ the source fails


@pytest.mark.parametrize("ranges", [False, True], ids=["whole", "ranges"])
@pytest.mark.parametrize(
    "path, offset",
    [
        (b"small/bad", 0),
        (b"big/bad", 0),
        (b"big/bad", 3 * MB),
        (b"big/bad", 5 * MB - 1000000),
        (b"big/sparse", 4 * MB),
    ],
)
def test_read_error(faulty_source, path, offset, ranges):
    place = faulty_source
    place.faults.rule(op="read", match="/" + path.decode(), errno=errno.EIO, **{"from": offset})
    result = place.ingest(place.faults.path, limits=RANGES if ranges else {})
    place.check(result, {path: errno.EIO})
    assert ("read", errno.EIO) in result.errors[path]
    place.check_complete(limits=RANGES if ranges else {})


@pytest.mark.parametrize(
    "op, path, number",
    [
        ("open", b"small/bad", errno.EACCES),
        ("open", b"small/bad", errno.ENOENT),
        ("open", b"big/bad", errno.ESTALE),
        ("read", b"small/bad", errno.ESTALE),
        ("readlink", b"small/link", errno.EIO),
        ("listxattr", b"small/bad", errno.EIO),
    ],
)
def test_source_call_fails(faulty_source, op, path, number):
    place = faulty_source
    place.faults.rule(op=op, match="/" + path.decode(), errno=number)
    place.check(place.ingest(place.faults.path), {path: number})
    place.check_complete()


def test_hard_links_of_a_large_file_that_lacks_a_range(faulty_source):
    """They are failures that name it, with a second pass or without, and none of them is made."""
    place = faulty_source
    for name in (b"/small/first", b"/small/second"):
        os.link(place.source + b"/big/bad", place.source + name)
    place.faults.rule(op="read", match="/big/bad", errno=errno.EIO, **{"from": 3 * MB})
    result = place.ingest(place.faults.path, limits=RANGES, verify="none", workers=1)
    assert set(result.errors) == {b"big/bad", b"small/first", b"small/second"}
    said = [failure.message for failure in result.failures if failure.operation == "link"]
    assert said == ["is a name of big/bad, which could not be copied whole"] * 2
    assert result.counts["failed"] == 3
    for name in result.errors:
        assert not os.path.lexists(place.destination + b"/" + name)
    assert sorted(os.listdir(place.destination + b"/big")) == [b"good", b"sparse"]
    place.check_complete(limits=RANGES)


def test_leader_of_hard_links_fails(faulty_source):
    """Neither name may be there afterwards, or both: the other name can be read."""
    place = faulty_source
    place.faults.rule(op="read", match="/hard/one", errno=errno.EIO)
    result = place.ingest(place.faults.path)
    assert b"hard/one" in result.errors
    assert not os.path.lexists(place.destination + b"/hard/one")
    place.check_complete()


@pytest.mark.parametrize("op", ["read", "open"])
@pytest.mark.parametrize("path", [b"small/bad", b"big/bad"])
def test_file_vanishes(faulty_source, op, path):
    place = faulty_source
    place.faults.rule(op=op, match="/" + path.decode(), do="vanish", times=1)
    result = place.ingest(place.faults.path)
    assert not os.path.lexists(place.source + b"/" + path)
    assert set(result.errors) == {path}, result.failures
    # Of an open file all may have been read; then it is whole, with nothing to compare it to.
    found = [
        line for line in compare_trees(place.source, place.destination) if ": mtime: " not in line
    ]
    assert found in ([], [f"{show(path)}: extra: is only in the second tree"])
    if found:
        assert os.path.getsize(place.destination + b"/" + path) in (10000, 5000000)


@pytest.mark.parametrize("index", [True, False], ids=["ingest", "tree"])
@pytest.mark.parametrize("what", ["vanish", "turn"])
@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("path", [b"small/bad", b"hard/one", b"small/link"])
def test_an_entry_is_another_when_it_is_used(faulty_source, path, what, skip, index):
    """It vanishes, or becomes a directory, after its name was listed: at the first look, or at one
    that comes later. What the source has then is here, or the entry is a failure."""
    place = faulty_source
    place.faults.rule(op="getattr", match="/" + path.decode(), do=what, skip=skip, times=1)
    if index:
        result = place.ingest(place.faults.path)
    else:
        result = engine.copy_tree(place.faults.path, place.destination, 2)
    assert os.path.isdir(place.source + b"/" + path) == (what == "turn")
    assert set(result.errors) <= {path, os.path.dirname(path), b"hard/two"}, result.failures
    found = [
        line
        for line in compare_trees(place.source, place.destination)
        # That directory's time has changed since it was looked at.
        if not line.startswith(show(os.path.dirname(path)) + ": mtime: ")
    ]
    assert not found or result.failures
    assert all(line.startswith((show(path) + ": ", "hard/two: ")) for line in found), found
    place.check_complete()


@pytest.mark.parametrize("ranges", [False, True], ids=["whole", "ranges"])
@pytest.mark.parametrize("path", [b"small/bad", b"big/bad", b"big/sparse"])
@pytest.mark.parametrize(
    "what, times",
    # A file can't shrink for ever.
    [("grow", 1), ("grow", 0), ("shrink", 1), ("rewrite", 1), ("rewrite", 0)],
)
def test_file_changes_while_it_is_copied(faulty_source, what, path, times, ranges):
    """The copy is the source as it is afterwards, or the item is a failure and not there."""
    place = faulty_source
    place.faults.rule(op="read", match="/" + path.decode(), do=what, times=times)
    result = place.ingest(place.faults.path, limits=RANGES if ranges else {})
    assert set(result.errors) <= {path}, result.failures
    if result.failures:
        place.check(result, {path: errno.EBUSY})
    else:
        assert times == 1
        assert compare_trees(place.source, place.destination) == []
    place.check_complete()


def test_listing_fails_half_way(faulty_source):
    place = faulty_source
    trees.build(place.source, [Node((b"many", b"%04d" % n + b"x" * 200)) for n in range(500)])
    place.faults.rule(op="readdir", match="many", errno=errno.EIO, **{"from": 250})
    result = place.ingest(place.faults.path)
    assert result.errors.keys() == {b"many"} and result.errors[b"many"][0][1] == errno.EIO
    found = [
        line
        for line in compare_trees(place.source, place.destination)
        if not line.startswith("many/")
    ]
    # The directory is not complete, so it need not have its time.
    assert [line for line in found if not line.startswith("many: mtime")] == []
    place.check_complete()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_directory_cannot_be_opened(faulty_source, number):
    place = faulty_source
    place.faults.rule(op="opendir", match="/d1", errno=number)
    result = place.ingest(place.faults.path)
    assert set(result.errors) == {b"d1"} and result.errors[b"d1"][0][1] == number
    found = compare_trees(place.source, place.destination)
    assert all(line.startswith("d1") for line in found), found
    place.check_complete()


@pytest.mark.parametrize("fault", ["twice", "again"])
@pytest.mark.parametrize("index", [True, False], ids=["ingest", "tree"])
def test_a_listing_that_gives_entries_twice(faulty_source, fault, index):
    """Each is copied once, counted once, and whole."""
    place = faulty_source
    place.faults.rule(op="readdir", do=fault, times=20, skip=3)
    if index:
        result = place.ingest(place.faults.path)
    else:
        result = engine.copy_tree(place.faults.path, place.destination, 2)
    assert result.failures == []
    assert compare_trees(place.source, place.destination) == []
    assert result.counts["skipped"] == 0
    files = sum(len(names) for _path, _below, names in os.walk(place.source))
    assert result.counts["files"] == files


@pytest.mark.parametrize("op", ["getattr", "open", "read", "opendir", "readdir", "readlink"])
@pytest.mark.parametrize("number", [errno.ESTALE, errno.ETIMEDOUT])
@pytest.mark.parametrize("skip", [0, 7, 30])
def test_a_call_fails_once(faulty_source, op, number, skip):
    """Whatever it is: a failure with that errno, or no harm at all."""
    place = faulty_source
    place.faults.rule(op=op, match="[bdfloe]*", errno=number, skip=skip, times=1)
    result = place.ingest(place.faults.path)
    if result.failures:
        assert [
            n
            for failed in result.failures
            for n in [failed.errno]
            if n not in (number, errno.ENOENT)
        ] == []
    else:
        assert compare_trees(place.source, place.destination) == []
    place.check_complete()


# ------------------------------------------------------------------ the engine that needs no index


@pytest.mark.parametrize(
    "op, path, number",
    [
        ("read", b"big/bad", errno.EIO),
        ("open", b"small/bad", errno.ESTALE),
        ("readlink", b"small/link", errno.EIO),
    ],
)
def test_tree_source_fails(faulty_source, op, path, number):
    place = faulty_source
    place.faults.rule(op=op, match="/" + path.decode(), errno=number)
    place.check(engine.copy_tree(place.faults.path, place.destination, 2), {path: number})
    place.check_complete()


def test_tree_listing_fails_half_way(faulty_source):
    place = faulty_source
    trees.build(place.source, [Node((b"many", b"%04d" % n + b"x" * 200)) for n in range(500)])
    place.faults.rule(op="readdir", match="many", errno=errno.EIO, **{"from": 250})
    result = engine.copy_tree(place.faults.path, place.destination, 2)
    assert {(failed.path, failed.errno) for failed in result.failures} == {(b"many", errno.EIO)}
    place.check_complete()


@pytest.mark.parametrize(
    "op, path", [("write", b"big/bad"), ("flush", b"small/bad"), ("mkdir", b"empty")]
)
def test_tree_destination_fails(faulty_destination, op, path):
    place = faulty_destination
    place.faults.rule(op=op, match="/" + path.decode(), errno=errno.ENOSPC)
    place.check(engine.copy_tree(place.source, place.faults.path, 2), {path: errno.ENOSPC})
    place.check_complete(destination=place.faults.path)


# ------------------------------------------------------------------ the destination fails


@pytest.mark.parametrize("ranges", [False, True], ids=["whole", "ranges"])
@pytest.mark.parametrize(
    "op, path, number, offset",
    [
        ("write", b"small/bad", errno.ENOSPC, 0),
        ("write", b"big/bad", errno.ENOSPC, 3 * MB),
        ("write", b"big/bad", errno.EDQUOT, 0),
        ("write", b"big/sparse", errno.EIO, 4 * MB),
        ("flush", b"small/bad", errno.ENOSPC, 0),
        ("flush", b"big/bad", errno.EIO, 0),
        ("create", b"small/bad", errno.EDQUOT, 0),
        ("utimens", b"small/bad", errno.EIO, 0),
        ("symlink", b"small/link", errno.EPERM, 0),
        ("mknod", b"small/fifo", errno.EPERM, 0),
        ("mkdir", b"empty", errno.EDQUOT, 0),
    ],
)
def test_destination_call_fails(faulty_destination, op, path, number, offset, ranges):
    place = faulty_destination
    cut = ranges and path.startswith(b"big")
    if cut:  # the only one, as nobody can know what it is called while it is filled
        for name in {b"bad", b"good", b"sparse"} - {path[4:]}:
            os.unlink(place.source + b"/big/" + name)
    match = "/big/.ingest-*" if cut else "/" + path.decode()
    # The first write is that of the mark.
    place.faults.rule(
        op=op, match=match, errno=number, skip=int(cut and op == "write"), **{"from": offset}
    )
    result = place.ingest(destination=place.faults.path, limits=RANGES if ranges else {})
    place.check(result, {path: number})
    place.check_complete(destination=place.faults.path)


def test_mkdir_fails(faulty_destination):
    place = faulty_destination
    place.faults.rule(op="mkdir", match="/d1", errno=errno.EDQUOT)
    result = place.ingest(destination=place.faults.path)
    assert set(result.errors) == {b"d1"} | {b"d1/f%d" % n for n in range(20)}
    found = compare_trees(place.source, place.destination)
    assert found == ["d1: missing: is only in the first tree"]
    place.check_complete(destination=place.faults.path)


def test_replacing_fails(faulty_destination):
    """An old file stays what it was when the new one can't take its place."""
    place = faulty_destination
    assert place.ingest(destination=place.faults.path).failures == []
    with open(place.source + b"/small/bad", "wb") as file:
        file.write(b"new contents")
    for op in ("write", "flush", "rename"):
        place.faults.clear()
        place.faults.rule(op=op, match="*", errno=errno.ENOSPC)
        result = place.ingest(destination=place.faults.path)
        assert (set(result.errors), result.failures[0].errno) == ({b"small/bad"}, errno.ENOSPC)
        with open(place.destination + b"/small/bad", "rb") as file:
            assert file.read() == b"0123456789" * 1000
        assert sorted(os.listdir(place.destination + b"/small")) == [
            b"bad",
            b"empty",
            b"fifo",
            b"link",
        ]
    place.check_complete(destination=place.faults.path)


def test_short_writes(faulty_destination):
    place = faulty_destination
    place.faults.rule(op="write", match="*", do="short")
    place.check(place.ingest(destination=place.faults.path), {})


@pytest.mark.parametrize("path", [b"small/bad", b"big/bad", b"big/sparse"])
def test_corrupted_writes_are_found_by_digests(faulty_destination, path):
    place = faulty_destination
    place.faults.rule(op="write", match="/" + path.decode(), do="corrupt", times=1)
    result = place.ingest(destination=place.faults.path, verify="checksum")
    assert set(result.errors) == {path}
    assert result.errors[path][0][0] == "verify"


def test_owners_refused(faulty_destination):
    """As with a squashed root: said once per kind, no failure, no set-id bit on a wrong owner."""
    if not ROOT:
        pytest.skip("needs root: owners")
    place = faulty_destination
    for name, mode in ((b"/big/bad", 0o4755), (b"/small/empty", 0o644)):
        os.chown(place.source + name, 1000, 1000)
        os.chmod(place.source + name, mode)
    place.faults.rule(op="chown", match="*", errno=errno.EPERM)
    result = place.ingest(destination=place.faults.path)
    assert result.failures == []
    assert result.losses["owner"] == 2 and result.losses["set-id"] == 1
    assert stat.S_IMODE(os.stat(place.destination + b"/big/bad").st_mode) == 0o755
    assert compare_trees(place.source, place.destination, ignore=frozenset(["owner"])) == [
        "big/bad: mode: 4755, but 0755"
    ]
    again = place.ingest(destination=place.faults.path)
    assert again.failures == [] and again.counts["changed"] == 0


def test_attributes_refused(faulty_destination):
    place = faulty_destination
    if "user" not in trees.supported(place.at("")):
        pytest.skip("needs user.* attributes")
    os.setxattr(place.source + b"/small/bad", "user.x", b"1")
    os.utime(place.source + b"/small/bad", ns=(0, 5))
    place.faults.rule(op="setxattr", match="*", errno=errno.EOPNOTSUPP)
    result = place.ingest(destination=place.faults.path)
    assert result.failures == [] and result.losses == {"xattrs (user)": 1}
    assert len(compare_trees(place.source, place.destination)) == 1
    assert place.ingest(destination=place.faults.path).counts["changed"] == 0


def test_hard_links_refused(faulty_destination):
    place = faulty_destination
    place.faults.rule(op="link", match="*", errno=errno.EPERM)
    result = place.ingest(destination=place.faults.path)
    assert result.failures == [] and result.losses == {"links": 1}
    assert compare_trees(place.source, place.destination, ignore=frozenset(["links"])) == []
    assert place.ingest(destination=place.faults.path).counts["changed"] == 0


def test_coarse_times(faulty_destination):
    place = faulty_destination
    place.faults.rule(op="utimens", match="*", do="coarse")
    result = place.ingest(destination=place.faults.path)
    assert result.failures == []
    assert compare_trees(place.source, place.destination, granularity=10**9) == []
    again = place.ingest(destination=place.faults.path)
    assert again.failures == [] and again.counts["changed"] == 0


def test_coarse_file_system(place):
    """Inodes of 128 bytes: times in whole seconds."""
    with mounts.coarse_ext4(place.folder) as destination:
        trees.build(place.source, _tree())
        assert place.ingest(destination=destination).failures == []
        found = compare_trees(place.source, destination, granularity=10**9)
        assert found == []
        again = place.ingest(destination=destination)
        assert again.failures == [] and again.counts["changed"] == 0


def test_full_disk(place):
    trees.build(
        place.source, [Node((b"d", b"%02d" % n), data=((0, b"x" * 40000),)) for n in range(60)]
    )
    with mounts.tiny(place.at("tiny"), "1m") as destination:
        result = place.ingest(destination=destination)
        assert result.failures and {failed.errno for failed in result.failures} <= {
            errno.ENOSPC,
            errno.ENOENT,
        }
        missing = {path for path in result.errors if path != b"d"}
        found = compare_trees(place.source, destination, ignore=frozenset(["mtime", "root"]))
        assert sorted(found) == sorted(
            f"{show(path)}: missing: is only in the first tree" for path in missing
        )
        assert len(missing) + len(os.listdir(destination + b"/d")) == 60


@pytest.mark.parametrize("limits", [{}, RANGES], ids=["whole", "ranges"])
def test_old_versions_survive_a_full_disk(place, limits):
    """Both versions together need more room than there is."""
    trees.build(place.source, [Node((b"d", b"big"), data=((0, b"n" * 6 * MB),))])
    with mounts.tiny(place.at("tiny"), "10m") as destination:
        os.mkdir(destination + b"/d")
        with open(destination + b"/d/big", "wb") as file:
            file.write(b"o" * 6 * MB)
        result = place.ingest(destination=destination, limits=limits, verify="none")
        assert {number for _step, number in result.errors[b"d/big"]} == {errno.ENOSPC}
        assert os.listdir(destination + b"/d") == [b"big"]
        with open(destination + b"/d/big", "rb") as file:
            assert file.read() == b"o" * 6 * MB


def test_out_of_inodes(place):
    trees.build(
        place.source, [Node((b"d%d" % (n % 5), b"%02d" % n), data=((0, b"x"),)) for n in range(60)]
    )
    with mounts.tiny(place.at("tiny"), "10m", inodes=40) as destination:
        result = place.ingest(destination=destination)
        assert errno.ENOSPC in {failed.errno for failed in result.failures}
        there = sum(len(files) for _at, _names, files in os.walk(destination))
        failed = {path for path in result.errors if b"/" in path}
        assert len(failed) + there == 60 and there > 20


# ------------------------------------------------------------------ another user


def _as_nobody(place: Place, work: Callable[[], object]) -> Any:
    """Run ``work`` in a child as a user without rights; its JSON-ready result.

    A run before that loads every module: the interpreter may lie where that user can't read.
    """
    for name in ("warm up", "warm up copy"):
        os.mkdir(place.at(name))
    place.ingest(place.at("warm up"), place.at("warm up copy"))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(text)


def test_unreadable_for_the_user(place):
    if not ROOT:
        pytest.skip("needs root to become another user")
    trees.build(
        place.source,
        [
            Node((b"open", b"file"), data=((0, b"1"),)),
            Node((b"open", b"secret"), data=((0, b"2"),), mode=0o600),
            Node((b"closed", b"file"), data=((0, b"3"),)),
            Node((b"listed only", b"file"), data=((0, b"4"),)),
            Node((b"searched only", b"file"), data=((0, b"5"),)),
            Node((b"open",), "d", mode=0o755),
            Node((b"closed",), "d", mode=0o700),
            Node((b"listed only",), "d", mode=0o744),
            Node((b"searched only",), "d", mode=0o711),
            Node((b"write protected", b"file"), mode=0o444),
            Node((b"write protected",), "d", mode=0o555),
        ],
    )
    os.chmod(place.folder, 0o777)
    os.chown(place.destination, 65534, 65534)

    def work() -> object:
        result = place.ingest(workers=2)
        again = place.ingest(workers=2)
        return (
            [[os.fsdecode(f.path), f.operation, f.errno] for f in result.failures],
            again.counts,
            result.losses,
        )

    failures, again, _losses = _as_nobody(place, work)
    failed = {path: number for path, operation, number in failures if operation != "verify"}
    expected = ["open/secret", "closed", "listed only/file", "searched only"]
    assert failed == dict.fromkeys(expected, errno.EACCES)
    found = compare_trees(place.source, place.destination, ignore=frozenset(["owner", "root"]))
    missing = {line.split(": ")[0] for line in found if ": missing: " in line}
    assert missing <= {
        "open/secret",
        "closed",
        "closed/file",
        "listed only/file",
        "searched only/file",
        "searched only",
    }
    assert [
        line
        for line in found
        if ": missing: " not in line
        and line.split(": ")[0] not in ("closed", "searched only", "listed only")
    ] == []
    assert again["files"] == 0 and again["changed"] == 0
