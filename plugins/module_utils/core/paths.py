# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths are bytes: how they become text and JSON without loss."""

from __future__ import annotations

import base64
from typing import Any

from .errors import IngestError


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
