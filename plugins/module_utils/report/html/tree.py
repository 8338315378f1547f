# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a tree: what it is made of, from :func:`...index.profile.profile`."""

from __future__ import annotations

import html
import time
from typing import Any, Dict, Sequence

from ...core.units import count, duration, percent, size
from ...index.rows import Bucket
from .charts import buckets_data
from .frame import tile, write
from .markup import code_text, details, escape, figure, meter, pair, row, section, table

Json = Dict[str, Any]
_AGES = (
    "after the scan",
    "less than a day",
    "1 to 7 days",
    "7 to 30 days",
    "30 to 90 days",
    "90 to 180 days",
    "180 days to a year",
    "1 to 2 years",
    "2 to 3 years",
    "3 to 5 years",
    "more than 5 years",
)
_SHORT = ("after", "1 d", "7 d", "30 d", "90 d", "180 d", "1 y", "2 y", "3 y", "5 y", "more")


def write_tree_page(profile: Json, assets: str, path: str, version: str = "") -> None:
    """Write the page of a tree to ``path``.

    Args:
        profile: what :func:`...index.profile.profile` found, as it came from the host: its
            names are printable, but may be anything else.
        assets: the folder of page.html, page.css, page.js and the chart library.

    Raises:
        IngestError: a file of ``assets`` is missing, or the page can't be written.
    """
    totals = profile["totals"]
    sizes = [Bucket(*bucket) for bucket in profile["sizes"]]
    write(
        assets,
        path,
        {
            "histogram": buckets_data(sizes),
            "bars": {name: _ages_data(profile[name]) for name in ("modified", "accessed")},
        },
        title=html.escape(f"What is in {profile['source']}"),
        over="What a tree is made of",
        name=_name(profile["source"]),
        outcome="complete" if not totals["errors"] else "incomplete",
        mood="good" if not totals["errors"] else "bad",
        route=_name(profile["index"]),
        when=escape(_when(profile)),
        notice=_notice(totals),
        tiles="\n".join(_tiles(profile)),
        sections="\n".join(filter(None, _sections(profile, sizes))),
        made=f"Made by scaleout.ingest {escape(version)} from an index of the tree.",
    )


def _name(printable: str) -> str:
    """A name that is printable already."""
    return f"<bdi>{html.escape(printable)}</bdi>"


def _when(profile: Json) -> str:
    seconds = max(0.0, profile["finished"] - profile["started"])
    return f"scanned {_time(profile['finished'])} in {duration(seconds)}"


def _time(epoch: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch))


def _notice(totals: Json) -> str:
    if not totals["errors"]:
        return ""
    return (
        f'<p class="notice bad">{count(totals["errors"])} times something could not be read: '
        "what lies there is missing here.</p>"
    )


def _tiles(profile: Json) -> list[str]:
    totals = profile["totals"]
    mean = size(totals["bytes"] / totals["files"]) + " a file on average" if totals["files"] else ""
    others = f"{count(totals['links'])} links, {count(totals['specials'])} special files"
    return [
        tile("Files", count(totals["files"]), f"and {others}", "main"),
        tile("Data", size(totals["bytes"]), mean),
        tile("On disk", size(totals["disk"]), "as allocated"),
        tile("Directories", count(totals["directories"])),
        tile("Not readable", count(totals["errors"]), "", "wrong" if totals["errors"] else ""),
    ]


def _sections(profile: Json, sizes: Sequence[Bucket]) -> list[str]:
    return [
        _sizes(buckets_data(sizes)),
        _ages("modified", "When files were written", "By their mtime", profile),
        _ages(
            "accessed",
            "When files were read",
            "By their atime, which a file system may update seldom or never",
            profile,
        ),
        _shares("owners", "Owners", "User", profile),
        _shares("groups", "Groups", "Group", profile),
        _shares("suffixes", "Kinds of files", "Name ends in", profile),
        _tops(profile),
        _directories(profile),
        _largest(profile),
        _growth(profile),
    ]


def _ages_data(found: Sequence[Sequence[int]]) -> list[Json]:
    """From the newest used bucket to the oldest."""
    return [
        {"label": _SHORT[at], "title": _AGES[at], "files": files, "bytes": amount}
        for at, (files, amount) in enumerate(found)
        if files or at
    ]


