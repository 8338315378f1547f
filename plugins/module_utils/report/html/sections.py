# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's sections: tables, the places of charts, and a sentence for each."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable

from ...core.units import count, duration, megabytes, percent, significant, size
from ...plan.results import Slow, slowest
from ...plan.store import PlanStore
from ..advice import sentences
from ..extras import Extras
from ..failures import Failures
from ..summary import by_destination, plural, times
from .markup import (
    and_more,
    bdi,
    code,
    code_text,
    details,
    escape,
    figure,
    legend,
    meter,
    pair,
    row,
    section,
    table,
)

Json = Dict[str, Any]


def sections(
    store: PlanStore, stats: Json, failures: Failures, extras: Extras, charts: Json
) -> list[str]:
    """The sections as HTML, in their order. ``charts`` is :func:`.charts.chart_data`."""
    found = (
        [_plan(stats)]
        if stats["check"]
        else [_over_time(charts), _advice(stats), _shares(stats, charts)]
    )
    found += [
        _sizes(charts),
        _slowest(slowest(store)),
        _failures(failures),
        _extras(extras),
        _losses(stats),
        _left_out(stats),
        _run(stats),
    ]
    return [text for text in found if text]


def _over_time(charts: Json) -> str:
    found = charts["throughput"]
    if not found["seconds"]:
        return ""
    sums = [
        [sum(step) for step in zip(*(series[key] for series in found["series"]))]
        for key in ("files", "bytes")
    ]
    rows = [
        row(duration(second), (significant(files), significant(megabyte), count(workers)))
        for second, files, megabyte, workers in zip(found["seconds"], *sums, found["workers"])
    ]
    peak = f"It peaked at {significant(max(sums[0]))} files/s and {significant(max(sums[1]))} MB/s."
    numbers = table(
        "All clients together", ("After", "Files/s", "MB/s", "Workers"), rows, (1, 2, 3)
    )
    return section(
        "throughput",
        "Throughput over time",
        "What all clients moved together, one colour a client, by the time from the start. "
        "The dashed line is how many workers were at it, by the scale on the right. " + peak,
        pair(
            figure("rate-files", "Files a second", f"Files a second over time, by client. {peak}"),
            figure("rate-bytes", "MB a second", f"Megabytes a second over time, by client. {peak}"),
        ),
        legend([series["name"] for series in found["series"]]),
        details(numbers),
    )


def _advice(stats: Json) -> str:
    found = sentences(stats["advice"])
    if not found:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in found[1:])
    return section(
        "advice",
        "What would make it faster",
        escape(found[0]),
        f"<ul>{items}</ul>" if items else "",
    )


def _shares(stats: Json, charts: Json) -> str:
    key = stats["bound"]
    hosts = stats["hosts"]
    rows = []
    for name, host in hosts.items():
        state = ""
        if host["state"] not in ("done", "", None):
            mood = "bad" if host["state"] in ("dead", "failed") else "calm"
            state = f' <span class="badge {mood}">{escape(host["state"])}</span>'
        failed = f'<td class="n{" wrong" if host["failed"] else ""}">{count(host["failed"])}</td>'
        cells = (
            count(host["files"]),
            size(host["bytes"]),
            duration(host["copy_seconds"]),
            duration(host["check_seconds"]),
            significant(host["files_per_second"]),
            megabytes(host["bytes_per_second"]),
            count(host["skipped"]),
        )
        rows.append(row(bdi(name) + state, cells, failed + meter(host[key], stats[key])))
    found = by_destination(stats)
    mounts = [
        row(
            code(mount),
            (count(sums["files"]), size(sums["bytes"]), percent(sums[key], stats[key])),
            meter(sums[key], stats[key]),
        )
        for mount, sums in found.items()
    ]
    names = [mount["name"] for mount in charts["share"]["mounts"]]
    lead = "How the work was spread: each bar is a client, each colour a destination. "
    lead += "Bars of one length, in colours of one size, are what to aim for."
    if stats["files"] or stats["bytes"]:
        chart = figure(
            "share",
            f"{'Data' if key == 'bytes' else 'Files'} copied by each client",
            "Bars: what each client copied, by destination. "
            "The same numbers are in the table below.",
        )
    else:
        lead, chart = "Nothing had to be copied.", ""
    return section(
        "share",
        "Clients and destinations",
        lead,
        chart,
        legend(names) if chart else "",
        table(
            "Clients",
            (
                "Client",
                "Files",
                "Data",
                "Copied in",
                "Checked in",
                "Files/s",
                "MB/s",
                "Up to date",
                "Failed",
                "Share",
            ),
            rows,
            range(1, 9),
            cards=True,
        ),
        table(
            "Destinations",
            ("Destination", "Files", "Data", "Share", ""),
            mounts,
            (1, 2, 3),
            cards=True,
        ),
    )


