# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows as people and programs read them: lines, NUL-separated, JSON lines, CSV. No name is ever
mistaken for two."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from contextlib import contextmanager
from typing import IO, Any, Callable, Iterator, List, Tuple

from ..core.errors import IngestError
from ..core.paths import to_text

Row = Tuple[Any, ...]
Format = Callable[[List[Row]], bytes]  # rows as the bytes to write
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ESCAPES = {b"\n": b"\\n", b"\t": b"\\t", b"\r": b"\\r", b"\\": b"\\\\", b"'": b"\\'"}


def lines(delimiter: bytes, terminal: bool) -> Format:
    """A row a line, with ``delimiter`` between columns. A value that would be taken for something
    else, or on a terminal can't be seen, is written as shells do: ``$'a\\nb'``."""

    def written(rows: list[Row]) -> bytes:
        if not rows:
            return b""
        said = _ended(rows, delimiter, b"\n")
        if not terminal and _clear(said, len(rows), delimiter, len(rows[0])):
            return said
        several = delimiter if len(rows[0]) > 1 else b""
        return b"".join(
            delimiter.join([_quoted(_bytes(value), several, terminal) for value in row]) + b"\n"
            for row in rows
        )

    return written


def _clear(said: bytes, rows: int, delimiter: bytes, columns: int) -> bool:
    """Whether lines can be taken for nothing else."""
    if said.count(b"\n") != rows or b"$'" in said:
        return False
    return columns == 1 or not delimiter or said.count(delimiter) == rows * (columns - 1)


def _quoted(text: bytes, delimiter: bytes, terminal: bool) -> bytes:
    odd = b"\n" in text or text.startswith(b"$'") or (delimiter and delimiter in text)
    if terminal and not odd:
        odd = not text.decode("utf-8", "surrogateescape").isprintable()
    return quoted(text, delimiter) if odd else text


def quoted(text: bytes, delimiter: bytes = b"") -> bytes:
    """As bash, ksh and zsh read it back."""
    said = []
    for character in text.decode("utf-8", "surrogateescape"):
        raw = character.encode("utf-8", "surrogateescape")
        if raw in _ESCAPES:
            said.append(_ESCAPES[raw])
        elif character.isprintable() and raw not in delimiter:
            said.append(raw)
        else:
            said += [b"\\%03o" % byte for byte in raw]
    return b"$'" + b"".join(said) + b"'"


def null(delimiter: bytes) -> Format:
    """A NUL behind each row; nothing is changed."""
    return lambda rows: _ended(rows, delimiter, b"\0") if rows else b""


def _ended(rows: list[Row], delimiter: bytes, end: bytes) -> bytes:
    """Each row with ``end`` behind it."""
    if len(rows[0]) == 1:
        try:
            return end.join([value for (value,) in rows]) + end
        except TypeError:  # numbers
            pass
    return end.join([delimiter.join(map(_bytes, row)) for row in rows]) + end


def json_lines(columns: list[str]) -> Format:
    """An object a row; bytes that are no UTF-8 are lone surrogates, from which
    ``text.encode('utf-8', 'surrogateescape')`` makes them again."""
    names = told_apart(columns)

    def written(rows: list[Row]) -> bytes:
        return b"".join(
            json.dumps(dict(zip(names, map(plain, row)))).encode() + b"\n" for row in rows
        )

    return written


def comma_separated(columns: list[str]) -> Format:
    """CSV (RFC 4180), with the columns' names in the first line."""
    begun: list[bool] = []

    def written(rows: list[Row]) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if not begun:
            begun.append(True)
            writer.writerow(columns)
        writer.writerows([["" if v is None else plain(v) for v in row] for row in rows])
        return text.getvalue().encode("utf-8", "surrogateescape")

    return written


def told_apart(columns: list[str]) -> list[str]:
    """The columns' names, with a number where one comes again."""
    seen: dict[str, int] = {}
    names = []
    for name in columns:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names


def plain(value: Any) -> Any:
    """A number, None, or lossless text."""
    return to_text(value) if isinstance(value, bytes) else value


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode("utf-8", "surrogateescape")


@contextmanager
def result_file(path: str) -> Iterator[IO[bytes]]:
    """A file to write, which takes its name when the block ends well. Others may have their files
    in the same folder: what is at its name is replaced, and never written to or followed.

    Raises:
        IngestError: it can't be written.
    """
    folder, name = os.path.split(os.path.abspath(path))
    part = f".{name[:200]}.{os.urandom(8).hex()}"
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise IngestError(f"{path} can't be written: {error.strerror}") from error
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o666, dir_fd=at), "wb") as stream:
            try:
                yield stream
                stream.flush()
                os.rename(part, name, src_dir_fd=at, dst_dir_fd=at)
            except BaseException:
                os.unlink(part, dir_fd=at)
                raise
    except OSError as error:
        raise IngestError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        os.close(at)
