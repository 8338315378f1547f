#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the limits of a run that is at work; done by the action plugin, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: control
short_description: Change the limits of a run, pause it, let it go on
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Says what all hosts of a run together may do from now on. The hosts that are at work share it,
    as they share what the variables say; they hear of it when their leases are renewed.
  - It holds for this run until something else is said, over limits of the variables and windows.
  - A host that pauses ends what its workers have begun, and begins nothing.
options:
  run_dir:
    description: The run folder on the controller.
    type: path
    required: true
  rate:
    description:
      - Bytes a second, as a number or with a unit (V(100M)); V(0) is no limit, V(auto) is what the
        variables say.
    type: str
  file_rate:
    description: Entries a second, in the same way.
    type: str
  pause:
    description: Whether the run pauses. With V(auto) it does as the variables say.
    type: str
    choices: ["true", "false", auto]
attributes:
  check_mode:
    description: Says whether something would change.
    support: full
  diff_mode:
    description: It changes no host.
    support: none
  idempotent:
    description: What is said already is not said again.
    support: full
seealso:
  - module: scaleout.ingest.parallel_copy
"""

EXAMPLES = r"""
- name: Not more than 200 MiB/s from now on
  scaleout.ingest.control:
    run_dir: ./runs/first
    rate: 200M

- name: Pause
  scaleout.ingest.control:
    run_dir: ./runs/first
    pause: true
"""

RETURN = r"""
control:
  description:
    - What was said by hand so far. C(bytes) and C(files) a second, and whether it is C(paused);
      null is what the variables say.
  returned: success
  type: dict
  sample: {bytes: 209715200, files: null, paused: null}
hosts:
  description: The hosts that are at work.
  returned: success
  type: list
  elements: str
  sample: [client1, client2]
"""
