# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ingest-find, run as a user runs it, beside find(1) and stat(2) on the same tree."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import executables
from ansible_collections.scaleout.ingest.tests.support import indexes, trees

ROOT = os.geteuid() == 0
NOTE_COUNT = "SELECT COUNT(*)  FROM pentries WHERE uid= 0 AND gid=0"
NOTE_PATHS = (
    'SELECT path() || (CASE type WHEN "d" THEN "" ELSE "/" || name END)  FROM pentries'
    " WHERE uid= 0 AND gid=0"
)


@pytest.fixture(name="command", scope="module")
def _command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bin") / "ingest-find"
    path.write_bytes(executables.build("ingest-find", sys.executable))
    path.chmod(0o755)
    return path


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, Path]]:
    """A tree, and its index."""
    folder = tmp_path_factory.mktemp("place")
    root, index = os.fsencode(folder / "tree"), folder / "index"
    indexes.hostile(root, str(index))
    yield root, index
    trees.remove(root)


def run(command: Path, *words: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
    arguments = [os.fsencode(command), *(os.fsencode(str(word)) for word in words)]
    return subprocess.run(arguments, capture_output=True, check=False, timeout=120, **options)


def answer(command: Path, *words: Any) -> bytes:
    done = run(command, *words)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


# -- the note's own words --------------------------------------------------------------------------


def test_the_count_is_that_of_the_whole_tree(command: Path, place: tuple[bytes, Path]) -> None:
    root, index = place
    words = ("-n", 8, "-B", 4096, "-a", "-d", " ", "-E", NOTE_COUNT, index)
    expected = len(indexes.found(root, "-uid", "0", "-gid", "0", "-not", "-type", "d"))
    assert answer(command, *words) == b"%d\n" % expected


def test_the_paths_come_into_a_file(
    command: Path, place: tuple[bytes, Path], tmp_path: Path
) -> None:
    root, index = place
    words = ("-n", 8, "-B", 4096, "-a", "-d", " ")
    assert answer(command, *words, "-o", tmp_path / "query", "-E", NOTE_PATHS, index) == b""
    lines = (tmp_path / "query").read_bytes().split(b"\n")[:-1]
    expected = indexes.found(root, "-uid", "0", "-gid", "0", "-not", "-type", "d")
    assert sorted(map(unquoted, lines)) == expected

    answer(command, "-n", 3, "--per-thread", "-0", "-o", tmp_path / "q", "-E", NOTE_PATHS, index)
    assert sorted(os.listdir(tmp_path)) == ["q.0", "q.1", "q.2", "query"]
    split = [path.read_bytes().split(b"\0")[:-1] for path in sorted(tmp_path.glob("q.*"))]
    assert sorted(name for names in split for name in names) == expected
    if expected:
        assert max(map(len, split)) - min(map(len, split)) <= 1 + len(split)


def unquoted(line: bytes) -> bytes:
    """What a shell makes of a line."""
    if not line.startswith(b"$'"):
        return line
    text = line[1:].decode("utf-8", "surrogateescape")
    # The escapes are a part of Python's.
    raw = "".join(f"\\x{ord(c):02x}" if ord(c) < 0x80 and not c.isascii() else c for c in text)
    pieces = raw.encode("utf-8", "surrogateescape")
    escaped = b"".join(b"\\x%02x" % c if c >= 0x80 else bytes([c]) for c in pieces)
    return bytes(ast.literal_eval("b" + escaped.decode("ascii")))


def test_shells_read_back_what_is_quoted(command: Path, place: tuple[bytes, Path]) -> None:
    root, index = place
    lines = answer(command, "--where", "type = f", index).split(b"\n")[:-1]
    assert sorted(map(unquoted, lines)) == indexes.found(root, "-type", "f")
    odd = [line for line in lines if line.startswith(b"$'")]
    assert odd
    script = b"printf '%s\\0' " + b" ".join(odd)
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == list(map(unquoted, odd))


# -- conditions ------------------------------------------------------------------------------------


def test_rows_are_what_stat_says(command: Path, place: tuple[bytes, Path]) -> None:
    root, index = place
    printed = answer(command, index, "--where", "size >= 0", "--json").split(b"\n")[:-1]
    rows = {os.fsencode(row["path"]): row for row in map(json.loads, printed)}
    assert sorted(rows) == indexes.found(root)
    for path, row in rows.items():
        real = os.lstat(path)
        for name in ("size", "mode", "nlink", "uid", "gid", "mtime_ns", "ctime_ns"):
            assert row[name] == getattr(real, f"st_{name}"), (path, name)
        assert row["allocated"] == real.st_blocks * 512

    text = answer(command, index, "--where", "size >= 0", "--csv")
    lines = list(csv.reader(io.StringIO(text.decode("utf-8", "surrogateescape"), newline="")))
    assert lines[0][:3] == ["path", "type", "size"]
    assert sorted(os.fsencode(line[0]) for line in lines[1:]) == indexes.found(root)


def test_classes_have_names(command: Path, place: tuple[bytes, Path]) -> None:
    root, index = place
    named = ("--class", "old=mtime < 2002-01-01", "--class", "mine = old and deep", "--class")
    printed = answer(command, index, *named, "deep=path ~ 'deep/**'", "--where", "mine", "-0")
    assert printed.split(b"\0")[:-1] == [root + b"/deep/er/old.tar.gz"]
    done = run(command, index, "--class", "old", "--where", "old")
    assert done.returncode == 1
    assert done.stderr == b"ingest-find: --class: 'old' is not of the form NAME=CONDITION\n"


# -- output ----------------------------------------------------------------------------------------


def test_a_terminal_shows_odd_names_quoted(command: Path, place: tuple[bytes, Path]) -> None:
    dummy, index = place
    ours, theirs = pty.openpty()
    words = [command, index, "--where", "path ~ 'bytes/?'"]
    said = b""
    with subprocess.Popen(words, stdout=theirs) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # the end of a terminal
            while block := os.read(ours, 65536):
                said += block
    os.close(ours)
    assert process.returncode == 0
    lines = said.replace(b"\r\n", b"\n").split(b"\n")[:-1]
    assert len(lines) == 253
    assert all(32 <= byte < 127 for line in lines for byte in line)


def test_a_delimiter_in_a_name_is_told_apart(command: Path, place: tuple[bytes, Path]) -> None:
    root, index = place
    query = "SELECT name, size FROM entries WHERE size >= 0"
    lines = answer(command, "-d", " ", "-E", query, index).split(b"\n")[:-1]
    assert len(lines) == len(indexes.found(root, "-not", "-type", "d"))
    assert all(line.count(b" ") == 1 for line in lines)
    assert b"$'a\\040z' 32" in lines
    rows = answer(command, "-d", "\x01", "-0", "-E", query, index).split(b"\0")[:-1]
    assert b"a\nz\x0110" in rows


def test_the_file_takes_no_other_way(
    command: Path, place: tuple[bytes, Path], tmp_path: Path
) -> None:
    """In a folder of many users, what is at the name already is not written through."""
    dummy, index = place
    precious = tmp_path / "precious"
    precious.write_text("mine")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "list").symlink_to(precious)
    answer(command, "-o", shared / "list", "-E", "SELECT count(*) FROM entries", index)
    assert precious.read_text() == "mine"
    assert not (shared / "list").is_symlink()
    assert os.listdir(shared) == ["list"]

    # Nothing of a query that fails is left, and nothing of before is lost.
    before = (shared / "list").read_bytes()
    query = "SELECT sum(size * 9000000000000000) FROM entries"
    done = run(command, "-o", shared / "list", "-E", query, index)
    assert done.returncode == 1
    assert done.stderr == b"ingest-find: the query can't be answered: integer overflow\n"
    assert (shared / "list").read_bytes() == before
    assert os.listdir(shared) == ["list"]
    done = run(command, "-o", tmp_path / "no" / "list", "-E", "SELECT 1", index)
    assert done.returncode == 1
    assert done.stderr.endswith(b"no/list can't be written: No such file or directory\n")