def _plan(stats: Json) -> str:
    planned = stats["planned"]
    shares = {bdi(name): host["planned"] for name, host in stats["hosts"].items()}
    if planned["unassigned"]["items"]:
        shares = {"whichever client is free": planned["unassigned"]}
    rows = [
        row(
            name,
            (count(share["files"]), size(share["bytes"])),
            f"<td>{code_text(share['first'])}</td><td>{code_text(share['last'])}</td>"
            + meter(share[stats["bound"]], planned[stats["bound"]]),
        )
        for name, share in shares.items()
    ]
    mounts: dict[str, list[int]] = {}
    for share in shares.values():
        for mount, amounts in share["mounts"].items():
            sums = mounts.setdefault(mount, [0, 0])
            sums[0] += amounts["files"]
            sums[1] += amounts["bytes"]
    return section(
        "plan",
        "The plan",
        "What each client would look at, and copy where it is not up to date.",
        table(
            "Clients", ("Client", "Files", "Data", "First item", "Last item", "Share"), rows, (1, 2)
        ),
        table(
            "Destinations",
            ("Destination", "Files", "Data"),
            [row(code(mount), (count(sums[0]), size(sums[1]))) for mount, sums in mounts.items()],
            (1, 2),
        ),
    )


def _sizes(charts: Json) -> str:
    buckets = charts["histogram"]
    if not buckets:
        return ""
    files, total = (sum(bucket[key] for bucket in buckets) for key in ("files", "bytes"))
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
        for bucket in buckets
    ]
    return section(
        "sizes",
        "Sizes of the files",
        f"The whole source, whether copied now or before: {count(files)} regular files, "
        f"{size(total)}. Each bar holds files of its size up to twice that.",
        pair(
            figure("sizes-files", "Number of files", "Bars: the number of files of each size."),
            figure("sizes-bytes", "Data in them", "Bars: the bytes in files of each size."),
        ),
        details(
            table(
                "Files by size", ("Size", "Files", "of all", "Data", "of all"), rows, (1, 2, 3, 4)
            )
        ),
    )


def _slowest(found: list[Slow]) -> str:
    if not found:
        return ""
    rows = [
        row(
            code(slow.path.decode("utf-8", "surrogateescape")),
            (
                duration(slow.seconds),
                count(slow.files),
                size(slow.bytes),
                f"{significant(slow.seconds * 1000 / slow.files)} ms" if slow.files else "",
            ),
            f"<td>{bdi(slow.host)}</td>",
        )
        for slow in found
    ]
    return section(
        "slow",
        "Slowest directories",
        "Where the clients' workers spent the most time. Many small files take long "
        "because of their number; a directory that is slow for each file may sit on a busy node.",
        table(
            "Slowest directories",
            ("Directory", "Time", "Files", "Data", "Each file", "Client"),
            rows,
            (1, 2, 3, 4),
        ),
    )


def _failures(failures: Failures) -> str:
    if not failures.items:
        return ""
    kinds = ", ".join(
        f"{count(number)} {escape(kind)}"
        for kind, number in sorted(failures.by_error.items(), key=lambda item: -item[1])
    )
    more = failures.items - len(failures.first)
    lead = f"{plural(failures.items, 'item')} failed: {kinds}. "
    lead += (
        f"The first {count(len(failures.first))} are here, {count(more)} more in failures.jsonl, "
        "in the same folder."
        if more
        else "They are in failures.jsonl too, in the same folder."
    )
    rows = [_failure(record) for record in failures.first]
    return section(
        "failures",
        "Failures",
        lead,
        table(
            "Failed items", ("Path", "Operation", "Error", "Stage", "Client and destination"), rows
        ),
    )


