# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report module and playbooks/report.yml, run by Ansible."""

from __future__ import annotations

import os

from ansible_collections.scaleout.ingest.plugins.modules.report import EXAMPLES
from ansible_collections.scaleout.ingest.tests.support import sampleplan
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT, ansible, ingest, stats

PLAYBOOK = os.path.join(ROOT, "playbooks", "report.yml")


def test_the_playbook(folder: str) -> None:
    sampleplan.make_run(folder + "/run", files=300)
    run = ingest(folder, playbook=PLAYBOOK, report_metrics_file=folder + "/copy.prom")
    assert run.status == 0 and run.changed == 0, run.output
    assert "Ingest 20270115T080000 done: 300 files" in run.output
    assert stats(folder + "/run")["files"] == 300
    with open(folder + "/copy.prom", "rb") as copy, open(
        folder + "/run/metrics.prom", "rb"
    ) as metrics:
        assert copy.read() == metrics.read()


def test_a_run_with_failures(folder: str) -> None:
    sampleplan.make_run(folder + "/run", files=300, failures=8, hostile=True)
    run = ingest(folder, playbook=PLAYBOOK)
    assert run.status == 2 and f"8 items failed: see {folder}/run/failures.jsonl" in run.output, (
        run.output
    )
    run = ingest(folder, "--check", playbook=PLAYBOOK, report_fail=False)
    assert run.status == 0, run.output


def test_the_examples(folder: str) -> None:
    sampleplan.make_run(folder + "/run", files=300)
    tasks = EXAMPLES.replace("runs/20260102T030405", folder + "/run").replace(
        "/var/lib/prometheus/node-exporter", folder
    )
    with open(folder + "/play.yml", "w", encoding="utf-8") as play:
        play.write(
            "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
            + "".join(f"    {line}\n" for line in tasks.splitlines())
        )
    run = ansible("playbook", folder + "/play.yml")
    assert run.status == 0 and run.recap["localhost"]["ok"] == 2, run.output
    assert os.path.getsize(folder + "/scaleout_ingest.prom")


def test_no_plan(folder: str) -> None:
    run = ingest(folder, playbook=PLAYBOOK)
    assert (
        run.status == 2 and "there is no run in" in run.output and "Traceback" not in run.output
    ), run.output


def test_runs_are_compared(folder: str) -> None:
    """By default those in ./runs; what is no run is said."""
    for name in ("first", "second"):
        sampleplan.make_run(f"{folder}/runs/{name}", files=300)
        assert ingest(folder, playbook=PLAYBOOK, run_dir=f"{folder}/runs/{name}").status == 0
    compare = os.path.join(ROOT, "playbooks", "compare.yml")
    run = ansible("playbook", compare, cwd=folder)
    assert run.status == 0 and f"2 runs: {folder}/runs.html" in run.output, run.output
    assert os.path.getsize(folder + "/runs.html")
    for where, words in (("nowhere", "can't be read"), (folder, "there is no stats.json in")):
        run = ingest(folder, playbook=compare, compare_runs=[where])
        assert run.status == 2 and "Traceback" not in run.output, run.output
        assert words in " ".join(run.output.split())
