# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scan: complete, exact, and honest about what it could not read."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, ContextManager, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import NOT_LISTED
from ansible_collections.scaleout.ingest.plugins.module_utils.index import writer
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.index.rows import Totals
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import coordinator as scanning
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import directory, lister
from ansible_collections.scaleout.ingest.tests.faults import mounts
from ansible_collections.scaleout.ingest.tests.support import indexes, trees
from ansible_collections.scaleout.ingest.tests.support.indexes import scan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = os.geteuid() == 0


@pytest.fixture
def source(tmp_path: Path) -> Iterator[bytes]:
    """Where the tree goes."""
    root = os.fsencode(tmp_path / "source")
    os.mkdir(root)
    yield root
    trees.remove(root)


def fill(root: bytes, *paths: str) -> None:
    """Make files, and directories where the path ends with a slash."""
    for path in paths:
        full = os.path.join(os.fsdecode(root), path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if not path.endswith("/"):
            with open(full, "w", encoding="ascii") as stream:
                stream.write(path)


def paths(folder: object) -> set[str]:
    """All paths of an index, that of the source left out."""
    index = Index(str(folder))
    indexes.check(index)
    found = {os.fsdecode(path) for path in indexes.contents(index)} - {""}
    index.close()
    return found


def errors(folder: object) -> list[tuple[bytes, str, int]]:
    """The errors of an index."""
    index = Index(str(folder))
    found = sorted(error[:3] for error in index.errors())
    index.close()
    return found


def compare(root: bytes, folder: str) -> None:
    """The index holds exactly what lies below the root."""
    index = Index(folder)
    indexes.check(index)
    assert indexes.contents(index) == indexes.tree(root)
    assert not list(index.errors())
    index.close()


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (4, 1), (2, 3)])
def test_hostile_tree(source: bytes, tmp_path: Path, workers: int, threads: int) -> None:
    trees.build(source, trees.hostile())
    totals = scan(source, str(tmp_path / "index"), workers=workers, threads=threads)
    compare(source, str(tmp_path / "index"))
    assert totals == Index(str(tmp_path / "index")).totals()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.trees(), st.sampled_from([1, 3]))
def test_any_tree(nodes: list[trees.Node], workers: int) -> None:
    folder = tempfile.mkdtemp()
    root = os.fsencode(folder) + b"/source"
    try:
        os.mkdir(root)
        trees.build(root, nodes)
        scan(root, folder + "/index", workers=workers)
        compare(root, folder + "/index")
    finally:
        trees.remove(os.fsencode(folder))


def test_deeper_than_path_max(source: bytes, tmp_path: Path) -> None:
    trees.build(source, trees.deep(60))
    scan(source, str(tmp_path / "index"), workers=2)
    compare(source, str(tmp_path / "index"))


def test_same_rows_however_many_workers(source: bytes, tmp_path: Path) -> None:
    for n in range(40):
        fill(source, *("d%d/e%d/f%d" % (n % 7, n % 5, m) for m in range(n)))
    orders = []
    for workers, threads in ((1, 1), (4, 1), (1, 4)):
        folder = str(tmp_path / ("index%d%d" % (workers, threads)))
        scan(source, folder, workers=workers, threads=threads)
        index = Index(folder)
        orders.append([(d.path, [e.name for e in index.entries(d)]) for d in index.directories()])
    assert orders[0] == orders[1] == orders[2]
    assert all(names == sorted(names) for dummy, names in orders[0])


def test_giant_directory_is_streamed_in_runs(
    source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "RUN", 50)
    monkeypatch.setattr(directory, "GROUP", 7)
    monkeypatch.setattr(writer, "FLUSH", 64)
    fill(source, *("flat/%d" % n for n in range(333)), *("flat/dir%d/x" % n for n in range(60)))
    seen: list[Totals] = []
    scan(source, str(tmp_path / "index"), workers=2, progress=seen.append)
    compare(source, str(tmp_path / "index"))
    assert seen[-1].files == 393


