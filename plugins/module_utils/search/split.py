# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a query over all parts of an index is answered: what each part is asked, and what is asked of
the answers.

Three ways, the first that is sound for a query is taken:

- its rows come from one relation, each by itself: the parts' answers, one behind the other;
- it adds up, groups, orders or leaves out what is twice: each part does so for itself, and the
  query, on the parts' answers, does it again: a SUM of sums, a SUM of counts;
- anything else: what it needs of its relations is put together, and asked as it is.
"""

from __future__ import annotations

from typing import NamedTuple

from .query import KEYWORDS, Core, Item, Query, same

OUT = "ingest_out"  # the database that answers are written to
HERE = "\0"  # in a statement, the place of the relation's name
ROWS = "ingest_rows"
_AGGREGATES = ("count", "sum", "total", "min", "max", "avg")
# Functions that give one value for one row. What is not among them may be anything.
_SCALARS = frozenset(
    (
        *("abs", "char", "coalesce", "format", "glob", "hex", "ifnull", "iif", "instr", "length"),
        *("like", "likely", "lower", "ltrim", "max", "min", "nullif", "printf", "quote", "replace"),
        *("round", "rtrim", "sign", "substr", "substring", "trim", "typeof", "unicode", "upper"),
        *("date", "time", "datetime", "julianday", "strftime", "unixepoch", "cast"),
        *("path", "level", "age", "human", "user", "group", "basename", "extension"),
        *("uidtouser", "gidtogroup", "human_readable_size", "modetotxt"),
    )
)
_BEFORE_PARENTHESES = KEYWORDS | {"BY", "LIMIT", "HAVING"}
_MANY = 1 << 62


class Ask(NamedTuple):
    """What each part is asked: a SELECT with HERE where the name of ``relation`` goes, and the
    table that the answers are put into, with the columns' types; ``counts``: it asks for nothing
    but how many rows there are."""

    statement: str
    relation: str
    table: str = ""
    types: tuple[str, ...] = ()
    counts: bool = False

    def create(self, database: str) -> str:
        """The statement that makes the table."""
        columns = ", ".join(self.types)
        return f'CREATE TABLE {database}."{self.table}"({columns})'


class Plan(NamedTuple):
    """``final``: what is asked of the tables of answers; without it, the answers are the result, of
    which ``limit`` rows after the first ``offset`` count."""

    asks: list[Ask]
    final: str
    limit: int = _MANY
    offset: int = 0


class _Whole(Exception):
    """This query can't be split."""


def plan(query: Query) -> Plan:
    """The way in which the query is answered."""
    try:
        core = query.main
        if core is None:
            raise _Whole
        return _Split(query, core).plan()
    except _Whole:
        return _together(query)


def _together(query: Query) -> Plan:
    """All that the query needs of each relation, in one place."""
    asks = []
    for name in sorted({_asked(query, table.at) for core in query.cores for table in core.tables}):
        columns = query.relations[name].columns
        used = query.columns_used(name)
        needed = [column for column in columns if column in used] or list(columns)[:1]
        listed = ", ".join(f'"{column}"' for column in needed)
        types = tuple(f'"{column}" {columns[column]}' for column in needed)
        asks.append(Ask(f"SELECT {listed} FROM {HERE}", name, name, types))
    return Plan(asks, query.sql())


def _asked(query: Query, at: int) -> str:
    """The relation that is read for the name at this place."""
    return query.out[at].partition(" ")[0].strip('"`[]').lower()


