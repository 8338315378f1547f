# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods rsync and msrsync in a client's workers, with the real rsync."""

from __future__ import annotations

import errno
import multiprocessing.popen_fork  # noqa: F401  (one test may not read it any more)
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client import rsync_items, rsync_lines
from ansible_collections.scaleout.ingest.plugins.module_utils.client.options import RsyncOptions
from ansible_collections.scaleout.ingest.plugins.module_utils.client.settings import Settings
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync import (
    method,
    process,
    two_phases,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync.shelter import can_bind
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.session import Session
from ansible_collections.scaleout.ingest.plugins.module_utils.core.allowance import Allowance
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import want_of
from ansible_collections.scaleout.ingest.plugins.module_utils.fs import directories
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.shards import CopyRow
from ansible_collections.scaleout.ingest.tests.support import compare, pipeline, trees
from hypothesis import HealthCheck, given, settings

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
ROOT = os.geteuid() == 0


@pytest.fixture(name="pair")
def _pair(tmp_path: Path) -> tuple[bytes, bytes]:
    pair = os.fsencode(tmp_path / "source"), os.fsencode(tmp_path / "destination")
    for root in pair:
        os.mkdir(root)
    return pair


@pytest.mark.parametrize(
    "options",
    [
        {"method": "rsync"},
        {"method": "rsync", "workers": 3, "verify": "checksum", "split": "dynamic"},
        {"method": "msrsync", "workers": 4, "rsync_options": ["-hv", "-z"]},
    ],
)
def test_hostile_tree_twice(
    pair: tuple[bytes, bytes], tmp_path: Path, options: dict[str, Any]
) -> None:
    source, destination = pair
    trees.build(source, [node for node in trees.hostile() if node.path[-1] != b"huge"])
    first = pipeline.ingest(source, [destination], str(tmp_path / "run1"), **options)
    assert first["failed"] == 0
    assert compare.compare_trees(source, destination) == []
    second = pipeline.ingest(source, [destination], str(tmp_path / "run2"), **options)
    assert (second["files"], second["changed"], second["failed"]) == (0, 0, 0)
    assert compare.compare_trees(source, destination) == []


def test_paths_that_are_too_long_for_rsync(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    source, destination = pair
    trees.build(source, trees.deep(30))
    try:
        done = pipeline.ingest(source, [destination], str(tmp_path / "run"), method="rsync")
        assert done["failed"] == 0
        assert compare.compare_trees(source, destination) == []
    finally:
        for root in pair:
            trees.remove(root)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.trees())
def test_any_tree(nodes: list[trees.Node]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, destination = (os.fsencode(os.path.join(folder, name)) for name in "sd")
        for root in (source, destination):
            os.mkdir(root)
        trees.build(source, nodes)
        try:
            assert (
                pipeline.ingest(source, [destination], os.path.join(folder, "run"), method="rsync")[
                    "failed"
                ]
                == 0
            )
            assert compare.compare_trees(source, destination) == []
        finally:
            for root in (source, destination):
                trees.remove(root)


def test_no_link_of_the_destination_is_followed(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    source, destination = pair
    trees.build(
        source,
        [trees.Node((b"d", b"file"), data=((0, b"1"),)), trees.Node((b"top",), data=((0, b"2"),))],
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    os.symlink(os.fsencode(outside), os.path.join(destination, b"d"))
    done = pipeline.ingest(source, [destination], str(tmp_path / "run"), method="rsync")
    assert done["failed"] > 0
    assert os.listdir(outside) == []
    assert os.path.exists(os.path.join(destination, b"top"))


def swapping(tmp_path: Path, directory: bytes) -> str:
    """A folder with an rsync that, when first started to copy, finds a link to a private directory
    in the place of ``directory``, as somebody else may have put it there meanwhile."""
    private = tmp_path / "private"
    private.mkdir()
    (private / "file").write_bytes(b"secret")
    os.utime(private / "file", ns=(1, 1))
    folder = tmp_path / "bin"
    folder.mkdir()
    place = os.fsdecode(directory)
    (folder / "rsync").write_text(
        f"""#!/bin/sh
case "$*" in *--out-format*)
    if mkdir {tmp_path}/once 2>/dev/null; then
        mv {place} {place}.away; ln -s {private} {place}
    fi;;
esac
exec {shutil.which("rsync")} "$@"
"""
    )
    (folder / "rsync").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.skipif(not can_bind(), reason="this host or user gives rsync no mount namespace")
@pytest.mark.parametrize("method", ["rsync", "msrsync"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_directory_that_becomes_a_link_while_rsync_runs(
    pair: tuple[bytes, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    side: int,
) -> None:
    """Neither do private files come over, nor is anything written outside the destination."""
    source, destination = pair
    nodes = [trees.Node((b"d", b"file"), data=((0, b"ours"),)), trees.Node((b"d", b"other"))]
    trees.build(source, nodes)
    os.mkdir(os.path.join(destination, b"d"))
    monkeypatch.setenv("PATH", swapping(tmp_path, os.path.join(pair[side], b"d")))
    pipeline.ingest(source, [destination], str(tmp_path / "run"), method=method)
    assert (tmp_path / "once").exists()
    assert sorted(os.listdir(tmp_path / "private")) == ["file"]
    assert (tmp_path / "private" / "file").read_bytes() == b"secret"
    arrived = os.path.join(destination, b"d.away" if side else b"d", b"file")
    assert Path(os.fsdecode(arrived)).read_bytes() == b"ours"


def test_without_a_shelter_rsync_gets_only_what_nobody_else_can_change(
    pair: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (two_phases, rsync_items):
        monkeypatch.setattr(module, "can_bind", lambda: False)
    source, destination = pair
    trees.build(
        source,
        [
            trees.Node((b"shared", b"file"), data=((0, b"1"),)),
            trees.Node((b"own", b"file"), data=((0, b"2"),)),
            trees.Node((b"shared",), "d", mode=0o777),
        ],
    )
    os.chmod(source, 0o755)
    os.chmod(destination, 0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rsync").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/log\nexec {shutil.which("rsync")} "$@"\n'
    )
    (tmp_path / "bin/rsync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    done = pipeline.ingest(source, [destination], str(tmp_path / "run"), method="rsync")
    assert (done["files"], done["failed"]) == (2, 0)
    assert compare.compare_trees(source, destination) == []
    log = (tmp_path / "log").read_text()
    assert "own/file" in log
    assert "shared/file" not in log


@pytest.mark.parametrize("method", ["rsync", "msrsync"])
def test_a_full_disk_leaves_the_older_file(
    pair: tuple[bytes, bytes], tmp_path: Path, method: str
) -> None:
    if not ROOT:
        pytest.skip("only root can mount a small file system")
    source, mount = pair
    trees.build(source, [trees.Node((b"file",), data=((0, os.urandom(3 << 20)),))])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], check=True)
    try:
        old = Path(os.fsdecode(mount), "file")
        old.write_bytes(b"the only copy")
        done = pipeline.ingest(source, [mount], str(tmp_path / "run"), method=method)
        assert done["failed"] > 0
        assert old.read_bytes() == b"the only copy"
        assert os.listdir(mount) == [b"file"]
    finally:
        subprocess.run(["umount", mount], check=True)


def test_an_empty_directory_in_the_place_of_a_file_is_a_failure(
    pair: tuple[bytes, bytes], tmp_path: Path
) -> None:
    source, destination = pair
    nodes = [trees.Node((b"name",), data=((0, b"1"),)), trees.Node((b"link",), "l", target=b"x")]
    trees.build(source, nodes)
    for name in (b"name", b"link"):
        os.mkdir(os.path.join(destination, name))
    run = tmp_path / "run"
    done = pipeline.ingest(source, [destination], str(run), method="rsync", verify="none")
    assert (done["files"], done["failed"]) == (0, 2)
    assert all(os.path.isdir(os.path.join(destination, name)) for name in (b"name", b"link"))
    with sqlite3.connect(run / "plan.db") as db:
        rows = db.execute("SELECT path, errno, message FROM failures").fetchall()
    assert {(bytes(path), number) for path, number, _said in rows} == {
        (b"name", errno.EISDIR),
        (b"link", errno.EISDIR),
    }
    assert "the destination has a directory here" in rows[0][2]


@pytest.mark.parametrize("sheltered", [True, False])
def test_paths_of_many_components(
    pair: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sheltered: bool
) -> None:
    if not sheltered:
        for module in (two_phases, rsync_items):
            monkeypatch.setattr(module, "can_bind", lambda: False)
    source, destination = pair
    trees.build(source, trees.deep(1300, b"d"))
    try:
        done = pipeline.ingest(source, [destination], str(tmp_path / "run"), method="rsync")
        assert done["failed"] == 0
        assert compare.compare_trees(source, destination) == []
    finally:
        for root in pair:
            trees.remove(root)


def test_somebody_elses_file_is_the_engines(pair: tuple[bytes, bytes]) -> None:
    """rsync would give away, with the owner, contents that nobody has looked at."""
    if not ROOT:
        pytest.skip("only root gives files to others")
    source, destination = pair
    for name in (b"foreign", b"right", b"ours", b"set-id"):
        for root in pair:
            Path(os.fsdecode(os.path.join(root, name))).write_bytes(b"1")
    for name, root in ((b"foreign", destination), (b"right", source), (b"right", destination)):
        os.chown(os.path.join(root, name), 65534, 65534)
    os.chmod(os.path.join(source, b"set-id"), 0o4755)
    session = Session(source, destination, frozenset(PRESERVE))
    items = rsync_items.RsyncItems(session)
    rows = [
        CopyRow(name, want_of(os.lstat(os.path.join(source, name)))) for name in os.listdir(source)
    ]
    items.add(b"", rows)
    assert sorted(items.wants) == [b"ours", b"right"] == sorted(items.existing)
    assert session.failures == []


@pytest.mark.parametrize("mode", [0o644, 0o4755])
def test_somebody_elses_contents_are_given_to_nobody(
    pair: tuple[bytes, bytes], tmp_path: Path, mode: int
) -> None:
    """They have the right size and time, and would be root's."""
    if not ROOT:
        pytest.skip("only root gives files to others")
    for root, data in zip(pair, (b"right", b"wrong")):
        path = os.path.join(root, b"file")
        Path(os.fsdecode(path)).write_bytes(data)
        os.utime(path, ns=(10**18, 10**18))
    os.chmod(os.path.join(pair[0], b"file"), mode)
    os.chown(os.path.join(pair[1], b"file"), 65534, 65534)
    done = pipeline.ingest(pair[0], [pair[1]], str(tmp_path / "run"), method="rsync")
    assert (done["files"], done["failed"]) == (1, 0)
    assert compare.compare_trees(*pair) == []


@pytest.mark.parametrize("method", ["rsync", "copy"])
def test_what_a_killed_rsync_left_goes_away(
    pair: tuple[bytes, bytes], tmp_path: Path, method: str
) -> None:
    """And nothing that only looks like it."""
    source, destination = pair
    long = b"n" * 250
    names = (b"file", b".file.KeepMe", b"config", long)
    trees.build(source, [trees.Node((b"d", name), data=((0, b"contents"),)) for name in names])
    os.mkdir(os.path.join(destination, b"d"))

    def leave(name: bytes, data: bytes, mode: int = 0o600) -> None:
        path = os.path.join(destination, b"d", name)
        Path(os.fsdecode(path)).write_bytes(data)
        os.chmod(path, mode)

    leave(b".file.AbC123", b"cont")
    leave(b".file.AbC124", b"")
    leave(b"." + long[:247] + b".AbC123", b"c")
    leave(b".config.backup", b"another")  # not what the source has
    leave(b".file.public", b"cont", 0o644)
    leave(b".other.AbC123", b"cont")
    pipeline.ingest(source, [destination], str(tmp_path / "run"), method=method)
    kept = {b".config.backup", b".file.public", b".other.AbC123"}
    assert set(os.listdir(os.path.join(destination, b"d"))) == kept | set(names)
    assert Path(os.fsdecode(destination), "d", ".file.KeepMe").read_bytes() == b"contents"


def test_an_rsync_that_is_killed_leaves_nothing(
    pair: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, destination = pair
    trees.build(source, [trees.Node((b"d", b"file"), data=((0, b"contents"),))])
    target = os.fsdecode(destination) + "/d"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rsync").write_text(
        f"""#!/bin/sh
case "$*" in *--out-format*)
    if mkdir {tmp_path}/once 2>/dev/null; then
        umask 077; echo -n cont > {target}/.file.AbC123; kill -9 $$
    fi;;
esac
exec {shutil.which("rsync")} "$@"
"""
    )
    (tmp_path / "bin/rsync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    done = pipeline.ingest(source, [destination], str(tmp_path / "run"), method="rsync", workers=1)
    assert (done["files"], done["failed"]) == (1, 0)
    assert os.listdir(target) == ["file"]


def test_few_open_files_are_enough(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    """Each rsync takes some, and so does each directory of its shelter while it starts."""
    source, destination = pair
    nodes = [trees.Node((b"%d" % n, b"a", b"%d" % f)) for n in range(60) for f in range(3)]
    trees.build(source, nodes)
    pid = os.fork()
    if not pid:
        code = 99
        try:
            os.closerange(3, 4096)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            directories.budget.cache_clear()
            process.slots.cache_clear()
            done = pipeline.ingest(
                source, [destination], str(tmp_path / "run"), method="rsync", workers=4
            )
            code = int((done["files"], done["failed"]) != (180, 0))
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] >> 8 == 0


def test_no_rsync_outlives_its_worker(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    """All three of its processes end, wherever they are."""
    source, destination = pair
    trees.build(source, [trees.Node((b"file",), data=((0, os.urandom(4 << 20)),))])
    pid = os.fork()
    if not pid:
        try:
            session = Session(source, destination, frozenset(PRESERVE))
            slowly = [shutil.which("rsync") or "", "-tR", "--bwlimit=100"]
            two_phases.two_phases(slowly, session, [b"file"])
        finally:
            os._exit(0)
    deadline = time.monotonic() + 30
    while not os.path.exists(os.path.join(destination, b"file")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started = descendants(pid)
    assert len(started) == 3
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while any(running(each) for each in started):
        assert time.monotonic() < deadline, "it still writes"
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in map(int, children) for each in (child, *descendants(child))]


def running(pid: int) -> bool:
    """Whether a process is there, and no zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_links_that_the_source_has_no_more(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    """In place, one file's new contents would reach the other's name."""
    source, destination = pair
    for number in range(6):
        for root, link in ((source, False), (destination, True)):
            for name in (b"a%d", b"b%d"):
                path = os.path.join(root, name % number)
                if link and name == b"b%d":
                    os.link(os.path.join(root, b"a%d" % number), path)
                else:
                    Path(os.fsdecode(path)).write_bytes(path)
    for verify in ("metadata", "none"):
        done = pipeline.ingest(
            source,
            [destination],
            str(tmp_path / verify),
            method="rsync",
            limits=Limits(items=1),
            workers=2,
            verify=verify,
        )
        assert done["failed"] == 0
        assert compare.compare_trees(source, destination) == []


def test_another_user_gets_no_set_id_file() -> None:
    if not ROOT:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        source, destination, run = (os.path.join(folder, name) for name in ("s", "d", "run"))
        for path in (source, destination, run):
            os.mkdir(path)
            os.chmod(path, 0o777)
        Path(source, "suid").write_bytes(b"1")
        os.chmod(os.path.join(source, "suid"), 0o4755)
        pid = os.fork()
        if not pid:
            code = 99
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                counts = pipeline.ingest(
                    os.fsencode(source), [os.fsencode(destination)], run, method="rsync"
                )
                kinds = dict(
                    sqlite3.connect(os.path.join(run, "plan.db")).execute(
                        "SELECT kind, count FROM losses"
                    )
                )
                code = 0 if counts["files"] == 1 and {"owner", "set-id"} <= set(kinds) else 1
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] >> 8 == 0
        found = os.stat(os.path.join(destination, "suid"))
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o755, 65534)


def options(**more: Any) -> dict[str, Any]:
    found = {
        "method": "rsync",
        "rsync_options": [],
        "host": "client7",
        "preserve": PRESERVE,
        "fsync": False,
    }
    return {**found, **more}


def test_settings(pair: tuple[bytes, bytes]) -> None:
    base = Settings(pair[0], (pair[1],), PRESERVE, 2, 2, Allowance(8 << 20))
    made = rsync_lines.configure(RsyncOptions("msrsync", (), 170, 1000, "checksum"), base, True)
    assert (made.chunk_files, made.chunk_bytes, made.rsync_verify) == (170, 1000, "checksum")
    assert "--bwlimit=2048" in rsync_lines.limited(made)
    base.allowance.change(0, 0, False)
    assert rsync_lines.limited(made) == made.rsync
    with pytest.raises(IngestError, match="'times'"):
        rsync_lines.configure(RsyncOptions("rsync"), base._replace(preserve=("mode",)), True)


def test_unknown_method() -> None:
    with pytest.raises(
        IngestError, match="ingest_method: 'scp' is not one of copy, rsync, msrsync"
    ):
        method.check_method(options(method="scp"))


def test_missing_rsync(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(IngestError, match="rsync is not installed on host client7"):
        method.check_method(options(method="msrsync"))
    method.check_method(options(method="copy"))
