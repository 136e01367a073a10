"""Folders of clusters: made, held by their process, and swept up when it died without a chance to do so."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile

PREFIX = "kiln-cluster-"
MEMORY = pathlib.Path("/dev/shm")
MEMORY_FREE_BYTES = 4 << 30  # What must be free in it: a cluster with a registry may take a good part of that.


def make(in_memory: bool) -> pathlib.Path:
    """A fresh one below the temporary folder, or on a tmpfs if that is wanted and there is one with room."""
    _sweep()
    parent = MEMORY if in_memory and memory_has_room() else None
    return pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))


def memory_has_room() -> bool:
    try:
        return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_FREE_BYTES
    except FileNotFoundError:
        return False


def hold(directory: pathlib.Path):
    """Locks the folder for as long as this process lives, so that nobody sweeps it."""
    lock = open(directory / ".owner.new", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(lock.name, directory / ".owner")  # Whoever sees it sees it locked.
    return lock


def let_go(directory: pathlib.Path) -> None:
    """It stays for people to look at; nobody sweeps it any more."""
    (directory / ".owner").unlink(missing_ok=True)


def _sweep() -> None:
    for parent in {pathlib.Path(tempfile.gettempdir()), MEMORY}:
        for directory in parent.glob(PREFIX + "*"):
            with contextlib.suppress(OSError):
                if directory.lstat().st_uid != os.getuid():
                    continue
                with open(directory / ".owner") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(directory, ignore_errors=True)
