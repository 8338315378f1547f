# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies one entry at a time from one tree into another: the inner loop.

Everything happens relative to open directories, so a symbolic link that stands in the
destination is replaced or refused, never followed.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable, FrozenSet, List, NamedTuple, Optional, Tuple

from .contents import SMALL, Contents, OperationError, Throttle
from .dirs import DirCache, Directory
from .fresh import refresh
from .metadata import Losses, Metadata
from .paths import join, split, temporary

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 3
# What needs the directory to be writable and searchable.
_IN_DIRECTORY = ("make directory", "stat destination", "create", "rename", "link")
# What calls to a dead server come to, if they come back: softerr, soft and others.
_UNANSWERED = (
    errno.ETIMEDOUT, errno.EIO, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ECONNREFUSED,
)
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EXDEV)


class Want(NamedTuple):
    """What an entry is in the source. Times in ns, sizes in bytes."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    atime: int
    rdev: int


class Failure(NamedTuple):
    """An item that did not arrive, and why."""

    path: bytes
    operation: str
    errno: int
    message: str


class Tally:
    """What was done. ``files`` are all entries but directories that were copied now."""

    __slots__ = ("files", "directories", "bytes", "skipped", "changed", "failed", "repaired")

    def __init__(self) -> None:
        self.files = self.directories = self.bytes = 0
        self.skipped = self.changed = self.failed = self.repaired = 0

    def take(self) -> Tuple[int, ...]:
        """The counts in the order of the slots; they start again from 0."""
        counts = tuple(getattr(self, name) for name in self.__slots__)
        for name in self.__slots__:
            setattr(self, name, 0)
        return counts


def want_of(found: os.stat_result) -> Want:
    """The source's state as its stat shows it."""
    return Want(
        found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_mtime_ns,
        found.st_atime_ns, found.st_rdev,
    )


