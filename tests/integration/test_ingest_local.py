# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/ingest.yml with several clients on this machine."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    INGEST,
    Run,
    ansible,
    ingest,
    stats,
)

TOP = [
    "run_id",
    "method",
    "split",
    "source",
    "destinations",
    "files",
    "directories",
    "bytes",
    "skipped",
    "failed",
    "seconds",
    "files_per_second",
    "bytes_per_second",
    "bound",
    "hosts",
]


def count(tree: str) -> int:
    """Entries that are not directories."""
    listed = subprocess.run(
        ["find", tree, "-mindepth", "1", "!", "-type", "d", "-printf", "x"],
        stdout=subprocess.PIPE,
        check=True,
    )
    return len(listed.stdout)


def test_everything_arrives_once(place: Place) -> None:
    run = ingest(place.folder, source=place.source, destinations=[place.destination])
    assert run.status == 0, run.output
    assert place.differences() == []
    assert run.changed >= 1
    numbers = stats(place.run)
    assert [name for name in TOP if name not in numbers] == []
    assert numbers["files"] == count(place.source)
    assert numbers["failed"] == 0
    assert sorted(numbers["hosts"]) == ["client1", "client2", "client3"]
    assert sum(host["files"] for host in numbers["hosts"].values()) == numbers["files"]
    for host in numbers["hosts"].values():
        assert host["files"] > 0
        assert sum(mount["files"] for mount in host["mounts"].values()) == host["files"]
    for name in ("plan.db", "index", "failures.jsonl", "report.html", "metrics.prom"):
        assert os.path.exists(os.path.join(place.run, name)), name
    assert os.path.join(place.run, "report.html") in run.output

    again = ingest(
        place.folder, source=place.source, destinations=[place.destination], run_dir=place.run + "2"
    )
    assert again.status == 0, again.output
    assert again.changed == 0, again.output
    assert stats(place.run + "2")["files"] == 0
    assert place.differences() == []
    # Every task costs on every host. What is of use on these: the check, what it found, the copy.
    for client in ("client2", "client3"):
        for one in (run, again):
            assert one.recap[client]["ok"] <= 4 and one.recap[client]["skipped"] <= 4


def test_only_what_differs_from_an_earlier_run(place: Place) -> None:
    """What was added or changed is copied, what is gone stays and is told, nothing else is
    planned."""
    trees = {"source": place.source, "destinations": [place.destination]}
    first = ingest(place.folder, **trees)
    assert first.status == 0, first.output

    os.mkdir(os.path.join(place.source, "new"))
    for name in ("new/one", "new/two"):
        with open(os.path.join(place.source, name), "wb") as file:
            file.write(b"new")
    os.chmod(os.path.join(place.source, "new", "one"), 0o600)
    gone = os.path.join(place.source, "gone")
    with open(gone, "wb") as file:
        file.write(b"short-lived")
    second = ingest(place.folder, run_dir=place.run + "2", diff=place.run, **trees)
    assert second.status == 0, second.output
    assert place.differences() == []
    assert stats(place.run + "2")["planned"]["files"] == stats(place.run + "2")["files"] == 3

    os.unlink(gone)
    third = ingest(place.folder, run_dir=place.run + "3", diff=place.run + "2", **trees)
    assert third.status == 0, third.output
    assert "1 entries and 0 directories are gone from the source" in " ".join(third.output.split())
    assert os.path.exists(os.path.join(place.destination, "gone"))
    assert stats(place.run + "3")["planned"]["files"] == 0
    with open(os.path.join(place.run + "3", "difference.jsonl"), encoding="utf-8") as stream:
        changes = [json.loads(line) for line in stream]
    assert [c["path"] for c in changes if c["change"] == "removed"] == ["gone"]

    wrong = ingest(place.folder, run_dir=place.run + "4", diff=place.source, **trees)
    assert wrong.status != 0 and "there is no index in" in wrong.output


