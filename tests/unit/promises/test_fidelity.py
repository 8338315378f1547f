# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy is its source in every attribute, a second run does nothing, a killed run resumes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.support import engine, trees
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees, show
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

ROOT = os.geteuid() == 0
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Place:
    """A folder with a source, a destination and numbered runs; removed whatever is in it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.source = os.fsencode(os.path.join(folder, "source"))
        self.destination = os.fsencode(os.path.join(folder, "destination"))
        self.runs = 0
        os.mkdir(self.source)
        os.mkdir(self.destination)

    def run(self) -> str:
        """A new run folder."""
        self.runs += 1
        return os.path.join(self.folder, "run%d" % self.runs)

    def ingest(self, tree: bool = False, **options: object) -> engine.Result:
        """Copy the source to the destination; with ``tree`` by the engine that needs no index."""
        if tree:
            return engine.copy_tree(self.source, self.destination, 2)
        return engine.ingest(
            self.source, [self.destination], self.run(), **{"workers": 2, **options}
        )

    def differences(self, **options: object) -> list[str]:
        """Of the destination from the source."""
        return compare_trees(self.source, self.destination, **options)

    def remove(self) -> None:
        """Both trees and the runs."""
        for tree in (self.source, self.destination):
            trees.remove(tree)
        shutil.rmtree(self.folder)


@pytest.fixture
def place() -> Iterator[Place]:
    """In memory, where there is a /dev/shm."""
    made = Place(tempfile.mkdtemp(prefix="fidelity-", dir=MEMORY))
    yield made
    made.remove()


def _state(root: bytes) -> dict[bytes, tuple[int, ...]]:
    """Everything that a change anywhere below would change."""
    state = {}
    stack = [(os.open(root, os.O_RDONLY), b"")]
    while stack:
        at, path = stack.pop()
        for name in map(os.fsencode, [".", *os.listdir(at)]):
            found = os.lstat(b"/proc/self/fd/%d/%s" % (at, name))
            state[path + b"/" + name] = (
                found.st_ino,
                found.st_ctime_ns,
                found.st_mtime_ns,
                found.st_size,
            )
            if name != b"." and found.st_mode & 0o170000 == 0o040000:
                stack.append(
                    (os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=at), path + b"/" + name)
                )
        os.close(at)
    return state


def _check_copy_and_rerun(place: Place, **options: object) -> None:
    first = place.ingest(**options)
    assert first.failures == []
    assert place.differences() == []
    before = _state(place.destination)
    second = place.ingest(**options)
    assert second.failures == []
    assert (second.counts["files"], second.counts["bytes"], second.counts["changed"]) == (0, 0, 0)
    assert _state(place.destination) == before


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 1, "verify": "none"},
        {"workers": 3, "verify": "checksum"},
        {"workers": 8, "split": "balanced", "limits": {"items": 3}},
        {
            "workers": 2,
            "limits": {
                "items": 10,
                "bytes": 1 << 20,
                "range_threshold": 1 << 20,
                "range_size": 1 << 18,
            },
        },
        {"tree": True},
    ],
    ids=["plain", "checksum", "balanced", "ranges", "tree"],
)
def test_hostile_tree(place, options):
    trees.build(place.source, trees.hostile())
    _check_copy_and_rerun(place, **options)


@pytest.mark.parametrize("levels, name", [(12, b"d" * 250), (40, b"\xff" * 255), (700, b"x")])
@pytest.mark.parametrize("tree", [False, True])
def test_deep_tree(place, levels, name, tree):
    trees.build(place.source, trees.deep(levels, name))
    _check_copy_and_rerun(place, tree=tree)


@pytest.mark.parametrize("tree", [False, True])
def test_flat_tree(place, tree):
    trees.build(place.source, trees.flat(20000))
    _check_copy_and_rerun(place, tree=tree)


@pytest.mark.parametrize(
    "limits", [{}, {"range_threshold": 1 << 30, "range_size": 1 << 30}], ids=["whole", "ranges"]
)
def test_huge_files(place, limits):
    trees.build(place.source, trees.huge())
    _check_copy_and_rerun(place, limits=limits)


def test_two_mounts_of_one_destination(place):
    trees.build(place.source, trees.hostile())
    other = place.destination + b"/../destination"
    result = engine.ingest(place.source, [place.destination, other], place.run(), workers=4)
    assert result.failures == []
    assert place.differences() == []


def test_empty_tree(place):
    os.utime(place.source, ns=(5, 5))
    _check_copy_and_rerun(place)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    nodes=trees.trees(),
    cut=st.booleans(),
    split=st.sampled_from(["round_robin", "balanced"]),
    tree=st.booleans(),
)
def test_any_tree(nodes, cut, split, tree):
    limits = (
        {"items": 2, "bytes": 70000, "range_threshold": 65536, "range_size": 40000} if cut else {}
    )
    place = Place(tempfile.mkdtemp(prefix="fidelity-", dir=MEMORY))
    try:
        note(f"left out: {trees.build(place.source, nodes)}")
        _check_copy_and_rerun(place, tree=tree, limits=limits, split=split)
    finally:
        place.remove()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=trees.trees(), there=trees.trees(most=12), tree=st.booleans())
def test_any_tree_onto_any_other(source, there, tree):
    """What the source has is right afterwards, whatever stood there; nothing else is touched.

    Only a thing that is no directory in the place of a directory, or the reverse, may stay in the
    way, and then it is said so.
    """
    place = Place(tempfile.mkdtemp(prefix="fidelity-", dir=MEMORY))
    try:
        trees.build(place.source, source)
        trees.build(place.destination, there)
        result = place.ingest(tree=tree)
        found = place.differences(ignore=frozenset(["extra"]))
        # Of the same size and time means the same, as it does for rsync.
        times = {node.mtime for node in there}
        same = {
            show(b"/".join(node.path)) for node in source if node.kind == "h" or node.mtime in times
        }
        found = [
            f
            for f in found
            if not (f.split(": ")[0] in same and f.split(": ")[1] in ("contents", "sparse"))
        ]
        blocked = set(result.errors)
        # What the source lacks of trusted.* stays: it may belong to the file system.
        for line in [
            line for line in found if not ("xattr: trusted" in line and " is None, but " in line)
        ]:
            assert blocked, line
            assert _excused(line, blocked), (line, result.failures)
        if not result.failures:
            again = place.ingest(tree=tree)
            assert again.failures == [] and again.counts["changed"] == 0
    finally:
        place.remove()


def _excused(line: str, blocked: set) -> bool:
    """Whether a difference is at, above or below an item that is among the failures."""
    for path in blocked:
        shown = repr(path)[2:-1]
        at = line.split(": ", 1)[0]
        if line.startswith(shown) or shown.startswith(at) or at == ".":
            return True
    return False


@pytest.mark.parametrize(
    "preserve", [(), ("times",), ("mode", "owner", "xattrs", "acls", "links", "sparse")]
)
def test_some_attributes_only(place, preserve):
    """Contents are right whatever is preserved, also of files that travel in ranges."""
    trees.build(place.source, trees.hostile())
    ranges = {"range_threshold": 1 << 20, "range_size": 1 << 18}
    result = place.ingest(preserve=preserve, limits=ranges)
    assert result.failures == []
    kinds = {
        "mode": "mode",
        "owner": "owner",
        "times": "mtime",
        "xattrs": "xattr",
        "acls": "acl",
        "links": "links",
    }
    ignore = {kind for name, kind in kinds.items() if name not in preserve} | {"root"}
    if "acls" not in preserve:
        ignore.add("mode")
    if "sparse" not in preserve:
        ignore.add("sparse")
    assert place.differences(ignore=frozenset(ignore)) == []
    # Without times, what is younger in the source is copied again: here two files of the future.
    assert place.ingest(preserve=preserve, limits=ranges).counts["files"] == (
        0 if "times" in preserve else 2
    )


def _engine_process(place: Place, options: dict[str, object]) -> subprocess.Popen[bytes]:
    collections = next(
        p
        for p in sys.path
        if os.path.isdir(os.path.join(p, "ansible_collections", "scaleout", "ingest"))
    )
    return subprocess.Popen(
        [
            sys.executable,
            engine.__file__,
            place.source,
            place.run(),
            place.destination,
            "--options",
            json.dumps(options),
        ],
        env={**os.environ, "INGEST_COLLECTIONS": collections, "PYTHONPATH": collections},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _children(pid: int) -> list[int]:
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(child) for child in file.read().split()]


@pytest.mark.parametrize("seed", range(4))
def test_everything_killed_then_run_again(place, seed):
    """kill -9 of the whole run at a random moment; the next one completes it."""
    chance = random.Random(seed)
    nodes = trees.hostile() + trees.flat(3000)
    trees.build(place.source, nodes)
    process = _engine_process(
        place,
        {"workers": 3, "limits": {"items": 50, "range_threshold": 1 << 20, "range_size": 1 << 18}},
    )
    time.sleep(chance.uniform(0.2, 0.9))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    result = place.ingest()
    assert result.failures == []
    assert place.differences() == []
    assert place.ingest().counts["changed"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_worker_killed(place, seed):
    """kill -9 of a worker process: the run goes on, or says what failed; the next completes it."""
    chance = random.Random(seed)
    trees.build(place.source, trees.hostile() + trees.flat(6000))
    process = _engine_process(place, {"workers": 3, "limits": {"items": 50}})
    killed = 0
    end = time.monotonic() + 20
    while not os.listdir(place.destination) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)  # a worker of the scan that dies ends the run with one clear sentence
    while process.poll() is None and not killed and time.monotonic() < end:
        time.sleep(chance.uniform(0, 0.05))
        for child in chance.sample(_children(process.pid), 1) if _children(process.pid) else []:
            os.kill(child, signal.SIGKILL)
            killed += 1
    out, err = process.communicate(timeout=120)
    assert b"Traceback" not in err, err.decode()
    if process.returncode == 0 and not json.loads(out)["failures"]:
        assert place.differences() == []
    result = place.ingest()
    assert result.failures == []
    assert place.differences() == []


# ------------------------------------------------------------------ hostile destinations


def _outside(place: Place) -> bytes:
    """Something next to the trees that no run may touch."""
    outside = os.fsencode(os.path.join(place.folder, "outside"))
    trees.build(
        outside, [trees.Node((b"dir", b"file"), data=((0, b"precious"),)), trees.Node((b"target",))]
    )
    return outside


def test_links_in_the_place_of_directories(place):
    outside = _outside(place)
    before = _state(outside)
    trees.build(
        place.source,
        [
            trees.Node((b"a", b"file"), data=((0, b"new"),)),
            trees.Node((b"a", b"b", b"c"), data=((0, b"new"),)),
            trees.Node((b"fine",), data=((0, b"new"),)),
        ],
    )
    os.symlink(outside + b"/dir", place.destination + b"/a")
    result = place.ingest()
    assert _state(outside) == before
    assert result.failures or place.differences() == []
    assert os.path.getsize(place.destination + b"/fine") == 3


@pytest.mark.parametrize(
    "kind", ["link", "dangling link", "hard link", "fifo", "directory", "longer file", "socket"]
)
def test_things_in_the_place_of_a_file(place, kind):
    outside = _outside(place)
    before = _state(outside)
    trees.build(place.source, [trees.Node((b"d", b"file"), data=((0, b"new"),), mode=0o4755)])
    os.mkdir(place.destination + b"/d")
    at = place.destination + b"/d/file"
    if kind == "link":
        os.symlink(outside + b"/target", at)
    elif kind == "dangling link":
        os.symlink(outside + b"/made", at)
    elif kind == "hard link":
        os.link(outside + b"/dir/file", at)
        before = _state(outside)
    elif kind == "fifo":
        os.mkfifo(at)
    elif kind == "socket":
        trees.build(place.destination, [trees.Node((b"d", b"file"), "s")])
    elif kind == "directory":
        os.mkdir(at)
    else:
        with open(at, "wb") as file:
            file.write(b"old" * 100000)
    result = place.ingest()
    if kind == "hard link":  # unlinking the name changes ctime and nlink of the other
        assert open(outside + b"/dir/file", "rb").read() == b"precious"
    else:
        assert _state(outside) == before
    if kind == "directory":
        assert list(result.errors) == [b"d/file"]
    else:
        assert result.failures == []
        assert place.differences() == []


def test_links_in_the_place_of_every_kind(place):
    """A destination whose every entry is a link to outside."""
    outside = _outside(place)
    before = _state(outside)
    trees.build(place.source, trees.hostile())
    for name in os.listdir(place.source):
        os.symlink(outside + b"/dir", place.destination + b"/" + name)
    result = place.ingest()
    assert _state(outside) == before
    assert result.failures or place.differences() == []


def test_a_changed_file_is_copied_again(place):
    trees.build(place.source, trees.hostile())
    place.ingest()
    with open(place.source + b"/files/plain", "r+b") as file:
        file.write(b"other")
    with open(place.source + b"/hard/top", "ab") as file:
        file.write(b" and more")
    os.chmod(place.source + b"/files/tab\there", 0o4711)
    os.unlink(place.source + b"/links/plain")
    os.symlink(b"elsewhere", place.source + b"/links/plain")
    result = place.ingest()
    assert result.failures == []
    assert place.differences() == []
    assert result.counts["changed"] >= 4
    assert place.ingest().counts["changed"] == 0


def test_a_terabyte_of_nothing(place):
    """Quickly planned and copied, holes and all."""
    with open(place.source + b"/disk", "wb") as file:
        file.truncate(1 << 40)
        for offset in (0, (1 << 39) + 12345, (1 << 40) - 9):
            file.seek(offset)
            file.write(b"some data")
    result = engine.ingest(place.source, [place.destination], place.run(), workers=2)
    assert not result.failures
    assert result.counts["files"] == 1 and result.counts["bytes"] == 1 << 40
    found = os.stat(place.destination + b"/disk")
    assert (found.st_size, found.st_blocks < 1 << 14) == (1 << 40, True)
    for offset in (0, (1 << 39) + 12345, (1 << 40) - 9):
        with open(place.destination + b"/disk", "rb") as file:
            file.seek(offset)
            assert file.read(9) == b"some data"