def _failure(record: Json) -> str:
    mount = f" <code>{bdi(record['mount'])}</code>" if record["mount"] else ""
    cells = (
        escape(record["operation"]),
        f"<code>{escape(record['error'])}</code> {escape(record['message'])}",
        escape(record["phase"]),
        bdi(record["host"]) + mount,
    )
    return row(code(record["path"]), (), _cells(cells))


def _cells(found: Iterable[str]) -> str:
    """Cells of HTML that are no numbers."""
    return "".join(f"<td>{cell}</td>" for cell in found)


def _extras(extras: Extras) -> str:
    if not extras.items:
        return ""
    lead = f"The destination has {plural(extras.items, 'item')} that the source has not."
    lead += " A directory stands for all that is in it. Nothing was removed."
    if len(extras.first) < extras.named:
        lead += f" These are the first {count(len(extras.first))}; extras.jsonl has more."
    if extras.named < extras.items:
        lead += f" Only {count(extras.named)} of them are named."
    rows = [row(code(record["path"]), (), _cells((record["type"],))) for record in extras.first]
    return section(
        "extras", "Only in the destination", lead, table("Extras", ("Path", "Type"), rows)
    )


def _losses(stats: Json) -> str:
    if not stats["not_preserved"]:
        return ""
    rows = [
        row(
            escape(loss["kind"]),
            (count(loss["count"]),),
            _cells(
                (
                    escape(loss["message"]),
                    code(loss["path"]),
                    and_more(list(map(bdi, loss["hosts"])), 5),
                )
            ),
        )
        for loss in stats["not_preserved"]
    ]
    return section(
        "losses",
        "What the destination could not hold",
        "The contents of these items arrived; what is named here did not.",
        table("Not preserved", ("What", "Items", "Why", "For example", "Clients"), rows, (1,)),
    )


def _left_out(stats: Json) -> str:
    if not stats["dead_addresses"]:
        return ""
    rows = [
        row(
            bdi(entry["address"] or "unknown"),
            (),
            _cells((code(entry["mount"]), bdi(entry["host"]), escape(entry["message"]))),
        )
        for entry in stats["dead_addresses"]
    ]
    return section(
        "left-out",
        "Addresses that did not answer",
        "They were left out, and their work was done over the other mounts.",
        table("Left out", ("Address", "Mount", "Client", "Why"), rows),
    )


def _run(stats: Json) -> str:
    planned = stats["planned"]
    facts = [
        ("Run", escape(stats["run_id"])),
        ("Source", code(stats["source"])),
        ("Destinations", "<br>".join(map(code, stats["destinations"] or []))),
        ("Method and split", f"{escape(stats['method'])}, {escape(stats['split'])}"),
        (
            "Plan",
            f"{count(planned['items'])} items, {count(planned['files'])} files, "
            f"{count(planned['directories'])} directories, {size(planned['bytes'])}, "
            f"in {count(stats['shards']['total'])} shards",
        ),
        ("Scan", _scan(stats["scan"])),
        ("Times", escape(times(stats))),
        ("Check of the copy", _check(stats["verify"])),
    ]
    for key, value in sorted(stats["parameters"].items()):
        facts += [(escape(key), escape(value if isinstance(value, str) else json.dumps(value)))]
    shown = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts if text)
    return section("run", "The run", "What was asked for.", f'<dl class="facts">{shown}</dl>')


def _scan(scan: Json) -> str:
    if not scan:
        return ""
    seconds = f" in {duration(scan['seconds'])}" if "seconds" in scan else ""
    errors = f", {count(scan['errors'])} errors" if scan["errors"] else ""
    return (
        f"{count(scan['files'])} files, {count(scan['links'])} links, "
        f"{count(scan['specials'])} special files, {count(scan['directories'])} directories"
        f"{seconds}{errors}"
    )


def _check(verify: Json) -> str:
    if "files" not in verify:
        return escape(verify["mode"])
    return (
        f"{escape(verify['mode'])}, {count(verify['files'])} files, {size(verify['bytes'])}, "
        f"{count(verify['failed'])} wrong, {count(verify['proved'])} compared by the copy"
    )
