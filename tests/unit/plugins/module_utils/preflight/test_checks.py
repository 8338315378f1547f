# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source and destinations, good and bad; rates and mounts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client.settings import Settings
from ansible_collections.scaleout.ingest.plugins.module_utils.client.start import check_mounts
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import rate
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.directories import DirCache
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight import checks


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("0", 0),
        ("1000", 1000),
        ("1k", 1024),
        ("1.5M", 3 << 19),
        ("2G", 2 << 30),
        (" 200m ", 200 << 20),
        ("1T", 1 << 40),
    ],
)
def test_rates(text: str, wanted: int) -> None:
    assert rate(text) == wanted


@pytest.mark.parametrize("text", ["", "fast", "-1", "1X", "nan", "inf", "M", "1 2"])
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(IngestError, match="bandwidth_limit"):
        rate(text)


def options(**given: Any) -> dict[str, Any]:
    return {
        "destinations": None, "cluster_addresses": None, "mount_base": "/mnt/destination",
        "destination": "", **given,
    }  # fmt: skip


def test_destinations_of_a_cluster() -> None:
    given = options(cluster_addresses=["10.0.0.1", "10.0.0.2"], destination="projects/")
    assert checks.destinations(given) == [
        "/mnt/destination1/projects",
        "/mnt/destination2/projects",
    ]
    assert checks.destinations(options(destinations=["/a"])) == ["/a"]
    with pytest.raises(IngestError, match="ingest_destinations is not set"):
        checks.destinations(options())


def settings(source: Path, *targets: Path) -> Settings:
    return Settings(bytes(source), tuple(bytes(target) for target in targets))


def test_two_directories_are_not_one_export(tmp_path: Path) -> None:
    for name in ("source", "one", "two"):
        (tmp_path / name).mkdir()
    before = os.stat(tmp_path / "one").st_mtime_ns
    with pytest.raises(IngestError, match="are not the same directory"):
        check_mounts(settings(tmp_path / "source", tmp_path / "one", tmp_path / "two"))
    assert os.stat(tmp_path / "one").st_mtime_ns == before
    assert not os.listdir(tmp_path / "one") and not os.listdir(tmp_path / "two")


def test_a_link_to_the_same_directory_is_one_export(tmp_path: Path) -> None:
    for name in ("source", "one"):
        (tmp_path / name).mkdir()
    (tmp_path / "two").symlink_to(tmp_path / "one")
    check_mounts(settings(tmp_path / "source", tmp_path / "one", tmp_path / "two"))
    assert not os.listdir(tmp_path / "one")


def test_directories_are_opened_without_following(tmp_path: Path) -> None:
    (tmp_path / "root" / "real" / "below").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    cache = DirCache(bytes(tmp_path / "root"))
    with pytest.raises(NotADirectoryError):
        cache.get(b"link")
    with pytest.raises(NotADirectoryError):
        cache.get(b"link/below", create=True)
    with pytest.raises(FileNotFoundError):
        cache.get(b"missing")
    assert not os.listdir(tmp_path / "outside")
    descriptors = len(os.listdir("/proc/self/fd"))
    for number in range(100):
        assert cache.get(b"real/below/new%d/deeper" % number, create=True).created
        assert not cache.get(b"real/below").created
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 48
    cache.close()


@pytest.mark.parametrize("depth", [1, 100])
def test_two_directories_are_open_at_once(tmp_path: Path, depth: int) -> None:
    """A hard link is made in one, to a name in the other, however deep that lies."""
    cache = DirCache(bytes(tmp_path))
    for number in range(60):
        first = cache.get(b"first%d" % number, create=True)
        second = cache.get(b"/".join([b"second%d" % number] * depth), create=True)
        assert os.path.samestat(os.fstat(first.fd), os.stat(tmp_path / ("first%d" % number)))
        assert os.path.samestat(
            os.fstat(second.fd), os.stat(tmp_path / "/".join(["second%d" % number] * depth))
        )
    cache.close()


def test_deeper_than_a_path_may_be(tmp_path: Path) -> None:
    cache = DirCache(bytes(tmp_path))
    deep = b"/".join([b"d" * 250] * 20)
    assert cache.get(deep, create=True).created
    cache.close()
    again = DirCache(bytes(tmp_path))
    assert not again.get(deep).created
    again.close()
