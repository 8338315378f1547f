# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some files are moved together: what costs a file as much as a hundred (waiting for the disk, for
calls under way) they share. Each that somebody turns out to use goes its own way at once."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any, Callable, NamedTuple, Protocol

from ..copy.contents import Contents, Throttle
from ..core.errors import OperationError
from . import handles, leases, renames
from .journal import Entry, Journal
from .outcome import (
    BEST_EFFORT,
    FAILED,
    HOT,
    LEASE,
    MOVED,
    Candidate,
    Known,
    Outcome,
    Stop,
    known_of,
)
from .under_way import UnderWay

_PAUSE = 0.002  # s
_LOOK = 0.5  # s between looks at who waits, even if the kernel has told of nobody


class Options(NamedTuple):
    """How files are moved. Seconds that a file must have been quiet where there are no leases;
    seconds in which calls end that were under way; bytes a second, 0 without a limit."""

    quiet: float = 60.0
    grace: float = 0.02
    rate: float = 0.0


class Ground(Protocol):
    """Where files are moved: how the path comes to lead to the new file. All may raise Stop and
    OSError."""

    leased: bool
    device: int  # a descriptor on the file system of new files

    def journal(self) -> Journal:
        """Begin a journal where the next run looks for it."""

    def early(self) -> bool:
        """Whether what is made is seen by others at once, so that the journal must come first."""

    def open_directory(self, path: bytes) -> int:
        """The old file's directory."""

    def create(self, one: UnderWay, journal: Journal) -> None:
        """Make the new file, empty: its descriptor and temporary name."""

    def commit(self, batch: Batch) -> None:
        """Let the paths lead to the new files, and remove the old ones."""

    def take_back(self, one: UnderWay) -> str:
        """Let the path lead to the old file again, whatever had been done; returns why it can't, ""
        if it could. The new file then has its temporary name, or none."""

    def discard(self, one: UnderWay) -> None:
        """Remove a new file that has its temporary name, and names that users have given it."""

    def tidy(self) -> None:
        """The end of a batch."""


