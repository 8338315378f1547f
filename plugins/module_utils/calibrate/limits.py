# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the limit is, and how that is known: what the trials say together."""

from __future__ import annotations

from typing import NamedTuple

from ..core.units import percent, significant
from ..core.vocabulary import Limit

FULL = 0.85  # of a client's processors
_SAME = 1.25  # a part of the way that is at most so much faster than the whole is what limits it
# Of what further ones would add if nothing else was in the way: the last step, and all of them.
_WORTH, _WORTH_IN_ALL = 0.3, 0.5


class Steps(NamedTuple):
    """Rates by a number (of mounts, of clients) that was raised, in rising order."""

    numbers: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()

    @property
    def helps(self) -> bool:
        """Whether further ones gave much of what they could, to the last."""
        if len(self.numbers) < 2 or not all(self.rates):
            return False
        return self._part(-2) >= _WORTH and self._part(0) >= _WORTH_IN_ALL

    def _part(self, since: int) -> float:
        """The gain from one number to the last, as a part of what it could be."""
        gain = self.rates[-1] / self.rates[since] - 1
        return gain / (self.numbers[-1] / self.numbers[since] - 1)

    @property
    def tried(self) -> bool:
        """Whether there was more than one."""
        return len(self.numbers) > 1


class Evidence(NamedTuple):
    """What was measured, rates in files/s or bytes/s, 0 for what was not.

    ``rate`` is one client's with its best number of workers and mounts; ``latency`` whether it
    still grew with the most workers that were allowed; ``busy`` the part of the client's processors
    that was in use then. ``read`` and ``write`` are one client's when it only reads the source, and
    when it writes what lies in its memory; ``read_together`` is that of all clients.
    """

    rate: float
    latency: bool
    busy: float
    mounts: Steps = Steps()
    clients: Steps = Steps()
    read: float = 0.0
    write: float = 0.0
    read_together: float = 0.0


class Verdict(NamedTuple):
    """``limit`` is a word of :class:`..core.vocabulary.Limit`, ``because`` are sentences."""

    limit: str
    because: tuple[str, ...]


def diagnose(evidence: Evidence) -> Verdict:
    """What limits the whole: what limits all clients together if a further one does not help,
    otherwise what limits each."""
    if evidence.clients.tried and not evidence.clients.helps:
        return _of_all(evidence)
    return _of_one(evidence)


def _of_all(evidence: Evidence) -> Verdict:
    """More clients don't help."""
    clients = evidence.clients
    because = [
        f"{clients.numbers[-1]} clients are {_times(clients.rates[-1], clients.rates[-2])} as fast "
        f"as {clients.numbers[-2]}"
    ]
    if evidence.read_together and evidence.read_together < _SAME * clients.rates[-1]:
        because.append(
            "when all clients only read, the source gives "
            f"{_times(evidence.read_together, clients.rates[-1])} of what they copy"
        )
        return Verdict(Limit.SOURCE, tuple(because))
    if evidence.read_together:
        because.append(
            "when all clients only read, the source gives "
            f"{_times(evidence.read_together, clients.rates[-1])} of what they copy: it is not that"
        )
    if evidence.mounts.helps:
        because.append(_mounts(evidence.mounts))
        return Verdict(Limit.ADDRESS, tuple(because))
    if evidence.mounts.tried:
        because.append(_mounts(evidence.mounts))
    return Verdict(Limit.CLUSTER, tuple(because))


def _of_one(evidence: Evidence) -> Verdict:
    """More clients help, or there are none."""
    because = []
    clients, mounts = evidence.clients, evidence.mounts
    if clients.tried:
        because.append(
            f"{clients.numbers[-1]} clients are {_times(clients.rates[-1], clients.rates[-2])} as "
            f"fast as {clients.numbers[-2]}: neither the source nor the cluster is at its end"
        )
    if evidence.busy >= FULL:
        because.append(f"its processors were {percent(evidence.busy, 1)} in use")
        return Verdict(Limit.PROCESSOR, tuple(because))
    because.append(f"the client's processors were {percent(evidence.busy, 1)} in use")
    if evidence.latency:  # more mounts are more workers as well
        because.append("the rate still grew with the most workers that were allowed")
        return Verdict(Limit.LATENCY, tuple(because))
    if mounts.helps:
        because.append(_mounts(mounts))
        return Verdict(Limit.ADDRESS, tuple(because))
    if mounts.tried:
        because.append(_mounts(mounts))
    if clients.tried:
        because.append("so it is on the client's own way to both")
        return Verdict(Limit.LINK, tuple(because))
    return _alone(evidence, because)


def _alone(evidence: Evidence, because: list[str]) -> Verdict:
    """One client, so that only its parts can be compared with the whole."""
    rate = evidence.rate
    reads = bool(evidence.read) and evidence.read < _SAME * rate
    writes = bool(evidence.write) and evidence.write < _SAME * rate
    if evidence.read:
        because.append(f"only reading is {_times(evidence.read, rate)} as fast as copying")
    if evidence.write:
        because.append(f"only writing is {_times(evidence.write, rate)} as fast as copying")
    if reads and writes:
        because.append("both ways have one limit, which is most likely the client's network")
        return Verdict(Limit.LINK, tuple(because))
    if reads and evidence.write:
        return Verdict(Limit.SOURCE, tuple(because))
    if writes:
        if evidence.mounts.tried:
            return Verdict(Limit.CLUSTER, tuple(because))
        because.append("with one mount the address and what is behind it can't be told apart")
        return Verdict(Limit.ADDRESS, tuple(because))
    return Verdict(Limit.UNCLEAR, tuple(because))


def _mounts(mounts: Steps) -> str:
    return (
        f"{mounts.numbers[-1]} mounts are {_times(mounts.rates[-1], mounts.rates[-2])} as fast as "
        f"{mounts.numbers[-2]}"
    )


def _times(rate: float, other: float) -> str:
    return f"{significant(rate / other if other else 0.0)} times"
