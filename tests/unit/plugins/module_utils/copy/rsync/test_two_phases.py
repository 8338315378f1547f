# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two-phase rsync of item lists, with the real rsync."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable, Sequence

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.entry import copy_link
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.preserve import (
    preserve_directory,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync import (
    options as rsync_options,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync import process, two_phases
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync.shelter import can_bind
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.session import Session
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import want_of
from ansible_collections.scaleout.ingest.tests.support import compare, trees

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
ROOT = os.geteuid() == 0
KEEP = frozenset(PRESERVE)
PLAIN = KEEP - {"xattrs", "acls"}


def arguments(options: Sequence[str] = (), preserve: frozenset = KEEP) -> list[str]:
    installed = rsync_options.find_rsync("here")
    return rsync_options.command(installed, preserve, rsync_options.accepted_options(options))


def copy(
    command: Sequence[str],
    source: bytes,
    destination: bytes,
    items: Sequence[bytes],
    verify: str = "metadata",
    progress: Callable[[int, int], None] | None = None,
    existing: frozenset[bytes] = frozenset(),
) -> two_phases.Result:
    """Both phases between two folders."""
    session = Session(source, destination, KEEP)
    try:
        return two_phases.two_phases(command, session, items, verify, progress, existing)
    finally:
        session.close()


def survey(source: bytes) -> tuple[list[bytes], list[bytes], dict[bytes, bytes]]:
    """Items that rsync gets, directories (deepest first), and follower -> leader."""
    items, directories, links = [], [], {}
    leaders: dict[tuple[int, int], bytes] = {}
    for folder, dirs, files in os.walk(source):
        rel = os.path.relpath(folder, source)
        directories.append(b"" if rel == b"." else rel)
        for name in files + [d for d in dirs if os.path.islink(os.path.join(folder, d))]:
            path = os.path.join(folder, name)
            found = os.lstat(path)
            item = os.path.relpath(path, source)
            key = (found.st_dev, found.st_ino)
            if found.st_nlink > 1 and leaders.setdefault(key, item) != item:
                links[item] = leaders[key]
            else:
                items.append(item)
    return items, directories[::-1], links


def make_directories(destination: bytes, directories: Sequence[bytes]) -> None:
    for path in directories:
        os.makedirs(os.path.join(destination, path), exist_ok=True)


@pytest.fixture(name="pair")
def _pair(tmp_path: Path) -> tuple[bytes, bytes]:
    pair = os.fsencode(tmp_path / "source"), os.fsencode(tmp_path / "destination")
    for root in pair:
        os.mkdir(root)
    return pair


def write(root: bytes, files: dict[bytes, bytes]) -> list[bytes]:
    for path, data in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "wb") as stream:
            stream.write(data)
        os.utime(os.path.join(root, path), ns=(10**18, 10**18 + 123456789))
    return list(files)


@pytest.mark.parametrize("bind", [True, False], indirect=True)
def test_hostile_tree(pair: tuple[bytes, bytes], bind: bool) -> None:
    source, destination = pair
    # rsync reads holes, five gigabytes of them take it too long here
    trees.build(source, [node for node in trees.hostile() if node.path[-1] != b"huge"])
    items, directories, links = survey(source)
    make_directories(destination, directories)
    result = copy(arguments(), source, destination, items)
    assert result.failures == []
    assert (result.files, result.skipped, result.repaired) == (len(items), 0, 0)
    finish = Session(source, destination, KEEP)
    for follower, leader in links.items():
        copy_link(
            finish,
            *os.path.split(follower),
            want_of(os.lstat(os.path.join(source, follower))),
            leader,
        )
    for path in directories:
        preserve_directory(finish, path, want_of(os.lstat(os.path.join(source, path))))
    assert finish.failures == []
    assert compare.compare_trees(source, destination) == []

    again = copy(arguments(), source, destination, items)
    assert (again.files, again.changed, again.skipped, again.failures) == (0, 0, len(items), [])


NAMES = {name: name for name in trees.NAMES}
AWKWARD = {
    b"host:file": b"1",
    b"a:b/c": b"2",
    b"#no comment": b"3",
    b";nor this": b"4",
    b"::module": b"5",
    b"rsync:/x": b"6",
    b"d/.name.AbCdEf": b"7",
    b"d/name": b"8",
    b'quote"d': b"9",
    b"\\#012": b"10",
}


@pytest.fixture(name="bind")
def _bind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With a shelter, and as where there can't be one."""
    if not request.param:
        monkeypatch.setattr(two_phases, "can_bind", lambda: False)
    elif not can_bind():
        pytest.skip("this host or user gives no process a mount namespace of its own")
    return request.param


@pytest.mark.parametrize("bind", [True, False], indirect=True)
def test_names_on_both_ways(pair: tuple[bytes, bytes], bind: bool) -> None:
    source, destination = pair
    items = write(source, {**NAMES, **AWKWARD})
    make_directories(destination, survey(source)[1])
    result = copy(arguments(), source, destination, items)
    assert result.failures == []
    assert result.files == len(items)
    assert result.bytes == sum(map(len, {**NAMES, **AWKWARD}.values()))
    assert compare.compare_trees(source, destination, ignore={"mtime", "root"}) == []


def test_second_phase_repairs(pair: tuple[bytes, bytes]) -> None:
    """A file written wrong by phase 1 is found by time, or by its contents with checksum."""
    source, destination = pair
    items = write(source, {b"right": b"123", b"time": b"abc", b"bytes": b"xyz"})
    target = arguments()
    session = Session(source, destination, KEEP)
    run = two_phases._Phases(target, session, two_phases.Result(), None)
    assert run.phase(items, ["--inplace"], {}) == {}
    for name in (b"time", b"bytes"):
        path = os.path.join(destination, name)
        before = os.stat(path)
        with open(path, "r+b") as stream:
            stream.write(b"???")
        if name == b"bytes":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    seen: dict[bytes, bool] = {}
    assert run.phase(items, [], seen) == {}
    assert seen == {b"time": True}
    seen = {}
    assert run.phase(items, ["--checksum"], seen) == {}
    assert seen == {b"bytes": True}
    assert compare.compare_trees(source, destination, ignore={"root"}) == []


def test_repaired_is_counted_when_phase_one_failed(
    pair: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """What only phase 2 could copy is an item repaired, not failed."""
    source, destination = pair
    items = write(source, {b"a": b"1", b"b": b"2"})
    wrapper = tmp_path / "rsync"
    wrapper.write_text(
        '#!/bin/sh\ncase "$*" in *--inplace*) exec rsync --exclude=b "$@";; esac\nexec rsync "$@"\n'
    )
    wrapper.chmod(0o755)
    result = copy([str(wrapper), *arguments()[1:]], source, destination, items)
    assert (result.files, result.repaired, result.failures) == (2, 1, [])


@pytest.mark.parametrize("bind", [True, False], indirect=True)
def test_each_failure_has_its_path(pair: tuple[bytes, bytes], bind: bool) -> None:
    source, destination = pair
    items = write(source, {b"good": b"1", b"in the way\n": b"2", b"d/ok": b"3"})
    missing = [b'gone "quoted"', b"gone\nline\xff", b"d/gone"]
    os.makedirs(os.path.join(destination, b"in the way\n", b"full"))
    make_directories(destination, [b"d"])
    result = copy(arguments(), source, destination, items + missing)
    failed = {failure.path: failure for failure in result.failures}
    assert set(failed) == set(missing) | {b"in the way\n"}
    assert {failed[path].errno for path in missing} == {errno.ENOENT}
    assert failed[b"in the way\n"].errno == errno.EISDIR
    assert "No such file" in failed[b"d/gone"].message
    assert (result.files, result.skipped) == (2, 0)


def test_full_disk(tmp_path: Path, pair: tuple[bytes, bytes]) -> None:
    if not ROOT:
        pytest.skip("only root can mount a small file system")
    source, _dummy = pair
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=True)
    try:
        items = write(source, {b"0": b"x" * 10, b"1": b"x" * (3 << 20), b"2": b"y" * 10})
        result = copy(arguments(), source, os.fsencode(mount), items)
        assert [(f.path, f.errno) for f in result.failures] == [(b"1", errno.ENOSPC)]
        assert result.files == 2
        assert (mount / "2").read_bytes() == b"y" * 10
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_unreadable_source() -> None:
    if not ROOT:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        source, destination = (os.fsencode(os.path.join(folder, name)) for name in "sd")
        for path in (source, destination):
            os.mkdir(path)
            os.chmod(path, 0o777)
        _unreadable(source, destination)


def _unreadable(source: bytes, destination: bytes) -> None:
    items = write(source, {b"open": b"1", b"closed": b"2", b"dev": b"3"})
    os.chmod(os.path.join(source, b"closed"), 0)
    os.unlink(os.path.join(source, b"dev"))
    os.mknod(os.path.join(source, b"dev"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    pid = os.fork()
    if not pid:  # as another user
        code = 99
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            result = copy(arguments(), source, destination, items)
            found = {failure.path: failure.errno for failure in result.failures}
            code = 0 if found == {b"closed": errno.EACCES, b"dev": errno.EPERM} else 1
            code += 2 * (result.files != 1)
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] >> 8 == 0


def test_links_in_the_destination_are_replaced(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    source, destination = pair
    items = write(source, {b"file": b"new"})
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    os.symlink(os.fsencode(outside), os.path.join(destination, b"file"))
    result = copy(arguments(), source, destination, items)
    assert result.failures == []
    assert outside.read_bytes() == b"untouched"
    assert not os.path.islink(os.path.join(destination, b"file"))


def test_killed_rsync_fails_every_item(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    source, destination = pair
    items = write(source, {b"a": b"1", b"b": b"2"})
    wrapper = tmp_path / "rsync"
    wrapper.write_text("#!/bin/sh\nkill -9 $$\n")
    wrapper.chmod(0o755)
    result = copy([str(wrapper)], source, destination, items)
    assert {f.path for f in result.failures} == {b"a", b"b"}
    assert "signal 9" in result.failures[0].message
    assert result.files == 0


@pytest.mark.parametrize("code", [1, 2, 12, 20, 25, 30, 35])
def test_every_exit_status_is_a_failure(
    pair: tuple[bytes, bytes], tmp_path: Path, code: int
) -> None:
    source, destination = pair
    items = write(source, {b"a": b"1"})
    wrapper = tmp_path / "rsync"
    wrapper.write_text(
        "#!/bin/sh\necho 'rsync error: it broke (code %d)' >&2\nexit %d\n" % (code, code)
    )
    wrapper.chmod(0o755)
    result = copy([str(wrapper)], source, destination, items)
    assert [f.path for f in result.failures] == [b"a"]
    assert "it broke (code %d)" % code in result.failures[0].message


def test_no_second_phase_on_request(pair: tuple[bytes, bytes]) -> None:
    source, destination = pair
    items = write(source, {b"a": b"1"})
    told: list[tuple[int, int]] = []
    result = copy(
        arguments(), source, destination, items, "none", lambda *counts: told.append(counts)
    )
    assert (result.files, result.repaired, told) == (1, 0, [(1, 1)])


def test_options_pass_through(pair: tuple[bytes, bytes]) -> None:
    source, destination = pair
    items = write(source, {b"a": b"1" * 100000})
    result = copy(
        arguments(["-ahvzP", "--chmod=F600", "--bwlimit", "100000", "--stats"], PLAIN),
        source,
        destination,
        items,
    )
    assert (result.files, result.bytes, result.failures) == (1, 100000, [])
    assert stat.S_IMODE(os.stat(os.path.join(destination, b"a")).st_mode) == 0o600


def test_options_as_one_text() -> None:
    assert rsync_options.accepted_options(["-ahv --chmod='F644' -z"]) == [
        "-h",
        "-v",
        "--chmod=F644",
        "-z",
    ]
    with pytest.raises(IngestError, match="closing quotation"):
        rsync_options.accepted_options(["-ahv '"])


@pytest.mark.parametrize(
    "options, words",
    [
        (["--delete"], "--delete"),
        (["--delete-after"], "--delete-after"),
        (["-an"], "-n"),
        (["--files-from=/x"], "--files-from"),
        (["-0"], "-0"),
        (["--exclude=*.o"], "ingest_exclude"),
        (["--inplace"], "--inplace"),
        (["--remove-source-files"], "--remove-source-files"),
        (["-e", "ssh"], "-e"),
        (["--backup"], "--backup"),
        (["-R"], "-R"),
        (["--daemon"], "--daemon"),
        (["--size-only"], "second phase"),
        (["-aL"], "-L"),
        (["/etc/passwd"], "/etc/passwd"),
        (["--"], "--"),
        (["--bwlimit"], "value"),
        (["--frobnicate"], "--frobnicate"),
        (["--partial=3"], "--partial=3"),
        (["-au"], "-u"),
        (["--stop-after=1"], "--stop-after"),
    ],
)
def test_options_that_break_the_plan(options: list[str], words: str) -> None:
    with pytest.raises(IngestError) as caught:
        rsync_options.accepted_options(options)
    assert words in str(caught.value)
    assert "ingest_rsync_options" in str(caught.value)


def test_missing_rsync_names_host_and_package() -> None:
    with pytest.raises(IngestError, match="host client7: install the package 'rsync'"):
        rsync_options.find_rsync("client7", "no-such-rsync")


def fake(tmp_path: Path, version: str) -> str:
    """An rsync of another version, which knows no --fsync."""
    program = tmp_path / "rsync"
    program.write_text(
        f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'rsync  version {version}  protocol version 30'"
        " && exit\nfor i; do [ \"$i\" = --fsync ] && echo 'rsync: --fsync: unknown option' >&2"
        " && exit 1; done\nexit 0\n"
    )
    program.chmod(0o755)
    return str(program)


def test_old_rsync(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"rsync 2.6.9 on host client7 is too old.* 3.0.9"):
        rsync_options.find_rsync("client7", fake(tmp_path, "2.6.9"))


def test_option_newer_than_rsync(tmp_path: Path) -> None:
    installed = rsync_options.find_rsync("client7", fake(tmp_path, "3.1.0"))
    assert installed.version == (3, 1, 0)
    made = rsync_options.command(installed, KEEP, rsync_options.accepted_options(["--fsync"]))
    assert "--modify-window=-1" not in made
    with pytest.raises(
        IngestError, match=r"rsync 3\.1\.0 on host client7 is too old for the option --fsync"
    ):
        rsync_options.try_options(installed, made, "client7")


def test_installed_rsync_takes_what_is_used() -> None:
    made = arguments(["-hvzAX"])
    rsync_options.try_options(rsync_options.find_rsync("here"), made, "here")
    rsync_options.try_options(rsync_options.find_rsync("here"), [*made, "--inplace"], "here")


def test_refused_attributes_leave_the_item_to_somebody_else(pair: tuple[bytes, bytes]) -> None:
    if not os.path.isdir("/dev/shm"):
        pytest.skip("there is no /dev/shm")
    source = pair[0]
    items = write(source, {b"plain": b"1", b"dressed": b"2"})
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        try:
            os.setxattr(os.path.join(source, b"dressed"), "user.name", b"value")
        except OSError:
            pytest.skip("the source can't hold extended attributes")
        try:
            os.setxattr(folder, "user.name", b"value")
        except OSError:
            pass
        else:
            pytest.skip("/dev/shm holds extended attributes")
        result = copy(arguments(), source, os.fsencode(folder), items)
    assert result.left == [b"dressed"]
    assert (result.files, result.skipped, result.failures) == (1, 0, [])


@pytest.mark.parametrize(
    "said",
    [
        'rsync: [receiver] rsync_xal_set: lsetxattr("%s/b\\#012","user.x") failed:'
        " Operation not supported (95)",
        'rsync: [generator] chown "%s/b\\#012" failed: Operation not permitted (1)',
        "rsync: [generator] set_acl: sys_acl_set_file(b\\#012, ACL_TYPE_ACCESS):"
        " Operation not supported (95)",
    ],
)
@pytest.mark.parametrize("bind", [False], indirect=True)
def test_what_rsync_says_of_refused_attributes(
    pair: tuple[bytes, bytes], tmp_path: Path, said: str, bind: bool
) -> None:
    source, destination = pair
    items = write(source, {b"a": b"1", b"b\n": b"2"})
    said = said.replace("%s", os.fsdecode(destination)).replace("\\\\", "\\")
    (tmp_path / "said").write_text(said + "\nrsync error: some files (code 23) at main.c(1)\n")
    (tmp_path / "rsync").write_text(f'#!/bin/sh\nrsync "$@"\ncat {tmp_path}/said >&2\nexit 23\n')
    (tmp_path / "rsync").chmod(0o755)
    result = copy([str(tmp_path / "rsync"), *arguments()[1:]], source, destination, items)
    assert (result.left, result.files, result.failures) == ([b"b\n"], 1, [])


def test_rsync_ends_with_its_worker(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    """A worker that was given up must not leave an rsync behind that goes on writing."""
    source, destination = pair
    items = write(source, {b"a": b"1"})
    (tmp_path / "rsync").write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    (tmp_path / "rsync").chmod(0o755)
    pid = os.fork()
    if not pid:
        try:
            copy([str(tmp_path / "rsync")], source, destination, items)
        finally:
            os._exit(0)
    deadline = time.monotonic() + 20
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child = int((tmp_path / "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        while "sleep" in Path("/proc/%d/comm" % child).read_text():
            assert time.monotonic() < deadline, "it still runs"
            time.sleep(0.01)


def test_a_large_file_is_no_silence(
    pair: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_BEAT", 0.05)
    source, destination = pair
    items = write(source, {b"a": b"1"})
    (tmp_path / "rsync").write_text(
        "#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8; do"
        " dd if=/dev/zero of=/dev/null bs=1M count=1 2>/dev/null; sleep 0.1; done\n"
    )
    (tmp_path / "rsync").chmod(0o755)
    told: list[tuple[int, int]] = []
    copy(
        [str(tmp_path / "rsync")],
        source,
        destination,
        items,
        "none",
        lambda *counts: told.append(counts),
    )
    assert (0, 0) in told
