# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html: one page that needs nothing but a browser.

Every name in it may be hostile: text goes through :func:`_escape`, the charts' data through
:func:`_json`, and the policy of the page allows its own two scripts and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import sqlite3
import time
from string import Template
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from . import stats as numbers
from .atomic import written
from .errors import IngestError
from .failures import Failures
from .index import Index
from .paths import display, to_bytes
from .summary import by_destination, outcome
from .units import count, duration, megabytes, percent, significant, size

Json = Dict[str, Any]
# As many as a reader can tell apart; the last colour is for all others together.
COLORS = 8


def write_page(
    db: sqlite3.Connection, index: Optional[Index], stats: Json, failures: Failures, assets: str, path: str
) -> None:
    """Write the page of a run to ``path``.

    Args:
        assets: the folder of page.html, page.css, page.js and the chart library.

    Raises:
        IngestError: a file of ``assets`` is missing, or the page can't be written.
    """
    template, style, script, library = (_read(os.path.join(assets, name)) for name in FILES)
    # Its last line names a file that a browser's tools would go and look for.
    library = library.partition("\n//# sourceMappingURL")[0]
    buckets = numbers.histogram(index.folder) if index is not None else []
    width, series = numbers.throughput(db)
    charts = _charts(stats, buckets, width, series)
    destinations = [_bdi(target) for target in stats["destinations"] or []]
    page = Template(template).substitute(
        policy=_policy([library, script], style),
        title=_escape("Ingest %s: %s" % (stats["run_id"], _outcome(stats)[0])),
        run=_escape(stats["run_id"]),
        outcome=_outcome(stats)[0],
        mood=_outcome(stats)[1],
        source=_escape(stats["source"]),
        destinations=", ".join(destinations[:4])
        + (" and %d more" % (len(destinations) - 4) if len(destinations) > 4 else ""),
        when=_escape(_when(stats)),
        notice=_notice(stats, failures),
        tiles="\n".join(_tiles(stats)),
        sections="\n".join(_sections(db, stats, failures, buckets, charts)),
        version=_escape(stats["version"]),
        style=style,
        data=_json(charts),
        library=library,
        script=script,
    )
    with written(path) as stream:
        stream.write(page)


FILES = ("page.html", "page.css", "page.js", "chart.umd.min.js")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except OSError as error:
        raise IngestError("%s can't be read: %s" % (path, error.strerror)) from error


def _policy(scripts: Iterable[str], style: str) -> str:
    """A content security policy that allows exactly these texts, and no request to anywhere."""

    def digest(text: str) -> str:
        return "'sha256-%s'" % base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return "default-src 'none'; script-src %s; style-src %s; base-uri 'none'; form-action 'none'" % (
        " ".join(map(digest, scripts)),
        digest(style),
    )


def _escape(value: Any) -> str:
    return html.escape(display(to_bytes(str("" if value is None else value))))


