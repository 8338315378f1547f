# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and the chart of ``make bench-lab`` have everybody's figures."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from ansible_collections.scaleout.ingest.tests.lab import peers_page

LINES = [
    peers_page.Line(name, clients, mounts, tree, files, size, whole, copy)
    for name, clients, mounts, whole, copy in (
        ("`cp -a`", 1, 1, 20.0, 20.0),
        ("<ours> & theirs", 3, 3, 5.0, 4.0),
    )
    for tree, files, size in (("small", 300, 3_000_000), ("large", 2, 40_000_000))
]


def test_each_has_a_row_and_a_bar_for_each_tree(tmp_path: Path) -> None:
    peers_page.write(str(tmp_path), LINES, ["Machine: 2 × one", "Rounds: 1"])
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "\n- Machine: 2 × one\n- Rounds: 1\n" in page
    assert "\n| `cp -a` | 1 | 1 | 20.0 |  | 15 | 20.0 |  | 2.0 |\n" in page
    assert "\n| <ours> & theirs | 3 | 3 | 5.0 | 4.0 | 60 | 5.0 | 4.0 | 8.0 |\n" in page
    chart = ElementTree.parse(tmp_path / "benchmarks.svg").getroot()
    bars = [float(found.attrib["width"]) for found in chart if found.attrib.get("height") == "18"]
    assert len(bars) == 4
    assert bars[1] == 4 * bars[0] and bars[3] == 4 * bars[2]
    said = [found.text or "" for found in chart.iter() if found.text]
    assert "cp -a, 1 client, 1 mount" in said
    assert "<ours> & theirs, 3 clients, 3 mounts each" in said
