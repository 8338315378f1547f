# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody leads an rsync elsewhere while it runs: real processes in real mount namespaces."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync import shelter
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.session import Session
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE

ROOT = os.geteuid() == 0
needs_namespace = pytest.mark.skipif(
    not shelter.can_bind(), reason="this host or user gives no process a mount namespace of its own"
)
_KERNEL = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])


@pytest.fixture(name="trees")
def _trees(tmp_path: Path) -> tuple[Path, Path]:
    """A source d/file, a destination d, and a private folder with another d/file."""
    for name in ("source/d", "destination/d", "private/d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "source/d/file").write_text("ours")
    (tmp_path / "private/d/file").write_text("secret")
    return tmp_path / "source", tmp_path / "destination"


def inside(trees: tuple[Path, Path], swap: Path | None, *command: str) -> tuple[int, str]:
    """Run a command in a shelter with the directory d, of which the one at ``swap`` has become a
    link to the private one just before; {} is what the shelter calls d."""
    session = Session(os.fsencode(trees[0]), os.fsencode(trees[1]), frozenset(PRESERVE))
    place = shelter.Shelter(session, True)
    try:
        name = os.fsdecode(place.name(b"d/file"))[: -len("/file")]
        if swap is not None:
            swap.rename(swap.with_name("away"))
            swap.symlink_to(trees[0].parent / "private/d")
        parent = os.getpid()
        done = subprocess.run(
            [word.replace("{}", name) for word in command],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: place.enter(parent),
        )
        return done.returncode, done.stdout + done.stderr
    finally:
        place.close()
        session.close()


@needs_namespace
def test_a_directory_of_the_source_stays_what_was_opened(trees: tuple[Path, Path]) -> None:
    assert inside(trees, trees[0] / "d", "cat", "{}/file") == (0, "ours")


@needs_namespace
def test_a_directory_of_the_destination_stays_what_was_opened(trees: tuple[Path, Path]) -> None:
    code, said = inside(trees, trees[1] / "d", "cp", "/etc/hostname", "/sys/d/{}/new")
    assert (code, said) == (0, "")
    assert (trees[1] / "away/new").exists()
    assert os.listdir(trees[0].parent / "private/d") == ["file"]


@needs_namespace
@pytest.mark.skipif(_KERNEL < (5, 14), reason="this kernel has no mounts that follow no links")
def test_no_link_is_followed_in_the_place_of_a_file(trees: tuple[Path, Path]) -> None:
    (trees[0] / "d/file").unlink()
    (trees[0] / "d/file").symlink_to(trees[0].parent / "private/d/file")
    (trees[1] / "d/new").symlink_to(trees[0].parent / "private/d/new")
    code, said = inside(trees, None, "cat", "{}/file")
    assert code and os.strerror(errno.ELOOP) in said
    code, said = inside(trees, None, "cp", "/etc/hostname", "/sys/d/{}/new")
    assert code and os.listdir(trees[0].parent / "private/d") == ["file"]
    assert inside(trees, None, "readlink", "{}/file")[0] == 0


@needs_namespace
def test_nothing_of_it_is_seen_elsewhere(trees: tuple[Path, Path]) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    code, mounts = inside(trees, None, "cat", "/proc/self/mounts")
    assert code == 0 and "/sys/s/0" in mounts
    here = Path("/proc/self/mounts").read_bytes()  # where other tests mount, too
    assert b" /sys/s/" not in here and b" /sys/d/" not in here
    assert len(os.listdir("/proc/self/fd")) == descriptors


@needs_namespace
def test_a_link_in_the_place_of_a_directory_is_refused(trees: tuple[Path, Path]) -> None:
    (trees[1] / "d").rmdir()
    (trees[1] / "d").symlink_to(trees[0].parent / "private/d")
    with pytest.raises(NotADirectoryError):
        inside(trees, None, "true")


def test_who_may_change_a_directory(tmp_path: Path) -> None:
    (tmp_path / "open/closed").mkdir(parents=True)
    (tmp_path / "group").mkdir()
    (tmp_path / "own/below").mkdir(parents=True)
    for name, mode in (("open", 0o777), ("group", 0o770), ("own", 0o755), ("own/below", 0o700)):
        (tmp_path / name).chmod(mode)
    tmp_path.chmod(0o755)
    session = Session(os.fsencode(tmp_path), os.fsencode(tmp_path), frozenset())
    safe = shelter.Undisturbed(session.sources)
    found = {name: safe(os.fsencode(name)) for name in ("", "own", "own/below")}
    assert found == {"": True, "own": True, "own/below": True}
    assert not any(safe(name) for name in (b"open", b"open/closed", b"group"))
    if ROOT:
        (tmp_path / "theirs").mkdir()
        os.chown(tmp_path / "theirs", 65534, 65534)
        assert not safe(b"theirs")
    with pytest.raises(FileNotFoundError):
        safe(b"missing")


def test_a_user_without_rights_gets_no_namespace() -> None:
    if not ROOT:
        pytest.skip("only root can become another user")
    pid = os.fork()
    if not pid:
        code = 99
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            code = int(shelter.can_bind())
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] >> 8 == 0


def test_an_rsync_started_for_a_dead_worker_ends() -> None:
    """Its parent may die before the kernel is told to end it with its parent."""
    pid = os.fork()
    if not pid:
        try:
            shelter.end_with_parent(1 << 30)
        finally:
            os._exit(99)
    assert os.waitpid(pid, 0)[1] >> 8 == 1