class Copier:
    """Copies entries of one source tree into one destination mount. For one thread."""

    def __init__(
        self, source: bytes, destination: bytes, preserve: FrozenSet[str],
        throttle: Optional[Throttle] = None, moved: Optional[Callable[[int], None]] = None,
        fsync: bool = False,
    ) -> None:
        """Open both trees. Raises OSError if one can't be opened.

        With "mode" in ``preserve`` the process must have umask 0.
        """
        self.sources = DirCache(source)
        self.targets = DirCache(destination)
        self.tally = Tally()
        self.losses = Losses()
        self.failures: List[Failure] = []
        self.metadata = Metadata(preserve, self.losses)
        self.contents = Contents("sparse" in preserve, throttle, moved)
        self.device = os.fstat(self.targets.get(b"").fd).st_dev
        self._fsync = fsync
        self._doing = ""
        # Told the operation when it looks as if a server does not answer.
        self.suspicion: Optional[Callable[[str], None]] = None

    # -- one entry ---------------------------------------------------------------------------

    def entry(self, directory: bytes, name: bytes, want: Want) -> None:
        """Copy what the manifest has at ``directory/name``, unless it is there already."""
        try:
            try:
                self._entry(directory, name, want)
            except PermissionError:
                if not self._open_up(directory):
                    raise
                self._entry(directory, name, want)
        except OSError as error:
            self.fail(join(directory, name), error)

    def _entry(self, directory: bytes, name: bytes, want: Want) -> None:
        kind = stat.S_IFMT(want.mode)
        if kind == stat.S_IFREG:
            self._file(directory, name, want, False)
        elif kind == stat.S_IFDIR:
            self._doing = "make directory"
            self.targets.get(join(directory, name), True)
        else:
            self._node(directory, name, want)

    def _open_up(self, directory: bytes) -> bool:
        """Let a user other than root into its own read-only directories of an earlier run, until
        the last phase gives them their modes again. Returns whether there was one."""
        if os.geteuid() == 0 or self._doing not in _IN_DIRECTORY:
            return False
        opened = False
        names = directory.split(b"/")
        for count in range(1 if directory else 0, len(names) + 1 if directory else 1):
            try:
                target = self.targets.get(b"/".join(names[:count]))
            except OSError:
                break
            found = os.fstat(target.fd)
            if found.st_uid == os.geteuid() and found.st_mode & 0o300 != 0o300:
                os.chmod("/proc/self/fd/%d" % target.fd, stat.S_IMODE(found.st_mode) | 0o700)
                opened = True
        return opened

    def discover(
        self, directory: bytes, name: bytes, regular: bool, hold_links: bool = True
    ) -> Optional[os.stat_result]:
        """Copy an entry of which only the name is known, and whether it is a regular file.

        Returns the stat of a file with several links instead of copying it, if ``hold_links``.
        """
        try:
            if regular:
                try:
                    return self._file(directory, name, None, hold_links)
                except PermissionError:
                    if not self._open_up(directory):
                        raise
                    return self._file(directory, name, None, hold_links)
            self._doing = "stat"
            found = os.stat(name, dir_fd=self.sources.get(directory).fd, follow_symlinks=False)
            if hold_links and found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                return found
            self.entry(directory, name, want_of(found))
        except OSError as error:
            self.fail(join(directory, name), error)
        return None

    def doing(self, operation: str) -> None:
        """Name what comes next, for a failure that does not name it."""
        self._doing = operation

    def fail(self, path: bytes, error: OSError) -> None:
        """Record an item's failure."""
        operation = getattr(error, "operation", self._doing)
        message = error.strerror or str(error)
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and operation == "make directory":
            message += ": a link or a file is in the place of a directory in the destination"
        self.suspect(operation, error.errno or 0)
        self.tally.failed += 1
        self.failures.append(Failure(path, operation, error.errno or 0, message))

    def suspect(self, operation: str, number: int) -> None:
        """A call has failed: perhaps because its server is dead."""
        if number in _UNANSWERED and self.suspicion and not (operation == "verify" and number == errno.EIO):
            self.suspicion(operation)

    def _file(
        self, directory: bytes, name: bytes, want: Optional[Want], hold_links: bool
    ) -> Optional[os.stat_result]:
        self._doing = "open directory"
        from_fd = self.sources.get(directory).fd
        self._doing = "make directory"
        target = self.targets.get(directory, True)
        if target.filled:
            found = self._look(name, target.fd)
            if found is not None:
                if want is None:
                    self._doing = "stat"
                    seen = os.stat(name, dir_fd=from_fd, follow_symlinks=False)
                    if hold_links and seen.st_nlink > 1:
                        return seen
                    want = want_of(seen)
                self._exists(directory, name, want, found, from_fd, target)
                return None
        self._doing = "open"
        source = os.open(name, _READ, dir_fd=from_fd)
        try:
            state = os.fstat(source)
            if not stat.S_ISREG(state.st_mode):
                raise OperationError("open", errno.ESTALE, "is no longer a regular file")
            if hold_links and state.st_nlink > 1:
                return state
            self._doing = "create"
            try:
                fd = os.open(name, _CREATE, state.st_mode & 0o777, dir_fd=target.fd)
            except FileExistsError:
                target.filled = True
            else:
                self._fill(join(directory, name), source, state, fd, name, target)
                if state.st_size > SMALL and not target.created:
                    # A killed run that cut it into ranges may have left its part.
                    _quietly(_unlink, temporary(name), target.fd)
                return None
        finally:
            os.close(source)
        found = self._look(name, target.fd)
        if found is None:
            raise OperationError("create", errno.EEXIST, "is made and removed by somebody else")
        self._exists(directory, name, want or want_of(state), found, from_fd, target)
        return None

    def _look(self, name: bytes, directory: int) -> Optional[os.stat_result]:
        self._doing = "stat destination"
        try:
            return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _fill(
        self, path: bytes, source: int, state: os.stat_result, fd: int, name: bytes,
        target: Directory,
    ) -> None:
        """Fill, dress and close the new file ``name``; on any failure it is taken away again."""
        try:
            state = self._contents(source, state, fd)
            mode = state.st_mode & 0o777
            found = target.made.get(mode)
            if found is None:
                self._doing = "stat destination"
                found = target.made[mode] = os.fstat(fd)
            self.dress(path, source, state, fd, target, found)
            if self._fsync:
                self._doing = "fsync"
                os.fsync(fd)
            self._doing = "close"  # NFS reports here what it could not write
            closing, fd = fd, -1
            os.close(closing)
        except BaseException:
            if fd >= 0:
                _quietly(os.close, fd)
            _quietly(_unlink, name, target.fd)
            raise
        self.tally.files += 1
        self.tally.changed += 1
        self.tally.bytes += state.st_size

    def _contents(self, source: int, state: os.stat_result, fd: int) -> os.stat_result:
        """Copy until the source has stood still meanwhile; returns its state."""
        for dummy in range(_TRIES):
            count = self.contents.copy(
                source, fd, state.st_size, state.st_blocks, (state.st_dev, self.device)
            )
            self._doing = "stat"
            now = os.fstat(source)
            if same_state(now, state):
                if count == state.st_size:
                    return state
                raise OperationError(
                    "read", errno.EIO, "ended after %d of %d bytes" % (count, state.st_size)
                )
            state = now
            os.lseek(source, 0, os.SEEK_SET)
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_SET)
        raise OperationError("read", errno.EBUSY, "changed while it was copied")

    def dress(
        self, path: bytes, source: int, state: os.stat_result, fd: int, target: Directory,
        found: os.stat_result,
    ) -> None:
        """Give a written file, whose owner and mode are as in ``found``, everything but its
        contents; the times last."""
        metadata = self.metadata
        self._doing = "set owner"
        dummy, owned = metadata.own(path, found, state.st_uid, state.st_gid, fd)
        if metadata.attributes:
            self._doing = "set attributes"
            if self._inherits(target):
                metadata.drop_inherited(fd)
            metadata.copy_attributes(path, source, fd, state.st_dev)
        if metadata.mode:
            self._doing = "set mode"
            bits = metadata.final_mode(path, state.st_mode, owned)
            if bits != stat.S_IMODE(found.st_mode):
                os.fchmod(fd, bits)
        if metadata.times:
            self._doing = "set times"
            metadata.set_times(path, state.st_atime_ns, state.st_mtime_ns, fd)

    def _inherits(self, target: Directory) -> bool:
        if target.inherits is None:
            target.inherits = self.metadata.has_default_acl(target.fd)
        return target.inherits

    # -- what is there already ----------------------------------------------------------------

    def same_file(
        self, want: Want, found: os.stat_result, name: bytes, directory: int
    ) -> bool:
        """Whether an entry of the destination holds what is wanted, by type, size and time."""
        if not stat.S_ISREG(found.st_mode) or found.st_size != want.size:
            return False
        if not self.metadata.times:
            return found.st_mtime_ns >= want.mtime
        return self.metadata.same_time(name, directory, found, want.mtime)

    def _exists(
        self, directory: bytes, name: bytes, want: Want, found: os.stat_result, from_fd: int,
        target: Directory,
    ) -> None:
        path = join(directory, name)
        if self.same_file(want, found, name, target.fd):
            self.settle(path, name, want, found, from_fd, target.fd)
            return
        self._refuse_directory(found)
        new = self._temporary(name, target.fd)
        self._doing = "open"
        source = os.open(name, _READ, dir_fd=from_fd)
        try:
            state = os.fstat(source)
            if not stat.S_ISREG(state.st_mode):
                raise OperationError("open", errno.ESTALE, "is no longer a regular file")
            self._doing = "create"
            fd = os.open(new, _CREATE, state.st_mode & 0o777, dir_fd=target.fd)
            self._fill(path, source, state, fd, new, target)
        finally:
            os.close(source)
        self._put(new, name, target.fd)

    def settle(
        self, path: bytes, name: bytes, want: Want, found: os.stat_result, from_fd: int, to_fd: int
    ) -> None:
        """The contents are right: correct what else differs, and count the entry as skipped."""
        metadata = self.metadata
        self._doing = "set owner"
        changed, owned = metadata.own(path, found, want.uid, want.gid, name, to_fd)
        link = stat.S_ISLNK(found.st_mode)
        if metadata.attributes:
            self._doing = "set attributes"
            changed |= metadata.sync_attributes(
                path, b"/proc/self/fd/%d/%s" % (from_fd, name),
                b"/proc/self/fd/%d/%s" % (to_fd, name), -1,
            )
        if metadata.mode and not link:
            bits = metadata.final_mode(path, want.mode, owned)
            # A new owner or ACL may have changed the bits that were found.
            if changed or bits != stat.S_IMODE(found.st_mode):
                self._doing = "set mode"
                changed |= _chmod_exactly(name, to_fd, bits)
        if metadata.times and found.st_mtime_ns != want.mtime:
            if metadata.same_time(name, to_fd, found, want.mtime):
                metadata.lost_times(path, want.mtime, found.st_mtime_ns)
            else:  # a regular file with another time would not be settled, but copied
                self._doing = "set times"
                metadata.set_times(path, want.atime, want.mtime, name, to_fd)
                if link and not self._took_time(name, to_fd, want):
                    metadata.lost_times(path, want.mtime, found.st_mtime_ns, "the destination keeps no times of links")
                else:
                    changed = True
        self.tally.skipped += 1
        self.tally.changed += changed

    @staticmethod
    def _took_time(name: bytes, directory: int, want: Want) -> bool:
        refresh(directory, name)
        now = os.stat(name, dir_fd=directory, follow_symlinks=False)
        return abs(now.st_mtime_ns - want.mtime) < 2_000_000_000

    @staticmethod
    def _refuse_directory(found: os.stat_result) -> None:
        if stat.S_ISDIR(found.st_mode):
            raise OperationError("create", errno.EISDIR, "the destination has a directory here")

    def _temporary(self, name: bytes, directory: int) -> bytes:
        self._doing = "remove temporary"
        _quietly(_unlink, temporary(name), directory)
        return temporary(name)

    def _put(self, new: bytes, name: bytes, directory: int) -> None:
        self._doing = "rename"
        try:
            os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            _quietly(_unlink, new, directory)
            raise

    # -- links, fifos, sockets, devices -------------------------------------------------------

    def _node(self, directory: bytes, name: bytes, want: Want) -> None:
        self._doing = "open directory"
        from_fd = self.sources.get(directory).fd
        self._doing = "make directory"
        target = self.targets.get(directory, True)
        text = b""
        if stat.S_ISLNK(want.mode):
            self._doing = "read link"
            text = os.readlink(name, dir_fd=from_fd)
        if not target.filled:
            try:
                self._make(name, want, text, target.fd)
            except FileExistsError:
                target.filled = True
            else:
                self._dress_node(directory, name, name, want, from_fd, target)
                return
        found = self._look(name, target.fd)
        if found is None:
            self._make(name, want, text, target.fd)
            self._dress_node(directory, name, name, want, from_fd, target)
        elif self._same_node(name, want, text, found, target.fd):
            self.settle(join(directory, name), name, want, found, from_fd, target.fd)
        else:
            self._refuse_directory(found)
            new = self._temporary(name, target.fd)
            self._make(new, want, text, target.fd)
            self._dress_node(directory, name, new, want, from_fd, target)
            self._put(new, name, target.fd)

    def _make(self, name: bytes, want: Want, text: bytes, directory: int) -> None:
        self._doing = "create"
        if text:
            os.symlink(text, name, dir_fd=directory)
        else:
            kind = stat.S_IFMT(want.mode)
            os.mknod(name, kind | stat.S_IMODE(want.mode), want.rdev, dir_fd=directory)

    def _same_node(
        self, name: bytes, want: Want, text: bytes, found: os.stat_result, directory: int
    ) -> bool:
        if stat.S_IFMT(found.st_mode) != stat.S_IFMT(want.mode):
            return False
        if text:
            return bool(os.readlink(name, dir_fd=directory) == text)
        return found.st_rdev == want.rdev

    def _dress_node(
        self, directory: bytes, name: bytes, made: bytes, want: Want, from_fd: int,
        target: Directory,
    ) -> None:
        metadata = self.metadata
        path = join(directory, name)
        try:
            self._doing = "set owner"
            found = os.stat(made, dir_fd=target.fd, follow_symlinks=False)
            given, owned = metadata.own(path, found, want.uid, want.gid, made, target.fd)
            if metadata.attributes:
                self._doing = "set attributes"
                where = b"/proc/self/fd/%d/%s" % (target.fd, made)
                if not stat.S_ISLNK(want.mode) and self._inherits(target):
                    metadata.drop_inherited(where)
                metadata.copy_attributes(
                    path, b"/proc/self/fd/%d/%s" % (from_fd, name), where, -1
                )
            if metadata.mode and not stat.S_ISLNK(want.mode):
                bits = metadata.final_mode(path, want.mode, owned)
                self._doing = "set mode"
                # A new owner takes the set-id bits away.
                if given or bits != stat.S_IMODE(found.st_mode) or self._inherits(target):
                    _chmod_exactly(made, target.fd, bits)
            if metadata.times:
                self._doing = "set times"
                metadata.set_times(path, want.atime, want.mtime, made, target.fd)
        except OSError:
            _quietly(_unlink, made, target.fd)
            raise
        self.tally.files += 1
        self.tally.changed += 1

    def link(self, leader: bytes, directory: bytes, name: bytes, want: Want) -> None:
        """Make ``directory/name`` a hard link to ``leader``, which was copied before."""
        try:
            try:
                self._link(leader, directory, name, want)
            except PermissionError:
                if not self._open_up(directory):
                    raise
                self._link(leader, directory, name, want)
        except OSError as error:
            self.fail(join(directory, name), error)

    def _link(self, leader: bytes, directory: bytes, name: bytes, want: Want) -> None:
        leader_directory, leader_name = split(leader)
        self._doing = "make directory"
        target = self.targets.get(directory, True)
        self._doing = "open directory"
        leader_fd = self.targets.get(leader_directory).fd
        for new in (name, b""):
            self._doing = "link"
            new = new or self._temporary(name, target.fd)
            try:
                _hard_link(leader_name, leader_fd, new, target.fd)
            except FileExistsError:
                found = self._look(name, target.fd)
                self._doing = "link"
                lead = os.stat(leader_name, dir_fd=leader_fd, follow_symlinks=False)
                if found is not None and os.path.samestat(found, lead):
                    self.tally.skipped += 1
                    return
                if found is not None:
                    self._refuse_directory(found)
                continue
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self.losses.add("links", join(directory, name), os.strerror(error.errno))
                if stat.S_ISREG(want.mode):
                    self._file(directory, name, want, False)
                else:
                    self._node(directory, name, want)
                return
            if new != name:
                self._put(new, name, target.fd)
            self.tally.files += 1
            self.tally.changed += 1
            return
        raise OperationError("link", errno.EEXIST)

    # -- directories, last ----------------------------------------------------------------------

    def directory(self, path: bytes, want: Want) -> None:
        """Give a directory its metadata (made first if it is missing). Children come before."""
        try:
            self._directory(path, want)
        except OSError as error:
            self.fail(path, error)

    def _directory(self, path: bytes, want: Want) -> None:
        metadata = self.metadata
        self._doing = "make directory"
        target = self.targets.get(path, True)
        refresh(target.fd)  # other clients made entries in it
        found = os.fstat(target.fd)
        exact = "/proc/self/fd/%d" % target.fd
        self._doing = "set owner"
        changed, owned = metadata.own(path, found, want.uid, want.gid, exact)
        if metadata.attributes:
            self._doing = "set attributes"
            changed |= metadata.sync_attributes(
                path, "/proc/self/fd/%d/." % self.sources.get(path).fd, exact + "/.", -1
            )
        bits = metadata.final_mode(path, want.mode, owned)
        if metadata.mode and (changed or bits != stat.S_IMODE(found.st_mode)):
            self._doing = "set mode"
            os.chmod(exact, bits)
            changed = True
        if metadata.times and found.st_mtime_ns != want.mtime:
            if metadata.same_time(exact, None, found, want.mtime):
                metadata.lost_times(path, want.mtime, found.st_mtime_ns)
            else:
                self._doing = "set times"
                metadata.set_times(path, want.atime, want.mtime, exact)
                changed = True
        self.tally.directories += changed
        self.tally.changed += changed

    def close(self) -> None:
        """Close both trees."""
        self.sources.close()
        self.targets.close()