def test_only_what_a_query_names(place: Place) -> None:
    trees = {"source": place.source, "destinations": [place.destination]}
    for name in ("one", "two", "three"):
        with open(os.path.join(place.source, f"named {name}"), "wb") as file:
            file.write(b"x")
    query = "SELECT path || '/' || name FROM pentries WHERE name LIKE 'named t%'"
    run = ingest(place.folder, query=query, **trees)
    assert run.status == 0, run.output
    found = sorted(name for name in os.listdir(place.destination) if not name.startswith("."))
    assert found == ["named three", "named two"]
    wrong = ingest(place.folder, run_dir=place.run + "2", query=query, items="diff", **trees)
    assert wrong.status != 0 and "items: diff needs diff, which is not given" in wrong.output


def test_what_is_there_is_neither_planned_nor_looked_at_again(folder: str) -> None:
    """Nor shipped: what differs is all that the plan, its check and check mode know of."""
    place = Place(folder)
    trees = {"source": place.source, "destinations": [place.destination]}
    for name in ("some", "more"):
        os.makedirs(os.path.join(place.source, name, "below"))
        os.symlink(name, os.path.join(place.source, name, "link"))
        for number in range(5):
            with open(os.path.join(place.source, name, str(number)), "wb") as file:
                file.write(b"x" * 1000)
    os.link(os.path.join(place.source, "some", "1"), os.path.join(place.source, "more", "hard"))
    everything = count(place.source)
    assert ingest(place.folder, inventory=ALONE, **trees).status == 0

    def again(number: int, *arguments: str, **variables: object) -> dict:
        run = ingest(
            place.folder,
            *arguments,
            inventory=ALONE,
            run_dir=f"{place.run}{number}",
            **trees,
            **variables,
        )
        assert run.status == 0, run.output
        found = stats(f"{place.run}{number}")
        found["output"], found["tasks changed"] = run.output, run.changed
        return found

    found = again(2)
    assert found["tasks changed"] == 0
    assert found["output"].count("skipping: no hosts matched") == 2  # nothing to move or to finish
    assert (found["planned"]["items"], found["planned"]["bytes"], found["shards"]["total"]) == (
        0,
        0,
        0,
    )
    right = found["equal"]["files"]
    assert found["skipped"] == right == everything
    assert f"Up to date: {right:,} items, {right:,} by the scan's comparison." in found["output"]

    # An interrupted run: some of it is there.
    for number in range(3):
        os.unlink(os.path.join(place.destination, "more", str(number)))
    assert again(30, "--check", split="dynamic")["tasks changed"] == 1
    found = again(3, "--check")
    assert found["tasks changed"] == 1
    assert "3 files, 3.00 kB would be copied; nothing was written" in found["output"]
    assert f"There already, as they are to be: {right - 3:,} files" in found["output"]
    found = again(4)
    assert (found["files"], found["bytes"], found["planned"]["items"]) == (3, 3000, 3)
    assert found["verify"]["files"] == 3 + found["planned"]["directories"] < 10
    assert place.differences() == []

    assert again(40, "--check")["tasks changed"] == 0
    os.chmod(os.path.join(place.source, "more", "4"), 0o600)
    found = again(5)
    assert found["planned"]["items"] == 1 and found["planned"]["bytes"] == 0
    assert found["files"] == 0 and found["changed"] == 1
    assert place.differences() == []

    found = again(6, compare="never")
    assert found["planned"]["files"] == found["skipped"] == everything
    assert found["equal"]["files"] == 0 and found["tasks changed"] == 0
    found = again(7, verify="checksum")
    assert found["planned"]["items"] == 0 and found["verify"]["files"] >= everything
    assert found["tasks changed"] == 0


@pytest.mark.parametrize("options, planned", [(["-v"], False), (["--checksum"], True)])
def test_rsync_is_not_given_what_is_right(folder: str, options: list[str], planned: bool) -> None:
    place = Place(folder)
    os.makedirs(place.source)
    for number in range(5):
        with open(os.path.join(place.source, str(number)), "wb") as file:
            file.write(b"x" * 1000)
    trees = {"source": place.source, "destinations": [place.destination], "method": "rsync"}
    assert ingest(place.folder, inventory=ALONE, **trees).status == 0
    run = ingest(
        place.folder, inventory=ALONE, run_dir=place.run + "2", rsync_options=options, **trees
    )
    assert run.status == 0 and run.changed == 0, run.output
    items = stats(place.run + "2")["planned"]["items"]
    assert items == (count(place.source) if planned else 0)
    assert place.differences() == []