class _Split:
    """One SELECT on one relation."""

    def __init__(self, query: Query, core: Core) -> None:
        self._query = query
        self._core = core
        self._relation = query.relations[core.tables[0].relation]
        self._groups: list[tuple[int, int]] = []
        self._partials: list[str] = []
        self._types: list[str] = []
        self._check()

    def _check(self) -> None:
        """Raises _Whole for what this class does not know."""
        for number, token in enumerate(self._query.tokens):
            if token.keyword in ("OVER", "COLLATE", "EXISTS", "VALUES"):
                raise _Whole
            called = number + 1 in self._query.pairs and token.kind == "name"
            if not called or token.keyword in _BEFORE_PARENTHESES:
                continue
            if token.word not in _SCALARS and token.word not in _AGGREGATES:
                raise _Whole
        if "WINDOW" in self._core.clauses:
            raise _Whole

    def plan(self) -> Plan:
        clauses = self._core.clauses
        grouped = "GROUP" in clauses or "HAVING" in clauses
        if grouped or any(self._aggregate(at) for at in range(self._core.start, self._core.end)):
            if self._core.distinct:
                raise _Whole
            return self._summed()
        if self._core.distinct or "ORDER" in clauses:
            return self._ordered()
        limit, offset = self._limits()
        within = f" LIMIT {limit + offset}" if limit < _MANY else ""
        statement = f"SELECT {self._list(self._core.clauses['ITEMS'])} {self._source()}{within}"
        return Plan([self._ask(statement)], "", limit, offset)

    # -- pieces --

    def _list(self, place: tuple[int, int]) -> str:
        return self._query.sql(*place)

    def _source(self) -> str:
        """FROM and WHERE, with HERE for the relation."""
        start, end = self._core.clauses["FROM"]
        at = self._core.tables[0].at
        name, *alias = self._query.out[at].split(" ", 1)
        if not alias and at + 1 >= end:
            alias = [f"AS {self._core.tables[0].qualifier}"]
        said = " ".join([self._query.sql(start, at), HERE, *alias, self._query.sql(at + 1, end)])
        if "WHERE" in self._core.clauses:
            said += " WHERE " + self._columns(*self._core.clauses["WHERE"])
        return "FROM " + said

    def _columns(self, start: int, end: int) -> str:
        """An expression that goes to the parts, where nothing has the names of the result."""
        aliases = {item.alias for item in self._core.items if item.alias}
        aliases -= set(self._relation.columns)
        for token in self._query.tokens[start:end]:
            if token.kind in ("name", "quoted") and token.word in aliases:
                raise _Whole
        return self._query.sql(start, end)

    def _ask(self, statement: str, types: tuple[str, ...] = ()) -> Ask:
        relation = _asked(self._query, self._core.tables[0].at)
        return Ask(statement, relation, ROWS if types else "", types)

    def _limits(self) -> tuple[int, int]:
        """LIMIT and OFFSET, if they are plain numbers."""
        start, end = self._core.clauses.get("LIMIT", (0, 0))
        words = self._query.tokens[start:end]
        if not words:
            return _MANY, 0
        numbers = [token.text for token in words[::2]]
        if len(words) not in (1, 3) or not all(n.isdigit() and len(n) < 16 for n in numbers):
            raise _Whole
        if len(words) == 1:
            return int(numbers[0]), 0
        if words[1].text == ",":
            return int(numbers[1]), int(numbers[0])
        if words[1].keyword != "OFFSET":
            raise _Whole
        return int(numbers[0]), int(numbers[1])

    def _selected(self) -> list[str]:
        """The columns of the result as SQL."""
        found: list[str] = []
        for item in self._core.items:
            if item.star:
                found += item.star
            else:
                found.append(self._query.sql(item.start, item.end))
        return found

    # -- rows in an order, or none of them twice --

    def _ordered(self) -> Plan:
        limit, offset = self._limits()
        columns = self._selected()
        keys: list[str] = []
        order: list[str] = []
        for start, end in self._terms("ORDER"):
            start, end, behind = self._direction(start, end)
            number = self._of_item(start, end, columns)
            if number is None:
                if self._core.distinct:
                    raise _Whole
                keys.append(self._columns(start, end))
                order.append(f"k{len(keys) - 1}{behind}")
            else:
                order.append(f"c{number}{behind}")
        named = [f"{column} AS c{number}" for number, column in enumerate(columns)]
        named += [f"{key} AS k{number}" for number, key in enumerate(keys)]
        names = [name.rpartition(" ")[2] for name in named]
        distinct = "DISTINCT " if self._core.distinct else ""
        tail = f" ORDER BY {', '.join(order)}" if order else ""
        few = f" LIMIT {limit + offset}" if limit < _MANY else ""
        # Sorted in each part only to take the first ones.
        statement = f"SELECT {distinct}{', '.join(named)} {self._source()}"
        if few:
            statement += tail + few
        shown = ", ".join(names[: len(columns)])
        final = f"SELECT {distinct}{shown} FROM {ROWS}{tail}"
        if limit < _MANY:
            final += f" LIMIT {limit} OFFSET {offset}"
        return Plan([self._ask(statement, tuple(names))], final)

    def _terms(self, clause: str) -> list[tuple[int, int]]:
        return self._query.parts(*self._core.clauses.get(clause, (0, 0)))

    def _direction(self, start: int, end: int) -> tuple[int, int, str]:
        """A term of ORDER BY without its direction, and the direction."""
        words: list[str] = []
        while end > start and self._query.tokens[end - 1].keyword in (
            *("ASC", "DESC"),
            *("NULLS", "FIRST", "LAST"),
        ):
            end -= 1
            words.insert(0, self._query.tokens[end].text)
        return start, end, "".join(" " + word for word in words)

    def _of_item(self, start: int, end: int, columns: list[str]) -> int | None:
        """The number of the result's column that a term of ORDER BY or GROUP BY means: by its
        place, its alias, or as it is written itself."""
        tokens = self._query.tokens[start:end]
        if len(tokens) == 1 and tokens[0].kind == "number":
            if not tokens[0].text.isdigit() or not 1 <= int(tokens[0].text) <= len(columns):
                raise _Whole  # which says what is wrong
            return int(tokens[0].text) - 1
        if any(item.star for item in self._core.items):
            return None
        if len(tokens) == 1 and tokens[0].kind in ("name", "quoted", "string"):
            word = tokens[0].text[1:-1].lower() if tokens[0].kind == "string" else tokens[0].word
            for number, item in enumerate(self._core.items):
                if item.alias == word:
                    return number
        for number, item in enumerate(self._core.items):
            if self._alike(start, end, item.start, item.end):
                return number
        return None

    def _alike(self, start: int, end: int, other: int, last: int) -> bool:
        tokens = self._query.tokens
        return end - start == last - other and all(
            same(tokens[start + n], tokens[other + n]) for n in range(end - start)
        )

    # -- sums and groups --

    def _aggregate(self, at: int) -> bool:
        """Whether an aggregate is called here."""
        word = self._query.tokens[at].word
        if self._query.tokens[at].kind != "name" or at + 1 not in self._query.pairs:
            return False
        if word not in _AGGREGATES:
            return False
        closed = self._query.pairs[at + 1]
        # max(a, b) is of one row.
        return word not in ("min", "max") or len(self._query.parts(at + 2, closed)) == 1

    def _summed(self) -> Plan:
        for start, end in self._terms("GROUP"):
            self._groups.append(self._group(start, end))
        for number, (start, end) in enumerate(self._groups):
            self._partials.append(self._columns(start, end))
            self._types.append(f"g{number} {self._type(start, end)}")
        items = [self._final(item.start, item.end) for item in self._core.items]
        groups = ", ".join(f"g{number}" for number in range(len(self._groups)))
        final = f"SELECT {', '.join(items)} FROM {ROWS}"
        if groups:
            final += f" GROUP BY {groups}"
        if "HAVING" in self._core.clauses:
            final += f" HAVING {self._final(*self._core.clauses['HAVING'])}"
        order = [self._order(start, end) for start, end in self._terms("ORDER")]
        if order:
            final += f" ORDER BY {', '.join(order)}"
        if "LIMIT" in self._core.clauses:
            self._limits()
            final += f" LIMIT {self._list(self._core.clauses['LIMIT'])}"
        listed = ", ".join(self._partials) or "1"
        statement = f"SELECT {listed} {self._source()}"
        if groups:
            places = ", ".join(str(number + 1) for number in range(len(self._groups)))
            statement += f" GROUP BY {places}"
        ask = self._ask(statement, tuple(self._types) or ("g0",))
        return Plan([ask._replace(counts=self._partials == ["count(*)"])], final)

    def _group(self, start: int, end: int) -> tuple[int, int]:
        """A term of GROUP BY: where what it means is written."""
        tokens = self._query.tokens[start:end]
        if len(tokens) == 1 and tokens[0].word in self._relation.columns:
            return start, end
        if any(item.star for item in self._core.items):
            raise _Whole
        number = self._of_item(start, end, [""] * len(self._core.items))
        if number is not None:
            start, end = self._core.items[number].start, self._core.items[number].end
        if any(self._aggregate(at) for at in range(start, end)):
            raise _Whole  # which says what is wrong
        if self._query.tokens[start].keyword == "CAST" or self._query.tokens[start].text == "(":
            raise _Whole  # it would compare as its type does
        return start, end

    def _type(self, start: int, end: int) -> str:
        """The type of a column, which says how it is compared: with a table's name or without."""
        tokens = self._query.tokens
        if end == start + 1 or (end == start + 3 and tokens[start + 1].text == "."):
            return self._relation.columns.get(tokens[end - 1].word, "")
        return ""

    def _order(self, start: int, end: int) -> str:
        start, end, behind = self._direction(start, end)
        number = self._of_item(start, end, [""] * len(self._core.items))
        return (self._final(start, end) if number is None else str(number + 1)) + behind

    def _final(self, start: int, end: int) -> str:
        """An expression on the partial answers."""
        for number, group in enumerate(self._groups):
            if self._alike(start, end, *group):
                return f"g{number}"
        said: list[str] = []
        at = start
        while at < end:
            at = self._word(at, end, said)
        return " ".join(filter(None, said))

    def _word(self, at: int, end: int, said: list[str]) -> int:
        """Add what is at a place; returns the next one."""
        token = self._query.tokens[at]
        if self._aggregate(at):
            return self._combined(at, said)
        for number, (start, last) in enumerate(self._groups):
            behind = at + last - start
            if not self._atom(start, last) or behind > end:
                continue
            if not self._alike(at, behind, start, last):
                continue
            if self._query.tokens[behind].text not in (".", "("):
                said.append(f"g{number}")
                return behind
        if token.kind in ("name", "quoted") and token.keyword not in KEYWORDS:
            if at in self._query.columnar:
                raise _Whole  # a column of a row, where there are only groups
            if at + 1 not in self._query.pairs:
                if self._query.out[at].startswith("'") and token.kind == "quoted":
                    said.append(self._query.out[at])
                    return at + 1
                return self._alias(at, said)
        said.append(self._query.out[at])
        return at + 1

    def _atom(self, start: int, end: int) -> bool:
        """Whether the words belong together wherever they stand: a name, or a function's call."""
        if end == start + 1:
            return self._query.tokens[start].kind in ("name", "quoted")
        first = self._query.tokens[start]
        if first.kind == "name" and first.keyword not in KEYWORDS:
            return self._query.pairs.get(start + 1) == end - 1
        return False

    def _alias(self, at: int, said: list[str]) -> int:
        token = self._query.tokens[at]
        if token.word not in self._relation.columns and self._query.tokens[at - 1].text != ".":
            for item in self._core.items:
                if item.alias == token.word and not item.start <= at < item.end:
                    said.append(f"({self._final(item.start, item.end)})")
                    return at + 1
        raise _Whole

    def _combined(self, at: int, said: list[str]) -> int:
        """The total of an aggregate over the parts."""
        query = self._query
        closed = query.pairs[at + 1]
        if query.tokens[at + 2].keyword in ("DISTINCT", "ALL"):
            raise _Whole
        behind, only = closed + 1, ""
        if query.tokens[behind].keyword == "FILTER":
            behind = query.pairs[behind + 1] + 1
            only = self._columns(closed + 1, behind)
        of = self._columns(at + 2, closed)
        word = query.tokens[at].word

        def part(function: str) -> str:
            return self._partial(f"{function}({of}) {only}".strip())

        if word == "count":
            said.append(f"SUM({part('count')})")
        elif word == "avg":
            said.append(f"(TOTAL({part('total')}) / NULLIF(SUM({part('count')}), 0))")
        else:
            said.append(f"{word}({part(word)})")
        return behind

    def _partial(self, expression: str) -> str:
        """The column of the partial answers that holds this."""
        if expression not in self._partials[len(self._groups) :]:
            self._partials.append(expression)
            self._types.append(f"a{len(self._partials)}")
        number = self._partials.index(expression, len(self._groups))
        return self._types[number]


__all__ = ["HERE", "OUT", "ROWS", "Ask", "Item", "Plan", "plan"]