@pytest.mark.parametrize(
    "name", ["sizes", "ages", "users", "types", "largest", "newest", "duplicates"]
)
def test_reports(command: Path, place: tuple[bytes, Path], name: str) -> None:
    root, index = place
    table = answer(command, index, "--report", name).decode()
    assert "#" in table or name == "duplicates"
    assert max(map(len, table.split("\n"))) < 250
    rows = [
        json.loads(line)
        for line in answer(command, index, "--report", name, "--json").split(b"\n")[:-1]
    ]
    files = [os.lstat(path) for path in indexes.found(root, "-type", "f")]
    total = sum(row["files"] for row in rows if "files" in row)
    if name in ("sizes", "ages", "users"):
        assert total == len(files)
        assert sum(row["bytes"] for row in rows) == sum(file.st_size for file in files)
    elif name == "types":
        (gz,) = [row for row in rows if row["type"] == ".gz"]
        assert gz["files"] == 1
    elif name == "largest":
        assert [row["size"] for row in rows] == sorted((f.st_size for f in files), reverse=True)[
            :20
        ]
        assert os.fsencode(rows[0]["path"]) == root + b"/large"
    elif name == "newest":
        newest = sorted((int(f.st_mtime_ns // 10**9) for f in files), reverse=True)[:20]
        assert [row["mtime"] for row in rows] == newest
    heading = answer(command, index, "--report", name, "--csv").split(b"\r\n")[0].decode()
    assert heading.split(",") == list(rows[0] if rows else ["files", "size", "wasted", "name"])


def test_explain_shows_what_is_asked(command: Path, place: tuple[bytes, Path]) -> None:
    dummy, index = place
    said = answer(command, "--explain", "-E", NOTE_COUNT, index).decode()
    assert "Each of " in said and "Their answers are asked:\n  SELECT SUM(a1)" in said
    assert "SCAN" in said
    assert "GROUP BY" in answer(command, "--explain", "--report", "sizes", index).decode()


# -- what can't be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("-E", "SELECT sise FROM entries"),
            "there is no column 'sise' here: did you mean 'size'?",
        ),
        (("--where", "colour = red"), "there is no field 'colour'"),
    ],
)
def test_a_mark_shows_the_place(
    command: Path, place: tuple[bytes, Path], words: tuple[str, ...], sentence: str
) -> None:
    done = run(command, *words, place[1])
    first, line, mark, rest = done.stderr.decode().split("\n")
    assert (done.returncode, first, rest) == (2, f"ingest-find: {sentence}", "")
    assert line[mark.index("^") :].startswith(("sise", "colour"))


