# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What will not survive at a destination: sentences for people, from what :mod:`.capabilities`
found, what is to be preserved, and what the index says is in the tree."""

from __future__ import annotations

import sqlite3
import time
import unicodedata
from typing import Any, Callable, Collection, Dict, Iterator

from ..core.errors import IngestError
from ..core.paths import display
from ..core.units import count as grouped
from ..fs.times import SECOND
from ..index.reader import Index
from ..index.rows import narrow

Holds = Dict[str, Any]
_XATTRS = ("user", "trusted", "security")
_EARLIEST = -(1 << 62)  # as in the index: below are times after 2262


def in_general(holds: Holds, preserve: Collection[str]) -> list[str]:
    """What is lost in any tree that has it, and what no index tells."""
    lacks = holds.get("lacks")
    if lacks is None:  # nothing was tried
        return []
    lacks = {kind: why for kind, why in lacks.items() if kind not in holds["source_lacks"]}
    found: list[str] = []
    if "xattrs" in preserve:
        found += _xattrs(lacks, holds)
    if "acls" in preserve and "acls" in lacks:
        found.append(f"the destination keeps no POSIX ACLs ({lacks['acls']})")
    if "owner" in preserve and "owner" in lacks:
        if holds["owner"] != holds["uid"]:
            found.append(
                f"the destination takes root for the user {holds['owner']} (root squash): "
                "it keeps no owners"
            )
        else:
            found.append(f"the destination keeps no owners ({lacks['owner']})")
    if "mode" in preserve and "mode" in lacks:
        found.append(f"the destination keeps no modes ({lacks['mode']})")
    if "times" in preserve and holds.get("granularity", 1) > 1:
        found.append(f"the destination keeps times in steps of {_step(holds['granularity'])}")
    if "sparse" in preserve and "sparse" in lacks:
        found.append(f"the destination keeps no holes in files ({lacks['sparse']})")
    return found


def _xattrs(lacks: dict[str, str], holds: Holds) -> Iterator[str]:
    tried = [
        kind
        for kind in (_XATTRS if holds["uid"] == 0 else _XATTRS[:1])
        if kind + "_xattrs" not in holds["source_lacks"]
    ]
    missing = [kind for kind in tried if kind + "_xattrs" in lacks]
    if missing:
        all_of_them = len(missing) == len(tried)
        which = "" if all_of_them else " " + ", ".join(kind + ".*" for kind in missing)
        why = lacks[missing[0] + "_xattrs"]
        yield f"the destination keeps no extended attributes{which} ({why})"


def _step(grain: int) -> str:
    return f"{grain // SECOND} s" if grain % SECOND == 0 else f"{grain} ns"


def in_tree(holds: Holds, preserve: Collection[str], index: Index) -> list[str]:
    """What is lost of what the tree has."""
    lacks = holds.get("lacks")
    if lacks is None:
        return []
    found: list[str] = []
    index.function("not_utf8", _not_utf8)

    def say(kind: str, condition: str, sentence: str) -> None:
        """Add the sentence, with what of the tree it is about in place of ``{}``, and why."""
        if kind in lacks:
            count, example = index.matching(condition)
            if count:
                these = _these(count, example)
                found.append(f"{sentence.format(these)} ({lacks[kind]})")

    for kind, letter, title in (
        ("symbolic_links", "l", "symbolic links"),
        ("fifos", "p", "fifos"),
        ("sockets", "s", "sockets"),
    ):
        say(kind, f"type='{letter}'", f"the destination can't hold {title}: {{}} will fail")
    say("devices", "type IN ('b', 'c')", "the destination can't hold devices: {} will fail")
    say(
        "any_name",
        "not_utf8(name)",
        "the destination takes no names that aren't UTF-8: {} will fail",
    )
    if "links" in preserve:
        say(
            "hard_links",
            "nlink>1 AND type<>'d'",
            "the destination has no hard links: {} become copies",
        )
    if "mode" in preserve:
        say(
            "set_id",
            "mode & 3072 AND type='f'",
            "the destination takes set-id bits off: those of {}",
        )
    if "times" in preserve:
        say(
            "link_times",
            "type='l'",
            "the destination keeps no times of symbolic links: those of {}",
        )
        found += _range(holds, index)
    longest = holds["longest_name"]
    if longest < 255:
        count, example = index.matching(f"length(name)>{longest:d}")
        if count:
            found.append(
                f"the destination takes names of at most {longest} bytes: "
                f"{_these(count, example)} will fail"
            )
    if "owner" in preserve and holds["uid"]:
        count, example = index.matching(f"uid<>{holds['uid']:d}")
        if count:
            found.append(
                f"only root keeps owners: {_these(count, example)} will belong to user "
                f"{holds['owner']}"
            )
    return found


def _not_utf8(name: bytes) -> bool:
    try:
        bytes(name).decode()
    except UnicodeDecodeError:
        return True
    return False


def _these(count: int, example: bytes) -> str:
    if count == 1:
        return f"'{display(example)}'"
    return f"{grouped(count)} entries such as '{display(example)}'"


def _range(holds: Holds, index: Index) -> Iterator[str]:
    """Times outside the destination's range; the index holds those after 2262 less 2^64 ns."""
    conditions = []
    if holds["oldest"] is not None:
        conditions.append(f"mtime>={_EARLIEST} AND mtime<{holds['oldest'] * SECOND:d}")
    if holds["newest"] is not None:
        end = (holds["newest"] + 1) * SECOND
        if end < 1 << 63:
            conditions.append(f"mtime>={end:d} OR mtime<{_EARLIEST}")
        else:
            conditions.append(f"mtime>={narrow(end):d} AND mtime<{_EARLIEST}")
    if not conditions:
        return
    condition = " OR ".join(f"({condition})" for condition in conditions)
    count, example = index.matching(condition)
    folders, folder = index.matching(condition, "directories")
    if count + folders:
        these = _these(count + folders, example if count else folder or b".")
        yield (
            f"the destination keeps no times {' and none '.join(_ends(holds))}: "
            f"those of {these} become its nearest"
        )


