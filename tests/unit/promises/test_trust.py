# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that says "all right" is right, whatever others do to the trees meanwhile, whatever they
put into the destination before, and however an earlier run ended."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from typing import Callable, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.tests.support import engine, trees
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
MB = 1 << 20
RANGES = {"range_threshold": MB, "range_size": MB}
OLD = 1_000_000_000_000_000_000  # ns
STRANGER = 54321
Node = trees.Node
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to own other users' files")


class Place:
    """A source and a destination."""

    def __init__(self, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = os.fsencode(folder)
        self.source, self.destination = self.folder + b"/source", self.folder + b"/destination"
        for tree in (self.source, self.destination):
            os.mkdir(tree)
        self._monkeypatch = monkeypatch
        self._runs = 0

    def ingest(self, tree: bool = False, **options: object) -> engine.Result:
        """One run; ``tree``: without an index."""
        if tree:
            return engine.copy_tree(self.source, self.destination, 2)
        self._runs += 1
        run = os.fsdecode(self.folder) + "/run%d" % self._runs
        options = {"workers": 1, **options}
        return engine.ingest(self.source, [self.destination], run, **options)

    def before(self, kind: str, act: Callable[[], None]) -> None:
        """Do something in the next run once, when shards of a kind are about to begin."""
        claim, done = Dispatcher.claim, []

        def wrapped(dispatcher, *arguments, **options):
            work = claim(dispatcher, *arguments, **options)
            if not done and any(kind in shard.header[1:4] for shard in work.claimed):
                done.append(act())
            return work

        self._monkeypatch.setattr(Dispatcher, "claim", wrapped)

    def differences(self) -> list[str]:
        return compare_trees(self.source, self.destination)

    def check_rerun(self, **options: object) -> None:
        """All is there, and the next run finds nothing to do."""
        assert self.differences() == []
        again = self.ingest(**options)
        assert again.failures == []
        assert (again.counts["files"], again.counts["changed"]) == (0, 0)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tempfile.mkdtemp(prefix="trust-", dir=MEMORY), monkeypatch)
    yield made
    shutil.rmtree(made.folder)


def _write(path: bytes, data: bytes, time: int = OLD, mode: int = 0o644) -> None:
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    os.utime(path, ns=(time, time))


# ------------------------------------------------------------- the second pass looks afresh


@pytest.mark.parametrize("instead", ["nothing", "link", "empty directory"])
@pytest.mark.parametrize("moved", [b"d", b"d/e", b""])
@pytest.mark.parametrize("verify", ["metadata", "checksum"])
def test_a_directory_moved_away_in_mid_run(place, moved, instead, verify):
    paths = [b"d/one", b"d/e/two", b"d/e/f/three", b"other/four"]
    trees.build(place.source, [Node(tuple(path.split(b"/")), data=((0, path),)) for path in paths])
    there = os.path.join(place.destination, moved) if moved else place.destination

    def move() -> None:
        os.rename(there, place.folder + b"/away")
        if instead == "link":
            os.symlink(place.folder + b"/away", there)
        elif instead == "empty directory" or not moved:
            os.mkdir(there)

    place.before("verify", move)
    result = place.ingest(verify=verify)
    if not moved and instead == "link":
        assert result.failures == []  # the destination's own path may be a link
        return
    lost = {path for path in paths if path.startswith(moved)}
    assert lost <= set(result.errors)
    assert not (set(paths) - lost) & set(result.errors)


def test_a_link_that_became_a_copy(place):
    _write(place.source + b"/a", b"data")
    os.link(place.source + b"/a", place.source + b"/b")

    def part() -> None:
        os.unlink(place.destination + b"/b")
        shutil.copy2(place.destination + b"/a", place.destination + b"/b")

    place.before("verify", part)
    result = place.ingest()
    # The directory has another time by that, too.
    assert [f.message for f in result.failures if f.path] == [
        "is not the hard link that it is in the source"
    ]
    assert sorted(os.listdir(place.destination)) == [b"a", b"b"]


# ------------------------------------------------------------- large files, and links of them


