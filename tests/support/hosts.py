# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real SSH hosts on this machine: each in namespaces of its own (network, mounts, processes, host
name), with a copy-on-write view of this machine's files and its own sshd. For tests; needs root.

In a test:

    with Hosts(2) as hosts:
        subprocess.run(["ansible", "-i", hosts.inventory, "all", "-m", "ping"])

Everything below ``hosts.shared`` is the same directory on every host and on this machine.

From a command line (the hosts live until `down`, in a process of their own):

    hosts.py up DIR COUNT [OUTSIDE:INSIDE ...]   writes DIR/inventory.yml
    hosts.py kill DIR NAME                       the host dies at once
    hosts.py freeze DIR NAME | thaw DIR NAME     its network is down | up again
    hosts.py down DIR
    hosts.py sweep                               removes what crashed runs left
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Iterator, Sequence

HERE = os.path.dirname(os.path.realpath(__file__))
BASE = "/var/tmp/scaleout-ingest-hosts"
NETWORK = "10.213.%d.%d"
SLOTS = 200  # runs at the same time: each has a /24 and a bridge
PROGRAMS = ("ip", "unshare", "setpriv", "nsenter", "sshd", "ssh", "ssh-keygen", "mount")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
LINE_UP_SECONDS = 20  # until a host answers


def why_not() -> str | None:
    """Why no such host can run here, as a short sentence, or None."""
    if os.geteuid() != 0:
        return "hosts in network namespaces need root"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    if missing:
        return "hosts in network namespaces need the programs " + ", ".join(missing)
    if _quiet("unshare", "--mount", "--net", "--pid", "--fork", "true"):
        return "this machine allows no new namespaces"
    return None


def _quiet(*command: str) -> int:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.decode(errors='replace').strip()}")


