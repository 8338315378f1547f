# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scale-out NFS cluster and client VMs on this machine, from a command line. As root:

    lab.py run                 boots a lab, ingests a tree on its VMs over SSH and NFS, compares the
                               copy on the server's side, runs again, tears down
    lab.py up DIR              a lab that lives until `down`; writes DIR/inventory.json
    lab.py down DIR
    lab.py node-kill DIR NAME | node-start DIR NAME        such as node2, or nas
    lab.py node-stop | node-freeze | node-unplug DIR NAME  refuses, hangs, is silent; node-start
    mends lab.py client-kill DIR NAME | client-start DIR NAME    such as client1
    lab.py ssh DIR NAME COMMAND...
    lab.py source DIR          makes a hostile tree and a real one on the NAS
    lab.py compare DIR         compares the copy with them, on the server's side
    lab.py setup               installs the Debian packages that the lab needs
    lab.py sweep               removes what crashed labs left

The environment's CLIENTS, NODES, NODE_MBIT, CLIENT_MBIT, DELAY_US (each way) and MEMORY_MIB (of a
client) shape a lab; SRC names the tree that `run` ingests, ARGS more words for ansible-playbook.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import types
from typing import Iterator

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "support")]

import cluster  # noqa: E402
import compare as judge  # noqa: E402
import trees  # noqa: E402

# What NFSv3 carries: no attributes, ACLs or holes, and times from 1970 to 2106. Ganesha 4.3 keeps
# no times of symbolic links.
NOT_IN_NFS3 = frozenset(["xattr", "acl", "sparse"])
OLDEST, NEWEST = 10**18, 4 * 10**18  # ns


class Failed(Exception):
    """One sentence for the user."""


def shape() -> cluster.Shape:
    """The lab that the environment asks for. Raises Failed."""
    values = {}
    for name in cluster.Shape._fields:
        text = os.environ.get(name.upper(), "")
        if text and not text.isdigit():
            raise Failed(f"{name.upper()} is {text!r}, which is no number")
        if text:
            values[name] = int(text)
    wanted = cluster.Shape(**values)
    if not (1 <= wanted.clients <= 80 and 1 <= wanted.nodes <= 80):
        raise Failed("a lab has 1 to 80 CLIENTS and NODES")
    return wanted


# -- run ---------------------------------------------------------------------------------------


def run() -> None:
    """The whole way: boot, ingest, compare, ingest again, tear down. Raises Failed."""
    wanted = shape()
    started = time.monotonic()
    with cluster.Lab(wanted) as lab:
        say(
            "%d nodes and %d clients are up in %.0f s"
            % (wanted.nodes, wanted.clients, time.monotonic() - started)
        )
        build_source(lab)
        first = ingest(lab, "first")
        compare(lab)
        say("the copy is the same, byte by byte, on the server's side")
        second = ingest(lab, "second")
        changed = {
            host: counts["changed"] for host, counts in second["stats"].items() if counts["changed"]
        }
        if changed:
            raise Failed(f"the second run changed something: {changed}")
        compare(lab)
        say("the second run changed nothing")
        mounts = {path for host in first["run"]["hosts"].values() for path in host["mounts"]}
        say(
            "%d files, %d bytes over the mounts %s; %.0f s in all"
            % (
                first["run"]["files"],
                first["run"]["bytes"],
                " ".join(sorted(mounts)),
                time.monotonic() - started,
            )
        )


def build_source(lab: cluster.Lab | types.SimpleNamespace) -> None:
    """A hostile tree and a real one on the NAS."""
    os.chmod(lab.source, 0o755)
    os.mkdir(os.path.join(lab.source, "hostile"))
    nodes = trees.hostile()
    nodes = [
        n if OLDEST < n.mtime < NEWEST else n._replace(mtime=OLDEST + 1 + n.mtime % OLDEST)
        for n in nodes
    ]
    trees.build(os.fsencode(os.path.join(lab.source, "hostile")), nodes)
    real = os.environ.get("SRC") or os.path.dirname(os.__file__) + "/email"
    if subprocess.run(["cp", "-a", "--", real, lab.source + "/real"], check=False).returncode:
        raise Failed(f"{real} can't be copied into the lab")


