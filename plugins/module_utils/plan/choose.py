# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which items of a run's index are planned: all, those that a query names, what differs from an
earlier index, or what failed in the run."""

from __future__ import annotations

import os
from typing import Any, Iterator, NamedTuple, Optional

from ..core.atomic import written
from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from ..difference.compare import ADDED, CHANGED, REMOVED, Difference, Options
from ..difference.output import Counts, add, empty_counts, json_line
from ..difference.rows import OVER_TIME
from ..index import subset
from ..index.generations import find
from ..index.gufi_reader import root_of
from ..index.reader import Index
from ..index.writer import clear
from ..search.engine import ask
from ..search.guard import Limits
from ..search.source import source_of
from .queries import is_done
from .results import failures
from .store import PlanStore

ALL, QUERY, DIFF = "all", "query", "diff"
ITEMS = (ALL, QUERY, DIFF)
FAILED = "failed"
FOLDER, CHANGES = "chosen", "difference.jsonl"
# All that tells of other contents or metadata. A link's text can't change without its ctime.
_FIELDS = tuple(name for name in OVER_TIME if name != "linkname")


class Wanted(NamedTuple):
    """What the options say: ``query`` (SQL whose first column are paths) and ``diff`` (an earlier
    index), each with its choice of ``items``."""

    items: str = ALL
    query: Optional[str] = None
    diff: Optional[str] = None

    @classmethod
    def of(cls, items: str | None, query: str | None, diff: str | None) -> Wanted:
        """What the options mean; ``items`` None: what is given. Raises IngestError: they don't
        fit together."""
        if query is not None and diff is not None:
            raise IngestError("query and diff are both given: items come from one of them")
        meant = QUERY if query is not None else DIFF if diff is not None else ALL
        if items is None or items == meant:
            return cls(meant, query, diff)
        if items == ALL:
            raise IngestError(f"items: all leaves nothing for {meant} to choose: leave one out")
        raise IngestError(f"items: {items} needs {items}, which is not given")


FAILED_ALONE = Wanted(FAILED)


class Choice(NamedTuple):
    """The folder of the index to plan; what is to be known of the choice, for plan.db; warnings."""

    folder: str
    noted: dict[str, Any]
    warnings: list[str]


def choose(wanted: Wanted, run_dir: str) -> Choice:
    """Choose of the index of a run, and write what was chosen beside it.

    Raises:
        IngestError: the query is wrong or names what is not there; there is no earlier index, or it
            is of a run that did not end well; the choice can't be written.
    """
    folder = os.path.join(run_dir, "index")
    chosen = os.path.join(run_dir, FOLDER)
    changes = os.path.join(run_dir, CHANGES)
    if os.path.isdir(chosen):
        clear(chosen)
    if os.path.lexists(changes):
        os.unlink(changes)
    if wanted.query is not None:
        return _of_query(wanted.query, folder, chosen)
    if wanted.diff is not None:
        return _of_difference(wanted.diff, folder, chosen, changes, run_dir)
    if wanted.items == FAILED:
        return _of_failures(folder, chosen, run_dir)
    return Choice(folder, {}, [])


def _of_query(query: str, folder: str, chosen: str) -> Choice:
    index = Index(folder)
    try:
        with subset.Chosen(chosen) as paths:
            for path in _paths(query, folder):
                paths.add(path)
            totals = subset.write(index, paths, chosen, all_known=False)
    finally:
        index.close()
    noted = {"items": QUERY, "query": query, "entries": totals.entries}
    return Choice(chosen, noted, [])


def _paths(query: str, folder: str) -> Iterator[bytes]:
    """The paths that a query gives, relative to the source."""
    source = source_of(folder)
    root = source.root.rstrip(b"/") + b"/"
    for batch in ask(source, query, Limits()).rows:
        for row in batch:
            path = row[0]
            if not isinstance(path, bytes):
                raise IngestError(
                    f"query: its first column is to be a path, not '{display(_shown(path))}'"
                )
            path = path.rstrip(b"/") or path
            if path.startswith(root):
                path = path[len(root) :]
            elif path + b"/" == root:
                path = b""
            # path || '/' || name of what is right in the source.
            yield path[1:] if path.startswith(b"/") else path


def _of_failures(folder: str, chosen: str, run_dir: str) -> Choice:
    """What failed in the run itself. A file with several names is chosen with all of them, as its
    links are made to one that is."""
    index = Index(folder)
    try:
        plan = os.path.join(run_dir, "plan.db")
        with PlanStore.open(plan, readonly=True) as store, subset.Chosen(chosen) as paths:
            for failed in failures(store, ()):
                paths.add(failed.path)
            paths.add_twins(index)
            totals = subset.write(index, paths, chosen, all_known=False)
    except IngestError as error:
        raise IngestError(
            f"retry_failed: {error}; what came after the scan needs another run, without it"
        ) from error
    finally:
        index.close()
    return Choice(chosen, {"items": FAILED, "entries": totals.entries}, [])


def _shown(value: Any) -> bytes:
    return to_bytes(str(value))


def _of_difference(old: str, folder: str, chosen: str, changes: str, run_dir: str) -> Choice:
    earlier = old if root_of(old) else find(old)
    if os.path.realpath(earlier) == os.path.realpath(folder):
        raise IngestError(f"diff: {old} is this run's own index: name an earlier one")
    _ended_well(earlier)
    counts = empty_counts()
    index = Index(folder)
    try:
        # Nothing is followed: the destination has what was moved under its old path only.
        options = Options(earlier, folder, _FIELDS, moves=False, temporary=run_dir)
        with Difference(options) as found, subset.Chosen(chosen) as paths:
            with written(changes, binary=True) as stream:
                for change in found.changes():
                    add(counts, change)
                    stream.write(json_line(change))
                    if change.change in (ADDED, CHANGED):
                        paths.add(change.path)
            subset.write(index, paths, chosen, all_known=True)
            warnings = list(found.warnings)
    finally:
        index.close()
    if any(counts[REMOVED].values()):
        warnings.append(_removed(counts, old))
    noted = {"items": DIFF, "diff": earlier, "counts": {k: counts[k] for k in _TOLD}}
    return Choice(chosen, noted, warnings)


_TOLD = (ADDED, CHANGED, REMOVED)


def _removed(counts: Counts, old: str) -> str:
    sums = counts[REMOVED]
    entries = sum(sums[name] for name in ("files", "links", "others"))
    return (
        f"since the index {old} {entries} entries and {sums['directories']} directories are gone "
        f"from the source: they stay at the destination, and are listed in {CHANGES}"
    )


def _ended_well(index: str) -> None:
    """What a run failed to copy does not differ between two scans."""
    folder, name = os.path.split(os.path.realpath(index))
    plan = os.path.join(folder, "plan.db")
    if name != "index" or not os.path.isfile(plan):
        return
    store = PlanStore.open(plan, readonly=True)
    try:
        if store.meta().get("check"):
            raise IngestError(f"diff: the run in {folder} was a check only and copied nothing")
        if (store.meta().get("chosen") or {}).get("items") == QUERY:
            raise IngestError(
                f"diff: the run in {folder} copied only what its query named: name another index"
            )
        failed = next(failures(store, ()), None)
        if not is_done(store) or failed is not None:
            why = "is not done" if failed is None else f"failed for '{display(failed.path)}'"
            raise IngestError(
                f"diff: the run in {folder} {why}: what it did not copy would be left out; run it "
                "again, or ingest everything"
            )
    finally:
        store.close()