def _json(value: Any) -> str:
    """JSON that no parser of HTML can take for a tag, and no parser of scripts for a line's end."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _bdi(value: Any) -> str:
    return "<bdi>%s</bdi>" % _escape(value)


def _code(value: Any) -> str:
    return "<code><bdi>%s</bdi></code>" % (_escape(value) or ".")


# -- the head of the page --------------------------------------------------------------------------


def _outcome(stats: Json) -> Tuple[str, str]:
    if stats["check"]:
        return "check only", "calm"
    text = outcome(stats)
    return text, "good" if text == "done" else "bad"


def _when(stats: Json) -> str:
    parts = [
        time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(stats[key]))
        for key in ("started", "finished")
        if isinstance(stats.get(key), (int, float))
    ]
    # The day once, if it is the same.
    if len(parts) == 2 and parts[0][:10] == parts[1][:10]:
        parts = [parts[0][:-4], parts[1][11:]]
    elif len(parts) == 2:
        parts[0] = parts[0][:-4]
    clients = "%d client%s" % (len(stats["hosts"]), "" if len(stats["hosts"]) == 1 else "s")
    return ", ".join([*(["%s" % " to ".join(parts)] if parts else []), clients, "method %s" % stats["method"]])


def _notice(stats: Json, failures: Failures) -> str:
    parts = []
    shards = stats["shards"]
    if stats["check"]:
        return '<p class="notice calm">This was a check: nothing was written. The numbers below are the plan.</p>'
    if failures.items:
        parts.append("%s %s <a href=\"#failures\">failed</a>" % (
            count(failures.items), "item" if failures.items == 1 else "items"))
    if shards["done"] < shards["total"]:
        parts.append("%s of %s shards are not done; run it again to go on" % (
            count(shards["total"] - shards["done"]), count(shards["total"])))
    for name, host in stats["hosts"].items():
        if host["state"] in ("dead", "failed") and len(parts) < 6:
            parts.append("%s is %s%s" % (
                _bdi(name), host["state"], ": " + _escape(host["message"]) if host["message"] else ""))
    return '<p class="notice bad">%s.</p>' % "; ".join(parts) if parts else ""


def _tiles(stats: Json) -> List[str]:
    planned = stats["planned"]
    if stats["check"]:
        return [
            _tile("Files", count(planned["files"]), "in %s items" % count(planned["items"])),
            _tile("Data", size(planned["bytes"]), _mean(planned)),
            _tile("Directories", count(planned["directories"])),
        ]
    right = "%s right already" % count(stats["skipped"]) if stats["skipped"] else "in %s directories" % (
        count(planned["directories"]))
    return [
        _tile("Files copied", count(stats["files"]), right),
        _tile("Data copied", size(stats["bytes"]), _mean(planned)),
        _tile("Time", duration(stats["seconds"]), "copying, all clients at once"),
        _tile("Files a second", significant(stats["files_per_second"]),
              "the rate that matters here" if stats["bound"] == "files" else "", stats["bound"] == "files" and "main"),
        _tile("MB a second", megabytes(stats["bytes_per_second"]),
              "the rate that matters here" if stats["bound"] == "bytes" else "", stats["bound"] == "bytes" and "main"),
        _tile("Failed", count(stats["failed"]), _checked(stats), stats["failed"] and "wrong"),
    ]


def _tile(label: str, value: str, note: str = "", kind: Any = "") -> str:
    return "<div%s><dt>%s</dt><dd>%s</dd>%s</div>" % (
        ' class="%s"' % kind if kind else "", label, html.escape(value),
        '<dd class="note">%s</dd>' % html.escape(note) if note else "")


def _mean(planned: Json) -> str:
    return "%s a file on average" % size(planned["bytes"] / planned["files"]) if planned["files"] else ""


def _checked(stats: Json) -> str:
    verify = stats["verify"]
    if "files" in verify:
        return "%s checked afterwards" % count(verify["files"])
    return "not checked afterwards" if verify["mode"] == "none" else ""


# -- the charts' data ------------------------------------------------------------------------------


def _charts(stats: Json, buckets: Sequence[numbers.Bucket], width: float, series: List[numbers.Series]) -> Json:
    key = stats["bound"]
    clients = list(stats["hosts"])
    mounts = _largest(
        [(mount, sums[key]) for mount, sums in by_destination(stats).items() if sums["files"] or sums["bytes"]])
    return {
        "throughput": _throughput(key, width, series),
        "share": {
            "key": key,
            "clients": [display(to_bytes(name)) for name in clients],
            "mounts": [
                {"name": label, "amounts": [
                    sum(stats["hosts"][name]["mounts"].get(mount, {}).get(key, 0) for mount in members)
                    for name in clients
                ]}
                for label, members in mounts
            ],
        },
        "histogram": [
            {"label": _binary(bucket.low), "title": _range(bucket), "files": bucket.files, "bytes": bucket.bytes}
            for bucket in buckets
        ],
    }


def _throughput(key: str, width: float, series: List[numbers.Series]) -> Json:
    groups = _largest([(found.host, sum(getattr(found, key))) for found in series])
    by_host = {found.host: found for found in series}
    steps = max((len(found.files) for found in series), default=0)
    return {
        "seconds": [step * width for step in range(steps)],
        "series": [
            {
                "name": label,
                "files": _sum([by_host[host].files for host in hosts], width),
                "bytes": _sum([by_host[host].bytes for host in hosts], width * 1e6),
            }
            for label, hosts in groups
        ],
    }


def _largest(amounts: List[Tuple[str, int]]) -> List[Tuple[str, List[str]]]:
    """Labels with their members: each by itself or, of too many, the largest and then the rest."""
    names = [name for name, dummy in amounts]
    if len(names) <= COLORS:
        return [(display(to_bytes(name)), [name]) for name in names]
    ranked = sorted(amounts, key=lambda item: -item[1])
    chosen = {name for name, dummy in ranked[: COLORS - 1]}
    rest = [name for name in names if name not in chosen]
    return [(display(to_bytes(name)), [name]) for name in names if name in chosen] + [
        ("%d others" % len(rest), rest)]


def _sum(rows: List[List[float]], divisor: float) -> List[float]:
    return [round(sum(step) / divisor, 4) for step in zip(*rows)]


def _binary(number: int) -> str:
    """A power of two: ``64 KiB``."""
    power = max(0, number.bit_length() - 1) // 10
    unit = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")[power]
    return "%d %s" % (number >> 10 * power, unit) if number else "0"


def _range(bucket: numbers.Bucket) -> str:
    if bucket.high <= 2:
        return "1 byte" if bucket.low else "empty"
    return "%s to less than %s" % (_binary(bucket.low), _binary(bucket.high))


# -- the sections ----------------------------------------------------------------------------------


def _sections(
    db: sqlite3.Connection, stats: Json, failures: Failures, buckets: Sequence[numbers.Bucket], charts: Json
) -> List[str]:
    sections = [_plan(stats)] if stats["check"] else [_over_time(charts), _shares(stats, charts)]
    sections += [_sizes(buckets), _slowest(numbers.slowest(db)), _failures(failures), _losses(stats), _dead(stats), _run(stats)]
    return [section for section in sections if section]


def _section(name: str, title: str, lead: str, *parts: str) -> str:
    return (
        '<section id="%s" aria-labelledby="%s-title">\n<h2 id="%s-title">%s</h2>\n<p class="lead">%s</p>\n%s\n</section>'
        % (name, name, name, title, lead, "\n".join(part for part in parts if part)))


def _figure(name: str, caption: str, description: str) -> str:
    return (
        '<figure><figcaption>%s</figcaption><div class="canvas"><canvas id="chart-%s" role="img" aria-label="%s"></canvas>'
        "</div></figure>" % (caption, name, html.escape(description))
    )


def _legend(labels: Sequence[str]) -> str:
    if len(labels) < 2:
        return ""
    return '<ul class="legend">%s</ul>' % "".join(
        '<li><span class="k%d"></span>%s</li>' % (number % COLORS, _bdi(label)) for number, label in enumerate(labels))


def _table(caption: str, head: Sequence[str], rows: Sequence[str], right: Sequence[int] = ()) -> str:
    cells = "".join(
        '<th scope="col"%s>%s</th>' % (' class="n"' if at in right else "", label) for at, label in enumerate(head))
    return (
        '<div class="scroll" role="region" tabindex="0" aria-label="%s"><table><caption>%s</caption>'
        "<thead><tr>%s</tr></thead><tbody>\n%s\n</tbody></table></div>" % (html.escape(caption), html.escape(caption), cells, "\n".join(rows)))


def _row(name: str, cells: Iterable[str], plain: str = "") -> str:
    numbers_ = "".join('<td class="n">%s</td>' % cell for cell in cells)
    return '<tr><th scope="row">%s</th>%s%s</tr>' % (name, numbers_, plain)


def _meter(part: float, whole: float) -> str:
    return '<td class="bar"><meter max="1" value="%.4f">%s</meter></td>' % (
        part / whole if whole else 0, percent(part, whole))


def _over_time(charts: Json) -> str:
    found = charts["throughput"]
    if not found["seconds"]:
        return ""
    sums = [[sum(step) for step in zip(*(series[key] for series in found["series"]))] for key in ("files", "bytes")]
    rows = [
        _row(duration(second), (significant(files), significant(megabyte)))
        for second, files, megabyte in zip(found["seconds"], *sums)
    ]
    peak = "It peaked at %s files/s and %s MB/s." % (significant(max(sums[0])), significant(max(sums[1])))
    table = _table("All clients together", ("After", "Files/s", "MB/s"), rows, (1, 2))
    return _section(
        "throughput", "Throughput over time",
        "What all clients moved together, one colour a client, by the time from the start. " + peak,
        '<div class="pair">%s%s</div>' % (
            _figure("rate-files", "Files a second", "Files a second over time, by client. " + peak),
            _figure("rate-bytes", "MB a second", "Megabytes a second over time, by client. " + peak)),
        _legend([series["name"] for series in found["series"]]),
        "<details><summary>The numbers</summary>%s</details>" % table)


def _shares(stats: Json, charts: Json) -> str:
    key = stats["bound"]
    hosts = stats["hosts"]
    rows = []
    for name, host in hosts.items():
        state = "" if host["state"] in ("done", "", None) else ' <span class="badge %s">%s</span>' % (
            "bad" if host["state"] in ("dead", "failed") else "calm", _escape(host["state"]))
        failed = '<td class="n%s">%s</td>' % (" wrong" if host["failed"] else "", count(host["failed"]))
        cells = (
            count(host["files"]), size(host["bytes"]), duration(host["seconds"]), significant(host["files_per_second"]),
            megabytes(host["bytes_per_second"]), count(host["skipped"]))
        rows.append(_row(_bdi(name) + state, cells, failed + _meter(host[key], stats[key])))
    found = by_destination(stats)
    mounts = [
        _row(_code(mount), (count(sums["files"]), size(sums["bytes"]), percent(sums[key], stats[key])),
             _meter(sums[key], stats[key]))
        for mount, sums in found.items()
    ]
    names = [mount["name"] for mount in charts["share"]["mounts"]]
    lead = "How the work was spread: each bar is a client, each colour a destination. "
    lead += "Bars of one length, in colours of one size, are what to aim for."
    if stats["files"] or stats["bytes"]:
        chart = _figure("share", "%s copied by each client" % ("Data" if key == "bytes" else "Files"),
                        "Bars: what each client copied, by destination. The same numbers are in the table below.")
    else:
        lead, chart = "Nothing had to be copied.", ""
    return _section(
        "share", "Clients and destinations", lead, chart, _legend(names) if chart else "",
        _table("Clients", ("Client", "Files", "Data", "Time", "Files/s", "MB/s", "Right already", "Failed", "Share"),
               rows, range(1, 8)),
        _table("Destinations", ("Destination", "Files", "Data", "Share", ""), mounts, (1, 2, 3)))


def _plan(stats: Json) -> str:
    planned = stats["planned"]
    shares = {_bdi(name): host["planned"] for name, host in stats["hosts"].items()}
    if planned["unassigned"]["items"]:
        shares = {"whichever client is free": planned["unassigned"]}
    rows = [
        _row(name, (count(share["files"]), size(share["bytes"])),
             "<td>%s</td><td>%s</td>" % (_code_text(share["first"]), _code_text(share["last"]))
             + _meter(share[stats["bound"]], planned[stats["bound"]]))
        for name, share in shares.items()
    ]
    mounts: Dict[str, List[int]] = {}
    for share in shares.values():
        for mount, amounts in share["mounts"].items():
            sums = mounts.setdefault(mount, [0, 0])
            sums[0] += amounts["files"]
            sums[1] += amounts["bytes"]
    return _section(
        "plan", "The plan", "What each client would look at, and copy where it is not right already.",
        _table("Clients", ("Client", "Files", "Data", "First item", "Last item", "Share"), rows, (1, 2)),
        _table("Destinations", ("Destination", "Files", "Data"),
               [_row(_code(mount), (count(sums[0]), size(sums[1]))) for mount, sums in mounts.items()], (1, 2)))


def _code_text(printable: Optional[str]) -> str:
    """Of a path that plan.db holds in its printable form already."""
    return "" if printable is None else "<code><bdi>%s</bdi></code>" % html.escape(printable or ".")


def _sizes(buckets: Sequence[numbers.Bucket]) -> str:
    if not buckets:
        return ""
    files, total = sum(bucket.files for bucket in buckets), sum(bucket.bytes for bucket in buckets)
    rows = [
        _row(_range(bucket), (count(bucket.files), percent(bucket.files, files), size(bucket.bytes),
                              percent(bucket.bytes, total)))
        for bucket in buckets
    ]
    return _section(
        "sizes", "Sizes of the files",
        "The whole source, whether copied now or before: %s regular files, %s. Each bar holds files of its size up to "
        "twice that." % (count(files), size(total)),
        '<div class="pair">%s%s</div>' % (
            _figure("sizes-files", "Number of files", "Bars: the number of files of each size."),
            _figure("sizes-bytes", "Data in them", "Bars: the bytes in files of each size.")),
        "<details><summary>The numbers</summary>%s</details>" % _table(
            "Files by size", ("Size", "Files", "of all", "Data", "of all"), rows, (1, 2, 3, 4)))


def _slowest(found: List[numbers.Slow]) -> str:
    if not found:
        return ""
    rows = [
        _row(_code(slow.path.decode("utf-8", "surrogateescape")),
             (duration(slow.seconds), count(slow.files), size(slow.bytes), "%s ms" % significant(
                 slow.seconds * 1000 / slow.files) if slow.files else ""), "<td>%s</td>" % _bdi(slow.host))
        for slow in found
    ]
    return _section(
        "slow", "Slowest directories", "Where the clients' workers spent the most time. Many small files take long "
        "because of their number; a directory that is slow for each file may sit on a busy node.",
        _table("Slowest directories", ("Directory", "Time", "Files", "Data", "Each file", "Client"), rows,
               (1, 2, 3, 4)))


def _failures(failures: Failures) -> str:
    if not failures.items:
        return ""
    kinds = ", ".join("%s %s" % (count(number), _escape(kind)) for kind, number in sorted(
        failures.by_error.items(), key=lambda item: -item[1]))
    more = failures.items - len(failures.first)
    lead = "%s: %s. " % ("1 item failed" if failures.items == 1 else "%s items failed" % count(failures.items), kinds)
    lead += "The first %s are here, %s more in failures.jsonl, in the same folder." % (
        count(len(failures.first)), count(more)) if more else "They are in failures.jsonl too, in the same folder."
    rows = [
        '<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>' % (
            _code(record["path"]), _escape(record["operation"]),
            "<code>%s</code> %s" % (_escape(record["error"]), _escape(record["message"])),
            _escape(record["phase"]),
            _bdi(record["host"]) + (" <code>%s</code>" % _bdi(record["mount"]) if record["mount"] else ""))
        for record in failures.first
    ]
    return _section("failures", "Failures", lead, _table(
        "Failed items", ("Path", "Operation", "Error", "Stage", "Client and destination"), rows))


def _losses(stats: Json) -> str:
    if not stats["not_preserved"]:
        return ""
    rows = [
        _row(_escape(loss["kind"]), (count(loss["count"]),), "<td>%s</td><td>%s</td><td>%s</td>" % (
            _escape(loss["message"]), _code(loss["path"]),
            ", ".join(map(_bdi, loss["hosts"][:5])) + (" and %d more" % (len(loss["hosts"]) - 5)
                                                       if len(loss["hosts"]) > 5 else "")))
        for loss in stats["not_preserved"]
    ]
    return _section(
        "losses", "What the destination could not hold",
        "The contents of these items arrived; what is named here did not.",
        _table("Not preserved", ("What", "Items", "Why", "For example", "Clients"), rows, (1,)))


def _dead(stats: Json) -> str:
    if not stats.get("dead_addresses"):
        return ""
    rows = [
        '<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>' % (
            _bdi(entry["address"] or "unknown"), _code(entry["mount"]), _bdi(entry["host"]), _escape(entry["message"]))
        for entry in stats["dead_addresses"]
    ]
    return _section(
        "dead", "Addresses that did not answer",
        "They were left out, and their work was done over the other mounts.",
        _table("Left out", ("Address", "Mount", "Client", "Why"), rows))


def _run(stats: Json) -> str:
    scan, planned, verify = stats["scan"], stats["planned"], stats["verify"]
    facts = [("Run", _escape(stats["run_id"])), ("Source", _code(stats["source"]))]
    facts += [("Destinations", "<br>".join(map(_code, stats["destinations"] or [])))]
    facts += [("Method and split", "%s, %s" % (_escape(stats["method"]), _escape(stats["split"])))]
    facts += [("Plan", "%s items, %s files, %s directories, %s, in %s shards" % (
        count(planned["items"]), count(planned["files"]), count(planned["directories"]), size(planned["bytes"]),
        count(stats["shards"]["total"])))]
    if scan:
        facts += [("Scan", "%s files, %s links, %s special files, %s directories%s%s" % (
            count(scan["files"]), count(scan["links"]), count(scan["specials"]), count(scan["directories"]),
            " in %s" % duration(scan["seconds"]) if "seconds" in scan else "",
            ", %s errors" % count(scan["errors"]) if scan["errors"] else ""))]
    facts += [("Check of the copy", "%s%s" % (_escape(verify["mode"]), ", %s files, %s, %s wrong" % (
        count(verify["files"]), size(verify["bytes"]), count(verify["failed"])) if "files" in verify else ""))]
    for key, value in sorted(stats.get("parameters", {}).items()):
        facts += [(_escape(key), _escape(value if isinstance(value, str) else json.dumps(value)))]
    return _section("run", "The run", "What was asked for.", '<dl class="facts">%s</dl>' % "".join(
        "<dt>%s</dt><dd>%s</dd>" % fact for fact in facts))
