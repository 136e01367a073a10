"""A control group for the containers of one test run, and its end.

Version 1 has one hierarchy for each controller below /sys/fs/cgroup, version 2 has one alone. Root
is needed.
"""

from __future__ import annotations

import contextlib
import errno
import pathlib
import time

HIERARCHIES = pathlib.Path("/sys/fs/cgroup")
END_DEADLINE_S = 5


def create(name: str) -> None:
    """Makes the group in every hierarchy, with all controllers. Errors: OSError."""
    if (HIERARCHIES / "cgroup.controllers").exists():
        _pass_controllers_on()
        (HIERARCHIES / name).mkdir(exist_ok=True)
        return
    for hierarchy in HIERARCHIES.iterdir():
        # That of version 2 beside those of version 1 has no controllers.
        if hierarchy.is_dir() and not (hierarchy / "cgroup.controllers").exists():
            group = hierarchy / name
            group.mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):  # They are empty in a new group.
                if (group / setting).exists():
                    (group / setting).write_text((hierarchy / setting).read_text())


def names(prefix: str) -> set[str]:
    """Of the groups that begin so."""
    return {path.name for pattern in (f"{prefix}*", f"*/{prefix}*") for path in HIERARCHIES.glob(pattern)}


def remove(name: str) -> None:
    """Removes what is left of the group; its processes must have been told to end."""
    deadline = time.monotonic() + END_DEADLINE_S
    while _remove_empty(name) and time.monotonic() < deadline:
        time.sleep(0.05)  # A group that still dies.


def _remove_empty(name: str) -> bool:
    """Whether something is left."""
    left = False
    for group in [HIERARCHIES / name, *HIERARCHIES.glob(f"*/{name}")]:
        for folder in sorted(group.glob("**/"), reverse=True):
            try:
                folder.rmdir()
            except OSError:
                left = True
    return left


def _pass_controllers_on() -> None:
    """In version 2 a group passes controllers on only if it has no processes itself; the root has
    that duty where it is a container's. Its processes go aside, as in Docker's own dind."""
    names = (HIERARCHIES / "cgroup.controllers").read_text().split()
    enable = " ".join(f"+{name}" for name in names)
    try:
        (HIERARCHIES / "cgroup.subtree_control").write_text(enable)
        return
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
    aside = HIERARCHIES / "init"
    aside.mkdir(exist_ok=True)
    for pid in (HIERARCHIES / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):  # It has ended, or it is the kernel's.
            (aside / "cgroup.procs").write_text(pid)
    (HIERARCHIES / "cgroup.subtree_control").write_text(enable)
