# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run at work is slowed down, paused and let go on."""

from __future__ import annotations

import json
import os
import time

from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    LOCAL,
    ROOT,
    Run,
    ansible,
    ingest,
    stats,
    words,
)
from ansible_collections.scaleout.ingest.tests.support.runs import (
    LONGEST,
    ended,
    start,
    tree,
    wait_for_files,
)

CONTROL = os.path.join(ROOT, "playbooks", "control.yml")


def control(place: Place, **said: object) -> Run:
    """Say it."""
    given = json.dumps({"ingest_run_dir": place.run, **said})
    return ansible("playbook", "-i", ALONE, "-e", given, CONTROL)


def arrived(place: Place) -> int:
    """Bytes in the destination."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _folders, names in os.walk(place.destination)
        for name in names
    )


def test_a_run_pauses_and_goes_on_faster(folder: str) -> None:
    """It would take an hour as it was started."""
    place = tree(folder, "a", files=300, size=60_000)
    options = {"bandwidth_limit": "5K", "workers": 1, "shard_items": 10, "split": "dynamic"}
    run = start(place, LOCAL, run_dir=place.run, **options)
    wait_for_files(place, 3)
    paused = control(place, pause=True)
    assert paused.status == 0 and paused.changed == 1, paused.output
    before, now, until = -1, 0, time.monotonic() + LONGEST
    while before != now:  # what was under way ends
        assert time.monotonic() < until
        time.sleep(8)
        before, now = now, arrived(place)
    assert run.poll() is None
    again = control(place, pause=True)
    assert again.status == 0 and again.changed == 0, again.output
    faster = control(place, pause=False, rate="100M", file_rate=5000)
    assert faster.status == 0, faster.output
    output = ended(run)
    assert run.returncode == 0, output
    assert "pauses" in output and "goes on after the pause" in output
    assert place.differences() == []
    assert stats(place.run)["failed"] == 0 and stats(place.run)["dead_addresses"] == []
    over = control(place, rate="1M")
    assert over.status == 2 and "is done: there is nothing to control" in words(over)


def test_what_can_t_be_is_said_in_one_sentence(folder: str) -> None:
    place = tree(folder, "a", files=3)
    nothing = control(place)
    assert nothing.status == 2 and "give rate, file_rate or pause" in words(nothing)
    none = control(place, rate="1M")
    assert none.status == 2 and f"there is no run in {place.run}" in words(none)
    wrong = ingest(
        folder,
        inventory=ALONE,
        source=place.source,
        destinations=[place.destination],
        file_rate_limit="many",
        windows=[{"days": "mon", "hours": "8-9", "pause": True}],
    )
    assert wrong.status == 2
    assert "ingest_file_rate_limit: 'many' is not a number of files a second" in words(wrong)
    assert "ingest_windows[0].hours: '8-9' are no hours such as 08:00-18:00" in words(wrong)
    assert not os.path.exists(place.destination)
