# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: an index, split over hosts into shards of bounded size, in plan.db."""

from __future__ import annotations

import heapq
import math
import secrets
import sqlite3
import stat
import time
from typing import Any, Callable, Collection, Iterable, Iterator, NamedTuple, Sequence

from ..core.changes import COMPARED, CONTENTS, EQUAL, LINKS, MADE
from ..core.errors import IngestError
from ..core.paths import display, join, split
from ..core.vocabulary import EXTRA, PRESERVE, SPLITS, HostState, Kind, Phase, ShardState
from ..core.want import as_seen
from ..index.items import items
from ..index.reader import Index
from ..index.rows import Directory, Entry
from . import shards
from .cost import FILE_COST, cost_of
from .needs import add_gate, add_needs
from .queries import number_of_shards, shares
from .store import PlanStore

SHARDS_PER_HOST = 64
BUFFERED_ROWS = 400_000
# Ranges of a file that holds next to nothing; its size says nothing about the work.
SPARSE_RANGES = 64
# Large files are planned in groups of about so many ranges for each host: those of a group are
# prepared, filled and finished without regard to the others.
GROUP_RANGES = 64
LEADERS = 64  # shards that one of links waits for, at most
_LARGE = (Kind.PREPARE, Kind.RANGE, Kind.FINISH)


class Limits(NamedTuple):
    """Bounds of a shard, and where a file is cut into ranges (bytes; 0: never)."""

    items: int = 2000
    bytes: int = 4 << 30
    range_threshold: int = 64 << 20
    range_size: int = 16 << 20

    def fitting(self, preserve: Collection[str]) -> Limits:
        """Those for what is to be preserved."""
        if "times" in preserve:
            return self
        # Only its time tells whether all ranges of a file have arrived.
        return self._replace(range_threshold=0)


class Portion(NamedTuple):
    """What of an index is planned, where that is not done at once (see :mod:`.growing`): from the
    item of this number on the entries for which ``only`` holds (SQL), the empty directories for
    which ``empty`` does, and, if asked for, the metadata of directories, of which some are
    ``touched`` already. ``whole``: the index is of all that there is to do."""

    first: int = 0
    only: str = "1"
    empty: Callable[[Entry], bool] | None = None
    directories: bool = True
    touched: Iterable[int] = ()
    whole: bool = True


class Plan(NamedTuple):
    """What was planned. ``right`` is what was there already and is left out."""

    items: int
    files: int
    directories: int
    bytes: int
    right: dict[str, int]
    shards: int
    hosts: dict[str, dict[str, float]]


