# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language of conditions, such as ``size > 1G and age(mtime) > 90d and name ~ "*.bam"``.

docs/search.md describes it.
"""

from __future__ import annotations

import datetime
import grp
import pwd
import re
from typing import Callable, Mapping, NamedTuple, NoReturn

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..core.wildcards import translate
from .condition import (
    OPERATORS,
    TIMES,
    Age,
    AllOf,
    AnyOf,
    Attribute,
    Bits,
    Compare,
    Condition,
    Glob,
    OneOf,
    Value,
    contrary,
)
from .mistake import Mistake, hint

_SIZES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtpe", 1):
    _SIZES.update({_letter: 1 << 10 * _power, _letter + "ib": 1 << 10 * _power})
    _SIZES[_letter + "b"] = 1000**_power
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_LARGEST, _WIDEST = 1 << 63, 1 << 64
_DEEPEST = 50  # parentheses within parentheses, classes within classes
_LONGEST = 100_000  # characters

# What a field may be called.
_NAMES = {name: name for name in ("size", "allocated", "blocks", "links", "depth", "inode")}
_NAMES.update({name: name for name in (*TIMES, "device", "name", "path", "type", "mode", "pool")})
_NAMES.update({"nlink": "links", "level": "depth", "perm": "mode", "dev": "device"})
_NAMES.update({"owner": "uid", "user": "uid", "uid": "uid", "group": "gid", "gid": "gid"})
_NAMES.update({"extension": "extension", "class": "class"})
_CALLS = {"age": "age", "xattr": "xattr"}
_TYPES = {letter: letter for letter in "fdlpsbc"}
_TYPES.update({"file": "f", "dir": "d", "directory": "d", "link": "l", "symlink": "l"})
_TYPES.update({"fifo": "p", "pipe": "p", "socket": "s", "block": "b", "char": "c"})
_RESERVED = ("and", "or", "not", "in")
_GLOBS = ("name", "path", "extension")
_NUMBERED = ("inode", "device")  # in no order that means anything

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"]|"")*"|'(?:[^']|'')*')
    |(?P<sign><=|>=|!=|<>|==|!~|[<>=~&(),])
    |(?P<word>[^\s()<>=!~,"'&]+)""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([A-Za-z]*)")


class _Token(NamedTuple):
    kind: str  # word, string, sign, end
    text: str
    at: int


class Accounts(NamedTuple):
    """Finds the number of a user or group; raises KeyError for one that is not known."""

    user: Callable[[str], int]
    group: Callable[[str], int]


SYSTEM = Accounts(lambda name: pwd.getpwnam(name).pw_uid, lambda name: grp.getgrnam(name).gr_gid)
ANY = Accounts(lambda name: 0, lambda name: 0)  # to look at a condition, not at entries


def parse(
    text: str, classes: Mapping[str, str] | None = None, accounts: Accounts = SYSTEM
) -> Condition:
    """What a condition says. ``classes`` are conditions with names, which it may use.

    Raises:
        Mistake: it is not one; the text that the mark stands under is the class's where the
            mistake is in one of them.
    """
    return _Parser(text, classes or {}, accounts, ()).whole()


def size_of(text: str, option: str) -> int:
    """The bytes of a size such as 2G. Raises IngestError, which names the option."""
    sentence = f"'{text}' is not a size such as 10M or 1.5GiB"
    try:
        condition = parse(f"size = {text}")
        if isinstance(condition, Compare) and isinstance(condition.value, int):
            return condition.value
    except Mistake as error:
        sentence = error.sentence
    raise IngestError(f"{option}: {sentence}")


class _Parser:
    def __init__(
        self, text: str, classes: Mapping[str, str], accounts: Accounts, within: tuple[str, ...]
    ) -> None:
        self._text = text
        self._classes = classes
        self._accounts = accounts
        self._within = within  # the classes that are being read
        self._tokens = self._split()
        self._at = 0
        self._depth = 0

    def _wrong(self, sentence: str, at: int) -> NoReturn:
        place = f"in the class '{self._within[-1]}': " if self._within else ""
        raise Mistake(place + sentence, self._text, at)

    def _split(self) -> list[_Token]:
        if len(self._text) > _LONGEST:
            self._wrong(f"a condition has at most {_LONGEST} characters", _LONGEST)
        found = []
        at = 0
        while at < len(self._text):
            match = _TOKEN.match(self._text, at)
            if match is None:
                character = self._text[at]
                if character in "\"'":
                    self._wrong("this quote is not closed", at)
                self._wrong(f"'{character}' alone means nothing here", at)
            kind = match.lastgroup or ""
            if kind != "space":
                found.append(_Token(kind, match.group(), at))
            at = match.end()
        return [*found, _Token("end", "", len(self._text))]

    # -- the structure --

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _sign(self, text: str) -> bool:
        """Take this sign if it is next."""
        found = self._next.kind == "sign" and self._next.text == text
        self._at += found
        return found

    def _word(self, text: str) -> bool:
        """Take this word if it is next."""
        found = self._next.kind == "word" and self._next.text.lower() == text
        self._at += found
        return found

    def _expect(self, sign: str, why: str) -> None:
        if not self._sign(sign):
            self._wrong(f"a '{sign}' is missing here, {why}", self._next.at)

    def whole(self) -> Condition:
        if self._next.kind == "end":
            self._wrong("there is no condition", 0)
        condition = self._either()
        token = self._next
        if token.kind != "end":
            if token.text == ")":
                self._wrong("this ')' closes nothing", token.at)
            if token.text == "&":
                self._wrong("'and' joins conditions", token.at)
            self._wrong("an 'and' or an 'or' is missing here", token.at)
        return condition

    def _either(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._wrong(f"more than {_DEEPEST} conditions within each other", self._next.at)
        parts = [self._both()]
        while self._word("or"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._word("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self) -> Condition:
        negative = False
        while self._word("not"):
            negative = not negative
        if self._sign("("):
            opened = self._tokens[self._at - 1].at
            condition = self._either()
            if not self._sign(")"):
                if self._next.kind == "end":
                    self._wrong("this '(' is not closed", opened)
                self._wrong("an 'and', an 'or' or a ')' is missing here", self._next.at)
        else:
            condition = self._comparison()
        return contrary(condition) if negative else condition

    def _comparison(self) -> Condition:
        token = self._take()
        if token.kind == "end":
            self._wrong("a condition is missing at the end", token.at)
        word = token.text.lower()
        if token.kind != "word" or word in _RESERVED:
            self._wrong(f"a condition begins with a field, not with {token.text}", token.at)
        called = self._next.kind == "sign" and self._next.text == "("
        if called and word == "age":
            return self._age()
        if called and word == "xattr":
            return self._attribute()
        if word in _NAMES and not called:
            return self._field(_NAMES[word], word)
        if token.text in self._classes and not called:
            return self._class(token)
        if called:
            self._wrong(
                f"there is no '{token.text}()', but age(…) and xattr(…)" + hint(word, _CALLS),
                token.at,
            )
        known = {**_NAMES, **_CALLS, **{name: name for name in self._classes}}
        what = "field" if not self._classes else "field or class"
        return self._wrong(f"there is no {what} '{token.text}'" + hint(word, known), token.at)

    def _age(self) -> Condition:
        self._take()
        token = self._take()
        if token.kind != "word" or token.text.lower() not in TIMES:
            self._wrong(f"age(…) is of {', '.join(TIMES[:-1])} or {TIMES[-1]}", token.at)
        self._expect(")", "after the time")
        operator = self._operator("age", tuple(OPERATORS))
        return Age(token.text.lower(), operator, self._duration(self._take()))

    def _attribute(self) -> Condition:
        self._take()
        token = self._take()
        if token.kind not in ("word", "string"):
            self._wrong('xattr(…) wants an attribute\'s name, as in xattr("user.x")', token.at)
        self._expect(")", "after the attribute's name")
        return Attribute(self._bytes(token))

    def _class(self, token: _Token) -> Condition:
        if token.text not in self._classes:
            self._wrong(
                f"there is no class '{token.text}'" + hint(token.text, self._classes), token.at
            )
        if token.text in self._within or len(self._within) > _DEEPEST:
            self._wrong(f"the class '{token.text}' would be a part of itself", token.at)
        text = self._classes[token.text]
        return _Parser(text, self._classes, self._accounts, (*self._within, token.text)).whole()

    def _operator(self, name: str, allowed: tuple[str, ...]) -> str:
        token = self._take()
        operator = {"==": "=", "<>": "!="}.get(token.text, token.text)
        if token.kind != "sign" or operator not in allowed:
            said = f", not with {token.text}" if token.kind != "end" else ""
            self._wrong(f"'{name}' is compared with {' '.join(allowed)}{said}", token.at)
        return operator

    def _field(self, field: str, name: str) -> Condition:
        negative = False
        if self._next.kind == "word" and self._next.text.lower() in ("in", "not"):
            negative = self._word("not")
            if not self._word("in"):
                self._wrong("'not' stands before a condition, or before 'in'", self._next.at)
            condition = self._list(field)
            return contrary(condition) if negative else condition
        operator = self._operator(name, _operators(field))
        token = self._take()
        if token.kind not in ("word", "string"):
            self._wrong(f"a value is missing after '{operator}'", token.at)
        if field == "class":
            return self._sense(operator, self._class(token))
        if operator in ("~", "!~"):
            return self._sense(operator, self._glob(field, token))
        if operator == "&":
            return Bits(self._octal(token))
        value = self._value(field, token)
        if field == "extension":
            return self._sense(operator, _extension(value))
        return Compare(field, operator, value)

    @staticmethod
    def _sense(operator: str, condition: Condition) -> Condition:
        return contrary(condition) if operator.startswith("!") else condition

    def _list(self, field: str) -> Condition:
        self._expect("(", "before the values")
        tokens: list[_Token] = []
        while not tokens or self._sign(","):
            tokens.append(self._take())
            if tokens[-1].kind not in ("word", "string"):
                self._wrong("a value is missing here", tokens[-1].at)
        self._expect(")", "after the values")
        if field == "class":
            return AnyOf(tuple(self._class(token) for token in tokens))
        values = tuple(self._value(field, token) for token in tokens)
        if field == "extension":
            return AnyOf(tuple(_extension(value) for value in values))
        return OneOf(field, values)

    # -- values --

    def _value(self, field: str, token: _Token) -> Value:
        if field in ("size", "allocated"):
            return self._scaled(token, _SIZES, "a size such as 10M or 1.5GiB")
        if field in TIMES:
            return self._date(token)
        if field in ("uid", "gid"):
            return self._account(field, token)
        if field == "type":
            letter = _TYPES.get(_plain(token).lower())
            if letter is None:
                self._wrong("a type is one of file, dir, link, fifo, socket, block, char", token.at)
            return letter
        if field == "mode":
            return self._octal(token)
        if field == "pool":
            return _plain(token)
        if field in ("name", "path", "extension"):
            return self._bytes(token)
        most = _WIDEST if field in _NUMBERED else _LARGEST
        return self._scaled(token, {"": 1}, "a whole number", most)

    def _scaled(
        self, token: _Token, units: Mapping[str, int], what: str, most: int = _LARGEST
    ) -> int:
        match = _NUMBER.fullmatch(_plain(token))
        if match is None or match.group(2).lower() not in units:
            self._wrong(f"'{_plain(token)}' is not {what}", token.at)
        whole, dot, part = match.group(1).partition(".")
        unit = units[match.group(2).lower()]
        # Not by way of a float, which has no place for all the digits of an inode.
        value = int(whole or "0") * unit + int(part or "0") * unit // 10 ** len(part)
        if value >= most or len(match.group(1)) > 40:
            self._wrong(f"'{_plain(token)}' is too large", token.at)
        return value

    def _duration(self, token: _Token) -> int:
        said = _plain(token)
        if token.kind != "end" and _NUMBER.fullmatch(said) and said[-1].isdigit():
            self._wrong(f"'{said}' needs a unit: {said}d is days; s m h d w y", token.at)
        units = {unit: seconds * 10**9 for unit, seconds in _SECONDS.items()}
        return self._scaled(token, units, "a duration such as 90d (s m h d w y)")

    def _date(self, token: _Token) -> int:
        said = _plain(token)
        zone = said[-1:] in ("Z", "z")
        try:
            # Python 3.8 wants six digits of a second.
            text = re.sub(r"(:\d\d\.)(\d{1,6})\d*", lambda m: m[1] + m[2].ljust(6, "0"), said)
            date = datetime.datetime.fromisoformat(text[:-1] + "+00:00" if zone else text)
            if "T" not in said.upper() and " " not in said and len(said) != len("2026-01-31"):
                raise ValueError(said)
            nanoseconds = int(date.replace(microsecond=0).timestamp()) * 10**9
            nanoseconds += date.microsecond * 1000
            if not -_LARGEST <= nanoseconds < _LARGEST:
                raise OverflowError(said)
        except (ValueError, OverflowError, OSError):
            self._wrong(
                f"'{said}' is not a date such as 2026-01-31 or '2026-01-31 12:00'; "
                "how long ago is age(…)",
                token.at,
            )
        return nanoseconds

    def _account(self, field: str, token: _Token) -> int:
        said = _plain(token)
        if said.isdigit() and said.isascii():
            return self._scaled(token, {"": 1}, "a number")
        try:
            return (self._accounts.user if field == "uid" else self._accounts.group)(said)
        except (KeyError, ValueError):
            what = "user" if field == "uid" else "group"
            return self._wrong(f"there is no {what} '{said}' on this host", token.at)

    def _octal(self, token: _Token) -> int:
        match = re.fullmatch(r"(?:0o|0)?([0-7]{1,4})", _plain(token))
        if match is None:
            self._wrong("a mode is written in octal, as 0644", token.at)
        return int(match.group(1), 8)

    def _glob(self, field: str, token: _Token) -> Condition:
        pattern = self._bytes(token)
        if translate(pattern) is None:
            self._wrong("this pattern matches nothing: its '[' or '\\' is not complete", token.at)
        if field == "extension":
            return Glob("name", b"?*." + pattern)
        return Glob(field, pattern)

    def _bytes(self, token: _Token) -> bytes:
        said = to_bytes(_plain(token))
        if b"\0" in said:
            self._wrong("no name holds a NUL", token.at)
        return said


def _plain(token: _Token) -> str:
    """What a word or a quoted text stands for."""
    if token.kind != "string":
        return token.text
    quote = token.text[0]
    return token.text[1:-1].replace(quote * 2, quote)


def _operators(field: str) -> tuple[str, ...]:
    if field == "mode":
        return ("=", "!=", "&")
    if field in _GLOBS:
        return ("=", "!=", "~", "!~")
    if field in ("type", "pool", "class", *_NUMBERED):
        return ("=", "!=")
    return tuple(OPERATORS)


def _extension(value: Value) -> Condition:
    if not isinstance(value, bytes):
        raise AssertionError(value)
    return Glob("name", b"?*." + quoted(value))


def quoted(text: bytes) -> bytes:
    """A pattern that matches just this."""
    return b"".join(b"\\" + bytes([c]) if c in b"*?[\\" else bytes([c]) for c in text)