def test_links_are_not_followed_but_the_source_may_be_one(source: bytes, tmp_path: Path) -> None:
    fill(source, "a/b")
    os.symlink(b"a", os.path.join(source, b"link"))
    os.symlink(source, tmp_path / "way")
    scan(str(tmp_path / "way"), str(tmp_path / "index"))
    assert paths(tmp_path / "index") == {"a", "a/b", "link"}


def test_times_after_2262(source: bytes, tmp_path: Path) -> None:
    late = (1 << 63) + 987_654_321
    fill(source, "a/now", "a/late", "b/now")
    for name in (b"a/late", b"b"):
        os.utime(os.path.join(source, name), ns=(late, late))
    if os.stat(os.path.join(source, b"a/late")).st_mtime_ns != late:
        pytest.skip("this file system has no times after 2262")
    scan(source, str(tmp_path / "index"), workers=1)
    compare(source, str(tmp_path / "index"))


def test_filters_prune(source: bytes, tmp_path: Path) -> None:
    fill(source, "keep/a.c", "keep/a.o", "skip/a.c", "skip/deep/b", "x.o", "y")
    scan(source, str(tmp_path / "index"), include=[b"/x.o"], exclude=[b"*.o", b"/skip/"])
    assert paths(tmp_path / "index") == {"keep", "keep/a.c", "x.o", "y"}


def test_globs_take_whole_directories_and_only_the_ways_that_lead_somewhere(
    source: bytes, tmp_path: Path
) -> None:
    fill(
        source,
        "file01",
        "file1",
        "other",
        "a/file0/deep/x",
        "a/file0/.hidden",
        "a/no",
        "b/c/no",
        "c/file0",
    )
    fill(source, "d/.file0")
    scan(
        source,
        str(tmp_path / "index"),
        workers=3,
        globs=[b"file0*", b"*/file0", b"*/*/file7", b"zzz"],
    )
    index = Index(str(tmp_path / "index"))
    assert paths(tmp_path / "index") == {
        "file01",
        "a",
        "a/file0",
        "a/file0/deep",
        "a/file0/deep/x",
        "a/file0/.hidden",
        "c",
        "c/file0",
    }
    assert index.meta()["unmatched_globs"] == ["*/*/file7", "zzz"]


NAMES = st.sampled_from(["a", "b", "ab", ".a", "file0", "file1"])
PARTS = st.sampled_from(["a", "*", "?b", "file*", "[ab]", ".a", "*0"])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=10),
    st.lists(st.lists(PARTS, min_size=1, max_size=3).map("/".join), min_size=1, max_size=3),
)
def test_globs_property(names: list[str], globs: list[str]) -> None:
    """What matches, all below and all above it; nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "source")
        for name in names:
            os.makedirs(os.path.join(root, name, "end"), exist_ok=True)
        program = (
            "IFS=; shopt -s nullglob globskipdots 2>/dev/null; "
            'for f in $P; do printf "%s\\0" "$f"; done'
        )
        matched: set[str] = set()
        for glob in globs:
            out = subprocess.run(
                ["bash", "-c", program],
                cwd=root,
                env={**os.environ, "P": glob, "LC_ALL": "C"},
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
            matched |= {
                n
                for n in os.fsdecode(out).split("\0")
                if n and os.path.lexists(os.path.join(root, n))
            }
        everything = {os.fsdecode(path) for path in indexes.tree(os.fsencode(root))} - {""}
        wanted = {
            p
            for p in everything
            if any((p + "/").startswith(m + "/") or m.startswith(p + "/") for m in matched)
        }
        try:
            scan(root, folder + "/index", workers=2, globs=[os.fsencode(g) for g in globs])
        except IngestError as error:
            assert not wanted and "globs: nothing in" in str(error)
        else:
            assert paths(folder + "/index") == wanted


def test_one_file_system(source: bytes, tmp_path: Path) -> None:
    fill(source, "here/a", "mount/")
    mount = os.path.join(source, b"mount")
    if not ROOT or subprocess.run(["mount", "-t", "tmpfs", "none", mount], check=False).returncode:
        pytest.skip("only root can mount a file system")
    try:
        fill(source, "mount/b")
        scan(source, str(tmp_path / "index"), one_file_system=True)
        assert paths(tmp_path / "index") == {"here", "here/a", "mount"}
        scan(source, str(tmp_path / "index"))
        assert paths(tmp_path / "index") == {"here", "here/a", "mount", "mount/b"}
    finally:
        subprocess.run(["umount", mount], check=True)


# ---------------------------------------------------------------- what can't be read


def as_nobody(job: Callable[[], Any]) -> None:
    """Run something as a user without rights; what it raises is raised here."""
    if not ROOT:
        job()
        return
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            job()
            status = 0
        except BaseException as error:  # pylint: disable=broad-except
            os.write(2, repr(error).encode())
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.fixture
def open_folder() -> Iterator[str]:
    """A folder that every user can reach and write to."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o777)
    yield folder
    trees.remove(os.fsencode(folder))