def ingest(lab: cluster.Lab, name: str) -> dict:
    """Run the playbook; ``stats`` is Ansible's recap, ``run`` the run's stats.json. Raises
    Failed."""
    folder = os.path.join(lab.base, "runs", name)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    playbook = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    command = [playbook, "-i", lab.inventory, os.path.join(ROOT, "playbooks", "ingest.yml")]
    command += [
        "-e",
        json.dumps({"ingest_run_dir": folder}),
        *shlex.split(os.environ.get("ARGS", "")),
    ]
    with open(folder + ".log", "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout
        output = b""
        try:
            for line in iter(process.stdout.readline, b""):
                output += line
                log.write(line)
                sys.stdout.buffer.write(line)
                sys.stdout.flush()
            status = process.wait()
        finally:
            process.kill()
    if status:
        raise Failed("the playbook ended with status %d" % status)
    with open(os.path.join(folder, "stats.json"), encoding="utf-8") as file:
        return {"run": json.load(file), "stats": recap_of(output.decode(errors="replace"))}


def recap_of(output: str) -> dict[str, dict[str, int]]:
    """Ansible's PLAY RECAP as numbers."""
    found = {}
    for line in output.partition("PLAY RECAP")[2].splitlines()[1:]:
        host, colon, counts = line.partition(" : ")
        if colon:
            found[host.strip()] = {
                key: int(value) for key, value in (word.split("=") for word in counts.split())
            }
    return found


def compare(lab: cluster.Lab | types.SimpleNamespace) -> None:
    """Raises Failed if the copy differs from its source."""
    source, copy = os.fsencode(lab.source), os.fsencode(os.path.join(lab.export, "copy"))
    links = {judge.show(path) for path in _links(source)}
    found = judge.compare_trees(source, copy, ignore=NOT_IN_NFS3)
    found = [line for line in found if line.partition(": mtime: ")[0] not in links]
    for line in found[:20]:
        say(line)
    if found:
        raise Failed(f"the copy differs from its source in {len(found)} places")


def _links(top: bytes) -> Iterator[bytes]:
    """Every symbolic link below a directory, relative to it."""
    for folder, below, names, fd in os.fwalk(top):
        for name in below + names:
            if stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                yield os.path.join(folder, name)[len(top) + 1 :]


def say(text: str) -> None:
    """One line for the user."""
    print("lab: " + text, flush=True)


# -- labs that stay ------------------------------------------------------------------------------

VERBS = {
    "node-kill": "kill_node",
    "node-stop": "stop_node",
    "node-freeze": "freeze_node",
    "node-unplug": "unplug_node",
    "node-start": "start_node",
    "client-kill": "kill_client",
    "client-start": "start_client",
}


def keep(folder: str) -> None:
    """Own a lab, and do what is asked through folder/lab.sock, until it is `down`."""
    with cluster.Lab(shape()) as lab, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        shutil.copy(lab.inventory, os.path.join(folder, "inventory.json"))
        here = os.path.join(folder, "lab.sock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(here)
        listener.bind(here)
        listener.listen()
        state = {
            "base": lab.base,
            "source": lab.source,
            "export": lab.export,
            "clients": lab.clients,
            "nodes": lab.nodes,
        }
        with open(os.path.join(folder, "lab.json.new"), "w", encoding="utf-8") as file:
            json.dump(state, file, indent=2)
        os.rename(file.name, os.path.join(folder, "lab.json"))
        while True:
            line = listener.accept()[0]
            with line:
                verb, _blank, name = line.recv(1000).decode().partition(" ")
                if verb == "down":
                    lab.down()
                    line.sendall(b"ok")
                    return
                try:
                    getattr(lab, VERBS[verb])(name)
                    line.sendall(b"ok")
                except (RuntimeError, KeyError) as error:
                    line.sendall(str(error).encode())


def ask(folder: str, words: str) -> None:
    """Let the lab of ``folder`` do something. Raises Failed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(os.path.join(folder, "lab.sock"))
        except OSError as error:
            raise Failed(f"there is no lab in {folder}") from error
        line.sendall(words.encode())
        answer = line.recv(10000).decode()
    if answer != "ok":
        raise Failed(answer or f"the lab in {folder} has ended")


def up(folder: str) -> None:
    """Start a lab that outlives this process. Raises Failed."""
    shape()
    os.makedirs(folder, exist_ok=True)
    for name in ("lab.json", "lab.sock"):
        if os.path.exists(os.path.join(folder, name)):
            with contextlib.suppress(Failed):
                ask(folder, "down")
            os.unlink(os.path.join(folder, name))
    command = [sys.executable, os.path.abspath(__file__), "keep", folder]
    with open(os.path.join(folder, "lab.log"), "wb") as log:
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    while not os.path.exists(os.path.join(folder, "lab.json")):
        if keeper.poll() is not None:
            with open(os.path.join(folder, "lab.log"), encoding="utf-8", errors="replace") as words:
                raise Failed(words.read().strip())
        time.sleep(0.05)
    say(f"up: {folder}/inventory.json")


def down(folder: str) -> None:
    """End the lab of ``folder``. Raises Failed."""
    ask(folder, "down")
    for name in ("lab.json", "lab.sock"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))


def of(folder: str) -> types.SimpleNamespace:
    """What is known of the lab of ``folder``. Raises Failed."""
    try:
        with open(os.path.join(folder, "lab.json"), encoding="utf-8") as file:
            return types.SimpleNamespace(**json.load(file))
    except OSError as error:
        raise Failed(f"there is no lab in {folder}") from error


def ssh(folder: str, name: str, command: list[str]) -> int:
    """Run a command on a client; returns its status."""
    with open(os.path.join(folder, "inventory.json"), encoding="utf-8") as file:
        group = json.load(file)["ingestors"]
    variables = group["vars"]
    line = [
        "ssh",
        "-i",
        variables["ansible_ssh_private_key_file"],
        *shlex.split(variables["ansible_ssh_common_args"]),
    ]
    return subprocess.run(
        [*line, "root@" + group["hosts"][name]["ansible_host"], "--", *command], check=False
    ).returncode


def setup() -> None:
    """Install what is missing, and say so. Raises Failed."""
    missing = cluster.missing_packages()
    if not missing:
        say("every package is there")
        return
    say("apt-get install " + " ".join(missing))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        if subprocess.run(["apt-get", "-q", *command], env=environment, check=False).returncode:
            raise Failed(f"apt-get {command[0]} failed")


def main(words: list[str]) -> int:
    """The command line. Raises Failed."""
    verb, count = (words[0] if words else ""), len(words)
    if verb == "setup" and count == 1:
        setup()
    elif verb == "sweep" and count == 1:
        cluster.sweep()
    elif verb in ("run", "up", "keep") and count == (1 if verb == "run" else 2):
        reason = cluster.why_not()
        if reason:
            raise Failed(reason)
        if verb == "run":
            run()
        else:
            (up if verb == "up" else keep)(words[1])
    elif verb == "down" and count == 2:
        down(words[1])
    elif verb == "source" and count == 2:
        build_source(of(words[1]))
    elif verb == "compare" and count == 2:
        compare(of(words[1]))
        say("the copy is the same, byte by byte, on the server's side")
    elif verb in VERBS and count == 3:
        ask(words[1], f"{verb} {words[2]}")
    elif verb == "ssh" and count > 3:
        return ssh(words[1], words[2], words[3:])
    else:
        sys.stderr.write(__doc__ or "")
        return 2
    return 0


def end(number: int, _frame: object) -> None:
    """A signal ends a program as Ctrl-C does, so that what it started ends as well."""
    raise KeyboardInterrupt("signal %d" % number)


if __name__ == "__main__":
    os.environ["PATH"] = cluster.PATH
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, end)
    try:
        sys.exit(main(sys.argv[1:]))
    except (Failed, RuntimeError) as problem:
        sys.exit(f"lab: {problem}")
    except KeyboardInterrupt:
        sys.exit("lab: stopped; everything is torn down")
