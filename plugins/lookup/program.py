# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's commands as one file, for cloud-init."""

from __future__ import annotations

DOCUMENTATION = r"""
name: program
author:
  - scaleout.ingest contributors (!UNKNOWN)
version_added: 0.1.0
short_description: The collection's commands as text for cloud-init
description:
  - One executable file, C(ingestor), which is C(parallelcp) and C(prime) too when it is called by
    these names, compressed and in base64, as the encoding V(gz+b64) of cloud-init's C(write_files)
    takes it.
options:
  interpreter:
    description: The Python that runs it, 3.8 or newer.
    type: str
    default: /usr/bin/env python3
"""

EXAMPLES = r"""
- name: Show how large it is
  ansible.builtin.debug:
    msg: "{{ lookup('scaleout.ingest.program') | length }}"
"""

RETURN = r"""
_raw:
  description: The file as text.
  type: list
  elements: str
"""

import base64
import gzip
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.provision.executables import build


class LookupModule(LookupBase):
    """What Ansible calls."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """The file, once."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            program = build("ingestor", self.get_option("interpreter"), small=True)
        except IngestError as error:
            raise AnsibleError(str(error)) from error
        return [base64.b64encode(gzip.compress(program, mtime=0)).decode("ascii")]
