# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make commands BIN=dir` runs: each of the collection's commands as one file in a folder.

BIN comes in the environment, so that no name is ever quoted.
"""

from __future__ import annotations

import os
import sys

from ingest import ROOT, caller_directory

sys.path.insert(0, ROOT)

from plugins.module_utils.core.errors import IngestError  # noqa: E402
from plugins.module_utils.provision import executables  # noqa: E402


def main() -> None:
    """Write them, and say where."""
    if not os.environ.get("BIN"):
        sys.exit("make commands: no BIN given: make commands BIN=dir")
    folder = os.path.join(caller_directory(dict(os.environ)), os.environ["BIN"])
    try:
        os.makedirs(folder, exist_ok=True)
        for name in executables.COMMANDS:
            path = os.path.join(folder, name)
            with open(path + ".part", "wb") as stream:
                stream.write(executables.build(name, "/usr/bin/env python3"))
            os.chmod(path + ".part", 0o755)
            os.replace(path + ".part", path)
            print(path)
    except OSError as error:
        sys.exit(f"make commands: {error.filename or folder}: {error.strerror}")
    except IngestError as error:
        sys.exit(f"make commands: {error}")


if __name__ == "__main__":
    main()
