# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two-phase rsync of a list of items: written in place first, then proved and repaired."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from typing import AbstractSet, Any, Callable, Iterator, NamedTuple, Sequence

from ...core.outcome import Failure
from ...core.paths import join, split
from ...fs.directories import DirCache
from .options import environment

LONGEST_PATH = 4000  # bytes below the root; what is longer, rsync refuses
_ARGUMENTS = 1 << 19  # bytes of names on one command line
_FATAL_RUNS = 4
_LINGER = 10.0  # seconds
_BEAT = 5.0  # seconds
_HOPELESS = (1, 2, 3, 4, 5, 6, 14, 19, 20, 21, 22, 25)  # no other list would fare better
_PARTIAL = (23, 24)  # the rest of the list was worked through
_MARK = b"@item "  # tells the report's lines from what -v and --stats print
_ESCAPE = re.compile(rb"\\#([0-7]{3})")
_TEMPORARY = re.compile(rb"^\.(.+)\.[A-Za-z0-9]{6}$", re.DOTALL)
_ERRNO = re.compile(r"\((\d+)\)$")
_UNQUOTED = (
    (re.compile(rb"^ERROR: (.*) failed verification -- update discarded"), "verify", errno.EIO),
    (re.compile(rb"could not make way for (?:new )?[a-z ]+: (.*)$"), "create", errno.EISDIR),
    (re.compile(rb"sys_acl_set_file\((.*), \w+\): .*$"), "set_acl", 0),
)
_SKIPPED = re.compile(rb'^skipping non-regular file "(.*)"$')
# A destination that can't hold an attribute is no reason to lose the item: see Result.left.
_ATTRIBUTES = ("lsetxattr", "rsync_xal_set", "sys_acl_set", "set_acl", "chown", "chgrp")
_CANNOT = (errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL, errno.ENOSYS)


