#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split an index over hosts; done by the action plugin, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Split a manifest over the hosts
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Reads the index that M(scaleout.ingest.manifest) made and writes C(plan.db), with each host's
    shards, into the same run folder. Runs on the controller and touches no host.
  - What the scan found to be right at the destination is left out, and with it each directory in
    which nothing else is to be done. With O(verify=checksum) it is read back in the second pass.
  - Hard links become links of their group's first item, made when it has its data, wherever it was
    copied. The metadata of directories comes last.
options:
  run_dir:
    description: The run folder on the controller.
    type: path
    required: true
  source:
    description: The source as the hosts see it.
    type: str
    required: true
  destinations:
    description: The mounts of the destination on each host.
    type: list
    elements: str
    required: true
  hosts:
    description: The hosts to plan for, in this order.
    type: list
    elements: str
    required: true
  method:
    description: What will move the data.
    type: str
    default: copy
  split:
    description:
      - V(round_robin) gives host i of N the items i, i+N and so on, as C(sed -n i~Np) does.
      - V(balanced) deals equal shares of the estimated cost, by bytes and files, largest first.
      - V(dynamic) leaves the shards to whoever is free.
    type: str
    choices: [round_robin, balanced, dynamic]
    default: round_robin
  min_depth:
    description: From this depth on a directory is one item, together with its direct entries.
    type: int
  max_depth:
    description: Directories of this depth are one item with all that lies below them.
    type: int
  preserve:
    description: What is kept. Without V(links) each name of a file is copied on its own.
    type: list
    elements: str
    choices: [mode, owner, times, xattrs, acls, links, sparse]
    default: [mode, owner, times, xattrs, acls, links, sparse]
  verify:
    description:
      - The second pass, each part by another host and over another mount than it was copied.
      - V(metadata) compares all that O(preserve) names, with type, size, link texts and devices,
        V(checksum) also the contents, read back from where they are stored.
      - What the copy found up to date was compared then. With V(metadata) it is not looked at
        once more, unless O(verify_all).
      - Both find what the destination has and the source has not, see O(extra).
    type: str
    choices: [none, metadata, checksum]
    default: metadata
  verify_all:
    description: Whether a second pass of metadata looks at everything, V(checksum) always does.
    type: bool
    default: false
  extra:
    description:
      - What is done about entries that the destination has and the source has not, such as those of
        files that were removed from the source. What its filters and globs leave out is none.
      - V(report) counts them and names them in C(extras.jsonl), V(fail) makes the run fail, too,
        after its report. Nothing is removed.
    type: str
    choices: [report, fail]
    default: report
  shard_items:
    description: The most items in a shard.
    type: int
    default: 2000
  shard_bytes:
    description: The most bytes in a shard, unless one file has more.
    type: int
    default: 4294967296
  range_threshold:
    description: Larger files (bytes) are copied in ranges, by many workers at once; V(0) is never.
    type: int
    default: 67108864
  range_size:
    description: Bytes of a range, a multiple of 1 MiB.
    type: int
    default: 16777216
  copy_commands:
    description:
      - Whether the run folder also gets a script for each host with C(cp -p -R) commands,
        C(client1_copy_commands) and so on, for those who run them by hand with bash, and
        C(last_copy_commands) for when all are done.
    type: bool
    default: false
  items:
    description:
      - Which items of the index are planned. By default V(query) or V(diff) if that option is
        given, otherwise V(all).
      - What was chosen is an index of its own, C(chosen) in the run folder.
    type: str
    choices: [all, query, diff]
  query:
    description:
      - An SQL query of the views of the index (see docs/index.md) whose first column are paths,
        relative to the source or with the source before them, as C(path() || '/' || name) gives
        them. Only these are planned, with the directories that they are in.
      - The path of a directory means itself, without what it holds.
    type: str
  diff:
    description:
      - An earlier index of the source, the folder of an earlier run, or a folder of generations.
        Only what was added or changed since is planned, with the directories that it is in. What
        was moved since counts as added under its new path.
      - What was removed since is reported and stays at the destination. All differences are listed
        in C(difference.jsonl) in the run folder.
      - A run that did not copy everything is refused, as what it left out does not differ.
    type: path
  holds:
    description:
      - The fact C(ingest_destination_holds) of M(scaleout.ingest.capabilities). With it there are
        warnings for what the tree has and the destination can't keep, and names that would become
        one file there are an error.
    type: dict
  check_space:
    description:
      - Whether a source that needs more bytes or inodes than O(holds) says are free is an error,
        if the destination is empty or missing, and otherwise a warning.
      - Switch it off for a destination that compresses.
    type: bool
    default: true
  nodes:
    description:
      - How many addresses the cluster has; warns of more files than a cluster of that size usually
        manages. V(0) is no cluster.
    type: int
    default: 0
  rsync_options:
    description:
      - The options that the methods with rsync will be given. With one that makes rsync look at
        more than size, time and what is kept, such as C(--checksum), nothing is left out of the
        plan.
    type: list
    elements: str
    default: []
  resume:
    description:
      - With V(auto) a run folder whose run was not brought to its end is gone on with. What is
        complete there is not done again, unless an option makes it another one, which is a warning
        that names it; or unless its stage was asked for by its tag.
      - With V(never) all is done again.
    type: str
    choices: [auto, never]
    default: never
  retry_failed:
    description: Whether only what failed in the run of this folder is to be tried again.
    type: bool
    default: false
  overlap:
    description:
      - Whether the plan begins with the scan of the source, which the hosts do while they copy
        with M(scaleout.ingest.parallel_copy). There is no index yet then, and nothing else in the
        plan. The index is made in O(run_dir) when all is scanned.
      - An interrupted run goes on with what was scanned, unless O(resume=never).
    type: bool
    default: false
    version_added: 0.2.0
  scan:
    description:
      - With O(overlap), how the source is scanned, as the options C(include), C(exclude),
        C(globs), C(one_file_system), C(workers) and C(threads) of M(scaleout.ingest.manifest) say
        it; and C(compare), whether what the destination has already is left out.
    type: dict
    version_added: 0.2.0
