# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public face of an index: views with GUFI's column names; docs/index.md describes them.

Views cost a scan nothing, and the joins in them only those who ask for their columns: SQLite drops
a LEFT JOIN of which nothing is used.
"""

from __future__ import annotations

from .schema import MAX_PARTS
from .sums import BELOW, FEW, PAIRS

_BILLION = 1_000_000_000
_TIMES = ("atime", "mtime", "ctime")
# GUFI's columns for what other file systems have.
_OTHER = {"crtime": "0"}
_OTHER.update({f"ossint{n}": "0" for n in range(1, 5)})
_OTHER.update({f"osstext{n}": "''" for n in range(1, 3)})


def views(wide: bool, summed: bool, part: int) -> str:
    """The statements that make the views of a part, by its number. ``wide``: it has numbers beyond
    63 bits, see :func:`.rows.narrow`; ``summed``: it has the tables of :mod:`.sums`."""
    face = _Face(wide, part)
    pentries = f"SELECT {_listed(face.entries())}"
    return ";\n".join(
        [
            f"CREATE VIEW entries AS SELECT {_listed(face.entries(above=False))}"
            f" FROM raw_entries e {_DETAILS}",
            f"CREATE VIEW pentries AS {pentries} FROM {_PENTRIES}",
            f"CREATE VIEW everything AS {pentries} FROM {_PENTRIES}"
            f" UNION ALL SELECT {_listed(face.directories())} FROM raw_directories d",
            f"CREATE VIEW tree AS {face.tree()} FROM raw_directories d WHERE d.depth > 0",
            f"CREATE VIEW summary AS {face.summary(summed)}",
            "",
        ]
    )


def columns_of_entries(wide: bool, part: int) -> dict[str, str]:
    """The columns of a part's view pentries, as expressions on ``e``, which is raw_entries, ``x``,
    raw_details, and ``d``, the raw_directories that it is in."""
    return _Face(wide, part).entries()


def columns_of_directories(wide: bool) -> dict[str, str]:
    """The same columns of directories, on ``d``, in the same order."""
    return _Face(wide, 0).directories()


def _listed(columns: dict[str, str]) -> str:
    return ", ".join(f"{value} AS {name}" for name, value in columns.items())


_DETAILS = "LEFT JOIN raw_details x ON x.id = e.id"
_PENTRIES = f"raw_entries e LEFT JOIN raw_directories d ON d.id = e.directory {_DETAILS}"


class _Face:
    """How columns are shown."""

    def __init__(self, wide: bool, part: int) -> None:
        self.wide = wide
        self.part = part

    def inode(self, column: str) -> str:
        """As text."""
        if self.wide:
            return f"printf('%u', {column})"
        return f"CAST({column} AS TEXT)"

    def seconds(self, column: str) -> str:
        """A time in ns as whole seconds, never later than it was."""
        floor = f"({column} - {_BILLION - 1} * ({column} < 0)) / {_BILLION}"
        if not self.wide:
            return floor
        # Stored less 2^64, which are 18446744073 s and 709551616 ns.
        rest = f"(({column} % {_BILLION}) + {_BILLION}) % {_BILLION}"
        late = f"{floor} + 18446744073 + ({rest} + 709551616) / {_BILLION}"
        return f"CASE WHEN {column} < {-(1 << 62)} THEN {late} ELSE {floor} END"

    def _attributes(self, at: str) -> dict[str, str]:
        found = {"inode": self.inode(f"{at}.inode")}
        for name in ("mode", "nlink", "uid", "gid", "size", "blksize", "blocks"):
            found[name] = f"{at}.{name}"
        found.update({name: self.seconds(f"{at}.{name}") for name in _TIMES})
        return found

    @staticmethod
    def _further(at: str) -> dict[str, str]:
        return {**{f"{name}_ns": f"{at}.{name}" for name in _TIMES}, "device": f"{at}.device"}

    def entries(self, above: bool = True) -> dict[str, str]:
        """All that is no directory; ``above``: with columns of its directory."""
        return {
            "name": "CAST(e.name AS TEXT)",
            "type": "e.type",
            **self._attributes("e"),
            "linkname": "CAST(ifnull(x.linkname, '') AS TEXT)",
            "xattr_names": "x.xattr_names",
            **_OTHER,
            **(self._above("d.inode", "d.pinode", "d.depth + 1") if above else {}),
            **self._further("e"),
            "rdev": "e.rdev",
            "raw_name": "e.name",
            "raw_linkname": "x.linkname",
            # As a directory's: told apart from those of other parts.
            "id": f"(e.id * {MAX_PARTS} + {self.part})",
            "directory": "e.directory",
        }

    def _above(self, parent: str, grandparent: str, depth: str) -> dict[str, str]:
        return {
            "pinode": self.inode(parent),
            "ppinode": self.inode(grandparent) if grandparent else "''",
            "path": "CAST(d.path AS TEXT)",
            "raw_path": "d.path",
            "depth": depth,
        }

    def directories(self) -> dict[str, str]:
        """Directories with the same columns; ``path`` is a directory's own."""
        return {
            "name": "CAST(d.name AS TEXT)",
            "type": "'d'",
            **self._attributes("d"),
            "linkname": "''",
            "xattr_names": "d.xattr_names",
            **_OTHER,
            **self._above("d.pinode", "", "d.depth"),
            **self._further("d"),
            "rdev": "0",
            "raw_name": "d.name",
            "raw_linkname": "NULL",
            "id": "d.id",
            "directory": "d.parent",
        }

    def tree(self) -> str:
        """Subdirectories, and the directories that they are in."""
        return (
            f"SELECT {self.inode('d.pinode')} AS pinode, {self.inode('d.inode')} AS inode,"
            " CAST(d.name AS TEXT) AS name, CAST(d.path AS TEXT) AS path, d.depth AS depth,"
            " d.name AS raw_name, d.path AS raw_path, d.parent AS directory, d.id AS id"
        )

    def summary(self, summed: bool) -> str:
        """A row for each directory."""
        own = (
            f"SELECT CAST(d.name AS TEXT) AS name, 'd' AS type, {_listed(self._attributes('d'))},"
            " '' AS linkname, d.xattr_names AS xattr_names, 0 AS crtime"
        )
        rest = (
            f", d.depth AS depth, 0 AS rectype, {self.inode('d.pinode')} AS pinode,"
            " d.depth = 0 AS isroot, 0 AS rollupscore, CAST(d.path AS TEXT) AS path,"
            f" d.path AS raw_path, {_listed(self._further('d'))}, d.name AS raw_name,"
            " d.parent AS directory, d.id AS id"
        )
        direct = self._direct(summed)
        below = self._below(summed)
        joins = " LEFT JOIN raw_below b ON b.id = d.id" if summed else ""
        return f"{own}, {direct}, {below}{rest} FROM raw_directories d{joins}"

    def _direct(self, summed: bool) -> str:
        """Of what lies right in a directory: from the tables, or else looked up when asked for."""
        links = _one(summed, "links", _COUNT_LINKS)
        found = [
            "d.files AS totfiles",
            f"{links} AS totlinks",
            f"d.entries - d.files - {links} AS totothers",
            "d.subdirectories AS totsubdirs",
            "d.bytes AS totsize",
            f"{_one(summed, 'allblocks', 'ifnull(sum(e.blocks), 0)')} AS totblocks",
        ]
        for name, condition in _SIZES.items():
            found.append(f"{_look('count(*)', _FILES + condition)} AS {name}")
        found.append(f"{_look('count(x.xattr_names)', '', _DETAILS)} AS totxattr")
        for name in PAIRS:
            for act in ("min", "max"):
                among = _FILES if name == "size" else ""
                value = _one(summed, f"{act}{name}", f"{act}(e.{name})", among)
                if name in _TIMES:
                    found.append(f"{value} AS {act}{name}_ns")
                    value = self.seconds(value)
                found.append(f"{value} AS {act}{name}")
        for act in ("min", "max"):
            found.append(f"{_look(f'{act}(e.blocks)')} AS {act}blocks")
        for name, column in (("owners", "uid"), ("groups", "gid")):
            listed = f"ifnull(group_concat({column}, ' '), '')"
            value = f"(SELECT CASE WHEN count(*) <= {FEW} THEN {listed} END FROM"
            value += f" (SELECT DISTINCT e.{column} FROM raw_entries e WHERE {_IN}"
            value += f" ORDER BY 1 LIMIT {FEW + 1}))"
            found.append(f"{f'd.{name}' if summed else value} AS {name}")
        return ", ".join(found)

    def _below(self, summed: bool) -> str:
        """Of all that lies below a directory, at any depth."""
        found = []
        for name in BELOW:
            # Below a directory without subdirectories is what lies right in it.
            same = _SAME.get(name, f"d.{name}")
            value = f"CASE WHEN d.subdirectories > 0 THEN b.{name} ELSE {same} END"
            if not summed:
                value = "NULL"
            if name[3:] in _TIMES:
                found.append(f"{value} AS sub{name}_ns")
                value = self.seconds(f"({value})")
            found.append(f"{value} AS sub{name}")
        return ", ".join(found)


_SAME = {
    "others": "d.entries - d.files - d.links",
    "dirs": "0",
    "size": "d.bytes",
    "blocks": "d.allblocks",
}
_IN = "e.id BETWEEN d.first AND d.last AND e.directory = d.id"
_FILES = " AND e.type = 'f'"
_COUNT_LINKS = "count(CASE WHEN e.type = 'l' THEN 1 END)"
_SIZES = {
    "totzero": " AND e.size = 0",
    "totltk": " AND e.size < 1024",
    "totmtk": " AND e.size >= 1024",
    "totltm": " AND e.size < 1048576",
    "totmtm": " AND e.size >= 1048576",
    "totmtg": " AND e.size >= 1073741824",
    "totmtt": " AND e.size >= 1099511627776",
}


def _look(value: str, condition: str = "", join: str = "") -> str:
    return f"(SELECT {value} FROM raw_entries e {join} WHERE {_IN}{condition})"


def _one(summed: bool, column: str, value: str, condition: str = "") -> str:
    return f"d.{column}" if summed else _look(value, condition)
