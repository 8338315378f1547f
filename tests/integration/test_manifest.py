# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest through real playbooks: where it runs, as whom, over which connection."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.modules.manifest import EXAMPLES
from ansible_collections.scaleout.ingest.tests.support import indexes, trees
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import Run, ansible, unsafe, words

PLAY = """
- hosts: ingestors
  gather_facts: false
  tasks:
    - scaleout.ingest.manifest: "{{ options }}"
      register: answer
      run_once: true
      delegate_to: "{{ where | default(omit) }}"
    - ansible.builtin.copy:
        content: "{{ answer | to_json }}"
        dest: "{{ folder }}/answer.json"
      delegate_to: localhost
      vars: {ansible_connection: local, ansible_become: false}
      run_once: true
      check_mode: false
"""
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def play(
    folder: str, inventory: str, *arguments: str, **options: Any
) -> tuple[Run, dict[str, Any]]:
    """One manifest task; its result."""
    with open(folder + "/play.yml", "w", encoding="ascii") as file:
        file.write(PLAY)
    with open(folder + "/variables.json", "w", encoding="utf-8") as file:
        json.dump(
            {"options": {name: unsafe(value) for name, value in options.items()}, "folder": folder},
            file,
        )
    run = ansible(
        "playbook",
        "-i",
        inventory,
        "-e",
        f"@{folder}/variables.json",
        *arguments,
        folder + "/play.yml",
    )
    answer = {}
    if os.path.exists(folder + "/answer.json"):
        with open(folder + "/answer.json", encoding="utf-8") as file:
            answer = json.load(file)
    return run, answer


def local_inventory(folder: str, **variables: Any) -> str:
    """Three clients that are this machine."""
    path = folder + "/inventory.json"
    hosts: dict[str, Any] = {"client%d" % n: {} for n in range(1, 4)}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"ingestors": {"hosts": hosts, "vars": {**LOCAL, **variables}}}, file)
    return path


def check_index(source: str, run: str) -> None:
    """The run folder's index is exactly the source; directories' times of reading apart."""
    index = Index(run + "/index")
    indexes.check(index)
    assert indexes.contents(index) == indexes.tree(os.fsencode(source))
    index.close()


# What a killed run left here before these tests.
OLD = frozenset(os.listdir("/var/tmp"))


def left_over(names: Callable[[], list[str]] = lambda: os.listdir("/var/tmp")) -> set[str]:
    """Work directories that nobody removes; those of other runs on this machine come and go."""
    found: set[str] = set()
    for attempt in range(60):
        now = {name for name in names() if name.startswith(".scaleout-ingest-manifest-")} - OLD
        found = now if not attempt else found & now
        if not found:
            break
        time.sleep(0.5)
    return found


def left_over_on(hosts: Hosts, name: str) -> set[str]:
    """The same on a test host, which sees the files of this machine below its own."""
    return left_over(lambda: hosts.ssh(name, "ls", "-A", "/var/tmp").stdout.decode().split("\n"))


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_local(place: Place, check: list[str]) -> None:
    run, answer = play(
        place.folder,
        local_inventory(place.folder),
        *check,
        source=place.source,
        run_dir=place.run,
        plain_files={},
    )
    assert run.status == 0, run.output
    assert answer["changed"] is False
    check_index(place.source, place.run)
    assert sorted(os.listdir(place.run)) == [
        "client1",
        "client2",
        "client3",
        "directories.tsv",
        "index",
        "manifest",
        "owner.json",
    ]
    assert not left_over()


def test_output_stays_where_it_runs(place: Place) -> None:
    run, answer = play(
        place.folder, local_inventory(place.folder), source=place.source, output=place.run
    )
    assert run.status == 0, run.output
    assert answer["output"] == place.run
    check_index(place.source, place.run)