attributes:
  check_mode:
    description: Writes the same plan, into the run folder only.
    support: full
  diff_mode:
    description: A plan changes no host.
    support: none
  idempotent:
    description: The same index gives the same plan.
    support: full
seealso:
  - module: scaleout.ingest.manifest
  - module: scaleout.ingest.parallel_copy
"""

EXAMPLES = r"""
- name: Split what the manifest has over all ingestors
  scaleout.ingest.plan:
    run_dir: ./runs/first
    source: /usr/share/zoneinfo
    destinations: [/mnt/destination1, /mnt/destination2]
    hosts: "{{ groups.ingestors }}"
  run_once: true

- name: By cost, whole directories of the fourth level
  scaleout.ingest.plan:
    run_dir: ./runs/first
    source: /usr/share/zoneinfo
    destinations: [/mnt/destination1]
    hosts: "{{ groups.ingestors }}"
    split: balanced
    max_depth: 4
  run_once: true

- name: Only what is new or changed since an earlier run
  scaleout.ingest.plan:
    run_dir: ./runs/second
    source: /usr/share/zoneinfo
    destinations: [/mnt/destination1]
    hosts: "{{ groups.ingestors }}"
    diff: ./runs/first
  run_once: true
"""

RETURN = r"""
chosen:
  description:
    - What was chosen, if O(query) or O(diff) is given. Of a difference C(counts) has what was
      added, changed and removed.
  returned: when not all items are planned
  type: dict
  sample: {items: query, query: SELECT path || '/' || name FROM pentries, entries: 12}
copy_commands:
  description: The scripts that O(copy_commands) asked for.
  returned: when O(copy_commands)
  type: list
  elements: str
  sample: [/runs/first/client1_copy_commands, /runs/first/last_copy_commands]
estimate:
  description:
    - How long the copy will take, in seconds, at least and at most, by earlier runs with this
      method to one of these destinations, whose folders lie beside O(run_dir). See C(stats.json),
      which check mode writes, too.
  returned: when there are such runs
  type: dict
  sample: {low: 310.5, high: 402.0, runs: [20270115T080000, 20270114T080000]}
item_count:
  description: Items of the plan.
  returned: success
  type: int
  sample: 78635
files:
  description: Entries but directories that are planned.
  returned: success
  type: int
  sample: 78635
directories:
  description: Directories that are planned.
  returned: success
  type: int
  sample: 5096
bytes:
  description: Bytes that are to be copied.
  returned: success
  type: int
  sample: 1298681992
right:
  description:
    - What the scan found at the destination as it is to be, and so is not planned. Files are
      entries but directories. All is 0 where it did not compare.
  returned: success
  type: dict
  sample: {files: 0, directories: 0, bytes: 0}
shards:
  description: Shards of all steps.
  returned: success
  type: int
  sample: 90
hosts:
  description: Each host's share of the data.
  returned: success
  type: dict
  sample: {client1: {items: 26212, files: 26212, bytes: 457648721, cost: 30.79}}
"""