def _hard_link(leader: bytes, leader_fd: int, name: bytes, directory: int) -> None:
    # A file that came in ranges may not have its name yet: it gets it in the same phase.
    for at in (leader, temporary(leader)):
        try:
            os.link(at, name, src_dir_fd=leader_fd, dst_dir_fd=directory, follow_symlinks=False)
            return
        except FileNotFoundError:
            pass
    os.link(leader, name, src_dir_fd=leader_fd, dst_dir_fd=directory, follow_symlinks=False)


def same_state(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether a file stood still between two stats."""
    return (
        now.st_mtime_ns == before.st_mtime_ns
        and now.st_size == before.st_size
        and now.st_ctime_ns == before.st_ctime_ns
    )


def _chmod_exactly(name: bytes, directory: int, bits: int) -> bool:
    """chmod that can't be led through a link. Returns whether it changed anything."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        found = os.fstat(fd)
        if stat.S_ISLNK(found.st_mode) or stat.S_IMODE(found.st_mode) == bits:
            return False
        os.chmod("/proc/self/fd/%d" % fd, bits)
        return True
    finally:
        os.close(fd)


def _unlink(name: bytes, directory: int) -> None:
    os.unlink(name, dir_fd=directory)


def _quietly(call: Callable[..., None], *arguments: object) -> None:
    try:
        call(*arguments)
    except OSError:
        pass