@pytest.mark.parametrize(
    "variables, arguments",
    [
        ({"strategy": "free", "split": "balanced"}, []),
        ({"strategy": "linear"}, ["--forks", "1"]),
        ({"strategy": "free", "verify": "checksum"}, ["--forks", "1"]),
        ({"verify": "none", "workers": 1, "min_depth": 1, "max_depth": 2}, ["--forks", "2"]),
    ],
)
def test_every_way_to_run_it(place: Place, variables: dict, arguments: list) -> None:
    run = ingest(
        place.folder, *arguments, source=place.source, destinations=[place.destination], **variables
    )
    assert run.status == 0, run.output
    assert place.differences() == []
    if arguments:
        assert "forks" in run.output
    for number in ("1", "2", "3"):
        assert stats(place.run)["hosts"]["client" + number]["files"] >= 0


def test_what_the_second_pass_finds_wrong_does_not_stay_so(place: Place) -> None:
    """It is a failure, and the next run copies it, however it checks; or it is mended at once."""
    victim = os.path.join(place.destination, "plain")
    with open(os.path.join(place.source, "plain"), "wb") as file:
        file.write(b"contents" * 100)

    def run(number: int, **variables: object) -> Run:
        trees = {"source": place.source, "destinations": [place.destination]}
        where = f"{place.run}{number}"
        return ingest(place.folder, inventory=ALONE, run_dir=where, **trees, **variables)

    def corrupt() -> None:
        found = os.stat(victim)
        with open(victim, "r+b") as file:
            file.write(b"X")
        os.utime(victim, ns=(found.st_atime_ns, found.st_mtime_ns))

    assert run(1).status == 0
    corrupt()
    assert run(2).status == 0  # size and time are right
    assert place.differences() != []
    found = run(3, verify="checksum")
    assert found.status != 0
    assert "has other contents, and was marked so that the next run copies it" in found.output
    assert stats(place.run + "3")["failed"] == 1
    mended = run(4)
    assert mended.status == 0, mended.output
    assert place.differences() == []
    corrupt()
    repaired = run(5, verify="checksum", repair=True)
    assert repaired.status == 0, repaired.output
    assert repaired.changed
    assert (stats(place.run + "5")["repaired"], stats(place.run + "5")["files"]) == (1, 0)
    assert place.differences() == []


def test_what_only_the_destination_has_is_named_and_may_be_a_failure(place: Place) -> None:
    def run(number: int, **variables: object) -> tuple[Run, list[dict]]:
        trees = {"source": place.source, "destinations": [place.destination]}
        where = f"{place.run}{number}"
        done = ingest(place.folder, run_dir=where, **trees, **variables)
        with open(os.path.join(where, "extras.jsonl"), encoding="utf-8") as lines:
            return done, [json.loads(line) for line in lines]

    first, extras = run(1, extra="fail")
    assert (first.status, extras) == (0, []), first.output
    os.makedirs(os.path.join(place.destination, "{{ old }}", "below"))
    again, extras = run(2)
    assert again.status == 0, again.output
    assert extras == [{"path": "{{ old }}", "type": "directory"}]
    assert stats(f"{place.run}2")["extras"] == 1
    assert "The destination has 1 item that the source has not." in again.output
    failed, extras = run(3, extra="fail")
    assert failed.status != 0 and len(extras) == 1
    assert "the destination has 1 item that the source has not: see " in failed.output
    refused = ingest(
        place.folder,
        inventory=ALONE,
        source=place.source,
        destinations=[place.destination],
        extra="fail",
        verify="none",
    )
    assert refused.status != 0
    assert "extra: 'fail' needs the second pass, and verify is 'none'" in refused.output


def test_check_mode_writes_nothing_and_shows_the_plan(place: Place) -> None:
    before = sorted(os.listdir(place.folder))
    run = ingest(
        place.folder, "--check", "--diff", source=place.source, destinations=[place.destination]
    )
    assert run.status == 0, run.output
    assert not os.path.exists(place.destination)
    assert sorted(os.listdir(place.folder)) == sorted([*before, "run", "variables.json"])
    for client in ("client1", "client2", "client3"):
        assert client in run.output
    assert place.destination in run.output