def test_the_examples_run(folder: str) -> None:
    yaml = pytest.importorskip("yaml")
    if not os.path.isdir("/usr/share/doc/apt"):
        pytest.skip("the examples scan Debian's /usr/share/doc")
    tasks = yaml.safe_load(EXAMPLES)
    for task in tasks:
        options = task.get("scaleout.ingest.manifest", {})
        if "output" in options:
            options["output"] = folder + "/output"
    with open(folder + "/play.yml", "w", encoding="utf-8") as file:
        yaml.safe_dump([{"hosts": "ingestors", "gather_facts": False, "tasks": tasks}], file)
    run = ansible("playbook", "-i", local_inventory(folder), folder + "/play.yml")
    assert run.status == 0, run.output
    assert run.recap["client1"]["ok"] == len(tasks) and run.changed == 0
    assert os.path.exists(folder + "/runs/depth/client5")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "/does/not/exist"}, "source '/does/not/exist' does not exist"),
        ({"min_depth": 3, "max_depth": 1}, "min_depth: 3 is more than max_depth 1"),
        ({"run_dir": None}, "one of the following is required: run_dir, output"),
        ({"globs": ["nothing*"]}, "matches 'nothing*'"),
        ({"plain_files": {"clients": -3}}, "clients: -3 is not between"),
        ({"plain_files": {"separator": "newline"}}, "has a newline in its name"),
    ],
)
def test_bad_input(place: Place, options: dict[str, Any], message: str) -> None:
    given = {"source": place.source, "run_dir": place.run, **options}
    run, answer = play(
        place.folder,
        local_inventory(place.folder),
        **{k: v for k, v in given.items() if v is not None},
    )
    assert run.status == 2
    assert message in words(run), run.output
    assert "Traceback" not in run.output
    assert not answer and not left_over()


def test_run_folder_in_the_source(place: Place) -> None:
    run, _answer = play(
        place.folder,
        local_inventory(place.folder),
        source=place.source,
        run_dir=place.source + "/run",
    )
    assert run.status == 2
    assert f"run_dir '{place.source}/run' lies inside the source" in words(run)


# ---------------------------------------------------------------- over SSH


def remote(hosts: Hosts, shared: Place, *arguments: str, **settings: Any) -> None:
    """Scan on a host and compare what comes to the controller."""
    folder = shared.folder
    inventory = hosts.write_inventory(folder + "/inventory.json", **settings)
    run, answer = play(
        folder, inventory, *arguments, source=shared.source, run_dir=shared.run, max_depth=1
    )
    assert run.status == 0, run.output
    assert answer["errors"] == 0 and answer["item_directories"] > 5
    check_index(shared.source, shared.run)
    assert not os.path.exists(shared.run + "/index.packed")
    for name in hosts.hosts:
        assert not left_over_on(hosts, name)


def test_ssh(hosts: Hosts, shared: Place) -> None:
    remote(hosts, shared)


def test_ssh_without_pipelining(hosts: Hosts, shared: Place) -> None:
    remote(hosts, shared, variables={"ansible_pipelining": False})


def test_ssh_become_root(hosts: Hosts, shared: Place) -> None:
    remote(hosts, shared, "--become", user="operator1")


def test_ssh_delegated(hosts: Hosts, shared: Place) -> None:
    remote(hosts, shared, "-e", "where=host3")


def test_ssh_paramiko(hosts: Hosts, shared: Place) -> None:
    pytest.importorskip("paramiko", reason="the paramiko connection needs paramiko")
    try:
        from ansible.plugins.connection import paramiko_ssh  # noqa: F401, PLC0415
    except ImportError:
        pytest.skip("this ansible-core has no paramiko connection any more")
    remote(
        hosts,
        shared,
        "--become",
        user="operator1",
        connection="paramiko_ssh",
        variables={
            "ansible_paramiko_private_key_file": hosts.base + "/key",
            "ansible_host_key_checking": False,
        },
    )


def test_ssh_become_another_user_without_rights(hosts: Hosts, shared: Place) -> None:
    """The scan is nobody's: it must not fail, but say what it could not read."""
    folder = shared.folder
    closed = os.path.join(shared.source, "closed")
    os.mkdir(closed, 0o700)
    inventory = hosts.write_inventory(folder + "/inventory.json", user="operator1")
    run, answer = play(
        folder,
        inventory,
        "--become",
        "--become-user",
        "nobody",
        source=shared.source,
        run_dir=shared.run,
    )
    assert run.status == 0, run.output
    assert {
        "path": "closed",
        "operation": "open",
        "errno": 13,
        "message": "Permission denied",
    } in answer["failures"]
    assert "the source could not be read completely" in " ".join(run.output.split())
    index = Index(shared.run + "/index")
    indexes.check(index)
    assert b"closed" in indexes.contents(index)
    index.close()
    assert not left_over_on(hosts, "host1")


def test_local_become(place: Place) -> None:
    if not trees.ROOT:
        pytest.skip("only root can become another user here")
    os.chmod(place.folder, 0o755)
    inventory = local_inventory(
        place.folder,
        ansible_become=True,
        ansible_become_user="nobody",
        ansible_python_interpreter="/usr/bin/python3",
    )
    run, answer = play(place.folder, inventory, source=place.source, run_dir=place.run)
    assert run.status == 0, run.output
    assert answer["errors"] > 0  # modes 0 and 0700 in the hostile tree
    indexes.check(Index(place.run + "/index"))
    assert not left_over()
