# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that users say is checked once, first, in sentences; and the tags mean something."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    ROOT,
    Run,
    ansible,
    ingest,
    stats,
    words,
)


@pytest.fixture
def small(folder: str) -> Place:
    """A tree of one file."""
    place = Place(folder)
    os.makedirs(place.source)
    with open(place.source + "/file", "w", encoding="ascii") as file:
        file.write("contents")
    return place


def run(place: Place, *arguments: str, **variables: object) -> Run:
    """An ingest of the small tree, on this machine alone."""
    given = {"source": place.source, "destinations": [place.destination], **variables}
    return ingest(place.folder, *arguments, inventory=ALONE, **given)


def assert_nothing_was_done(place: Place, done: Run) -> None:
    """It failed, and left neither copy nor run folder, and no trace of Python."""
    assert done.status == 2, done.output
    assert "Traceback" not in done.output
    assert not os.path.lexists(place.destination)
    assert not os.path.lexists(place.run)


# What is wrong with each is in one sentence, and all sentences in one answer.
WRONG = {
    "lease": ("abc", "'abc' is not a whole number"),
    "strategy": ("fre", "'fre' is not one of linear, free, host_pinned; did you mean 'free'?"),
    "bucket_files": (-1, "-1 is less than 0"),
    "bucket_bytes": ("much", "'much' is not a whole number"),
    "shard_items": (0, "0 is less than 1"),
    "range_size": (1000, "1000 is not a multiple of 1 MiB (1048576)"),
    "stall_timeout": (-5, "-5 is less than 1"),
    "one_file_system": ("perhaps", "'perhaps' is not true or false"),
    "copy_commands": ("maybe", "'maybe' is not true or false"),
    "report_fail": ("maybe", "'maybe' is not true or false"),
    "unmount": ("maybe", "'maybe' is not true or false"),
}


def test_wrong_values_are_said_all_at_once_and_before_anything(small: Place) -> None:
    done = run(small, **{name: value for name, (value, _sentence) in WRONG.items()})
    assert_nothing_was_done(small, done)
    for name, (_value, sentence) in WRONG.items():
        assert f"ingest_{name}: {sentence}" in words(done)
    assert len(done.output) < 4000  # it was three kilobytes of specification for each


def test_a_value_that_is_right_in_type_alone(small: Place) -> None:
    done = run(
        small,
        workers="many",
        bandwidth_limit="fast",
        rsync_options=["--delete"],
        globs=["a*", "../b"],
        plain_files={"clents": 3},
        preserve=["mode", "tims"],
    )
    assert_nothing_was_done(small, done)
    for sentence in (
        "ingest_workers: 'many' is neither 'auto' nor a number from 1.",
        "ingest_bandwidth_limit: 'fast' is not a number of bytes a second such as 200M.",
        "ingest_rsync_options: ",
        "ingest_globs: '../b' is not a pattern of names below the source: it must be relative, "
        "without empty parts, '.' or '..'.",
        "ingest_plain_files.clents: there is no such variable; did you mean "
        "ingest_plain_files.clients?",
        "ingest_preserve: 'tims' is not one of mode, owner, times, xattrs, acls, links, sparse; "
        "did you mean 'times'?",
    ):
        assert sentence in words(done)


def test_misspelt_names(small: Place) -> None:
    variables = {
        "ingest_sorce": small.source,
        "ingest_exclud": ["*.tmp"],
        "ingest_methd": "rsync",
        "ingestor_package": [],
        "tier_xyz": 1,
        "other_things": "are nobody's business here",
    }
    done = run(small, "-e", json.dumps(variables))
    assert_nothing_was_done(small, done)
    for wrong, meant in (
        ("ingest_sorce", "ingest_source"),
        ("ingest_exclud", "ingest_exclude"),
        ("ingest_methd", "ingest_method"),
        ("ingestor_package", "ingestor_packages"),
    ):
        assert f"{wrong}: there is no such variable; did you mean {meant}?" in words(done)
    assert "tier_xyz: there is no such variable" in words(done)
    assert "other_things" not in done.output


