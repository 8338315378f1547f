# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a directory is read over NFS: with how many calls, and that nothing old is believed. Not
among `make test`'s: run ``pytest tests/lab``."""

from __future__ import annotations

import ast
import os
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab.session import HERE, ROOT, Driven
from ansible_collections.scaleout.ingest.tests.support import indexes

SHAPE = cluster.Shape(clients=2, nodes=1)
VERSIONS = {"3": "vers=3,proto=tcp,nolock,noacl", "4.1": "vers=4.1"}
ENTRIES = 3_000  # of the directory

# What a client prints: the calls that a scan cost, and what it found.
WALK = f"""
import sys
sys.path[:0] = [{os.path.join(ROOT, ".collections")!r}, {HERE!r}]
import timed_copies
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.tests.support import indexes
before = timed_copies.calls("/mnt/walk")
totals = indexes.scan("/mnt/walk", "/tmp/index")
after = timed_copies.calls("/mnt/walk")
index = Index("/tmp/index")
print(({{name: after[name] - before[name] for name in after}}, indexes.contents(index)))
"""


def walk(lab: Driven) -> tuple[int, dict[bytes, tuple[Any, ...]]]:
    """One scan on client1: its calls, and the index."""
    calls, found = ast.literal_eval(
        lab.ssh(f"PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 - <<'END'\n{WALK}\nEND")
    )
    print(calls)
    return sum(calls.values()), found


def facts(found: dict[bytes, tuple[Any, ...]]) -> dict[bytes, tuple[Any, ...]]:
    """What an entry is, without what a server makes of it: kind, mode, owner, mtime; and of what is
    no directory size, too."""
    kept = [indexes.FIELDS.index(field) for field in ("mode", "uid", "gid", "mtime")]
    return {
        path: (kind, *(fields[at] for at in kept), *more[:1])
        for path, (kind, fields, *more) in found.items()
    }


def mount(lab: Driven, client: str, options: str) -> None:
    lab.ssh(
        f"mkdir -p /mnt/walk && mount -t nfs -o {options} "
        f"{lab.lab.nodes['node1']}:/cluster /mnt/walk",
        client,
    )


@pytest.mark.parametrize("version", list(VERSIONS))
def test_a_walk_costs_few_calls_and_believes_nothing_old(lab: Driven, version: str) -> None:
    for client in ("client1", "client2"):
        mount(lab, client, VERSIONS[version])
    lab.ssh(
        f"cd /mnt/walk && mkdir wide && cd wide && mkdir below && "
        f"for n in $(seq {ENTRIES}); do echo $n > f$n; done",
        "client2",
    )
    first, found = walk(lab)
    assert facts(found) == facts(indexes.tree(os.fsencode(lab.lab.export)))
    assert first <= 0.05 * ENTRIES
    lab.ssh(
        "cd /mnt/walk/wide && rm f1 && echo longer > f2 && chmod 600 f3 && mv f4 g4 && "
        "echo X > f5 && rm f6 && mkdir f6 && touch -d @1000000000 f7 && ln -sf f8 f9 && "
        "echo new > below/new && mkdir below/d && echo new > below/d/new",
        "client2",
    )
    again, found = walk(lab)
    assert facts(found) == facts(indexes.tree(os.fsencode(lab.lab.export)))
    assert again <= first + 20
    # What nobody has changed costs no more, either.
    lab.ssh("sleep 15")
    assert walk(lab)[0] <= first + 20


@pytest.mark.parametrize("version", list(VERSIONS))
def test_where_a_listing_tells_names_alone_all_is_found_as_well(lab: Driven, version: str) -> None:
    mount(lab, "client1", VERSIONS[version] + ",nordirplus")
    mount(lab, "client2", VERSIONS[version])
    lab.ssh(f"cd /mnt/walk && mkdir wide && cd wide && touch $(seq {ENTRIES})", "client2")
    calls, found = walk(lab)
    assert facts(found) == facts(indexes.tree(os.fsencode(lab.lab.export)))
    assert calls >= ENTRIES
