# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of what modules return."""

from __future__ import annotations

import glob
import os
import re

import pytest
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT

METHODS = {name for name in dir(dict) if not name.startswith("_")}
MODULES = sorted(glob.glob(os.path.join(ROOT, "plugins", "modules", "*.py")))


@pytest.mark.parametrize("path", MODULES, ids=os.path.basename)
def test_no_name_is_that_of_a_method_of_a_dictionary(path: str) -> None:
    """``result.items`` in a template would be the method; ansible-core 2.21 refuses it."""
    with open(path, encoding="utf-8") as stream:
        (docs,) = re.findall(r'^RETURN = r"""\n(.*?)^"""', stream.read(), re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"^ *(\w+):", docs, re.MULTILINE)) & METHODS == set()