def test_unreadable_directories_are_errors(open_folder: str) -> None:
    root = open_folder + "/source"
    os.mkdir(root)
    fill(os.fsencode(root), "ok/a", "closed/b", "blind/c", "after/d")
    os.chmod(root + "/closed", 0o000)
    os.chmod(root + "/blind", 0o444)  # can be listed, but nothing in it looked up
    try:
        as_nobody(lambda: scan(root, open_folder + "/index"))
        expected = [(b"blind/c", "stat", errno.EACCES), (b"closed", "open", errno.EACCES)]
        assert errors(open_folder + "/index") == expected
        assert paths(open_folder + "/index") == {
            "ok",
            "ok/a",
            "closed",
            "blind",
            "after",
            "after/d",
        }
    finally:
        os.chmod(root + "/closed", 0o700)
        os.chmod(root + "/blind", 0o700)


def faulty(source: bytes, tmp_path: Path) -> ContextManager[mounts.FaultFS]:
    """The source, read through the fault injector."""
    return mounts.faultfs(source, os.fsencode(tmp_path / "mount"))


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("given", [0, 3, 1500])
def test_listing_that_ends_half_way(
    source: bytes, tmp_path: Path, given: int, threads: int
) -> None:
    fill(source, *("sick/%d" % n for n in range(2000)), "well/a")
    with faulty(source, tmp_path) as faults:
        faults.rule(op="readdir", match="sick", errno=errno.EIO, **{"from": given})
        totals = scan(faults.path, str(tmp_path / "index"), threads=threads)
    assert errors(tmp_path / "index") == [(b"sick", "list", errno.EIO)]
    assert totals.errors == 1 and totals.files < 2001
    assert {"sick", "well", "well/a"} <= paths(tmp_path / "index")
    index = Index(str(tmp_path / "index"))
    names = {directory.path: directory.names for directory in index.directories()}
    index.close()
    # Nobody later takes what came of it for the whole directory.
    assert names[b"sick"] == NOT_LISTED != names[b"well"]


def test_entries_that_vanish_are_errors(source: bytes, tmp_path: Path) -> None:
    """Between the listing and the look, or the look and the opening."""
    fill(source, "top/file", "top/directory/", "top/turncoat/", "other/a")
    with faulty(source, tmp_path) as faults:
        faults.rule(op="getattr", match="/top/file", errno=errno.ENOENT)
        faults.rule(op="opendir", match="/top/directory", errno=errno.ENOENT)
        faults.rule(op="opendir", match="/top/turncoat", errno=errno.ENOTDIR)
        scan(faults.path, str(tmp_path / "index"))
    assert [error[:2] for error in errors(tmp_path / "index")] == [
        (b"top/directory", "open"),
        (b"top/file", "stat"),
        (b"top/turncoat", "open"),
    ]
    # "top" is now known to be empty, so that nobody waits for what would create it.
    assert paths(tmp_path / "index") == {"top", "other", "other/a"}


