# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client while a calibration goes on: it does the trials that the controller orders.

``inbox/N.json`` (N from 0, without gaps) are orders, ``out/N.json`` what came of them; an
``inbox/end`` lets the job end. It ends, and removes what it has written, when nobody asks any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Mapping, NamedTuple

from ..core.background import Status, detach
from ..core.errors import IngestError
from ..core.interrupted import end_cleanly
from ..core.paths import display, to_bytes
from ..core.vocabulary import bound
from ..mounts.probes import answering
from ..mounts.same_export import levels, same_directory
from . import material, scratch
from .material import Material
from .orders import READ, WRITE, Order
from .scratch import Scratch
from .trial import Trials

LEASE = 40.0  # s without the controller, after which all is removed
_PAUSE = 0.02  # s between looks for an order


class Options(NamedTuple):
    """What a client is told when it begins. ``token`` is that of the scratch folder, "" if this
    client is to make it; ``sample`` are files, see :func:`.material.to_ascii`, "" to look for some;
    ``sizes`` those (bytes) of files to be made instead."""

    work: str
    source: str
    destinations: tuple[str, ...]
    preserve: tuple[str, ...]
    token: str
    sample: str
    sizes: tuple[int, ...]
    look: float  # s that may be spent on looking for files
    prefix: str

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Options:
        """Of the module's parameters. Raises IngestError."""
        if not params["_work"]:
            raise IngestError("this module works only through its action plugin")
        return cls(
            params["_work"],
            params["source"],
            tuple(params["destinations"]),
            tuple(params["preserve"]),
            params["_token"] or "",
            params["_sample"] or "",
            tuple(params["sizes"] or ()),
            params["_look"],
            params["_prefix"],
        )


def places_of(destinations: list[bytes]) -> list[bytes]:
    """The directories, one over each mount, that the scratch folder is made in: the destination, or
    the one that it is to be made in. Raises IngestError."""
    places = [level.path for level in levels(destinations)]
    same_directory(places)
    return places


def plan(params: Mapping[str, Any]) -> dict[str, Any]:
    """What would be done on this client; nothing is written. Raises IngestError."""
    destinations = [to_bytes(path) for path in params["destinations"]]
    source = to_bytes(params["source"])
    if not params["sizes"] and not os.path.isdir(source):
        raise IngestError(f"'{display(source)}' is not a directory on this host")
    places = places_of(destinations)
    found = os.statvfs(places[0])
    return {
        "scratch": display(os.path.join(places[0], scratch.NAME)),
        "bytes_free": found.f_bavail * found.f_frsize,
        "mounts": len(places),
    }


def start(options: Options) -> dict[str, Any]:
    """Start the job in its work folder; its first status. Raises IngestError."""
    status = Status(options.work, LEASE)
    destinations, _silent = answering(options.source, options.destinations)
    mounts = [to_bytes(path) for path in destinations]
    source = to_bytes(options.source)
    if not options.sizes and not os.path.isdir(source):
        raise IngestError(f"'{display(source)}' is not a directory on this host")
    places = places_of(mounts)
    os.umask(0o077)
    found = detach(lambda: _Bench(options, status, mounts, places).run(), status, 0.0)
    if found["state"] == "failed":
        raise IngestError(found["msg"])
    return found


