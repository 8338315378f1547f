# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in plain text, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from typing import Any, Dict, Iterator, Sequence

from ..core.paths import display, to_bytes
from ..core.units import count, duration, megabytes, percent, significant, size
from .advice import sentences
from .earlier import Estimate
from .failures import Cause, Failures
from .stats import unwanted

WIDTH = 80
ROWS = 24
SHOWN_CAUSES = 5

Json = Dict[str, Any]


def summary(stats: Json, failures: Failures, files: dict[str, str]) -> list[str]:
    """The lines that end a run. ``files``: label and path of what to read next."""
    lines = [headline(stats), ""]
    lines += _route(stats)
    if times(stats):
        lines.append(f"  {times(stats)}")
    lines += ["", *_clients(stats), "", *_destinations(stats), "", *_rate(stats)]
    lines += _advice(stats)
    lines += _others(stats)
    lines += _left_out(stats)
    lines += _failed(failures)
    lines += _lost(stats)
    lines += ["", *_files(files)]
    return lines


def plan(stats: Json, files: dict[str, str]) -> list[str]:
    """The lines that end a run in check mode: what each client would do."""
    planned = stats["planned"]
    lines = [
        f"Check {_text(stats['run_id'])}: {_files_word(planned['files'])}, "
        f"{size(planned['bytes'])} would be {_doing(stats)}; nothing was written",
        *_equal(stats),
        *_estimate(stats),
        "",
        *_route(stats),
    ]
    shares = {_text(name): host["planned"] for name, host in stats["hosts"].items()}
    if planned["unassigned"]["items"]:
        shares = {"whichever client is free": planned["unassigned"]}
    for name, share in shares.items():
        lines += ["", *_share(name, share)]
    return [*lines, "", *_files(files)]


def _doing(stats: Json) -> str:
    """What the plan is for: without a comparison, only the copy finds out what is there."""
    return "copied" if stats["compared"] else "looked at"


def _equal(stats: Json) -> Iterator[str]:
    equal = stats["equal"]
    if equal["files"] or equal["directories"]:
        yield (
            f"  There already, as they are to be: {_files_word(equal['files'])}, "
            f"{size(equal['bytes'])}."
        )


def _estimate(stats: Json) -> Iterator[str]:
    if stats["estimate"]:
        yield from _wrapped(Estimate(**stats["estimate"]).sentence(), "  ")


def _advice(stats: Json) -> Iterator[str]:
    for sentence in sentences(stats["advice"]):
        yield from _wrapped(_text(sentence), "  ")


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
    took = duration(stats["copy_seconds"])
    copied = f"{_files_word(stats['files'])}, {size(stats['bytes'])} in {took}"
    return f"Ingest {_text(stats['run_id'])} {outcome(stats)}: {copied}"


def times(stats: Json) -> str:
    """How long each step took, as far as it is known and took place."""
    steps = (
        ("scanned", stats["scan_seconds"]),
        ("planned", stats["plan_seconds"]),
        ("copied", stats["copy_seconds"]),
        ("checked", stats["check_seconds"]),
    )
    return ", ".join(f"{step} in {duration(seconds)}" for step, seconds in steps if seconds)


def plural(number: int, word: str) -> str:
    """A number and its word: ``1 item``, ``2 items``."""
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def outcome(stats: Json) -> str:
    """In a word or two, how the run ended."""
    if stats["shards"]["done"] < stats["shards"]["total"]:
        return "not finished"
    if stats["failed"]:
        return "finished with failures"
    if unwanted(stats):
        return "finished with extras"
    return "done"


