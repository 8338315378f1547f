#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell a service how a run ended; done by the action plugin, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
short_description: Tell a service how an ingest ended
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Sends one HTTP request (POST, JSON) with how a run ended and its main numbers, from its
    C(stats.json). Its C(text) is one sentence, as chat services show it.
  - A service that can't be reached is a warning, and no failure.
  - Runs on the controller and touches no host.
options:
  run_dir:
    description: The folder of the run, on the controller, with its report.
    type: path
    required: true
  url:
    description: The service's address. It may hold a secret, and is not shown.
    type: str
    required: true
  timeout:
    description: Seconds that the service has to answer.
    type: int
    default: 20
attributes:
  action:
    description: Runs on the controller only; no host is asked.
    support: full
  check_mode:
    description: Sends nothing.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
  idempotent:
    description: Each call sends a request.
    support: none
"""

EXAMPLES = r"""
- name: Tell the channel
  scaleout.ingest.notify:
    run_dir: runs/20260102T030405
    url: https://chat.example.com/hooks/secret
"""

RETURN = r"""
told:
  description: Whether the service took it.
  returned: success
  type: bool
  sample: true
message:
  description: What was sent.
  returned: success
  type: dict
  sample:
    text: "Ingest 20260102T030405 done: 78,635 files, 1.31 GB in 4.2 s"
    success: true
    files: 78635
"""
