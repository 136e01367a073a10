"""Runs `kiln` and tells the memory that it took."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess

from world import binary

# How much a process may grow beyond one that does next to nothing, whatever it reads.
GROWTH_MIB = 64


@dataclasses.dataclass
class Measured:
    """What a process said, how it ended and the largest resident size that it had."""

    code: int
    out: str
    err: str
    peak_mib: float


def measure(*arguments: str, stdin: int = subprocess.DEVNULL) -> Measured:
    """`kiln` with these arguments, without its cache and its bars."""
    process = subprocess.Popen([binary("kiln"), *arguments, "--no-cache", "--progress", "none"],
                               stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(process.returncode, out.decode(), err.decode(), usage.ru_maxrss / 1024)


def idle_mib(folder: pathlib.Path) -> float:
    """What a build of one small file takes."""
    (folder / "file").write_text("small\n")
    done = measure("append", "scratch", "--file", f"{folder}/file:/file", "-t", f"oci:{folder}/out")
    assert done.code == 0, done.err
    return done.peak_mib
