# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's markup. Every name in it may be hostile: text goes through :func:`escape`."""

from __future__ import annotations

import html
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
    return "<code><bdi>%s</bdi></code>" % (escape(value) or ".")


def code_text(printable: str | None) -> str:
    """The same of a path that plan.db holds in its printable form already."""
    return "" if printable is None else f"<code><bdi>{html.escape(printable or '.')}</bdi></code>"


def section(name: str, title: str, lead: str, *parts: str) -> str:
    """A section with its heading; ``lead`` and ``parts`` are HTML."""
    return (
        '<section id="%s" aria-labelledby="%s-title">\n<h2 id="%s-title">%s</h2>\n<p class="lead">%s</p>\n%s\n</section>'
        % (name, name, name, title, lead, "\n".join(part for part in parts if part))
    )


def figure(name: str, caption: str, description: str) -> str:
    """The place of a chart, which the page's script draws."""
    return f'<figure><figcaption>{caption}</figcaption><div class="canvas"><canvas id="chart-{name}" role="img" aria-label="{html.escape(description)}"></canvas></div></figure>'


def legend(labels: Sequence[str]) -> str:
    """Which colour is what; nothing if there is one."""
    if len(labels) < 2:
        return ""
    return '<ul class="legend">%s</ul>' % "".join(
        '<li><span class="k%d"></span>%s</li>' % (number % COLORS, bdi(label))
        for number, label in enumerate(labels)
    )


def table(caption: str, head: Sequence[str], rows: Sequence[str], right: Sequence[int] = ()) -> str:
    """A table of HTML rows; ``right`` are the columns of numbers."""
    cells = "".join(
        '<th scope="col"%s>%s</th>' % (' class="n"' if at in right else "", label)
        for at, label in enumerate(head)
    )
    return (
        '<div class="scroll" role="region" tabindex="0" aria-label="%s"><table><caption>%s</caption>'
        "<thead><tr>%s</tr></thead><tbody>\n%s\n</tbody></table></div>"
        % (html.escape(caption), html.escape(caption), cells, "\n".join(rows))
    )


def row(name: str, cells: Iterable[str], plain: str = "") -> str:
    """A row of HTML: its name, its numbers, and cells that are none."""
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row">{name}</th>{numbers}{plain}</tr>'


def meter(part: float, whole: float) -> str:
    """A cell with a bar for a share."""
    return f'<td class="bar"><meter max="1" value="{(part / whole if whole else 0):.4f}">{percent(part, whole)}</meter></td>'