class Slot:
    """A number of this run's own, from which its bridge, network and directory are named."""

    def __init__(self, number: int, lock: int) -> None:
        self.number = number
        self.base = os.path.join(BASE, str(number))
        self.bridge = "ingestbr%d" % number
        self._lock = lock

    @classmethod
    def take(cls, number: int) -> Slot | None:
        """The slot, if no living run has it; what a dead one left in it is removed."""
        os.makedirs(BASE, exist_ok=True)
        lock = os.open(
            os.path.join(BASE, "%d.lock" % number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        slot = cls(number, lock)
        slot.clear()
        return slot

    @classmethod
    def first_free(cls) -> Slot:
        """Raises RuntimeError when all are taken."""
        for number in range(1, SLOTS + 1):
            slot = cls.take(number)
            if slot:
                return slot
        raise RuntimeError("no free slot in " + BASE)

    def clear(self) -> None:
        """Remove the bridge and the directory."""
        if os.path.exists("/sys/class/net/" + self.bridge):
            _quiet("ip", "link", "del", self.bridge)
        if os.path.exists(self.base):
            _run("rm", "-rf", "--one-file-system", self.base)

    def release(self) -> None:
        """Give the number back."""
        self.clear()
        os.close(self._lock)


class Host:
    """One running host."""

    def __init__(self, name: str, address: str, link: str) -> None:
        self.name = name
        self.address = address
        self.link = link
        self.process: subprocess.Popen | None = None


class Hosts:
    """``count`` hosts named host1, host2, …, from ``up()`` (or ``with``) to ``down()``.

    ``binds``: more directories to share, as "outside:inside".
    """

    def __init__(self, count: int, binds: Sequence[str] = ()) -> None:
        self.count = count
        self.binds = list(binds)
        self.hosts: dict[str, Host] = {}
        self._slot: Slot | None = None

    def __enter__(self) -> Hosts:
        try:
            return self.up()
        except BaseException:
            self.down()
            raise

    def __exit__(self, *_exception: object) -> None:
        self.down()

    @property
    def slot(self) -> Slot:
        """Raises RuntimeError before up()."""
        if not self._slot:
            raise RuntimeError("the hosts are not up")
        return self._slot

    @property
    def base(self) -> str:
        """This run's own directory."""
        return self.slot.base

    @property
    def shared(self) -> str:
        """The directory that all hosts and this machine see under one path."""
        return os.path.join(self.base, "shared")

    @property
    def inventory(self) -> str:
        """Inventory with the group ``ingestors``: OpenSSH, as root."""
        return os.path.join(self.base, "inventory.json")

    def up(self) -> Hosts:
        """Start all hosts and wait until they answer. Raises RuntimeError."""
        sweep()
        slot = self._slot = Slot.first_free()
        os.makedirs(self.shared)
        os.chmod(self.shared, 0o755)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.base + "/key")
        _run("ip", "link", "add", slot.bridge, "type", "bridge")
        _run("ip", "addr", "add", NETWORK % (slot.number, 1) + "/24", "dev", slot.bridge)
        _run("ip", "link", "set", slot.bridge, "up")
        for number in range(1, self.count + 1):
            name = "host%d" % number
            _run(
                "ssh-keygen",
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                os.path.join(self.base, name + ".key"),
            )
            self.hosts[name] = Host(
                name, NETWORK % (slot.number, 10 + number), "ing%dh%d" % (slot.number, number)
            )
            self._boot(name)
        self._write_known_hosts()
        self.write_inventory(self.inventory)
        for name in self.hosts:
            self._wait(name)
        return self

    def start(self, name: str) -> None:
        """Boot a killed host again."""
        self._boot(name)
        self._wait(name)

    def _boot(self, name: str) -> None:
        host = self.hosts[name]
        _quiet("ip", "link", "del", host.link)
        command = ["setpriv", "--pdeathsig", "KILL"]  # a run that crashes takes its hosts along
        command += [
            "unshare",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--net",
            "--fork",
            "--kill-child",
        ]
        command += ["--propagation", "private", os.path.join(HERE, "host_init.sh")]
        command += [self.base, name, host.address, *self.binds]
        with open(os.path.join(self.base, name + ".log"), "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        host.process = process
        with open(os.path.join(self.base, name + ".pid"), "w", encoding="ascii") as file:
            file.write(str(process.pid))
        _wait_for_namespace(process)
        # The same hardware address each time: this machine remembers it.
        hardware = "02:00:%02x:%02x:%02x:%02x" % tuple(
            int(part) for part in host.address.split(".")
        )
        _run(
            "ip",
            "link",
            "add",
            host.link,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "address",
            hardware,
            "netns",
            str(process.pid),
        )
        _run("ip", "link", "set", host.link, "master", self.slot.bridge, "up")
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.close()

    def _wait(self, name: str) -> None:
        host = self.hosts[name]
        end = time.monotonic() + LINE_UP_SECONDS
        while time.monotonic() < end and host.process and host.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(
                (host.address, 22), 1
            ) as line:
                if line.recv(4) == b"SSH-":
                    return
            time.sleep(0.02)
        with open(
            os.path.join(self.base, name + ".log"), encoding="utf-8", errors="replace"
        ) as log:
            raise RuntimeError(f"{name} did not come up: {log.read().strip()}")

    def _write_known_hosts(self) -> None:
        with open(self.base + "/known_hosts", "w", encoding="ascii") as known:
            for host in self.hosts.values():
                with open(os.path.join(self.base, host.name + ".key.pub"), encoding="ascii") as key:
                    known.write(f"{host.address} {' '.join(key.read().split()[:2])}\n")

    def write_inventory(
        self,
        path: str,
        user: str = "root",
        connection: str = "ssh",
        variables: dict[str, object] | None = None,
    ) -> str:
        """Write an inventory of these hosts to ``path``; ``user`` may be root or operator1."""
        known = f"-o UserKnownHostsFile={self.base}/known_hosts -o GlobalKnownHostsFile=/dev/null"
        settings = {
            "ansible_connection": connection,
            "ansible_user": user,
            "ansible_ssh_private_key_file": self.base + "/key",
            "ansible_ssh_common_args": known
            + " -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
            "ansible_control_path_dir": self.base + "/cp",
            "ansible_python_interpreter": "/usr/bin/python3",
            **(variables or {}),
        }
        hosts = {host.name: {"ansible_host": host.address} for host in self.hosts.values()}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"ingestors": {"hosts": hosts, "vars": settings}}, file, indent=2)
        return path

    def ssh(self, name: str, *command: str) -> subprocess.CompletedProcess:
        """Run a command on a host over SSH, as root; its output as bytes in stdout."""
        line = [
            "ssh",
            "-i",
            self.base + "/key",
            "-o",
            f"UserKnownHostsFile={self.base}/known_hosts",
        ]
        line += [
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=20",
            "root@" + self.hosts[name].address,
            "--",
            *command,
        ]
        return subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)

    def kill(self, name: str) -> None:
        """The host dies at once, with all its processes."""
        process = self.hosts[name].process
        if process:
            process.kill()
            process.wait()

    def freeze(self, name: str) -> None:
        """The host's network goes silent; its processes go on."""
        _run("ip", "link", "set", self.hosts[name].link, "down")

    def thaw(self, name: str) -> None:
        """The network is back."""
        _run("ip", "link", "set", self.hosts[name].link, "up")

    def down(self) -> None:
        """Stop everything and remove every trace."""
        if not self._slot:
            return
        for path in _sockets(self.base + "/cp"):
            _quiet("ssh", "-o", "ControlPath=" + path, "-O", "exit", "any")
        for name in self.hosts:
            self.kill(name)
        self._slot.release()
        self._slot = None
        self.hosts = {}


