# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/benchmarks.md and its chart, from what ``make bench-lab`` measured."""

from __future__ import annotations

import os
from html import escape
from typing import NamedTuple, Sequence

BAR, GAP, LEFT, WIDTH, RIGHT = 18, 8, 330, 420, 90
OURS, PEER, INK, SOFT = "#2f6db5", "#98a2ae", "#1b2430", "#566272"


_PAGE = """\
# Side by side

`make bench-lab` writes this page: what people copy with, and this collection, over real NFS in the
[lab](lab.md), all in one run and in turns.

![rates](benchmarks.svg)

%s

Seconds are of all that a tool does: of ours scan, plan, copy and second pass, of which the copy
alone is given, too. On three clients ours is the playbook, by its own statistics: without Ansible's
start and tasks. Rates are by the whole time. One mount on three clients is one address for all of
them. Starting a process is slow on these clients, which is unfair to tools that start many.

| | clients | mounts | small: s | copy | files/s | large: s | copy | MB/s |
|---|---|---|---|---|---|---|---|---|
%s

Again: `make bench-lab` (as root; `FILES=1000` and `LARGE=4` make it short, `ROUNDS=3` takes
medians).
"""


class Line(NamedTuple):
    """What one contender took for one tree: how much it copied, the seconds of all that it does,
    and those of its copy."""

    name: str
    clients: int
    mounts: int
    tree: str
    files: int
    bytes: int
    seconds: float
    copy: float

    @property
    def rate(self) -> float:
        """What matters: files/s of the small files, MB/s of the large ones."""
        amount = self.files if self.tree == "small" else self.bytes / 1e6
        return amount / self.seconds


def label(name: str, clients: int, mounts: int) -> str:
    """Who it is."""
    of_clients = "1 client" if clients == 1 else f"{clients} clients"
    of_mounts = "1 mount" if mounts == 1 else f"{mounts} mounts each"
    return f"{name}, {of_clients}, {of_mounts}"


def write(folder: str, lines: Sequence[Line], settings: Sequence[str]) -> None:
    """Both files."""
    for name, text in (("benchmarks.md", page(lines, settings)), ("benchmarks.svg", chart(lines))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


def page(lines: Sequence[Line], settings: Sequence[str]) -> str:
    """The table, with the machine and the settings."""
    small = [line for line in lines if line.tree == "small"]
    large = [line for line in lines if line.tree == "large"]
    rows = [
        f"| {one.name} | {one.clients} | {one.mounts} | {one.seconds:.1f} | {_copy(one)} "
        f"| {one.rate:.0f} | {two.seconds:.1f} | {_copy(two)} | {two.rate:.1f} |"
        for one, two in zip(small, large)
    ]
    return _PAGE % ("\n".join(f"- {sentence}" for sentence in settings), "\n".join(rows))


def _copy(line: Line) -> str:
    return f"{line.copy:.1f}" if line.copy != line.seconds else ""


def chart(lines: Sequence[Line]) -> str:
    """Bars of the rates, one group for each tree."""
    parts: list[str] = []
    top = 10
    for tree, title, unit in (
        ("small", "Small files: files a second", "files/s"),
        ("large", "Large files: MB a second", "MB/s"),
    ):
        found = [line for line in lines if line.tree == tree]
        most = max((line.rate for line in found), default=1.0) or 1.0
        parts.append(_text(10, top + 16, title, INK, "font-weight='600'"))
        top += 30
        for line in found:
            width = max(1.0, WIDTH * line.rate / most)
            color = OURS if line.name == "ours" else PEER
            value = f"{line.rate:.0f}" if tree == "small" else f"{line.rate:.1f}"
            who = label(*line[:3]).replace("`", "")
            parts += [
                _text(LEFT - 8, top + 13, who, SOFT, "text-anchor='end'"),
                f"<rect x='{LEFT}' y='{top}' width='{width:.1f}' height='{BAR}' fill='{color}'/>",
                _text(LEFT + width + 6, top + 13, f"{value} {unit}", INK),
            ]
            top += BAR + GAP
        top += 16
    size = f"width='{LEFT + WIDTH + RIGHT}' height='{top}'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} font-family='sans-serif' font-size='12'>\n"
        f"<rect width='100%' height='100%' fill='#ffffff'/>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _text(left: float, top: float, text: str, color: str, more: str = "") -> str:
    return f"<text x='{left:.1f}' y='{top}' fill='{color}' {more}>{escape(text)}</text>"