class Result:
    """What came of one list.

    ``files`` are the items copied now, those ``repaired`` by phase 2 among them; ``changed`` are
    the files and those that got other metadata only. ``left`` are items, counted nowhere here, of
    which the destination refused an owner or an attribute: rsync then leaves out the rest of their
    metadata as well, so somebody else has to finish them. ``moved`` are those of them that were copied now.
    """

    def __init__(self) -> None:
        self.files = self.bytes = self.skipped = self.changed = self.repaired = 0
        self.failures: list[Failure] = []
        self.left: list[bytes] = []
        self.moved: set[bytes] = set()
        self.seconds = 0.0

    def add(self, other: Result) -> None:
        """Sum up, the longer time kept."""
        for name in ("files", "bytes", "skipped", "changed", "repaired"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failures += other.failures
        self.left += other.left
        self.moved |= other.moved
        self.seconds = max(self.seconds, other.seconds)


class Change(NamedTuple):
    """One line of rsync's report: a path, whether it was copied, its bytes."""

    path: bytes
    copied: bool
    bytes: int


class _Run(NamedTuple):
    """One rsync process that has ended."""

    code: int
    failures: dict[bytes, Failure]
    message: str


def two_phases(
    arguments: Sequence[str],
    source: bytes,
    destination: bytes,
    paths: Sequence[bytes],
    verify: str = "metadata",
    progress: Callable[[int, int], None] | None = None,
    linked: AbstractSet[bytes] = frozenset(),
) -> Result:
    """Copy the items at ``paths`` (relative; no directories), each below an existing directory.

    Phase 1 writes in place: no temporary file and no rename, half the metadata calls on a cache.
    Phase 2 runs over the same list without ``--inplace``: it compares size and time, or with
    ``verify="checksum"`` the contents, and copies what differs. Its word is final: what failed
    before and is right now has not failed. With ``verify="none"`` there is no phase 2.

    Args:
        arguments: rsync and its options, from :func:`rsyncoptions.command`.
        progress: called with items and bytes copied since the last call.
        linked: those of the paths that have several links in the destination. Writing in place
            would change the other names as well, so they are replaced from the start.
    """
    started = time.monotonic()
    result = Result()
    run = _Phases(arguments, source, destination, result, progress)
    first: dict[bytes, bool] = {}
    single = [path for path in paths if path not in linked] if linked else paths
    failures = run.phase(single, ["--inplace"], first)
    if linked:
        failures.update(run.phase(sorted(linked), [], first))
    copied = {path for path, was in first.items() if was}
    changed = set(first)
    if verify != "none":
        second: dict[bytes, bool] = {}
        extra = ["--checksum"] if verify == "checksum" else []
        failures = run.phase(paths, extra, second)
        repaired = {path for path, was in second.items() if was}.difference(failures)
        result.repaired = len(repaired - run.left)
        copied |= repaired
        changed.update(second)
    left = run.left.difference(failures)
    result.files = len(copied.difference(failures, left))
    result.changed = len(changed.difference(failures, left))
    result.skipped = len(paths) - len(left) - len(failures) + (b"" in failures) - result.files
    result.left = sorted(left)
    result.moved = copied & left
    result.failures = list(failures.values())
    result.seconds = time.monotonic() - started
    return result


class _Phases:
    """The runs over one list, with what they share."""

    def __init__(
        self,
        arguments: Sequence[str],
        source: bytes,
        destination: bytes,
        result: Result,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.arguments = list(arguments)
        self.source = source
        # rsync starts in the source: a relative destination would be looked for there.
        self.destination = os.path.abspath(destination)
        self.result = result
        self.left: set[bytes] = set()
        self.progress = progress
        self.roots = {os.path.abspath(source), os.path.realpath(source), self.destination}
        self.roots.add(os.path.realpath(destination))

    def phase(
        self, paths: Sequence[bytes], extra: list[str], changes: dict[bytes, bool]
    ) -> dict[bytes, Failure]:
        """One pass over all paths; returns the failures by path."""
        failures: dict[bytes, Failure] = {}
        for by_list, batch in _batches(paths):
            self._batch(batch, by_list, extra, changes, failures)
        return failures

    def _batch(
        self,
        batch: list[bytes],
        by_list: bool,
        extra: list[str],
        changes: dict[bytes, bool],
        failures: dict[bytes, Failure],
    ) -> None:
        """Run rsync over a batch; when it gives up over one item, again without that item."""
        for attempt in range(_FATAL_RUNS):
            run = self._rsync(batch, by_list, extra, changes)
            failures.update(run.failures)
            if "--inplace" in extra:
                self._clean(run.failures)
            if run.code == 0 or (run.code in _PARTIAL and not run.message):
                return
            if run.code in _PARTIAL and run.failures:
                failures[b""] = Failure(b"", "rsync", 0, run.message)
                return
            batch = [path for path in batch if path not in run.failures]
            if not batch:
                return
            if run.code in _HOPELESS or (attempt and not run.failures):
                break
        for path in batch:
            failures[path] = Failure(path, "rsync", 0, run.message)

    def _clean(self, failures: dict[bytes, Failure]) -> None:
        """Take away what was written in part, so that it holds no space and looks like no file."""
        written = [path for path, why in failures.items() if why.operation.startswith("write fail")]
        if not written:
            return
        targets = DirCache(self.destination)
        try:
            for path in written:
                directory, name = split(path)
                with suppress(OSError):  # it has failed already, and phase 2 looks at it again
                    os.unlink(name, dir_fd=targets.get(directory).fd)
        finally:
            targets.close()

    def _rsync(
        self, batch: list[bytes], by_list: bool, extra: list[str], changes: dict[bytes, bool]
    ) -> _Run:
        command: list[object] = [*self.arguments, *extra, "--out-format=@item %i %l %n"]
        target = self.destination + b"/"
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as names:
            if by_list:
                names.write(b"".join(b"./" + path + b"\0" for path in batch))
                names.seek(0)
                command += ["--files-from=-", "--from0", "./", target]
            else:
                command += ["--", *batch, target]
            ended, held = os.pipe()
            try:
                process = subprocess.Popen(
                    command,  # type: ignore[arg-type]
                    cwd=self.source,
                    stdin=names,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment(),
                    pass_fds=[held],
                    preexec_fn=_end_with_parent,  # noqa: PLW1509
                )
            except OSError as error:
                os.close(ended)
                return _Run(-1, {}, f"rsync could not be started: {error.strerror}")
            finally:
                os.close(held)
            known = set(batch)
            try:
                skipped = self._follow(process, known, changes)
                code = process.wait()
                # rsync is three processes, and after an error the writing one may outlive the
                # first for a moment: the pipe that they all hold shows when the last is gone.
                _readable(ended, _LINGER)
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                os.close(ended)
            errors.seek(0)
            failures, rest = self._failures(errors, known)
        for path in skipped:
            failures[path] = Failure(
                path, "create", errno.EPERM, "only root can make this kind of file"
            )
        return _Run(code, failures, _message(code, rest))

    def _follow(
        self, process: subprocess.Popen[bytes], known: set[bytes], changes: dict[bytes, bool]
    ) -> list[bytes]:
        """Read rsync's report as it comes; returns what it would not copy."""
        skipped = []
        files = moved = 0
        told = time.monotonic()
        stream: Any = process.stdout
        with stream:
            for line in _lines(stream.fileno(), process.pid, self.progress):
                if not line.startswith(_MARK):
                    match = _SKIPPED.match(line)
                    path = match and self._known(match.group(1), known)
                    if path is not None:
                        skipped.append(path)
                    continue
                change = parse_change(line[len(_MARK) :])
                if change.path not in known:
                    continue
                changes[change.path] = changes.get(change.path, False) or change.copied
                if change.copied:
                    files += 1
                    moved += change.bytes
                    self.result.bytes += change.bytes
                    if self.progress and time.monotonic() - told > 0.5:
                        self.progress(files, moved)
                        files = moved = 0
                        told = time.monotonic()
        if self.progress and files:
            self.progress(files, moved)
        return skipped

    def _failures(
        self, stream: Iterator[bytes], known: set[bytes]
    ) -> tuple[dict[bytes, Failure], list[str]]:
        """rsync's complaints by path, and those that name none of the paths."""
        failures: dict[bytes, Failure] = {}
        rest: list[str] = []
        for raw in stream:
            line = raw.rstrip(b"\n")
            text = line.decode("ascii", "backslashreplace")
            failure = self._failure(line, text, known)
            if failure is None:
                if line and len(rest) < 20:
                    rest.append(text)
            elif failure.errno in _CANNOT and failure.operation.startswith(_ATTRIBUTES):
                self.left.add(failure.path)
            else:
                failures.setdefault(failure.path, failure)
        return failures, rest

    def _failure(self, line: bytes, text: str, known: set[bytes]) -> Failure | None:
        for pattern, operation, number in _UNQUOTED:
            found = pattern.search(line)
            path = found and self._known(found.group(1), known)
            if path is not None:
                return Failure(path, operation, number or _errno(text), text)
        start = line.find(b'"')
        end = len(line)
        while True:
            end = line.rfind(b'"', start + 1, end)
            if start < 0 or end <= start:
                return None
            path = self._known(line[start + 1 : end], known)
            if path is not None:
                number = _errno(text)
                if line.startswith(b"file has vanished"):
                    number = errno.ENOENT
                return Failure(path, _operation(text), number, text)

    def _known(self, name: bytes, known: set[bytes]) -> bytes | None:
        """The path of the list that a name in a message means."""
        name = unescape(name)
        candidates = [name]
        candidates += [name[len(r) + 1 :] for r in self.roots if name.startswith(r + b"/")]
        for path in candidates:
            if path in known:
                return path
            directory, base = split(path)
            temporary = _TEMPORARY.match(base)
            if temporary and join(directory, temporary.group(1)) in known:
                return join(directory, temporary.group(1))
        return None


def _lines(stream: int, pid: int, progress: Callable[[int, int], None] | None) -> Iterator[bytes]:
    """The lines of a report. While none comes and rsync still reads or writes, ``progress`` hears
    of it with zeros, so that a large file is not taken for a mount that hangs."""
    rest = b""
    before = 0
    while True:
        if progress and not _readable(stream, _BEAT):
            now = _activity(pid)
            if now != before:
                progress(0, 0)
            before = now
            continue
        block = os.read(stream, 1 << 16)
        if not block:
            break
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _readable(descriptor: int, seconds: float) -> bool:
    """Wait so long until there is something to read, or the end. poll knows every descriptor."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def _activity(pid: int) -> int:
    """Bytes that a process and its children have read and written; a process that is gone: 0."""
    total = 0
    with suppress(OSError, ValueError):
        with open("/proc/%d/io" % pid, encoding="ascii") as stream:
            total += sum(int(line.split()[1]) for line in list(stream)[:2])
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as stream:
            total += sum(_activity(int(child)) for child in stream.read().split())
    return total


def _end_with_parent() -> None:
    """An rsync must not go on writing for a worker that was given up."""
    if _PRCTL is not None:
        _PRCTL(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _prctl() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None


_PRCTL = _prctl()


def _batches(paths: Sequence[bytes]) -> Iterator[tuple[bool, list[bytes]]]:
    """Cut a list into (by list, paths). rsync reads --files-from byte by byte, two system calls
    each, which costs as much as copying small files: names go on the command line, but for those
    with a colon in front of their first slash, which there would name a host."""
    listed = [path for path in paths if b":" in path.partition(b"/")[0]]
    if listed:
        yield True, listed
    batch: list[bytes] = []
    length = 0
    for path in paths:
        if b":" in path.partition(b"/")[0]:
            continue
        if length + len(path) > _ARGUMENTS:
            yield False, batch
            batch, length = [], 0
        batch.append(path)
        length += len(path) + 9
    if batch:
        yield False, batch


def parse_change(line: bytes) -> Change:
    """Read a line of ``--out-format='%i %l %n'``."""
    flags, size, name = line.split(b" ", 2)
    return Change(unescape(name), flags[:1] in b"<>c", int(size) if flags[:1] in b"<>" else 0)


def unescape(name: bytes) -> bytes:
    r"""The name that rsync wrote with its \#ooo escapes."""
    if b"\\#" not in name:
        return name
    return _ESCAPE.sub(lambda found: bytes((int(found.group(1), 8) & 255,)), name)


def _errno(text: str) -> int:
    """The number at the end of a message, or 0."""
    said = _ERRNO.search(text)
    return int(said.group(1)) if said else 0


def _operation(text: str) -> str:
    """What rsync was doing: its message's words before the name."""
    if text.startswith("file has vanished"):
        return "read"
    words = re.sub(r"^rsync:? *(\[[^\]]*\])? *", "", text)
    before, _dummy, after = words.partition('"')
    before = before.strip(" :(")
    if before:
        return before
    return after.rpartition('"')[2].partition(":")[0].strip() or "rsync"


def _message(code: int, rest: list[str]) -> str:
    """One sentence on an rsync that did not end well; empty for one that did."""
    if code == 0 or (code in _PARTIAL and not _complaints(rest)):
        return ""
    if code < 0:
        return (
            "; ".join(rest[-2:])
            if code == -1 and rest
            else ("rsync was ended by signal %d" % -code)
        )
    return "; ".join(_complaints(rest)[:2] + rest[-1:]) or "rsync ended with status %d" % code


def _complaints(rest: list[str]) -> list[str]:
    return [line for line in rest if not line.startswith(("rsync error:", "rsync warning:"))]