class _Bench:
    """The job."""

    def __init__(
        self, options: Options, status: Status, mounts: list[bytes], places: list[bytes]
    ) -> None:
        self._options = options
        self._status = status
        self._mounts = mounts
        self._places = places
        self._scratch: Scratch | None = None
        self._made: Trials | None = None

    def _check(self) -> None:
        self._status.check_lease()
        if self._scratch:
            self._scratch.sign()

    def run(self) -> dict[str, Any]:
        """Serve until told to end. Raises IngestError."""
        end_cleanly()
        try:
            self._work()
        except OSError as error:
            where = f" ({os.fsdecode(error.filename)})" if error.filename else ""
            raise IngestError(
                f"the calibration failed: {error.strerror or error}{where}"
            ) from error
        return {}

    def _work(self) -> None:
        options = self._options
        self._check()
        if options.token:
            self._scratch = scratch.enter(self._places, options.token)
        else:
            self._remove_elsewhere()
            self._scratch = scratch.make(self._places, self._check)
        try:
            self._serve(self._scratch)
        finally:
            self._scratch.close()

    def _remove_elsewhere(self) -> None:
        """What was left where the destination was still to be made, when it is there now."""
        for place, mount in zip(self._places, self._mounts):
            if place == mount.rstrip(b"/"):
                above = os.path.dirname(place)
                if os.stat(above).st_dev != os.stat(place).st_dev:
                    return
                # Another destination's, if it is not this user's, or if its owner lives.
                with contextlib.suppress(IngestError):
                    scratch.remove_leftover(above, self._check)
            return

    def _serve(self, folder: Scratch) -> None:
        options = self._options
        files, matters = self._files()
        if not files:
            raise IngestError(
                f"'{options.source}' has no files to calibrate with: name sizes of files instead"
            )
        root = to_bytes(options.source)
        if options.sizes:
            here = os.path.join(to_bytes(options.work), b"local")
            chosen = material.make_local(here, options.sizes, matters)
        else:
            chosen = Material(root, files)
        self._trials = self._with(chosen, folder)
        sample = {
            "files": len(files),
            "bytes": sum(file.want.size for file in files),
            "bound": matters,
            "large": sum(file.want.size >= 64 << 20 for file in files),
        }
        self._tell(folder, sample)
        number = 0
        while True:
            self._check()
            order = self._order(number)
            if order is not None:
                self._answer(number, order, folder, files)
                self._tell(folder, sample)
                number += 1
            elif os.path.exists(os.path.join(options.work, "inbox", "end")):
                return
            else:
                time.sleep(_PAUSE)

    def _with(self, chosen: Material, folder: Scratch, more: str = "") -> Trials:
        return Trials(
            chosen,
            folder,
            self._mounts,
            self._options.preserve,
            self._check,
            self._options.prefix + more,
        )

    def _files(self) -> tuple[list[material.File], str]:
        options = self._options
        if options.sizes:
            matters = bound(len(options.sizes), sum(options.sizes))
            return [_named(number, size) for number, size in enumerate(options.sizes)], matters
        if options.sample:
            files = material.from_ascii(options.sample)
        else:
            files = material.look(to_bytes(options.source), options.look, self._check)
        matters = bound(len(files), sum(file.want.size for file in files))
        return material.usable(files, matters), matters

    def _order(self, number: int) -> Order | None:
        path = os.path.join(self._options.work, "inbox", f"{number}.json")
        try:
            with open(path, encoding="ascii") as stream:
                return Order.from_json(json.load(stream))
        except FileNotFoundError:
            return None

    def _answer(
        self, number: int, order: Order, folder: Scratch, files: list[material.File]
    ) -> None:
        trials = self._trials
        if order.kind == WRITE and not self._options.sizes:
            if self._made is None:
                here = os.path.join(to_bytes(self._options.work), b"local")
                sizes = [file.want.size for file in files]
                self._made = self._with(material.make_local(here, sizes, order.bound), folder, "w")
            trials = self._made
        elif order.kind == READ and self._options.sizes:
            raise IngestError("files that are made for a calibration have no source to read")
        found = trials.run(order)
        path = os.path.join(self._options.work, "out", f"{number}.json")
        with open(path + ".part", "w", encoding="ascii") as stream:
            json.dump(found._asdict(), stream)
        os.replace(path + ".part", path)

    def _tell(self, folder: Scratch, sample: dict[str, Any]) -> None:
        found = os.statvfs(self._places[0])
        self._status.write(
            "running",
            ready=True,
            token=folder.token,
            mounts=len(self._places),
            sample=sample,
            processors=len(os.sched_getaffinity(0)),
            bytes_free=found.f_bavail * found.f_frsize,
            clock=time.monotonic(),
        )


def _named(number: int, size: int) -> material.File:
    want = material.Want(0o100600, 0, 0, size, 0, 0, 0)
    return material.File(b"", b"%d" % number, want)
