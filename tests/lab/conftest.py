# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab for all tests of a module, of its ``SHAPE``."""

from __future__ import annotations

from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab.session import Driven, need


@pytest.fixture(scope="module")
def booted(request: pytest.FixtureRequest) -> Iterator[Driven]:
    """The lab, as the test before left it."""
    need()
    with cluster.Lab(request.module.SHAPE) as lab:
        yield Driven(lab)


@pytest.fixture
def lab(booted: Driven) -> Iterator[Driven]:
    """The lab, clean and whole."""
    booted.clean()
    yield booted
    for play in booted.plays:
        play.close()