def _histogram(name: str, title: str, lead: str, head: str, data: Sequence[Json]) -> str:
    files, total = (sum(bucket[key] for bucket in data) for key in ("files", "bytes"))
    if not files:
        return ""
    rows = [
        row(
            bucket["title"],
            (
                count(bucket["files"]),
                percent(bucket["files"], files),
                size(bucket["bytes"]),
                percent(bucket["bytes"], total),
            ),
        )
        for bucket in data
    ]
    numbers = table(title, (head, "Files", "of all", "Data", "of all"), rows, (1, 2, 3, 4))
    return section(
        name,
        title,
        lead,
        pair(
            figure(f"{name}-files", "Number of files", f"{title}: bars by the number of files."),
            figure(f"{name}-bytes", "Data in them", f"{title}: bars by the bytes in them."),
        ),
        details(numbers),
    )


def _sizes(data: Sequence[Json]) -> str:
    lead = "Each bar holds files of its size up to twice that."
    return _histogram("sizes", "Sizes of the files", lead, "Size", data)


def _ages(name: str, title: str, lead: str, profile: Json) -> str:
    lead += ", as long before the scan as each bar says."
    return _histogram(name, title, lead, "Age", _ages_data(profile[name]))


def _shares(name: str, title: str, head: str, profile: Json) -> str:
    found = profile[name]
    if not found:
        return ""
    total = sum(amount for _label, _number, amount in found)
    rows = [
        row(_name(label), (count(number), size(amount)), meter(amount, total))
        for label, number, amount in found
    ]
    what = "Files" if name == "suffixes" else "Entries"
    lead = "The largest by their data, and all others together."
    return section(name, title, lead, table(title, (head, what, "Data", "Share"), rows, (1, 2)))


def _tops(profile: Json) -> str:
    if not profile["tops"]:
        return ""
    total = profile["totals"]["bytes"]
    rows = [
        row(code_text(path), (count(files), size(amount)), meter(amount, total))
        for amount, path, files in profile["tops"]
    ]
    return section(
        "tops",
        "Directories of the first level",
        "The largest, with all that lies below them.",
        table("First level", ("Directory", "Files", "Data", "Share"), rows, (1, 2)),
    )


def _directories(profile: Json) -> str:
    widest = [
        row(code_text(path), (count(number), count(entries)))
        for number, path, entries in profile["widest"]
    ]
    deepest = [row(code_text(path), (count(depth),)) for depth, path in profile["deepest"]]
    return section(
        "directories",
        "Widest and deepest directories",
        "Wide ones take long to list, and make everything in them slow on many servers.",
        table("Widest", ("Directory", "Names in it", "but directories"), widest, (1, 2)),
        table("Deepest", ("Directory", "Depth"), deepest, (1,)),
    )


def _largest(profile: Json) -> str:
    if not profile["largest"]:
        return ""
    rows = [row(code_text(path), (size(amount),)) for amount, path in profile["largest"]]
    return section(
        "largest", "Largest files", "By size.", table("Largest", ("File", "Size"), rows, (1,))
    )


def _growth(profile: Json) -> str:
    found = profile["growth"]
    if len(found) < 2:
        return ""
    rows, before = [], None
    for one in found:
        more = ("", "")
        if before is not None:
            more = (
                _signed(one["entries"] - before["entries"], count),
                _signed(one["bytes"] - before["bytes"], size),
            )
        cells = (count(one["entries"]), more[0], size(one["bytes"]), more[1])
        rows.append(row(_time(one["finished"]), (*cells, count(one["directories"]))))
        before = one
    return section(
        "growth",
        "Growth",
        "What each generation of the index held; entries are all but directories.",
        table(
            "Generations",
            ("Scanned", "Entries", "more", "Data", "more", "Directories"),
            rows,
            (1, 2, 3, 4, 5),
        ),
    )


def _signed(number: int, text: Any) -> str:
    return f"{'−' if number < 0 else '+'}{text(abs(number))}" if number else "0"
