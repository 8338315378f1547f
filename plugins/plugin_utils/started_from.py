# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A relative path on the controller means one thing: from where the command was started."""

from __future__ import annotations

import os

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError


def absolute(path: str) -> str:
    """The path from the root, ``~`` expanded; relative to the working directory, not to a playbook
    or role, and whatever the environment says. Raises IngestError: that directory is gone."""
    expanded = os.path.expanduser(path)
    try:
        return os.path.abspath(expanded)
    except OSError as error:
        raise IngestError(
            f"'{path}' is relative to a working directory that is gone: {error.strerror}"
        ) from error