USAGE = [
    (("INDEX",), "one of -E, --where and --report is needed"),
    (("-E", "SELECT 1", "--report", "sizes", "INDEX"), "one of -E, --where and --report is needed"),
    (("--report", "sises", "INDEX"), "there is no report 'sises': sizes, ages, users, types"),
    (("-0", "--json", "-E", "SELECT 1", "INDEX"), "only one of -0, --json and --csv can be"),
    (("--per-thread", "-E", "SELECT 1", "INDEX"), "--per-thread needs -o"),
    (("-n", "0", "-E", "SELECT 1", "INDEX"), "argument -n: '0' is not a number from 1 to 1000000"),
    (("--time-limit=-1", "-E", "SELECT 1", "INDEX"), "--time-limit: no query takes less than 0"),
    (("-E", "SELECT 1"), "the following arguments are required: index"),
]


@pytest.mark.parametrize(("words", "sentence"), USAGE, ids=range(len(USAGE)))
def test_wrong_usage_is_said(
    command: Path, place: tuple[bytes, Path], words: tuple[str, ...], sentence: str
) -> None:
    index = str(place[1])
    done = run(command, *[index if word == "INDEX" else word for word in words])
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"ingest-find: {sentence}")
    assert b"Usage: ingest-find" in done.stderr


def test_nothing_is_written(command: Path, place: tuple[bytes, Path]) -> None:
    """Whatever was asked above."""
    dummy, index = place
    before = {path.name: path.read_bytes() for path in index.iterdir()}
    for query in ("SELECT count(*) FROM entries", "DROP TABLE entries", "SELECT * FROM summary"):
        run(command, "-E", query, index)
    assert {path.name: path.read_bytes() for path in index.iterdir()} == before


FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_query_has_a_time(command: Path, place: tuple[bytes, Path]) -> None:
    dummy, index = place
    for query in (FOREVER, "SELECT count(*) FROM entries a, entries b, entries c, entries d"):
        done = run(command, "--time-limit", 0.5, "-E", query, index)
        assert done.returncode == 1
        assert done.stderr == b"ingest-find: the query was ended: it took longer than 0.5 s\n"


HUGE = [
    "SELECT length(hex(zeroblob(400000000)))",
    "SELECT length(group_concat(printf('%.*c', 100000, 'x'))) FROM entries a, entries b",
    "SELECT length(printf('%.*c', 900000000, 'x') || printf('%.*c', 50000000, 'y')) FROM entries",
]