def test_check_mode_leaves_the_metrics_of_production(place: Place) -> None:
    metrics = place.folder + "/ingest.prom"
    with open(metrics, "w", encoding="ascii") as file:
        file.write("of the last run\n")
    trees = {"source": place.source, "destinations": [place.destination]}
    run = ingest(place.folder, "--check", inventory=ALONE, report_metrics_file=metrics, **trees)
    assert run.status == 0, run.output
    with open(metrics, encoding="ascii") as file:
        assert file.read() == "of the last run\n"


def test_there_is_a_report_when_no_host_could_copy(place: Place) -> None:
    """Nothing was mounted, and that is no failure of its own."""
    trees = {"source": place.source, "destinations": [place.destination], "unmount": True}
    planned = ingest(place.folder, "--tags", "scan,plan", **trees)
    assert planned.status == 0, planned.output
    run = ingest(place.folder, "--tags", "copy,report", preserve=["times"], **trees)
    assert run.status == 2, run.output
    words = " ".join(run.output.split())
    reason = f"preserve: the plan in {place.run} was made for"
    report, last = words.index("Ingest run not finished"), words.rindex(reason)
    assert words.index(reason) < report < last, "the report comes first, the reason last"
    assert stats(place.run)["files"] == 0
    assert all(run.recap[client]["failed"] for client in ("client1", "client2", "client3"))


