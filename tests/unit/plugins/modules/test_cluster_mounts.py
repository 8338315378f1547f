# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module cluster_mounts as Ansible runs it, on a host where nothing of it is mounted."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.tests.support.modules import run as run_module

pytest.importorskip("ansible", reason="tests of modules need ansible-core")

ASKED: dict[str, Any] = {
    "addresses": ["10.0.0.1-2"],
    "export": "/e",
    "base": "/nowhere/m",
    "mount_options": "vers=3,proto=tcp",
    "timeout": 0,
    "host": "client1",
}
NEEDS_MOUNT_NFS = pytest.mark.skipif(
    not any(os.path.exists(folder + "/mount.nfs") for folder in ("/sbin", "/usr/sbin")),
    reason="the module asks for mount.nfs",
)


def run(**arguments: Any) -> dict[str, Any]:
    """The module's answer."""
    return run_module("cluster_mounts", **{**ASKED, **arguments})


@NEEDS_MOUNT_NFS
def test_what_is_needed_and_where() -> None:
    answer = run(persistent=True)
    assert answer["todo"] == [
        {
            "path": f"/nowhere/m{number}",
            "src": f"10.0.0.{number}:/e",
            "opts": "vers=3,proto=tcp",
            "state": "mounted",
        }
        for number in (1, 2)
    ]
    assert (answer["usable"], answer["left_out"]) == (["/nowhere/m1", "/nowhere/m2"], [])
    assert not answer["changed"] and answer["busy"] == []


@NEEDS_MOUNT_NFS
def test_what_came_of_it_and_what_was_left_out_before() -> None:
    """Both are not mounted: the one was left out when its server was asked, the other now."""
    before = {
        "mount": "/nowhere/m1",
        "source": "10.0.0.1:/e",
        "address": "10.0.0.1",
        "message": "no answer within 5 s",
        "more": "of a later version",
    }
    outcome = [{"item": {"path": "/nowhere/m2"}, "msg": "mount.nfs: access denied by server"}]
    answer = run(outcome=outcome, left_out=[before])
    assert answer["msg"] == (
        "client1: no address of the cluster can be used: 10.0.0.1 on /nowhere/m1 (no answer "
        "within 5 s), 10.0.0.2 on /nowhere/m2 (mount.nfs: access denied by server)"
    )


def test_the_way_back_where_there_is_nothing() -> None:
    answer = run(unmount=True)
    assert (answer["todo"], answer["busy"], answer["changed"]) == ([], [], False)
    assert run(unmount=True, outcome=[])["busy"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"addresses": ["10.0.0.9-1"]}, "is no range of addresses"),
        ({"export": None}, "missing parameter(s) required by 'addresses': export"),
        ({"source_address": "10.0.0.9", "source_export": "/", "source": "/"}, "ingest_source: "),
    ],
)
def test_bad_options_are_one_sentence(arguments: dict[str, Any], sentence: str) -> None:
    answer = run(**arguments)
    assert answer["failed"] and sentence in answer["msg"]
    assert "Traceback" not in json.dumps(answer)