def complaint(stats: Json, path: str, extras: str) -> str:
    """One sentence that says why the run has failed, or nothing if it has not; with the path of the
    failures, or of the ``extras`` if these are the reason."""
    reasons = []
    left = stats["shards"]["total"] - stats["shards"]["done"]
    scan = stats["failures"]["scan"]
    if stats["failed"] - scan:
        reasons.append(f"{plural(stats['failed'] - scan, 'item')} failed")
    if scan:
        reasons.append(f"the scan could not read {plural(scan, 'item')}")
    if left and not stats["check"]:
        verb = "is" if left == 1 else "are"
        reasons.append(f"{left} of {plural(stats['shards']['total'], 'shard')} {verb} not done")
    if unwanted(stats):
        if not reasons:
            path = extras
        reasons.append(_extras(stats["extras"]))
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
        lines.append(f"        and {len(targets) - 8} more")
    lines.append(
        f"  by    {_text(stats['method'])}, split {_text(stats['split'])}, "
        f"{plural(len(stats['hosts']), 'client')}"
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
    lines = table(("client", "files", "size", "time", "files/s", "MB/s", "same", "failed"), rows)
    if len(hosts) > len(names):
        lines.insert(
            0, f"  the {len(names)} slowest of {len(hosts)} clients; the others are in the report"
        )
    for name, host in hosts.items():
        if host["state"] in ("dead", "failed"):
            why = f": {_text(host['message'])}" if host["message"] else ""
            lines.append(_cut(f"  {_text(name)} is {host['state']}{why}"))
    return lines


def _client(name: str, numbers: Json) -> tuple[str, ...]:
    return (
        name,
        count(numbers["files"]),
        size(numbers["bytes"]),
        duration(numbers["copy_seconds"]),
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
        lines.append(f"  and {len(found) - ROWS} more destinations")
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
        f"  {kind} files ({size(planned['bytes'] / planned['files'])} on average): "
        f"the rate that matters is {rate}."
    ]


def _others(stats: Json) -> Iterator[str]:
    if stats["skipped"]:
        equal = stats["equal"]["files"]
        by = f", {count(equal)} by the scan's comparison" if equal else ""
        yield f"  Up to date: {plural(stats['skipped'], 'item')}{by}."
    verify = stats["verify"]
    if "files" in verify:
        # By metadata no byte is read.
        read = f", {size(verify['bytes'])} read back" if verify["bytes"] else ""
        wrong = f"{count(verify['failed'])} wrong" if verify["failed"] else "all as in the source"
        yield f"  Checked ({verify['mode']}): {plural(verify['files'], 'item')}{read}; {wrong}."
        if verify["proved"]:
            proved = plural(verify["proved"], "item")
            yield f"  Not looked at again, as the copy had compared it: {proved}."
    taken = [host["taken_over"] for host in stats["hosts"].values()]
    if any(part["files"] or part["bytes"] for part in taken):
        files = sum(part["files"] for part in taken)
        amount = size(sum(part["bytes"] for part in taken))
        yield f"  Taken over from slower or lost clients: {_files_word(files)}, {amount}."
    if stats["extras"]:
        yield f"  {_extras(stats['extras']).capitalize()}."
    if stats["repaired"]:
        yield f"  {plural(stats['repaired'], 'item')} copied again after the check."
    if stats.get("retried"):
        yield f"  {plural(stats['retried'], 'item')} tried again after a failure that may pass."
    if stats["removed"]:
        left = plural(stats["removed"], "unfinished file")
        yield f"  Removed what killed runs had left in the destination: {left}."
    shards = stats["shards"]
    if shards["done"] < shards["total"]:
        left = shards["total"] - shards["done"]
        yield f"  {left} of {shards['total']} shards are not done: run it again to go on."


def _extras(number: int) -> str:
    return f"the destination has {plural(number, 'item')} that the source has not"


def left_out(stats: Json) -> list[str]:
    """What was left out because it did not answer, in a sentence for each address."""
    found: dict[tuple[str, str], list[Json]] = {}
    for entry in stats["dead_addresses"]:
        found.setdefault((entry["address"] or entry["mount"], entry["message"]), []).append(entry)
    sentences = []
    for (name, why), entries in found.items():
        where = ", ".join(
            f"{_text(entry['mount'])} on {_text(entry['host'])}" for entry in entries[:4]
        )
        more = f" and {len(entries) - 4} more" if len(entries) > 4 else ""
        sentences.append(
            f"{_text(name)} did not answer ({_text(why)}) and was left out: {where}{more}."
        )
    return sentences


def _left_out(stats: Json) -> Iterator[str]:
    for sentence in left_out(stats):
        yield from _wrapped(sentence, "  ")


def _failed(failures: Failures) -> Iterator[str]:
    if not failures.items:
        return
    yield ""
    yield f"  {plural(failures.items, 'item')} failed:"
    for cause in failures.causes[:SHOWN_CAUSES]:
        yield from _wrapped(_of_cause(cause), "    ")
    rest = sum(cause.items for cause in failures.causes[SHOWN_CAUSES:])
    if rest:
        yield f"    and {plural(rest, 'item')} for other reasons"
    yield from _wrapped(
        "Mend that, then run the same command again: what has arrived is not copied again.", "  "
    )


def _of_cause(cause: Cause) -> str:
    """The path first: it says where to look."""
    why = f"{_text(cause.message)} ({_text(cause.operation)})" if cause.operation else cause.message
    path = _middle(display(cause.below if cause.below and cause.items > 1 else cause.first), 72)
    if cause.items == 1:
        return f"{path or '.'}: {why}"
    if cause.below:
        return f"{path}: {count(cause.items)} items below it: {why}"
    return f"{path or '.'} and {count(cause.items - 1)} more: {why}"


def _lost(stats: Json) -> Iterator[str]:
    if not stats["not_preserved"]:
        return
    yield ""
    yield "  The destination could not hold:"
    for loss in stats["not_preserved"]:
        yield _cut(
            f"    {_text(loss['kind'])} of {plural(loss['count'], 'item')} "
            f"({_text(loss['message'])}), such as {_text(loss['path']) or '.'}"
        )


def _files(files: dict[str, str]) -> list[str]:
    width = max(map(len, files), default=0)
    # Not cut: a path is there to be copied.
    return [f"  {label.ljust(width)}  {_text(path)}" for label, path in files.items()]


def _text(value: Any) -> str:
    return display(to_bytes(str(value if value is not None else "")))


def _files_word(number: int) -> str:
    return plural(number, "file")


def _wrapped(text: str, indent: str) -> list[str]:
    """On several lines if need be; names are not broken, as they are there to be copied."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _middle(text: str, width: int) -> str:
    """Shortened in the middle: both ends of a name or path tell which one it is."""
    if len(text) <= width:
        return text
    left = (width - 1) // 2
    return text[:left] + "…" + text[len(text) - (width - 1 - left) :]