def _ends(holds: Holds) -> Iterator[str]:
    if holds["oldest"] is not None:
        yield "before " + _year(holds["oldest"])
    if holds["newest"] is not None:
        yield "after " + _year(holds["newest"])


def _year(second: int) -> str:
    return time.strftime("%Y", time.gmtime(second))


# -- names that become one -----------------------------------------------------------------------


def clashes(holds: Holds, index: Index) -> None:
    """Raises IngestError if two names of the tree would be one at the destination."""
    lacks = holds.get("lacks", {})
    kinds = [kind for kind in ("case", "forms") if kind in lacks]
    if not kinds:
        return
    fold = _folding(kinds)
    seen = sqlite3.connect("")  # a file of SQLite's own, gone at the end
    try:
        seen.execute("CREATE TABLE seen(key BLOB PRIMARY KEY, path BLOB) WITHOUT ROWID")
        for path in index.paths():
            row = (fold(path), path)
            if not seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", row).rowcount:
                (other,) = seen.execute("SELECT path FROM seen WHERE key=?", row[:1]).fetchone()
                raise IngestError(
                    f"'{display(other)}' and '{display(path)}' would be one file at the "
                    f"destination, where {lacks[kinds[0]]}: rename one or exclude it"
                )
    finally:
        seen.close()


def _folding(kinds: list[str]) -> Callable[[bytes], bytes]:
    def fold(path: bytes) -> bytes:
        text = path.decode("utf-8", "surrogateescape")
        if "case" in kinds:
            text = text.casefold()
        if "forms" in kinds:
            text = unicodedata.normalize("NFC", text)
        return text.encode("utf-8", "surrogateescape")

    return fold
