# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real file systems, and ones that refuse something, are found to hold."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight import capabilities
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight.shortfalls import in_general
from ansible_collections.scaleout.ingest.tests.faults import mounts

ENGINE = "ansible_collections.scaleout.ingest.plugins.module_utils"
ROOT = os.geteuid() == 0
OLD = 1_234_567_890_123_456_789
ATTRIBUTES = {"user_xattrs", "trusted_xattrs", "security_xattrs", "acls"}


@pytest.fixture
def folder() -> Iterator[bytes]:
    made = os.fsencode(tempfile.mkdtemp(prefix="capabilities-", dir="/var/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def faults(folder: bytes) -> Iterator[mounts.FaultFS]:
    os.mkdir(folder + b"/backing")
    with mounts.faultfs(folder + b"/backing", folder + b"/mount") as made:
        yield made


def probed(path: bytes) -> dict[str, Any]:
    """What is found, and that nothing stays."""
    before = os.listdir(path)
    found = capabilities.probe(path)
    assert os.listdir(path) == before
    return found


def test_a_file_system_that_holds_everything(folder: bytes) -> None:
    found = probed(folder)
    assert set(found["lacks"]) <= ATTRIBUTES | {"devices"}  # as the machine has them
    assert (found["granularity"], found["longest_name"]) == (1, 255)
    assert found["uid"] == found["owner"] == os.geteuid()
    found.update(lacks={}, source_lacks=[])
    assert in_general(found, PRESERVE) == []


def test_inodes_of_128_bytes(folder: bytes) -> None:
    with mounts.coarse_ext4(os.fsdecode(folder)) as path:
        found = probed(path)
    assert (found["granularity"], found["oldest"], found["newest"]) == (
        10**9,
        -(1 << 31),
        (1 << 31) - 1,
    )
    assert "sparse" not in found["lacks"] and "case" not in found["lacks"]


@pytest.mark.parametrize(
    "op, match, number, lacking",
    [
        ("symlink", "*", errno.EPERM, {"symbolic_links"}),
        ("link", "*", errno.EMLINK, {"hard_links"}),
        ("mknod", "fifo", errno.EPERM, {"fifos"}),
        ("mknod", "socket", errno.EOPNOTSUPP, {"sockets"}),
        ("mknod", "device", errno.EPERM, {"devices"}),
        ("create", "bytes-*", errno.EILSEQ, {"any_name"}),
        ("create", "name-*", errno.EINVAL, {"utf8_names"}),
        ("chmod", "file", errno.EPERM, {"mode"}),
        ("chown", "file", errno.EPERM, {"owner"}),
        ("setxattr", "file", errno.EOPNOTSUPP, ATTRIBUTES),
        ("setxattr", "file", errno.EIO, ATTRIBUTES),
    ],
)
def test_what_is_refused(
    faults: mounts.FaultFS, op: str, match: str, number: int, lacking: set
) -> None:
    if not ROOT:
        pytest.skip("needs root: owners, devices and attributes")
    usual = set(probed(faults.path)["lacks"])
    faults.rule(op=op, match=match, errno=number)
    lacks = probed(faults.path)["lacks"]
    assert set(lacks) == usual | lacking
    assert {lacks[kind] for kind in lacking} == {os.strerror(number)}


def test_a_root_that_may_not_see_trusted_attributes(faults: mounts.FaultFS) -> None:
    """As in a container: nothing to say of the destination."""
    faults.rule(op="setxattr", match="file", errno=errno.EPERM)
    assert "trusted_xattrs" not in probed(faults.path)["lacks"]


@pytest.mark.parametrize(
    "op, act, lacking",
    [("chown", "ignore", {"owner"}), ("chmod", "ignore", {"mode", "set_id", "sticky"})],
)
def test_what_is_ignored(faults: mounts.FaultFS, op: str, act: str, lacking: set) -> None:
    if not ROOT:
        pytest.skip("needs root: owners")
    usual = set(probed(faults.path)["lacks"])
    faults.rule(op=op, match="file", do=act)
    assert set(probed(faults.path)["lacks"]) == usual | lacking


def test_times(faults: mounts.FaultFS) -> None:
    usual = probed(faults.path)
    faults.rule(op="utimens", match="*", do="coarse")
    assert probed(faults.path)["granularity"] == 10**9
    faults.clear()
    faults.rule(op="utimens", match="file", errno=errno.EINVAL)
    refused = probed(faults.path)
    assert (refused["granularity"], refused["oldest"], refused["newest"]) == (1, 0, (1 << 31) - 1)
    faults.clear()
    faults.rule(op="utimens", match="symbolic", do="ignore")
    assert set(probed(faults.path)["lacks"]) == set(usual["lacks"]) | {"link_times"}


def test_names(faults: mounts.FaultFS) -> None:
    faults.tell("fold")
    assert "case" in probed(faults.path)["lacks"]
    faults.clear()
    faults.rule(op="create", match="nnn*", errno=errno.ENAMETOOLONG)
    assert probed(faults.path)["longest_name"] == 255  # what the kernel says then


@pytest.mark.parametrize("op", ["create", "write", "symlink", "mknod"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_lack(faults: mounts.FaultFS, op: str, number: int) -> None:
    faults.rule(op=op, match="*", errno=number)
    with pytest.raises(OSError) as error:
        probed(faults.path)
    assert error.value.errno == number
    assert os.listdir(faults.path) == []
    with pytest.raises(IngestError, match="ingest_destinations '.*/mount' can't be probed .*on "):
        capabilities.of_destination(None, faults.path, [], True)


def test_a_destination_is_left_as_it_was(folder: bytes) -> None:
    os.utime(folder, ns=(OLD, OLD))
    found = capabilities.of_destination(folder, folder, [], True)
    assert found["empty"] and found["bytes_free"] > 0 and "lacks" in found
    assert os.stat(folder).st_mtime_ns == OLD
    seen = {
        "host": "a",
        "kind": "nfs",
        "inode": 1,
        "atime": 7,
        "mtime": OLD + 7,
        "created": OLD * 2,
    }
    capabilities.of_destination(folder, folder, [seen], True)
    assert os.stat(folder).st_mtime_ns == OLD + 7  # as the hosts found it
    before = os.stat(folder).st_ctime_ns
    looked = capabilities.of_destination(None, folder + b"/missing", [], False)
    assert looked["empty"] and "lacks" not in looked and os.stat(folder).st_ctime_ns == before


def test_empty(folder: bytes) -> None:
    os.mkdir(folder + b"/lost+found")
    with open(folder + b"/.ingest-token-0", "wb"):
        pass
    assert capabilities.is_empty(folder)
    os.mkdir(folder + b"/x")
    assert not capabilities.is_empty(folder)


def test_attributes_that_a_source_cannot_have(folder: bytes) -> None:
    assert set(capabilities.source_lacks(b"/proc")) >= ATTRIBUTES - {"trusted_xattrs"}
    both = {
        "uid": 0,
        "owner": 0,
        "source_lacks": sorted(ATTRIBUTES),
        "lacks": dict.fromkeys(ATTRIBUTES, "why"),
    }
    assert in_general(both, PRESERVE) == []


def test_a_probe_that_is_stopped_leaves_nothing(faults: mounts.FaultFS) -> None:
    faults.tell("delay=20000")
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        f"from {ENGINE}.core import interrupted\n"
        f"from {ENGINE}.preflight import capabilities\n"
        "interrupted.end_cleanly(); capabilities.probe(sys.argv[2].encode())\n"
    )
    path = capabilities.__file__.partition("/ansible_collections/")[0]
    process = subprocess.Popen([sys.executable, "-c", code, path, os.fsdecode(faults.path)])
    while process.poll() is None and not any(
        names for _at, _folders, names in os.walk(faults.backing)
    ):
        pass
    process.terminate()
    assert process.wait() == 128 + 15
    assert os.listdir(faults.backing) == []


def test_trouble_of_the_moment_says_nothing_of_what_is_kept() -> None:
    holds = capabilities.Holds()

    def fail(number: int) -> Callable[[], object]:
        def act() -> object:
            raise OSError(number, os.strerror(number))

        return act

    for number in (errno.ENOSPC, errno.EROFS, errno.ETIMEDOUT, errno.ESTALE, errno.ECONNRESET):
        with pytest.raises(OSError, match=os.strerror(number)):
            holds.attempt("acls", fail(number))
    assert holds.lacks == {}
    # What a server without ACLs says to them.
    assert not holds.attempt("acls", fail(errno.EIO))
    assert holds.lacks == {"acls": "Input/output error"}
