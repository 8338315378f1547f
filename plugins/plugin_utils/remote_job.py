# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that a module left running on a host, from the controller.

The job has a folder there, made before it starts. A look is one command: it touches ``lease`` in
the folder, which keeps the job alive, waits there until the job has news, and reads ``status.json``
and what else there is. When the folder is gone the job ends, and when nobody looks any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import signal
import threading
import time
from typing import Any, Iterator, Sequence

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.background import (
    PREFIX,
    WORK_FOLDERS,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils.stopped import Stopped

_NOT_DONE = 9  # a command's exit status
_RENEW = 0.4  # of the lease: it is renewed so often
# The longest wait for progress: s at first, and then so much of the time that it has taken. Of many
# hosts so many are heard in a second: all of them together move the line.
_FIRST, _PART, _A_SECOND = 1.0, 0.1, 4
_AT_ONCE = 64  # results in one look
_AGAIN = 0.3  # s between looks that hear nothing new


class Lost(Exception):
    """The host can't be reached any more, or its job is gone; its lease has run out."""


class TakesLosses(ActionBase):
    """An action that survives its host: Ansible's own cleaning up there is no failure either."""

    def _remove_tmp_path(self, tmp_path: str | None, force: bool = False) -> None:
        with contextlib.suppress(AnsibleConnectionFailure):
            super()._remove_tmp_path(tmp_path, force)


class RemoteJob:
    """One job on one host."""

    def __init__(
        self, action: ActionBase, host: str, lease: float, name: str, hosts: int = 1
    ) -> None:
        """``lease``: seconds that the host may be out of reach. ``name`` begins its folder's name;
        it must be plain. ``hosts``: how many have such a job now."""
        self._action = action
        self._host = host
        self._lease = lease
        self._least = max(_FIRST, hosts / _A_SECOND)
        self._name = name
        self._word: float | None = None
        self._word_at = self._contact = time.monotonic()
        self._begun = self._renewed = self._contact
        self._last: Any = None
        self._gone = 0
        self._playbook = os.getppid()
        self.folder = ""
        self.process = 0  # the job's
        self.talks = True  # it writes its status every second, or it hangs

    @property
    def silence(self) -> float:
        """Seconds since the host answered."""
        return time.monotonic() - self._contact

    @property
    def old(self) -> float:
        """Seconds since the lease was renewed."""
        return time.monotonic() - self._renewed

    @property
    def due(self) -> bool:
        """Whether it is time to renew the lease."""
        return self.old > self._lease * _RENEW

    def patience(self) -> float:
        """How long to wait for news (s), if progress is to be heard as well: the longer it takes,
        the less a late word of it matters. The lease is renewed before half of it has gone."""
        elapsed = time.monotonic() - self._begun
        return min(self._lease * _RENEW, max(self._least, elapsed * _PART))

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
        self._begun = self._contact = self._word_at = self._renewed = time.monotonic()
        self.process = int(answer.get("status", {}).get("pid", 0))
        return answer

    def command(self, command: str, data: bytes | None = None) -> dict[str, Any]:
        """A command's answer; ``data`` is its standard input, if the connection can do that. Raises
        Lost: the host was silent for as long as the lease."""
        while True:
            try:
                with at_most(max(1.0, self._lease - self.silence)):
                    answer: dict[str, Any] = self._action._low_level_execute_command(
                        command, in_data=data
                    )
                if answer["rc"] == 255 and not answer["stdout"]:  # ssh's own failure
                    raise AnsibleConnectionFailure(answer["stderr"] or "no connection")
                self._contact = time.monotonic()
                return answer
            except AnsibleConnectionFailure as error:
                if self.silence >= self._lease:
                    raise Lost(f"{self._host}: {str(error).strip()}") from error
                time.sleep(1.0)
                self._action._connection.reset()

    def renew(self) -> None:
        """Renew the lease, and nothing else. Raises Lost."""
        begun = time.monotonic()
        self.command(f"touch {self.folder}/lease")
        self._renewed = begun

    def renew_if_old(self) -> None:
        """Renew the lease before something that takes long, if it was not just now. Raises Lost."""
        if self.old > self._lease * _PART:
            self.renew()

    def look(
        self, wait: float = 0.0, results: int | None = None, first: str = "", data: bytes = b""
    ) -> list[Any]:
        """Renew the lease, wait for news for at most ``wait`` s; the job's status, and what is in
        ``out/N.json`` in its folder, for N from ``results`` on, as far as there are such.

        ``first`` is done before, with ``data`` as its standard input; it ends with status 9 if it
        can't be done.

        Raises:
            Lost: the host, or the job, has died.
            Stopped: the playbook was ended, and only this process of it was not.
            IngestError: what was to be done first can't be done.
        """
        if os.getppid() != self._playbook:
            raise Stopped("the playbook has ended")
        if 0 < wait < 1:  # not even a second of a very short lease
            time.sleep(wait)
        begun = time.monotonic()
        answer = self.command(first + self._listening(wait, results), data or None)
        self._renewed = begun
        if first and answer["rc"] == _NOT_DONE:
            said = (answer["stderr"] or answer["stdout"] or "").strip()
            raise IngestError(f"{self._host}: the shards can't be handed over: {said}")
        try:
            found = documents(answer["stdout"])
        except ValueError as error:
            raise Lost(
                f"{self._host}: its job has left no word: {answer['stderr'].strip()}"
            ) from error
        if found[0]["state"] == "running":
            self._check(found[0]["time"], "gone" in answer["stdout"].splitlines())
            if wait and found[0] == self._last and len(found) == 1:
                # It was woken for nothing, or can't wait.
                time.sleep(max(0.0, min(wait, _AGAIN) - (time.monotonic() - begun)))
        self._last = found[0]
        return found

    def _listening(self, wait: float, results: int | None) -> str:
        """The command of a look."""
        lives = f"kill -0 {self.process} 2>/dev/null" if self.process else "true"
        words = [f"cd {self.folder}", "touch lease"]
        if wait >= 1:
            news = f"timeout {wait:.0f} dd if=news of=/dev/null bs=4096 count=1 2>/dev/null"
            words.append(f"{lives} && {news}")
        words += [f"{lives} || echo gone", "set -- status.json"]
        if results is not None:
            more = f"[ -e out/$n.json ] && [ $n -lt {results + _AT_ONCE} ]"
            words.append(f'n={results}; while {more}; do set -- "$@" out/$n.json; n=$((n+1)); done')
        return "; ".join([*words, 'cat "$@"'])

    def _check(self, word: float, gone: object) -> None:
        now = time.monotonic()
        if word != self._word:
            self._word, self._word_at = word, now
        self._gone = self._gone + 1 if gone else 0
        # Its last word may come between the look at the process and that at the file.
        if self._gone > 2 or (self.talks and now - self._word_at > self._lease):
            raise Lost(f"{self._host}: its job has died")

    def remove(self) -> None:
        """Remove the folder; the job ends with it. A host that is gone needs none."""
        if self.folder:
            with contextlib.suppress(AnsibleError):
                self._action._low_level_execute_command(f"rm -rf -- {shlex.quote(self.folder)}")


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """What takes longer in the block ends there with AnsibleConnectionFailure, as a connection may
    wait for its host for ever. A task that has a limit of its own that comes earlier keeps it."""

    def end(_number: int, _frame: object) -> None:
        raise AnsibleConnectionFailure(f"no answer for {seconds:.0f} s")

    own = signal.getitimer(signal.ITIMER_REAL)[0]
    if threading.current_thread() is not threading.main_thread() or 0 < own <= seconds:
        yield
        return
    begun = time.monotonic()
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if own:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, own - (time.monotonic() - begun)))


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
