# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounts answer. A question to a mount whose server is dead may never return, so each is
asked by a process of its own that is never waited for longer than it may take."""

from __future__ import annotations

import os
import signal
import time
from typing import Callable, Iterable, Sequence

from ..core.errnos import may_pass
from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..fs.mount_table import Entry, holding
from .left_out import LeftOut, listing
from .rpc import Server, server, silence

QUICK, THOROUGH = 10.0, 20.0  # seconds in which a mount answers
Question = Callable[[], str]  # "" or why there is no answer


def mount_silence(path: bytes, thorough: bool = False) -> str:
    """Why what is mounted at ``path`` does not answer, or "". May hang: see :class:`Look`.

    A server that answers is enough, unless ``thorough``: a busy mount takes long for a call.
    """
    where = _server_of(holding(path)) or _server_of(holding(os.path.realpath(path)))
    why = silence(where) if where else ""
    if why or (where and not thorough):
        return why
    for there in (path, os.path.dirname(path.rstrip(b"/"))):
        try:
            os.statvfs(there)  # never answered from memory
            return ""
        except FileNotFoundError:
            continue
        except OSError as error:
            return error.strerror or str(error) if may_pass(error.errno or 0) else ""
    return ""


def _server_of(entry: Entry | None) -> Server | None:
    if entry is None or entry.kind not in ("nfs", "nfs4") or "addr" not in entry.options:
        return None
    found = server(entry.options["addr"], entry.options)
    return found._replace(guess=False) if found else None


class Look:
    """Questions under way, each asked by a process of its own."""

    def __init__(self, questions: dict[bytes, Question], seconds: float) -> None:
        """What has not answered after ``seconds`` does not answer. Raises OSError."""
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._answers: dict[bytes, str] = {}
        self._waiting: dict[bytes, tuple[int, int]] = {}
        try:
            for key, question in questions.items():
                self._waiting[key] = _ask(question, seconds)
        except BaseException:
            self.close()
            raise

    def result(self) -> dict[bytes, str] | None:
        """Of each why it does not answer ("" if it does), or None while that is not known."""
        for key, (pid, pipe) in list(self._waiting.items()):
            try:
                said = os.read(pipe, 4096)
            except BlockingIOError:
                continue
            self._forget(key, pid, pipe)
            self._answers[key] = said[1:].decode("utf-8", "replace") if said else "no answer"
        if self._waiting and time.monotonic() > self._end:
            for key in list(self._waiting):
                self._answers[key] = f"no answer within {self._seconds:g} s"
            self.close()
        return None if self._waiting else self._answers

    def wait(self) -> dict[bytes, str]:
        """The result, when it is known."""
        while True:
            found = self.result()
            if found is not None:
                return found
            time.sleep(0.02)

    def close(self) -> None:
        """End it now."""
        for key, (pid, pipe) in list(self._waiting.items()):
            self._forget(key, pid, pipe)

    def _forget(self, key: bytes, pid: int, pipe: int) -> None:
        del self._waiting[key]
        os.close(pipe)
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)  # one that hangs can't be waited for
        except (ProcessLookupError, ChildProcessError):
            pass


def _ask(question: Question, seconds: float) -> tuple[int, int]:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        os.set_blocking(ours, False)
        return pid, ours
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds) + 2)  # should its parent have ended
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):  # or a connection would wait for this process
            os.dup2(null, number)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) != theirs:
                try:
                    os.close(int(name))
                except OSError:
                    pass
        try:
            why = question()
        except Exception as error:  # pylint: disable=broad-except
            why = f"{type(error).__name__}: {error}"
        os.write(theirs, b"." + why.encode("utf-8", "replace")[:4000])
    finally:
        os._exit(0)


def _about(path: bytes, thorough: bool) -> Question:
    return lambda: mount_silence(path, thorough)


def look(paths: Iterable[bytes], thorough: bool = False) -> Look:
    """Ask about what is mounted at some paths."""
    questions = {path: _about(path, thorough) for path in paths}
    return Look(questions, THOROUGH if thorough else QUICK)


def answering(source: str, destinations: Sequence[str]) -> tuple[list[str], list[LeftOut]]:
    """The destinations that answer, and the others. Takes no longer than THOROUGH.

    Raises:
        IngestError: the source does not answer, or none of the destinations.
    """
    found = look(map(to_bytes, [source, *destinations]), True).wait()
    why = found.pop(to_bytes(source), "")
    if why:
        raise IngestError(f"the source {LeftOut.at(to_bytes(source), why)!s} does not answer")
    gone = [
        LeftOut.at(to_bytes(path), found[to_bytes(path)])
        for path in destinations
        if found.get(to_bytes(path))
    ]
    if destinations and len(gone) == len(destinations):
        raise IngestError(f"no mount of the destination answers: {listing(gone)}")
    return [path for path in destinations if not found.get(to_bytes(path))], gone
