# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of an SQL query, as SQLite splits it (https://sqlite.org/lang.html)."""

from __future__ import annotations

import re
from typing import NamedTuple

from .mistake import Mistake

_LONGEST = 1_000_000  # characters, as SQLite's own limit
_TOKEN = re.compile(
    r"""(?P<space>[ \t\n\f\r]+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<blob>[xX]'[0-9a-fA-F]*')
    |(?P<string>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<name>`(?:[^`]|``)*`|\[[^\]]*\]|(?:[A-Za-z_]|[^\x00-\x7f])(?:[\w$]|[^\x00-\x7f])*)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<parameter>[?:@#$][\w$]*)
    |(?P<sign>\|\||<<|>>|<=|>=|<>|!=|==|->>|->|[-+*/%&|<>=~(),.;])""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """``kind``: name, quoted (in double quotes: a name or a text), string, number, blob, sign or
    end; ``at`` is its place; ``word`` what a name means: in lower case, without quotes."""

    kind: str
    text: str
    at: int
    word: str

    @property
    def end(self) -> int:
        """The place behind it."""
        return self.at + len(self.text)

    @property
    def keyword(self) -> str:
        """In capitals, if it is a name without quotes, and else empty."""
        plain = self.kind == "name" and self.text[0] not in "`["
        return self.text.upper() if plain else ""


def split(text: str) -> list[Token]:
    """The words of one query, and an ``end``.

    Raises:
        Mistake: there is more than one query, or what is no SQL.
    """
    if len(text) > _LONGEST:
        raise Mistake(f"a query has at most {_LONGEST} characters", text, _LONGEST)
    if "\0" in text:
        raise Mistake("a query has no NUL", text, text.index("\0"))
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = "this quote is not closed" if text[at] in "'\"`[" else "this is no SQL"
            raise Mistake(what, text, at)
        kind = match.lastgroup or ""
        if kind == "parameter":
            raise Mistake("a query has no parameters here", text, at)
        if kind != "space":
            found.append(Token(kind, match.group(), at, _word(kind, match.group())))
        at = match.end()
    while found and found[-1].text == ";":
        found.pop()
    for token in found:
        if token.text == ";":
            raise Mistake("one query at a time: this ';' ends the first", text, token.at)
    return [*found, Token("end", "", len(text), "")]


def _word(kind: str, text: str) -> str:
    if kind == "quoted" or text[0] == "`":
        text = text[1:-1].replace(text[0] * 2, text[0])
    elif text[0] == "[":
        text = text[1:-1]
    return text.lower()


def pairs(tokens: list[Token], text: str) -> dict[int, int]:
    """For each opening parenthesis the number of its closing one. Raises Mistake."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for number, token in enumerate(tokens):
        if token.text == "(" and token.kind == "sign":
            opened.append(number)
        elif token.text == ")" and token.kind == "sign":
            if not opened:
                raise Mistake("this ')' closes nothing", text, token.at)
            found[opened.pop()] = number
    if opened:
        raise Mistake("this '(' is not closed", text, tokens[opened[-1]].at)
    return found


def literal(text: bytes) -> str:
    """An SQL expression that is this text, whatever bytes are in it."""
    return f"CAST(X'{text.hex()}' AS TEXT)"


def string(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
