# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that does trials, from the controller: orders go to it, outcomes come back."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.orders import Order, Outcome
from ansible_collections.scaleout.ingest.plugins.module_utils.core.clock import elapsed
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils.host_python import explained
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import RemoteJob

MODULE = "scaleout.ingest.calibrate"
_SHORT, _LONG = 0.1, 1.0  # s between looks
_END = 90.0  # s in which a client removes what it has written


class BenchJob:
    """The job on one host."""

    def __init__(self, action: ActionBase, host: str, name: str) -> None:
        """``name`` begins the name of its folder, such that a job of that name which is still
        there was this controller's, for the same destination."""
        self._action = action
        self._host = host
        self._job = RemoteJob(action, host, 30.0, name)
        self._job.talks = False  # between two trials there is nothing to say
        self._orders = 0
        self.offset = 0.0  # of the host's clock, in s: its time is this one's, and so much more
        self.status: dict[str, Any] = {}

    def start(self, arguments: dict[str, Any], variables: dict[str, Any]) -> None:
        """Start it, and wait until it is ready. Raises IngestError and Lost."""
        job = self._job
        job.make_folder("0700", ("inbox", "out"), arguments["destinations"][0], alone=True)
        answer = job.start(MODULE, dict(arguments, _work=job.folder), variables)
        if answer.get("failed") or "status" not in answer:
            answer.pop("invocation", None)
            said = explained(self._action, {**answer, "failed": True}, variables)
            raise IngestError(str(said.get("msg", said)))
        while not self.status.get("ready"):
            self._look()
            time.sleep(_SHORT)

    def _look(self, results: int | None = None) -> list[Any]:
        found = self._job.look(results=results)
        self.status = found[0]
        if self.status["state"] == "failed":
            raise IngestError(f"{self._host}: {self.status['msg']}")
        return found[1:]

    def renew(self) -> None:
        """Show the job that somebody is there, if that was not seen for a while. Raises Lost."""
        if self._job.silence > _LONG:
            self._look()

    def read_clock(self) -> None:
        """Find out what the host's clock shows. Raises Lost and IngestError."""
        best = 1e9
        for _number in range(3):
            before = elapsed()
            answer = self._job.command("cat /proc/uptime")
            after = elapsed()
            try:
                there = float(answer["stdout"].split()[0])
            except (IndexError, ValueError) as error:
                raise IngestError(f"{self._host}: its clock can't be read") from error
            if after - before < best:
                best = after - before
                self.offset = there - (before + after) / 2

    def ask(self, order: Order) -> Outcome:
        """Have it do a trial. Raises IngestError and Lost."""
        number = self._orders
        self._orders += 1
        text = shlex.quote(json.dumps(order._replace(number=number)._asdict()))
        path = f"{self._job.folder}/inbox/{number}.json"
        answer = self._job.command(f"printf %s {text} > {path}.part && mv {path}.part {path}")
        if answer["rc"] != 0:
            raise IngestError(f"{self._host}: {answer['stderr'].strip()}")
        wait = order.seconds * 0.9
        if order.begin:
            wait += max(0.0, order.begin - self.offset - elapsed())
        while True:
            time.sleep(min(_LONG, max(_SHORT, wait)))
            wait -= _LONG
            found = self._look(number)
            if found:
                return Outcome.from_json(found[0])

    def end(self) -> None:
        """Let it end, and wait until it has removed what it wrote. Raises IngestError and Lost."""
        if not self._job.folder:
            return
        try:
            self._job.command(f"touch {self._job.folder}/inbox/end")
            until = time.monotonic() + _END
            while self._job.process and time.monotonic() < until:
                self._look()
                if self.status["state"] != "running":
                    break
                time.sleep(_SHORT)
        finally:
            self._job.remove()

    def give_up(self) -> None:
        """End it at once; it removes what it wrote by itself."""
        self._job.remove()
