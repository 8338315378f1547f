# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in plain text, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from typing import Any, Dict, Iterator, Sequence

from ..core.paths import display, to_bytes
from ..core.units import count, duration, megabytes, percent, significant, size
from .failures import Failures, sentence

WIDTH = 80
ROWS = 24
SHOWN_FAILURES = 5

Json = Dict[str, Any]


def summary(stats: Json, failures: Failures, files: dict[str, str]) -> list[str]:
    """The lines that end a run. ``files``: label and path of what to read next."""
    lines = [headline(stats), ""]
    lines += _route(stats)
    lines += ["", *_clients(stats), "", *_destinations(stats), "", *_rate(stats)]
    lines += _others(stats)
    lines += _dead(stats)
    lines += _failed(failures)
    lines += _lost(stats)
    lines += ["", *_files(files)]
    return lines


def plan(stats: Json, files: dict[str, str]) -> list[str]:
    """The lines that end a run in check mode: what each client would do."""
    planned = stats["planned"]
    lines = [
        f"Check {_text(stats['run_id'])}: {_files_word(planned['files'])}, {size(planned['bytes'])} would be looked at; nothing was written",
        "",
        *_route(stats),
    ]
    shares = {_text(name): host["planned"] for name, host in stats["hosts"].items()}
    if planned["unassigned"]["items"]:
        shares = {"whichever client is free": planned["unassigned"]}
    for name, share in shares.items():
        lines += ["", *_share(name, share)]
    return [*lines, "", *_files(files)]


def _share(name: str, share: Json) -> Iterator[str]:
    yield f"  {name}: {_files_word(share['files'])}, {size(share['bytes'])}"
    for label in ("first", "last"):
        if share[label] is not None:
            yield _cut(f"    {label:5}  {share[label] or '.'}")
    rows = [
        (_text(mount), count(amounts["files"]), size(amounts["bytes"]))
        for mount, amounts in share["mounts"].items()
    ]
    if rows:
        yield from table(("to", "files", "size"), rows, "    ")


def headline(stats: Json) -> str:
    """The run in one sentence."""
    copied = (
        f"{_files_word(stats['files'])}, {size(stats['bytes'])} in {duration(stats['seconds'])}"
    )
    return f"Ingest {_text(stats['run_id'])} {outcome(stats)}: {copied}"


def outcome(stats: Json) -> str:
    """In a word or two, how the run ended."""
    if stats["shards"]["done"] < stats["shards"]["total"]:
        return "not finished"
    if stats["failed"]:
        return "finished with failures"
    return "done"


def complaint(stats: Json, path: str) -> str:
    """One sentence that says why the run has failed, or nothing if it has not."""
    reasons = []
    left = stats["shards"]["total"] - stats["shards"]["done"]
    scan = stats["failures"]["scan"]
    if stats["failed"] - scan:
        reasons.append(f"{_plural(stats['failed'] - scan, 'item')} failed")
    if scan:
        reasons.append(f"the scan could not read {_plural(scan, 'item')}")
    if left and not stats["check"]:
        reasons.append(
            "%d of %s not done"
            % (left, _plural(stats["shards"]["total"], "shard") + (" is" if left == 1 else " are"))
        )
    if not reasons:
        return ""
    return f"{' and '.join(filter(None, (', '.join(reasons[:-1]), reasons[-1])))}: see {path}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Aligned columns, the first to the left, the others to the right; no line wider than 80
    columns as long as the first column can give way."""
    widths = [max(len(row[at]) for row in [header, *rows]) for at in range(len(header))]
    others = sum(widths[1:]) + 2 * (len(widths) - 1) + len(indent)
    widths[0] = max(8, min(widths[0], WIDTH - others))
    return [
        (
            indent
            + "  ".join(
                [_middle(row[0], widths[0]).ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
            )
        ).rstrip()
        for row in [header, *rows]
    ]


def _route(stats: Json) -> list[str]:
    targets = [_text(target) for target in stats["destinations"] or []]
    lines = [f"  from  {_text(stats['source'])}"]
    for number, target in enumerate(targets[:8]):
        lines.append(f"  {('' if number else 'to'):4}  {target}")
    if len(targets) > 8:
        lines.append("        and %d more" % (len(targets) - 8))
    lines.append(
        f"  by    {_text(stats['method'])}, split {_text(stats['split'])}, {_plural(len(stats['hosts']), 'client')}"
    )
    return lines


def _clients(stats: Json) -> list[str]:
    hosts = stats["hosts"]
    rate = f"{stats['bound']}_per_second"
    # Of many clients those that need a look: the slowest.
    names = (
        sorted(hosts, key=lambda name: hosts[name][rate])[:ROWS]
        if len(hosts) > ROWS
        else list(hosts)
    )
    rows = [_client(_text(name), hosts[name]) for name in names]
    if len(hosts) > 1:
        rows.append(_client("all", stats))
    lines = table(("client", "files", "size", "time", "files/s", "MB/s", "right", "failed"), rows)
    if len(hosts) > len(names):
        lines.insert(
            0, f"  the {len(names)} slowest of {len(hosts)} clients; the others are in the report"
        )
    for name, host in hosts.items():
        if host["state"] in ("dead", "failed"):
            lines.append(
                _cut(
                    f"  {_text(name)} is {host['state']}{': ' + _text(host['message']) if host['message'] else ''}"
                )
            )
    return lines


def _client(name: str, numbers: Json) -> tuple[str, ...]:
    return (
        name,
        count(numbers["files"]),
        size(numbers["bytes"]),
        duration(numbers["seconds"]),
        significant(numbers["files_per_second"]),
        megabytes(numbers["bytes_per_second"]),
        count(numbers["skipped"]),
        count(numbers["failed"]),
    )


def by_destination(stats: Json) -> dict[str, dict[str, int]]:
    """What each destination took, all clients together; each of the run's destinations is there."""
    found = {target: {"files": 0, "bytes": 0} for target in stats["destinations"] or []}
    for host in stats["hosts"].values():
        for mount, amounts in host["mounts"].items():
            sums = found.setdefault(mount, {"files": 0, "bytes": 0})
            sums["files"] += amounts["files"]
            sums["bytes"] += amounts["bytes"]
    return found


