# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live progress of real runs: on a terminal that is interpreted, and in a pipe."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pyte
import pytest
from ansible_collections.scaleout.ingest.tests.support.playbook import INGEST, LOCAL, ROOT, ingest

COLUMNS, LINES = 100, 40
SLOW = {"bandwidth_limit": "6M", "workers": 1, "split": "balanced"}


def source(folder: str) -> str:
    """Twenty megabytes, which the limit above makes last for some seconds."""
    path = os.path.join(folder, "source")
    os.mkdir(path)
    for number in range(400):
        with open(os.path.join(path, "file%d" % number), "wb") as file:
            file.write(b"\0" * 50_000 + b"%d" % number)
    return path


def on_a_terminal(folder: str, columns: int = COLUMNS) -> tuple[list[str], list[str], int]:
    """(pictures of the screen while it ran, all lines that stay, exit status)."""
    variables = {"ingest_source": source(folder), "ingest_destinations": [folder + "/destination"]}
    variables.update(
        {"ingest_" + name: value for name, value in SLOW.items()}, ingest_run_dir=folder + "/run"
    )
    with open(folder + "/variables.json", "w", encoding="utf-8") as file:
        json.dump(variables, file)
    screen = pyte.HistoryScreen(columns, LINES, history=2000)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    environment = dict(
        os.environ,
        TERM="xterm",
        ANSIBLE_NOCOLOR="1",
        ANSIBLE_CONFIG=os.path.join(ROOT, "ansible.cfg"),
        SCALEOUT_INGEST_REFRESH_INTERVAL="0.1",
        LC_ALL="C.UTF-8",
    )
    command = [
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        "-i",
        LOCAL,
        "-e",
        "@" + folder + "/variables.json",
        INGEST,
    ]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT
    ) as process:
        os.close(theirs)
        pictures: list[str] = []
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            stream.feed(data)
            pictures.append("\n".join(screen.display))
        status = process.wait(60)
    os.close(ours)
    kept = [
        "".join(line[column].data for column in range(columns)).rstrip()
        for line in screen.history.top
    ]
    return pictures, kept + [line.rstrip() for line in screen.display], status


def test_a_terminal_shows_one_block_and_keeps_everything_else(folder: str) -> None:
    pictures, lines, status = on_a_terminal(folder)
    assert status == 0, "\n".join(lines)
    moving = [
        picture for picture in pictures if re.search(r"^copy +\d+\.\d %", picture, re.MULTILINE)
    ]
    assert moving, "no picture of the copy"
    for host in ("client1", "client2", "client3"):
        assert any(
            re.search(rf"^{host} +\d+\.\d %.* files/s .*MB/s", picture, re.MULTILINE)
            for picture in moving
        )
    assert any(
        re.search(r"^copy .* of 400 files .*MB/s  ETA \d+:\d\d", picture, re.MULTILINE)
        for picture in moving
    )
    for picture in moving:
        assert len(re.findall(r"^copy +\d", picture, re.MULTILINE)) == 1
    assert not [line for line in lines if re.match(r"(copy|scan|client\d) +\d", line)]
    text = "\n".join(lines)
    for wanted in (
        "TASK [scaleout.ingest.manifest : Scan the source] ***",
        "changed: [client1]",
        "PLAY RECAP ***",
    ):
        assert wanted in text


def test_a_narrow_terminal_has_no_broken_lines(folder: str) -> None:
    pictures, lines, status = on_a_terminal(folder, columns=40)
    assert status == 0
    assert any(re.search(r"^copy +\d+\.\d %", picture, re.MULTILINE) for picture in pictures)
    assert not [line for line in lines if re.match(r"(copy|scan) +\d", line)]


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_pipe_gets_lines(folder: str, strategy: str) -> None:
    run = ingest(
        folder, source=source(folder), destinations=[folder + "/destination"], strategy=strategy,
        env={"SCALEOUT_INGEST_LOG_INTERVAL": "0.2"}, **SLOW,
    )  # fmt: skip
    assert run.status == 0, run.output
    assert "\x1b" not in run.output and "\r" not in run.output
    told = re.findall(
        r"^copy: +\d+\.\d %  [\d,]+ of [\d,]+ files  .*MB/s.*, \d hosts?$", run.output, re.MULTILINE
    )
    assert len(told) > 2, run.output
    assert any("ETA" in line for line in told)
