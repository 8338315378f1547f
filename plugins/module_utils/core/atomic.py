# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, Iterator

from .errors import IngestError


@contextmanager
def written(path: str) -> Iterator[IO[str]]:
    """A text file (UTF-8) to write; it takes its name only when the block ends well.

    Raises:
        IngestError: it can't be written. What was there before is still there then.
    """
    part = path + ".part"
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as stream:
            yield stream
        os.replace(part, path)
    except OSError as error:
        raise IngestError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        # After the rename there is nothing left under this name.
        if os.path.lexists(part):
            os.unlink(part)
