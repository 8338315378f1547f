# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a calibration."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.calibration import (
    write_calibration_page,
)
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT

ASSETS = os.path.join(ROOT, "roles", "report", "files")
FOUND: dict[str, Any] = {
    "bound": "bytes",
    "source": "/mnt/<script>alert(1)</script>",
    "destination": "/mnt/destination1/copy",
    "limit": "address",
    "because": ["3 mounts are 1.49 times as fast as 2"],
    "complete": True,
    "seconds": 178.2,
    "written": 12_300_000_000,
    "rate_low": 24.1e6,
    "rate_high": 26.3e6,
    "rate_of_one": 25.7e6,
    "read": 200e6,
    "write": 25.9e6,
    "read_together": 0.0,
    "workers_per_mount": 2,
    "mounts": 3,
    "mounts_tried": 3,
    "clients": 1,
    "clients_tried": 1,
    "range_size": 16 << 20,
    "ranges": [[4 << 20, 24e6], [16 << 20, 25.7e6]],
    "over": {"workers": 8, "rate": 7.3e6},
    "busy": 0.42,
    "mount_shares": [[0, 100], [0, 100], [0, 200]],
    "estimate": {"low": 3600.0, "high": 4000.0},
    "variables": {"ingest_workers": 6, "ingest_destinations": ["/mnt/&"]},
    "curves": {
        "workers": [[1, 9e6, [8.9e6, 9.1e6]], [2, 9.4e6, [9.4e6]]],
        "mounts": [[1, 9e6, [9e6]], [3, 25.7e6, [25.0e6, 26.4e6]]],
        "clients": [],
    },
}


def test_the_page(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_calibration_page(FOUND, ["One & two."], 0.0, ASSETS, str(path), "0.2.0")
    text = path.read_text(encoding="utf-8")
    body = text.partition("<body>")[2].partition("<script")[0]
    assert "<script>" not in body and "alert(1)" in body
    assert "One &amp; two." in body and "Limited by: address" in body
    assert "24.1 to 26.3" in body and "16 MiB" in body and "42.0 %" in body and "50.0 %" in body
    assert 'id="chart-workers"' in body and 'id="chart-mounts"' in body
    assert 'id="chart-clients"' not in body
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    curves = json.loads(found.group(1))["curves"]
    assert [each["name"] for each in curves] == ["workers", "mounts"]
    assert curves[1]["points"] == [[1, 9.0, 9.0, 9.0], [3, 25.7, 25.0, 26.4]]
    assert {each["unit"] for each in curves} == {"MB/s"}
