# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed run left half done is finished or undone, by what is there now.

Of the two files of an entry users get one, the visible one; the other is hidden. The hidden one
goes, if nobody uses it and nothing was written to it. If something was, by somebody who came just
when the run was killed, but nothing to the visible one, they change places. If to both, both stay,
and a person must look.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Iterator, NamedTuple

from ..core.errors import IngestError
from ..core.paths import display, split
from . import journal, renames
from .exchange import Exchange
from .folder import Folder
from .found import Found, Names, behind_link, in_place, in_union
from .journal import Entry, Left
from .outcome import Stop
from .stub import Stub, link_name
from .union import Union

FINISHED, UNDONE, IN_USE, KEPT = "finished", "undone", "in use", "kept"


class Mended(NamedTuple):
    """What became of a file that a killed run was about: finished, undone, in use (the next run
    looks again), or kept: both files were written to."""

    path: bytes
    what: str
    why: str


def recover(pool: bytes) -> Iterator[Mended]:
    """Mend what dead writers of a pool's journals were about. Raises IngestError, OSError."""
    folder = Folder(pool)
    try:
        for left in journal.left(folder):
            try:
                yield from _recover(folder, left)
            finally:
                os.close(left.fd)
    finally:
        folder.close()


def _recover(folder: Folder, left: Left) -> list[Mended]:
    mended: list[Mended] = []
    places = [folder.path]
    kind = left.head.get("ground")
    if kind == "union":
        union = Union(*(os.fsencode(left.head[name]) for name in ("union", "source", "target")))
        try:
            places.append(union.source_folder.path)
            mended = _in_union(union, left)
        finally:
            union.close()
    elif kind == "exchange":
        exchange = Exchange(os.fsencode(left.head["root"]))
        try:
            mended = [_mend(InPlace(exchange, entry)) for entry in left.entries]
        finally:
            exchange.close()
    elif kind == "stub":
        stub = Stub(*(os.fsencode(left.head[name]) for name in ("source", "target")))
        try:
            mended = [_mend(BehindLink(stub, entry)) for entry in left.entries]
        finally:
            stub.close()
    elif left.head:
        raise IngestError(f"a journal in {display(folder.path)} is of an unknown kind")
    if not any(one.what in (IN_USE, KEPT) for one in mended):
        for place in places:
            _clear(place, left.mark)
        folder.remove(left.mark + journal.SUFFIX)
    return [one for one in mended if one.what]


def _in_union(ground: Union, left: Left) -> list[Mended]:
    dummy, source, target = ground.paths
    first = os.fsencode(left.head["first"])
    lock = ground.wait_for_turn()
    try:
        new_first = ground.order.first(source, target) == target
        mended = [_mend(InUnion(ground, entry, new_first)) for entry in left.entries]
        if not any(one.what == IN_USE for one in mended):  # there the order decides what users get
            ground.order.put_first(first, target if first == source else source)
        return mended
    finally:
        os.close(lock)


def _clear(place: bytes, mark: bytes) -> None:
    """Remove what was never seen."""
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(mark) and not entry.name.endswith(journal.SUFFIX):
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        os.rmdir(entry.path)
                    else:
                        os.unlink(entry.path)


class InUnion:
    """An entry whose files are in two branches."""

    def __init__(self, ground: Union, entry: Entry, new_first: bool) -> None:
        self.ground = ground
        self.found = found = in_union(ground, entry)
        if found.old.seen and found.new.seen:
            new = new_first
        else:
            new = bool(found.new.seen)
        self.new_is_visible = new

    def _pool(self, names: Names) -> tuple[Folder, int]:
        """The folder of the file's pool, and its inode."""
        old = names is self.found.old
        folder = self.ground.source_folder if old else self.ground.target_folder
        return folder, os.fstat(names.fd).st_ino

    def drop(self, names: Names) -> None:
        """Remove a file. Raises OSError."""
        self.hide(names)
        folder, dummy = self._pool(names)
        for fd, name in names.beside:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)

    def hide(self, names: Names) -> None:
        """Take a file out of users' sight. Raises OSError."""
        folder, inode = self._pool(names)
        for fd, name in list(names.seen.values()):
            new = b"%s.%s" % (self.found.entry.temporary, os.urandom(8).hex().encode())
            if folder.take(fd, name, inode, new):
                names.beside.append((os.dup(folder.fd), new))

    def show(self, names: Names, other: Names) -> None:
        """Give a file all the names that the other one has. Raises OSError."""
        directories = self.ground.sources if names is self.found.old else self.ground.targets
        for path in list(other.seen) or self.found.entry.paths:
            if path not in names.seen:
                directory, name = split(path)
                fd, last = names.any()
                there = directories.get(directory).fd
                os.link(last, name, src_dir_fd=fd, dst_dir_fd=there, follow_symlinks=False)
                names.seen[path] = (os.dup(there), name)


