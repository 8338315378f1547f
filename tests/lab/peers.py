# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench-lab``: what people copy with, and ours, side by side over real NFS. As root.

    peers.py [--files N] [--large N] [--rounds N] [--write docs]

One lab: three clients, three nodes of 80 Mbit/s, 0.5 ms each way. Two trees: glibc's source (or
its first N files) and N files of 20 MB. All take turns over fresh mounts, so that what else this
machine does meets them alike; with several rounds the medians count. Each copy must have every file
and byte. Writes benchmarks.md and benchmarks.svg into a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from typing import Callable, NamedTuple

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, ROOT]

import bench  # noqa: E402
import cluster  # noqa: E402
import lab as labs  # noqa: E402
import peers_page  # noqa: E402

from tests.benchmarks import source  # noqa: E402
from tests.benchmarks.methods import ARTICLE, SHARE, take_part  # noqa: E402

NODE_MBIT, DELAY_US = 80, 500
# program -> the Debian package that has it
PROGRAMS = {"rsync": "rsync", "fpsync": "fpart", "rclone": "rclone", "parallel": "parallel"}
# The article's script can't take a source with a slash in its name.
_ARTICLE = (
    "mkdir -p /tmp/article/part /tmp/article/copy && cd /tmp/article && "
    "mount --bind {0} part && mount --bind {1} copy && export SOURCE_DIR=part DEST_DIR=copy && {"
    + ARTICLE
    + "}; status=$?; umount part copy; exit $status"
)


class Tree(NamedTuple):
    """What is copied: its name below the source, its files and bytes, and those of its part."""

    name: str
    what: str
    files: int
    bytes: int
    part_files: int
    part_bytes: int


class Contender(NamedTuple):
    """``copy`` copies a tree, and returns (seconds of all that it does, seconds of its copy)."""

    name: str
    clients: int
    mounts: int
    copy: Callable[[Tree], tuple[float, float]]
    part: bool = False


