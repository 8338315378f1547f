# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks all parts of an index at once, and makes one answer of theirs."""

from __future__ import annotations

import os
import queue
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import nullcontext
from typing import Any, Callable, Iterator, List, NamedTuple, Tuple

from ..core.errors import IngestError
from .compile import Sql, inlined
from .functions import register
from .guard import Limits, Watch, only_reads
from .hints import condition_of
from .query import Query
from .refusal import refused
from .source import Source
from .split import HERE, OUT, Ask, Plan, plan

BATCH = 4_096  # rows that are handed on at once
_LITTLE = 16 << 20  # bytes
_FAST = 20e-6  # s for a row
_WAITING = 8  # batches of each thread that nobody has taken yet
Row = Tuple[Any, ...]
Rows = Iterator[List[Row]]


class Answer(NamedTuple):
    """The columns' names, and the rows in batches: numbers, None, and bytes for any text. Whoever
    takes no more of them closes ``rows``."""

    columns: list[str]
    rows: Rows


class Explained(NamedTuple):
    """What would be asked of the first part, what of the answers (or empty), and the database's own
    plans of both."""

    asked: list[str]
    final: str
    plans: list[str]


def ask(source: Source, text: str, limits: Limits, now: float | None = None) -> Answer:
    """The answer to an SQL query.

    Raises:
        Mistake: the query is wrong; so do the rows, which may raise IngestError, too: a part is
            damaged, the time is up, there is no memory or no room for what is between.
    """
    query, found = _read(source, text, now)
    watch = Watch(limits.seconds)
    if not found.final:
        question = found.asks[0]
        asked = [(part, _statement(source, query, question, part)) for part in source.parts]
        rows = _few(_stream(source, asked, limits, watch), found.limit, found.offset)
        columns = query.names()
        return Answer(columns, _few(rows, limits.rows) if limits.rows else rows)
    columns, rows = _gathered(source, query, found, limits, watch)
    return Answer(columns, _few(rows, limits.rows) if limits.rows else rows)


def statements(source: Source, asked: list[tuple[str, Sql]], limits: Limits) -> Rows:
    """The rows of our own statements, each asked of its part: in batches, in no order."""
    return _few(_stream(source, asked, limits, Watch(limits.seconds)), limits.rows or 1 << 62)


def explain(source: Source, text: str, now: float | None = None) -> Explained:
    """How a query would be answered. Raises as :func:`ask` does."""
    query, found = _read(source, text, now)
    part = source.parts[0]
    asked = [_statement(source, query, question, part) for question in found.asks]
    plans = explained(source, [(part, statement) for statement in asked])
    if found.final:
        db = sqlite3.connect(":memory:")
        try:
            register(db)
            for question in found.asks:
                db.execute(question.create("main"))
            plans += [str(row[3]) for row in db.execute("EXPLAIN QUERY PLAN " + found.final)]
        finally:
            db.close()
    return Explained([inlined(each) for each in asked], found.final, plans)


def explained(source: Source, asked: list[tuple[str, Sql]]) -> list[str]:
    """The database's own plans of statements, each asked of its part."""
    plans = []
    for part, statement in asked:
        db = _opened(source, part)
        try:
            query = "EXPLAIN QUERY PLAN " + statement.text
            plans += [str(row[3]) for row in db.execute(query, statement.parameters)]
        finally:
            db.close()
    return plans


def _read(source: Source, text: str, now: float | None) -> tuple[Query, Plan]:
    at = time.time() if now is None else now
    query = Query(text, source.relations, source.root, int(at))
    db = _opened(source, source.parts[0])
    try:
        only_reads(db)
        db.execute("EXPLAIN " + query.sql())
    except (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError) as error:
        if _is_damage(error):
            raise IngestError(f"{source.parts[0]} is damaged: scan again") from error
        raise refused(query, db, error) from error
    finally:
        db.close()
    return query, plan(query)


def _opened(source: Source, part: str) -> sqlite3.Connection:
    db = source.open(part)
    db.isolation_level = None
    db.execute("PRAGMA trusted_schema=OFF")  # its views call none but SQLite's harmless functions
    db.execute("PRAGMA automatic_index=OFF")  # joins here have their order
    register(db)
    return db