def test_a_large_file_that_changes_leaves_the_old_version(place):
    _write(place.source + b"/big", b"n" * 3 * MB)
    _write(place.destination + b"/big", b"old", OLD - 1)
    place.before("range", lambda: os.utime(place.source + b"/big"))
    result = place.ingest(limits=RANGES, verify="none")
    assert set(result.errors) == {b"big"}
    assert os.listdir(place.destination) == [b"big"]
    with open(place.destination + b"/big", "rb") as file:
        assert file.read() == b"old"


@pytest.mark.parametrize("verify", ["none", "metadata"])
@pytest.mark.parametrize("workers", [1, 4])
def test_links_of_a_large_file_that_fails(place, verify, workers):
    for name in (b"0", b"a", b"b", b"z"):
        _write(place.source + b"/" + name, b"x" * (3 * MB if name in (b"a", b"b") else 3))
        os.link(place.source + b"/" + name, place.source + b"/link of " + name)
    place.before("range", lambda: os.utime(place.source + b"/a"))
    result = place.ingest(limits=RANGES, verify=verify, workers=workers)
    assert set(result.errors) == {b"a", b"link of a"}
    expected = [b"0", b"b", b"link of 0", b"link of b", b"link of z", b"z"]
    assert sorted(os.listdir(place.destination)) == expected


def test_links_of_a_small_file_that_fails(place):
    _write(place.source + b"/a", b"new")
    os.link(place.source + b"/a", place.source + b"/b")
    os.mkdir(place.destination + b"/a")
    result = place.ingest(verify="none")
    assert set(result.errors) == {b"a", b"b"}
    assert os.listdir(place.destination) == [b"a"]
    os.rmdir(place.destination + b"/a")
    _write(place.destination + b"/a", b"of somebody else", OLD)
    assert place.ingest().failures == []
    place.check_rerun()


@pytest.mark.parametrize("limits", [{}, RANGES], ids=["whole", "ranges"])
@pytest.mark.parametrize("workers", [1, 4])
def test_hard_linked_files_are_updated_under_all_names(place, limits, workers):
    for name in (b"0", b"a", b"b", b"z"):
        _write(place.source + b"/" + name, b"x" * (3 * MB if name in (b"a", b"b") else 3))
        for number in range(3):
            os.link(place.source + b"/" + name, place.source + b"/%s%d" % (name, number))
    assert place.ingest(limits=limits, workers=workers).failures == []
    for name in (b"a", b"b1"):
        _write(place.source + b"/" + name, b"changed" * MB, OLD + 1)
    result = place.ingest(limits=limits, verify="checksum", workers=workers)
    assert result.failures == []
    place.check_rerun(limits=limits)


# ------------------------------------------------------------- what killed runs left


def _former(name: bytes) -> bytes:
    """What earlier versions called an unfinished file."""
    return b".ingest-" + hashlib.sha256(name).hexdigest()[:24].encode()


@pytest.mark.parametrize("options", [{}, {"limits": RANGES}, {"tree": True}], ids=str)
def test_what_killed_runs_left_is_removed(place, options):
    trees.build(
        place.source,
        [
            Node((b"d", b"big"), data=((0, b"x" * 3 * MB),)),
            Node((b"d", b"small"), data=((0, b"x"),)),
            Node((b"e", b"f", b"small"), data=((0, b"x"),)),
        ],
    )
    shutil.copytree(place.source, place.destination, dirs_exist_ok=True)
    left = [_former(b"big"), b".ingest-" + b"0a" * 16, b".ingest-" + b"abcdef01" * 4]
    for name in left:
        _write(place.destination + b"/" + name, b"half")
        _write(place.destination + b"/d/" + name, b"half")
        os.symlink(b"nowhere", place.destination + b"/e/f/" + name)
    os.mkdir(place.destination + b"/e/" + left[1])
    kept = [b"e/" + left[1], b"d/.ingest-mine", b"d/.ingest-" + b"0A" * 16]
    kept.append(b".ingest-times-12-3456")  # perhaps of a host that joins late
    for path in kept[1:]:
        _write(place.destination + b"/" + path, b"of a user")
    result = place.ingest(**options)
    assert (result.failures, result.counts["removed"]) == ([], 9)
    found = {os.path.relpath(os.path.join(at, name), place.destination)
             for at, below, files in os.walk(place.destination) for name in below + files
             if name.startswith(b".ingest-")}  # fmt: skip
    assert found == set(kept)


