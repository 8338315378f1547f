# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How mounts that are left out are named."""

from __future__ import annotations

from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.left_out import (
    LeftOut,
    listing,
)


def test_the_names_of_mounts() -> None:
    dead = LeftOut("/mnt/a\nb", "10.0.0.1:/e", "10.0.0.1", "no answer")
    assert str(dead) == "10.0.0.1 on /mnt/a\\nb (no answer)"
    assert str(dead._replace(address="", message="")) == "/mnt/a\\nb"
    assert (
        listing([dead._replace(mount="m", address="", message="")] * 10)
        == "m, m, m, m, m, m, m, m and 2 more"
    )
