# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an SQL query consists of: its SELECTs, their clauses and tables; and our own functions in it
written as SQL.

Only as much is understood as is needed to be right; SQLite reads the rest.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, NoReturn

from .mistake import Mistake, hint
from .tokens import Token, literal, pairs, split

# What a relation's rows are. It decides what path() and level() are in it.
ENTRIES, DIRECTORIES, BOTH = "entries", "directories", "both"
# Read as another relation where it is asked for the path: it has the columns of the first.
_WITH_PATH = {"entries": "pentries"}
_CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT")
_COMPOUND = ("UNION", "INTERSECT", "EXCEPT")
_JOINS = ("JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "OUTER", "NATURAL")
_AFTER_TABLE = (*_JOINS, "ON", "USING", "INDEXED", "NOT", *_CLAUSES)
# Functions that are written with SQL, or need their text as bytes.
_AS_TEXT = ("basename", "extension")
KEYWORDS = frozenset(
    (
        *("AND", "OR", "NOT", "LIKE", "GLOB", "REGEXP", "MATCH", "IN", "IS", "BETWEEN", "ISNULL"),
        *("NOTNULL", "NULL", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST", "AS", "COLLATE"),
        *("ESCAPE", "TRUE", "FALSE", "DISTINCT", "FROM", "WHERE", "SELECT", "EXISTS", "FILTER"),
        *("OVER", "ALL", "ASC", "DESC", "NULLS", "FIRST", "LAST"),
        *("CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP"),
    )
)
_ENDS_OPERAND = ("END", "NULL", "ISNULL", "NOTNULL", "TRUE", "FALSE")


class Relation(NamedTuple):
    """What can stand behind FROM: its columns with their declared types, and what its rows are."""

    columns: Mapping[str, str]
    rows: str


class Table(NamedTuple):
    """A relation in a FROM: the place of its name, and what its columns are qualified with."""

    relation: str
    at: int
    qualifier: str


class Item(NamedTuple):
    """A column of the result: the words from ``start`` up to ``end``, and its name."""

    start: int
    end: int
    name: str
    alias: str  # in lower case, or empty
    star: tuple[str, ...] = ()  # what a star stands for, as SQL


class Core(NamedTuple):
    """A SELECT up to its end, with where its clauses (in capitals) begin and end."""

    start: int
    end: int
    distinct: bool
    items: list[Item]
    clauses: dict[str, tuple[int, int]]
    tables: list[Table]
    plain: bool  # reads just one relation


class Query:
    """A query that was read.

    Raises:
        Mistake: it is not one that only reads the relations.
    """

    def __init__(self, text: str, relations: Mapping[str, Relation], root: bytes, now: int) -> None:
        """``root``: what path() begins with; ``now``: epoch s, for age()."""
        self.text = text
        self.relations = relations
        self.tokens = split(text)
        self.pairs = pairs(self.tokens, text)
        self.out = [token.text for token in self.tokens]
        self.columnar: set[int] = set()  # calls that stand for a column
        self._root, self.now = root, now
        self._begins()
        self.tables_named = self._common_tables()
        self.cores = [
            self._core(number)
            for number, token in enumerate(self.tokens)
            if token.keyword == "SELECT"
        ]
        self._literals()
        for core in self.cores:
            self._stars(core)
        self._functions()
        self._in_table()

    # -- what may be asked --

    def wrong(self, sentence: str, number: int) -> NoReturn:
        """Raise Mistake with a mark under a word."""
        raise Mistake(sentence, self.text, self.tokens[number].at)

    def _begins(self) -> None:
        first = self.tokens[0]
        if first.kind == "end":
            raise Mistake("there is no query", self.text, 0)
        if first.keyword not in ("SELECT", "WITH"):
            self.wrong(f"an index is only read: a query begins with SELECT, not {first.text}", 0)

    def _common_tables(self) -> set[str]:
        """The names behind WITH."""
        found = set()
        for number, token in enumerate(self.tokens):
            if token.keyword not in ("AS", "MATERIALIZED") or self.tokens[number + 1].text != "(":
                continue
            if self.tokens[number + 2].keyword not in ("SELECT", "WITH", "VALUES"):
                continue
            at = number - 1
            while self.tokens[at].keyword in ("AS", "NOT"):
                at -= 1
            if self.tokens[at].text == ")":
                at = next(a for a, b in self.pairs.items() if b == at) - 1
            found.add(self.tokens[at].word)
        return found

    def _in_table(self) -> None:
        for number, token in enumerate(self.tokens):
            if token.keyword == "IN" and self.tokens[number + 1].text != "(":
                self.wrong("IN wants values, or a SELECT, in parentheses", number + 1)

    # -- the structure --

    def skip(self, number: int) -> int:
        """The number of the word behind this one, or behind its parentheses."""
        return self.pairs.get(number, number) + 1

    def _core(self, start: int) -> Core:
        clauses: dict[str, tuple[int, int]] = {}
        at, opened, begun = start + 1, "ITEMS", start + 1
        distinct = self.tokens[at].keyword == "DISTINCT"
        if self.tokens[at].keyword in ("DISTINCT", "ALL"):
            begun = at = at + 1
        while True:
            token = self.tokens[at]
            ends = token.kind == "end" or token.text == ")" or token.keyword in _COMPOUND
            if ends or self._opens(at):
                clauses[opened] = (begun, at)
                if ends:
                    break
                opened = token.keyword
                at += 1
                if self.tokens[at].keyword == "BY":
                    at += 1
                begun = at
                continue
            at = self.skip(at)
        tables, plain = self._tables(*clauses.get("FROM", (at, at)))
        return Core(start, at, distinct, self._items(*clauses["ITEMS"]), clauses, tables, plain)

    def _opens(self, at: int) -> bool:
        """Whether a clause begins here."""
        keyword = self.tokens[at].keyword
        if keyword not in _CLAUSES or self.tokens[at - 1].text == ".":
            return False
        if keyword in ("GROUP", "ORDER"):
            return self.tokens[at + 1].keyword == "BY"
        # IS DISTINCT FROM
        return not (keyword == "FROM" and self.tokens[at - 1].keyword == "DISTINCT")

    def parts(self, start: int, end: int) -> list[tuple[int, int]]:
        """What commas separate, outside of parentheses."""
        found = []
        at = begun = start
        while at < end:
            if self.tokens[at].text == "," and self.tokens[at].kind == "sign":
                found.append((begun, at))
                begun = at + 1
            at = self.skip(at)
        return [*found, (begun, end)] if end > start else []

    def _items(self, start: int, end: int) -> list[Item]:
        return [self._item(*part) for part in self.parts(start, end)]

    def _item(self, start: int, end: int) -> Item:
        alias = ""
        last = end
        if end - start >= 3 and self.tokens[end - 2].keyword == "AS":
            alias, last = self._alias(end - 1), end - 2
        elif end - start >= 2 and self._is_alias(end - 1):
            alias, last = self._alias(end - 1), end - 1
        said = self.text[self.tokens[start].at : self.tokens[last - 1].end] if last > start else ""
        name = self._unquoted(end - 1) if last < end else said
        return Item(start, last, name, alias)

    def _is_alias(self, at: int) -> bool:
        token, before = self.tokens[at], self.tokens[at - 1]
        if token.kind not in ("name", "quoted", "string") or token.keyword in KEYWORDS:
            return False
        if before.kind in ("number", "string", "blob", "quoted"):
            return True
        if before.kind == "name":
            return before.keyword not in KEYWORDS or before.keyword in _ENDS_OPERAND
        return before.text == ")"

    def _alias(self, at: int) -> str:
        token = self.tokens[at]
        return token.text[1:-1].lower() if token.kind == "string" else token.word

    def _unquoted(self, at: int) -> str:
        text = self.tokens[at].text
        return text[1:-1] if text[0] in "'\"`[" else text

    def _tables(self, start: int, end: int) -> tuple[list[Table], bool]:
        """The relations of a FROM, and whether it is just one."""
        found: list[Table] = []
        wanted, others = True, False
        at = start
        while at < end:
            token = self.tokens[at]
            if (token.text == "," and token.kind == "sign") or token.keyword in _JOINS:
                wanted, others = True, True
            elif wanted and token.text == "(":
                others = True
                if self.tokens[at + 1].keyword not in ("SELECT", "WITH", "VALUES"):
                    found += self._tables(at + 1, self.pairs[at])[0]
                wanted = False
            elif wanted and token.kind in ("name", "quoted"):
                found += self._table(at, end)
                others = others or not found or token.word in self.tables_named
                wanted = False
            at = self.skip(at)
        return found, len(found) == 1 and not others

    def _table(self, at: int, end: int) -> list[Table]:
        token, behind = self.tokens[at], self.tokens[at + 1]
        if behind.text == ".":
            self.wrong("a table's name has nothing before it", at)
        if behind.text == "(" and behind.kind == "sign":
            self.wrong(f"the function {token.text}() is no table here", at)
        if token.word in self.tables_named:
            return []
        if token.word not in self.relations:
            known = ", ".join(sorted(self.relations))
            self.wrong(
                f"there is no table '{token.word}': {known}" + hint(token.word, self.relations), at
            )
        alias = at + 1 + (behind.keyword == "AS")
        named = self.tokens[alias]
        is_name = named.kind in ("name", "quoted") and named.keyword not in _AFTER_TABLE
        qualifier = named.text if alias < end and is_name else token.text
        return [Table(token.word, at, qualifier)]

    # -- our own words --

    def _literals(self) -> None:
        """In double quotes is a text, as GUFI's users write it, unless it is a name."""
        names = set(self.tables_named)
        for core in self.cores:
            names.update(item.alias for item in core.items if item.alias)
            names.update(table.qualifier.strip('"`[]').lower() for table in core.tables)
        for relation in self.relations.values():
            names.update(relation.columns)
        for number, token in enumerate(self.tokens):
            if token.kind != "quoted" or token.word in names:
                continue
            before, behind = self.tokens[number - 1], self.tokens[number + 1]
            if before.keyword != "AS" and before.text != "." and behind.text != ".":
                text = token.text[1:-1].replace('""', '"').replace("'", "''")
                self.out[number] = f"'{text}'"

    def _stars(self, core: Core) -> None:
        """Each column by its name, where one relation is read."""
        if not core.plain:
            return
        table = core.tables[0]
        columns = tuple(f'{table.qualifier}."{c}"' for c in self.relations[table.relation].columns)
        for number, item in enumerate(core.items):
            if self._all_columns(item):
                core.items[number] = item._replace(star=columns)
                self.out[item.start : item.end] = [""] * (item.end - item.start)
                self.out[item.start] = ", ".join(columns)

    def _all_columns(self, item: Item) -> bool:
        """Whether it is a star, or one of a table."""
        words = [token.text for token in self.tokens[item.start : item.end]]
        return words == ["*"] or (len(words) == 3 and words[1:] == [".", "*"])

    def _functions(self) -> None:
        for number, token in enumerate(self.tokens):
            opened = number + 1
            if token.kind != "name" or opened not in self.pairs:
                continue
            closed = self.pairs[opened]
            if token.word in ("path", "level"):
                self._of_row(number, opened, closed)
            elif token.word == "age":
                self._one_argument(number, opened, closed)
                self.out[number], self.out[closed] = f"({self.now} - ", "))"
            elif token.word == "group":  # which is a word of SQL
                self.out[number] = "ingest_group"
            elif token.word in _AS_TEXT:
                self._one_argument(number, opened, closed)
                self.out[number] = f"CAST(ingest_{token.word}"
                self.out[opened], self.out[closed] = "(CAST((", ") AS BLOB)) AS TEXT)"

    def _one_argument(self, number: int, opened: int, closed: int) -> None:
        if len(self.parts(opened + 1, closed)) != 1:
            self.wrong(f"{self.tokens[number].text}(…) wants one value", number)

    def _of_row(self, number: int, opened: int, closed: int) -> None:
        """path() and level() are of the row's directory."""
        word = self.tokens[number].word
        within = [core for core in self.cores if core.start < number < core.end]
        if not within:
            self.wrong(f"{word}() belongs into a SELECT", number)
        core = within[-1]
        table = self._asked(core, number, opened, closed)
        relation = self.relations[table.relation]
        if "path" not in relation.columns:
            other = _WITH_PATH.get(table.relation, "")
            if other not in self.relations:
                self.wrong(f"{word}() is not known in {table.relation}", number)
            relation = self.relations[other]
            same = table.qualifier == self.tokens[table.at].text
            self.out[table.at] = f"{other} AS {table.qualifier}" if same else other
        self.columnar.add(number)
        make = self._path if word == "path" else _level
        self.out[number : closed + 1] = [""] * (closed + 1 - number)
        self.out[number] = make(table.qualifier, relation.rows)

    def _asked(self, core: Core, number: int, opened: int, closed: int) -> Table:
        word = self.tokens[number].word
        if closed == opened + 2:
            name = self.tokens[opened + 1].word
            for table in core.tables:
                if name == table.qualifier.strip('"`[]').lower():
                    return table
            self.wrong(f"{word}(…) wants one of the tables behind FROM, or nothing", opened + 1)
        if closed > opened + 1:
            self.wrong(f"{word}() wants nothing, or one of the tables behind FROM", opened + 1)
        if len(core.tables) != 1:
            why = "reads several tables" if core.tables else "reads none of the index's tables"
            which = f": {word}({core.tables[0].qualifier})" if core.tables else ""
            self.wrong(f"{word}() can't tell whose it is, as this SELECT {why}{which}", number)
        return core.tables[0]

    def _path(self, table: str, rows: str) -> str:
        root = self._root.rstrip(b"/")
        top = literal(root)
        if not root:  # of /x the directory is "", so that "/" and the name can follow
            top = {ENTRIES: "''", DIRECTORIES: "'/'"}.get(
                rows, f"(CASE {table}.type WHEN 'd' THEN '/' ELSE '' END)"
            )
        below = f"{literal(root + b'/')} || {table}.path"
        return f"(CASE {table}.path WHEN '' THEN {top} ELSE {below} END)"

    # -- as SQL --

    def sql(self, start: int = 0, end: int | None = None) -> str:
        """The words from ``start`` up to ``end``, with our own functions as SQL."""
        return " ".join(filter(None, self.out[start:end]))

    def columns_used(self, relation: str) -> frozenset[str]:
        """The columns of a relation that the query may ask for."""
        columns = self.relations[relation].columns
        if any(token.text == "*" and self._is_star(n) for n, token in enumerate(self.tokens)):
            return frozenset(columns)
        used = {token.word for token in self.tokens if token.kind in ("name", "quoted")}
        if self.columnar:
            used.update(("path", "depth", "type"))
        return frozenset(used & set(columns))

    def _is_star(self, number: int) -> bool:
        """Whether a star is neither a product nor that of COUNT(*)."""
        before = self.tokens[number - 1]
        if before.text == "(" and self.tokens[number - 2].word == "count":
            return False
        return before.text in (",", ".") or before.keyword in ("SELECT", "DISTINCT", "ALL")

    @property
    def main(self) -> Core | None:
        """The one SELECT that the query is, if it is no more than that, on one relation."""
        if len(self.cores) != 1 or self.cores[0].start != 0 or not self.cores[0].plain:
            return None
        core = self.cores[0]
        return core if self.tokens[core.end].kind == "end" else None

    def names(self) -> list[str]:
        """The names of the result's columns, as far as they are known: else empty."""
        tops = [core for core in self.cores if not self._inside(core.start)]
        if not tops:
            return []
        found: list[str] = []
        for item in tops[0].items:
            if item.star:
                found += self.relations[tops[0].tables[0].relation].columns
            elif self._all_columns(item):
                return []
            else:
                found.append(item.name)
        return found

    def _inside(self, number: int) -> bool:
        return any(a < number < b for a, b in self.pairs.items())


def _level(table: str, rows: str) -> str:
    if rows == ENTRIES:
        return f"({table}.depth - 1)"
    if rows == DIRECTORIES:
        return f"{table}.depth"
    return f"({table}.depth - ({table}.type <> 'd'))"


def same(one: Token, other: Token) -> bool:
    """Whether two words mean the same."""
    if one.kind in ("name", "quoted") and other.kind in ("name", "quoted"):
        return one.word == other.word
    return one.kind == other.kind and one.text.lower() == other.text.lower()