def test_a_host_of_many(small: Place) -> None:
    """The sentence names it. What needs a fact that is found later is not looked at."""
    inventory = small.folder + "/inventory.json"
    local = {"ansible_connection": "local"}
    hosts = {
        "client1": {**local, "ingest_bandwidth_limit": "{{ ansible_facts.later }}"},
        "client2": {**local, "ingest_worker": 4, "ingest_lease": "{{ half * 2 }}", "half": "x"},
    }
    with open(inventory, "w", encoding="ascii") as file:
        json.dump({"ingestors": {"hosts": hosts, "vars": {"ingest_source": small.source}}}, file)
    done = ingest(small.folder, inventory=inventory, destinations=[small.destination])
    assert_nothing_was_done(small, done)
    assert "ingest_worker: there is no such variable; did you mean ingest_workers?" in words(done)
    assert "ingest_lease: 'xx' is not a whole number (on client2)" in words(done)
    assert "ingest_bandwidth_limit" not in done.output


@pytest.mark.parametrize("name", ["prime", "provision", "report", "user_data"])
def test_every_playbook_asks(small: Place, name: str) -> None:
    variables = {"ingest_source": small.source, "ingest_reedahead": 4}
    playbook = os.path.join(ROOT, "playbooks", name + ".yml")
    done = ansible("playbook", "-i", ALONE, "-e", json.dumps(variables), playbook)
    assert done.status == 2, done.output
    assert "ingest_reedahead: there is no such variable; did you mean ingest_readahead?" in words(
        done
    )


def test_prime_with_this_machine_alone(small: Place) -> None:
    playbook = os.path.join(ROOT, "playbooks", "prime.yml")
    done = ansible("playbook", "-i", ALONE, "-e", f"ingest_source={small.source}", playbook)
    assert done.status == 0, done.output
    assert "1 files, 1 directories, 8 bytes" in words(done)


# -- tags ----------------------------------------------------------------------------------------


def test_tags_that_do_nothing(small: Place) -> None:
    for arguments, sentence in (
        (("--tags", "coppy"), "there is no tag coppy: the tags of this playbook are preflight, "),
        (("--skip-tags", "preflight,scan,plan,copy,report"), "the tags leave nothing to do"),
    ):
        done = run(small, *arguments)
        assert_nothing_was_done(small, done)
        assert sentence in words(done)


def test_a_run_stage_by_stage(small: Place) -> None:
    """Each stage goes on with what is in the run folder."""
    missing = ingest(
        small.folder,
        "--tags",
        "report",
        inventory=ALONE,
        run_dir=None,
        source=small.source,
        destinations=[small.destination],
    )
    assert missing.status == 2 and "ingest_run_dir is not set" in words(missing), missing.output
    for stage, there, missing_yet in (
        ("preflight", [], ["index"]),
        ("scan", ["index"], ["plan.db"]),
        ("plan", ["plan.db"], ["stats.json"]),
        ("copy", ["plan.db"], ["stats.json"]),
        ("report", ["stats.json"], []),
    ):
        assert not os.path.exists(small.destination) or stage in ("report",)
        done = run(small, "--tags", stage)
        assert done.status == 0, done.output
        assert all(os.path.exists(f"{small.run}/{name}") for name in there), stage
        assert not any(os.path.exists(f"{small.run}/{name}") for name in missing_yet), stage
    assert small.differences() == []
    assert stats(small.run)["files"] == 1


def test_serial_is_said_before_anything_runs(small: Place) -> None:
    play = small.folder + "/play.yml"
    roles = ["preflight", "manifest", "plan", "parallel_copy", "report"]
    with open(play, "w", encoding="ascii") as file:
        json.dump(
            [
                {
                    "hosts": "ingestors",
                    "gather_facts": False,
                    "serial": 1,
                    "roles": ["scaleout.ingest." + role for role in roles],
                }
            ],
            file,
        )
    done = ingest(
        small.folder,
        "--limit",
        "client1,client2",
        playbook=play,
        source=small.source,
        destinations=[small.destination],
    )
    said = words(done)
    assert "the play has serial (1 of 2 hosts at a time): each batch scans the whole tree" in said
    assert said.index("the play has serial") < said.index("Scan the source")
