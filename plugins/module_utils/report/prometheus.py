# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of a run in Prometheus' text format, for the node exporter's textfile collector.

Source of the format: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, Tuple

from ..core.atomic import written
from ..core.paths import display, to_bytes
from .stats import unwanted

_PREFIX = "scaleout_ingest_"
STEPS = ("scan", "plan", "copy", "check")
Sample = Tuple[Dict[str, str], float]


def write_metrics(stats: dict[str, Any], path: str) -> None:
    """Write the metrics of a stats.json, in one step. Raises IngestError if that fails."""
    with written(path) as stream:
        for line in lines(stats):
            stream.write(line + "\n")


def lines(stats: dict[str, Any]) -> Iterator[str]:
    """The lines, without their ends. Amounts are those of this run alone."""
    return exposition(_PREFIX, _families(stats))


def exposition(
    prefix: str, families: Iterable[tuple[str, str, str, list[Sample]]]
) -> Iterator[str]:
    """The lines of metrics, each with its name, type, help and samples."""
    for name, kind, text, samples in families:
        yield f"# HELP {prefix}{name} {text}"
        yield f"# TYPE {prefix}{name} {kind}"
        for labels, value in samples:
            yield f"{prefix}{name}{_labels(labels)} {_number(value)}"


def _families(stats: dict[str, Any]) -> Iterator[tuple[str, str, str, list[Sample]]]:
    hosts = stats["hosts"]
    info = {
        key: _name(stats.get(key))
        for key in ("run_id", "method", "split", "source", "bound", "version")
    }
    yield "run_info", "gauge", "What was run; always 1.", [(info, 1)]
    yield (
        "success",
        "gauge",
        "1 if every item arrived and was checked as asked, else 0.",
        [({}, succeeded(stats))],
    )
    if stats.get("finished"):
        yield (
            "last_completion_timestamp_seconds",
            "gauge",
            "When the run ended (Unix time).",
            [({}, stats["finished"])],
        )
    yield (
        "duration_seconds",
        "gauge",
        "From the first client's start to the last one's end.",
        [({}, stats["seconds"])],
    )
    yield (
        "step_duration_seconds",
        "gauge",
        "How long the steps of the run took.",
        [({"step": step}, stats[f"{step}_seconds"]) for step in STEPS],
    )
    yield (
        "planned_files",
        "gauge",
        "Items other than directories in the plan.",
        [({}, stats["planned"]["files"])],
    )
    yield "planned_bytes", "gauge", "Bytes in the plan.", [({}, stats["planned"]["bytes"])]
    for key, name, text in (
        ("files", "files_total", "Items other than directories copied by this run."),
        ("bytes", "bytes_total", "Bytes copied by this run."),
    ):
        yield (
            name,
            "counter",
            text,
            [
                ({"client": _name(host), "destination": _name(mount)}, amounts[key])
                for host, values in hosts.items()
                for mount, amounts in values["mounts"].items()
            ],
        )
    for key, name, text in (
        ("skipped", "skipped_total", "Items that were up to date."),
        ("repaired", "repaired_total", "Items that the check found wrong and copied again."),
        (
            "failed",
            "failed_total",
            "Items that failed on a client; scan errors are not among them.",
        ),
    ):
        yield name, "counter", text, _per_client(hosts, key)
    yield (
        "failed_items_total",
        "counter",
        "Items that failed, by error; scan errors are among them.",
        [({"error": error}, number) for error, number in stats["failures"]["by_error"].items()],
    )
    yield (
        "not_preserved_total",
        "counter",
        "Items of which the destination could not hold something.",
        [({"kind": _name(loss["kind"])}, loss["count"]) for loss in stats["not_preserved"]],
    )
    yield "extras", "gauge", "Entries that only the destination has.", [({}, stats["extras"])]
    yield (
        "client_duration_seconds",
        "gauge",
        "From a client's start to its end.",
        _per_client(hosts, "seconds"),
    )
    yield (
        "client_files_per_second",
        "gauge",
        "A client's mean rate while it copied.",
        _per_client(hosts, "files_per_second"),
    )
    yield (
        "client_bytes_per_second",
        "gauge",
        "A client's mean rate while it copied.",
        _per_client(hosts, "bytes_per_second"),
    )


def succeeded(stats: dict[str, Any]) -> bool:
    """Whether every item of the plan arrived: nothing failed and no shard is left; and the
    destination has nothing else, if that was asked for."""
    return (
        not stats["failed"]
        and stats["shards"]["done"] == stats["shards"]["total"]
        and not unwanted(stats)
    )


def _per_client(hosts: dict[str, Any], key: str) -> list[Sample]:
    return [({"client": _name(name)}, host[key]) for name, host in hosts.items()]


def _name(value: Any) -> str:
    return display(to_bytes(str(value if value is not None else "")))


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