class Arena:
    """A lab, and who copies in it."""

    def __init__(self, lab: cluster.Lab) -> None:
        self._lab = lab
        self._clients = {name: bench.Client(lab, name) for name in lab.clients}
        self._first = self._clients["client1"]
        self._runs = 0
        for client in self._clients.values():
            client.run("sh", "-c", _SSH % {"base": lab.base})

    def contenders(self) -> list[Contender]:
        """All, the plain tools first."""
        alone = {
            "`cp -a`": ["cp", "-a", "{0}/.", "{1}"],
            "`rsync -a`": ["rsync", "-a", "{0}/", "{1}"],
            "two-phase `rsync`": [
                "sh",
                "-c",
                "rsync -azh --inplace {0}/ {1} && rsync -azh {0}/ {1}",
            ],
            "`fpsync -n 16`": ["fpsync", "-n", "16", "-t", "/tmp/fpsync", "{0}/", "{1}/"],
            "`rclone copy`, 16 transfers": [
                *("rclone", "copy", "--links", "--metadata", "--create-empty-src-dirs"),
                *("--transfers", "16", "--checkers", "16", "{0}", "{1}"),
            ],
        }
        found = [
            Contender(name, 1, 1, lambda tree, words=words: self._alone(words, tree))
            for name, words in alone.items()
        ]
        found.append(Contender("`fpsync -n 48`, SSH workers", 3, 1, self._fpsync))
        found.append(
            Contender(
                "the article's `parallelcp`, a tenth of the tree",
                *(1, 1),
                lambda tree: self._alone(["bash", "-c", _ARTICLE], tree, "-part"),
                True,
            )
        )
        for mounts in (1, 3):
            found.append(Contender("ours", 1, mounts, lambda tree, n=mounts: self._engine(tree, n)))
        for mounts in (1, 3):
            found.append(
                Contender("ours", 3, mounts, lambda tree, n=mounts: self._playbook(tree, n))
            )
        return found

    def check(self, tree: Tree, part: bool) -> None:
        """Raises RuntimeError if a file or byte of a copy is missing; then removes it."""
        wanted = (tree.part_files, tree.part_bytes) if part else (tree.files, tree.bytes)
        copy = os.path.join(self._lab.export, "race")
        found = count(copy)
        if found != wanted:
            raise RuntimeError(f"{found} files and bytes of {wanted} arrived")
        shutil.rmtree(copy)

    def _alone(self, words: list[str], tree: Tree, end: str = "") -> tuple[float, float]:
        seconds = self._first.race(words, below=f"/{tree.name}{end}")["seconds"]
        return seconds, seconds

    def _fpsync(self, tree: Tree) -> tuple[float, float]:
        below = "/" + tree.name
        self._first.race(["true"])  # makes the destination
        for name, client in self._clients.items():
            if name != "client1":
                client.race(["true"], below=below, keep=True)
        workers = " ".join("root@" + address for address in self._lab.clients.values())
        shared = os.path.join(bench.BASE, "1", "fpsync")
        words = ["fpsync", "-n", "48", "-w", workers, "-t", "/tmp/fpsync", "-d", shared]
        seconds = self._first.race([*words, "{0}/", "{1}/"], below=below, keep=True)["seconds"]
        shutil.rmtree(os.path.join(self._lab.export, "fpsync"), ignore_errors=True)
        return seconds, seconds

    def _engine(self, tree: Tree, mounts: int) -> tuple[float, float]:
        seconds = self._first.race(self._first.engine(), mounts, below="/" + tree.name)["seconds"]
        return seconds, self._first.data_seconds()

    def _playbook(self, tree: Tree, mounts: int) -> tuple[float, float]:
        """What the run's statistics say: without Ansible's own start and tasks, which take longer
        in such machines than anywhere."""
        lab, self._runs = self._lab, self._runs + 1
        folder = os.path.join(lab.base, "runs", "peers-%d" % self._runs)
        bench.ingest(
            lab,
            "all",
            ingest_run_dir=folder,
            ingest_destination="race",
            ingest_source=f"/mnt/{tree.name}",
            ingest_source_export=f"/source/{tree.name}",
            ingest_cluster_addresses=list(lab.nodes.values())[:mounts],
        )
        with open(os.path.join(folder, "stats.json"), encoding="utf-8") as file:
            stats = json.load(file)
        steps = ("scan_seconds", "plan_seconds", "copy_seconds", "check_seconds")
        return sum(stats[step] for step in steps), stats["copy_seconds"]


# So that a client may start workers on the others.
_SSH = (
    "mkdir -p -m 700 /root/.ssh && printf 'Host *\\n IdentityFile %(base)s/key\\n"
    " UserKnownHostsFile %(base)s/known_hosts\\n BatchMode yes\\n' >/root/.ssh/config"
)


def count(folder: str) -> tuple[int, int]:
    """Its files, and the bytes of those that are regular."""
    files = size = 0
    for at, below, names in os.walk(folder):
        for name in names + [name for name in below if os.path.islink(os.path.join(at, name))]:
            path = os.path.join(at, name)
            files += 1
            size += 0 if os.path.islink(path) else os.path.getsize(path)
    return files, size


def trees(lab: cluster.Lab, options: argparse.Namespace) -> list[Tree]:
    """The two, on the NAS, each with the part that the article's script gets."""
    here = os.path.join(lab.source, "small")
    glibc = source.glibc_tree(options.memory_folder, options.files)
    subprocess.run(["cp", "-a", glibc, here], check=True)
    os.mkdir(os.path.join(lab.source, "small-part"))
    take_part(here, here + "-part")
    large = os.path.join(lab.source, "large")
    for name in (large, large + "-part"):
        os.mkdir(name)
    bench.files(lab, options.large, 20 * bench.MEGA)
    for number in range(options.large):
        name = "file%d" % number
        os.rename(os.path.join(lab.source, name), os.path.join(large, name))
        if number % SHARE == 0:
            shutil.copy2(os.path.join(large, name), large + "-part")
    which = f"the first {options.files} files of " if options.files else ""
    return [
        Tree("small", f"{which}glibc's source", *count(here), *count(here + "-part")),
        Tree("large", f"{options.large} files of 20 MB", *count(large), *count(large + "-part")),
    ]


