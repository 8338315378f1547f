# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SQLite says of a query, as a sentence with a mark under the place."""

from __future__ import annotations

import re
import sqlite3

from .functions import NAMES
from .mistake import Mistake, hint
from .query import Query


def refused(query: Query, db: sqlite3.Connection, error: Exception) -> Mistake:
    """The mistake that SQLite found when it read the query on this connection."""
    said = str(error)
    for pattern, answer in _ANSWERS:
        match = re.fullmatch(pattern, said, re.DOTALL)
        if match:
            return answer(query, db, *match.groups())
    if any(word in said for word in ("not authorized", "prohibited", "cannot modify", "unsafe")):
        return Mistake(f"an index is only read: {said}", query.text, 0)
    return Mistake(f"SQLite refuses the query: {said}", query.text, _place(query, said))


def _syntax(query: Query, db: sqlite3.Connection, near: str) -> Mistake:
    """The first word that SQLite stops at: of all that read the same, the one up to which a
    beginning of the query is wrong already."""
    for number, token in enumerate(query.tokens[:-1]):
        if near.lower() not in (token.text.lower(), query.out[number].lower()):
            continue
        try:
            db.execute("EXPLAIN " + query.sql(0, number + 1))
        except (sqlite3.Error, sqlite3.Warning) as error:
            if str(error).startswith(f'near "{near}"'):
                return Mistake(f"'{token.text}' can't stand here", query.text, token.at)
    return Mistake(f"this is no SQL near '{near}'", query.text, _place(query, near))


def _unfinished(query: Query, db: sqlite3.Connection) -> Mistake:
    return Mistake("the query ends too early", query.text, len(query.text.rstrip("; \n\t")))


def _no_column(query: Query, db: sqlite3.Connection, name: str) -> Mistake:
    known = {
        column
        for core in query.cores
        for table in core.tables
        for column in query.relations[table.relation].columns
    }
    last = name.rpartition(".")[2]
    return Mistake(
        f"there is no column '{name}' here" + hint(last, known), query.text, _place(query, name)
    )


def _no_function(query: Query, db: sqlite3.Connection, name: str) -> Mistake:
    return Mistake(
        f"there is no function {name}()" + hint(name, NAMES), query.text, _place(query, name)
    )


def _arguments(query: Query, db: sqlite3.Connection, name: str) -> Mistake:
    name = name.replace("ingest_", "")
    return Mistake(f"{name}() does not take that many values", query.text, _place(query, name))


def _aggregate(query: Query, db: sqlite3.Connection, name: str) -> Mistake:
    return Mistake(f"{name}() adds up rows, and can't stand here", query.text, _place(query, name))


def _ambiguous(query: Query, db: sqlite3.Connection, name: str) -> Mistake:
    return Mistake(
        f"'{name}' is a column of several tables here: say whose", query.text, _place(query, name)
    )


def _place(query: Query, words: str) -> int:
    """Where in the query a name from SQLite's message stands."""
    wanted = [word.strip('"`[]').lower() for word in words.split(".")]
    for number in range(len(query.tokens)):
        row = [token.word for token in query.tokens[number : number + 2 * len(wanted) - 1 : 2]]
        if row == wanted:
            return query.tokens[number].at
    return 0


_ANSWERS = (
    (r'near "(.*)": syntax error', _syntax),
    (r"incomplete input", _unfinished),
    (r"no such column: (.*)", _no_column),
    (r"no such function: (.*)", _no_function),
    (r"wrong number of arguments to function (.*)\(\)", _arguments),
    (r"misuse of aggregate:? (?:function )?(.*)\(\)", _aggregate),
    (r"ambiguous column name: (.*)", _ambiguous),
)
