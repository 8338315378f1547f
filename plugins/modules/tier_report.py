#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report what a tiering run did. The work is done by its action plugin, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_report
short_description: Report what a tiering run did
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Writes C(tier.json), C(metrics.prom) and the page C(tier.html) into the run folder on the
    controller, and prints a summary. Touches no host.
  - Fails if a file could not be moved. A file that is hot is no failure.
options:
  run_dir:
    description: The run folder on the controller, made if it is missing. Its name is the run's.
    type: path
    required: true
  path:
    description: What users see.
    type: str
    required: true
  plan:
    description: What M(scaleout.ingest.tier_plan) answered.
    type: dict
    required: true
  moves:
    description: What M(scaleout.ingest.tier_move) answered on each host.
    type: list
    elements: dict
    default: []
  use:
    description: How full the pools are now, in percent, as M(scaleout.ingest.tier_fold) answers.
    type: dict
    default: {}
  started:
    description: When the run began, in seconds since 1970.
    type: float
    required: true
  metrics_file:
    description: A second place for C(metrics.prom), for Prometheus' node exporter.
    type: path
  fail:
    description: Whether the task fails if a file could not be moved.
    type: bool
    default: true
attributes:
  check_mode:
    description: Reports the preview; the file for Prometheus is left as it is.
    support: full
  diff_mode:
    description: Nothing that people read changes.
    support: none
  idempotent:
    description: The same run gives the same files, but for the time.
    support: partial
    details: The time of the end is in them.
seealso:
  - module: scaleout.ingest.tier_migrate
"""

EXAMPLES = r"""
- name: Report
  scaleout.ingest.tier_report:
    run_dir: runs/tier-20260102T030405
    path: /srv/data
    plan: "{{ planned }}"
    moves: ["{{ moved }}"]
    started: "{{ begun }}"
"""

RETURN = r"""
summary:
  description: What was printed.
  returned: success
  type: list
  elements: str
  sample: ["Tiering 20260102T030405: 4,100 files, 81.6 GB moved in 6 min 02 s"]
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
  sample: [runs/tier-20260102T030405/tier.json]
totals:
  description: Names of files by what became of them, and the bytes moved.
  returned: success
  type: dict
  sample: {moved: 4100, hot: 3, outdated: 0, skipped: 0, failed: 0, moved_bytes: 81604378624}
"""
