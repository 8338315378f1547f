# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's share of a plan, from the controller: start the job there, feed it, hear it, end it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import tempfile
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.cost import FILE_COST, cost_of
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher, Work
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.shards import write_package
from ansible_collections.scaleout.ingest.plugins.plugin_utils import progress

_PACKAGE = 4 << 20  # bytes of payload sent at once, some 50,000 items
_SHORT, _END, _LONG = 0.1, 0.3, 2.0  # seconds between looks
_GRACE = 20.0  # seconds to wait for hosts that have not begun


class Lost(Exception):
    """The host can't be reached any more, or its job is gone; its lease has run out."""


class Follower:
    """Serves one host until the plan needs it no longer."""

    def __init__(
        self,
        action: ActionBase,
        dispatcher: Dispatcher,
        host: str,
        lease: float,
        enough_forks: bool,
    ) -> None:
        self._action = action
        self._dispatcher = dispatcher
        self._host = host
        self._lease = lease
        self._enough_forks = enough_forks
        self._folder = ""
        self._packages = self._heard = self._with_host = 0
        self._status: dict[str, Any] = {}
        self._contact = self._word = self._begun = time.monotonic()
        self._part = 0.0  # of this host's data, that is done
        self.absent = False

    def run(
        self, module: str, arguments: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        """Work until nothing is left for this host. Returns the job's closing words.

        Raises:
            Lost: the host died on the way.
            IngestError: the job can't work there.
            AnsibleConnectionFailure: the host was never reached.
        """
        self._make_folder()
        try:
            answer = self._action._execute_module(
                module, module_args=dict(arguments, _work=self._folder), task_vars=variables
            )
            if answer.get("failed") or "status" not in answer:
                raise IngestError(str(answer.get("msg", answer)))
            self._contact = time.monotonic()
            self._serve()
            return self._end()
        finally:
            self._remove_folder()

    def _serve(self) -> None:
        sent = waiting = 0.0
        enough = 0  # shards that the host may still have when it is time to send more
        idle = True
        while True:
            now = time.monotonic()
            if self._with_host <= enough:
                work = self._dispatcher.claim(_PACKAGE, absent=self.absent)
                if work.claimed:
                    self._send(work)
                    enough = len(work.claimed) // 2
                    sent, waiting, idle = now, 0.0, False
                elif idle and not self._wait(work.later, waiting):
                    return
            if idle:
                # plan.db is asked often, as that is cheap; the host only to keep its lease.
                waiting = waiting or now
                time.sleep(_SHORT)
                if now - self._contact < _LONG:
                    continue
            else:
                time.sleep(self._pause(now, now - sent))
            idle = self._look()
            self._tell("waiting" if idle else "running")

    def _pause(self, now: float, elapsed: float) -> float:
        """Seconds until the next look. The longer it takes, the less a late look matters, but at
        the end, by the part that is done."""
        pause = min(_LONG, max(_SHORT, elapsed * 0.15))
        if not 0 < self._part < 1:
            return pause
        left = (now - self._begun) * (1 - self._part) / self._part
        return min(pause, max(_END, left))

    def _wait(self, later: str, since: float) -> bool:
        """Whether to stay, as other hosts may leave work or have to finish theirs first."""
        if later == "running":
            return True
        if later == "planned" and self._enough_forks:
            # They are about to begin; when they don't, their work is done here.
            self.absent = bool(since) and time.monotonic() - since > _GRACE
            return True
        return False

    # -- the host ----------------------------------------------------------------------------

    def _command(self, command: str) -> dict[str, Any]:
        """A command's answer. A host that is silent for as long as the lease is Lost."""
        while True:
            try:
                answer = self._action._low_level_execute_command(command)
                if answer["rc"] == 255 and not answer["stdout"]:  # ssh's own failure
                    raise AnsibleConnectionFailure(answer["stderr"] or "no connection")
                self._contact = time.monotonic()
                return answer
            except AnsibleConnectionFailure as error:
                if time.monotonic() - self._contact > self._lease:
                    raise Lost(f"{self._host}: {str(error).strip()}") from error
                time.sleep(1.0)
                self._action._connection.reset()

    def _make_folder(self) -> None:
        name = ".scaleout-ingest-" + secrets.token_hex(8)
        tries = " || ".join(
            "{ mkdir -m 0700 %s/%s && mkdir %s/%s/inbox %s/%s/out && echo %s/%s; }"
            % ((base, name) * 4)
            for base in ("/var/tmp", "/tmp", "/dev/shm")
        )
        answer = self._action._low_level_execute_command(tries)
        for line in answer["stdout"].splitlines():
            if line.strip().endswith("/" + name):
                self._folder = line.strip()
                return
        raise IngestError(
            f"no work folder can be made on {self._host}: {(answer['stderr'] or answer['stdout']).strip()}"
        )

    def _remove_folder(self) -> None:
        try:
            self._action._low_level_execute_command(f"rm -rf -- {shlex.quote(self._folder)}")
        except AnsibleError:
            pass  # the job's lease ends it

    def _send(self, work: Work) -> None:
        """Send claimed shards as one package, which appears in the inbox whole."""
        action = self._action
        handle, local = tempfile.mkstemp(prefix="scaleout-ingest-")
        try:
            with os.fdopen(handle, "wb") as stream:
                write_package(stream, work.claimed)
            final = "%s/inbox/%d.work" % (self._folder, self._packages)
            if not action._connection.become:
                part = final + ".part"
                action._transfer_file(local, part)
                command = f"mv {part} {final}"
            else:
                # The user that connects sends it; the user that copies must take it over.
                folder = action._connection._shell.tmpdir or action._make_tmp_path()
                part = action._connection._shell.join_path(folder, "package")
                action._transfer_file(local, part)
                action._fixup_perms2([folder, part])
                command = "cp {0} {1}.part && mv {1}.part {1}".format(shlex.quote(part), final)
            answer = self._command(command)
            if answer["rc"] != 0:
                raise IngestError(
                    f"{self._host}: the shards can't be handed over: {answer['stderr'].strip()}"
                )
            self._packages += 1
            self._with_host += len(work.claimed)
        except AnsibleConnectionFailure as error:
            raise Lost(f"{self._host}: {str(error).strip()}") from error
        finally:
            os.unlink(local)

    def _look(self) -> bool:
        """Renew the lease, hear what is new. Returns whether the job waits for more."""
        files = ["status.json"] + [
            "out/%d.json" % number
            for number in range(self._heard, min(self._status.get("out", 0), self._heard + 8))
        ]
        answer = self._command(
            # The next one may be there already.
            "touch {0}/lease; cat {1}; cat {0}/out/{2}.json 2>/dev/null".format(
                self._folder,
                " ".join(f"{self._folder}/{file}" for file in files),
                self._heard + len(files) - 1,
            )
        )
        try:
            status, *results = _documents(answer["stdout"])
        except ValueError as error:
            raise Lost(
                f"{self._host}: its job has left no word: {answer['stderr'].strip()}"
            ) from error
        for finished in results:
            self._dispatcher.record(finished)
            self._with_host -= len(finished)
            self._heard += 1
        if status["time"] != self._status.get("time"):
            self._word = time.monotonic()
        elif time.monotonic() - self._word > self._lease:
            raise Lost(f"{self._host}: its job has died")
        self._status = status
        self._dispatcher.beat()
        if self._status["state"] == "failed":
            raise IngestError(f"{self._host}: {self._status['msg']}")
        return bool(
            not self._status.get("busy", True)
            and self._status["taken"] == self._packages
            and self._status["out"] == self._heard
        )

    def _end(self) -> dict[str, Any]:
        self._command(f"touch {self._folder}/inbox/end")
        while self._status.get("state", "running") == "running":  # no word yet if it had no work
            time.sleep(_SHORT)
            self._look()
        closing: dict[str, Any] = self._status["result"]
        self._dispatcher.record_run(closing["samples"], closing["slow"], closing["losses"])
        self._tell("done")
        return closing

    def _tell(self, state: str) -> None:
        files, size, done_files, done_size = self._dispatcher.shares()
        copied = {name: self._status.get(name, 0) for name in ("files", "bytes", "failed")}
        done = cost_of(max(done_files, copied["files"]), max(done_size, copied["bytes"]))
        self._part = done / max(cost_of(files, size), FILE_COST)
        progress.send(
            stage="copy",
            host=self._host,
            state=state,
            total_files=files,
            total_bytes=size,
            done_files=max(done_files, copied["files"]),
            done_bytes=max(done_size, copied["bytes"]),
            **copied,
        )


def _documents(text: str) -> list[Any]:
    """The JSON documents in a command's output. Raises ValueError if there is none."""
    decoder, found, at = json.JSONDecoder(), [], text.find("{")
    if at < 0:
        raise ValueError("no JSON")
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        found.append(document)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found
