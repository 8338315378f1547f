# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths are bytes: how they become text, lists and JSON without loss."""

from __future__ import annotations

import base64
import os
from typing import Any, Iterable, Iterator

from .errors import IngestError

_BLOCK = 1 << 20


def to_text(path: bytes) -> str:
    """Lossless text of any path; ``json.dumps`` and :func:`to_bytes` bring the same bytes back."""
    return path.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The bytes that :func:`to_text` was given."""
    return text.encode("utf-8", "surrogateescape")


def path_record(path: bytes) -> dict[str, Any]:
    """A path in a record of JSON: as text, and where that is no UTF-8 in base64, too, for tools
    that know no surrogates."""
    record: dict[str, Any] = {"path": to_text(path)}
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        record["path_base64"] = base64.b64encode(path).decode()
    return record


def display(path: bytes) -> str:
    """For people: printable text; what is not printable, and the backslash, as an escape."""
    text = (
        path.decode("utf-8", "backslashreplace")
        if b"\\" not in path
        else path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    )
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def join(directory: bytes, name: bytes) -> bytes:
    """``directory/name``, where ``b""`` is the root of the tree."""
    return directory + b"/" + name if directory else name


def split(path: bytes) -> tuple[bytes, bytes]:
    """``(directory, name)`` of a relative path, the inverse of :func:`join`."""
    directory, dummy, name = path.rpartition(b"/")
    return directory, name


def check_relative(path: bytes) -> bytes:
    """The path, if it can only lie below the root that it is relative to.

    Raises:
        IngestError: it is empty, absolute, or has a part that is empty, ``.`` or ``..``, or a NUL.
    """
    if b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise IngestError(f"the path '{display(path)}' does not name something below the root")
    return path


def read_list(file: str, null: bool = True) -> Iterator[bytes]:
    """The paths of a list file, NUL-separated or one a line, streamed."""
    separator = b"\0" if null else b"\n"
    rest = b""
    with open(file, "rb") as stream:
        while True:
            block = stream.read(_BLOCK)
            if not block:
                break
            parts = (rest + block).split(separator)
            rest = parts.pop()
            for part in parts:
                if part:
                    yield part
    if rest:
        yield rest


def write_list(file: str, paths: Iterable[bytes], null: bool = True) -> int:
    """Write a list file; returns how many paths.

    Raises:
        IngestError: a name holds a newline and the list is to have one path a line. Nothing
            of an earlier list of that name is lost then.
    """
    count = 0
    part = file + ".part"
    try:
        with open(part, "wb") as stream:
            for path in paths:
                if not null and b"\n" in path:
                    raise IngestError(
                        f"'{display(path)}' has a newline in its name and can't stand in the list "
                        f"{file}, which has one path a line: use NUL-separated lists"
                    )
                stream.write(path + (b"\0" if null else b"\n"))
                count += 1
        os.replace(part, file)
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise
    return count
