# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that compares runs."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.runs import (
    write_runs_page,
)
from ansible_collections.scaleout.ingest.tests.support import reports, sampleplan
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT

ASSETS = os.path.join(ROOT, "roles", "report", "files")


def test_runs_beside_each_other(tmp_path: Path) -> None:
    stats = [
        reports.report(sampleplan.make_run(str(tmp_path / name), files=300, **options)).stats
        for name, options in (
            ("first", {"hosts": 2}),
            ("hostile", {"hostile": True, "failures": 4, "run_id": "<script>alert(1)</script>"}),
            ("check", {"check": True, "split": "dynamic"}),
        )
    ]
    write_runs_page(stats, ASSETS, str(tmp_path / "runs.html"))
    page = (tmp_path / "runs.html").read_text(encoding="utf-8")
    body = page.partition("<body>")[2].partition("<script")[0]
    assert "3 runs compared" in body and "1 not without failures" in body
    assert "<script>" not in body and "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert body.count("finished with failures") == 1 and body.count("check only") == 1
