# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's file in a second place, for others."""

from __future__ import annotations

import os
import shutil

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError


def publish(source: str, target: str) -> None:
    """As the node exporter needs its metrics: never half a file, and open to its user. Its name
    must not end in .prom before. Raises IngestError."""
    part = target + ".part"
    try:
        shutil.copyfile(source, part)
        os.chmod(part, 0o644)
        os.replace(part, target)
    except OSError as error:
        raise IngestError(f"metrics_file: {target} can't be written: {error.strerror}") from error