def _sockets(folder: str) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            yield os.path.join(folder, name)


def _wait_for_namespace(process: subprocess.Popen) -> None:
    ours = os.readlink("/proc/self/ns/net")
    end = time.monotonic() + LINE_UP_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            if os.readlink("/proc/%d/ns/net" % process.pid) != ours:
                return
        time.sleep(0.002)
    raise RuntimeError("a host got no namespaces of its own")


def sweep() -> None:
    """Remove what crashed runs left; living runs are not touched."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(BASE):
            if name.isdigit():
                slot = Slot.take(int(name))
                if slot:
                    slot.release()


def _keep(folder: str, count: int, binds: list[str]) -> None:
    """Own the hosts until SIGTERM."""
    stopped: list[int] = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    with Hosts(count, binds) as hosts:
        hosts.write_inventory(
            os.path.join(folder, "inventory.yml"), variables={"shared_directory": hosts.shared}
        )
        state = {
            "pid": os.getpid(),
            "base": hosts.base,
            "shared": hosts.shared,
            "slot": hosts.slot.number,
        }
        with open(os.path.join(folder, "hosts.json.new"), "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.rename(file.name, os.path.join(folder, "hosts.json"))
        while not stopped:
            time.sleep(0.1)


def up(folder: str, count: int, binds: list[str]) -> None:
    """Start hosts that outlive this process; their inventory is folder/inventory.yml."""
    down(folder)
    os.makedirs(folder, exist_ok=True)
    command = [sys.executable, os.path.abspath(__file__), "keep", folder, str(count), *binds]
    with open(os.path.join(folder, "hosts.log"), "wb") as log:
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    while not os.path.exists(os.path.join(folder, "hosts.json")):
        if keeper.poll() is not None:
            with open(
                os.path.join(folder, "hosts.log"), encoding="utf-8", errors="replace"
            ) as words:
                sys.exit(words.read())
        time.sleep(0.02)


def down(folder: str) -> None:
    """Stop the hosts of ``folder``, if there are any."""
    path = os.path.join(folder, "hosts.json")
    with contextlib.suppress(FileNotFoundError):
        pid = _state(folder)["pid"]
        with contextlib.suppress(ProcessLookupError):
            if os.path.abspath(__file__).encode() in _command_line(pid):
                os.kill(pid, signal.SIGTERM)
            while os.path.exists("/proc/%d" % pid) and os.path.abspath(
                __file__
            ).encode() in _command_line(pid):
                time.sleep(0.02)
        os.unlink(path)
    sweep()


def _command_line(pid: int) -> bytes:
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _state(folder: str) -> dict:
    with open(os.path.join(folder, "hosts.json"), encoding="utf-8") as file:
        return json.load(file)


def main(arguments: list[str]) -> None:
    """The command line."""
    verb = arguments[0] if arguments else ""
    if verb in ("up", "keep") and len(arguments) >= 3:
        reason = why_not()
        if reason:
            sys.exit("hosts.py: " + reason)
        (up if verb == "up" else _keep)(arguments[1], int(arguments[2]), arguments[3:])
    elif verb == "down" and len(arguments) == 2:
        down(arguments[1])
    elif verb in ("kill", "freeze", "thaw") and len(arguments) == 3:
        state, name = _state(arguments[1]), arguments[2]
        if verb == "kill":
            with open(os.path.join(state["base"], name + ".pid"), encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGKILL)
        else:
            link = "ing%dh%s" % (state["slot"], name.replace("host", ""))
            _run("ip", "link", "set", link, "down" if verb == "freeze" else "up")
    elif verb == "sweep" and len(arguments) == 1:
        sweep()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    os.environ["PATH"] = PATH
    main(sys.argv[1:])
