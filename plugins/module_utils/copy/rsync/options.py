# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the user's rsync options fit a plan, and what is asked of the installed rsync."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from typing import Iterable, NamedTuple

from ...core.errors import IngestError

OLDEST = (3, 0, 9)
_NANOSECONDS = (3, 1, 3)  # the first that knows --modify-window=-1

# What passes through: flags, and options with a value.
_FLAGS = frozenset(
    (
        "acls",
        "archive",
        "atimes",
        "checksum",
        "compress",
        "crtimes",
        "devices",
        "executability",
        "fake-super",
        "fsync",
        "group",
        "hard-links",
        "human-readable",
        "itemize-changes",
        "links",
        "new-compress",
        "no-compress",
        "no-devices",
        "no-group",
        "no-owner",
        "no-perms",
        "no-specials",
        "no-whole-file",
        "numeric-ids",
        "old-compress",
        "omit-link-times",
        "omit-dir-times",
        "one-file-system",
        "open-noatime",
        "owner",
        "partial",
        "perms",
        "preallocate",
        "sparse",
        "specials",
        "stats",
        "super",
        "times",
        "verbose",
        "whole-file",
        "xattrs",
        "8-bit-output",
        "no-human-readable",
        "no-acls",
        "no-xattrs",
        "no-sparse",
        "no-o",
        "no-g",
        "no-p",
        "no-D",
        "no-A",
        "no-X",
        "no-S",
        "no-z",
        "no-W",
        "no-h",
        "no-v",
        "no-super",
    )
)
_VALUES = frozenset(
    (
        "block-size",
        "bwlimit",
        "checksum-choice",
        "cc",
        "checksum-seed",
        "chmod",
        "chown",
        "compress-choice",
        "compress-level",
        "debug",
        "groupmap",
        "info",
        "modify-window",
        "skip-compress",
        "temp-dir",
        "timeout",
        "usermap",
        "zc",
        "zl",
        "contimeout",
        "max-alloc",
    )
)
_SHORT = {
    "a": "archive",
    "h": "human-readable",
    "v": "verbose",
    "z": "compress",
    "X": "xattrs",
    "A": "acls",
    "H": "hard-links",
    "S": "sparse",
    "x": "one-file-system",
    "c": "checksum",
    "W": "whole-file",
    "l": "links",
    "p": "perms",
    "t": "times",
    "g": "group",
    "o": "owner",
    "D": "devices",
    "U": "atimes",
    "N": "crtimes",
    "E": "executability",
    "i": "itemize-changes",
    "8": "8-bit-output",
    "O": "omit-dir-times",
    "J": "omit-link-times",
    "B": "block-size",
    "T": "temp-dir",
    "@": "modify-window",
}
# Ours already, or without a meaning for one part of a plan: taken, and not handed on.
_DROPPED = frozenset(
    ("archive", "hard-links", "progress", "itemize-changes", "8-bit-output", "stats")
)

