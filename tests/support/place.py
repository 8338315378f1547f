# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source tree and a place for its copy. As a script: ``place.py FOLDER`` builds FOLDER/source."""

from __future__ import annotations

import os
import sys

if __package__:
    from . import trees
    from .compare import compare_trees
else:
    import trees  # type: ignore[no-redef]
    from compare import compare_trees  # type: ignore[no-redef]


class Place:
    """One test's folder with a source, a destination and a run folder in it, all as text."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.source = os.path.join(folder, "source")
        self.destination = os.path.join(folder, "destination")
        self.run = os.path.join(folder, "run")

    def build(self) -> Place:
        """Make the source: the hostile tree; for a user other than root, without what its owner
        can't read."""
        os.makedirs(self.source)
        nodes = [
            node for node in trees.hostile() if trees.ROOT or node.kind != "f" or node.mode & 0o400
        ]
        kept = {node.path for node in nodes}
        trees.build(
            os.fsencode(self.source),
            [node for node in nodes if node.kind != "h" or node.target in kept],
        )
        return self

    def differences(self) -> list[str]:
        """Of the copy from its source."""
        return compare_trees(os.fsencode(self.source), os.fsencode(self.destination))


if __name__ == "__main__":
    Place(sys.argv[1]).build()
