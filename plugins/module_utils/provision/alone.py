# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline on one machine, without Ansible: a plan, and a client that is this process."""

from __future__ import annotations

import time
from typing import Callable

from ..client.ledger import Ledger
from ..client.runner import Runner
from ..core.outcome import Closing
from ..core.vocabulary import HostState
from ..plan.dispatch import Dispatcher

HOST = "localhost"
_PACKAGE = 16 << 20  # bytes of payload handed out at once
_SAMPLE = 0.25  # s between two looks at the progress


def serve(
    dispatcher: Dispatcher, runner: Runner, progress: Callable[[Ledger], None] | None = None
) -> None:
    """Serve the client until the plan is done. ``progress`` is called a few times a second. Raises
    IngestError."""
    dispatcher.start()
    samples: list[list[float]] = []
    try:
        while True:
            if not runner.busy:
                work = dispatcher.claim(_PACKAGE)
                if not work.claimed:
                    break
                for header, payload in work.claimed:
                    runner.add(header, payload)
            finished = runner.step(1.0)
            if finished:
                dispatcher.record(finished)
            now = time.time()
            if not samples or now - samples[-1][0] > _SAMPLE:
                samples.append(_sample(runner))
                if progress is not None:
                    progress(runner.ledger)
        ledger = runner.ledger
        samples.append(_sample(runner))
        dispatcher.record_run(Closing(samples, ledger.slow, ledger.losses.kinds))
        dispatcher.end(HostState.DONE)
        runner.finish()
    except BaseException:
        dispatcher.end(HostState.FAILED)
        runner.close()
        raise


def _sample(runner: Runner) -> list[float]:
    return [time.time(), runner.ledger.files, runner.ledger.live_bytes, runner.workers]
