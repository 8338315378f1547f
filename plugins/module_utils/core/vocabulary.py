# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that plan, client, report and documentation share."""

from __future__ import annotations

from enum import IntEnum

METHODS = ("copy", "rsync", "msrsync")
SPLITS = ("round_robin", "balanced", "dynamic")
VERIFY = ("none", "metadata", "checksum")
# What is done about entries that the destination has and the source has not.
EXTRA = ("report", "fail")
# What is kept of an entry besides its contents.
PRESERVE = ("mode", "owner", "times", "xattrs", "acls", "links", "sparse")

# How files get from one storage pool to another.
TIER_DRIVERS = (
    "union", "beegfs", "beegfs_native", "lustre", "lustre_native", "ceph", "stub",
)  # fmt: skip


class Phase(IntEnum):
    """The steps of a plan. A shard waits for what it needs, see :mod:`..plan.needs`; only those of
    directories wait for all that is made."""

    SCAN = -1  # directories to be listed, which make more shards: beside all that moves data
    PREPARE = 0  # large files get their place
    DATA = 1  # files, links, nodes; ranges of large files
    FINISH = 2  # large files get their metadata and their names
    LINKS = 3  # further names of files with several
    DIRECTORIES = 4  # metadata of directories, the deepest first
    LAST_DIRECTORIES = 5  # of those that their owner may not search
    CHECK = 6  # the second pass
    RIGHT = 7  # nothing to do: what the scan found to be right, where the second pass reads all
    CHECK_DIRECTORIES = 8  # the second pass over directories: their metadata, what is in them


class Kind:
    """What a shard's lines are to have done."""

    SCAN = "scan"
    GATHER = "gather"  # what was scanned becomes the index, and the rest of the plan is made of it
    PREPARE = "prepare"
    COPY = "copy"
    RANGE = "range"
    FINISH = "finish"
    LINK = "link"
    DIRECTORIES = "directories"
    VERIFY = "verify"


class LineState:
    """What the copy says of a line of a shard to its second pass."""

    EQUAL = 1  # the destination had all of it already, as the source has it
    ATTRIBUTES = 2  # the source may have extended attributes or ACLs there
    AGAIN = 4  # something of it failed as may pass, and is to be tried on another host


class ShardState:
    """What has become of a shard."""

    WAITING = "waiting"  # for another shard
    PENDING = "pending"
    CLAIMED = "claimed"
    DONE = "done"


class HostState:
    """What a host of a plan is doing."""

    PLANNED = "planned"  # it has not begun
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DEAD = "dead"


# The article on which the method rests: judge files of 10 MiB and more by bytes a second, any
# other by files a second.
_BYTES_BOUND = 10 << 20


def bound(files: int, size: int) -> str:
    """Which rate matters for so many files of so many bytes in all: ``bytes`` or ``files``."""
    return "bytes" if files and size / files >= _BYTES_BOUND else "files"


class Limit:
    """What keeps a copy from being faster."""

    LATENCY = "latency"  # every worker waits for answers: more workers help
    PROCESSOR = "client processor"
    LINK = "client link"  # the client's network, or what it shares with no other client
    ADDRESS = "address"  # an address of the cluster: more mounts help
    CLUSTER = "cluster"  # all that is behind its addresses
    SOURCE = "source"
    UNCLEAR = "unclear"


# What would make a copy faster that is limited so.
REMEDIES = {
    Limit.LATENCY: "more workers",
    Limit.PROCESSOR: "more clients, or clients with more processors",
    Limit.LINK: "more clients, or clients with a faster network",
    Limit.ADDRESS: "more addresses of the cluster, each mounted",
    Limit.CLUSTER: "more nodes in the cluster, or faster storage behind it",
    Limit.SOURCE: "a faster source, or more addresses of it",
    Limit.UNCLEAR: "a longer calibration, with more clients",
}