def range_length(size: int, allocated: int, wanted: int) -> int:
    """How long the ranges of a file are, all in bytes: as ``wanted``, but longer where there is
    little in them. What is sparse is cut into as many as its data would be, or a few."""
    most = max(-(-allocated // wanted), SPARSE_RANGES)
    return wanted * -(-size // (wanted * most))


def _turn(kind: str, amount: float) -> int:
    """When a shard's turn is among those of a host and a phase: ranges of large files come first,
    then what costs most, by powers of two."""
    if kind == Kind.RANGE:
        return 0
    return max(1, 40 - int(math.log2(max(1.0, amount / FILE_COST))))


class _Shard:
    """The shard of one host and one kind that is being filled."""

    def __init__(self, number: int, phase: Phase, kind: str, host: str | None) -> None:
        self.id, self.phase, self.kind, self.host = number, phase, kind, host
        self.needs: set[int] = set()  # shards, and gates below 0
        self.lines: list[bytes] = []
        self.rows: list[str] = []
        self.directory = b""
        self.row_bytes = 0
        self.count = self.files = self.bytes = 0
        self.cost = 0.0
        self.first = self.last = b""

    def add(
        self, directory: bytes, name: bytes, text: str, size: int, amount: float, file: bool
    ) -> None:
        if self.rows and (
            directory != self.directory
            or len(self.rows) >= shards.LINE_ROWS
            or self.row_bytes + size > shards.LINE_BYTES
        ):
            self.end_line()
        self.directory = directory
        self.rows.append(text)
        self.row_bytes += size
        self.last = join(directory, name) if name else directory
        if not self.count:
            self.first = self.last
        self.count += 1
        self.files += file
        self.bytes += size
        self.cost += amount

    def end_line(self) -> None:
        if self.rows:
            self.lines.append(shards.line(self.directory, self.rows, self.row_bytes))
        self.rows, self.row_bytes = [], 0


class Planner:
    """Writes one plan.db."""

    def __init__(
        self, store: PlanStore, hosts: Sequence[str], how: str, limits: Limits, mounts: int
    ) -> None:
        self._store = store
        self._db = store.db
        self._hosts = list(hosts)
        self._how = how
        # All hosts' open shards are in memory at once.
        self._limits = limits._replace(
            items=max(1, min(limits.items, BUFFERED_ROWS // len(self._hosts)))
        )
        self._mounts = max(1, mounts)
        self._open: dict[tuple[int, str, str | None], _Shard] = {}
        self._cost_limit = float("inf")
        self._sequence = 0
        self._number = 0  # of the last shard
        self._gate = -2  # before the ranges of the group of large files; the next one behind them
        self._group = dict.fromkeys(_LARGE, 0)  # shards of it
        self._group_ranges = 0
        self._mark = secrets.randbits(63)
        self._scanned = 0.0  # when the scan began, epoch s
        self._touched = 0  # the directory in which something was planned last
        self.items = self.files = self.bytes = self.directories = 0

    def run(
        self,
        index: Index,
        min_depth: int | None,
        max_depth: int | None,
        links: bool,
        verify: str,
        leave_out: bool,
        verify_all: bool = False,
        portion: Portion = Portion(),
    ) -> None:
        """Plan everything that the index has (or a ``portion`` of it), or, with ``leave_out``, what
        of it the scan did not find to be right at the destination; with ``verify_all``, or
        ``verify`` "checksum", all of it is checked."""
        self._leave_out = leave_out
        self._links = links
        self._keep = leave_out and (verify == "checksum" or (verify_all and verify != "none"))
        totals = index.totals()
        self._scanned = float(index.meta()["started"])
        if self._how != "round_robin" and portion.whole:
            whole = cost_of(totals.entries, totals.bytes)
            self._cost_limit = max(whole / (SHARDS_PER_HOST * len(self._hosts)), FILE_COST)
        db = self._db
        db.execute("BEGIN")
        db.execute("PRAGMA temp_store=FILE")
        db.execute(
            "CREATE TEMP TABLE leaders(device INTEGER, inode INTEGER, path BLOB, "
            "there TEXT, shard INTEGER, PRIMARY KEY(device, inode)) WITHOUT ROWID"
        )
        db.execute("CREATE TEMP TABLE touched(directory INTEGER PRIMARY KEY)")
        self._touch(portion.touched)
        self._sequence = portion.first
        last, planned = -1, portion.first
        different = leave_out and not self._keep
        for number, directory, entry in items(index, min_depth, max_depth, different, portion.only):
            if portion.empty and entry.type == "d" and not portion.empty(entry):
                continue
            if links and entry.nlink > 1 and entry.type != "d":
                leader, right = self._leader(index, directory, entry)
            else:
                leader, right = None, entry.state == EQUAL
            if not (leave_out and right):
                planned += number != last
                last = number
                self._entry(planned - 1, directory, entry, leader)
            elif self._keep:
                self._right(number, directory, entry, leader)
        self.items = planned - portion.first
        self._flush_all()
        if portion.directories:
            if leave_out:
                self._touch(index.parents(f"state=0 OR state & {MADE}"))
            self._plan_directories(index.directories())
            self._flush_all()
        else:
            db.execute("INSERT INTO touched_before SELECT directory FROM touched")
        if self._how == "balanced":
            self._balance()
        if verify != "none":
            self._plan_verify()
        self._store.count_parts()
        db.execute("COMMIT")
        db.execute("DROP TABLE leaders")
        db.execute("DROP TABLE touched")

    def _leader(self, index: Index, directory: bytes, entry: Entry) -> tuple[bytes | None, bool]:
        """The path that came first for this inode, None if this is it; and whether the destination
        has this name as it is to be: of the same file as the first one, which is right."""
        there = ""
        if self._leave_out and entry.state == COMPARED | LINKS:
            twin = index.twin(entry)
            there = "%d:%d" % twin if twin else ""
        key = (entry.device, entry.inode)
        found = self._db.execute(
            "SELECT path, there FROM leaders WHERE device=? AND inode=?", key
        ).fetchone()
        if found:
            return bytes(found[0]), bool(there) and there == found[1]
        path = join(directory, entry.name)
        self._db.execute("INSERT INTO leaders VALUES (?, ?, ?, ?, NULL)", (*key, path, there))
        return None, bool(there)

    def _touch(self, directories: Iterable[int]) -> None:
        """Note that something is made in these directories, which changes their times."""
        self._db.executemany(
            "INSERT OR IGNORE INTO touched VALUES (?)", ((number,) for number in directories)
        )

    def _right(self, number: int, directory: bytes, entry: Entry, leader: bytes | None) -> None:
        """Have an entry read back that needs nothing else."""
        if leader is not None:
            kind, text = Kind.LINK, shards.LinkRow.text(entry.name, entry, leader)
        else:
            kind, text = Kind.COPY, shards.CopyRow.text(entry.name, entry)
        size = entry.size if entry.type == "f" and leader is None else 0
        self._add(Phase.RIGHT, kind, self._host(number), directory, entry, text, size)

    def _entry(self, number: int, directory: bytes, entry: Entry, leader: bytes | None) -> None:
        host = self._host(number)
        self.files += entry.type != "d"
        size = entry.size if entry.type == "f" else 0
        if self._leave_out:
            if entry.directory != self._touched:
                self._touched = entry.directory
                self._touch([entry.directory])
            if entry.state and not entry.state & CONTENTS:
                size = 0  # only its metadata is to be set right
        if leader is not None:
            row = shards.LinkRow.text(entry.name, entry, leader)
            self._add(Phase.LINKS, Kind.LINK, host, directory, entry, row, 0, self._needed(entry))
            return
        shard = self._file(number, host, directory, entry, size)
        if self._links and entry.nlink > 1 and entry.type != "d":
            self._db.execute(
                "UPDATE leaders SET shard=? WHERE device=? AND inode=?",
                (shard.id, entry.device, entry.inode),
            )

    def _needed(self, entry: Entry) -> int | None:
        """The shard that brings the first name of a file; None if it is there already."""
        query = "SELECT shard FROM leaders WHERE device=? AND inode=?"
        needed: int | None = self._db.execute(query, (entry.device, entry.inode)).fetchone()[0]
        return needed

    def _file(
        self, number: int, host: str | None, directory: bytes, entry: Entry, size: int
    ) -> _Shard:
        """Plan what brings an entry's contents; the shard that completes it."""
        self.bytes += size
        limits = self._limits
        if limits.range_threshold and size > limits.range_threshold:
            plain = shards.FinishRow.text(entry.name, entry, self._mark)
            # Quickly done, and everybody waits for it: by whoever comes first.
            self._add(Phase.PREPARE, Kind.PREPARE, None, directory, entry, plain, 0)
            step = range_length(size, entry.blocks * 512, limits.range_size)
            for part, offset in enumerate(range(0, size, step)):
                length = min(step, size - offset)
                text = shards.RangeRow.text(entry.name, entry, offset, length, self._mark)
                where = self._host(number + part)
                self._add(Phase.DATA, Kind.RANGE, where, directory, entry, text, length)
                self._group_ranges += 1
            shard = self._add(Phase.FINISH, Kind.FINISH, host, directory, entry, plain, 0)
            if self._group_ranges >= GROUP_RANGES * len(self._hosts):
                self._end_group()
            return shard
        text = shards.CopyRow.text(entry.name, entry)
        return self._add(Phase.DATA, Kind.COPY, host, directory, entry, text, size)

    def _end_group(self) -> None:
        """The large files so far are a group: its ranges wait until all its files are made, their
        ends until all its ranges are there."""
        for key in [key for key in self._open if key[1] in _LARGE]:
            self._flush(self._open.pop(key))
        if self._group_ranges:
            add_gate(self._db, self._gate, self._group[Kind.PREPARE])
            add_gate(self._db, self._gate + 1, self._group[Kind.RANGE])
            self._gate -= 2
        self._group = dict.fromkeys(_LARGE, 0)
        self._group_ranges = 0

    def _host(self, number: int) -> str | None:
        return self._hosts[number % len(self._hosts)] if self._how == "round_robin" else None

    def _add(
        self,
        phase: Phase,
        kind: str,
        host: str | None,
        directory: bytes,
        entry: Entry,
        text: str,
        size: int,
        needed: int | None = None,
    ) -> _Shard:
        key = (phase, kind, host)
        shard = self._open.get(key)
        amount = cost_of(1, size)
        if shard is not None and (
            shard.count >= self._limits.items
            or shard.bytes + size > self._limits.bytes
            or shard.cost + amount > self._cost_limit
            or (len(shard.needs) >= LEADERS and needed not in shard.needs)
        ):
            self._flush(shard)
            shard = None
        if shard is None:
            shard = self._open[key] = self._new(phase, kind, host)
        if needed is not None:
            shard.needs.add(needed)
        # A large file counts as one when it is finished; its ranges carry the bytes.
        file = entry.type != "d" and kind not in (Kind.PREPARE, Kind.RANGE)
        shard.add(directory, entry.name, text, size, amount, file)
        return shard

    def _new(self, phase: Phase, kind: str, host: str | None) -> _Shard:
        self._number += 1
        shard = _Shard(self._number, phase, kind, host)
        if kind in _LARGE:
            self._group[kind] += 1
        if kind == Kind.RANGE:
            shard.needs.add(self._gate)
        elif kind == Kind.FINISH:
            shard.needs.add(self._gate + 1)
        return shard

    def _flush_all(self) -> None:
        self._end_group()
        for shard in self._open.values():
            self._flush(shard)
        self._open.clear()

    def _flush(self, shard: _Shard) -> None:
        shard.end_line()
        state = ShardState.WAITING if shard.needs else ShardState.PENDING
        self._db.execute(
            "INSERT INTO shards(id, phase, kind, host, mount, items, files, bytes, cost, state, "
            "waits, turn, first, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                shard.id,
                shard.phase,
                shard.kind,
                shard.host,
                self._sequence % self._mounts,
                shard.count,
                shard.files,
                shard.bytes,
                shard.cost,
                ShardState.DONE if shard.phase == Phase.RIGHT else state,
                len(shard.needs),
                _turn(shard.kind, shard.cost),
                display(shard.first),
                display(shard.last),
            ),
        )
        add_needs(self._db, shard.id, shard.needs)
        if shard.kind == Kind.PREPARE:
            add_needs(self._db, self._gate, [shard.id])
        elif shard.kind == Kind.RANGE:
            add_needs(self._db, self._gate + 1, [shard.id])
        self._db.execute("INSERT INTO payloads VALUES (?, ?)", (shard.id, shards.pack(shard.lines)))
        self._sequence += 1

    # -- directories ---------------------------------------------------------------------------

    def _plan_directories(self, directories: Iterator[Directory]) -> None:
        """Metadata of directories; the deepest get theirs first. Of those that were right only what
        something is made in, as that changes their times, or what had to be opened up for it."""
        chunk: list[Directory] = []
        closed: list[Directory] = []
        right: list[Directory] = []
        for directory in directories:
            if self._leave_out and directory.state == EQUAL and not self._is_touched(directory):
                if self._keep:
                    right.append(directory)
                    if len(right) >= self._limits.items:
                        self._directories(Phase.RIGHT, right)
                        right = []
                continue
            self.directories += 1
            # Whoever may not search a directory can't reach below it: these come at the very end.
            (chunk if directory.mode & stat.S_IXUSR else closed).append(directory)
            if len(chunk) >= self._limits.items:
                self._directories(Phase.DIRECTORIES, chunk)
                chunk = []
        self._directories(Phase.DIRECTORIES, chunk)
        self._directories(Phase.LAST_DIRECTORIES, closed)
        self._directories(Phase.RIGHT, right)

    def _is_touched(self, directory: Directory) -> bool:
        if not directory.mode & stat.S_IXUSR:
            return True
        query = "SELECT 1 FROM touched WHERE directory=?"
        return self._db.execute(query, (directory.id,)).fetchone() is not None

    def _directories(self, phase: Phase, chunk: list[Directory]) -> None:
        if not chunk:
            return
        host = self._host(0) if phase == Phase.LAST_DIRECTORIES else self._host(self._sequence)
        shard = self._new(phase, Kind.DIRECTORIES, host)
        for found in reversed(chunk):
            parent, name = split(found.path)
            seen = as_seen(found.ctime, self._scanned)
            text = shards.DirectoryRow.text(name, found, seen, found.names)
            shard.add(parent, name, text, 0, FILE_COST, False)
        self._flush(shard)

    # -- balance and verify ----------------------------------------------------------------------

    def _balance(self) -> None:
        """Largest first, each to the host with the least so far (LPT, Graham 1969)."""
        for phase in range(Phase.DATA, Phase.CHECK):
            heap = [(0.0, number, host) for number, host in enumerate(self._hosts)]
            shards = self._db.execute(
                "SELECT id, cost FROM shards WHERE phase=? ORDER BY cost DESC, id", (phase,)
            ).fetchall()
            for shard, cost in shards:
                load, number, host = heap[0]
                heapq.heapreplace(heap, (load + cost, number, host))
                self._db.execute("UPDATE shards SET host=? WHERE id=?", (host, shard))

    def _plan_verify(self) -> None:
        """Each shard is checked by the next host, over the next mount."""
        following = dict(zip(self._hosts, self._hosts[1:] + self._hosts[:1]))
        for shard, kind, state, host, mount in self._db.execute(
            "SELECT id, kind, state, host, mount FROM shards WHERE kind NOT IN (?, ?)",
            (Kind.PREPARE, Kind.RANGE),
        ).fetchall():
            waits = state != ShardState.DONE
            self._db.execute(
                "INSERT INTO shards(phase, kind, host, mount, items, files, bytes, cost, turn, "
                "state, waits, first, last, of) SELECT ?, ?, ?, ?, items, files, bytes, cost, "
                "turn, ?, ?, first, last, id FROM shards WHERE id=?",
                (
                    Phase.CHECK_DIRECTORIES if kind == Kind.DIRECTORIES else Phase.CHECK,
                    Kind.VERIFY,
                    following.get(host),
                    (mount + 1) % self._mounts,
                    ShardState.WAITING if waits else ShardState.PENDING,
                    int(waits),
                    shard,
                ),
            )


def _holds_for(
    compared: dict[str, Any] | None, destinations: Collection[str], preserve: Collection[str]
) -> bool:
    """Whether what a scan compared is what this plan is for."""
    return (
        compared is not None
        and compared["destination"] in destinations
        and set(preserve) <= set(compared["preserve"])
    )


def check(hosts: Sequence[str], split: str, verify: str, extra: str) -> None:
    """Raises IngestError: there can be no such plan."""
    if not hosts:
        raise IngestError("there is no host to plan for: the group 'ingestors' is empty")
    if len(set(hosts)) != len(hosts):
        raise IngestError(f"hosts: a host is named twice: {', '.join(hosts)}")
    if split not in SPLITS:
        raise IngestError(f"split: '{split}' is not one of {', '.join(SPLITS)}")
    if extra == "fail" and verify == "none":
        raise IngestError("extra: 'fail' needs the second pass, and verify is 'none'")


# What a client must know to tell what the scan takes of a directory.
SELECTION = ("include", "exclude", "globs", "one_file_system")


def plan(
    index_folder: str,
    plan_path: str,
    hosts: Sequence[str],
    split: str = "round_robin",
    min_depth: int | None = None,
    max_depth: int | None = None,
    limits: Limits = Limits(),
    mounts: int = 1,
    preserve: Sequence[str] = PRESERVE,
    verify: str = "metadata",
    verify_all: bool = False,
    extra: str = EXTRA[0],
    leave_out: bool = True,
    network: bool = False,
    **meta: Any,
) -> Plan:
    """Plan an index over ``hosts`` (in their order) into a new plan.db.

    ``round_robin`` gives host i of N the items i, i+N, …, as ``sed -n i~Np`` does; ``balanced``
    deals equal shares of the estimated cost, largest first; ``dynamic`` leaves the shards to
    whoever is free. What the scan found to be right at the destination is left out with
    ``leave_out``, if what it compared is what is to be preserved at these destinations.
    ``verify_all``: a second pass of metadata looks at what the copy found right as
    well. ``extra``: ``fail`` makes a run fail whose destination has what its source has not, which
    only a second pass finds. ``network``: plan.db is on a network file system. ``meta`` goes to its
    meta table.

    Raises:
        IngestError: no hosts, an unknown split, an unreadable index, a plan that can't be written.
    """
    check(hosts, split, verify, extra)
    limits = limits.fitting(preserve)
    begun = time.monotonic()
    index = Index(index_folder)
    store = PlanStore.create(plan_path + ".part")
    try:
        planner = Planner(store, hosts, split, limits, mounts)
        leave_out = leave_out and _holds_for(
            index.meta().get("compared"), meta.get("destinations", ()), preserve
        )
        links = "links" in preserve
        planner.run(index, min_depth, max_depth, links, verify, leave_out, verify_all)
        totals = index.totals()
        right = {
            "files": totals.entries - planner.files,
            "directories": totals.directories - planner.directories,
            "bytes": totals.bytes - planner.bytes,
        }
        store.db.executemany(
            "INSERT INTO hosts(name, number, state) VALUES (?, ?, ?)",
            [(name, number, HostState.PLANNED) for number, name in enumerate(hosts)],
        )
        store.set_meta(
            split=split,
            verify=verify,
            verify_all=verify_all,
            extra=extra,
            items=planner.items,
            files=planner.files,
            directories=planner.directories,
            bytes=planner.bytes,
            compared=leave_out,
            right=right,
            hosts=list(hosts),
            selection={name: index.meta().get(name) for name in SELECTION},
            plan_seconds=round(time.monotonic() - begun, 3),
            **meta,
        )
        made = Plan(
            planner.items,
            planner.files,
            planner.directories,
            planner.bytes,
            right,
            number_of_shards(store),
            {host: share._asdict() for host, share in shares(store).items()},
        )
        store.publish(plan_path, network)
        return made
    except (OSError, sqlite3.Error) as error:
        raise IngestError(f"the plan {plan_path} can't be written: {error}") from error
    finally:
        index.close()
        if store.path != plan_path:
            store.discard()
