# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make lab-bench``: what the method gains over real NFS, measured in labs of its own. As root.

    bench.py [spread] [uneven] [range] [clients] [latency] [calls] [walk] [wide] [again]
             [--files N] [--rounds N]

    spread    one client, nodes of 80 Mbit/s: three mounts against one
    uneven    the same with one node of 20 Mbit/s: the fast mounts take what the slow one can't
    range     one file of 96 MB, in ranges over three mounts against one
    clients   three clients of 40 Mbit/s each against one, by the playbook
    latency   0.5 ms each way, glibc's source, one mount: against cp -a, rsync -a, fpsync -n 16
    calls     NFS calls for a new file of 3 kB: against cp -p, cp -a, rsync -a
    walk      the scan of a directory of 20,000 files, 0.5 ms each way, and of glibc's source, 5 ms:
              against find -printf, and against itself over the same mount once more
    wide      4,000 files of one directory, 0.5 ms each way: three mounts against one
    again     everything is there already: calls an entry, and against rsync -a that finds nothing
              to do; 4,000 files of one directory with 0.5 ms each way, glibc's with 0.5 and 5

Exit status 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from typing import Any, Callable, Sequence

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, ROOT]

import cluster  # noqa: E402
import lab as labs  # noqa: E402

from tests.benchmarks import measure, source  # noqa: E402

BASE = "/mnt/race"  # as in timed_copies.py
MOUNT = "vers=3,proto=tcp,nolock,noacl"
DESTINATION, SOURCE = MOUNT + ",softerr,timeo=100,retrans=2", MOUNT + ",ro,nocto"
MEGA = 1_000_000
WIDE = 20_000  # entries of a wide directory
missed: list[str] = []


def target(name: str, value: float, least: float | None, unit: str = "times") -> None:
    """Print a figure, and remember if it is less than it should be."""
    verdict = "" if least is None else f"   (at least {least:.2f})"
    if least is not None and value < least:
        missed.append(name)
        verdict += "   MISSED"
    print(f"{name:72} {value:8.2f} {unit}{verdict}", flush=True)


class Client:
    """A client of a lab, with this collection's engine beside it."""

    def __init__(self, lab: cluster.Lab, name: str = "client1") -> None:
        self._lab = lab
        self._name = name
        self._folder = os.path.join(lab.base, "bench", name)
        package = os.path.join(self._folder, "ansible_collections", "scaleout", "ingest")
        for name in ("plugins/module_utils", "tests/support"):
            shutil.copytree(
                os.path.join(ROOT, name),
                os.path.join(package, name),
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        self._engine = os.path.join(package, "tests", "support", "engine.py")
        self._race = shutil.copy(os.path.join(HERE, "timed_copies.py"), self._folder)
        self.parallelcp = os.path.join(self._folder, "parallelcp")
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from "
                "ansible_collections.scaleout.ingest.plugins.module_utils.provision import "
                "executables as e; open(sys.argv[1], 'wb').write(e.build('parallelcp', "
                "'/usr/bin/python3'))",
                self.parallelcp,
            ],
            env=measure.environment(),
            check=True,
        )
        os.chmod(self.parallelcp, 0o755)

    def engine(self, *options: str) -> list[str]:
        """The command that runs the engine over all mounts; its plan is then in the client's
        /tmp/run."""
        return ["/usr/bin/python3", self._engine, "{0}", "/tmp/run", "{all}", *options]

    def scan(self) -> list[str]:
        """The command that only scans."""
        return ["/usr/bin/python3", self._engine, "{0}", "/tmp/run/index", "{1}", "--scan"]

    def race(self, command: Sequence[str], mounts: int = 1, **more: Any) -> dict[str, Any]:
        """Run a command over fresh mounts, see timed_copies.py. Raises RuntimeError if it fails."""
        wanted = dict(
            more,
            command=list(command),
            options=DESTINATION,
            source_options=SOURCE,
            source=self._lab.address(100) + ":/source",
            destinations=[
                f"{address}:/cluster" for address in list(self._lab.nodes.values())[:mounts]
            ],
            environment={"INGEST_COLLECTIONS": self._folder, "PYTHONPATH": self._folder},
        )
        self.run("rm", "-rf", "/tmp/run", "/tmp/fpsync")
        answer: dict[str, Any] = json.loads(
            self.run("/usr/bin/python3", self._race, json.dumps(wanted))
        )
        if answer["status"]:
            raise RuntimeError(f"{command}: {answer['output']}")
        return answer

    def run(self, *words: str) -> str:
        """A command's output."""
        quoted = " ".join("'%s'" % word.replace("'", "'\\''") for word in words)
        done = self._lab.ssh(self._name, quoted)
        if done.returncode:
            raise RuntimeError("%s: exit status %d" % (quoted[:200], done.returncode))
        return str(done.stdout.decode(errors="replace"))

    def data_seconds(self) -> float:
        """How long the last run of the engine took for the data."""
        text = (
            "import sqlite3; "
            f"print(*sqlite3.connect('/tmp/run/plan.db').execute('{DATA}').fetchone())"
        )
        return float(self.run("/usr/bin/python3", "-c", text))


