# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that are one export and can be written, and those that are not or can't."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts import same_export
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight import checks
from ansible_collections.scaleout.ingest.tests.faults import mounts

ENGINE = "ansible_collections.scaleout.ingest.plugins.module_utils"
ROOT = os.geteuid() == 0
OLD = 1_234_567_890_123_456_789


@pytest.fixture
def folder() -> Iterator[bytes]:
    made = os.fsencode(tempfile.mkdtemp(prefix="exports-", dir="/var/tmp"))
    os.chmod(made, 0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def directory(folder: bytes, name: bytes) -> bytes:
    """A directory with an old time."""
    path = os.path.join(folder, name)
    os.mkdir(path)
    os.utime(path, ns=(OLD, OLD))
    return path


def as_it_was(path: bytes) -> bool:
    return os.listdir(path) == [] and os.stat(path).st_mtime_ns == OLD


def test_one_directory(folder: bytes) -> None:
    one = directory(folder, b"one")
    seen = same_export.prove([one])
    assert as_it_was(one)
    assert (seen["mtime"], seen["inode"]) == (OLD, os.stat(one).st_ino)
    assert seen["created"] > OLD
    assert same_export.look([one])["mtime"] == OLD


def test_two_directories_are_refused(folder: bytes) -> None:
    one, two = directory(folder, b"one"), directory(folder, b"two")
    for act in (same_export.prove, same_export.look, same_export.make):
        with pytest.raises(
            IngestError, match="'.*/one' and '.*/two' are not the same directory on "
        ):
            act([one, two])
        assert as_it_was(one) and as_it_was(two)


def test_the_third_mount_is_another(folder: bytes) -> None:
    one, other = directory(folder, b"one"), directory(folder, b"other")
    os.symlink(one, folder + b"/two")
    with pytest.raises(IngestError, match="/two' and '.*/other' are not the same"):
        same_export.prove([one, folder + b"/two", other])
    assert as_it_was(one) and as_it_was(other)


def test_several_mounts_of_one(folder: bytes) -> None:
    one = directory(folder, b"one")
    with mounts.mounted(folder + b"/two", "--bind", os.fsdecode(one)) as two:
        same_export.prove([one, two])
        assert as_it_was(one)


def test_a_mount_that_is_read_only(folder: bytes) -> None:
    one = directory(folder, b"one")
    with mounts.mounted(folder + b"/two", "-o", "bind,ro", os.fsdecode(one)) as two:
        with pytest.raises(IngestError, match="'.*/two' can't be written by uid .*Read-only"):
            same_export.prove([one, two])
        assert as_it_was(one)


def test_a_full_file_system(folder: bytes) -> None:
    with mounts.tiny(folder + b"/full", "64k") as full:
        fd = os.open(full + b"/filler", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError):
            while True:
                os.write(fd, b"x" * 4096)
        os.close(fd)
        with pytest.raises(IngestError, match="'.*/full' can't be written by uid 0 .No space left"):
            same_export.prove([full])
        assert os.listdir(full) == [b"filler"]


@pytest.mark.parametrize(
    "op, number", [("fsync", errno.EDQUOT), ("write", errno.ENOSPC), ("create", errno.EACCES)]
)
def test_a_mount_that_refuses_what_is_written(folder: bytes, op: str, number: int) -> None:
    one = directory(folder, b"one")
    with mounts.faultfs(one, folder + b"/two") as faults:
        faults.rule(op=op, match="*", errno=number)
        with pytest.raises(
            IngestError, match=f"'.*/two' can't be written by uid .*{os.strerror(number)}"
        ):
            same_export.prove([one, faults.path])
        assert as_it_was(one)


def test_a_token_is_removed_over_another_mount(folder: bytes) -> None:
    one = directory(folder, b"one")
    with mounts.faultfs(one, folder + b"/two") as faults:
        faults.rule(op="unlink", match="*", errno=errno.EIO)
        same_export.prove([one, faults.path])
        assert as_it_was(one)


def test_a_mount_that_does_not_answer_is_named(folder: bytes) -> None:
    backing = directory(folder, b"backing")
    os.mkdir(backing + b"/below")
    with mounts.faultfs(backing, folder + b"/one") as faults:
        faults.rule(op="getattr", match="/below", errno=errno.ESTALE)
        with pytest.raises(
            IngestError, match="'.*/one/below' can't be looked at: Stale file handle"
        ):
            same_export.prove([faults.path + b"/below"])


def test_what_is_missing(folder: bytes) -> None:
    one = directory(folder, b"one")
    assert same_export.levels([one + b"/copy/"]) == [(one, b"copy")]
    same_export.prove([one + b"/copy"])
    assert as_it_was(one)
    os.symlink(one, folder + b"/two")
    same_export.prove([one + b"/copy", folder + b"/two/copy"])
    assert as_it_was(one)
    with pytest.raises(IngestError, match="'.*/one/other' does not exist"):
        same_export.prove([folder + b"/two", one + b"/other"])
    with pytest.raises(IngestError, match="does not exist, nor does the directory"):
        same_export.prove([one + b"/a/b"])
    os.symlink(b"nothing", folder + b"/dangling")
    with pytest.raises(IngestError, match="is a link to nothing"):
        same_export.prove([folder + b"/dangling"])
    with open(folder + b"/file", "wb"):
        pass
    with pytest.raises(IngestError, match="is not a directory"):
        same_export.prove([folder + b"/file"])


def test_missing_on_one_mount_as_it_remembers(folder: bytes) -> None:
    """Then the parents are compared, and the copy makes the directory appear."""
    one, other = directory(folder, b"one"), directory(folder, b"other")
    os.mkdir(one + b"/copy")
    with pytest.raises(IngestError, match="are not the same directory"):
        same_export.prove([one + b"/copy", other + b"/copy"])
    assert os.listdir(other) == [] and os.listdir(one) == [b"copy"]


def test_another_user(folder: bytes) -> None:
    if not ROOT:
        pytest.skip("needs root to become another user")
    one, own = directory(folder, b"one"), directory(folder, b"own")
    os.chown(own, 65534, 65534)
    os.chmod(own, 0o500)  # as an earlier run of that user left it: the copy opens it
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            same_export.prove([own])
            same_export.look([own])
            for act in (same_export.prove, same_export.look):
                with pytest.raises(IngestError, match="'.*/one' can't be written by uid 65534"):
                    act([one])
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert as_it_was(one) and as_it_was(own)


def test_the_copy_makes_the_directory_on_all_mounts(folder: bytes) -> None:
    one, gone = directory(folder, b"one"), directory(folder, b"gone")
    with mounts.mounted(folder + b"/two", "--bind", os.fsdecode(one)) as two:
        same_export.make([one + b"/copy", two + b"/copy"])
        assert os.listdir(one) == [b"copy"]
        same_export.make([one + b"/copy", two + b"/copy"])
        with pytest.raises(IngestError, match="are not the same directory"):
            same_export.make([one + b"/copy", gone + b"/copy"])
        assert os.listdir(gone) == []
    with pytest.raises(IngestError, match="can't be written"):
        same_export.make([folder + b"/one/a/b"])


def seen(host: str, mtime: int, created: int, **other: Any) -> dict[str, Any]:
    return {
        "host": host,
        "kind": "nfs",
        "inode": 5,
        "atime": mtime + 1,
        "mtime": mtime,
        "created": created,
        **other,
    }


SECOND = 10**9
NOW = 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    "hosts",
    [
        [seen("a", OLD, NOW)],
        [seen("a", OLD, NOW), seen("b", NOW, NOW + 1), seen("c", NOW + 5, NOW + 90 * SECOND)],
        [seen("b", NOW, NOW), seen("a", OLD, NOW)],
        # Clocks of nodes that differ a little.
        [seen("b", NOW, NOW - 1000), seen("a", OLD, NOW)],
        # Hosts in turn, soon after an earlier run; the directory's time lies in the future.
        [seen("a", NOW - 3 * SECOND, NOW), seen("b", NOW, NOW + 60 * SECOND)],
        [seen("a", 2 * NOW, NOW), seen("b", NOW, NOW)],
    ],
)
def test_the_time_before_any_token(hosts: list[dict[str, Any]]) -> None:
    right = next(host for host in hosts if host["host"] == "a")
    for order in (hosts, hosts[::-1]):
        assert same_export.true_times(order) == (right["atime"], right["mtime"])


