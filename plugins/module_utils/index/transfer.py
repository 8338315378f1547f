# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index as one file, to be carried from host to host: a tar of gzipped parts."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor

from ..core.errors import IngestError

_BLOCK = 1 << 20
_NAME = re.compile(r"(\d|[1-5]\d|6[0-3])\.db\.gz")


def pack(folder: str, file: str, mode: int = 0o600) -> None:
    """Pack the parts in ``folder`` into ``file`` and remove them. Raises IngestError."""
    try:
        _pack(folder, file, mode)
    except OSError as error:
        raise IngestError(f"the index can't be packed into '{file}': {error}") from error


def _pack(folder: str, file: str, mode: int) -> None:
    names = sorted(name for name in os.listdir(folder) if name.endswith(".db"))
    paths = [os.path.join(folder, name) for name in names]
    with ThreadPoolExecutor(max_workers=max(1, len(os.sched_getaffinity(0)))) as pool:
        list(pool.map(_compress, paths))  # zlib works outside the interpreter's lock
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for path in paths:
            archive.add(path + ".gz", os.path.basename(path) + ".gz")
            os.unlink(path + ".gz")
    os.chmod(file, mode)


def _compress(path: str) -> None:
    with open(path, "rb") as source, gzip.open(path + ".gz", "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target, _BLOCK)
    os.unlink(path)


def unpack(file: str, folder: str) -> int:
    """Unpack into ``folder``, in place of an index there; returns how many parts.

    Raises:
        IngestError: the file is damaged or holds something else than parts of an index.
    """
    count = 0
    try:
        os.makedirs(folder, exist_ok=True)
        for old in os.listdir(folder):
            if re.fullmatch(r"\d+\.db(\.part)?", old):
                os.unlink(os.path.join(folder, old))
        with tarfile.open(file, mode="r:") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None or not _NAME.fullmatch(member.name):
                    raise IngestError(f"'{file}' is not a packed index")
                path = os.path.join(folder, member.name[:-3])
                with gzip.open(stream, "rb") as source, open(path + ".part", "wb") as target:
                    shutil.copyfileobj(source, target, _BLOCK)
                os.replace(path + ".part", path)
                count += 1
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise IngestError(f"the index can't be unpacked from '{file}': {error}") from error
    if not count:
        raise IngestError(f"'{file}' holds no index")
    return count
