# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Live progress of scan and copy: a block on a terminal, a line now and then in a log."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: aggregate
short_description: Live progress of an ingest
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - On a terminal, shows one block that is kept up to date, with a line for each host and a total,
    with percent, files/s, MB/s and the time that is left.
  - Elsewhere, writes a line every ten seconds; to the standard error if the stdout callback writes
    JSON.
  - Works with any strategy and any number of forks, beside any stdout callback.
requirements:
  - Enable it with C(callbacks_enabled = scaleout.ingest.progress) in the section C([defaults]) of
    C(ansible.cfg), or with the environment variable E(ANSIBLE_CALLBACKS_ENABLED).
options:
  log_interval:
    description: Seconds between two lines when the output is no terminal.
    type: float
    default: 10
    env:
      - name: SCALEOUT_INGEST_LOG_INTERVAL
    ini:
      - section: callback_progress
        key: log_interval
  refresh_interval:
    description: Seconds between two pictures on a terminal.
    type: float
    default: 0.5
    env:
      - name: SCALEOUT_INGEST_REFRESH_INTERVAL
    ini:
      - section: callback_progress
        key: refresh_interval
"""

import atexit
import json
import os
import select
import shutil
import socket
import stat
import sys
import tempfile
import threading
import time
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.scaleout.ingest.plugins.plugin_utils import stdout
from ansible_collections.scaleout.ingest.plugins.plugin_utils.progress_sender import VARIABLE
from ansible_collections.scaleout.ingest.plugins.plugin_utils.progress_text import State

_PREFIX = "scaleout-ingest-"
_SOCKET = "progress"
_UP_AND_CLEAR = "\x1b[%dA\r\x1b[J"


class CallbackModule(CallbackBase):
    """Receives the datagrams of Ansible's worker processes, and owns the last lines of the
    screen."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "scaleout.ingest.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._state = State()
        self._lines = 0
        self._drawn_at = 0.0
        self._process = os.getpid()
        self._folder = ""
        self._stop = threading.Event()

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Open the socket, whose name Ansible's workers inherit, and start to listen."""
        if self._folder:
            return
        try:
            _sweep()
            self._folder = tempfile.mkdtemp(prefix=_PREFIX)
            path = os.path.join(self._folder, _SOCKET)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.bind(path)
        except OSError as error:
            self._display.warning(f"scaleout.ingest.progress: no live progress: {error}")
            return
        os.environ[VARIABLE] = path
        self._aside = stdout.for_programs()
        self._terminal = (
            not self._aside and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        )
        self._interval = float(
            self.get_option("refresh_interval" if self._terminal else "log_interval")
        )
        self._drawn_at = time.monotonic()
        if self._terminal:
            self._show = self._display.display
            self._display.display = self._display_below_nothing
        atexit.register(self._end)
        threading.Thread(target=self._listen, daemon=True).start()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The run is over."""
        self._end()

    def _end(self) -> None:
        if os.getpid() != self._process or self._stop.is_set():
            return
        self._stop.set()
        with self._display._lock:
            try:
                self._clear()
            except (OSError, ValueError):
                pass  # nobody reads any more
        os.environ.pop(VARIABLE, None)
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- the screen ----------------------------------------------------------------------------

    def _display_below_nothing(self, *arguments: Any, **options: Any) -> None:
        """Every other output takes the block's place; the next picture comes below it."""
        if os.getpid() != self._process:
            self._show(*arguments, **options)
            return
        with self._display._lock:
            self._clear()
            self._show(*arguments, **options)
            sys.stdout.flush()

    def _clear(self) -> None:
        if self._lines:
            sys.stdout.write(_UP_AND_CLEAR % self._lines)
            sys.stdout.flush()
            self._lines = 0

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        with self._display._lock:
            if self._stop.is_set():
                return
            self._clear()
            lines = self._state.block(size.columns - 1, max(1, size.lines - 2))
            if lines:
                sys.stdout.write("\n".join(lines) + "\n")
                sys.stdout.flush()
                self._lines = len(lines)

    def _log(self) -> None:
        line = self._state.line()
        if line:
            self._display.display(line, stderr=self._aside)
            (sys.stderr if self._aside else sys.stdout).flush()

    def _listen(self) -> None:
        """The thread: never raises, and holds no lock but the display's when Ansible forks."""
        try:
            while not self._stop.is_set():
                wait = self._drawn_at + self._interval - time.monotonic()
                if wait > 0:
                    if select.select([self._socket], [], [], min(wait, 0.5))[0]:
                        self._take(self._socket.recv(65536))
                    continue
                self._drawn_at = time.monotonic()
                if self._terminal:
                    self._draw()
                else:
                    self._log()
        except (OSError, ValueError):
            pass  # the output is closed: the run goes on without

    def _take(self, data: bytes) -> None:
        try:
            self._state.take(json.loads(data), time.monotonic())
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # not ours


def _sweep() -> None:
    """Remove what killed runs of this user left: sockets that nobody listens to."""
    with os.scandir(tempfile.gettempdir()) as entries:
        found = [entry.path for entry in entries if entry.name.startswith(_PREFIX)]
    for folder in found:
        try:
            own = os.lstat(folder)
            if not stat.S_ISDIR(own.st_mode) or own.st_uid != os.geteuid():
                continue
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
                asking.connect(os.path.join(folder, _SOCKET))
        except ConnectionRefusedError:
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # somebody else's, or one that is being made