def _statement(source: Source, query: Query, question: Ask, part: str) -> Sql:
    """What a part is asked, without the directories in which nothing can match."""
    relation = question.relation
    seen = condition_of(query)
    if seen and seen.exact and question.counts and relation in ("entries", "pentries"):
        counted = source.counted(part, seen.condition, 0)
        if counted:
            return Sql(f"SELECT sum(entries) FROM ({counted.text})", counted.parameters)
    used = query.columns_used(relation)
    reading = source.reading(relation, part, used, seen.condition if seen else None)
    place = f"({reading})" if reading else relation
    return Sql(question.statement.replace(HERE, place))


# -- many threads ----------------------------------------------------------------------------------


class _Crew:
    """Threads that each do some of the parts, and what became of them."""

    def __init__(self, parts: list[Any], count: int, watch: Watch) -> None:
        self._todo = list(reversed(parts))
        self.count = max(1, min(count, len(parts)))  # threads
        self._watch = watch
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.failed: list[BaseException] = []

    def start(self, act: Callable[[int, Iterator[Any]], None]) -> None:
        """Each thread calls ``act`` with its number and the parts that it gets."""
        for number in range(self.count):
            thread = threading.Thread(target=self._guarded, args=(act, number), daemon=True)
            thread.start()
            self._threads.append(thread)

    def run(self, act: Callable[[int, Iterator[Any]], None]) -> None:
        """Start them, and wait for the end. Raises what one of them raised."""
        if self.count == 1:
            self._guarded(act, 0)
        else:
            self.start(act)
            self.join()
        self.check()

    def join(self) -> None:
        """Wait for the end; signals are seen meanwhile."""
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.5)

    def check(self) -> None:
        """Raise what one of them raised."""
        if self.failed:
            raise self.failed[0]

    def _guarded(self, act: Callable[[int, Iterator[Any]], None], number: int) -> None:
        try:
            act(number, self._mine())
        except BaseException as error:
            self.failed.append(error)
            self._watch.stopped = True

    def _mine(self) -> Iterator[Any]:
        while not self._watch.stopped:
            with self._lock:
                if not self._todo:
                    return
                part = self._todo.pop()
            yield part


def _threads(source: Source, limits: Limits) -> int:
    """How many ask at once: of little data one is done before others have started."""
    if len(source.parts) <= 16 and sum(map(os.path.getsize, source.parts)) < _LITTLE:
        return 1
    return limits.threads


def _stream(source: Source, asked: list[tuple[str, Sql]], limits: Limits, watch: Watch) -> Rows:
    """The parts' rows, as they come."""
    crew = _Crew(asked, _threads(source, limits), watch)
    if crew.count == 1:
        for part, statement in asked:
            yield from _rows(source, part, statement, watch)
        return
    turn = threading.Lock()
    waiting: queue.Queue[list[Row] | None] = queue.Queue(_WAITING * crew.count)

    def put(batch: list[Row] | None) -> None:
        while not watch.stopped:
            try:
                waiting.put(batch, timeout=0.2)
                return
            except queue.Full:
                continue

    def act(number: int, parts: Iterator[tuple[str, Sql]]) -> None:
        try:
            for part, statement in parts:
                for batch in _rows(source, part, statement, watch, turn):
                    put(batch)
        finally:
            put(None)

    crew.start(act)
    try:
        left = crew.count
        while left and not crew.failed:
            try:
                batch = waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            left -= batch is None
            if batch is not None:
                yield batch
        crew.check()
    finally:
        watch.stopped = True
        crew.join()


def _rows(
    source: Source, part: str, statement: Sql, watch: Watch, turn: threading.Lock | None = None
) -> Rows:
    """One part's rows. Where they come so fast that Python takes more time than SQLite, threads
    only wait for each other: then those who share a ``turn`` take turns."""
    db = _opened(source, part)
    try:
        db.text_factory = bytes
        only_reads(db)
        watch.over(db)
        with _said(watch, part):
            cursor = db.execute(statement.text, statement.parameters)
        fast = False
        while True:
            begun = time.perf_counter()
            with _said(watch, part), turn if turn and fast else nullcontext():
                batch = cursor.fetchmany(BATCH)
            if not batch:
                return
            fast = time.perf_counter() - begun < len(batch) * _FAST
            yield batch
    finally:
        db.close()


def _is_damage(error: BaseException) -> bool:
    """Whether SQLite found a file damaged. What it says may quote text that is none."""
    if isinstance(error, UnicodeDecodeError):
        return True
    return error.__class__ is sqlite3.DatabaseError and "authorized" not in str(error)


