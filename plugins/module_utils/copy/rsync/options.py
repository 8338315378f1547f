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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What passes through: flags, and options with a value.
_FLAGS = _words(
    """
    acls archive atimes checksum compress crtimes devices executability fake-super fsync group
    hard-links human-readable itemize-changes links new-compress no-compress no-devices
    no-group no-owner no-perms no-specials no-whole-file numeric-ids old-compress
    omit-link-times omit-dir-times one-file-system open-noatime owner perms preallocate sparse
    specials stats super times verbose whole-file xattrs 8-bit-output no-human-readable
    no-acls no-xattrs no-sparse no-o no-g no-p no-D no-A no-X no-S no-z no-W no-h no-v
    no-super
    """
)
_VALUES = _words(
    """
    block-size bwlimit checksum-choice cc checksum-seed chmod chown compress-choice
    compress-level debug groupmap info modify-window skip-compress timeout usermap zc zl
    contimeout max-alloc
    """
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
    "@": "modify-window",
}
# Ours already, or without a meaning for one part of a plan: taken, and not handed on. What
# --partial keeps of a file would stand in the place of the older one.
_DROPPED = _words("archive hard-links progress itemize-changes 8-bit-output stats partial")

_REASONS = {
    "a part of the plan holds only some of a directory's entries": (
        "delete del max-delete force prune-empty-dirs m"
    ),
    "the plan gives each rsync its list of items": (
        "files-from from0 0 relative no-relative R no-R implied-dirs no-implied-dirs "
        "recursive r no-recursive dirs d old-dirs no-dirs mkpath inc-recursive "
        "no-inc-recursive"
    ),
    "it would leave out items of the plan unnoticed; use ingest_include, ingest_exclude": (
        "include exclude filter f F include-from exclude-from C cvs-exclude existing "
        "ignore-existing ignore-non-existing max-size min-size update u stop-after "
        "stop-at time-limit safe-links ignore-missing-args compare-dest copy-dest"
    ),
    "the plan copies symbolic links as links and never follows them": (
        "copy-links L copy-dirlinks k keep-dirlinks K copy-unsafe-links munge-links "
        "no-links no-l copy-devices write-devices"
    ),
    "the second phase could no longer tell what was copied": (
        "append append-verify size-only ignore-times I no-times no-t quiet q out-format "
        "log-format log-file log-file-format stderr msgs2stderr no-msgs2stderr fuzzy y"
    ),
    "each ingestor copies between its own mounts": (
        "rsh e rsync-path daemon server sender config port address sockopts password-file "
        "remote-option M read-batch write-batch only-write-batch s protect-args"
    ),
    "use Ansible's check mode": "dry-run n list-only",
    "the source exists once and is only read": "remove-source-files remove-sent-files",
    "the first phase has it and the second must not": "inplace",
    "a repaired item would leave its first copy behind": "backup b backup-dir suffix",
    "hard links are made by the plan": "link-dest",
    "names are kept byte for byte": "iconv",
    "a file that is replaced is renamed into its place, in its own directory": (
        "temp-dir T delay-updates partial-dir"
    ),
}
_REFUSED = {name: reason for reason, names in _REASONS.items() for name in _words(names)}
_KEPT = {"acls": "-A", "xattrs": "-X", "sparse": "-S", "mode": "-p", "owner": "-og"}
_QUIET_ENVIRONMENT = ("RSYNC_", "POPT_")


# With these alone an entry whose size, time and metadata are right stays as it is.
_OF_THE_WAY = _words(
    """
    compress no-compress new-compress old-compress compress-choice compress-level skip-compress zc
    zl block-size bwlimit timeout contimeout max-alloc whole-file no-whole-file verbose info debug
    human-readable no-human-readable no-h numeric-ids preallocate fsync open-noatime progress
    itemize-changes 8-bit-output stats archive hard-links partial links times devices specials
    checksum-choice cc checksum-seed
    """
)


class Installed(NamedTuple):
    """An rsync on this host."""

    program: str
    version: tuple[int, ...]

    @property
    def number(self) -> str:
        """The version as rsync writes it."""
        return ".".join(map(str, self.version))


def accepted_options(options: Iterable[str]) -> list[str]:
    """The user's options as they are handed to rsync.

    Raises:
        IngestError: an option is unknown here or would break the plan; the sentence says why.
    """
    checked: list[str] = []
    waiting = ""
    words = list(options)
    if len(words) == 1 and words[0].startswith("-"):
        # One text, like msrsync's --rsync "-ahv -z".
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


def keeps_the_meaning(options: Iterable[str]) -> bool:
    """Whether rsync would do nothing with these options, either, to what has size, time and what is
    to be preserved as in the source. Raises IngestError, see :func:`accepted_options`."""
    for word in accepted_options(options):
        if word.startswith("--"):
            names = [word[2:].partition("=")[0]]
        else:
            names = [_SHORT[letter] for letter in word[1:]]
        if not _OF_THE_WAY.issuperset(names):
            return False
    return True


def _long(name: str, has_value: bool, value: str, checked: list[str]) -> str:
    """Check one long option; returns what still waits for its value."""
    option = "--" + name
    reason = _REFUSED.get("delete" if name.startswith("delete") else name)
    if reason:
        raise _refusal(option, reason)
    if has_value and name in _VALUES:
        checked.append(f"{option}={value}")
    elif not has_value and name in _VALUES:
        return option + "="
    elif has_value or (name not in _FLAGS and name not in _DROPPED):
        raise _unknown(f"{option}={value}" if has_value else option)
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
            raise _unknown("-" + letter)
        if name in _VALUES:
            rest = letters[at + 1 :]
            if not rest:
                return f"--{name}="
            checked.append(f"--{name}={rest}")
            return ""
        if name not in _DROPPED:
            checked.append("-" + letter)
    return ""


def _unknown(option: str) -> IngestError:
    return IngestError(
        f"the option '{option}' in ingest_rsync_options is not one that this collection hands to"
        " rsync"
    )


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
    found_here = Installed(path, version)
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise IngestError(
            f"rsync {found_here.number} on host {host} is too old: the package 'rsync' is needed in"
            f" version {oldest} or newer"
        )
    return found_here


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
            f"rsync {rsync.number} on host {host} is too old for the option {unknown.group(1)} in"
            " ingest_rsync_options, or built without it"
        )
    raise IngestError(
        f"rsync {rsync.number} on host {host} refuses the options {' '.join(arguments[1:])}:"
        f" {said or f'exit status {done.returncode}'}"
    )
