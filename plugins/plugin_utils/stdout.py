# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns the standard output: people, or a callback that writes for programs."""

from __future__ import annotations

from ansible import constants
from ansible.utils.display import Display

_PROGRAMS = ("json", "jsonl")  # one document, or one on each line, and nothing besides
_WHOLE_RESULTS = ("minimal", "oneline")  # they show all that a task answers


def _callback() -> str:
    return str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK")).rpartition(".")[2]


def for_programs() -> bool:
    """Whether nothing else may be written to the standard output."""
    return _callback() in _PROGRAMS


def shows_results() -> bool:
    """Whether what a task answers is shown in any case, all of it."""
    return _callback() in _WHOLE_RESULTS


def tell(display: Display, lines: list[str]) -> bool:
    """Show some lines to people; whether there are any who read them."""
    if for_programs():
        return False
    display.display("\n%s\n" % "\n".join(lines))
    return True