# From the first claim to the last result, of what moves data.
DATA = "SELECT max(finished) - min(claimed) FROM shards WHERE phase <= 3"


def median(what: Callable[[], float], rounds: int) -> float:
    """Of so many measurements."""
    return statistics.median(what() for _round in range(rounds))


def files(lab: cluster.Lab, count: int, size: int) -> None:
    """Files of random bytes, the source."""
    for number in range(count):
        with open(os.path.join(lab.source, "file%d" % number), "wb") as file:
            for _block in range(size // MEGA):
                file.write(os.urandom(MEGA))


def over_mounts(
    options: argparse.Namespace, count: int, size: int, slow: int = 0
) -> tuple[float, float]:
    """Seconds for the data of so many files over one mount and over three, with nodes of 80 Mbit/s,
    the second one of ``slow`` Mbit/s if that is given."""
    with cluster.Lab(cluster.Shape(clients=1, nodes=3, node_mbit=80)) as lab:
        files(lab, count, size)
        if slow:
            lab.limit_node("node2", slow)
        client = Client(lab)

        def once(mounts: int) -> float:
            client.race(client.engine("--options", '{"verify": "none"}'), mounts)
            return client.data_seconds()

        one = median(lambda: once(1), options.rounds)
        return one, median(lambda: once(3), options.rounds)


def spread(options: argparse.Namespace) -> None:
    one, three = over_mounts(options, 6, 20 * MEGA)
    print(
        f"nodes of 80 Mbit/s, 6 files of 20 MB: one mount {one:.1f} s ({120 / one:.1f} MB/s), "
        f"three {three:.1f} s ({120 / three:.1f} MB/s)"
    )
    target("one client: three mounts / one mount", one / three, 2.7)


def uneven(options: argparse.Namespace) -> None:
    one, three = over_mounts(options, 30, 4 * MEGA, slow=20)
    print(
        f"nodes of 80, 20 and 80 Mbit/s, 30 files of 4 MB: the first mount {one:.1f} s, all three "
        f"{three:.1f} s"
    )
    target(
        "one client, uneven nodes: three mounts / the first (ideal 2.25, equal parts 0.75)",
        one / three,
        1.7,
    )


def one_range(options: argparse.Namespace) -> None:
    one, three = over_mounts(options, 1, 96 * MEGA)
    print(f"nodes of 80 Mbit/s, one file of 96 MB: one mount {one:.1f} s, three {three:.1f} s")
    target("one client, one file in ranges: three mounts / one mount", one / three, 2.4)


def clients(_options: argparse.Namespace) -> None:
    with cluster.Lab(cluster.Shape(clients=3, nodes=3, client_mbit=40)) as lab:
        files(lab, 60, 4 * MEGA)
        one, three = (
            _playbook(lab, name, limit) for name, limit in (("one", "client1"), ("three", "all"))
        )
    print(
        f"clients of 40 Mbit/s, 60 files of 4 MB: one client {one:.1f} s ({240 / one:.1f} MB/s), "
        f"three {three:.1f} s ({240 / three:.1f} MB/s)"
    )
    target("three clients / one client", one / three, 2.85)


def _playbook(lab: cluster.Lab, name: str, limit: str) -> float:
    folder = os.path.join(lab.base, "runs", name)
    shutil.rmtree(os.path.join(lab.export, "copy"), ignore_errors=True)
    ingest(lab, limit, ingest_run_dir=folder, ingest_verify="none")
    db = sqlite3.connect(os.path.join(folder, "plan.db"))
    try:
        return float(db.execute(DATA).fetchone()[0])
    finally:
        db.close()


def ingest(lab: cluster.Lab, limit: str, **variables: object) -> None:
    """Run the playbook on some clients. Raises RuntimeError if it fails."""
    done = subprocess.run(
        [
            os.path.join(os.path.dirname(sys.executable), "ansible-playbook"),
            "-i",
            lab.inventory,
            "--limit",
            limit,
            os.path.join(ROOT, "playbooks", "ingest.yml"),
            "-e",
            json.dumps(variables),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout.decode(errors="replace")[-3000:])


def latency(options: argparse.Namespace) -> None:
    with cluster.Lab(cluster.Shape(clients=1, nodes=1, delay_us=500)) as lab:
        tree = source.glibc_tree(options.memory_folder, options.files)
        subprocess.run(["cp", "-a", tree + "/.", lab.source + "/tree"], check=True)
        count = sum(len(names) for _at, _below, names in os.walk(tree))
        client = Client(lab)
        contenders = {
            "parallelcp": [client.parallelcp, "{0}", "{1}"],
            "scan + plan + copy + second pass": client.engine(),
            "cp -a": ["cp", "-a", "{0}/.", "{1}"],
            "rsync -a": ["rsync", "-a", "{0}/", "{1}"],
            "fpsync -n 16": ["fpsync", "-n", "16", "-t", "/tmp/fpsync", "{0}/", "{1}/"],
        }
        print("0.5 ms each way, %d files of glibc's source, one mount" % count, flush=True)
        took: dict[str, float] = {}
        for name, command in contenders.items():
            took[name] = median(
                lambda words=command: client.race(words, below="/tree")["seconds"], options.rounds
            )  # type: ignore[misc]
            print(f"  {name:34} {took[name]:8.1f} s", flush=True)
        for peer in ("cp -a", "rsync -a", "fpsync -n 16"):
            target(f"latency: parallelcp against {peer}", took[peer] / took["parallelcp"], 4.0)
            target(
                f"latency: the whole pipeline against {peer}",
                took[peer] / took["scan + plan + copy + second pass"],
                None,
            )


def calls(_options: argparse.Namespace) -> None:
    count = 300
    with cluster.Lab(cluster.Shape(clients=1, nodes=1)) as lab:
        os.mkdir(lab.source + "/small")
        for number in range(count):
            with open(lab.source + "/small/%03d" % number, "wb") as file:
                file.write(os.urandom(3000))
        client = Client(lab)
        contenders = {
            "ours": client.engine("--options", '{"verify": "none"}'),
            "parallelcp": [client.parallelcp, "{0}", "{1}"],
            "cp -p": ["cp", "-rp", "{0}/small", "{1}"],
            "cp -a": ["cp", "-a", "{0}/small", "{1}"],
            "rsync -a": ["rsync", "-a", "{0}/small", "{1}"],
        }
        print("NFS calls for each of %d new files of 3 kB, caches cold" % count)
        totals = {}
        for name, command in contenders.items():
            found = client.race(command)["calls"]
            sums = [sum(side.values()) / count for side in found]
            totals[name] = sum(sums)
            kinds = [
                f"{kind} {number / count:.1f}"
                for side in found[::-1]
                for kind, number in sorted(side.items())
                if number > count / 2
            ]
            print(
                f"  {name:12} destination {sums[1]:5.2f}  source {sums[0]:5.2f}   "
                f"{'  '.join(kinds)}"
            )
        for peer in ("cp -p", "cp -a", "rsync -a"):
            target(f"calls of {peer} / ours", totals[peer] / totals["ours"], 1.0)


def walk(options: argparse.Namespace) -> None:
    with cluster.Lab(cluster.Shape(clients=1, nodes=1, delay_us=500)) as lab:
        _small_files(lab.source + "/wide", WIDE)
        client = Client(lab)
        entries, per_entry = _walks(
            client, "/wide", "a directory of 20,000 files, 0.5 ms each way", 10
        )
        target("entries of the directory / calls of the scan", entries / per_entry, 20.0)
    with cluster.Lab(cluster.Shape(clients=1, nodes=1, delay_us=5000)) as lab:
        tree = source.glibc_tree(options.memory_folder, options.files)
        subprocess.run(["cp", "-a", tree + "/.", lab.source + "/tree"], check=True)
        _walks(Client(lab), "/tree", "glibc's source, 5 ms each way", 4)


def _walks(client: Client, below: str, what: str, least: float) -> tuple[int, int]:
    """find against the scan, and that once more; returns the scan's entries and calls."""
    print(what, flush=True)
    commands: dict[str, tuple[list[str], bool]] = {
        "find -printf": (["find", "{0}", "-printf", "%s %m %u %g %T@ %C@ %p\\n"], False),
        "scan": (client.scan(), False),
        "scan, the same mount once more": (client.scan(), True),
    }
    took, asked = {}, {}
    for name, (command, before) in commands.items():
        found = client.race(command, below=below, before=before)
        took[name], asked[name] = found["seconds"], sum(found["calls"][0].values())
        kinds = "  ".join(f"{kind} {n}" for kind, n in sorted(found["calls"][0].items()) if n)
        print(f"  {name:34} {took[name]:8.1f} s  {asked[name]:6d} calls  {kinds}", flush=True)
    totals = json.loads(found["output"])
    once, again = asked["scan"], asked["scan, the same mount once more"]
    target("find -printf / scan", took["find -printf"] / took["scan"], least)
    target("calls of a scan / of the next one over the same mount", once / again, 0.9)
    return totals["entries"], once


def _small_files(folder: str, count: int) -> None:
    os.mkdir(folder)
    for number in range(count):
        with open(os.path.join(folder, "file%06d" % number), "wb") as file:
            file.write(b"%d" % number * 100)


def wide(options: argparse.Namespace) -> None:
    count = 4_000
    with cluster.Lab(cluster.Shape(clients=1, nodes=3, delay_us=500)) as lab:
        _small_files(lab.source + "/wide", count)
        client = Client(lab)

        def once(mounts: int) -> float:
            client.race(client.engine("--options", '{"verify": "none"}'), mounts)
            return client.data_seconds()

        one, three = (median(lambda n=n: once(n), options.rounds) for n in (1, 3))  # type: ignore[misc]
        print(f"{count} files of one directory: one mount {one:.1f} s, three {three:.1f} s")
        target("one client, one directory: three mounts / one mount", one / three, None)


INDEX = """
import json, sys
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import indexing
given = json.loads(sys.argv[2])
options = dict(source=sys.argv[1], index_dir="/tmp/index", generations=2, include=[], exclude=[],
    xattrs=False, one_file_system=False, workers="2", threads="auto", stall_timeout=60,
    scan="full", settled="0", subtrees=[], policies=[], list_format="null")
options.update(given)
print(json.dumps(indexing.make(indexing.IndexOptions.from_params(options))))
"""


def index(options: argparse.Namespace) -> None:
    """What a further scan of an unchanged tree costs, caches cold."""
    tree = source.glibc_tree(options.memory_folder, options.files or 6000)
    with cluster.Lab(cluster.Shape(clients=1, nodes=1)) as lab:
        shutil.copytree(tree, lab.source + "/tree", symlinks=True)
        time.sleep(3)  # what changed just before a scan is not trusted
        client = Client(lab)
        client.run("rm", "-rf", "/tmp/index")
        totals = {}
        for name, given in (
            ("full", {}),
            ("changed", {"scan": "changed"}),
            ("changed, settled", {"scan": "changed", "settled": "0.001s"}),
            ("directories", {"scan": "directories"}),
        ):
            command = ["/usr/bin/python3", "-c", INDEX, "{0}/tree", json.dumps(given)]
            answer = client.race(command)
            found, _destination = answer["calls"]
            result = json.loads(answer["output"].splitlines()[-1])
            totals[name] = sum(found.values())
            kinds = "  ".join(f"{kind} {number}" for kind, number in sorted(found.items()))
            print(
                f"  {name:18} {totals[name]:6} calls, {result['listed']} of"
                f" {result['directories']} directories listed, {result['entries']} entries,"
                f" {result['seconds']:.1f} s   {kinds}"
            )
        target("calls of full / changed, settled", totals["full"] / totals["changed, settled"], 3.0)
        target("calls of full / directories", totals["full"] / totals["directories"], 3.0)


OURS = "scan + plan + copy + second pass"


def again(options: argparse.Namespace) -> None:
    tree = source.glibc_tree(options.memory_folder, options.files)
    for what, delay, least in (("wide", 500, 5.0), ("tree", 500, 4.0), ("tree", 5000, 8.0)):
        with cluster.Lab(cluster.Shape(clients=1, nodes=1, delay_us=delay)) as lab:
            if what == "wide":
                _small_files(lab.source + "/wide", 4_000)
            else:
                subprocess.run(["cp", "-a", tree, lab.source + "/tree"], check=True)
            here = lab.source + "/" + what
            subprocess.run(["cp", "-a", here, lab.export + "/race"], check=True)
            count = 1 + sum(len(below) + len(names) for _at, below, names in os.walk(here))
            _again(Client(lab), "/" + what, count, f"{what}, {delay / 1000:g} ms each way", least)


def _again(client: Client, below: str, count: int, what: str, least: float) -> None:
    print(f"{what}: {count} entries, all there already", flush=True)
    took = {}
    for name, command in {
        OURS: client.engine(),
        # As where the host that scans has no destination.
        "the same, compared by the copy": client.engine("--options", '{"compare": false}'),
        "rsync -a": ["rsync", "-a", "{0}/", "{1}"],
    }.items():
        found = client.race(command, below=below, keep=True)
        took[name] = found["seconds"]
        sides = [sum(side.values()) / count for side in found["calls"]]
        print(
            f"  {name:34} {took[name]:8.1f} s   calls an entry: source {sides[0]:.3f}, "
            f"destination {sides[1]:.3f}",
            flush=True,
        )
        for calls in found["calls"]:
            print("    " + "  ".join(f"{kind} {n}" for kind, n in sorted(calls.items()) if n))
        if name == OURS:
            target(f"{what}: entries / calls on the source", 1 / sides[0], 5.0)
            target(f"{what}: entries / calls on the destination", 1 / sides[1], 5.0)
    target(f"{what}: rsync -a / ours", took["rsync -a"] / took[OURS], least)


PARTS = {
    "spread": spread,
    "uneven": uneven,
    "range": one_range,
    "clients": clients,
    "latency": latency,
    "calls": calls,
    "walk": walk,
    "wide": wide,
    "index": index,
    "again": again,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make lab-bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
    )
    parser.add_argument("parts", nargs="*", default=list(PARTS), help="all unless given")
    parser.add_argument(
        "--files", type=int, default=0, help="of glibc's source for 'latency'; 0: all"
    )
    parser.add_argument("--rounds", type=int, default=1, help="medians of so many")
    parser.add_argument("--memory-folder", default="/dev/shm/bench", help="a tmpfs for the trees")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    reason = cluster.why_not()
    if reason:
        parser.error(reason)
    for part in options.parts:
        PARTS[part](options)
    if missed:
        print(f"missed: {'; '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    os.environ["PATH"] = cluster.PATH
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, labs.end)
    try:
        sys.exit(main())
    except RuntimeError as problem:
        sys.exit(f"lab-bench: {problem}")
    except KeyboardInterrupt:
        sys.exit("lab-bench: stopped; everything is torn down")