def _destinations(stats: Json) -> list[str]:
    found = by_destination(stats)
    rows = [
        (
            _text(mount),
            count(sums["files"]),
            size(sums["bytes"]),
            percent(sums[stats["bound"]], stats[stats["bound"]]),
        )
        for mount, sums in list(found.items())[:ROWS]
    ]
    lines = table(("destination", "files", "size", "share"), rows)
    if len(found) > ROWS:
        lines.append("  and %d more destinations" % (len(found) - ROWS))
    return lines


def _rate(stats: Json) -> list[str]:
    planned = stats["planned"]
    if not planned["files"]:
        return ["  There were no files to copy."]
    if stats["bound"] == "bytes":
        kind, rate = "Large", f"MB/s, here {megabytes(stats['bytes_per_second'])}"
    else:
        kind, rate = "Small", f"files/s, here {significant(stats['files_per_second'])}"
    return [
        f"  {kind} files ({size(planned['bytes'] / planned['files'])} on average): the rate that matters is {rate}."
    ]


def _others(stats: Json) -> Iterator[str]:
    if stats["skipped"]:
        yield f"  Right already: {_plural(stats['skipped'], 'item')}."
    verify = stats["verify"]
    if "files" in verify:
        # By metadata no byte is read.
        read = f", {size(verify['bytes'])} read back" if verify["bytes"] else ""
        yield "  Checked (%s): %s%s; %s." % (
            verify["mode"],
            _plural(verify["files"], "item"),
            read,
            "%s wrong" % count(verify["failed"]) if verify["failed"] else "all right",
        )
    if stats["repaired"]:
        yield f"  {_plural(stats['repaired'], 'item')} copied again after the check."
    shards = stats["shards"]
    if shards["done"] < shards["total"]:
        yield "  %d of %d shards are not done: run it again to go on." % (
            shards["total"] - shards["done"],
            shards["total"],
        )


def dead(stats: Json) -> list[str]:
    """What was left out because it did not answer, in a sentence for each address."""
    found: dict[tuple[str, str], list[Json]] = {}
    for entry in stats.get("dead_addresses", ()):
        found.setdefault((entry["address"] or entry["mount"], entry["message"]), []).append(entry)
    return [
        "%s did not answer (%s) and was left out: %s."
        % (
            _text(name),
            _text(why),
            ", ".join(
                "%s on %s" % (_text(entry["mount"]), _text(entry["host"])) for entry in entries[:4]
            )
            + (" and %d more" % (len(entries) - 4) if len(entries) > 4 else ""),
        )
        for (name, why), entries in found.items()
    ]


def _dead(stats: Json) -> Iterator[str]:
    for sentence_ in dead(stats):
        yield from textwrap.wrap(
            sentence_,
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _failed(failures: Failures) -> Iterator[str]:
    if not failures.items:
        return
    yield ""
    kinds = sorted(failures.by_error.items(), key=lambda item: -item[1])[:4]
    yield "  %s failed (%s):" % (
        _plural(failures.items, "item"),
        ", ".join("%s %s" % (count(number), kind) for kind, number in kinds),
    )
    for record in failures.first[:SHOWN_FAILURES]:
        yield _cut("    " + sentence(record))
    if failures.items > SHOWN_FAILURES:
        yield f"    and {count(failures.items - SHOWN_FAILURES)} more"


def _lost(stats: Json) -> Iterator[str]:
    if not stats["not_preserved"]:
        return
    yield ""
    yield "  The destination could not hold:"
    for loss in stats["not_preserved"]:
        yield _cut(
            f"    {_text(loss['kind'])} of {_plural(loss['count'], 'item')} ({_text(loss['message'])}), such as {_text(loss['path']) or '.'}"
        )


def _files(files: dict[str, str]) -> list[str]:
    width = max(map(len, files), default=0)
    # Not cut: a path is there to be copied.
    return [f"  {label.ljust(width)}  {_text(path)}" for label, path in files.items()]


def _text(value: Any) -> str:
    return display(to_bytes(str(value if value is not None else "")))


def _plural(number: int, word: str) -> str:
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def _files_word(number: int) -> str:
    return _plural(number, "file")


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _middle(text: str, width: int) -> str:
    """Shortened in the middle: both ends of a name or path tell which one it is."""
    if len(text) <= width:
        return text
    left = (width - 1) // 2
    return text[:left] + "…" + text[len(text) - (width - 1 - left) :]
