# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of a real manifest: of an index, or of the one in a run's folder."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from ..core.vocabulary import bound
from ..core.want import Want
from ..index.generations import find
from ..index.reader import Index
from .advice import Whole
from .material import MOST_FILES, File, to_ascii, usable


class Sample(NamedTuple):
    """Files as text for the clients, the rate that counts, and what there is in all."""

    text: str
    bound: str
    whole: Whole


def sample(folder: str, source: str, most: int = MOST_FILES) -> Sample:
    """A sample of the newest index in ``folder``, which must be of ``source``.

    Raises:
        IngestError: there is no index, it is damaged, of another tree, or has no files.
    """
    index = Index(find(folder))
    try:
        scanned = to_bytes(str(index.meta()["source"]))
        if scanned.rstrip(b"/") != to_bytes(source).rstrip(b"/"):
            raise IngestError(
                f"the index in {folder} is of '{display(scanned)}', not of the source "
                f"'{display(to_bytes(source))}'"
            )
        totals = index.totals()
        matters = bound(totals.files, totals.bytes)
        files = [
            File(
                path,
                entry.name,
                Want(
                    entry.mode,
                    entry.uid,
                    entry.gid,
                    entry.size,
                    entry.mtime,
                    entry.atime,
                    entry.rdev,
                ),
            )
            for path, entry in islice(index.sample(most), 2 * most)
        ]
    finally:
        index.close()
    chosen = usable(files, matters)
    if not chosen:
        raise IngestError(f"the index in {folder} has no files to calibrate with")
    return Sample(to_ascii(chosen), matters, Whole(totals.files, totals.bytes))