@pytest.mark.parametrize("options", [{}, {"limits": RANGES}, {"tree": True}], ids=str)
def test_a_source_that_was_the_destination_of_a_killed_run(place, options):
    """Its entries are entries like others, whatever they are called."""
    names = [b"small", b"big", b".ingest-" + b"ab" * 16, _former(_former(b"small"))]
    names += [_former(name) for name in names[:3]]
    for number, name in enumerate(names):
        data = b"%d" % number * (3 * MB if b"big" in name or number % 2 else 10)
        _write(place.source + b"/" + name, data)
        _write(place.destination + b"/" + name, b"old", OLD - 1)
    assert place.ingest(**{"verify": "none", **options}).failures == []
    place.check_rerun(**options)


# ------------------------------------------------------------- what others put there before


@needs_root
@pytest.mark.parametrize("options", [{}, {"limits": RANGES}, {"tree": True}], ids=str)
@pytest.mark.parametrize("owner, mode", [(0, 0o4755), (0, 0o644), (4321, 0o2755)])
def test_a_file_of_somebody_else_gains_nothing(place, owner, mode, options):
    theirs, right = place.destination + b"/tool", place.source + b"/tool"
    _write(right, b"right!" * MB)
    os.chown(right, owner, owner)
    os.chmod(right, mode)
    os.utime(right, ns=(OLD, OLD))
    _write(theirs, b"wrong!" * MB)
    os.chown(theirs, STRANGER, STRANGER)
    with open(theirs, "r+b") as still_open:
        assert place.ingest(**options).failures == []
        assert os.fstat(still_open.fileno()).st_uid == STRANGER
        assert os.fstat(still_open.fileno()).st_nlink == 0
    place.check_rerun(**options)


@needs_root
@pytest.mark.parametrize("tree", [False, True])
def test_a_fifo_of_somebody_else(place, tree):
    for top, owner in ((place.source, 0), (place.destination, STRANGER)):
        os.mkfifo(top + b"/pipe")
        os.chown(top + b"/pipe", owner, owner)
    before = os.stat(place.destination + b"/pipe").st_ino
    assert place.ingest(tree=tree).failures == []
    assert os.stat(place.destination + b"/pipe").st_ino != before
    place.check_rerun(tree=tree)


@needs_root
def test_capabilities_are_not_given_to_a_file_of_somebody_else(place):
    capability = b"\x01\x00\x00\x02" + b"\xff\xff\xff\xff" + bytes(12)
    for top, data in ((place.source, b"right"), (place.destination, b"wrong")):
        _write(top + b"/tool", data, OLD, 0o755)
        os.chown(top + b"/tool", STRANGER, STRANGER)
        os.utime(top + b"/tool", ns=(OLD, OLD))
    try:
        os.setxattr(place.source + b"/tool", "security.capability", capability)
    except OSError:
        pytest.skip("no capabilities here")
    os.utime(place.source + b"/tool", ns=(OLD, OLD))
    assert place.ingest().failures == []
    with open(place.destination + b"/tool", "rb") as file:
        assert file.read() == b"right"
    place.check_rerun()


@pytest.mark.parametrize("options", [{}, {"limits": RANGES}, {"tree": True}], ids=str)
def test_another_name_of_a_secret_is_not_opened_to_all(place, options):
    secret = place.folder + b"/secret"
    _write(secret, b"s" * 2 * MB, OLD, 0o600)
    _write(place.source + b"/public", b"p" * 2 * MB, OLD, 0o644)
    os.link(secret, place.destination + b"/public")
    assert place.ingest(**options).failures == []
    assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    place.check_rerun(**options)


@pytest.mark.parametrize("options", [{}, {"limits": RANGES}, {"tree": True}], ids=str)
def test_other_modes_of_hard_linked_files(place, options):
    """They are made anew, once."""
    _write(place.source + b"/a", b"p" * 2 * MB)
    os.link(place.source + b"/a", place.source + b"/b")
    assert place.ingest(**options).failures == []
    os.chmod(place.source + b"/a", 0o600)
    assert place.ingest(**options).failures == []
    place.check_rerun(**options)