class _said:
    """What SQLite says in the block is said as one sentence; ``part``: what was asked."""

    def __init__(self, watch: Watch, part: str) -> None:
        self._watch, self._part = watch, part

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, MemoryError):
            raise IngestError("the query needs more memory than it may have") from error
        if error is not None and _is_damage(error):
            raise IngestError(f"{self._part} is damaged: scan again") from error
        if not isinstance(error, sqlite3.Error):
            return
        said = str(error)
        if said == "interrupted":
            if self._watch.late:
                raise IngestError(self._watch.sentence()) from error
            # SQLite keeps what a signal's handler raises to itself.
            raise KeyboardInterrupt from error
        if "disk is full" in said:
            folder = tempfile.gettempdir()
            raise IngestError(f"there is no room for the query in {folder}: {said}") from error
        raise IngestError(f"the query can't be answered: {said}") from error


def _few(rows: Rows, limit: int, offset: int = 0) -> Rows:
    """The first ``limit`` rows after ``offset`` ones."""
    try:
        if limit <= 0:
            return
        for batch in rows:
            if offset:
                left_out = min(offset, len(batch))
                offset -= left_out
                batch = batch[left_out:]
            if len(batch) >= limit:
                yield batch[:limit]
                return
            limit -= len(batch)
            if batch:
                yield batch
    finally:
        close = getattr(rows, "close", None)
        if close:
            close()


# -- answers that are put together -----------------------------------------------------------------


def _gathered(
    source: Source, query: Query, found: Plan, limits: Limits, watch: Watch
) -> tuple[list[str], Rows]:
    """The answer of ``found.final``: its columns, and its rows."""
    folder = tempfile.mkdtemp(prefix="ingest-find-")
    try:
        db = _collected(source, query, found, limits, watch, folder)
        try:
            cursor = _final(db, query, found, watch)
        except BaseException:
            db.close()
            raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    names = query.names() or [str(column[0]) for column in cursor.description]
    return names, _fetched(db, cursor, watch, folder)


def _final(db: sqlite3.Connection, query: Query, found: Plan, watch: Watch) -> sqlite3.Cursor:
    register(db)
    db.text_factory = bytes
    only_reads(db)
    watch.over(db)
    with _said(watch, "what the parts answered"):
        return db.execute(found.final)


def _fetched(db: sqlite3.Connection, cursor: sqlite3.Cursor, watch: Watch, folder: str) -> Rows:
    try:
        while True:
            with _said(watch, "what the parts answered"):
                batch = cursor.fetchmany(BATCH)
            if not batch:
                return
            yield batch
    finally:
        db.close()
        shutil.rmtree(folder, ignore_errors=True)


def _collected(
    source: Source, query: Query, found: Plan, limits: Limits, watch: Watch, folder: str
) -> sqlite3.Connection:
    """A database of our own with all that the parts answered."""
    crew = _Crew(list(source.parts), _threads(source, limits), watch)
    files = [os.path.join(folder, f"{number}.db") for number in range(crew.count)]

    def act(number: int, parts: Iterator[str]) -> None:
        _made(files[number], found)
        for part in parts:
            _answer(source, query, found, part, files[number], watch)

    try:
        crew.run(act)
    except BaseException:
        watch.stopped = True
        crew.join()
        raise
    db = _own(files[0])
    try:
        for other in files[1:]:
            db.execute("ATTACH ? AS other", (other,))
            with _said(watch, other):
                for question in found.asks:
                    table = f'"{question.table}"'
                    db.execute(f"INSERT INTO main.{table} SELECT * FROM other.{table}")
            db.execute("DETACH other")
    except BaseException:
        db.close()
        raise
    return db


def _made(file: str, found: Plan) -> None:
    db = _own(file)
    try:
        for question in found.asks:
            db.execute(question.create("main"))
    finally:
        db.close()


def _own(file: str) -> sqlite3.Connection:
    """A database that nobody else sees, and that need not outlive us."""
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=OFF")
    db.execute("PRAGMA synchronous=OFF")
    return db


def _answer(source: Source, query: Query, found: Plan, part: str, file: str, watch: Watch) -> None:
    """Add a part's answers to a file."""
    db = _opened(source, part)
    try:
        db.execute(f"ATTACH ? AS {OUT}", (file,))
        db.execute(f"PRAGMA {OUT}.journal_mode=OFF")
        db.execute(f"PRAGMA {OUT}.synchronous=OFF")
        only_reads(db, OUT)
        watch.over(db)
        for question in found.asks:
            statement = _statement(source, query, question, part)
            with _said(watch, part):
                insert = f'INSERT INTO {OUT}."{question.table}" {statement.text}'
                db.execute(insert, statement.parameters)
    finally:
        db.close()