def test_what_was_mounted_before_the_run_stays_mounted(folder: str) -> None:
    """It is called as the cluster's mount is. The report comes first, and nothing fails."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = Place(folder)
    point = folder + "/m1"
    place.destination = point + "/copy"
    for path in (place.source, point):
        os.mkdir(path)
    with open(place.source + "/file", "w", encoding="ascii") as file:
        file.write("contents")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "10.0.0.1:/e", point], check=True)
    try:
        run = ingest(
            folder,
            inventory=ALONE,
            source=place.source,
            cluster_addresses=["10.0.0.1"],
            cluster_export="/e",
            mount_base=folder + "/m",
            mount_timeout=0,
            destination="copy",
            unmount=True,
        )
        assert run.status == 0, run.output
        assert os.path.ismount(point)
        assert place.differences() == []
        assert stats(place.run)["files"] == 1
    finally:
        subprocess.run(["umount", point], check=False)


def test_facts_that_are_not_injected(place: Place) -> None:
    """As ansible-core 2.24 will have it: what preflight found reaches the plan all the same."""
    with open(place.source + "/huge", "wb") as file:
        file.truncate(15 << 40)
    trees = {"source": place.source, "destinations": [place.destination]}
    env = {"ANSIBLE_INJECT_FACT_VARS": "False"}
    run = ingest(place.folder, "--check", inventory=ALONE, env=env, preserve=["times"], **trees)
    assert run.status == 2, run.output
    assert "the source does not fit: 16.5 TB are needed" in " ".join(run.output.split())
    assert "[DEPRECATION" not in run.output


@pytest.mark.parametrize(
    "name",
    ["with space", "{{ lookup('pipe', 'id') }}", 'it\'s "quoted" $HOME `id`', "-rf", "grüße"],
)
def test_names_of_the_trees_themselves(folder: str, name: str) -> None:
    place = Place(os.path.join(folder, name))
    os.makedirs(place.source + "/below")
    with open(place.source + "/below/file", "w", encoding="ascii") as file:
        file.write("contents")
    run = ingest(folder, inventory=ALONE, source=place.source, destinations=[place.destination])
    assert run.status == 0, run.output
    assert place.differences() == []


def test_an_empty_source(folder: str) -> None:
    place = Place(folder)
    os.mkdir(place.source)
    run = ingest(folder, source=place.source, destinations=[place.destination])
    assert run.status == 0, run.output
    assert place.differences() == []


def bad_inputs() -> list:
    return [
        ("missing source", {"source": "{folder}/nowhere"}, "ingest_source", "{folder}/nowhere"),
        ("source is a file", {"source": "{folder}/file"}, "ingest_source", "{folder}/file"),
        ("no source", {"source": ""}, "ingest_source", ""),
        ("relative source", {"source": "some/where"}, "ingest_source", "some/where"),
        (
            "inside the source",
            {"destinations": ["{folder}/source/below"]},
            "ingest_destinations",
            "{folder}/source/below",
        ),
        ("around the source", {"destinations": ["{folder}"]}, "ingest_destinations", "{folder}"),
        (
            "the source",
            {"destinations": ["{folder}/source"]},
            "ingest_destinations",
            "{folder}/source",
        ),
        (
            "twice",
            {"destinations": ["{folder}/d", "{folder}/./d/"]},
            "ingest_destinations",
            "{folder}/d",
        ),
        ("no destination", {"destinations": []}, "ingest_destinations", ""),
        (
            "not writable",
            {"destinations": ["/proc/destination"]},
            "ingest_destinations",
            "/proc/destination",
        ),
        ("method", {"method": "scp"}, "ingest_method", "scp"),
        ("split", {"split": "fair"}, "ingest_split", "fair"),
        ("verify", {"verify": "maybe"}, "ingest_verify", "maybe"),
        ("workers", {"workers": "many"}, "workers", "many"),
        ("depths", {"min_depth": 3, "max_depth": 2}, "min_depth", "3"),
    ]


@pytest.mark.parametrize("case", bad_inputs(), ids=lambda case: case[0])
def test_bad_input_is_one_clear_sentence(folder: str, case: tuple) -> None:
    _title, changes, variable, value = case
    os.mkdir(folder + "/source")
    for path in (folder + "/source/entry", folder + "/file"):
        with open(path, "w", encoding="ascii"):
            pass
    before = sorted(os.listdir(folder))
    variables = {
        "source": folder + "/source",
        "destinations": [folder + "/destination"],
        **fill(changes, folder),
    }
    run = ingest(folder, **variables)
    assert run.status != 0
    assert variable in run.output
    assert fill(value, folder) in run.output
    assert "Traceback" not in run.output
    assert sorted(set(os.listdir(folder)) - {"run"}) == sorted([*before, "variables.json"])
    assert sorted(os.listdir(folder + "/source")) == ["entry"]


def fill(value: object, folder: str) -> object:
    """``{folder}`` in every text."""
    if isinstance(value, str):
        return value.replace("{folder}", folder)
    if isinstance(value, list):
        return [fill(item, folder) for item in value]
    if isinstance(value, dict):
        return {name: fill(item, folder) for name, item in value.items()}
    return value


def test_no_hosts(place: Place) -> None:
    inventory = place.folder + "/empty.json"
    with open(inventory, "w", encoding="ascii") as file:
        json.dump({"ingestors": {"hosts": {}}}, file)
    run = ingest(
        place.folder, inventory=inventory, source=place.source, destinations=[place.destination]
    )
    assert run.status != 0, run.output
    assert "ingestors" in run.output
    assert not os.path.exists(place.destination)


def test_a_full_disk_is_a_failure_of_the_items_it_hits(folder: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system of its own needs root")
    place = Place(folder)
    small = folder + "/small"
    place.destination = small + "/destination"
    os.makedirs(place.source)
    os.mkdir(small)
    for number in range(8):
        with open("%s/%d" % (place.source, number), "wb") as file:
            file.write(os.urandom(1 << 20))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=True)
    try:
        run = ingest(
            folder, source=place.source, destinations=[place.destination], check_space=False
        )
        assert run.status != 0, run.output
        assert "Traceback" not in run.output
        numbers = stats(place.run)
        with open(place.run + "/failures.jsonl", encoding="utf-8") as file:
            failures = [json.loads(line) for line in file]
        assert numbers["failed"] == len({failure["path"] for failure in failures}) > 0
        assert {failure["errno"] for failure in failures} == {28}
        subprocess.run(["mount", "-o", "remount,size=40m", small], check=True)
        again = ingest(
            folder, source=place.source, destinations=[place.destination], run_dir=place.run + "2"
        )
        assert again.status == 0, again.output
        assert place.differences() == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_variables_on_the_command_line(place: Place) -> None:
    pairs = f"ingest_source={place.source} ingest_run_dir={place.run}"
    run = ansible(
        "playbook",
        INGEST,
        "-i",
        ALONE,
        "-e",
        pairs,
        "-e",
        json.dumps({"ingest_destinations": [place.destination]}),
    )
    assert run.status == 0, run.output
    assert place.differences() == []