_PART = "a part of the plan holds only some of a directory's entries"
_LIST = "the plan gives each rsync its list of items"
_LEAVE_OUT = "it would leave out items of the plan unnoticed; use ingest_include, ingest_exclude"
_FOLLOW = "the plan copies symbolic links as links and never follows them"
_PROOF = "the second phase could no longer tell what was copied"
_REMOTE = "each ingestor copies between its own mounts"
_REFUSED: dict[str, str] = {
    "delete": _PART,
    "del": _PART,
    "max-delete": _PART,
    "force": _PART,
    "prune-empty-dirs": _PART,
    "m": _PART,
    "delay-updates": "the first phase writes files in place",
    "files-from": _LIST,
    "from0": _LIST,
    "0": _LIST,
    "relative": _LIST,
    "no-relative": _LIST,
    "R": _LIST,
    "no-R": _LIST,
    "implied-dirs": _LIST,
    "no-implied-dirs": _LIST,
    "recursive": _LIST,
    "r": _LIST,
    "no-recursive": _LIST,
    "dirs": _LIST,
    "d": _LIST,
    "old-dirs": _LIST,
    "no-dirs": _LIST,
    "mkpath": _LIST,
    "inc-recursive": _LIST,
    "no-inc-recursive": _LIST,
    "include": _LEAVE_OUT,
    "exclude": _LEAVE_OUT,
    "filter": _LEAVE_OUT,
    "f": _LEAVE_OUT,
    "F": _LEAVE_OUT,
    "include-from": _LEAVE_OUT,
    "exclude-from": _LEAVE_OUT,
    "C": _LEAVE_OUT,
    "cvs-exclude": _LEAVE_OUT,
    "existing": _LEAVE_OUT,
    "ignore-existing": _LEAVE_OUT,
    "ignore-non-existing": _LEAVE_OUT,
    "max-size": _LEAVE_OUT,
    "min-size": _LEAVE_OUT,
    "update": _LEAVE_OUT,
    "u": _LEAVE_OUT,
    "stop-after": _LEAVE_OUT,
    "stop-at": _LEAVE_OUT,
    "time-limit": _LEAVE_OUT,
    "safe-links": _LEAVE_OUT,
    "ignore-missing-args": _LEAVE_OUT,
    "copy-links": _FOLLOW,
    "L": _FOLLOW,
    "copy-dirlinks": _FOLLOW,
    "k": _FOLLOW,
    "keep-dirlinks": _FOLLOW,
    "K": _FOLLOW,
    "copy-unsafe-links": _FOLLOW,
    "munge-links": _FOLLOW,
    "no-links": _FOLLOW,
    "no-l": _FOLLOW,
    "copy-devices": _FOLLOW,
    "write-devices": _FOLLOW,
    "dry-run": "use Ansible's check mode",
    "n": "use Ansible's check mode",
    "list-only": "use Ansible's check mode",
    "remove-source-files": "the source exists once and is only read",
    "remove-sent-files": "the source exists once and is only read",
    "inplace": "the first phase has it and the second must not",
    "append": _PROOF,
    "append-verify": _PROOF,
    "size-only": _PROOF,
    "ignore-times": _PROOF,
    "I": _PROOF,
    "no-times": _PROOF,
    "no-t": _PROOF,
    "quiet": _PROOF,
    "q": _PROOF,
    "out-format": _PROOF,
    "log-format": _PROOF,
    "log-file": _PROOF,
    "log-file-format": _PROOF,
    "stderr": _PROOF,
    "msgs2stderr": _PROOF,
    "no-msgs2stderr": _PROOF,
    "backup": "a repaired item would leave its first copy behind",
    "b": "a repaired item would leave its first copy behind",
    "backup-dir": "a repaired item would leave its first copy behind",
    "suffix": "a repaired item would leave its first copy behind",
    "partial-dir": "the first phase writes files in place",
    "link-dest": "hard links are made by the plan",
    "compare-dest": _LEAVE_OUT,
    "copy-dest": _LEAVE_OUT,
    "fuzzy": _PROOF,
    "y": _PROOF,
    "rsh": _REMOTE,
    "e": _REMOTE,
    "rsync-path": _REMOTE,
    "daemon": _REMOTE,
    "server": _REMOTE,
    "sender": _REMOTE,
    "config": _REMOTE,
    "port": _REMOTE,
    "address": _REMOTE,
    "sockopts": _REMOTE,
    "password-file": _REMOTE,
    "remote-option": _REMOTE,
    "M": _REMOTE,
    "read-batch": _REMOTE,
    "write-batch": _REMOTE,
    "only-write-batch": _REMOTE,
    "iconv": "names are kept byte for byte",
    "s": _REMOTE,
    "protect-args": _REMOTE,
}
_KEPT = {"acls": "-A", "xattrs": "-X", "sparse": "-S", "mode": "-p", "owner": "-og"}
_QUIET_ENVIRONMENT = ("RSYNC_", "POPT_")


class Installed(NamedTuple):
    """An rsync on this host."""

    program: str
    version: tuple[int, ...]

    @property
    def number(self) -> str:
        """The version as rsync writes it."""
        return ".".join(map(str, self.version))


def check_options(options: Iterable[str]) -> list[str]:
    """The user's options as they are handed to rsync.

    Raises:
        IngestError: an option is unknown here or would break the plan; the sentence says why.
    """
    checked: list[str] = []
    waiting = ""
    words = list(options)
    if len(words) == 1 and words[0].startswith(
        "-"
    ):  # as one text, like msrsync's --rsync "-ahv -z"
        try:
            words = shlex.split(words[0])
        except ValueError as error:
            raise IngestError(f"'{words[0]}' in ingest_rsync_options: {error}") from error
    for word in words:
        if waiting:
            checked.append(waiting + word)
            waiting = ""
        elif word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            waiting = _long(name, bool(equals), value, checked)
        elif word.startswith("-") and len(word) > 1 and word != "--":
            waiting = _short(word, checked)
        else:
            raise IngestError(f"'{word}' in ingest_rsync_options is not an option of rsync")
    if waiting:
        raise IngestError(
            f"the option '{waiting.rstrip('=')}' in ingest_rsync_options needs a value"
        )
    return checked


