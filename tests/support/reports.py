# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs to report on, and their reports."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.report.make import Report, make_report

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ASSETS = os.path.join(PROJECT, "roles", "report", "files")


def report(folder: str) -> Report:
    """The report of a run, as the action plugin makes it."""
    return make_report(folder, ASSETS, "1.2.3")


def failed(folder: str) -> list[dict[str, Any]]:
    """The lines of failures.jsonl."""
    with open(os.path.join(folder, "failures.jsonl"), "rb") as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def destinations(folder: str) -> list[bytes]:
    """Two addresses of one new directory: the second path leads there over a link."""
    real = os.path.join(folder, "destination")
    if not os.path.isdir(real):
        os.mkdir(real)
        os.symlink(".", os.path.join(folder, "address2"))
    return [os.fsencode(real), os.fsencode(os.path.join(folder, "address2", "destination"))]


def plain_tree(root: Any, files: int) -> None:
    """Files of 0, 1000, 2000, … bytes in five directories."""
    for number in range(files):
        folder = os.path.join(str(root), "d%d" % (number % 5))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "f%d" % number), "wb") as stream:
            stream.write(b"x" * 1000 * number)