@pytest.mark.parametrize("fault", ["twice", "again"])
@pytest.mark.parametrize("at", [0, 150, 1000])
def test_what_a_server_gives_twice_is_there_once(
    source: bytes, tmp_path: Path, fault: str, at: int
) -> None:
    """``again``: in the middle of a listing its cookies begin to mean something else."""
    fill(source, *("wide/%d" % n for n in range(1200)), *("wide/d%d/a" % n for n in range(5)))
    with faulty(source, tmp_path) as faults:
        faults.rule(op="readdir", match="wide", do=fault, times=1 if at else 100, **{"from": at})
        totals = scan(faults.path, str(tmp_path / "index"))
    assert errors(tmp_path / "index") == []
    assert (totals.files, totals.directories) == (1205, 7)
    index = Index(str(tmp_path / "index"))
    indexes.check(index)
    assert len(list(indexes.contents(index))) == 1212
    index.close()


def test_names_that_differ_only_in_bytes(source: bytes, tmp_path: Path) -> None:
    names = [b"\xc3\xa9", b"e\xcc\x81", b"\xe9", b"\xff", b"\xfe", b"\xed\xa0\x80", b"E", b"e"]
    for name in names:
        os.close(os.open(source + b"/" + name, os.O_CREAT))
    with faulty(source, tmp_path) as faults:
        scan(faults.path, str(tmp_path / "index"))
    assert paths(tmp_path / "index") == set(map(os.fsdecode, names))


def test_dead_worker_is_an_error(
    source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Any, group: Any, name: bytes) -> None:
        if name == b"poison":
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, group, name)

    real = lister.Lister.directory
    fill(source, *("d%d/f" % n for n in range(20)), "poison/f")
    monkeypatch.setattr(lister.Lister, "directory", die)
    with pytest.raises(IngestError, match=r"worker process died \(signal 9\)"):
        scan(source, str(tmp_path / "index"), workers=3)


