# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, Any, Iterator

from .errors import IngestError


@contextmanager
def written(path: str, binary: bool = False, mode: int | None = None) -> Iterator[IO[Any]]:
    """A file to write, text (UTF-8) or ``binary``; it takes its name only when the block ends
    well, with the permissions ``mode`` if given, and no others before.

    Raises:
        IngestError: it can't be written. What was there before is still there then.
    """
    part = path + ".part"
    try:
        with _stream(part, binary, mode) as stream:
            yield stream
        if mode is not None:
            os.chmod(part, mode)
        os.replace(part, path)
    except OSError as error:
        raise IngestError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        # After the rename there is nothing left under this name.
        if os.path.lexists(part):
            os.unlink(part)


def _stream(part: str, binary: bool, mode: int | None) -> IO[Any]:
    def opened(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC, 0o666 if mode is None else mode)

    if binary:
        return open(part, "wb", opener=opened)
    return open(part, "w", encoding="utf-8", newline="\n", opener=opened)
