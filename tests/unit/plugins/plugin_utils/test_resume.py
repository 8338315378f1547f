# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a run folder is still good."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.windows import Budget
from ansible_collections.scaleout.ingest.plugins.plugin_utils.budget import FILE, Control, forget
from ansible_collections.scaleout.ingest.plugins.plugin_utils.resume import (
    Found,
    found,
    plan_differs,
    scan_differs,
    wanted,
)

SCAN = {
    "source": "/data/",
    "include": [],
    "exclude": ["*.o"],
    "globs": [],
    "one_file_system": False,
    "compared": None,
    "started": 5.0,
}
OPTIONS = {
    "source": "/data",
    "include": [],
    "exclude": ["*.o"],
    "globs": [],
    "one_file_system": False,
    "compare_to": "/mnt/destination1",
}
PLAN = {"split": "dynamic", "query": None, "preserve": ["mode"], "destinations": ["/a", "/b"]}


@pytest.mark.parametrize(
    "changed, said",
    [
        ({}, ""),
        ({"source": "/data2"}, "ingest_source was '/data' and is '/data2'"),
        ({"exclude": []}, "ingest_exclude was ['*.o'] and is []"),
        ({"globs": ["a\nb"]}, "ingest_globs was [] and is ['a\\nb']"),
        ({"one_file_system": True}, "ingest_one_file_system was false and is true"),
        ({"compare_to": None}, ""),  # an empty destination was not compared either
    ],
)
def test_another_scan_is_named(changed: dict[str, Any], said: str) -> None:
    assert scan_differs(SCAN, {**OPTIONS, **changed}) == said


def test_a_comparison_that_is_not_wanted_any_more() -> None:
    compared = {**SCAN, "compared": {"destination": "/mnt/destination1"}}
    assert scan_differs(compared, OPTIONS) == ""
    said = scan_differs(compared, {**OPTIONS, "compare_to": None})
    assert said == "ingest_compare was 'auto' and is 'never'"


@pytest.mark.parametrize(
    "changed, said",
    [
        ({}, ""),
        ({"split": "balanced"}, "ingest_split was 'dynamic' and is 'balanced'"),
        ({"query": "SELECT 1"}, "ingest_query was not set and is 'SELECT 1'"),
        ({"destinations": ["/b", "/c"]}, ""),  # a mount that is left out, another that came
        ({"destinations": ["/c"]}, "ingest_destinations was ['/a', '/b'] and is ['/c']"),
    ],
)
def test_another_plan_is_named(changed: dict[str, Any], said: str) -> None:
    assert plan_differs({"asked": PLAN}, {**PLAN, **changed}) == said


@pytest.mark.parametrize(
    "plan, done, over, planned",
    [
        (None, False, False, False),  # killed before the plan
        ({"created": 5.0}, False, False, True),  # in the copy
        ({"created": 5.0}, True, False, True),  # before the report
        ({"created": 5.0, "reported": 9.0}, True, True, True),
        ({"created": 5.0, "reported": 9.0}, False, False, True),  # a report of what is not done
        ({"created": 5.0, "check": True}, False, True, False),
        ({"created": 4.0, "reported": 4.5}, True, False, False),  # of the run before
    ],
)
def test_when_a_run_is_over(plan: dict | None, done: bool, over: bool, planned: bool) -> None:
    state = Found(SCAN, plan, done)
    assert (state.over, state.planned) == (over, planned)


def test_a_stage_that_was_asked_for_is_done() -> None:
    options = {"resume": "auto"}
    assert wanted("plan", options, {"ansible_run_tags": ["all"]})
    assert wanted("plan", options, {"ansible_run_tags": ["copy", "report"]})
    assert not wanted("plan", options, {"ansible_run_tags": ["plan", "copy"]})
    assert not wanted("plan", options, {"ansible_run_tags": ["scan"]})
    assert not wanted("plan", {"resume": "never"}, {"ansible_run_tags": ["all"]})


def test_what_can_t_be_read_is_not_there(tmp_path: Any) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "0.db").write_bytes(b"half")
    (tmp_path / "plan.db").write_bytes(b"half")
    assert found(str(tmp_path)) == Found(None, None, False)


def test_what_was_said_by_hand_holds_over_the_rest(tmp_path: Any) -> None:
    folder = str(tmp_path)
    outside = Budget(10, 20, True)
    assert Control.read(folder).over(outside) == outside
    Control(bytes=0, paused=False).write(folder)
    assert Control.read(folder).over(outside) == Budget(0, 20, False)
    (tmp_path / FILE).write_text("{")
    assert Control.read(folder) == Control()
    forget(folder)
    forget(folder)
    assert not (tmp_path / FILE).exists()
