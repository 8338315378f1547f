# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a directory: names and what each entry is, in the order in which the server gives them.

An NFS client that lists a directory may be told all of its entries' attributes with their names
(READDIRPLUS, and READDIR of NFSv4), a hundred entries a call. It asks for them as long as somebody
uses them: whoever looks at each entry before reading the next ones gets them for nothing. Whoever
reads all names first, and then looks, pays a LOOKUP for each.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from itertools import chain, islice
from operator import itemgetter
from time import perf_counter
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

RUN = 1_000  # entries that are held at once

_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_ENCODING = sys.getfilesystemencoding()
_KNOWN = 50_000  # names of a directory that are known again
_FIRST = itemgetter(0)
_S_IFMT, _S_IFREG, _S_IFDIR = 0o170000, 0o100000, 0o040000
_SAMPLE = 16  # entries that are looked at alone; more than the 8 that a kernel wants to see used
_SLOW = 1e-4  # s: a look that takes so long has asked a server
_THREADS = 16  # that look at once where each look asks a server
_EACH = 8  # entries that make a thread worth its start

Wanted = Callable[[bytes, bool], bool]
Known = Tuple[bytes, os.stat_result]
_Look = Tuple[bytes, Union[os.stat_result, OSError]]


class Run(NamedTuple):
    """Some entries of a directory, by kind, in the order in which they were read. What a server
    gives twice among the first 50,000 is here once.

    The stat of a directory is None where it was not asked for. ``failed`` are those of which
    nothing is known but the name: they vanished meanwhile, or can't be looked at.
    """

    files: List[Known]
    directories: List[Tuple[bytes, Optional[os.stat_result]]]
    others: List[Known]
    failed: List[Tuple[bytes, OSError]]


class Names(NamedTuple):
    """Some names in a directory, by what the listing says that they are; ``failed`` as above."""

    files: List[bytes]
    directories: List[bytes]
    others: List[bytes]
    failed: List[Tuple[bytes, OSError]]


def reading(directory: int) -> int:
    """A descriptor to list a directory by, of one that may only be open for looking things up
    (O_PATH); to be closed by the caller. Raises OSError."""
    return os.open(b".", _LIST, dir_fd=directory)


def listed(
    descriptor: int,
    remote: bool = False,
    directories: bool = False,
    wanted: Wanted | None = None,
    size: int = RUN,
) -> Iterator[Run]:
    """Read a directory that is open for reading, from its beginning, once at a time.

    Args:
        remote: a server has it (:func:`.worker_count.waits`): it is asked, whatever this client
            remembers of an earlier listing, and tells directories' stats as well.
        directories: look at directories, too. Else their kind is what the listing says.
        wanted: (name, whether it is a directory): what is not wanted is left out; locally it is
            not looked at either.
        size: entries in one run, at most.

    Raises:
        OSError: it can't be read, or not to its end; what had been read was given before that.
    """
    if remote:
        forget(descriptor)
    run = Run([], [], [], [])
    known: set[bytes] = set()
    try:
        with os.scandir(descriptor) as entries:
            if remote:
                while _ask(run, descriptor, entries, wanted, known, size) == size:
                    yield run
                    run = Run([], [], [], [])
            else:
                while _look(run, entries, directories, wanted, size) == size:
                    yield run
                    run = Run([], [], [], [])
    except OSError:
        yield run
        raise
    yield run


def named(directory: int, remote: bool = False) -> Iterator[Names]:
    """The names in a directory, which may only be open for looking things up, by what the listing
    says that they are; for the rest see :func:`listed`.

    Where a server has it, each entry is looked at all the same: that costs next to nothing, and
    who opens it next need not ask for it.
    """
    if remote:
        descriptor = reading(directory)
        try:
            for run in listed(descriptor, True):
                files, directories, others = ([entry[0] for entry in part] for part in run[:3])
                yield Names(files, directories, others, run.failed)
        finally:
            os.close(descriptor)
        return
    names = Names([], [], [], [])
    known: set[bytes] = set()
    try:
        with os.scandir(b"/proc/self/fd/%d" % directory) as entries:
            while _name(names, entries) == RUN:
                _once(names[:3], known, bytes)
                yield names
                names = Names([], [], [], [])
    except OSError:
        _once(names[:3], known, bytes)
        yield names
        raise
    _once(names[:3], known, bytes)
    yield names


def look_ahead(directory: int, most: int) -> None:
    """List a directory of a server, which may only be open for looking things up, up to about so
    many entries, so that whoever opens them next need not ask where each is.

    It ends at once where the listing does not tell that. What can't be listed stays as it is.
    """
    try:
        descriptor = reading(directory)
    except OSError:
        return
    try:
        forget(descriptor)
        with os.scandir(descriptor) as entries:
            for _run in range(0, most, RUN):
                looks: list[_Look] = []
                if _each_asks(looks, entries, RUN):
                    return
                looks.extend(map(_stat, islice(entries, RUN - len(looks))))
                if len(looks) < RUN:
                    return
    except OSError:
        pass  # whoever opens them will say it
    finally:
        os.close(descriptor)


