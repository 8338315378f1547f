# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the report: what failed, hostile names, check mode, never half a file."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import sqlite3
import tempfile
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.atomic import written
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.report.make import make_report
from ansible_collections.scaleout.ingest.tests.support import engine, reports, sampleplan

NAMES = (b"new\nline", b"\xff\xfe", b"<script>", b"{{ x }}", b"-rf", "ü".encode())


class Text(HTMLParser):
    """The tags of a page, and its text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._raw = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._raw else data


def page_of(folder: str) -> Text:
    with open(os.path.join(folder, "report.html"), encoding="utf-8") as stream:
        return Text(stream.read())


def test_what_failed_has_a_line(tmp_path: Any) -> None:
    folder = str(tmp_path)
    reports.plain_tree(tmp_path / "source", 10)
    targets = reports.destinations(folder)
    for name in NAMES:
        # A directory stands where a file belongs.
        with open(os.path.join(os.fsencode(folder), b"source", name), "wb"):
            pass
        os.mkdir(os.path.join(targets[0], name))
    result = engine.ingest(os.fsencode(folder + "/source"), targets, folder + "/run", workers=2)
    report = reports.report(folder + "/run")
    lines = reports.failed(folder + "/run")
    assert (
        sorted(line["path"].encode("utf-8", "surrogateescape") for line in lines)
        == sorted(result.errors)
        == sorted(NAMES)
    )
    assert report.stats["failed"] == len(NAMES)  # the check found them too, but an item fails once
    assert report.stats["files"] == 10 and "failures.jsonl" in report.complaint
    for line in lines:
        assert ("path_base64" in line) == ("\udcff" in line["path"])
        assert {"path", "operation", "errno", "error", "message", "host", "mount", "phase"} <= set(
            line
        )
        assert (
            line["error"] == errno.errorcode[line["errno"]]
            and line["host"] == "localhost"
            and line["phase"] == "copy"
        )
    (odd,) = [line for line in lines if "path_base64" in line]
    assert base64.b64decode(odd["path_base64"]) == b"\xff\xfe"
    page = page_of(folder + "/run")
    for shown in ("new\\nline", "\\xff\\xfe", "<script>", "{{ x }}"):
        assert shown in page.text
    assert page.tags.count("script") == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="running as another user needs root")
def test_an_unreadable_directory() -> None:
    with tempfile.TemporaryDirectory(prefix="scaleout-", dir="/var/tmp") as folder:
        reports.plain_tree(folder + "/source", 5)
        os.makedirs(folder + "/source/closed/below")
        os.chmod(folder + "/source/closed", 0)
        os.makedirs(folder + "/run")
        targets = reports.destinations(folder)
        for path in (folder, folder + "/run", folder + "/destination"):
            os.chmod(path, 0o777)
        child = os.fork()
        if not child:
            status = 1
            try:
                # Loads what nobody may not read where Python lies in a closed directory.
                os.makedirs(folder + "/warm/to")
                engine.ingest(
                    os.fsencode(folder + "/source"),
                    [os.fsencode(folder + "/warm/to")],
                    folder + "/warm/run",
                    workers=1,
                )
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                engine.ingest(os.fsencode(folder + "/source"), targets, folder + "/run", workers=1)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        report = reports.report(folder + "/run")
        (line,) = [line for line in reports.failed(folder + "/run") if line["phase"] == "scan"]
        assert (line["path"], line["errno"], line["host"]) == ("closed", errno.EACCES, "")
        assert report.stats["failures"]["scan"] == 1 and report.stats["files"] == 5
        assert "the scan could not read 1 item" in report.complaint


def test_an_item_that_failed_twice_is_one(tmp_path: Any) -> None:
    folder = sampleplan.make_run(
        str(tmp_path),
        failures=9,
        hostile=True,
        scan_errors=[(b"scratch/x", "scandir", errno.EIO, "Input/output error")],
    )
    db = sqlite3.connect(folder + "/plan.db")
    path = db.execute("SELECT path FROM failures LIMIT 1").fetchone()[0]
    db.execute(
        "INSERT INTO failures VALUES (1, 'client03', '/mnt/other', 5, ?, 'compare', 5, 'differs')",
        (path,),
    )
    db.commit()
    db.close()
    report = reports.report(folder)
    lines = reports.failed(folder)
    assert (
        len(lines)
        == report.stats["failed"]
        == sum(report.stats["failures"]["by_error"].values())
        == 10
    )
    (twice,) = [line for line in lines if "further" in line]
    assert twice["path"].encode("utf-8", "surrogateescape") == path
    assert [cause["operation"] for cause in twice["further"]] == ["compare"]
    assert sum(host["failed"] for host in report.stats["hosts"].values()) == 9


def test_hostile_names_on_the_page(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), failures=16, hostile=True)
    reports.report(folder)
    page = page_of(folder)
    assert page.tags.count("script") == 3 and "img" not in page.tags and "b" not in page.tags
    assert "</script><script>document.title='owned'</script>" in page.text
    assert "\u202e" not in page.text and "\u2028" not in page.text and "\x1b" not in page.text
    with open(folder + "/report.html", encoding="utf-8") as stream:
        text = stream.read()
    assert not re.search(r"(?:src|href)=[\"'][^#]", re.sub(r"(?s)<script.*?</script>", "", text))
    data = re.search(r'(?s)id="data">(.*?)</script>', text)
    assert data and json.loads(data.group(1))["share"]["clients"][0].startswith("cl</script>ient")


def test_check_mode_reports_the_plan(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), check=True, files=3000)
    report = reports.report(folder)
    assert report.stats["check"] is True and report.stats["files"] == 0 and report.complaint == ""
    for name, host in report.stats["hosts"].items():
        planned = host["planned"]
        assert (
            planned["items"] > 900 and planned["first"] is not None and planned["last"] is not None
        )
        assert sum(mount["files"] for mount in planned["mounts"].values()) == planned["items"]
        assert any(name in line for line in report.summary)
    assert sum(host["planned"]["items"] for host in report.stats["hosts"].values()) == 3000
    assert any("nothing was written" in line for line in report.summary)
    text = page_of(folder).text
    assert "check only" in text and "The plan" in text


def test_an_unfinished_run_is_a_failure(tmp_path: Any) -> None:
    report = reports.report(sampleplan.make_run(str(tmp_path), unfinished=True))
    assert "not done" in report.complaint and "not finished" in report.summary[0]


def test_the_same_folder_gives_the_same_report(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), failures=5, hostile=True)
    contents = []
    for dummy in range(2):
        reports.report(folder)
        contents.append(
            [
                open(os.path.join(folder, name), "rb").read()
                for name in sorted(os.listdir(folder))
                if name not in ("index", "plan.db")
            ]
        )
    assert contents[0] == contents[1]
    assert sorted(os.listdir(folder)) == [
        "extras.jsonl",
        "failures.csv",
        "failures.jsonl",
        "hosts.csv",
        "index",
        "metrics.prom",
        "plan.db",
        "report.html",
        "stats.json",
    ]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Any) -> None:
    path = str(tmp_path / "file")
    with written(path) as stream:
        stream.write("old")
    with pytest.raises(RuntimeError), written(path) as stream:
        stream.write("new")
        raise RuntimeError
    assert os.listdir(tmp_path) == ["file"] and open(path, encoding="ascii").read() == "old"
    with pytest.raises(IngestError, match="can't be written"), written(
        str(tmp_path / "none" / "file")
    ):
        pass


def test_no_plan(tmp_path: Any) -> None:
    with pytest.raises(IngestError, match="there is no run in"):
        make_report(str(tmp_path), reports.ASSETS)