class Batch:
    """One batch, from its beginning to its end."""

    def __init__(self, ground: Ground, options: Options, throttle: Throttle | None = None) -> None:
        self.ground = ground
        self.options = options
        self._contents = Contents(True, throttle, self._block)
        self._live: dict[UnderWay, None] = {}
        self._loose: list[UnderWay] = []
        self._current: UnderWay | None = None
        self._heard = -1
        self._looked = 0.0
        self.outcomes: list[Outcome] = []

    # -- the way of a batch ------------------------------------------------------------------------

    def run(self, candidates: list[Candidate]) -> list[Outcome]:
        """Move them; what became of each. Raises OSError if no journal can be written, after all
        that had been done was undone."""
        journal = self.ground.journal()
        keep = False
        try:
            for candidate in candidates:
                one = UnderWay(candidate, self.ground.leased)
                self._live[one] = None
                self._guarded(one, lambda one=one: self._open(one))  # type: ignore[misc]
            if self.ground.early():
                self._name(journal)
                journal.write([_entry(one) for one in self._live])
            self.each(lambda one: self._fill(one, journal))
            if self._live:
                self.meanwhile(lambda: renames.sync_file_system(self.ground.device))
            self.each(lambda one: one.recall())
            self.each(lambda one: one.verify(self._block))
            if self._live:
                if not self.ground.early():
                    journal.write([_entry(one) for one in self._live])
                self.ground.commit(self)
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            keep = self._end(journal)
            journal.close(keep)
        return self.outcomes

    def _open(self, one: UnderWay) -> None:
        directory, dummy, name = one.path.rpartition(b"/")
        one.open(name, self.ground.open_directory(directory), self.options.quiet, time.time())

    def _name(self, journal: Journal) -> None:
        for one in self._live:
            one.temporary = b".ingest-tier-" + journal.new_name()

    def _fill(self, one: UnderWay, journal: Journal) -> None:
        self.ground.create(one, journal)
        one.copy(self._contents)
        self.look()

    # -- what the grounds use ----------------------------------------------------------------------

    def each(self, act: Callable[[UnderWay], None]) -> None:
        """Do something with each that is still under way, looking at who waits for the others."""
        for one in list(self._live):
            if one in self._live:
                self._guarded(one, lambda one=one: act(one))  # type: ignore[misc]
                self.look()

    def meanwhile(self, act: Callable[[], None], seconds: float = 0.0) -> None:
        """Do something that may take its time, for at least ``seconds``, while those who wait for a
        file get it. Raises what it raises."""
        raised: list[BaseException] = []

        def do() -> None:
            try:
                act()
            except BaseException as error:  # pylint: disable=broad-except
                raised.append(error)

        thread = threading.Thread(target=do, daemon=True)
        until = time.monotonic() + seconds
        thread.start()
        while thread.is_alive() or time.monotonic() < until:
            thread.join(_PAUSE)
            if not thread.is_alive() and time.monotonic() < until:
                time.sleep(_PAUSE)
            self.look()
        if raised:
            raise raised[0]

    def wait(self) -> None:
        """Let the calls end that were under way."""
        self.meanwhile(lambda: None, self.options.grace)

    def done(self, one: UnderWay) -> None:
        """The path leads to the new file, and nobody can have the old one."""
        now = known_of(os.fstat(one.target))
        self._settle(one, MOVED, "", now)
        one.let_go()

    def look(self) -> None:
        """Look at who waits, if there may be somebody."""
        heard, now = leases.heard(), time.monotonic()
        if (heard == self._heard and now - self._looked < _LOOK) or not self.ground.leased:
            return
        self._heard, self._looked = heard, now
        for one in list(self._live):
            if one.source >= 0 and leases.waited_for(one.source):
                if one is self._current:
                    raise Stop(HOT, "was opened meanwhile")
                self._back(one, HOT, "was opened meanwhile")

    # -- ends --------------------------------------------------------------------------------------

    def _guarded(self, one: UnderWay, act: Callable[[], None]) -> None:
        self._current = one
        try:
            act()
        except Stop as stop:
            self._back(one, stop.outcome, stop.why)
        except OSError as error:
            step = getattr(error, "operation", "")
            why = error.strerror or str(error)
            self._back(one, FAILED, f"{step}: {why}" if step else why)
        finally:
            self._current = None

    def _block(self, count: int) -> None:
        self.look()

    def _back(self, one: UnderWay, outcome: str, why: str) -> None:
        """This one is not moved. Whoever waits for the old file gets it now."""
        problem = ""
        if one.placed or one.parked:
            try:
                problem = self.ground.take_back(one)
            except (OSError, Stop) as error:
                problem = f"and can't be undone: {getattr(error, 'strerror', None) or error}"
            self._loose.append(one)
        elif one.target >= 0 or one.temporary:
            with suppress(OSError):
                self.ground.discard(one)
        self._settle(one, FAILED if problem else outcome, f"{why}; {problem}" if problem else why)
        if one in self._loose:
            source, one.source = one.source, -1
            os.close(source)
        else:
            one.let_go()

    def _settle(self, one: UnderWay, outcome: str, why: str, known: Known | None = None) -> None:
        del self._live[one]
        self.outcomes.append(
            Outcome(
                one.candidate.paths,
                outcome,
                one.before.st_size if outcome == MOVED else 0,
                why,
                LEASE if one.leased else BEST_EFFORT,
                known,
            )
        )

    def _abandon(self, error: BaseException) -> None:
        for one in list(self._live):
            with suppress(OSError):
                self._back(one, FAILED, str(error) or type(error).__name__)

    def _end(self, journal: Journal) -> bool:
        """Remove the new files that were taken back, unless somebody has got hold of one. Returns
        whether the next run must look at it."""
        kept = False
        if self._loose:
            time.sleep(self.options.grace)
        for one in self._loose:
            try:
                if one.target >= 0 and not one.alone():
                    raise OperationError("take back", 0, "two processes opened it at once")
                self.ground.discard(one)
            except OSError as error:
                kept = True
                self._say_kept(one, error.strerror or str(error))
            one.let_go()
        self.ground.tidy()
        return kept

    def _say_kept(self, one: UnderWay, problem: str) -> None:
        for at, outcome in enumerate(self.outcomes):
            if outcome.paths == one.candidate.paths:
                why = (
                    f"{outcome.why}; its new file can't be removed ({problem}): the next run looks "
                    "at both"
                )
                self.outcomes[at] = outcome._replace(outcome=FAILED, why=why)


def _entry(one: UnderWay) -> Entry:
    before: Any = one.before
    return Entry(
        one.candidate.paths,
        known_of(before),
        before.st_mode,
        before.st_uid,
        before.st_gid,
        one.made.st_ino,
        one.temporary,
        handles.of(one.source),
        handles.of(one.target) if one.target >= 0 else "",
    )
