# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is given a layout while it is empty."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import OperationError
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.batch import Options
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers import ceph
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.base import Job, Pool


def test_the_attribute_is_set_or_no_file_is_left(tmp_path: Any, monkeypatch: Any) -> None:
    fast = Pool("fast", b"", {"pool": "a"})
    root = os.fsencode(tmp_path)
    driver = ceph.Ceph(
        Job(root, fast, Pool("slow", b"", {"pool": "cold"}), Options(), "best_effort")
    )
    assert ceph.LAYOUT == "ceph.file.layout.pool"
    fd = os.open(root, os.O_RDONLY)
    try:
        with pytest.raises(OperationError, match="not supported"):  # no CephFS knows it here
            driver.make(fd, root, b"new")
        assert os.listdir(root) == []
        monkeypatch.setattr(ceph, "LAYOUT", "user.layout")
        driver.make(fd, root, b"new")
        assert os.getxattr(root + b"/new", "user.layout") == b"cold"
    finally:
        os.close(fd)
    assert "not on ceph" in driver.problems()[0]
