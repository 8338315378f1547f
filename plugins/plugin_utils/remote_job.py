# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that a module left running on a host, from the controller.

The job has a folder there, made before it starts. Each look touches ``lease`` in it, which keeps
the job alive, and reads ``status.json`` and other files, in one command. When the folder is gone
the job ends, and when nobody looks any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import time
from typing import Any, Sequence

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.background import (
    PREFIX,
    WORK_FOLDERS,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils.stopped import Stopped


class Lost(Exception):
    """The host can't be reached any more, or its job is gone; its lease has run out."""


class TakesLosses(ActionBase):
    """An action that survives its host: Ansible's own cleaning up there is no failure either."""

    def _remove_tmp_path(self, tmp_path: str | None, force: bool = False) -> None:
        with contextlib.suppress(AnsibleConnectionFailure):
            super()._remove_tmp_path(tmp_path, force)


class RemoteJob:
    """One job on one host."""

    def __init__(self, action: ActionBase, host: str, lease: float, name: str) -> None:
        """``lease``: seconds that the host may be out of reach. ``name`` begins its folder's name;
        it must be plain."""
        self._action = action
        self._host = host
        self._lease = lease
        self._name = name
        self._word: float | None = None
        self._word_at = self._contact = time.monotonic()
        self._gone = 0
        self._playbook = os.getppid()
        self.folder = ""
        self.process = 0  # the job's, if its death is to be seen at once

    @property
    def silence(self) -> float:
        """Seconds since the host answered."""
        return time.monotonic() - self._contact

    def make_folder(self, mode: str, inside: Sequence[str], outside: str, alone: bool) -> None:
        """Make the folder as the user that works, not below ``outside``.

        ``inside``: the folders in it. ``alone``: what is left of jobs of this name goes, and with
        it such a job that still runs. Raises IngestError.
        """
        name = PREFIX + self._name + "-" + secrets.token_hex(8)
        base = os.path.normpath(outside)
        bases = [
            folder
            for folder in WORK_FOLDERS
            if not base.startswith("/") or os.path.commonpath([base, folder]) != base
        ]
        tries = [
            f"{{ mkdir -m {mode} {folder}/{name}"
            + "".join(f" && mkdir {folder}/{name}/{each}" for each in inside)
            + f" && echo {folder}/{name}; }}"
            for folder in bases
        ]
        old = " ".join(f"{folder}/{PREFIX}{self._name}-*" for folder in WORK_FOLDERS)
        answer = self._action._low_level_execute_command(
            (f"rm -rf -- {old}; " if alone else "") + (" || ".join(tries) or "false")
        )
        for line in answer["stdout"].splitlines():
            if line.strip().endswith("/" + name):
                self.folder = line.strip()
                return
        reason = (answer["stderr"] or answer["stdout"] or "").strip()
        raise IngestError(
            f"no work folder can be made on {self._host}, outside '{outside}': {reason}"
        )

    def start(
        self, module: str, arguments: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        """Run the module that starts the job; its whole answer. The job's first status is in
        ``status`` if it has started."""
        answer: dict[str, Any] = self._action._execute_module(
            module, module_args=arguments, task_vars=variables
        )
        self._contact = self._word_at = time.monotonic()
        return answer

    def command(self, command: str) -> dict[str, Any]:
        """A command's answer. Raises Lost: the host was silent for as long as the lease."""
        while True:
            try:
                answer: dict[str, Any] = self._action._low_level_execute_command(command)
                if answer["rc"] == 255 and not answer["stdout"]:  # ssh's own failure
                    raise AnsibleConnectionFailure(answer["stderr"] or "no connection")
                self._contact = time.monotonic()
                return answer
            except AnsibleConnectionFailure as error:
                if self.silence > self._lease:
                    raise Lost(f"{self._host}: {str(error).strip()}") from error
                time.sleep(1.0)
                self._action._connection.reset()

    def renew(self) -> None:
        """Renew the lease, and nothing else. Raises Lost."""
        self.command(f"touch {self.folder}/lease")

    def look(self, files: Sequence[str] = (), perhaps: str = "") -> list[Any]:
        """Renew the lease; the job's status, and what is in ``files`` in its folder, and in
        ``perhaps`` if it is there.

        Raises:
            Lost: the host, or the job, has died.
            Stopped: the playbook was ended, and only this process of it was not.
        """
        if os.getppid() != self._playbook:
            raise Stopped("the playbook has ended")
        paths = " ".join(f"{self.folder}/{file}" for file in ("status.json", *files))
        more = f"; cat {self.folder}/{perhaps} 2>/dev/null" if perhaps else ""
        there = f"kill -0 {self.process} 2>/dev/null || echo gone; " if self.process else ""
        answer = self.command(f"touch {self.folder}/lease; {there}cat {paths}{more}")
        try:
            found = documents(answer["stdout"])
        except ValueError as error:
            raise Lost(
                f"{self._host}: its job has left no word: {answer['stderr'].strip()}"
            ) from error
        if found[0]["state"] == "running":
            self._check(found[0]["time"], there and "gone" in answer["stdout"].splitlines())
        return found

    def _check(self, word: float, gone: object) -> None:
        now = time.monotonic()
        if word != self._word:
            self._word, self._word_at = word, now
        self._gone = self._gone + 1 if gone else 0
        # Its last word may come between the look at the process and that at the file.
        if self._gone > 2 or (not self.process and now - self._word_at > self._lease):
            raise Lost(f"{self._host}: its job has died")

    def remove(self) -> None:
        """Remove the folder; the job ends with it. A host that is gone needs none."""
        if self.folder:
            with contextlib.suppress(AnsibleError):
                self._action._low_level_execute_command(f"rm -rf -- {shlex.quote(self.folder)}")


def documents(text: str) -> list[Any]:
    """The JSON documents in a command's output, a status first, whatever comes before it. Raises
    ValueError."""
    decoder, found, at = json.JSONDecoder(), [], text.find('{"state"')
    if at < 0:
        raise ValueError("no status")
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        found.append(document)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found
