# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest module as Ansible runs it: a process that reads arguments and prints JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.tests.support.modules import run as run_module

pytest.importorskip("ansible", reason="tests of modules need ansible-core")


def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
    """The module's answer."""
    return run_module("manifest", check, **arguments)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree."""
    root = tmp_path / "source"
    for n in range(6):
        (root / ("dir%d" % (n % 3)) / ("sub%d" % n)).mkdir(parents=True)
        (root / ("dir%d" % (n % 3)) / ("sub%d" % n) / "file").write_bytes(b"x" * 1000 * n)
    (root / "top").write_bytes(b"12345")
    (root / "link").symlink_to("nowhere")
    (root / "empty").mkdir()
    return root


@pytest.mark.parametrize("check", [False, True])
def test_result_and_files(source: Path, tmp_path: Path, check: bool) -> None:
    answer = run(
        check,
        source=str(source),
        output=str(tmp_path / "out"),
        max_depth=2,
        plain_files={"clients": 3},
    )
    expected = {
        "changed": False,
        "files": 7,
        "links": 1,
        "specials": 0,
        "directories": 11,
        "entries": 8,
        "bytes": 15005,
        "errors": 0,
        "item_count": 9,
        "item_directories": 6,
        "lines": 9,
        "unmatched_globs": [],
        "failures": [],
    }
    assert {key: answer[key] for key in expected} == expected
    made = ["client1", "client2", "client3", "directories.tsv", "index", "manifest"]
    assert sorted(os.listdir(tmp_path / "out")) == made
    table = (tmp_path / "out" / "directories.tsv").read_text().splitlines()
    assert [line.split("\t")[0::3] for line in table] == [
        ["2", "dir%d/sub%d" % (n % 3, n)] for n in (0, 3, 1, 4, 2, 5)
    ]
    assert set((tmp_path / "out" / "manifest").read_bytes().split(b"\0")) == {
        b"",
        b"top",
        b"link",
        b"empty",
        *(b"dir%d/sub%d" % (n % 3, n) for n in range(6)),
    }


def test_warnings(source: Path, tmp_path: Path) -> None:
    answer = run(source=str(source), output=str(tmp_path / "out"), globs=["dir*", "file9*"])
    assert answer["unmatched_globs"] == ["file9*"]
    assert "the glob 'file9*' matches nothing in the source" in json.dumps(answer["warnings"])
    assert answer["entries"] == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "/does/not/exist"}, "source '/does/not/exist' does not exist"),
        ({"source": "/etc/passwd"}, "source '/etc/passwd' is not a directory"),
        ({"source": ""}, "source: '' is no path"),
        ({"min_depth": -1}, "min_depth: -1 is negative"),
        ({"min_depth": 3, "max_depth": 1}, "min_depth: 3 is more than max_depth 1"),
        ({"globs": ["/etc/*"]}, "globs: '/etc/*' is not a pattern of names below the source"),
        ({"globs": ["nothing*"]}, "globs: nothing in '"),
        ({"workers": "many"}, "workers: 'many' is neither 'auto' nor a number"),
        ({"threads": "0"}, "threads: '0' is neither 'auto' nor a number"),
        ({"plain_files": {}}, "plain_files: clients is not given"),
        ({"plain_files": {"clients": 0}}, "plain_files: clients"),
        ({"plain_files": {"clients": 2, "separator": "comma"}}, "separator"),
        ({"output": None}, "output is not given"),
    ],
)
def test_bad_input_is_one_sentence(
    source: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    answer = run(**{"source": str(source), "output": str(tmp_path / "out"), **options})
    assert answer["failed"] and message in answer["msg"]
    assert "\n" not in answer["msg"] and "Traceback" not in json.dumps(answer)
    assert not list(tmp_path.glob("out/**/*.db")) or "nothing in" in message


def test_output_in_the_source(source: Path) -> None:
    answer = run(source=str(source), output=str(source / "out"))
    assert "lies inside the source" in answer["msg"]
    assert not (source / "out").exists()


# ---------------------------------------------------------------- what the action plugin asks for


def test_work_directory(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    answer = run(source=str(source), _work=str(work), _pack="secret")
    status = answer["status"]
    assert status["state"] == "done"
    assert sorted(os.listdir(work)) == ["index", "lease", "news", "secret", "status.json"]
    assert (work / "secret").stat().st_mode & 0o777 == 0o644
    assert (work / "index").stat().st_mode & 0o777 == 0o700
    shutil.rmtree(work, ignore_errors=True)  # the job waits for that


SLOWLY = """
import sys, time
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import lister
real = lister.Lister.directory
def slow(*arguments):
    time.sleep(0.05)
    real(*arguments)
lister.Lister.directory = slow
from {} import main
main()
"""


def test_abandoned_scan_ends_and_cleans_up(tmp_path: Path) -> None:
    """Many directories, so that it is still running when the lease goes."""
    source, work = tmp_path / "source", tmp_path / "work"
    work.mkdir()
    for n in range(300):
        (source / str(n // 20) / str(n)).mkdir(parents=True)
    program = SLOWLY.format("ansible_collections.scaleout.ingest.plugins.modules.manifest")
    arguments = {"source": str(source), "_work": str(work), "_pack": "x", "workers": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    status = json.loads(done.stdout.decode().splitlines()[-1])["status"]
    assert status["state"] == "running"
    os.kill(status["pid"], 0)
    (work / "lease").unlink()
    for _try in range(600):
        if not work.exists():
            break
        time.sleep(0.05)
    assert not work.exists()
