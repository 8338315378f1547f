# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a mount."""

from __future__ import annotations

import os
import subprocess
import time

from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.users import holders


def test_who_uses_a_mount(tmp_path: os.PathLike) -> None:
    here = os.path.join(tmp_path, "here")
    os.mkdir(here)
    os.mkdir(here + "2")  # a name that begins alike
    with open(here + "2/other", "wb"):
        assert holders([here]) == {here: []}
        sleeper = subprocess.Popen(["sleep", "60"], cwd=here)
        try:
            deadline = time.monotonic() + 10
            while not holders([here])[here] and time.monotonic() < deadline:
                time.sleep(0.01)
            (found,) = holders([here])[here]
        finally:
            sleeper.kill()
            sleeper.wait()
    assert found.pid == sleeper.pid and not found.killed
