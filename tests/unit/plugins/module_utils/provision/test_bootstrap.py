# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bootstrap script: what it is told, when it runs, what is said when it fails. Fetching it over
NFS is the lab's to test."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import bootstrap


def wanted(folder: Path, **more: Any) -> bootstrap.Wanted:
    given = {
        "path": "/bootstrap/b.sh",
        "addresses": ["10.0.0.1-2"],
        "export": "/msazure",
        "node_prefix": "vm",
        "node_count": 3,
        "user": "someone",
        "script": str(folder / "opt" / "b.sh"),
        "log": str(folder / "log" / "b.log"),
        "state": str(folder / "state" / "b.json"),
    }
    return bootstrap.Wanted(**dict(given, **more))


def variables(one: bootstrap.Wanted, address: str = "10.0.0.1") -> Any:
    return bootstrap.environment(one, ["10.0.0.1", "10.0.0.2"], address)


def test_the_documented_environment(tmp_path: Path) -> None:
    one = wanted(tmp_path, environment={"MINE": "a b"})
    script = (
        b'printf "%s\\n" "$BASE_DIR" "$NODE_PREFIX" "$NODE_COUNT" "$NFS_IP_CSV" "$NFS_PATH" '
        b'"$BOOTSTRAP_NFS_IP" "$BOOTSTRAP_SCRIPT_PATH" "$LINUX_USER" "$MINE"; echo to stderr >&2'
    )
    assert bootstrap.run_once(one, script, variables(one))
    lines = Path(one.log).read_text(encoding="utf-8").splitlines()
    assert lines[1:-1] == [
        "/nfs",
        "vm",
        "3",
        "10.0.0.1,10.0.0.2",
        "/msazure",
        "10.0.0.1",
        "/bootstrap/b.sh",
        "someone",
        "a b",
        "to stderr",
    ]
    assert lines[0].endswith("/bootstrap/b.sh from 10.0.0.1")
    assert lines[-1].endswith(" done")


def test_it_finds_our_commands_whatever_sudo_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is all that the RHEL family's sudo sets."""
    monkeypatch.setenv("PATH", "/sbin:/bin:/usr/sbin:/usr/bin")
    one = wanted(tmp_path)
    assert bootstrap.run_once(one, b'echo "$PATH"', variables(one))
    text = Path(one.log).read_text(encoding="utf-8").splitlines()
    assert text[1] == "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
    assert bootstrap.run_once(
        one, b'echo "$PATH"', variables(one._replace(environment={"PATH": "/bin"}))
    )
    assert Path(one.log).read_text(encoding="utf-8").splitlines()[-2] == "/bin"


def test_only_root_reads_what_may_be_secret(tmp_path: Path) -> None:
    one = wanted(tmp_path)
    bootstrap.run_once(one, b"true", variables(one))
    for path in (one.log, one.state, one.script):
        assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0


def test_it_runs_once_until_something_changes(tmp_path: Path) -> None:
    script = b"echo ran"
    one = wanted(tmp_path)
    assert bootstrap.run_once(one, script, variables(one))
    assert not bootstrap.run_once(one, script, variables(one))
    # Another address served it, or the fleet grew: no reason to run it again.
    assert not bootstrap.run_once(one, script, variables(one._replace(node_count=4), "10.0.0.2"))
    assert bootstrap.run_once(
        one, script, variables(one._replace(environment={"MINE": "x"})), dry=True
    )
    assert bootstrap.run_once(one, script + b" again", variables(one))
    assert bootstrap.run_once(one._replace(force=True), script + b" again", variables(one))
    text = Path(one.log).read_text(encoding="utf-8").splitlines()
    assert [line for line in text if line.startswith("ran")] == ["ran", "ran again", "ran again"]


@pytest.mark.parametrize(
    ("script", "seconds", "how"),
    [
        (b"echo broken; exit 3", 60, "ended with status 3"),
        (b"kill -9 $$", 60, "was ended by signal 9"),
        (b"echo slow; sleep 100", 1, "did not end in 1 s and was stopped"),
    ],
)
def test_a_failure_is_one_sentence_that_names_the_log(
    tmp_path: Path, script: bytes, seconds: int, how: str
) -> None:
    one = wanted(tmp_path, seconds=seconds)
    with pytest.raises(IngestError) as caught:
        bootstrap.run_once(one, script, variables(one))
    assert (
        str(caught.value)
        == f"bootstrap_script_path: /bootstrap/b.sh {how}; what it printed is in {one.log}"
    )
    assert how in Path(one.log).read_text(encoding="utf-8")
    assert bootstrap.run_once(one, script, variables(one), dry=True)  # it has not run well


def test_what_the_environment_can_hold() -> None:
    assert bootstrap.texts({"A": 1, "B": None, "C": "x y"}) == {"A": "1", "B": "", "C": "x y"}
    for bad in ({"A=B": "x"}, {"": "x"}, {"A": "x\0y"}, {"A": ["x"]}):
        with pytest.raises(IngestError, match="ingest_bootstrap_environment"):
            bootstrap.texts(bad)


def test_no_address_answers(tmp_path: Path) -> None:
    with pytest.raises(
        IngestError,
        match=r"^bootstrap_script_path: /bootstrap/b.sh can't be fetched: 127\.0\.0\.1: ",
    ):
        bootstrap.bootstrap(
            wanted(tmp_path, addresses=["127.0.0.1"], options="vers=3,proto=tcp,port=1")
        )
    with pytest.raises(IngestError, match="there are no ingest_cluster_addresses"):
        bootstrap.bootstrap(wanted(tmp_path, addresses=[]))
