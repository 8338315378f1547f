# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of a module that may be a host's first: explains a missing Python."""

from __future__ import annotations

from ansible_collections.scaleout.ingest.plugins.plugin_utils.host_python import OnHost


class ActionModule(OnHost):
    """The module, on the host."""
