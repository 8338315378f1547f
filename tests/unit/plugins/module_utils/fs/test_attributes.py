# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended attributes and ACLs of real files."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.scaleout.ingest.plugins.module_utils.fs.attributes import (
    CAPABILITIES,
    Attributes,
    differing,
)
from ansible_collections.scaleout.ingest.tests.support import trees

ACL = "system.posix_acl_access"


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    os.setxattr(file, "user.one", b"1")
    os.setxattr(file, ACL, trees.SOME_ACL)
    where = os.fsencode(file)
    assert Attributes(True, False).read(where) == {"user.one": b"1"}
    assert set(Attributes(False, True).read(where)) == {ACL}
    assert not Attributes(False, False)
    with open(file, "rb") as stream:
        assert set(Attributes(True, True).read(stream.fileno())) == {"user.one", ACL}


def test_a_link_is_not_followed_but_a_descriptor_s_name_is(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    os.setxattr(file, "user.one", b"1")
    link.symlink_to(file)
    assert Attributes(True, True).read(os.fsencode(link)) == {}
    with open(file, "rb") as stream:
        assert Attributes(True, True).read(f"/proc/self/fd/{stream.fileno()}") == {"user.one": b"1"}


def test_what_must_change() -> None:
    wanted = {"user.same": b"1", "user.other": b"2", "user.new": b"3"}
    found = {"user.same": b"1", "user.other": b"x", "user.gone": b"", CAPABILITIES: b"c"}
    assert differing(wanted, {**found, "trusted.of.the.server": b""}) == {
        "user.other": b"2",
        "user.new": b"3",
        "user.gone": None,
        CAPABILITIES: None,
    }
    assert differing({}, {}) == {}
