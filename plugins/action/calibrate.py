# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module calibrate: the first host of the play leads, and then all
copy together."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate import advice, together
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.advice import Clients
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.arguments import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.manifest import (
    Sample,
    sample,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.orders import (
    COPY,
    READ,
    Order,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.search import (
    Trials,
    conclude,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.strategy import (
    Allowance,
    Bench,
    Failing,
    One,
    calibrate_one,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.atomic import written
from ansible_collections.scaleout.ingest.plugins.module_utils.core.clock import elapsed
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import (
    amount,
    duration,
    size,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.calibration import (
    write_calibration_page,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils.bench_job import MODULE, BenchJob
from ansible_collections.scaleout.ingest.plugins.plugin_utils.host_python import explained
from ansible_collections.scaleout.ingest.plugins.plugin_utils.meeting import Meeting, Over
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import ASSETS
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import Lost, TakesLosses
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute
from ansible_collections.scaleout.ingest.plugins.plugin_utils.stopped import in_order
from ansible_collections.scaleout.ingest.plugins.plugin_utils.version import collection_version

_ARRIVE = 15.0  # s that are waited for the other hosts to get ready, which began long before
_LEAVE = 20.0  # s that are waited for them to remove what they have written
_LEAST_WINDOW = 0.3  # s: shorter ones say nothing of several clients
_BEFORE = 2.0  # s until all have heard when they begin
_BETWEEN = 3.0  # s, about, between what all read and what all copy
_LATE = 30.0  # s that are waited for what all others do at the same time
_TOGETHER = 0.45  # of the time, at most
_LEAST_SECONDS = 10


class ActionModule(TakesLosses):
    """Orders trials on this host, as the leader or with it."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The task's result for one host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        dummy, options = self.validate_argument_spec(
            {name: spec for name, spec in ARGUMENTS.items() if not name.startswith("_")}
        )
        self._host = str(variables["inventory_hostname"])
        self._hosts = [str(name) for name in variables.get("ansible_play_batch") or [self._host]]
        self._options = options
        self._variables = variables
        leads = self._host == self._hosts[0]
        try:
            self._most_bytes = amount(options["most_bytes"], "most_bytes", "bytes")
            _check(options)
            if self._task.check_mode:
                result.update(self._planned(leads))
                return result
            meeting = Meeting(str(self._task._uuid))
            with in_order():
                if leads:
                    with meeting.leading():
                        result.update(self._lead(meeting))
                else:
                    result.update(self._follow(meeting))
        except (IngestError, Lost, AnsibleConnectionFailure) as error:
            raise AnsibleActionFail(str(error)) from error
        except Failing as error:
            raise AnsibleActionFail(
                f"{self._host}: too many files can't be copied, the first {error}"
            ) from error
        return result

    def _planned(self, leads: bool) -> dict[str, Any]:
        options = self._options
        if options["index"] and leads:
            sample(absolute(options["index"]), options["source"])
        answer = self._execute_module(MODULE, module_args=options, task_vars=self._variables)
        if answer.get("failed"):
            return explained(self, answer, self._variables)
        planned = answer["planned"]
        said = [
            f"For about {duration(options['seconds'])}, {self._host} would copy "
            + ("files made for it" if options["sizes"] else f"a sample of {options['source']}")
            + f" into {planned['scratch']}, with 1 to {options['most_workers']} workers on each of "
            f"{planned['mounts']} mounts, at most "
            f"{size(min(self._most_bytes, planned['bytes_free'] // 2))} in all, and remove it."
        ]
        if len(self._hosts) > 1:
            said.append(f"Then {len(self._hosts)} hosts would copy together.")
        said.append(f"{absolute(options['dest'])} would be written.")
        return {"changed": False, "planned": planned, "said": said} if leads else {"changed": False}

    def _job(self) -> BenchJob:
        who = f"{socket.gethostname()} {os.getuid()} {self._host} {self._options['destinations']}"
        name = hashlib.sha256(who.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return BenchJob(self, self._host, f"calibrate-{name}")

    def _arguments(self, number: int, token: str, text: str, look: float) -> dict[str, Any]:
        return dict(self._options, _token=token, _sample=text, _look=look, _prefix=f"c{number}-")

    # -- the first host ------------------------------------------------------------------------

    def _lead(self, meeting: Meeting) -> dict[str, Any]:
        options = self._options
        begun = time.monotonic()
        seconds = float(options["seconds"])
        known: Sample | None = None
        if options["index"] and not options["sizes"]:
            known = sample(absolute(options["index"]), options["source"])
        text = known.text if known else ""
        job = self._job()
        try:
            job.start(self._arguments(0, "", text, min(5.0, seconds / 30)), self._variables)
            found = job.status["sample"]
            meeting.tell("begun", {"token": job.status["token"], "sample": text})
            allowance = self._allowance(seconds, begun, int(job.status["bytes_free"]))
            bound = known.bound if known else found["bound"]
            one, bench = calibrate_one(
                job.ask,
                bound,
                int(job.status["mounts"]),
                allowance,
                found["large"],
                not options["sizes"],
            )
            clients = self._together(meeting, job, one, bench)
            # They remove what is theirs before the whole goes.
            left = [f"left-{self._hosts.index(name)}" for name in clients.hosts[1:]]
            meeting.gather(left, _LEAVE, job.renew)
        except BaseException:
            job.give_up()
            raise
        job.end()
        whole = known.whole if known else None
        outcome = advice.result(
            one, clients, whole, options["destinations"], time.monotonic() - begun
        )
        outcome["source"] = options["source"]
        outcome["destination"] = options["destinations"][0]
        return self._write(outcome)

    def _allowance(self, seconds: float, begun: float, free: int) -> Allowance:
        """What the trials may take, of which the other hosts need some."""
        left = max(seconds - (time.monotonic() - begun), 1.0)
        allowance = Allowance(left, min(self._most_bytes, free // 2), self._options["most_workers"])
        if len(self._hosts) == 1:
            return allowance
        windows = 2 * len(together.ladder(len(self._hosts))) + 2
        wanted = windows * allowance.trial + _BEFORE + _BETWEEN + 4.0
        return allowance._replace(together=min(wanted, left * _TOGETHER))

    def _together(self, meeting: Meeting, job: BenchJob, one: One, bench: Bench) -> Clients:
        """All hosts copy together, as far as they can be served at the same time."""
        forks = int(context.CLIARGS.get("forks") or 5)
        others = self._hosts[1:forks]
        alone = (self._host,)
        if len(self._hosts) == 1:
            return Clients(None, 0.0, alone)
        notes = []
        if len(others) < len(self._hosts) - 1:
            notes.append(
                f"only {forks} hosts are served at the same time: raise --forks to try more clients"
            )
        names = [f"ready-{number}" for number in range(1, len(others) + 1)]
        order = {
            "bound": one.bound,
            "workers": one.at_once,
            "mounts": max(1, one.mounts.number),
            "rate": one.rate,
        }
        job.read_clock()
        meeting.tell("found", order)
        told = meeting.gather(names, _ARRIVE, job.renew)
        ready = [name for name in names if told.get(name)]
        numbers = [
            0,
            *(number for number in range(1, len(others) + 1) if f"ready-{number}" in ready),
        ]
        hosts = tuple(self._hosts[number] for number in numbers)
        if len(ready) < len(names):
            late = [self._hosts[int(name[6:])] for name in names if name not in ready]
            notes.append(f"{', '.join(late)} did not get ready to copy with the others")
        steps = len(together.ladder(len(hosts)))
        width = min(bench.seconds, (bench.left() - _BEFORE - _BETWEEN - 2.0) / (2 * steps + 2))
        if len(hosts) < 2 or width < _LEAST_WINDOW:
            meeting.tell("go", {"numbers": []})
            if len(hosts) > 1:
                notes.append("there was no time left to try several clients")
            return Clients(None, 0.0, alone, tuple(notes))
        plan = together.schedule(len(hosts), width)
        reads = 0.0 if self._options["sizes"] else width
        go = {
            "numbers": numbers,
            "turns": plan.turns,
            "begin": elapsed() + _BEFORE,
            "reads": reads,
            "share": 16 * steps,
            "most_bytes": max(1, bench.allowance.most_bytes - bench.written),
        }
        meeting.tell("go", go)
        parts = [{"read": _read(job, order, go)}]
        meeting.gather([f"read-{number}" for number in numbers[1:]], _LATE, job.renew)
        begins = elapsed() + _BEFORE
        meeting.tell("copy", begins)
        parts[0]["copied"] = _copy(job, order, go, 0, begins)
        done = [f"done-{number}" for number in numbers[1:]]
        told = meeting.gather(done, _LATE, job.renew)
        heard = {name: part for name, part in told.items() if part}
        if len(heard) < len(done):
            lost = [self._hosts[int(name[5:])] for name in done if name not in heard]
            notes.append(f"{', '.join(lost)} did not finish with the others")
            return Clients(None, 0.0, hosts, tuple(notes))
        parts += [heard[name] for name in done]
        windows = [
            window._replace(begin=window.begin + begins, end=window.end + begins)
            for window in plan.windows
        ]
        trials = Trials(lambda _number: 0.0)
        for number, rate in together.rates([part["copied"] for part in parts], windows, one.bound):
            trials.add(number, rate)
        if not trials.points():
            notes.append("the clients did not begin in time to be compared")
            return Clients(None, 0.0, hosts, tuple(notes))
        return Clients(
            conclude(trials, len(hosts)), sum(part["read"] for part in parts), hosts, tuple(notes)
        )

    def _write(self, outcome: dict[str, Any]) -> dict[str, Any]:
        options = self._options
        when = time.time()
        dest = absolute(options["dest"])
        with written(dest) as stream:
            stream.write(advice.file_text(outcome, when))
        result = dict(outcome, said=advice.sentences(outcome), dest=dest, changed=True)
        if options["page"]:
            page = absolute(options["page"])
            write_calibration_page(
                outcome, result["said"], when, ASSETS, page, collection_version()
            )
            result["page"] = page
        if options["result"]:
            with written(absolute(options["result"])) as stream:
                json.dump(outcome, stream, indent=1)
        # Ansible takes this for its own.
        result["failed_files"] = result.pop("failed")
        return result

    # -- the others ----------------------------------------------------------------------------

    def _follow(self, meeting: Meeting) -> dict[str, Any]:
        """A host that can't take part is no failure: the others can."""
        number = self._hosts.index(self._host)
        job = self._job()
        try:
            self._attend(meeting, job, number)
        except Over:
            job.give_up()
        except (IngestError, Lost, AnsibleConnectionFailure) as error:
            job.give_up()
            return {"changed": False, "warnings": [f"{self._host} took no part: {error}"]}
        except BaseException:
            job.give_up()
            raise
        finally:
            for name in ("ready", "read", "done", "left"):
                if meeting.told(f"{name}-{number}") is None:
                    meeting.tell(f"{name}-{number}", {})
        return {"changed": False}

    def _attend(self, meeting: Meeting, job: BenchJob, number: int) -> None:
        begun = meeting.hear("begun")
        arguments = self._arguments(number, begun["token"], begun["sample"], 1.5)
        job.start(arguments, self._variables)
        order = meeting.hear("found", job.renew)
        job.read_clock()
        meeting.tell(f"ready-{number}", {"ready": True})
        go = meeting.hear("go", job.renew)
        if number in go["numbers"]:
            place = go["numbers"].index(number)
            read = _read(job, order, go)
            meeting.tell(f"read-{number}", True)
            begins = meeting.hear("copy", job.renew)
            part = {"read": read, "copied": _copy(job, order, go, place, begins)}
            meeting.tell(f"done-{number}", part)
        job.end()


def _trial(job: BenchJob, order: dict[str, Any], go: dict[str, Any]) -> Order:
    """What one host does when all do: it begins by reading."""
    return Order(
        0,
        READ,
        order["bound"],
        order["workers"],
        order["mounts"],
        go["reads"],
        order["rate"],
        go["begin"] + job.offset,
        go["most_bytes"],
        share=go["share"],
    )


def _read(job: BenchJob, order: dict[str, Any], go: dict[str, Any]) -> float:
    """How fast a host reads with the others. Raises IngestError and Lost."""
    return job.ask(_trial(job, order, go)).rate(order["bound"]) if go["reads"] else 0.0


def _copy(
    job: BenchJob, order: dict[str, Any], go: dict[str, Any], place: int, begins: float
) -> list[list[float]]:
    """What a host copies in its turn, by when (by this clock). Raises IngestError and Lost."""
    begin, end = go["turns"][place]
    trial = _trial(job, order, go)._replace(
        kind=COPY, begin=begins + begin + job.offset, seconds=end - begin
    )
    return [[at - job.offset, files, done] for at, files, done in job.ask(trial).timeline]


def _check(options: dict[str, Any]) -> None:
    """Raises IngestError for numbers that can't be."""
    for name, least in (("seconds", _LEAST_SECONDS), ("most_workers", 1)):
        if options[name] < least:
            raise IngestError(f"{name}: {options[name]} is less than {least}")
    if options["sizes"] and min(options["sizes"]) < 0:
        raise IngestError(f"sizes: {min(options['sizes'])} is negative")
