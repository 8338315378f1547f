# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scale-out NFS cluster and its client hosts on one machine, for tests; needs root.

Each cluster node is an NFS-Ganesha in a network namespace of its own; all export one directory at
addresses of their own. A NAS of the same kind holds the source. The clients are virtual machines
(user-mode Linux) with a real kernel NFS client, reached over SSH. Every process ends with the
process that made the lab, even when that is killed; a lab that crashed is swept away by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import NamedTuple

HERE = os.path.dirname(os.path.realpath(__file__))
BASE = "/var/tmp/scaleout-ingest-lab"
NETWORK = "10.214.%d.%d"
NETWORK6 = "fd00:214:%x::%x"
SLOTS = 200  # labs at the same time: each has a /24
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
WAIT = 60  # seconds until a node or a client answers
PACKAGES = {  # program -> the Debian package that has it
    "linux.uml": "user-mode-linux",
    "ganesha.nfsd": "nfs-ganesha",
    "rpcbind": "rpcbind",
    "mount.nfs": "nfs-common",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ip": "iproute2",
    "tc": "iproute2",
    "modprobe": "kmod",
    "udevadm": "udev",
    "gcc": "gcc",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
_VFS = "/usr/lib/*/ganesha/libfsalvfs.so"


class Shape(NamedTuple):
    """What a lab is made of. Rates in Mbit/s (0: as fast as it goes), delay in µs each way."""

    clients: int = 2
    nodes: int = 3
    node_mbit: int = 0
    client_mbit: int = 0
    delay_us: int = 0
    memory_mib: int = 1024


def missing_packages() -> list[str]:
    """The Debian packages that this machine lacks."""
    lacking = {package for name, package in PACKAGES.items() if not shutil.which(name, path=PATH)}
    if not glob.glob(_VFS):
        lacking.add("nfs-ganesha-vfs")
    return sorted(lacking)


def why_not() -> str | None:
    """Why no lab can run here, as a short sentence, or None."""
    if os.geteuid() != 0:
        return "the lab needs root"
    missing = missing_packages()
    if missing:
        return f"the lab needs Debian's packages {' '.join(missing)}: make lab-setup"
    if not os.path.exists("/dev/net/tun"):
        return "the lab needs /dev/net/tun"
    return None


class Lab:
    """From ``up()`` (or ``with``) to ``down()``."""

    def __init__(self, shape: Shape = Shape()) -> None:  # noqa: B008 - immutable
        self.shape = shape
        self.nodes = {"node%d" % i: "" for i in range(1, shape.nodes + 1)}
        self.clients = {"client%d" % i: "" for i in range(1, shape.clients + 1)}
        self.number = 0
        self._lock = -1
        self._processes: dict[str, subprocess.Popen] = {}
        self._frozen: set[str] = set()

    def __enter__(self) -> Lab:
        try:
            return self.up()
        except BaseException:
            self.down()
            raise

    def __exit__(self, *_exception: object) -> None:
        self.down()

    # -- names -------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        """This lab's own directory."""
        return os.path.join(BASE, str(self.number))

    @property
    def export(self) -> str:
        """What all nodes export as /cluster, as this machine sees it."""
        return os.path.join(self.base, "cluster")

    @property
    def source(self) -> str:
        """What the NAS exports as /source, as this machine sees it."""
        return os.path.join(self.base, "source")

    @property
    def inventory(self) -> str:
        """The inventory file: group ``ingestors``, cluster and source."""
        return os.path.join(self.base, "inventory.json")

    @property
    def network(self) -> str:
        """The name of the namespace with the wires."""
        return "ingestlab%d" % self.number

    def address(self, last: int) -> str:
        """An address of this lab."""
        return NETWORK % (self.number, last)

    def address6(self, name: str) -> str:
        """The IPv6 address of a node, a client or the NAS, whose last part is that of its IPv4
        address."""
        if name == "nas":
            return NETWORK6 % (self.number, 100)
        return NETWORK6 % (
            self.number,
            int((self.nodes.get(name) or self.clients[name]).rpartition(".")[2]),
        )

    # -- life --------------------------------------------------------------------------------

    def up(self) -> Lab:
        """Start everything and wait until it answers. Raises RuntimeError."""
        sweep()
        self._take_slot()
        for folder in (self.export, self.source):
            os.makedirs(folder)
        for name in ("client_init.sh", "server_init.sh"):
            shutil.copy2(os.path.join(HERE, name), self.base)
        for name in ["key"] + [client + ".key" for client in self.clients]:
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(self.base, name))
        self._wires()
        self._server("nas", self.address(100), self.source, "/source", 0)
        for number, name in enumerate(self.nodes, 1):
            self.nodes[name] = self.address(100 + number)
            self._server(name, self.nodes[name], self.export, "/cluster", self.shape.node_mbit)
        for number, name in enumerate(self.clients, 1):
            self.clients[name] = self.address(10 + number)
            self._link(name)
            self.start_client(name, wait=False)
        self._write_inventory()
        for name, address in [("nas", self.address(100)), *self.nodes.items()]:
            self._wait(name, address, 2049)
        for name, address in self.clients.items():
            self._wait(name, address, 22)
        return self

    def down(self) -> None:
        """Stop everything and remove every trace."""
        if self._lock < 0:
            return
        for path in _entries(self.base + "/cp"):
            _quiet("ssh", "-o", "ControlPath=" + path, "-O", "exit", "any")
        for name in list(self._processes):
            self._kill(name)
        _clear(self.number)
        os.close(self._lock)
        self._lock = -1

    def _take_slot(self) -> None:
        for number in range(1, SLOTS + 1):
            lock = _lock(number)
            if lock is not None:
                self.number, self._lock = number, lock
                os.makedirs(self.base)
                return
        raise RuntimeError("no free slot in " + BASE)

    # -- wires -------------------------------------------------------------------------------

    def _wires(self) -> None:
        _run("ip", "netns", "add", self.network)
        self._ip("link", "set", "lo", "up")
        self._ip("link", "add", "br0", "type", "bridge")
        self._ip("link", "set", "br0", "up")
        # This machine's own end, for SSH.
        _run(
            "ip",
            "link",
            "add",
            self.network,
            "type",
            "veth",
            "peer",
            "name",
            "out",
            "netns",
            self.network,
        )
        _run("ip", "addr", "add", self.address(1) + "/24", "dev", self.network)
        _run("ip", "link", "set", self.network, "up")
        self._ip("link", "set", "out", "master", "br0", "up")

    def _ip(self, *words: str) -> None:
        _run("ip", "-n", self.network, *words)

    def _limit(self, namespace: str, device: str, mbit: int) -> None:
        rate = ["tbf", "rate", "%dmbit" % mbit, "burst", "256k", "latency", "100ms"]
        _run("tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", *rate)

    def limit_node(self, name: str, mbit: int) -> None:
        """Give one node another rate than the others, both ways."""
        self._limit(f"{self.network}-{name}", "eth0", mbit)
        self._limit(self.network, "v-" + name, mbit)

    def _link(self, client: str) -> None:
        """A client's network card, with its rate and its delay."""
        number = client.replace("client", "")
        tap, shape = "tap" + number, self.shape
        self._ip("tuntap", "add", tap, "mode", "tap")
        if shape.delay_us:
            relay = os.path.join(self.base, "delay")
            if not os.path.exists(relay):
                _run("gcc", "-O2", "-o", relay, os.path.join(HERE, "delay.c"))
            near, far, bridge = "near" + number, "far" + number, "brd" + number
            for name in (near, far):
                self._ip("tuntap", "add", name, "mode", "tap")
            self._ip("link", "add", bridge, "type", "bridge")
            self._ip("link", "set", bridge, "up")
            self._ip("link", "set", tap, "master", bridge, "up")
            self._ip("link", "set", near, "master", bridge, "up")
            self._ip("link", "set", far, "master", "br0", "up")
            self._spawn(
                "delay" + number,
                [
                    "nsenter",
                    "--net=/run/netns/" + self.network,
                    relay,
                    near,
                    far,
                    str(shape.delay_us),
                ],
            )
        else:
            self._ip("link", "set", tap, "master", "br0", "up")
        if shape.client_mbit:
            # What the client sends is limited on a device of its own behind the tap.
            ifb = "ifb" + number
            self._limit(self.network, tap, shape.client_mbit)
            self._ip("link", "add", ifb, "type", "ifb")
            self._ip("link", "set", ifb, "up")
            tc = ["tc", "-n", self.network]
            _run(*tc, "qdisc", "add", "dev", tap, "ingress")
            _run(
                *tc,
                "filter",
                "add",
                "dev",
                tap,
                "parent",
                "ffff:",
                "protocol",
                "all",
                "u32",
                "match",
                "u32",
                "0",
                "0",
                "action",
                "mirred",
                "egress",
                "redirect",
                "dev",
                ifb,
            )
            self._limit(self.network, ifb, shape.client_mbit)

    # -- servers -----------------------------------------------------------------------------

    def _server(self, name: str, address: str, folder: str, pseudo: str, mbit: int) -> None:
        namespace = f"{self.network}-{name}"
        _run("ip", "netns", "add", namespace)
        self._ip(
            "link", "add", "v-" + name, "type", "veth", "peer", "name", "eth0", "netns", namespace
        )
        self._ip("link", "set", "v-" + name, "master", "br0", "up")
        _run("ip", "-n", namespace, "link", "set", "lo", "up")
        _run("ip", "-n", namespace, "addr", "add", address + "/24", "dev", "eth0")
        _run(
            "ip",
            "-n",
            namespace,
            "addr",
            "add",
            self.address6(name) + "/64",
            "dev",
            "eth0",
            "nodad",
        )
        _run("ip", "-n", namespace, "link", "set", "eth0", "up")
        if mbit:
            self.limit_node(name, mbit)
        with open(os.path.join(self.base, name + ".conf"), "w", encoding="ascii") as config:
            config.write(_GANESHA % {"folder": folder, "pseudo": pseudo})
        self.start_node(name)

    def start_node(self, name: str) -> None:
        """Start a node, or the NAS; or one that was killed, stopped, frozen or unplugged, again."""
        self._ip("link", "set", "v-" + name, "up")
        if name in self._frozen:
            self._frozen.remove(name)
            self._kill(name)
        if name in self._processes:  # it was only unplugged
            return
        config, log = (os.path.join(self.base, name + end) for end in (".conf", ".log"))
        self._spawn(
            name,
            [
                "nsenter",
                f"--net=/run/netns/{self.network}-{name}",
                *_NAMESPACES,
                os.path.join(self.base, "server_init.sh"),
                config,
                log,
            ],
        )

    def kill_node(self, name: str) -> None:
        """A node loses its power: its address is silent, and what it knew is gone."""
        self.unplug_node(name)
        self._kill(name)

    def unplug_node(self, name: str) -> None:
        """A node's network is gone: every packet to it is lost."""
        self._ip("link", "set", "v-" + name, "down")

    def stop_node(self, name: str) -> None:
        """A node's server ends, and its host does not: connections are refused."""
        self._kill(name)

    def freeze_node(self, name: str) -> None:
        """A node's server hangs: connections are made, and nothing is answered."""
        self._frozen.add(name)
        todo = _children(self._processes[name].pid)
        while todo:
            pid = todo.pop()
            todo += _children(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    # -- clients -----------------------------------------------------------------------------

    def start_client(self, name: str, wait: bool = True) -> None:
        """Boot a client."""
        kernel = [
            "linux.uml",
            "mem=%dM" % self.shape.memory_mib,
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            f"init={self.base}/client_init.sh",
            f"vec0:transport=tap,ifname=tap{name.replace('client', '')},depth=128,gro=1,"
            f"mac={_hardware(self.clients[name])}",
            "con=null",
            "con0=null,fd:1",
            "quiet",
            f"uml_dir={self.base}/uml",
            "umid=" + name,
            "lab_base=" + self.base,
            "lab_name=" + name,
            "lab_address=" + self.clients[name],
            "lab_address6=" + self.address6(name),
        ]
        self._spawn(name, ["nsenter", "--net=/run/netns/" + self.network, *_NAMESPACES, *kernel])
        if wait:
            self._wait(name, self.clients[name], 22)

    def kill_client(self, name: str) -> None:
        """A client dies at once."""
        self._kill(name)

    def ssh(
        self, name: str, *command: str, timeout: float | None = None
    ) -> subprocess.CompletedProcess:
        """Run a command on a client, as root; its output as bytes in stdout."""
        line = ["ssh", "-i", self.base + "/key", *self._ssh_options(), "-o", "BatchMode=yes"]
        line += ["root@" + self.clients[name], "--", *command]
        return subprocess.run(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False, timeout=timeout
        )

    def _ssh_options(self) -> list[str]:
        words = (
            f"UserKnownHostsFile={self.base}/known_hosts",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
        )
        return [word for option in words for word in ("-o", option)]

    def _write_inventory(self) -> None:
        hosts = {}
        with open(self.base + "/known_hosts", "w", encoding="ascii") as known:
            for name, address in self.clients.items():
                hosts[name] = {"ansible_host": address}
                with open(os.path.join(self.base, name + ".key.pub"), encoding="ascii") as key:
                    known.write(f"{address} {' '.join(key.read().split()[:2])}\n")
        addresses = list(self.nodes.values())
        variables = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": self.base + "/key",
            "ansible_ssh_common_args": " ".join(self._ssh_options()),
            "ansible_control_path_dir": self.base + "/cp",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ingest_source_address": self.address(100),
            "ingest_source_export": "/source",
            "ingest_source": "/mnt/source",
            # 10.0.0.101-103 rather than each
            "ingest_cluster_addresses": [addresses[0] + "-%d" % (100 + len(addresses))],
            "ingest_cluster_export": "/cluster",
            "ingest_destination": "copy",
            # There is no lock daemon in the clients, and this server's ACLs answer with EIO.
            "ingest_mount_options": "vers=3,proto=tcp,nolock,noacl,softerr,timeo=100,retrans=2",
            "ingest_source_mount_options": "vers=3,proto=tcp,nolock,noacl,ro,nocto",
        }
        with open(self.inventory, "w", encoding="utf-8") as file:
            json.dump({"ingestors": {"hosts": hosts, "vars": variables}}, file, indent=2)

    # -- processes ---------------------------------------------------------------------------

    def _spawn(self, name: str, command: list[str]) -> None:
        with open(os.path.join(self.base, name + ".out"), "ab") as log:
            self._processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                env=dict(os.environ, PATH=PATH, HOME="/root"),
            )

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process:
            # First what runs in it: its parent then takes note of the end, and ends as well.
            for child in _children(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(
                    2 if name in self.nodes or name in self.clients or name == "nas" else 0
                )
            process.kill()
            process.wait()

    def _wait(self, name: str, address: str, port: int) -> None:
        end = time.monotonic() + WAIT
        while time.monotonic() < end and self._processes[name].poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((address, port), 1) as line:
                if port != 22 or line.recv(4) == b"SSH-":
                    return
            time.sleep(0.1)
        with open(
            os.path.join(self.base, name + ".out"), encoding="utf-8", errors="replace"
        ) as log:
            raise RuntimeError(f"{name} did not come up: {log.read()[-2000:].strip()}")


_NAMESPACES = (
    "unshare",
    "--mount",
    "--ipc",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
)

# Several servers over one directory: what they remember of it must not be older than a call.
_GANESHA = """\
NFS_CORE_PARAM {
  Protocols = 3, 4; NFS_Port = 2049; MNT_Port = 20048; NLM_Port = 20049;
  Enable_NLM = false; Enable_RQUOTA = false; Bind_addr = ::; mount_path_pseudo = true;
}
NFSV4 { Graceless = true; }
EXPORT {
  Export_Id = 1; Path = %(folder)s; Pseudo = %(pseudo)s; Access_Type = RW; Squash = No_Root_Squash;
  SecType = sys; Protocols = 3, 4; Transports = TCP; Attr_Expiration_Time = 0; FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
"""


def _hardware(address: str) -> str:
    """A hardware address that stays the same when a client boots again: others remember it."""
    return "02:00:%02x:%02x:%02x:%02x" % tuple(int(part) for part in address.split("."))


def _children(pid: int) -> list[int]:
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _entries(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def _quiet(*command: str) -> int:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        env=dict(os.environ, PATH=PATH),
    ).returncode


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env=dict(os.environ, PATH=PATH),
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.decode(errors='replace').strip()}")


def _lock(number: int) -> int | None:
    """The lock of a slot, if no living lab has it; what a dead one left there is removed."""
    os.makedirs(BASE, exist_ok=True)
    lock = os.open(
        os.path.join(BASE, "%d.lock" % number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    _clear(number)
    return lock


def _clear(number: int) -> None:
    """Remove a slot's namespaces, with the devices in them, and its directory."""
    name = "ingestlab%d" % number
    for path in _entries("/run/netns"):
        namespace = os.path.basename(path)
        if namespace == name or namespace.startswith(name + "-"):
            _run("ip", "netns", "del", namespace)
    if os.path.exists("/sys/class/net/" + name):
        _quiet("ip", "link", "del", name)
    folder = os.path.join(BASE, str(number))
    if os.path.exists(folder):
        _run("rm", "-rf", "--one-file-system", folder)


def sweep() -> None:
    """Remove what crashed labs left; living labs are not touched."""
    for path in _entries(BASE):
        number = os.path.basename(path)
        if number.isdigit():
            lock = _lock(int(number))
            if lock is not None:
                os.close(lock)