def race(arena: Arena, found: list[Tree], rounds: int) -> list[peers_page.Line]:
    """Everybody copies every tree, in turns."""
    took: dict[tuple[int, str], list[tuple[float, float]]] = {}
    contenders = arena.contenders()
    for number in range(rounds):
        for at, contender in enumerate(contenders):
            for tree in found:
                both = contender.copy(tree)
                arena.check(tree, contender.part)
                took.setdefault((at, tree.name), []).append(both)
                name = peers_page.label(*contender[:3])
                print(
                    f"  round {number + 1}  {tree.name:6} {both[0]:8.1f} s  copy {both[1]:8.1f} s"
                    f"   {name}",
                    flush=True,
                )
    lines = []
    for at, contender in enumerate(contenders):
        for tree in found:
            whole, copy = (
                statistics.median(both[part] for both in took[at, tree.name]) for part in (0, 1)
            )
            files, size = tree.files, tree.bytes
            if contender.part:
                files, size = tree.part_files, tree.part_bytes
            lines.append(
                peers_page.Line(
                    *(contender.name, contender.clients, contender.mounts, tree.name),
                    *(files, size, whole, copy),
                )
            )
    return lines


def settings(options: argparse.Namespace, found: list[Tree]) -> list[str]:
    """The machine and what was set, as sentences."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    small, large = found
    return [
        f"Machine: {os.cpu_count()} × {models[0] if models else platform.machine()}, "
        f"load {os.getloadavg()[1]:.1f} over the last five minutes; {time.strftime('%Y-%m-%d')}.",
        f"Lab: 3 clients (user-mode Linux, one processor each), 3 nodes of {NODE_MBIT} Mbit/s, "
        f"{DELAY_US / 1000:g} ms each way, NFSv3; the source on a server of its own.",
        f"Trees: {small.what} ({small.files:,} files, {small.bytes / 1e6:,.0f} MB); {large.what}.",
        f"Rounds: {options.rounds}, in turns; medians. Fresh mounts for each copy, caches cold.",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make bench-lab",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
    )
    parser.add_argument("--files", type=int, default=0, help="of glibc's source; 0: all")
    parser.add_argument("--large", type=int, default=10, help="files of 20 MB")
    parser.add_argument("--rounds", type=int, default=1, help="medians of so many")
    parser.add_argument("--write", default=os.path.join(ROOT, "docs"), help="the pages' folder")
    parser.add_argument("--memory-folder", default="/dev/shm/bench", help="a tmpfs for the trees")
    options = parser.parse_args()
    lacking = [package for name, package in PROGRAMS.items() if not shutil.which(name)]
    reason = cluster.why_not()
    if lacking and not reason:
        reason = f"apt-get install {' '.join(lacking)}"
    if reason:
        parser.error(reason)
    shape = cluster.Shape(clients=3, nodes=3, node_mbit=NODE_MBIT, delay_us=DELAY_US)
    with cluster.Lab(shape) as lab:
        found = trees(lab, options)
        lines = race(Arena(lab), found, options.rounds)
    peers_page.write(options.write, lines, settings(options, found))
    print(f"written: {os.path.join(options.write, 'benchmarks.md')}")
    return 0


if __name__ == "__main__":
    os.environ["PATH"] = cluster.PATH
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, labs.end)
    try:
        sys.exit(main())
    except RuntimeError as problem:
        sys.exit(f"bench-lab: {problem}")
    except KeyboardInterrupt:
        sys.exit("bench-lab: stopped; everything is torn down")