def test_hosts_that_see_different_directories() -> None:
    same_export.same_on_all([])
    same_export.same_on_all([seen("a", 0, 0), seen("b", 0, 0, kind="nfs4")])
    same_export.same_on_all([seen("a", 0, 0), seen("b", 0, 0, kind="ext4", inode=6)])
    with pytest.raises(IngestError, match="a and b don't see the same directory"):
        same_export.same_on_all([seen("a", 0, 0), seen("b", 0, 0, inode=6)])


def test_the_whole_check_writes_nothing_in_check_mode(folder: bytes) -> None:
    source, one = directory(folder, b"source"), directory(folder, b"one")
    before = os.stat(one).st_ctime_ns
    checks.check(os.fsdecode(source), [os.fsdecode(one)], write=False)
    assert os.stat(one).st_ctime_ns == before
    checks.check(os.fsdecode(source), [os.fsdecode(one)])
    assert as_it_was(one) and os.stat(one).st_ctime_ns > before


def test_a_proof_that_is_stopped_leaves_nothing(folder: bytes) -> None:
    one = directory(folder, b"one")
    with mounts.faultfs(one, folder + b"/two") as faults:
        faults.tell("delay=100000")
        code = (
            "import sys; sys.path[:0] = [sys.argv[1]]\n"
            f"from {ENGINE}.core import interrupted\n"
            f"from {ENGINE}.mounts import same_export\n"
            "interrupted.end_cleanly(); print('on', flush=True)\n"
            "same_export.prove([sys.argv[2].encode()] * 2)\n"
        )
        path = same_export.__file__.partition("/ansible_collections/")[0]
        process = subprocess.Popen(
            [sys.executable, "-c", code, path, os.fsdecode(faults.path)], stdout=subprocess.PIPE
        )
        assert process.stdout
        process.stdout.readline()
        while not os.listdir(one) and process.poll() is None:
            pass
        process.terminate()
        assert process.wait() == 128 + 15
        process.stdout.close()
        assert os.listdir(one) == []
