# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tool of a storage system, and says what went wrong in its own words."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NamedTuple

from ...core.errors import IngestError
from ..outcome import FAILED, Stop


class Answer(NamedTuple):
    """What a tool said."""

    status: int
    out: bytes
    err: bytes

    def last(self) -> str:
        """Its last line, for a message."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1].decode("utf-8", "replace") if lines else f"exit status {self.status}"


def run(arguments: list[bytes], feed: bytes = b"") -> Answer:
    """Run a tool, with ``feed`` as its input. Raises IngestError if it can't be run."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            arguments, input=feed, capture_output=True, check=False, env=environment
        )
    except OSError as error:
        raise IngestError(
            f"{os.fsdecode(arguments[0])} can't be run: {error.strerror or error}"
        ) from error
    return Answer(done.returncode, done.stdout, done.stderr)


def make(arguments: list[bytes]) -> None:
    """Run a tool that makes a file. Raises Stop with its own words if it could not."""
    answer = run(arguments)
    if answer.status != 0:
        raise Stop(FAILED, f"no file can be made in the target pool: {answer.last()}")


def missing(name: str) -> list[str]:
    """A sentence, if a tool is not installed."""
    return [] if shutil.which(name) else [f"the command {name} is not installed on this host"]
