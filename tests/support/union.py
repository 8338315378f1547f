# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two disks of their own, as loop mounts, under a mergerfs: two storage pools and their union."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time

OPTIONS = "minfreespace=1M,category.create=mfs,threads=8"


def why_not() -> str | None:
    """Why there can be none here, or None."""
    if os.geteuid() != 0:
        return "two pools under mergerfs need root"
    for tool in ("mergerfs", "mkfs.ext4", "fusermount"):
        if not shutil.which(tool):
            return f"two pools under mergerfs need {tool}"
    return None


class Pools:
    """Both pools, each an ext4, and the union; as a context. ``block``: of the slow one, bytes."""

    def __init__(
        self, folder: str, megabytes: int = 128, options: str = "", block: int = 4096
    ) -> None:
        self.folder = folder
        self._block = block
        self._megabytes = megabytes
        self._options = ",".join(filter(None, (OPTIONS, options)))
        self.cached = "cache.files=off" not in options
        self.fast, self.slow, self.union = (
            os.fsencode(os.path.join(folder, name)) for name in ("fast", "slow", "union")
        )

    def __enter__(self) -> Pools:
        try:
            for pool in (self.fast, self.slow):
                os.makedirs(pool, exist_ok=True)
                self.mount(pool)
            os.makedirs(self.union, exist_ok=True)
            branches = b"%s:%s" % (self.fast, self.slow)
            subprocess.run(
                ["mergerfs", "-o", "allow_other," + self._options, branches, self.union], check=True
            )
            end = time.monotonic() + 10
            while not os.path.ismount(self.union) and time.monotonic() < end:
                time.sleep(0.01)
        except BaseException:
            self.__exit__()
            raise
        return self

    def mount(self, pool: bytes) -> None:
        """Make a pool's disk, unless there is one, and mount it."""
        image = pool + b".img"
        if not os.path.exists(image):
            with open(image, "wb") as file:
                file.truncate(self._megabytes << 20)
            block = self._block if pool == self.slow else 4096
            make = ["mkfs.ext4", "-q", "-F", "-m", "0", "-b", str(block), image]
            subprocess.run(make, check=True)
        subprocess.run(["mount", "-o", "loop", image, pool], check=True)
        shutil.rmtree(pool + b"/lost+found", ignore_errors=True)

    def unmount_lazily(self, pool: bytes) -> None:
        """Take a pool's disk away, though it is in use; what is in it stays."""
        subprocess.run(["umount", "-l", pool], check=True)

    def __exit__(self, *dummy: object) -> None:
        for point in (self.union, self.fast, self.slow):
            for dummy_try in range(50):
                if not os.path.ismount(point):
                    break
                if subprocess.run(["umount", point], check=False, stderr=subprocess.DEVNULL):
                    time.sleep(0.05)
            else:
                subprocess.run(["umount", "-l", point], check=False)

    def everything(self, pool: bytes) -> dict[bytes, os.stat_result]:
        """The files of a pool by path, without what is the mover's own."""
        found = {}
        for directory, names, files in os.walk(pool):
            names[:] = [name for name in names if name not in (b".ingest-tier", b"lost+found")]
            for name in files:
                path = os.path.join(directory, name)
                with contextlib.suppress(FileNotFoundError):  # others work here
                    found[os.path.relpath(path, pool)] = os.lstat(path)
        return found