def forget(descriptor: int) -> None:
    """Make this client forget how it has listed an open directory before.

    It would give the names from its memory, and ask about each of them, one by one, when it is
    looked at. So it lists the directory again, and is told how each entry is now.
    """
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError:
        pass  # a file system without such a memory


def _look(
    run: Run,
    entries: Iterator[os.DirEntry[str]],
    directories: bool,
    wanted: Wanted | None,
    size: int,
) -> int:
    """Read the next entries of a local directory; how many. Raises OSError if they can't be read,
    with ``run`` holding those that could."""
    files, below, others, failed = run
    encoding, unwanted = _ENCODING, 0
    for entry in islice(entries, size):
        name = entry.name.encode(encoding, "surrogateescape")
        try:
            is_directory = entry.is_dir(follow_symlinks=False)
            if wanted is not None and not wanted(name, is_directory):
                unwanted += 1
                continue
            if is_directory and not directories:
                below.append((name, None))
                continue
            found = entry.stat(follow_symlinks=False)
        except OSError as error:
            failed.append((name, error))
            continue
        kind = found.st_mode & 0o170000  # it may have changed since it was listed
        if kind == 0o100000:
            files.append((name, found))
        elif kind == 0o040000:
            below.append((name, found))
        else:
            others.append((name, found))
    return len(files) + len(below) + len(others) + len(failed) + unwanted


def _name(names: Names, entries: Iterator[os.DirEntry[bytes]]) -> int:
    """The same without a look at them."""
    files, below, others, failed = names
    for entry in islice(entries, RUN):
        try:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                files.append(entry.name)
            else:
                others.append(entry.name)
        except OSError as error:  # the listing did not say what it is
            failed.append((entry.name, error))
    return len(files) + len(below) + len(others) + len(failed)


def _once(parts: Sequence[list[Any]], known: set[bytes], name_of: Callable[[Any], bytes]) -> None:
    """Take out what the server has given before: it may, when a directory changes meanwhile."""
    names = list(map(name_of, chain.from_iterable(parts)))
    new = set(names)
    if len(new) == len(names) and known.isdisjoint(new):
        if len(known) < _KNOWN:
            known |= new
        return
    given: set[bytes] = set()
    for part in parts:
        entries, part[:] = part[:], []
        for entry in entries:
            name = name_of(entry)
            if name not in given and name not in known:
                part.append(entry)
            given.add(name)
    known |= given


def _ask(
    run: Run,
    descriptor: int,
    entries: Iterator[os.DirEntry[str]],
    wanted: Wanted | None,
    known: set[bytes],
    size: int,
) -> int:
    """The same of a directory that a server has. The first few looks show whether the listing had
    told what they want to know; where each asks the server, threads look at the rest."""
    looks: list[_Look] = []
    try:
        if _each_asks(looks, entries, size):
            _spread(looks, descriptor, entries, size - len(looks))
        else:
            looks.extend(map(_stat, islice(entries, size - len(looks))))
    finally:  # what was read before an error is given, too
        _sort_out(run, looks, wanted)
        _once(run, known, _FIRST)
    return len(looks)


def _each_asks(looks: list[_Look], entries: Iterator[os.DirEntry[str]], size: int) -> bool:
    """Look at the next few; whether each look had to ask the server."""
    slow = 0
    for entry in islice(entries, min(_SAMPLE, size)):
        began = perf_counter()
        looks.append(_stat(entry))
        slow += perf_counter() - began > _SLOW
    return len(looks) == _SAMPLE and slow >= _SAMPLE - 1


def _stat(entry: os.DirEntry[str]) -> _Look:
    name = entry.name.encode(_ENCODING, "surrogateescape")
    try:
        return name, entry.stat(follow_symlinks=False)
    except OSError as error:
        return name, error


def _spread(
    looks: list[_Look], descriptor: int, entries: Iterator[os.DirEntry[str]], size: int
) -> None:
    """Read the next names, then look at them with threads."""
    names: deque[bytes] = deque()
    before = len(looks)

    def work() -> None:
        while True:
            try:
                name = names.popleft()
            except IndexError:
                return
            looks.append(_named(name, descriptor))

    try:
        names.extend(
            entry.name.encode(_ENCODING, "surrogateescape") for entry in islice(entries, size)
        )
    finally:
        count = before + len(names)
        crew = []
        try:
            for _n in range(1, min(_THREADS, len(names) // _EACH)):
                crew.append(threading.Thread(target=work, daemon=True))
                crew[-1].start()
        except RuntimeError:  # this system has no more threads
            crew.pop()
        work()
        for thread in crew:
            thread.join()
        if len(looks) < count:
            raise MemoryError("a thread ended while it looked at a directory's entries")


def _named(name: bytes, descriptor: int) -> _Look:
    try:
        return name, os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError as error:
        return name, error


def _sort_out(run: Run, looks: list[_Look], wanted: Wanted | None) -> None:
    files, below, others, failed = run
    for name, found in looks:
        if isinstance(found, OSError):
            failed.append((name, found))
            continue
        kind = found.st_mode & _S_IFMT
        if wanted is not None and not wanted(name, kind == _S_IFDIR):
            continue
        if kind == _S_IFREG:
            files.append((name, found))
        elif kind == _S_IFDIR:
            below.append((name, found))
        else:
            others.append((name, found))
