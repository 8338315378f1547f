# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module has that copies a host's part of a plan."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of the copying modules."""

    DOCUMENTATION = r"""
options:
  run_dir:
    description:
      - The run folder on the controller, with the C(plan.db) that M(scaleout.ingest.plan) made.
    type: path
    required: true
  source:
    description: The source as this host sees it. The plan's source unless given.
    type: str
  destinations:
    description:
      - The mounts of the destination on this host. The plan's destinations unless given.
      - They must all be the same directory, seen over different mounts.
    type: list
    elements: str
  workers:
    description:
      - Copies at once on this host, or V(auto).
      - V(auto) is one a processor, and 16 a processor, at most 64, where the source or the
        destination is a network mount. There the module M(scaleout.ingest.parallel_copy) adapts the
        number to the rate that it sees while it copies, up to 128.
    type: str
    default: auto
  bandwidth_limit:
    description:
      - Bytes a second that all hosts of the plan together may write, as a number or with a unit
        (V(100M)); V(0) is no limit. The hosts that are at work share it, and on each its workers.
      - With rsync each process gets an equal part on a host, when it starts.
    type: str
    default: "0"
  file_rate_limit:
    description:
      - Entries a second that all hosts of the plan together may copy or check, in the same way.
    type: str
    default: "0"
  windows:
    description:
      - Other limits by weekday and time of day, by the controller's clock. The first one holds in
        which it is that time; what it does not say stays as outside.
      - Each is a mapping of C(days) (C(mon-fri), or a list; all unless given), C(hours)
        (C(08:00-18:00); C(22:00-06:00) ends on the next day; all unless given), and at least one
        of C(bandwidth_limit), C(file_rate_limit) and C(pause) (true or false).
    type: list
    elements: dict
    default: []
  fsync:
    description: Whether each file is flushed to stable storage before it counts as copied.
    type: bool
    default: false
  repair:
    description:
      - Whether what the second pass finds wrong is copied again and checked again at once. If not,
        it is a failure, and the next run copies it.
    type: bool
    default: false
  retries:
    description:
      - How often what failed as may pass is tried again on this host, after pauses of 1, 3, 9
        seconds and so on, at most 60. That is what a server says that does not answer (C(EIO),
        C(ETIMEDOUT), …), C(ESTALE), C(EAGAIN), and C(ENOSPC), as space may be made. Before that
        it is tried at once over the other mounts, and after it as often on another host of the
        plan that is at work. What else fails is not tried again.
    type: int
    default: 3
  lease:
    description:
      - Seconds after which a host that was not heard of counts as dead and its shards go to the
        others. The host itself stops a little earlier.
    type: int
    default: 60
  stall_timeout:
    description:
      - Seconds after which a mount whose workers say nothing is left out, if its server does not
        answer while another mount and the source do. Its work is done again over the other mounts.
      - A mount whose server answers is left out after five times as long. After five times as long
        the run on this host fails if no mount answers, or the source does not. V(0) waits for ever.
      - Where the mount itself ends calls to a dead server, as C(softerr) does, it is left out when
        that has happened and the server does not answer.
    type: int
    default: 60
  lost_host:
    description:
      - What a host that dies in the middle means. Its work goes to the other hosts, and what it had
        is checked there like everything else.
      - V(warn) is a warning; V(fail) makes this task fail when the others have done the work.
    type: str
    choices: [warn, fail]
    default: warn
  destination_lock:
    description:
      - Whether the destination is locked while hosts write it, so that only one run at a time does.
        A run waits for what another one left behind, and is refused when another one is at work.
      - The lock is the directory C(.ingest-lock) in the destination, with a file for each host that
        is at work. It is gone at the end.
    type: bool
    default: true
  left_out:
    description:
      - Mounts left out already, as M(scaleout.ingest.preflight) found them, for the report.
    type: list
    elements: dict
    default: []
  tolerate_failures:
    description:
      - Whether the task succeeds although items failed. They are in C(plan.db) all the same, and
        M(scaleout.ingest.report) fails for them.
    type: bool
    default: false
attributes:
  check_mode:
    description: Shows what this host would copy over which mount, and writes nothing.
    support: full
  diff_mode:
    description: In diff mode the planned shards are listed.
    support: full
  idempotent:
    description: A second run copies nothing and reports no change.
    support: full
"""