class InPlace:
    """An entry whose files change places."""

    def __init__(self, ground: Exchange, entry: Entry) -> None:
        self.found = in_place(ground, entry)
        self.new_is_visible = bool(self.found.new.seen)

    def drop(self, names: Names) -> None:
        """Remove a file. Raises OSError."""
        for fd, name in names.beside:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)

    def hide(self, names: Names) -> None:
        """It is hidden."""

    def show(self, names: Names, other: Names) -> None:
        """Give a file all the names that the other one has. Raises OSError."""
        for number, (path, (fd, name)) in enumerate(list(other.seen.items())):
            at, last = names.any()
            new = b"%s.s%d" % (self.found.entry.temporary, number)
            os.link(last, new, src_dir_fd=at, dst_dir_fd=fd, follow_symlinks=False)
            renames.exchange(fd, new, fd, name)
            other.beside.append((os.dup(fd), new))
            names.seen[path] = other.seen.pop(path)


class BehindLink:
    """An entry whose new file has a link in the old one's place."""

    def __init__(self, ground: Stub, entry: Entry) -> None:
        self.ground = ground
        self.found = behind_link(ground, entry)
        self.new_is_visible = bool(self.found.new.seen)
        self._directory, self._name = split(entry.paths[0])
        self._link = link_name(entry.temporary)

    def drop(self, names: Names) -> None:
        """Remove a file. Raises OSError."""
        for fd, name in names.beside:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)
        here = self.ground.sources.get(self._directory).fd
        if self.ground.ours(here, self._link, self.found.entry.paths[0]):
            os.unlink(self._link, dir_fd=here)

    def hide(self, names: Names) -> None:
        """It is hidden."""

    def show(self, names: Names, other: Names) -> None:
        """Let the old file and the link change places. Raises OSError."""
        here = self.ground.sources.get(self._directory).fd
        renames.exchange(here, self._link, here, self._name)
        path = self.found.entry.paths[0]
        names.seen[path] = names.beside.pop(0)
        other.beside.append(other.seen.pop(path))


def _mend(site: InUnion | InPlace | BehindLink) -> Mended:
    found = site.found
    path = found.entry.paths[0]
    try:
        what, why = _decide(site)
    except (OSError, Stop) as error:
        what, why = IN_USE, f"it could not be looked at: {getattr(error, 'strerror', '') or error}"
    finally:
        found.close()
    return Mended(path, what, why)


def _decide(site: InUnion | InPlace | BehindLink) -> tuple[str, str]:
    found = site.found
    visible, hidden = found.old, found.new
    if site.new_is_visible:
        visible, hidden = hidden, visible
    done = FINISHED if site.new_is_visible else UNDONE
    if not visible.seen:  # users have removed it since, or given it another name
        return _forgotten(site)
    if not hidden:
        _tidy(visible)
        return done, ""
    if found.busy(hidden):
        return IN_USE, "somebody has it open"
    if not found.written(hidden) or found.same():
        if hidden.seen:
            site.show(visible, hidden)
        site.drop(hidden)
        _tidy(visible)
        return done, ""
    if found.busy(visible):
        return IN_USE, "somebody has it open"
    if not found.written(visible):
        site.show(hidden, visible)
        site.drop(visible)
        _tidy(hidden)
        return (UNDONE if site.new_is_visible else FINISHED), ""
    site.hide(hidden)
    return KEPT, _kept(found)


def _forgotten(site: InUnion | InPlace | BehindLink) -> tuple[str, str]:
    """Users see neither file: what nobody wrote to goes."""
    found = site.found
    there = [names for names in (found.old, found.new) if names]
    if any(found.busy(names) for names in there):
        return IN_USE, "somebody has it open"
    written = [names for names in there if found.written(names)]
    for names in there:
        if names not in written:
            site.drop(names)
    if written:
        return KEPT, _kept(found)
    return (FINISHED if there else ""), ""


def _kept(found: Found) -> str:
    return (
        "somebody wrote to its old and to its new file while it was moved: the one that users "
        f"don't see is kept under a name that holds {display(found.entry.temporary)}"
    )


def _tidy(visible: Names) -> None:
    """Remove further names that users never saw. Raises OSError."""
    for fd, name in visible.beside:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=fd)
