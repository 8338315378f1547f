# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries a scan takes: asked again, later, of those that came since."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..core.paths import to_bytes
from .filters import Filter
from .globs import Active, Globs


class Selection:
    """What a scan with these options takes of directories that it listed."""

    def __init__(
        self,
        include: Iterable[bytes] = (),
        exclude: Iterable[bytes] = (),
        globs: Iterable[bytes] = (),
        one_file_system: bool = False,
    ) -> None:
        self._filter = Filter(include, exclude)
        self._globs = Globs(globs)
        self.one_file_system = one_file_system

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any] | None) -> Selection:
        """That of the scan which noted these options in its index; None: of a whole tree."""
        meta = meta or {}
        include, exclude, globs = (
            [to_bytes(text) for text in meta.get(name) or ()]
            for name in ("include", "exclude", "globs")
        )
        return cls(include, exclude, globs, bool(meta.get("one_file_system")))

    @property
    def takes_all(self) -> bool:
        """Whether nothing is left out."""
        return not self._filter and not self._globs

    def takes(self, directory: bytes, name: bytes, is_directory: bool) -> bool:
        """Whether an entry of a directory is taken. A new directory on the way to what a glob may
        match is not: only what is in it could tell."""
        if self._filter.excluded(directory, name, is_directory):
            return False
        if not self._globs:
            return True
        active: Active = self._globs.start
        parts = directory.split(b"/") if directory else []
        for depth, part in enumerate(parts):
            whole, active = self._globs.step(active, depth, part, True)
            if whole:
                return True
        return bool(self._globs.step(active, len(parts), name, is_directory)[0])