@pytest.mark.parametrize("threads", [1, 2])
def test_worker_that_fails_is_an_error(
    source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    def fail(dummy_self: Any, dummy_group: Any, dummy_name: bytes) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(lister.Lister, "directory", fail)
    with pytest.raises(IngestError, match="MemoryError: no more"):
        scan(source, str(tmp_path / "index"), workers=2, threads=threads)


def test_workers_end_with_the_coordinator(
    source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: Any, group: Any, name: bytes) -> None:
        with open(tmp_path / ("worker%d" % os.getpid()), "w", encoding="ascii"):
            pass
        time.sleep(0.05)
        real(self, group, name)

    real = lister.Lister.directory
    fill(source, *("d%d/e%d/" % (n % 30, n) for n in range(900)))
    monkeypatch.setattr(lister.Lister, "directory", slow)
    coordinator = os.fork()
    if coordinator == 0:
        try:
            scan(source, str(tmp_path / "index"), workers=2)
        finally:
            os._exit(0)
    workers: list[int] = []
    for _try in range(200):
        workers = [int(p.name[6:]) for p in tmp_path.glob("worker*")]
        if len(workers) == 2:
            break
        time.sleep(0.05)
    assert len(workers) == 2
    os.kill(coordinator, signal.SIGKILL)
    os.waitpid(coordinator, 0)
    for _try in range(400):
        alive = [pid for pid in workers if running(pid)]
        if not alive:
            break
        time.sleep(0.05)
    assert not alive


def running(pid: int) -> bool:
    """Whether a process is there and is not only waiting to be reaped."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_progress_can_stop_the_scan(
    source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(dummy: Totals) -> None:
        raise IngestError("enough")

    monkeypatch.setattr(scanning, "_INTERVAL", 0.0)
    fill(source, *("d%d/" % n for n in range(50)))
    with pytest.raises(IngestError, match="enough"):
        scan(source, str(tmp_path / "index"), progress=stop)


# ---------------------------------------------------------------- bad input


def test_bad_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, why in (("missing", "does not exist"), ("file", "is not a directory")):
        with pytest.raises(IngestError, match=f"source '.*{name}' {why}"):
            scan(str(tmp_path / name), str(tmp_path / "index"))
    assert not (tmp_path / "index").exists()


def test_closed_source_is_named(open_folder: str) -> None:
    root = open_folder + "/source"
    os.mkdir(root, 0o000)
    os.chmod(root, 0o000)

    def job() -> None:
        with pytest.raises(IngestError, match=r"source '.*' can't be listed: Permission denied"):
            scan(root, open_folder + "/index")

    as_nobody(job)


def test_output_in_the_source_is_refused(source: bytes, tmp_path: Path) -> None:
    os.symlink(source, tmp_path / "way")
    for folder in (
        os.fsdecode(source),
        os.fsdecode(source) + "/index",
        str(tmp_path / "way" / "x"),
    ):
        with pytest.raises(IngestError, match="lies inside the source"):
            scan(source, folder)
    assert not os.listdir(source)


@pytest.mark.parametrize("workers", [0, -1, "many"])
def test_bad_workers_are_named(source: bytes, tmp_path: Path, workers: object) -> None:
    with pytest.raises(IngestError, match=f"workers: '{workers}'"):
        scan(source, str(tmp_path / "index"), workers=workers)  # type: ignore[arg-type]


def test_two_scans_do_not_share_a_folder(
    source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(dummy: Totals) -> None:
        with pytest.raises(IngestError, match="another scan is writing"):
            scan(source, str(tmp_path / "index"))
        tried.append(True)

    tried: list[bool] = []
    monkeypatch.setattr(scanning, "_INTERVAL", 0.0)
    fill(source, *("d%d/f" % n for n in range(30)))
    scan(source, str(tmp_path / "index"), progress=again)
    assert tried and len(paths(tmp_path / "index")) == 60
    scan(source, str(tmp_path / "index"))


def test_an_index_without_its_end_is_refused(source: bytes, tmp_path: Path) -> None:
    fill(source, *("d%d/f" % n for n in range(30)))
    scan(source, str(tmp_path / "index"), workers=3)
    os.rename(tmp_path / "index" / "2.db", tmp_path / "2.db")
    with pytest.raises(IngestError, match="is not complete"):
        Index(str(tmp_path / "index"))
    os.rename(tmp_path / "2.db", tmp_path / "index" / "0.db")
    with pytest.raises(IngestError, match="is not complete"):
        Index(str(tmp_path / "index"))


def test_an_index_of_another_version_is_refused(source: bytes, tmp_path: Path) -> None:
    fill(source, "a")
    scan(source, str(tmp_path / "index"), workers=1)
    db = sqlite3.connect(str(tmp_path / "index" / "0.db"))
    db.execute("PRAGMA user_version=0")
    db.close()
    message = r"0\.db was written by an older version of .* \(schema 1, this one reads \d+\): scan"
    with pytest.raises(IngestError, match=message):
        Index(str(tmp_path / "index"))


def test_full_disk_is_said(source: bytes, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path / "small")]
    if not ROOT or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a file system")
    try:
        fill(source, *("flat/%d" % n for n in range(20_000)))
        with pytest.raises(IngestError, match=r"the index can't be written to '.*': .* full"):
            scan(source, str(tmp_path / "small" / "index"), workers=2)
        assert not os.listdir(tmp_path / "small" / "index")
    finally:
        subprocess.run(["umount", str(tmp_path / "small")], check=True)


def test_an_old_index_is_replaced(source: bytes, tmp_path: Path) -> None:
    fill(source, "a", "b/c")
    scan(source, str(tmp_path / "index"), workers=4)
    os.unlink(os.path.join(source, b"a"))
    scan(source, str(tmp_path / "index"), workers=1)
    assert sorted(os.listdir(tmp_path / "index")) == ["0.db"]
    assert paths(tmp_path / "index") == {"b", "b/c"}
