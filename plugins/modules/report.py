# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Report what an ingest did
version_added: 0.1.0
description:
  - Writes the report of a run into its folder, from C(plan.db) and C(index/) there, and prints a
    summary.
  - C(stats.json) has the numbers, C(failures.jsonl) one line for each item that failed,
    C(extras.jsonl) one for each that only the destination has,
    C(metrics.prom) the numbers for Prometheus' node exporter, and C(report.html) is one
    self-contained page for a browser. C(hosts.csv) and C(failures.csv) are for spreadsheets.
  - Fails if an item failed, if the scan could not read all of the source, if a part of the plan
    is left to do, or if the destination has what the source has not and the plan was made with
    O(scaleout.ingest.plan#module:extra=fail).
  - The report of a run in check mode is its plan.
author:
  - scaleout.ingest contributors (!UNKNOWN)
attributes:
  action:
    support: full
    description: Runs on the controller only; no host is asked.
  check_mode:
    support: full
    description:
      - Writes the same files into the run folder, which is not part of what check mode protects.
  diff_mode:
    support: none
    description: Nothing changes on a host.
  idempotent:
    support: full
    description: The same run folder gives the same report.
options:
  run_dir:
    description: The folder of the run, on the controller.
    type: path
    required: true
  fail:
    description: Whether the task fails when the run did. With V(false) it only reports.
    type: bool
    default: true
  show:
    description:
      - Whether the summary is printed. A stdout callback that writes JSON has it in the result.
    type: bool
    default: true
  metrics_file:
    description:
      - A second place for C(metrics.prom), on the controller, such as a file whose name ends in
        C(.prom) in the directory of the node exporter's textfile collector.
      - The file appears whole or not at all. A run in check mode leaves it as it is.
    type: path
"""

EXAMPLES = r"""
- name: Report the run
  scaleout.ingest.report:
    run_dir: runs/20260102T030405

- name: Make the report of a run again, for Prometheus as well, and don't fail
  scaleout.ingest.report:
    run_dir: runs/20260102T030405
    metrics_file: /var/lib/prometheus/node-exporter/scaleout_ingest.prom
    fail: false
"""

RETURN = r"""
stats:
  description: The sums at the top of C(stats.json), sizes in bytes, times in seconds.
  returned: success or when the run failed
  type: dict
  contains:
    run_id:
      description: The name of the run.
      type: str
      sample: 20260102T030405
    method:
      description: What moved the data.
      type: str
      sample: copy
    split:
      description: How the work was split.
      type: str
      sample: round_robin
    files:
      description: Items copied by this run, other than directories.
      type: int
      sample: 78635
    directories:
      description: Directories made or set right.
      type: int
      sample: 5123
    bytes:
      description: Bytes copied by this run.
      type: int
      sample: 1312345678
    skipped:
      description: Items that were up to date, also those that the scan found so.
      type: int
      sample: 0
    failed:
      description: Items that failed, each counted once; with what the scan could not read.
      type: int
      sample: 0
    repaired:
      description: Items that the check found wrong and copied again.
      type: int
      sample: 0
    removed:
      description: Unfinished files that killed runs had left in the destination.
      type: int
      sample: 0
    extras:
      description: Entries that the destination has and the source has not.
      type: int
      sample: 0
    seconds:
      description: From the first client's start to the last one's end.
      type: float
      sample: 6.0
    files_per_second:
      description: RV(stats.files) divided by RV(stats.copy_seconds).
      type: float
      sample: 18722.6
    bytes_per_second:
      description: RV(stats.bytes) divided by RV(stats.copy_seconds).
      type: float
      sample: 312463256.7
    bound:
      description:
        - The rate that matters, V(bytes) if the mean file has 10 MiB or more, else V(files).
      type: str
      sample: files
    copy_seconds:
      description:
        - How long the copy took, from the first shard that was begun to the last one's end.
      type: float
      sample: 4.2
    check_seconds:
      description:
        - How long the second pass took after it, V(0) if there was none. The second phase of rsync
          is a part of each shard's copy.
      type: float
      sample: 1.6
    scan_seconds:
      description: How long the scan took, V(0) if the index is gone.
      type: float
      sample: 0.8
    plan_seconds:
      description: How long it took to make the plan.
      type: float
      sample: 0.5
summary:
  description: The lines that are printed. Names are in a printable form.
  returned: >-
    success, or when the run failed and O(show=false). Not where a callback such as V(minimal) would
    show them a second time.
  type: list
  elements: str
  sample:
    - "Ingest 20260102T030405 done: 78,635 files, 1.31 GB in 4.2 s"
report:
  description: The page for a browser.
  returned: success or when the run failed
  type: str
  sample: /home/user/runs/20260102T030405/report.html
files:
  description: All files of the report.
  returned: success or when the run failed
  type: list
  elements: str
  sample:
    - /home/user/runs/20260102T030405/stats.json
msg:
  description: One sentence that says how the run ended.
  returned: always
  type: str
  sample: "Ingest 20260102T030405 done: 78,635 files, 1.31 GB in 4.2 s"
"""
