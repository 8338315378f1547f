# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands, as installed: one file each, run as a user runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import executables
from ansible_collections.scaleout.ingest.tests.support import compare, trees

ROOT = os.geteuid() == 0
GLIBC = Path("/usr/src/glibc")


@pytest.fixture(name="bin_folder", scope="module")
def _bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bin")
    for name in executables.COMMANDS:
        path = folder / name
        path.write_bytes(executables.build(name, sys.executable))
        path.chmod(0o755)
    return folder


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    words = [os.fsencode(word) for word in command]
    return subprocess.run(words, capture_output=True, cwd=cwd, check=False, timeout=120)


def test_the_same_command_is_the_same_file() -> None:
    assert executables.build("prime", "/usr/bin/python3") == executables.build(
        "prime", "/usr/bin/python3"
    )
    assert executables.build("prime", "/a b/python").startswith(b"#!/usr/bin/env python3\n")
    with pytest.raises(IngestError, match="rm"):
        executables.build("rm", "/usr/bin/python3")


def test_another_python_takes_the_source(bin_folder: Path, tmp_path: Path) -> None:
    other = shutil.which("python3", path="/usr/bin:/bin")
    if other is None:
        pytest.skip("there is no second Python")
    (tmp_path / "file").write_bytes(b"1")
    done = run(other, bin_folder / "prime", "--directory", tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"files        1\n" in done.stdout


@pytest.mark.parametrize("small", [False, True])
def test_an_old_python_is_told_so(tmp_path: Path, small: bool) -> None:
    path = tmp_path / "ingestor"
    path.write_bytes(executables.build("ingestor", "/usr/bin/python3", small))
    # The version that RHEL 8 has; a real one says the same.
    code = (
        "import runpy, sys; sys.version_info = (3, 6, 8, 'final', 0); "
        f"runpy.run_path({str(path)!r}, run_name='__main__')"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 1
    assert (
        done.stderr.decode()
        == f"ingestor: needs Python 3.8 or newer, and {sys.executable} is 3.6\n"
    )


@pytest.mark.parametrize(
    "arguments, status",
    [
        ([], 1),
        (["only one"], 1),
        (["a", "b", "c"], 1),
        (["--frobnicate", "a", "b"], 1),
        (["-j", "0", "a", "b"], 1),
        (["-h"], 0),
        (["--help"], 0),
        (["/no/such directory", "b"], 2),
    ],
)
def test_parallelcp_usage(
    bin_folder: Path, tmp_path: Path, arguments: list[str], status: int
) -> None:
    done = run(bin_folder / "parallelcp", *arguments, cwd=tmp_path)
    assert done.returncode == status
    said = done.stdout if status == 0 else done.stderr
    assert b"Usage: parallelcp" in said
    assert b"SOURCE_DIR DEST_DIR" in said
    if status == 2:
        assert b"Source directory /no/such directory does not exist, or is not a directory" in said
    assert os.listdir(tmp_path) == []


def test_parallelcp_destinations(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "file").write_bytes(b"")
    assert run(bin_folder / "parallelcp", tmp_path / "source", tmp_path / "file").returncode == 2
    if not ROOT:
        (tmp_path / "closed").mkdir(0o500)
        assert (
            run(bin_folder / "parallelcp", tmp_path / "source", tmp_path / "closed").returncode == 3
        )


@pytest.mark.parametrize("absolute", [True, False])
def test_parallelcp_copies_any_tree(bin_folder: Path, tmp_path: Path, absolute: bool) -> None:
    """Absolute sources, spaces, fifos: what the article's script loses or hangs on."""
    source = tmp_path / "a source\nwith \u00e9 and space"
    source.mkdir()
    trees.build(os.fsencode(source), trees.hostile())
    names = [source, tmp_path / "b" / "c d"] if absolute else [source.name, "b/c d"]
    done = run(bin_folder / "parallelcp", "-j4", "-v", *names, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert compare.compare_trees(os.fsencode(source), os.fsencode(tmp_path / "b" / "c d")) == []
    assert b" 0 failed" in done.stdout
    again = run(bin_folder / "parallelcp", "-v", *names, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout.startswith(b"0 files and 0 bytes copied")


def test_parallelcp_without_preserving(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "file").write_bytes(b"1")
    os.utime(tmp_path / "s" / "file", (5, 5))
    assert (
        run(bin_folder / "parallelcp", "--no-preserve", tmp_path / "s", tmp_path / "d").returncode
        == 0
    )
    assert (tmp_path / "d" / "file").stat().st_mtime > 5


def test_parallelcp_names_what_failed(bin_folder: Path, tmp_path: Path) -> None:
    for path in ("s/a", "s/b", "d/a/in the way"):
        (tmp_path / path).mkdir(parents=True) if path[0] == "d" else (tmp_path / "s").mkdir(
            exist_ok=True
        )
    (tmp_path / "s" / "a").write_bytes(b"1")
    (tmp_path / "s" / "b").write_bytes(b"2")
    done = run(bin_folder / "parallelcp", tmp_path / "s", tmp_path / "d")
    assert done.returncode == 4
    assert done.stderr.startswith(b"parallelcp: a: create: ")
    assert (tmp_path / "d" / "b").read_bytes() == b"2"


@pytest.fixture(name="glibc")
def _glibc(bin_folder: Path, tmp_path: Path) -> Path:
    """The article's example: glibc's source, copied into the cluster. Returns the copy."""
    archives = sorted(GLIBC.glob("glibc-*.tar.xz"))
    if not archives:
        pytest.skip("Debian's package glibc-source is not installed")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(tmp_path)
    source = next(path for path in tmp_path.iterdir() if path.name.startswith("glibc-"))
    (tmp_path / "node1").mkdir()
    (tmp_path / "avere").symlink_to(tmp_path / "node1")
    done = run(bin_folder / "parallelcp", source.name, "avere/" + source.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    copy = tmp_path / "node1" / source.name
    assert compare.compare_trees(os.fsencode(source), os.fsencode(copy)) == []
    return copy


def test_parallelcp_the_articles_example(glibc: Path, tmp_path: Path) -> None:
    """glibc can be configured out of the copy."""
    missing = [
        name for name in ("gcc", "bison", "make", "gawk", "python3") if not shutil.which(name)
    ]
    if missing:
        pytest.skip(f"glibc's configure needs {', '.join(missing)} (its copy was compared)")
    for name in ("obj", "usr"):
        (tmp_path / name).mkdir()
    configured = run(glibc / "configure", f"--prefix={tmp_path / 'usr'}", cwd=tmp_path / "obj")
    assert configured.returncode == 0, configured.stderr[-2000:]
    assert (tmp_path / "obj" / "Makefile").exists()


def test_prime(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in range(200):
        (tmp_path / "d" / str(number)).write_bytes(b"12345")
    done = run(
        bin_folder / "prime", "--directory", tmp_path, "--workers", "2", "--interval", "1", "--read"
    )
    assert done.returncode == 0, done.stderr
    found = {line[:12].strip(): line[12:].strip() for line in done.stdout.decode().splitlines()}
    assert (found["files"], found["directories"], found["bytes"]) == ("200", "2", "1000")
    assert found["items"] == "202"
    assert found["items / 64"] == "4"
    assert found["files read"].startswith("200 (")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--directory", "/no/such"],
        ["--directory", "/tmp", "--part", "3/2"],
        ["--directory", "/tmp", "--workers", "x"],
    ],
)
def test_prime_usage(bin_folder: Path, arguments: list[str]) -> None:
    done = run(bin_folder / "prime", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(b"prime: ")


def test_a_small_one_is_read_by_other_pythons(tmp_path: Path) -> None:
    """Than the one that made it, which may be newer."""
    path = tmp_path / "ingestor"
    path.write_bytes(executables.build("ingestor", "/usr/bin/python3", small=True))
    found = {sys.executable, *filter(os.path.exists, ["/usr/bin/python3"])}
    for python in found:
        done = subprocess.run([python, path], stderr=subprocess.PIPE, check=False)
        assert done.stderr == b"usage: ingestor FILE\n"


def test_msrsync_the_articles_lines(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    trees.build(os.fsencode(tmp_path / "source"), trees.hostile())
    source, copy = f"{tmp_path}/source/", tmp_path / "copy"
    (tmp_path / "temporary").mkdir()
    line = ["-P", "--stats", "-p", "4", "-f", "170", "--rsync"]
    for options, copied in (("-ahv --inplace", True), ("-ahv", False)):
        work = ["-b", tmp_path / "temporary"]
        done = run(bin_folder / "msrsync", *work, *line, options, source, copy)
        assert done.returncode == 0, done.stderr
        assert (b"Copied:              0 files, 0 B\n" in done.stdout) is not copied
        assert b"Status:              success\n" in done.stdout
    assert compare.compare_trees(os.fsencode(source), os.fsencode(copy)) == []
    assert os.listdir(tmp_path / "temporary") == []


def test_msrsync_takes_slashes_as_rsync_does(bin_folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(b"1")
    done = run(bin_folder / "msrsync", "a", "./b", "to", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run(bin_folder / "msrsync", "-f", "1", "-d", "a/", "other", cwd=tmp_path)
    assert done.returncode == 0 and b"1 item and 1 B in 1 bucket," in done.stdout
    run(bin_folder / "msrsync", "a/.", "b/", "both", cwd=tmp_path)
    found = sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()
    )
    assert found == ["a/a", "b/b", "both/a", "both/b", "to/a/a", "to/b/b"]


def test_msrsync_names_what_failed(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file\n").write_bytes(b"1")
    (tmp_path / "to" / "file\n" / "x").mkdir(parents=True)
    done = run(bin_folder / "msrsync", "--stats", "a/", "to", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        rb"msrsync: file\n: " in done.stderr
        and b"Status:              1 item failed" in done.stdout
    )


@pytest.mark.parametrize(
    "words, said",
    [
        (["a"], b"a source and a destination are needed"),
        (["nothing", "to"], b"'nothing' does not exist"),
        (["a", "a/b"], b"lie in each other"),
        (["-p", "0", "a", "to"], b"-p/--processes"),
        (["-s", "1x", "a", "to"], b"-s/--size"),
        (["--rsync", "-a --delete", "a", "to"], b"'--delete' would break the plan"),
        (["--rsync", "'", "a", "to"], b"--rsync: No closing quotation"),
    ],
)
def test_msrsync_refuses(bin_folder: Path, tmp_path: Path, words: list[str], said: bytes) -> None:
    (tmp_path / "a").mkdir()
    done = run(bin_folder / "msrsync", *words, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and b"Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["a"]
