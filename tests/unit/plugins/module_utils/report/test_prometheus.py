# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""metrics.prom, read by Prometheus' own parser."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.tests.support import reports, sampleplan

parser = pytest.importorskip(
    "prometheus_client.parser", reason="prometheus_client is not installed"
)


def metrics(folder: str) -> dict[str, Any]:
    """The samples of metrics.prom by name: a list of (labels, value)."""
    with open(os.path.join(folder, "metrics.prom"), encoding="utf-8") as stream:
        text = stream.read()
    assert text.endswith("\n")
    found: dict[str, Any] = {}
    for family in parser.text_string_to_metric_families(text):
        assert family.type in ("gauge", "counter") and family.documentation
        for sample in family.samples:
            assert sample.name.startswith("scaleout_ingest_")
            found.setdefault(sample.name[len("scaleout_ingest_") :], []).append(
                (sample.labels, sample.value)
            )
    return found


def test_the_numbers_are_those_of_stats(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), hosts=60, mounts=8, files=6000, lost=True)
    stats = reports.report(folder).stats
    found = metrics(folder)
    assert found["success"] == [({}, 1)]
    assert found["duration_seconds"] == [({}, stats["seconds"])]
    for key in ("files", "bytes"):
        samples = found[key + "_total"]
        assert len({(labels["client"], labels["destination"]) for labels, dummy in samples}) == len(
            samples
        )
        assert sum(value for dummy, value in samples) == stats[key]
        assert found["planned_" + key] == [({}, stats["planned"][key])]
    assert sum(value for dummy, value in found["skipped_total"]) == stats["skipped"]
    assert len(found["client_duration_seconds"]) == 60
    assert {labels["kind"]: value for labels, value in found["not_preserved_total"]} == {
        loss["kind"]: loss["count"] for loss in stats["not_preserved"]
    }
    ((labels, value),) = found["run_info"]
    assert value == 1 and labels["run_id"] == stats["run_id"] and labels["bound"] == stats["bound"]


def test_failures_and_hostile_labels(tmp_path: Any) -> None:
    folder = sampleplan.make_run(
        str(tmp_path), failures=12, hostile=True, source='/a "b"\\\n\udcff'
    )
    stats = reports.report(folder).stats
    found = metrics(folder)
    assert found["success"] == [({}, 0)]
    assert {labels["error"]: value for labels, value in found["failed_items_total"]} == stats[
        "failures"
    ]["by_error"]
    assert sum(value for dummy, value in found["failed_total"]) == 12
    assert (
        found["run_info"][0][0]["source"] == '/a "b"\\\\\\n\\xff'
    )  # the printable form, kept by the label's escapes
    assert any("</script>" in labels["client"] for labels, dummy in found["failed_total"])


def test_an_unfinished_run_is_no_success(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), unfinished=True)
    reports.report(folder)
    assert metrics(folder)["success"] == [({}, 0)]
