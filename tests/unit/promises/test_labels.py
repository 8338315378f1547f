# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux's labels, which every file of a RHEL host has: kept where they can be, else told by
themselves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.metadata import Metadata
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import Losses
from ansible_collections.scaleout.ingest.tests.faults import mounts
from ansible_collections.scaleout.ingest.tests.support import engine, trees

LABEL = b"system_u:object_r:usr_t:s0\0"
Node = trees.Node


def labelled(folder: Path) -> bytes:
    """A tree in which every entry has a label, and one file capabilities too."""
    source = os.fsencode(folder / "source")
    os.mkdir(source)
    trees.build(
        source, [Node((b"d", b"plain"), data=((0, b"1"),)), Node((b"d", b"able"), mode=0o755)]
    )
    for name in (b"", b"/d", b"/d/plain", b"/d/able"):
        os.setxattr(source + name, "security.selinux", LABEL)
    os.setxattr(source + b"/d/able", "security.capability", trees.CAPABILITY)
    return source


@pytest.mark.parametrize("method", ["copy", "rsync"])
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: security.* attributes")
def test_labels(tmp_path: Path, method: str) -> None:
    source, destination = labelled(tmp_path), os.fsencode(tmp_path / "destination")
    os.mkdir(destination)
    with mounts.faultfs(destination, os.fsencode(tmp_path / "mount")) as faults:
        faults.rule(op="setxattr", match="*", errno=errno.EOPNOTSUPP)
        result = engine.ingest(source, [faults.path], str(tmp_path / "first"), method=method)
        assert (result.counts["files"], result.counts["skipped"]) == (2, 0)
        assert (result.failures, result.losses) == (
            [],
            {"SELinux labels": 4, "xattrs (security)": 1},
        )
        again = engine.ingest(source, [faults.path], str(tmp_path / "second"), method=method)
        assert (
            again.failures,
            again.counts["files"],
            again.counts["skipped"],
            again.counts["changed"],
        ) == ([], 0, 2, 0)
        faults.clear()
        last = engine.ingest(source, [faults.path], str(tmp_path / "third"), method=method)
        assert (last.failures, last.losses) == ([], {})
    for name in (b"", b"/d", b"/d/plain", b"/d/able"):
        assert os.getxattr(destination + name, "security.selinux") == LABEL


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: security.* attributes")
def test_the_label_of_a_whole_mount_is_no_loss(tmp_path: Path) -> None:
    """NFS 4 without labels shows one for all files, nfs_t, and lets nobody set it, not even so."""
    source, destination = labelled(tmp_path), os.fsencode(tmp_path / "destination")
    os.mkdir(destination)
    (tmp_path / "destination" / "new").touch()
    os.setxattr(destination + b"/new", "security.selinux", LABEL)
    losses = Losses()
    metadata = Metadata(frozenset(["xattrs"]), losses)
    with mounts.faultfs(destination, os.fsencode(tmp_path / "mount")) as faults:
        faults.rule(op="setxattr", match="*", errno=errno.EOPNOTSUPP)
        for target in (faults.path + b"/new", os.open(faults.path + b"/new", os.O_RDONLY)):
            assert metadata.copy_attributes(b"new", source + b"/d/plain", target, 0)
            assert losses.kinds == {}
            if isinstance(target, int):
                os.close(target)
        os.setxattr(source + b"/d/plain", "security.selinux", LABEL.replace(b"usr_t", b"etc_t"))
        assert metadata.copy_attributes(b"new", source + b"/d/plain", faults.path + b"/new", 0)
        assert list(losses.kinds) == ["SELinux labels"]
