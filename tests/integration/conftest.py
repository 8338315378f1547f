# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and trees for the tests that run real playbooks."""

from __future__ import annotations

import itertools
import os
import tempfile
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.support import trees
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts, why_not
from ansible_collections.scaleout.ingest.tests.support.place import Place


@pytest.fixture
def folder() -> Iterator[str]:
    """An empty directory that ends empty, whatever a test leaves in it."""
    path = tempfile.mkdtemp(prefix="scaleout-", dir="/var/tmp")
    yield path
    trees.remove(os.fsencode(path))


@pytest.fixture
def place(folder: str) -> Place:
    """The hostile tree and a place for its copy."""
    return Place(folder).build()


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    """Three real SSH hosts, for the whole session."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Hosts(3) as running:
        yield running


_numbers = itertools.count(1)


@pytest.fixture
def shared(hosts: Hosts) -> Iterator[Place]:
    """The hostile tree where all hosts see it."""
    path = os.path.join(hosts.shared, str(next(_numbers)))
    yield Place(path).build()
    trees.remove(os.fsencode(path))


@pytest.fixture
def server(folder: str) -> Iterator[Any]:
    """Two hosts of the SSH server inside this process."""
    pytest.importorskip("paramiko", reason="the SSH server inside the test process needs paramiko")
    from ansible_collections.scaleout.ingest.tests.support import sshserver  # noqa: PLC0415

    own = os.path.join(folder, "ssh")
    os.mkdir(own)
    with sshserver.SshServer(2, own) as running:
        yield running
