#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare runs; done by the action plugin, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compare_runs
short_description: Make a page that compares runs
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Writes one self-contained page for a browser, with the rates, times, ends, and parameters that
    differ, of some runs, from the C(stats.json) in their folders.
  - Runs on the controller and touches no host.
options:
  runs:
    description: Folders of runs, or folders that hold some, on the controller.
    type: list
    elements: path
    required: true
  page:
    description: The page, on the controller.
    type: path
    required: true
attributes:
  action:
    description: Runs on the controller only; no host is asked.
    support: full
  check_mode:
    description: Writes nothing.
    support: full
  diff_mode:
    description: Nothing changes on a host.
    support: none
  idempotent:
    description: The same runs give the same page.
    support: full
"""

EXAMPLES = r"""
- name: Compare all runs
  scaleout.ingest.compare_runs:
    runs: [runs]
    page: runs.html
"""

RETURN = r"""
page:
  description: The page.
  returned: success
  type: str
  sample: /home/user/runs.html
runs:
  description: The folders of the runs that are in it.
  returned: success
  type: list
  elements: str
  sample: [/home/user/runs/20260102T030405-22c224]
"""
