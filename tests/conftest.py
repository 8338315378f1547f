# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every test: the collection's import path, and the list of what was left out.

Tests import ``ansible_collections.scaleout.ingest.plugins…`` and ``….tests.support…``; Ansible
itself is not needed for that.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _collection_path() -> str:
    """The directory that holds ansible_collections/scaleout/ingest, which is this checkout."""
    parents = ROOT.split(os.sep)
    if parents[-3:] == ["ansible_collections", "scaleout", "ingest"]:
        return os.sep.join(parents[:-3])
    folder = os.path.join(ROOT, ".collections", "ansible_collections", "scaleout")
    os.makedirs(folder, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.symlink("../../..", os.path.join(folder, "ingest"))
    return os.path.join(ROOT, ".collections")


# On sys.path, so that it reaches spawned workers as well.
if _collection_path() not in sys.path:
    sys.path.insert(0, _collection_path())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each reason for which tests were left out."""
    reasons: Counter = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.replace("Skipped: ", "", 1)] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(
            "left out: %d test%s: %s" % (count, "" if count == 1 else "s", reason)
        )
