# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small SSH server inside the test process, for those who have neither root nor sshd.

It listens on 127.0.0.1, one port per "host", takes one key, and runs real commands (exec) and real
file transfers (sftp) as the current user. Needs paramiko.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from typing import Any

import paramiko

_BLOCK = 1 << 16


class _Session(paramiko.ServerInterface):
    """One connection: who may come in, and what a channel may ask for."""

    def __init__(self, key: paramiko.PKey) -> None:
        self._key = key

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        same = key.get_name() == self._key.get_name() and key.asbytes() == self._key.asbytes()
        return paramiko.AUTH_SUCCESSFUL if same else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return (
            paramiko.OPEN_SUCCEEDED
            if kind == "session"
            else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        )

    def check_channel_pty_request(self, *_arguments: Any) -> bool:
        return True  # granted in name only: a command gets pipes

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_execute, args=(channel, command), daemon=True).start()
        return True


def _execute(channel: paramiko.Channel, command: bytes) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "SCALEOUT_"))
    }
    process = subprocess.Popen(
        [b"/bin/sh", b"-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=os.path.expanduser("~"),
        env=environment,
        start_new_session=True,
    )
    threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
    streams = [(process.stdout, channel.sendall), (process.stderr, channel.sendall_stderr)]
    pumps = [threading.Thread(target=_drain, args=stream, daemon=True) for stream in streams]
    for pump in pumps:
        pump.start()
    for pump in pumps:
        pump.join()
    with contextlib.suppress(OSError, EOFError):
        channel.send_exit_status(process.wait() % 256)
    channel.close()


def _feed(channel: paramiko.Channel, stdin: Any) -> None:
    with contextlib.suppress(OSError):
        while True:
            block = channel.recv(_BLOCK)
            if not block:
                break
            stdin.write(block)
            stdin.flush()
    with contextlib.suppress(OSError):
        stdin.close()


def _drain(stream: Any, send: Any) -> None:
    with contextlib.suppress(OSError):
        while True:
            block = stream.read1(_BLOCK)
            if not block:
                break
            send(block)


class _Handle(paramiko.SFTPHandle):
    """An open file of the sftp subsystem."""

    def __init__(self, descriptor: int, flags: int) -> None:
        super().__init__(flags)
        self._descriptor = descriptor

    def read(self, offset: int, length: int) -> Any:
        with _codes() as code:
            return os.pread(self._descriptor, length, offset)
        return code[0]

    def write(self, offset: int, data: bytes) -> int:
        with _codes() as code:
            os.pwrite(self._descriptor, data, offset)
        return code[0]

    def stat(self) -> Any:
        with _codes() as code:
            return paramiko.SFTPAttributes.from_stat(os.fstat(self._descriptor))
        return code[0]

    def chattr(self, attr: paramiko.SFTPAttributes) -> int:
        with _codes() as code:
            paramiko.SFTPServer.set_file_attr("/dev/fd/%d" % self._descriptor, attr)
        return code[0]

    def close(self) -> None:
        os.close(self._descriptor)


class _codes(contextlib.AbstractContextManager):
    """Turns an OSError into an sftp status: ``with _codes() as code: …; return code[0]``."""

    def __enter__(self) -> list[int]:
        self._code = [paramiko.SFTP_OK]
        return self._code

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, OSError):
            self._code[0] = paramiko.SFTPServer.convert_errno(error.errno)
            return True
        return False


class _Files(paramiko.SFTPServerInterface):
    """The sftp subsystem: this machine's files."""

    def canonicalize(self, path: str) -> str:
        return os.path.normpath(os.path.join(os.path.expanduser("~"), path))

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> Any:
        with _codes() as code:
            mode = attr.st_mode if attr.st_mode is not None else 0o666
            return _Handle(
                os.open(self.canonicalize(path), flags | os.O_CLOEXEC, mode & 0o7777), flags
            )
        return code[0]

    def list_folder(self, path: str) -> Any:
        with _codes() as code, os.scandir(self.canonicalize(path)) as entries:
            return [
                paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False), entry.name)
                for entry in entries
            ]
        return code[0]

    def stat(self, path: str) -> Any:
        with _codes() as code:
            return paramiko.SFTPAttributes.from_stat(os.stat(self.canonicalize(path)))
        return code[0]

    def lstat(self, path: str) -> Any:
        with _codes() as code:
            return paramiko.SFTPAttributes.from_stat(os.lstat(self.canonicalize(path)))
        return code[0]

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        with _codes() as code:
            paramiko.SFTPServer.set_file_attr(self.canonicalize(path), attr)
        return code[0]

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        with _codes() as code:
            os.mkdir(self.canonicalize(path))
        return code[0]

    def rmdir(self, path: str) -> int:
        with _codes() as code:
            os.rmdir(self.canonicalize(path))
        return code[0]

    def remove(self, path: str) -> int:
        with _codes() as code:
            os.remove(self.canonicalize(path))
        return code[0]

    def rename(self, oldpath: str, newpath: str) -> int:
        with _codes() as code:
            os.rename(self.canonicalize(oldpath), self.canonicalize(newpath))
        return code[0]


class SshServer:
    """``count`` hosts named host1, host2, … on ports of 127.0.0.1, while in the ``with`` block.

    ``folder`` (existing, private to the test) gets the key, known_hosts and the inventory.
    """

    def __init__(self, count: int, folder: str) -> None:
        self.folder = folder
        self.key = paramiko.ECDSAKey.generate()
        self.host_key = paramiko.ECDSAKey.generate()
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for dummy in range(count)]
        self._transports: list[paramiko.Transport] = []

    @property
    def inventory(self) -> str:
        """Inventory with the group ``ingestors``: OpenSSH's client."""
        return os.path.join(self.folder, "inventory.json")

    def __enter__(self) -> SshServer:
        self.key.write_private_key_file(self.folder + "/key")
        with open(self.folder + "/known_hosts", "w", encoding="ascii") as known:
            for listener in self._listeners:
                words = (
                    listener.getsockname()[1],
                    self.host_key.get_name(),
                    self.host_key.get_base64(),
                )
                known.write("[127.0.0.1]:%d %s %s\n" % words)
        self.write_inventory(self.inventory)
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for transport in self._transports:
            transport.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                line, _address = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(line)
            transport.add_server_key(self.host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
            self._transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(event=threading.Event(), server=_Session(self.key))

    def write_inventory(
        self, path: str, connection: str = "ssh", variables: dict[str, object] | None = None
    ) -> str:
        """Write an inventory of these hosts to ``path``."""
        known = f"-o UserKnownHostsFile={self.folder}/known_hosts -o GlobalKnownHostsFile=/dev/null"
        settings = {
            "ansible_connection": connection,
            "ansible_host": "127.0.0.1",
            "ansible_ssh_private_key_file": self.folder + "/key",
            "ansible_ssh_common_args": known
            + " -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -F none",
            "ansible_control_path_dir": self.folder + "/cp",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            **(variables or {}),
        }
        hosts = {
            "host%d" % number: {"ansible_port": listener.getsockname()[1]}
            for number, listener in enumerate(self._listeners, 1)
        }
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"ingestors": {"hosts": hosts, "vars": settings}}, file, indent=2)
        return path