def _long(name: str, has_value: bool, value: str, checked: list[str]) -> str:
    """Check one long option; returns what still waits for its value."""
    option = "--" + name
    reason = _REFUSED.get(name) or (_PART if name.startswith("delete") else None)
    if reason:
        raise _refusal(option, reason)
    if has_value and name in _VALUES:
        checked.append(f"{option}={value}")
    elif not has_value and name in _VALUES:
        return option + "="
    elif has_value or (name not in _FLAGS and name not in _DROPPED):
        raise IngestError(
            f"the option '{option + ('=' + value if has_value else '')}' in ingest_rsync_options is not one that this collection hands to rsync"
        )
    elif name not in _DROPPED:
        checked.append(option)
    return ""


def _short(word: str, checked: list[str]) -> str:
    """Check a group of short options; returns what still waits for its value."""
    letters = word[1:]
    for at, letter in enumerate(letters):
        if letter in _REFUSED:
            raise _refusal("-" + letter, _REFUSED[letter])
        if letter == "P":  # --partial --progress
            checked.append("--partial")
            continue
        name = _SHORT.get(letter)
        if name is None:
            raise IngestError(
                f"the option '-{letter}' in ingest_rsync_options is not one that this collection hands to rsync"
            )
        if name in _VALUES:
            rest = letters[at + 1 :]
            if not rest:
                return f"--{name}="
            checked.append(f"--{name}={rest}")
            return ""
        if name not in _DROPPED:
            checked.append("-" + letter)
    return ""


def _refusal(option: str, reason: str) -> IngestError:
    return IngestError(
        f"the option '{option}' in ingest_rsync_options would break the plan: {reason}"
    )


def environment() -> dict[str, str]:
    """The environment for rsync: its messages in English, none of the caller's defaults."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_QUIET_ENVIRONMENT)}
    kept["LC_ALL"] = "C"
    return kept


def find_rsync(host: str, program: str = "rsync") -> Installed:
    """The rsync of this host, which the messages call ``host``.

    Raises:
        IngestError: there is none, it does not run, or it is older than 3.0.9.
    """
    path = shutil.which(program)
    if path is None:
        raise IngestError(
            f"rsync is not installed on host {host}: install the package 'rsync' there"
        )
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environment(),
            check=False,
        )
    except OSError as error:
        raise IngestError(f"{path} on host {host} does not run: {error.strerror}") from error
    found = re.match(rb"rsync +version +v?(\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    if done.returncode or found is None:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise IngestError(
            f"{path} on host {host} is not an rsync that works: {said[:200] or 'no answer'}"
        )
    version = tuple(int(part or 0) for part in found.groups())
    if version < OLDEST:
        raise IngestError(
            f"rsync {'.'.join(map(str, version))} on host {host} is too old: the package 'rsync' is needed in version {'.'.join(map(str, OLDEST))} or newer"
        )
    return Installed(path, version)


def command(
    rsync: Installed, preserve: frozenset[str], options: list[str], granularity: int = 1
) -> list[str]:
    """rsync and its options but for the list, the phase and the two trees.

    ``granularity`` is the step (ns) in which the destination keeps times. Raises IngestError if
    the times are not to be kept: both phases compare them.
    """
    if "times" not in preserve:
        raise IngestError(
            "the methods rsync and msrsync compare times: ingest_preserve must hold 'times'"
        )
    made = [rsync.program, "-ltD"]
    made += [flag for name, flag in _KEPT.items() if name in preserve]
    made += ["--numeric-ids", "-R", "--no-implied-dirs", "-O"]
    if granularity > 1_000_000_000:
        made.append("--modify-window=1")
    elif granularity == 1 and rsync.version >= _NANOSECONDS:
        made.append("--modify-window=-1")
    return made + options


def try_options(rsync: Installed, arguments: list[str], host: str) -> None:
    """Let this rsync read its options, with nothing to copy.

    Raises:
        IngestError: it doesn't know one of them, or is built without what it needs. The sentence
            names the host, the version and the option.
    """
    done = subprocess.run(
        [*arguments, "--dry-run", "--files-from=-", "--from0", "/", "/"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        check=False,
    )
    if done.returncode == 0:
        return
    said = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
    unknown: re.Match[str] | None = re.match(
        r"rsync: (?:on remote machine: )?(-\S+): (unknown option)", said
    )
    if unknown:
        raise IngestError(
            f"rsync {rsync.number} on host {host} is too old for the option {unknown.group(1)} in ingest_rsync_options, or built without it"
        )
    raise IngestError(
        "rsync %s on host %s refuses the options %s: %s"
        % (rsync.number, host, " ".join(arguments[1:]), said or "exit status %d" % done.returncode)
    )
