# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""hosts.csv, failures.csv, and the schema of stats.json."""

from __future__ import annotations

import base64
import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.report import tables
from ansible_collections.scaleout.ingest.tests.support import reports, sampleplan
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT

SCHEMA = os.path.join(ROOT, "roles", "report", "files", "stats.schema.json")
RUNS: list[dict[str, Any]] = [
    {},
    {"failures": 8, "lost": True, "dead": True, "hostile": True},
    {"scan_errors": [(b"a", "open", 13, "Permission denied")], "unfinished": True},
    {"check": True},
]


def read(path: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_line_for_each_client_and_failure(tmp_path: Path) -> None:
    folder = str(tmp_path)
    stats = reports.report(sampleplan.make_run(folder, files=300, failures=20, hostile=True)).stats
    hosts = read(folder + "/hosts.csv")
    assert [int(host["files"]) for host in hosts] == [
        host["files"] for host in stats["hosts"].values()
    ]
    with open(folder + "/failures.jsonl", encoding="utf-8") as stream:
        failures = [json.loads(line) for line in stream]
    rows = read(folder + "/failures.csv")
    assert len(rows) == len(failures) == 20
    for row, failure in zip(rows, failures):
        assert (row["operation"], row["errno"]) == (failure["operation"], str(failure["errno"]))
        assert row["path"].startswith("./") and "\n" not in row["path"]
        if row["path_base64"]:
            path = failure["path"].encode("utf-8", "surrogateescape")
            assert base64.b64decode(row["path_base64"]) == path


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    jsonl = tmp_path / "failures.jsonl"
    record = {"path": "=1+1", "message": "@SUM(A1)", "host": "-h", "mount": "/m", "errno": -5}
    jsonl.write_text(json.dumps(record) + "\n")
    tables.write_failed(str(jsonl), str(tmp_path / "failures.csv"))
    (row,) = read(str(tmp_path / "failures.csv"))
    assert (row["path"], row["message"], row["host"]) == ("./=1+1", "'@SUM(A1)", "'-h")
    assert (row["mount"], row["errno"]) == ("/m", "-5")


@pytest.mark.parametrize("options", RUNS, ids=lambda options: ",".join(options) or "plain")
def test_stats_are_as_the_schema_says(tmp_path: Path, options: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="there is no jsonschema to check with")
    with open(SCHEMA, encoding="utf-8") as stream:
        schema = json.load(stream)
    stats = reports.report(sampleplan.make_run(str(tmp_path), files=300, **options)).stats
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(stats)))
    missing = set(stats) - set(schema["properties"])
    assert not missing, f"roles/report/files/stats.schema.json lacks {', '.join(sorted(missing))}"
    host = schema["$defs"]["host"]["properties"]
    assert not set(next(iter(stats["hosts"].values()))) - set(host), "the schema's host lacks some"
