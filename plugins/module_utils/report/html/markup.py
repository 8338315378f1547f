# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's markup. Every name in it may be hostile: text goes through :func:`escape`."""

from __future__ import annotations

import html
import re
from typing import Any, Iterable, Sequence

from ...core.paths import display, to_bytes
from ...core.units import percent
from .charts import COLORS


def escape(value: Any) -> str:
    """Any text, as it can stand in HTML; what is not printable as an escape."""
    return html.escape(display(to_bytes(str("" if value is None else value))))


def bdi(value: Any) -> str:
    """A name, which must not turn the direction of the text around it."""
    return f"<bdi>{escape(value)}</bdi>"


def code(value: Any) -> str:
    """A path below a tree; its root is a dot."""
    return f"<code><bdi>{escape(value) or '.'}</bdi></code>"


def code_text(printable: str | None) -> str:
    """The same of a path that plan.db holds in its printable form already."""
    return "" if printable is None else f"<code><bdi>{html.escape(printable or '.')}</bdi></code>"


def section(name: str, title: str, lead: str, *parts: str) -> str:
    """A section with its heading; ``lead`` and ``parts`` are HTML."""
    lines = [
        f'<section id="{name}" aria-labelledby="{name}-title">',
        f'<h2 id="{name}-title">{title}</h2>',
        f'<p class="lead">{lead}</p>',
        *filter(None, parts),
        "</section>",
    ]
    return "\n".join(lines)


def figure(name: str, caption: str, description: str) -> str:
    """The place of a chart, which the page's script draws."""
    return (
        f'<figure><figcaption>{caption}</figcaption><div class="canvas"><canvas id="chart-{name}" '
        f'role="img" aria-label="{html.escape(description)}"></canvas></div></figure>'
    )


def pair(first: str, second: str) -> str:
    """Two figures, side by side where there is room."""
    return f'<div class="pair">{first}{second}</div>'


def details(numbers: str) -> str:
    """A table that a reader may open."""
    return f"<details><summary>The numbers</summary>{numbers}</details>"


def and_more(found: Sequence[str], most: int) -> str:
    """The first of some HTML texts, and how many more there are."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def legend(labels: Sequence[str]) -> str:
    """Which colour is what; nothing if there is one."""
    if len(labels) < 2:
        return ""
    entries = "".join(
        f'<li><span class="k{number % COLORS}"></span>{bdi(label)}</li>'
        for number, label in enumerate(labels)
    )
    return f'<ul class="legend">{entries}</ul>'


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[str],
    right: Sequence[int] = (),
    cards: bool = False,
) -> str:
    """A table of HTML rows; ``right`` are the columns of numbers. With ``cards`` a narrow screen
    has a card for each row, with a line for each cell."""
    numbers = ' class="n"'
    cells = "".join(
        f'<th scope="col"{numbers if at in right else ""}>{label}</th>'
        for at, label in enumerate(head)
    )
    name = html.escape(caption)
    if cards:
        rows = [_labelled(each, head) for each in rows]
    kind = ' class="cards"' if cards else ""
    lines = [
        f'<div class="scroll" role="region" tabindex="0" aria-label="{name}"><table{kind}>'
        f"<caption>{name}</caption><thead><tr>{cells}</tr></thead><tbody>",
        *rows,
        "</tbody></table></div>",
    ]
    return "\n".join(lines)


def _labelled(text: str, head: Sequence[str]) -> str:
    """A row of HTML whose cells know their column's heading. No cell holds another."""
    labels = iter(head)
    return re.sub(
        r"<t[hd]\b", lambda cell: f'{cell.group()} data-label="{html.escape(next(labels))}"', text
    )


def row(name: str, cells: Iterable[str], plain: str = "") -> str:
    """A row of HTML: its name, its numbers, and cells that are none."""
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row">{name}</th>{numbers}{plain}</tr>'


def meter(part: float, whole: float) -> str:
    """A cell with a bar for a share."""
    value = f"{part / whole if whole else 0:.4f}"
    return f'<td class="bar"><meter max="1" value="{value}">{percent(part, whole)}</meter></td>'
