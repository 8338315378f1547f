#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of a play; done by the action plugin, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: variables
short_description: Check all variables before anything runs
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Checks what is set for the hosts of the play against the argument specs of all roles of this
    collection, once, and says in one sentence for each what is wrong with it.
  - A variable that begins with C(ingest_), C(ingestor_), C(tier_) or C(index_), and that no role
    knows, is an error, with the name that was probably meant. With C(ingest_provider=NAME) those
    that begin with C(ingest_NAME_) belong to that provider's role.
  - What depends on variables that are set later is not checked.
  - Runs on the controller and touches no host.
options:
  required:
    description: Names of variables that must be set.
    type: list
    elements: str
    default: []
  stages:
    description:
      - The tags of the playbook. A run with other tags, or with tags that leave nothing to do, is
        an error.
    type: list
    elements: str
    default: []
attributes:
  action:
    description: Runs on the controller only; no host is asked.
    support: full
  check_mode:
    description: Only looks.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
  idempotent:
    description: Nothing changes.
    support: full
"""

EXAMPLES = r"""
- name: Check all variables
  scaleout.ingest.variables:
    required: [ingest_source]
  vars:
    ingest_source: /usr/share/zoneinfo
  run_once: true
"""

RETURN = r"""
stages:
  description: Those of O(stages) that the run's tags select.
  returned: success
  type: list
  elements: str
  sample: [preflight, scan]
"""
