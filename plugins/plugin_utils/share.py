# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's share of a plan: claim it, hand it over, record what came of it."""

from __future__ import annotations

import io
import json
import os
import shlex
import tempfile
import time
from typing import Any, Callable

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.client.arguments import BUDGET
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Closing,
    ShardResult,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.windows import Budget
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher, Work
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.shards import write_package
from ansible_collections.scaleout.ingest.plugins.plugin_utils import progress_sender
from ansible_collections.scaleout.ingest.plugins.plugin_utils.growth import Growth
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import Lost, RemoteJob
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import PACKAGE

_PACKAGE = 4 << 20  # bytes of payload sent at once, some 50,000 items
_SHORT, _LONG = 0.1, 2.0  # seconds between looks at plan.db
_LIMITED = 5.0  # seconds after which a host with a limit is told of another one
_GRACE = 20.0  # seconds to wait for hosts that have not begun


class Share:
    """Serves one host until the plan needs it no longer."""

    def __init__(
        self,
        action: ActionBase,
        dispatcher: Dispatcher,
        host: str,
        job: RemoteJob,
        run_dir: str,
        enough_forks: bool,
        growth: Growth | None = None,
    ) -> None:
        """``run_dir`` is where packages wait to be sent. ``enough_forks``: all hosts of the plan
        are served at the same time. ``growth``: of a plan that grows."""
        self._action = action
        self._dispatcher = dispatcher
        self._host = host
        self._job = job
        self._run_dir = run_dir
        self._enough_forks = enough_forks
        self._growth = growth
        self._packages = self._heard = self._with_host = 0
        self._status: dict[str, Any] = {}
        self._waits = ""  # for whom, as was said
        self._budget: Callable[[], Budget] = Budget
        self._told = Budget()
        self.absent = False

    def run(
        self,
        module: str,
        arguments: dict[str, Any],
        variables: dict[str, Any],
        lost: Callable[[], list[str]],
    ) -> dict[str, Any]:
        """Work until nothing is left for this host. Returns the job's closing words. ``lost`` tells
        the entries in the destination's lock of hosts that died.

        Raises:
            Lost: the host died on the way.
            IngestError: the job can't work there.
            AnsibleConnectionFailure: the host was never reached.
        """
        job = self._job
        job.make_folder("0700", ("inbox", "out"), outside="", alone=True)
        try:
            answer = job.start(module, dict(arguments, _work=job.folder), variables)
            if answer.get("failed") or "status" not in answer:
                raise IngestError(str(answer.get("msg", answer)))
            self._dispatcher.keep_alive_by(job.renew)
            self._serve()
            return self._end(lost())
        finally:
            job.remove()

    def _serve(self) -> None:
        waiting = 0.0
        enough = 0  # shards that the host may still have when it is time to send more
        idle = True
        while True:
            first: tuple[str, bytes] = ("", b"")
            claimed = scans = self._growth.claim(self._status) if self._growth is not None else []
            more = self._with_host <= enough
            later = ""
            if more:
                work = self._dispatcher.claim(_PACKAGE, absent=self.absent)
                claimed, later = scans + work.claimed, work.later
                enough = len(work.claimed) // 2 if work.claimed else enough
            if claimed:
                first = self._package(Work(claimed, ""))
                self._with_host -= len(scans)  # they say themselves when there should be more
                waiting, idle = 0.0, False
            elif more and idle and not self._grows and not self._wait(later, waiting):
                return
            if idle:
                # plan.db is asked often at first, as that is cheap, and less often the longer it
                # takes, as there may be many who wait; the host only to keep its lease.
                waiting = waiting or time.monotonic()
                time.sleep(min(_LONG, max(_SHORT, (time.monotonic() - waiting) * 0.1)))
                if not self._job.due:
                    continue
            wait = self._job.patience()
            if any(self._told):  # its part changes with the hosts that are at work
                wait = min(wait, _LIMITED)
            idle = self._look(0.0 if idle else wait, *first)
            self._tell("paused" if self._told.paused else "waiting" if idle else "running")

    def _wait(self, later: str, since: float) -> bool:
        """Whether to stay, as other hosts may leave work or have to finish theirs first."""
        if later and self._enough_forks:
            # They are about to begin; when they don't, their work is done here.
            self.absent = bool(since) and time.monotonic() - since > _GRACE
            return True
        return later == "running"

    # -- the host ----------------------------------------------------------------------------

    def _package(self, work: Work) -> tuple[str, bytes]:
        """Claimed shards as one package. Returns the command, and what it reads, with which it
        appears in the inbox whole."""
        inbox = f"{self._job.folder}/inbox/{self._packages}.work"
        self._packages += 1
        self._with_host += len(work.claimed)
        self._job.renew_if_old()
        action = self._action
        if action._is_pipelining_enabled("new"):
            stream = io.BytesIO()
            write_package(stream, work.claimed)
            data = stream.getvalue()
            # The end of a connection would be the end of the input, too.
            whole = f"[ $(wc -c < {inbox}.part) -eq {len(data)} ]"
            return f"cat > {inbox}.part && {whole} && mv {inbox}.part {inbox} || exit 9; ", data
        handle, local = tempfile.mkstemp(prefix=PACKAGE, dir=self._run_dir)
        try:
            with os.fdopen(handle, "wb") as file:
                write_package(file, work.claimed)
            if not action._connection.become:
                part = inbox + ".part"
                action._transfer_file(local, part)
                return f"[ ! -e {part} ] || mv {part} {inbox} || exit 9; ", b""
            # The user that connects sends it; the user that copies must take it over.
            folder = action._connection._shell.tmpdir or action._make_tmp_path()
            part = action._connection._shell.join_path(folder, "package")
            action._transfer_file(local, part)
            action._fixup_perms2([folder, part])
            return (
                f"cp {shlex.quote(part)} {inbox}.part && mv {inbox}.part {inbox} || exit 9; ",
                b"",
            )
        except AnsibleConnectionFailure as error:
            raise Lost(f"{self._host}: {str(error).strip()}") from error
        finally:
            os.unlink(local)

    def limit(self, budget: Callable[[], Budget], first: Budget) -> None:
        """What this host may do in a second, as it changes; it is started with ``first``."""
        self._budget, self._told = budget, first

    def _allow(self) -> str:
        """The command that tells the host what it may do in a second, if that has changed."""
        budget = self._budget()
        if budget == self._told:
            return ""
        if budget.paused != self._told.paused:
            word = "pauses" if budget.paused else "goes on after the pause"
            self._action._display.warning(f"{self._host} {word}")
        self._told = budget
        file = f"{self._job.folder}/{BUDGET}"
        return f"echo '{json.dumps(budget)}' > {file}.part && mv {file}.part {file} || exit 9; "

    def _look(self, wait: float, first: str = "", data: bytes = b"") -> bool:
        """Do what is to be done first, renew the lease, wait for news and hear it. Returns whether
        the job waits for more."""
        status, *results = self._job.look(wait, self._heard, self._allow() + first, data)
        for finished in results:
            self._take(finished)
            self._heard += 1
        self._status = status
        self._dispatcher.beat()
        if status["state"] == "failed":
            raise IngestError(f"{self._host}: {status['msg']}")
        waits = status.get("waits", "")
        if waits and not self._waits:
            self._action._display.warning(f"{self._host} waits: {waits}")
            self._waits = waits
        return bool(
            not self._status.get("busy", True)
            and self._status["taken"] == self._packages
            and self._status["out"] <= self._heard
        )

    @property
    def _grows(self) -> bool:
        return self._growth is not None and self._growth.left()

    def _take(self, finished: list[dict[str, Any]]) -> None:
        """Record what has become of shards."""
        scanned = [entry["scanned"] for entry in finished if "scanned" in entry]
        done = [ShardResult.from_json(entry) for entry in finished if "scanned" not in entry]
        if done:
            self._dispatcher.record(done)
            self._with_host -= len(done)
        if self._growth is not None:
            for said in scanned:
                self._growth.take(said)

    def _end(self, lost: list[str]) -> dict[str, Any]:
        end = f"{self._job.folder}/inbox/end"
        first = f"echo {' '.join(lost)} > {end}.part && mv {end}.part {end} || exit 9; "
        self._look(self._job.patience(), first)
        while self._status["state"] == "running":
            self._look(self._job.patience())
        closing: dict[str, Any] = self._status["result"]
        self._dispatcher.record_run(Closing.from_json(closing))
        self._tell("done")
        return closing

    def _tell(self, state: str) -> None:
        files, size, done_files, done_size = self._dispatcher.shares()
        copied = {
            name: self._status.get(name, 0) for name in ("files", "bytes", "failed", "retrying")
        }
        progress_sender.send(
            stage="copy",
            host=self._host,
            state=state,
            total_files=files,
            total_bytes=size,
            done_files=max(done_files, copied["files"]),
            done_bytes=max(done_size, copied["bytes"]),
            **copied,
        )
