# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes: a crew of forked members, each at the end of a pipe.

A member runs a function that is given its :class:`Line`::

    def main(line: Line) -> None:          # in the new process
        copier = …                         # what its threads share
        def serve() -> None:               # in each of its threads
            while True:
                line.tell(copier.do(line.receive()))
        line.share(serve, threads)

    crew = Crew()
    member = crew.add(main)                # one, at any time; each may have its own arguments
    member.send(work)
    for member in crew.wait(0.5):          # those that have something to say
        while True:
            take(member.receive())         # raises Ended: what it had is for others to do
            if not member.poll():
                break
    crew.remove(member)                    # kills it; never waits, as it may hang in a dead mount
    crew.close()

A process of several threads, or one that calls :meth:`Line.listen` (the copy's do), has a further
thread that only receives. There no message ever waits for room, so a parent never waits for a
process that hangs; and the process ends as soon as its parent is gone or has closed the pipe,
whatever it is doing. Where one thread does all, which is faster, its parent must not send more
than a pipe holds (some messages of SMALL bytes) ahead of the answers. Messages are what pickle
can write.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
import time
from multiprocessing import connection
from queue import SimpleQueue
from typing import Any, Callable, NamedTuple, NoReturn

from .errors import IngestError

SMALL = 1 << 15  # bytes: what several messages in a pipe may have each without filling it
_LAST = 1.0  # s that killed processes are waited for, all together


class Ended(IngestError):
    """A worker process is gone, or failed and ended."""


class _Failed(NamedTuple):
    """The last word of a process that fails."""

    why: str


class Line:
    """A worker's end of the pipe. For all its threads."""

    def __init__(self, pipe: connection.Connection) -> None:
        self._pipe = pipe
        self._writing = threading.Lock()
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._listens = False

    def listen(self) -> None:
        """Receive in a thread of its own from now on."""
        if not self._listens:
            self._listens = True
            threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self._inbox.put(self._next())

    def _next(self) -> Any:
        try:
            return pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):  # the parent is gone, or has no more work
            os._exit(0)

    def receive(self) -> Any:
        """The next message for any one of the threads."""
        return self._inbox.get() if self._listens else self._next()

    def pass_on(self, message: object) -> None:
        """Leave something for whichever thread of this process receives next."""
        self._inbox.put(message)

    def tell(self, message: object) -> None:
        """Send something to the parent."""
        data = _packed(message)
        if len(data) > SMALL:  # it may have to wait until the parent has sent something
            self.listen()
        try:
            with self._writing:
                self._pipe.send_bytes(data)
        except OSError:  # nobody listens any more
            os._exit(0)

    def share(self, serve: Callable[[], None], threads: int) -> None:
        """Run ``serve`` in this thread and in others, ``threads`` in all. What it raises in one
        ends the process, and the parent is told."""
        if threads > 1:
            self.listen()
        for _number in range(threads - 1):
            self.another(serve)
        serve()

    def another(self, serve: Callable[[], None]) -> None:
        """Run ``serve`` in one more thread; see :meth:`share`. All of them must be listening."""
        threading.Thread(target=self.guard, args=(serve,), daemon=True).start()

    def guard(self, act: Callable[[], None]) -> None:
        """Do it; an exception ends the process, and the parent is told."""
        try:
            act()
        except BaseException as error:  # pylint: disable=broad-except
            self.tell(_Failed(_sentence(error)))
            os._exit(1)


class Member:
    """A worker process, as its parent sees it."""

    def __init__(self, pid: int, pipe: connection.Connection) -> None:
        self.pid = pid
        self.pipe = pipe
        self._how = ""  # it ended, once that is known

    def send(self, message: object) -> bool:
        """Send something. Returns whether it could be sent; the end of a process that is gone is
        seen when it is next listened to."""
        try:
            self.pipe.send_bytes(_packed(message))
        except OSError:
            return False
        return True

    def receive(self) -> Any:
        """The next message, waiting for it. Raises Ended if there is none and will be none."""
        try:
            message = pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError) as error:
            self.ended(_LAST)
            how = self._how or "it closed its pipe"
            raise Ended(f"a worker process died ({how}) before its work was done") from error
        if isinstance(message, _Failed):
            raise Ended(message.why)
        return message

    def poll(self) -> bool:
        """Whether :meth:`receive` would not wait."""
        return self.pipe.poll()

    def kill(self) -> None:
        """End it now. Never waits: a process that hangs in a dead mount can't be waited for."""
        self.pipe.close()
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)

    def ended(self, limit: float = 0.0) -> bool:
        """Whether the process has ended, after waiting up to ``limit`` seconds for that."""
        until = time.monotonic() + limit
        while not self._how:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._how = "somebody else saw its end"
                break
            if pid:
                number = os.WTERMSIG(status)
                killed = os.WIFSIGNALED(status)
                self._how = (
                    f"signal {number}" if killed else f"exit status {os.WEXITSTATUS(status)}"
                )
            elif time.monotonic() >= until:
                return False
            else:
                time.sleep(0.002)
        return True


class Crew:
    """All worker processes of a job."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._removed: list[Member] = []

    def add(self, main: Callable[[Line], None]) -> Member:
        """Start a process that does ``main``. Raises IngestError if it can't be started."""
        self._removed = [member for member in self._removed if not member.ended()]
        ours, theirs = connection.Pipe()
        gc.freeze()  # what both share is not written to by a collection
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            raise IngestError(f"a worker process can't be started: {error.strerror}") from error
        finally:
            gc.unfreeze()
        if pid == 0:
            gc.freeze()
            _become_worker(theirs, [ours, *(member.pipe for member in self.members)], main)
        theirs.close()
        member = Member(pid, ours)
        self.members.append(member)
        return member

    def wait(self, timeout: float | None = None) -> list[Member]:
        """The members that have something to say or have ended, after waiting up to ``timeout``
        seconds for one (None: for ever)."""
        ready = set(connection.wait([member.pipe for member in self.members], timeout))
        return [member for member in self.members if member.pipe in ready]

    def remove(self, member: Member) -> None:
        """Kill one, and know it no longer."""
        self.members.remove(member)
        self._removed.append(member)
        member.kill()

    def finish(self, limit: float = 5.0) -> None:
        """Let idle members end; those that have not after ``limit`` seconds are killed."""
        for member in self.members:
            member.pipe.close()
        until = time.monotonic() + limit
        for member in self.members:
            member.ended(until - time.monotonic())
        self.close()

    def close(self) -> None:
        """End all at once, whatever they do."""
        for member in list(self.members):
            self.remove(member)
        until = time.monotonic() + _LAST
        for member in self._removed:
            member.ended(until - time.monotonic())


def _packed(message: object) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def _become_worker(
    pipe: connection.Connection, others: list[connection.Connection], main: Callable[[Line], None]
) -> NoReturn:
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers itself
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for other in others:  # or no worker would ever see the end of its pipe
            other.close()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        line = Line(pipe)
        line.guard(lambda: main(line))
        os._exit(0)
    finally:
        os._exit(1)


def _sentence(error: BaseException) -> str:
    """What stopped a worker. A defect says where it is."""
    if isinstance(error, IngestError):
        return str(error)
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = ""
    if where is not None:
        name = os.path.basename(where.tb_frame.f_code.co_filename)
        place = f" ({name}, line {where.tb_lineno})"
    return f"a worker process failed: {type(error).__name__}: {error}{place}"