@pytest.mark.parametrize("query", HUGE)
def test_a_query_has_so_much_memory(command: Path, place: tuple[bytes, Path], query: str) -> None:
    dummy, index = place
    done = run(command, "--memory-limit", "100M", "--time-limit", 60, "-E", query, index)
    assert done.returncode == 1
    assert done.stderr == b"ingest-find: the query needs more memory than it may have\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_it_hears_nothing(
    command: Path, place: tuple[bytes, Path], tmp_path: Path, number: int
) -> None:
    dummy, index = place
    words = [
        command,
        "-n",
        "2",
        "-E",
        "SELECT count(*) FROM entries a, entries b, entries c",
        index,
    ]
    environment = dict(os.environ, TMPDIR=str(tmp_path))
    with subprocess.Popen(words, stderr=subprocess.PIPE, env=environment) as process:
        until = time.monotonic() + 60
        while not os.listdir(tmp_path) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        dummy_out, said = process.communicate(timeout=60)
    assert said == b""
    assert process.returncode == 128 + number
    assert os.listdir(tmp_path) == []


def test_a_reader_that_goes_away_is_no_error(command: Path, place: tuple[bytes, Path]) -> None:
    dummy, index = place
    query = "SELECT a.name, b.name FROM entries a, entries b"
    words = [command, "-E", query, index]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        process.wait(60)
    assert said == b""
    assert process.returncode == 128 + signal.SIGPIPE


# -- indexes that are not as they should be --------------------------------------------------------


def copied(index: Path, folder: Path) -> list[Path]:
    folder.mkdir(mode=0o755)
    for part in sorted(index.iterdir()):
        (folder / part.name).write_bytes(part.read_bytes())
    return sorted(folder.iterdir())


@pytest.mark.parametrize("which", [0, -1])
def test_damaged_parts_are_said(
    command: Path, place: tuple[bytes, Path], tmp_path: Path, which: int
) -> None:
    """Wherever a part is damaged, no raw exception comes of it, and no answer of one cut short."""
    dummy, index = place
    query = "SELECT count(*), sum(size), max(name) FROM pentries"
    right = answer(command, "-E", query, index)
    parts = copied(index, tmp_path / "index")
    whole = parts[which].read_bytes()
    for cut in (0, 50, 5000, len(whole) - 1, len(whole) // 2):
        parts[which].write_bytes(whole[:cut])
        done = run(command, "-E", query, tmp_path / "index")
        assert done.returncode == 1, cut
        assert str(parts[which]).encode() in done.stderr and done.stderr.count(b"\n") == 1
    for at in range(0, len(whole), max(4096, len(whole) // 10)):
        parts[which].write_bytes(whole[:at] + b"\xff" * 512 + whole[at + 512 :])
        done = run(command, "-E", query, tmp_path / "index")
        if done.returncode == 1:
            assert done.stderr.startswith(b"ingest-find: ") and b"Traceback" not in done.stderr
    parts[which].write_bytes(whole)
    assert answer(command, "-E", query, tmp_path / "index") == right
    parts[-1].unlink()
    done = run(command, "-E", query, tmp_path / "index")
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    done = run(command, "-E", query, tmp_path / "none")
    assert done.stderr.startswith(b"ingest-find: there is no index in ")


def test_an_index_of_others_is_not_trusted(
    command: Path, place: tuple[bytes, Path], tmp_path: Path
) -> None:
    dummy, index = place
    parts = copied(index, tmp_path / "index")
    query = ("-E", "SELECT count(*) FROM entries", tmp_path / "index")
    right = answer(command, *query)
    for path, mode in ((tmp_path / "index", 0o777), (parts[-1], 0o664)):
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        done = run(command, *query)
        assert done.returncode == 1
        said = (
            f"the index is not trusted, as {path} is not: others may write to it (mode {mode:04o})"
        )
        assert (
            done.stderr.decode() == f"ingest-find: {said}; with --trust it is read all the same\n"
        )
        assert answer(command, "--trust", *query) == right
        path.chmod(before)
    if ROOT:
        os.chown(parts[0], 1234, 1234)
        done = run(command, *query)
        assert f"{parts[0]} is not: it belongs to the user 1234" in done.stderr.decode()


def test_a_view_in_a_part_can_do_nothing(
    command: Path, place: tuple[bytes, Path], tmp_path: Path
) -> None:
    """An index that is read at one's own risk still only reads."""
    dummy, index = place
    parts = copied(index, tmp_path / "index")
    for part in parts:
        db = sqlite3.connect(part)
        db.execute("DROP VIEW summary")
        db.execute("CREATE VIEW summary AS SELECT load_extension('/tmp/x') AS size, 1 AS path")
        db.commit()
        db.close()
    done = run(command, "-E", "SELECT size FROM summary", tmp_path / "index")
    assert done.returncode in (1, 2)
    assert done.stderr.count(b"ingest-find: ") == 1 and b"Traceback" not in done.stderr
    assert b"load_extension" in done.stderr
