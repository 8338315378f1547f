#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move files between pools on all hosts. The work is done by its action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_move
short_description: Move files between storage pools on all hosts at once
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Each host of the play takes a piece of the work that no other has, moves it by
    M(scaleout.ingest.tier_migrate), and takes the next, until there is none. So a faster host does
    more.
  - A host where the move can't work (a pool is not mounted there) leaves its piece to the others.
options:
  run_dir:
    description:
      - The run's folder on the controller, with the pieces in C(lists) unless they are O(shared).
        Who has which is in C(claims), and what became of the files in C(results).
    type: path
    required: true
  started:
    description: When the run began; a run in the same folder with another time takes all anew.
    type: str
    required: true
  path:
    description: What users see.
    type: path
    required: true
  pieces:
    description: The work, as M(scaleout.ingest.tier_plan) answers.
    type: list
    elements: dict
    required: true
  shared:
    description: All hosts have the lists under the names that the pieces have.
    type: bool
    default: false
  workers:
    description: As of M(scaleout.ingest.tier_migrate).
    type: str
  guarantee:
    description: As of M(scaleout.ingest.tier_migrate).
    type: str
  quiet:
    description: As of M(scaleout.ingest.tier_migrate), in seconds.
    type: float
attributes:
  check_mode:
    description: Looks at the files, and says what would be moved.
    support: full
  diff_mode:
    description: What moves keeps its path.
    support: none
  idempotent:
    description: What is in its pool already is not moved.
    support: full
seealso:
  - module: scaleout.ingest.tier_plan
  - module: scaleout.ingest.tier_migrate
"""

EXAMPLES = r"""
- name: Move
  scaleout.ingest.tier_move:
    run_dir: runs/tier-20260102T030405
    started: "1767323045.25"
    path: /srv/data
    pieces: "{{ planned.pieces }}"
  register: moved
"""

RETURN = r"""
pieces:
  description:
    - What M(scaleout.ingest.tier_migrate) answered for each piece that this host took, which is in
      C(item).
  returned: success
  type: list
  elements: dict
  sample:
    - {moved: 2050, hot: 0, bytes: 40802189312, item: {policy: cold, host: mover1}}
"""
