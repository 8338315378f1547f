# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scan's comparison calls equal is equal; what differs is said, and nothing is touched."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core import changes
from ansible_collections.scaleout.ingest.plugins.module_utils.core.changes import COMPARED, EQUAL
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import join
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import compare
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import Comparing
from ansible_collections.scaleout.ingest.tests.faults import mounts
from ansible_collections.scaleout.ingest.tests.support import engine, plans, trees
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees, show
from ansible_collections.scaleout.ingest.tests.support.indexes import scan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = os.geteuid() == 0
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
TIME = 1_600_000_000_123_456_789
# Of the contents only size and time are looked at, and what is only in the destination is extra.
BELIEVED = frozenset(["contents", "sparse", "extra"])


class Place:
    """A source, and a destination that a run has filled from it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.source = os.fsencode(os.path.join(folder, "source"))
        self.destination = os.fsencode(os.path.join(folder, "destination"))
        self.index = os.path.join(folder, "index")
        os.mkdir(self.source)
        os.mkdir(self.destination)

    def copy(self) -> None:
        """Run the whole pipeline."""
        result = engine.ingest(
            self.source, [self.destination], os.path.join(self.folder, "first"), workers=2
        )
        assert not result.failures

    def states(self, preserve: tuple[str, ...] = PRESERVE, **more: Any) -> dict[bytes, int]:
        """Scan; the state of each entry and directory by its path."""
        grain = more.pop("granularity", 1)
        scan(
            self.source,
            self.index,
            compare=Comparing(more.pop("to", self.destination), preserve, grain),
            **more,
        )
        found = {}
        index = Index(self.index)
        for directory in index.directories():
            found[directory.path] = directory.state
            states = {entry.name: entry.state for entry in index.entries(directory)}
            assert directory.different == sum(state != EQUAL for state in states.values())
            found.update((join(directory.path, name), state) for name, state in states.items())
        index.close()
        return found

    def extras(self) -> list[tuple[bytes, str]]:
        """What the last scan found to be in the destination alone."""
        index = Index(self.index)
        count, extras = index.extras()
        found = sorted(tuple(extra) for extra in extras)
        index.close()
        assert count == len(found)
        return found

    def unplanned(self) -> set[bytes]:
        """Plan after a scan; the paths for which nothing is to be done."""
        return plans.unplanned(self.index, self.source, self.destination, self.folder)

    def remove(self) -> None:
        """All of it."""
        for tree in (self.source, self.destination):
            trees.remove(tree)
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def places() -> Iterator[Place]:
    """A place that is removed again."""
    made = Place(tempfile.mkdtemp(prefix="compare-", dir=MEMORY))
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def place() -> Iterator[Place]:
    """One in memory, if there is a /dev/shm."""
    with places() as made:
        yield made


def mountpoint(place: Place) -> bytes:
    """A directory to see the destination through."""
    made = os.fsencode(os.path.join(place.folder, "mount"))
    os.mkdir(made)
    return made


def write(path: bytes, text: bytes = b"some", time: int = TIME) -> None:
    """A file with a time."""
    with open(path, "wb") as stream:
        stream.write(text)
    os.utime(path, ns=(time, time))


@pytest.mark.parametrize("threads", [1, 3])
def test_after_a_copy_all_is_equal_but_what_cannot_be_told(place: Place, threads: int) -> None:
    trees.build(place.source, trees.hostile())
    place.copy()
    states = place.states(workers=2, threads=threads)
    odd = {path: state for path, state in states.items() if state != EQUAL}
    for path, state in odd.items():
        found = os.lstat(os.path.join(place.source, path))
        assert changes.words(state) in (["links"], ["doubt"])
        assert found.st_nlink > 1 or found.st_mtime_ns in changes.MARKS
    # Names of one file in both trees need nothing, either.
    linked = {path for path, state in odd.items() if state & changes.LINKS}
    assert linked and linked <= place.unplanned()
    assert place.extras() == []


def _replace_by_directory(path: bytes) -> None:
    os.unlink(path)
    os.mkdir(path)


def _replace_by_link(path: bytes) -> None:
    os.rename(path, path + b".real")
    os.symlink(path + b".real", path)


CHANGES: list[tuple[str, Callable[[bytes], object], list[str]]] = [
    ("gone", os.unlink, ["new"]),
    ("longer", lambda path: write(path, b"longer"), ["size"]),
    ("another time", lambda path: os.utime(path, ns=(TIME, TIME + 1)), ["time"]),
    ("half written", lambda path: write(path, b"so", TIME + 5), ["size", "time"]),
    ("marked", lambda path: os.utime(path, ns=(TIME, 0)), ["time"]),
    ("mode", lambda path: os.chmod(path, 0o4755), ["mode"]),
    ("attribute", lambda path: os.setxattr(path, "user.more", b""), ["attributes"]),
    (
        "acl",
        # A mask that is the group's bits: the mode tells nothing.
        lambda path: os.setxattr(path, "system.posix_acl_access", trees.SOME_ACL),
        ["mode"],
    ),
    ("a further name", lambda path: os.link(path, path + b"2"), ["doubt"]),
    ("a directory", _replace_by_directory, ["type"]),
    ("a link", _replace_by_link, ["type"]),
]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "change, words", [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_each_change_is_told(
    place: Place, change: Callable[[bytes], object], words: list[str], threads: int
) -> None:
    for name in (b"changed", b"other"):
        write(os.path.join(place.source, name))
    place.copy()
    change(os.path.join(place.destination, b"changed"))
    states = place.states(threads=threads)
    assert changes.words(states[b"changed"]) == words
    assert states[b"changed"] & COMPARED
    assert states[b"other"] == EQUAL


@pytest.mark.skipif(not ROOT, reason="only root can give a file away")
@pytest.mark.parametrize("owner, word", [((1000, -1), "owner"), ((-1, 1000), "group")])
def test_owner_and_group(place: Place, owner: tuple[int, int], word: str) -> None:
    write(os.path.join(place.source, b"file"))
    place.copy()
    os.chown(os.path.join(place.destination, b"file"), *owner)
    assert changes.words(place.states()[b"file"]) == [word]
    assert place.states(tuple(set(PRESERVE) - {"owner"}))[b"file"] == EQUAL


def test_an_acl_behind_the_same_mode(place: Place) -> None:
    write(os.path.join(place.source, b"file"))
    os.chmod(os.path.join(place.source, b"file"), 0o660)
    place.copy()
    there = os.path.join(place.destination, b"file")
    os.setxattr(there, "system.posix_acl_access", trees.SOME_ACL)
    os.chmod(there, 0o660)
    assert changes.words(place.states()[b"file"]) == ["attributes"]
    assert place.states(("mode", "owner", "times", "links"))[b"file"] == EQUAL


def test_texts_of_links(place: Place) -> None:
    os.symlink(b"here", os.path.join(place.source, b"link"))
    place.copy()
    found = os.lstat(os.path.join(place.source, b"link"))
    there = os.path.join(place.destination, b"link")
    assert place.states()[b"link"] == EQUAL
    os.unlink(there)
    os.symlink(b"away", there)
    os.utime(there, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)
    assert changes.words(place.states()[b"link"]) == ["text"]


def test_names_of_one_file_that_are_two_there(place: Place) -> None:
    first, second = (os.path.join(place.source, name) for name in (b"first", b"second"))
    write(first)
    os.link(first, second)
    write(os.path.join(place.source, b"other"))
    place.copy()
    place.states()
    assert place.unplanned() == {b"", b"first", b"second", b"other"}
    there = os.path.join(place.destination, b"second")
    shutil.copy2(os.path.join(place.destination, b"first"), there + b".new")
    os.rename(there + b".new", there)
    states = place.states()
    assert changes.words(states[b"second"]) == ["links"]
    assert place.unplanned() == {b"first", b"other"}
    place.copy()
    assert os.path.samefile(os.path.join(place.destination, b"first"), there)


def test_a_marked_file_is_never_equal(place: Place) -> None:
    """Not even to a source that has that time."""
    for time in changes.MARKS:
        write(os.path.join(place.source, b"%d" % time), time=time)
    place.copy()
    states = place.states()
    assert [changes.words(states[b"%d" % time]) for time in changes.MARKS] == [["doubt"]] * 2


def test_steps_of_times(place: Place) -> None:
    write(os.path.join(place.source, b"file"))
    place.copy()
    there = os.path.join(place.destination, b"file")
    os.utime(there, ns=(TIME, TIME // 1000 * 1000))
    assert changes.words(place.states()[b"file"]) == ["time"]
    assert place.states(granularity=1000)[b"file"] == EQUAL
    os.utime(there, ns=(TIME, TIME - 10**9))
    assert changes.words(place.states(granularity=1000)[b"file"]) == ["time"]


def test_directories_have_states_of_their_own(place: Place) -> None:
    for name in (b"same", b"mode", b"gone", b"file"):
        os.makedirs(os.path.join(place.source, name, b"below"))
        write(os.path.join(place.source, name, b"below", b"x"))
    place.copy()
    os.chmod(os.path.join(place.destination, b"mode"), 0o700)
    for name in (b"gone", b"file"):
        shutil.rmtree(os.path.join(place.destination, name))
    write(os.path.join(place.destination, b"file"))
    states = place.states()
    assert states[b"same"] == states[b"same/below"] == states[b"same/below/x"] == EQUAL
    assert changes.words(states[b"mode"]) == ["mode"] and states[b"mode/below/x"] == EQUAL
    assert changes.words(states[b"gone"]) == ["new"] == changes.words(states[b"gone/below/x"])
    # Nothing can be said of what lies below something else than a directory.
    assert states[b"file"] == states[b"file/below"] == states[b"file/below/x"] == 0
    assert b"mode/below" in place.unplanned() and b"mode" not in place.unplanned()


def test_no_link_in_the_destination_is_followed(place: Place) -> None:
    os.mkdir(os.path.join(place.source, b"directory"))
    write(os.path.join(place.source, b"directory", b"file"))
    place.copy()
    there = os.path.join(place.destination, b"directory")
    os.rename(there, os.path.join(os.fsencode(place.folder), b"elsewhere"))
    os.symlink(b"../elsewhere", there)
    states = place.states()
    assert states[b"directory"] == states[b"directory/file"] == 0
    assert not place.unplanned()


def test_a_link_that_takes_the_place_of_a_listed_directory_is_not_followed(place: Place) -> None:
    """The listing of the parent said that it is a directory."""
    os.mkdir(os.path.join(place.source, b"directory"))
    write(os.path.join(place.source, b"directory", b"file"))
    place.copy()
    comparer = compare.Comparer(Comparing(place.destination), True)
    source = os.open(os.path.join(place.source, b"directory"), os.O_RDONLY)
    there = os.path.join(place.destination, b"directory")
    os.rename(there, os.path.join(os.fsencode(place.folder), b"elsewhere"))
    os.symlink(b"../elsewhere", there)
    counterpart = comparer.directory(b"directory", compare.THERE, source)
    found = os.stat(b"file", dir_fd=source)
    assert counterpart.entries([(b"file", found)]) == [0]
    assert counterpart.itself(os.fstat(source)) == 0
    assert counterpart.below(b"more") == compare.UNKNOWN
    counterpart.close()
    os.close(source)


def test_a_directory_that_cannot_be_listed_to_its_end_is_not_compared(place: Place) -> None:
    os.mkdir(os.path.join(place.source, b"directory"))
    for number in range(20):
        write(os.path.join(place.source, b"directory", b"%d" % number))
    write(os.path.join(place.source, b"outside"))
    place.copy()
    with mounts.faultfs(place.destination, mountpoint(place)) as faults:
        faults.rule(op="readdir", match="directory", errno=errno.EIO)
        states = place.states(to=faults.path)
    assert states[b"outside"] == EQUAL
    assert states[b"directory"] in (0, EQUAL)
    assert {states[b"directory/%d" % number] for number in range(20)} == {0}


def test_an_entry_that_cannot_be_looked_at_is_in_doubt(place: Place) -> None:
    for name in (b"one", b"two"):
        write(os.path.join(place.source, name))
    place.copy()
    with mounts.faultfs(place.destination, mountpoint(place)) as faults:
        faults.rule(op="getattr", match="/one", errno=errno.EIO)
        states = place.states(to=faults.path)
    assert changes.words(states[b"one"]) == ["doubt"]
    assert states[b"two"] == EQUAL


def test_a_directory_too_wide_to_be_held_is_not_compared(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        write(os.path.join(place.source, b"%d" % number))
    place.copy()
    monkeypatch.setattr(compare, "HELD", 12)
    assert set(place.states().values()) == {EQUAL}
    monkeypatch.setattr(compare, "HELD", 11)
    states = place.states()
    assert states.pop(b"") in (0, EQUAL)
    assert set(states.values()) == {0}


def test_of_wide_directories_one_after_the_other_is_held(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in range(6):
        os.mkdir(os.path.join(place.source, b"%d" % folder))
        for number in range(12):
            write(os.path.join(place.source, b"%d" % folder, b"%d" % number))
    place.copy()
    monkeypatch.setattr(compare, "MANY", 5)
    assert set(place.states(workers=1, threads=4).values()) == {EQUAL}


def test_extras_are_what_the_source_lacks(place: Place) -> None:
    os.makedirs(os.path.join(place.source, b"both"))
    for name in (b"file", b"left out", b"both/x"):
        write(os.path.join(place.source, name))
    place.copy()
    os.makedirs(os.path.join(place.destination, b"tree", b"below"))
    for name in (b"more", b"left out", b"left too", b"both/y", b".ingest-lock", b"tree/z"):
        write(os.path.join(place.destination, name))
    place.states(exclude=(b"left*",))
    # What is excluded is nobody's affair, and what lies in an extra directory comes with it.
    assert place.extras() == [(b"both/y", "f"), (b"more", "f"), (b"tree", "d")]
    place.states(globs=(b"bo*",))
    assert place.extras() == [(b"both/y", "f")]


def test_without_a_destination_nothing_is_compared(place: Place) -> None:
    write(os.path.join(place.source, b"file"))
    assert set(place.states().values()) == {0}  # it is empty
    os.mkdir(os.path.join(place.destination, b".ingest-lock"))
    assert set(place.states().values()) == {0}
    assert set(place.states(to=place.destination + b"/missing").values()) == {0}
    index = Index(place.index)
    assert index.meta()["compared"] is None
    index.close()


def test_nothing_in_the_destination_is_touched(place: Place) -> None:
    trees.build(place.source, trees.hostile())
    place.copy()
    before = _ctimes(place.destination)
    place.states()
    assert _ctimes(place.destination) == before


def _ctimes(root: bytes) -> dict[bytes, tuple[int, int, int]]:
    found = {}
    for at, folders, files in os.walk(root):
        for name in [b".", *folders, *files]:
            state = os.lstat(os.path.join(at, name))
            found[os.path.join(at, name)] = (state.st_ino, state.st_ctime_ns, state.st_mtime_ns)
    return found


ANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@ANY
@given(source=trees.trees(), there=trees.trees(most=12))
def test_equal_is_equal_whatever_stands_there(
    source: list[trees.Node], there: list[trees.Node]
) -> None:
    with places() as place:
        trees.build(place.source, source)
        trees.build(place.destination, there)
        _check(place)


def _touch(path: bytes, way: int) -> None:
    """Change something of an entry."""
    found = os.lstat(path)
    if way == 0:
        os.utime(path, ns=(TIME, found.st_mtime_ns + 1), follow_symlinks=False)
    elif way == 1 and not stat.S_ISLNK(found.st_mode):
        os.chmod(path, stat.S_IMODE(found.st_mode) ^ 0o2020)
    elif way == 2 and ROOT:
        os.lchown(path, found.st_uid + 1, found.st_gid)
    elif way == 3 and stat.S_ISREG(found.st_mode):
        os.truncate(path, found.st_size + 1)
        os.utime(path, ns=(TIME, found.st_mtime_ns))
    elif way == 4 and stat.S_ISREG(found.st_mode):
        shutil.copy2(path, path + b"~")
        os.chown(path + b"~", found.st_uid, found.st_gid)
        os.chmod(path + b"~", stat.S_IMODE(found.st_mode))
        os.rename(path + b"~", path)
    elif way == 5 and stat.S_ISREG(found.st_mode):
        os.setxattr(path, "user.changed", b"")
    elif way == 6 and not stat.S_ISDIR(found.st_mode):
        os.unlink(path)
    elif way == 7 and stat.S_ISDIR(found.st_mode) and not os.listdir(path):
        os.rmdir(path)
    elif way == 8 and not stat.S_ISDIR(found.st_mode):
        os.link(path, path + b"+", follow_symlinks=False)


@ANY
@given(
    nodes=trees.trees(),
    touched=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 8)), max_size=5),
)
def test_equal_is_equal_after_any_change(
    nodes: list[trees.Node], touched: list[tuple[int, int]]
) -> None:
    with places() as place:
        trees.build(place.source, nodes)
        place.copy()
        for number, way in touched:
            paths = sorted(
                os.path.join(at, name)
                for at, folders, files in os.walk(place.destination)
                for name in folders + files
            )
            if paths:
                with contextlib.suppress(PermissionError, OSError):
                    _touch(paths[number % len(paths)], way)
        _check(place)
        place.copy()
        left = compare_trees(place.source, place.destination, ignore=BELIEVED)
        assert [line for line in left if "xattr: trusted" not in line] == []


def _check(place: Place) -> None:
    """Whatever is not planned does not differ, by a judge that knows nothing of the engine."""
    place.states()
    unplanned = {show(path) for path in place.unplanned()}
    lines = compare_trees(place.source, place.destination, ignore=BELIEVED)
    linked = {line.split(": ")[0] for line in lines if line.split(": ")[1] == "links"}
    for line in lines:
        if "xattr: trusted" in line and " is None, but " in line:
            continue  # it may belong to the file system
        path, kind = line.split(": ")[:2]
        # The first name of a file stays as it is, when the others are made its links.
        assert path not in unplanned or (kind == "links" and linked - unplanned), line
