# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a file, from one descriptor to another."""

from __future__ import annotations

import errno
import os
import time
from typing import Callable

from ..core.errnos import cannot_hold
from ..core.errors import OperationError
from ..core.steps import READ, SEEK, TRUNCATE, WRITE

SMALL = 1 << 20
_BLOCK = 1 << 20
_HOLE = 1 << 16
_ZEROS = bytes(_HOLE)
# Of copy_file_range, besides what says that a file system does not have it.
_NOT_BETWEEN = (errno.EXDEV, errno.EBADF, errno.ETXTBSY)


class Throttle:
    """A budget of bytes a second, kept by sleeping."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._due = time.monotonic()

    def spend(self, count: int) -> None:
        """Wait until ``count`` more bytes fit in the budget."""
        now = time.monotonic()
        self._due = max(self._due, now - 0.2) + count / self._rate
        if self._due > now:
            time.sleep(self._due - now)


class Contents:
    """Copies file contents; learns which calls work between two mounts. For one thread."""

    def __init__(
        self,
        sparse: bool = True,
        throttle: Throttle | None = None,
        moved: Callable[[int], None] | None = None,
    ) -> None:
        """``moved`` is told of each block of a large file, in bytes."""
        self._sparse = sparse
        self._throttle = throttle
        self._moved = moved
        self._buffer = bytearray(0)
        self._no_range_copy: set[tuple[int, int]] = set()

    def copy(self, source: int, target: int, size: int, blocks: int, pair: tuple[int, int]) -> int:
        """Copy ``size`` bytes into an empty file; returns the bytes that were there to copy.

        ``blocks`` is the source's st_blocks, ``pair`` the devices of both sides.
        Raises OperationError.
        """
        if self._sparse and blocks * 512 < size:
            return self._copy_sparse(source, target, 0, size, True)
        if size > SMALL:
            return self._copy_blocks(source, target, 0, size, pair)
        if size == 0:
            return 0
        try:
            data = os.read(source, size)
        except OSError as error:
            raise OperationError(READ, error.errno or 0) from error
        count = len(data)
        while count < size:
            more = _read(source, size - count)
            if not more:
                break
            data += more
            count += len(more)
        try:
            written = os.write(target, data)
        except OSError as error:
            raise OperationError(WRITE, error.errno or 0) from error
        if written != count:
            _write(target, memoryview(data)[written:])
        if self._throttle:
            self._throttle.spend(count)
        return count

    def copy_range(
        self,
        source: int,
        target: int,
        offset: int,
        length: int,
        sparse: bool,
        pair: tuple[int, int],
    ) -> int:
        """Copy one range to the same place of a file that has its length already."""
        for fd in (source, target):
            os.lseek(fd, offset, os.SEEK_SET)
        if sparse and self._sparse:
            return self._copy_sparse(source, target, offset, length, False)
        return self._copy_blocks(source, target, offset, length, pair)

    def _copy_blocks(
        self, source: int, target: int, offset: int, length: int, pair: tuple[int, int]
    ) -> int:
        done = 0
        while done < length and pair not in self._no_range_copy:
            try:
                count = os.copy_file_range(source, target, min(length - done, 8 * _BLOCK))
            except OSError as error:
                # Some file systems fail here with what a plain read then survives or names.
                number = error.errno or 0
                if done == 0 and (number in _NOT_BETWEEN or cannot_hold(number)):
                    self._no_range_copy.add(pair)
                    break
                count = 0
            if count == 0:  # the end, or a file system that can't say: reading tells
                break
            done += count
            self._account(count)
        if not self._buffer:
            self._buffer = bytearray(_BLOCK)
        view = memoryview(self._buffer)
        while done < length:
            try:
                count = os.readv(source, [view[: min(length - done, _BLOCK)]])
            except OSError as error:
                raise OperationError(READ, error.errno or 0) from error
            if count == 0:
                break
            _write(target, view[:count])
            done += count
            self._account(count)
        return done

    def _copy_sparse(
        self, source: int, target: int, offset: int, length: int, truncate: bool
    ) -> int:
        at, end = offset, offset + length
        while at < end:
            try:
                data = os.lseek(source, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise OperationError(SEEK, error.errno or 0) from error
                break
            data = min(data, end)
            hole = min(os.lseek(source, data, os.SEEK_HOLE), end) if data < end else end
            os.lseek(source, data, os.SEEK_SET)
            at = data
            while at < hole:
                block = _read(source, min(_HOLE, hole - at))
                if not block:
                    return at - offset
                # NFS before 4.2 shows no holes, so zeros are looked for as well.
                if block != (_ZEROS if len(block) == _HOLE else bytes(len(block))):
                    os.lseek(target, at, os.SEEK_SET)
                    _write(target, memoryview(block))
                at += len(block)
                self._account(len(block))
            at = hole
        if truncate:
            try:
                os.ftruncate(target, length)
            except OSError as error:
                raise OperationError(TRUNCATE, error.errno or 0) from error
        return length

    def _account(self, count: int) -> None:
        if self._throttle:
            self._throttle.spend(count)
        if self._moved:
            self._moved(count)


def _read(source: int, count: int) -> bytes:
    try:
        return os.read(source, count)
    except OSError as error:
        raise OperationError(READ, error.errno or 0) from error


def _write(target: int, data: memoryview) -> None:
    try:
        while data:
            data = data[os.write(target, data) :]
    except OSError as error:
        raise OperationError(WRITE, error.errno or 0) from error
