# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that users may set: which there are, and which values they take.

One place says so, the argument specs of all roles of this collection; a role that is added is known
at once. What a type can't say (a least number, a rate) is in :data:`MEANINGS`.
"""

from __future__ import annotations

import difflib
import glob
import os
from typing import Any, Callable, Dict, Iterable, Iterator

import yaml
from ansible.module_utils.common.validation import (
    check_type_bool,
    check_type_dict,
    check_type_float,
    check_type_int,
    check_type_list,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync.options import (
    accepted_options,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import to_bytes
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import amount, rate
from ansible_collections.scaleout.ingest.plugins.module_utils.core.windows import (
    file_rate,
    read_windows,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.worker_count import (
    check_workers,
    workers,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.globs import Globs

ROLES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "roles"
)
# What begins so is ours; whatever else is in an inventory is not looked at.
PREFIXES = ("ingest_", "ingestor_", "tier_", "index_")
Spec = Dict[str, Any]

_TYPES: dict[str, tuple[Callable[[Any], Any] | None, str]] = {
    "str": (None, "a text"),
    "path": (None, "a path"),
    "raw": (None, "a value"),
    "int": (check_type_int, "a whole number"),
    "float": (check_type_float, "a number"),
    "bool": (check_type_bool, "true or false"),
    "list": (check_type_list, "a list"),
    "dict": (check_type_dict, "a mapping"),
}


def at_least(least: int) -> Callable[[Any], None]:
    """A check that a number is not smaller. It raises IngestError."""

    def check(value: Any) -> None:
        if int(value) < least:
            raise IngestError(f"{value} is less than {least}")

    return check


def mebibytes(value: Any) -> None:
    """Raises IngestError if a number of bytes is not a multiple of 1 MiB, and at least that."""
    if int(value) < 1 << 20 or int(value) % (1 << 20):
        raise IngestError(f"{value} is not a multiple of 1 MiB (1048576)")


def _workers(value: Any) -> None:
    check_workers(workers(value))


def _globs(value: Any) -> None:
    Globs(to_bytes(str(each)) for each in check_type_list(value))


def _rsync_options(value: Any) -> None:
    """A text counts as a list with one, as the modules take it."""
    accepted_options(check_type_list(value))


def _rate(value: Any) -> None:
    rate(str(value))


def _windows(value: Any) -> None:
    read_windows(value, "ingest_windows")


def _bytes(value: Any) -> None:
    amount(str(value), "ingest_calibrate_bytes", "bytes")


# What a value must be besides its type. Each raises IngestError.
MEANINGS: dict[str, Callable[[Any], object]] = {
    "ingest_bandwidth_limit": _rate,
    "ingest_bucket_bytes": at_least(0),
    "ingest_bucket_files": at_least(0),
    "ingest_globs": _globs,
    "ingest_calibrate_bytes": _bytes,
    "ingest_calibrate_seconds": at_least(10),
    "ingest_calibrate_workers": at_least(1),
    "ingest_file_rate_limit": file_rate,
    "ingest_lease": at_least(1),
    "ingest_max_depth": at_least(0),
    "ingest_min_depth": at_least(0),
    "ingest_mount_nconnect": at_least(0),
    "ingest_mount_timeout": at_least(0),
    "ingest_range_size": mebibytes,
    "ingest_range_threshold": at_least(0),
    "ingest_retries": at_least(0),
    "ingest_rsync_options": _rsync_options,
    "ingest_scan_threads": _workers,
    "ingest_scan_workers": _workers,
    "ingest_shard_bytes": at_least(1),
    "ingest_shard_items": at_least(1),
    "ingest_stall_timeout": at_least(1),
    "ingest_windows": _windows,
    "ingest_workers": _workers,
}


def known(folder: str = ROLES) -> dict[str, Spec]:
    """The spec of each variable, of all roles and their entry points, by name."""
    found: dict[str, Spec] = {}
    for dummy, dummy, options in specs(folder):
        for name, spec in options.items():
            found.setdefault(name, spec)
    return found


def specs(folder: str = ROLES) -> Iterator[tuple[str, str, dict[str, Spec]]]:
    """(role, entry point, its options by name) of all roles."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*/meta/argument_specs.yml"))):
        with open(path, "rb") as stream:
            content = yaml.load(stream, Loader=loader)
        role = os.path.basename(os.path.dirname(os.path.dirname(path)))
        for entry, spec in content["argument_specs"].items():
            yield role, entry, spec.get("options") or {}


def ours(names: Iterable[str]) -> list[str]:
    """Those of the names that begin as this collection's variables do, in order."""
    return sorted(name for name in names if isinstance(name, str) and name.startswith(PREFIXES))


def unknown(name: str, names: Iterable[str]) -> str:
    """Why a name that is not among ``names`` is wrong."""
    near = difflib.get_close_matches(name, list(names), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{name}: there is no such variable{hint}"


def wrong(name: str, value: Any, spec: Spec) -> str:
    """Why a value is not what a variable takes, or nothing if it is. None is no value."""
    if value is None:
        return ""
    try:
        _fits(name, value, spec)
        meaning = MEANINGS.get(name)
        if meaning:
            meaning(value)
    except IngestError as error:
        text = str(error)
        if not text.startswith(name):
            # The engine names its own option, such as workers.
            option, colon, rest = text.partition(": ")
            text = f"{name}: {rest if colon and option.isidentifier() else text}"
        return text
    return ""


def _fits(name: str, value: Any, spec: Spec) -> None:
    """Raises IngestError."""
    if value is None:
        return
    kind = spec.get("type", "str")
    check, words = _TYPES[kind]
    if check is None:
        fits = kind == "raw" or not isinstance(value, (list, tuple, dict))
    else:
        try:
            value, fits = check(value), True
        except (TypeError, ValueError):
            fits = False
    if not fits:
        raise IngestError(f"{name}: {_shown(value, spec)} is not {words}")
    choices = spec.get("choices")
    for each in value if kind == "list" else (value,):
        if kind == "list" and "elements" in spec:
            _fits(name, each, {"type": spec["elements"], "options": spec.get("options")})
        if choices and each not in choices:
            near = difflib.get_close_matches(str(each), list(map(str, choices)), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise IngestError(
                f"{name}: {_shown(each, spec)} is not one of {', '.join(map(str, choices))}{hint}"
            )
    if kind == "dict" and spec.get("options"):
        for key, inner in value.items():
            if key not in spec["options"]:
                raise IngestError(unknown(f"{name}.{key}", _below(name, spec["options"])))
            _fits(f"{name}.{key}", inner, spec["options"][key])


def _below(name: str, options: Iterable[str]) -> list[str]:
    return [f"{name}.{key}" for key in options]


def _shown(value: Any, spec: Spec) -> str:
    if spec.get("no_log"):
        return "its value, which may be secret,"
    text = str(value)
    return f"'{text if len(text) <= 100 else text[:99] + '…'}'"
