"""The memory of a build does not depend on the size of its content, and no build leaves memory behind.

KILN_MEMORY_MB MiB of content, 512 unless set. The process may grow by 64 MiB beyond one that adds
a single small file.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

import pytest

from measured import GROWTH_MIB, idle_mib, measure

MIB = int(os.environ.get("KILN_MEMORY_MB", "512"))
DEADLINE_S = 120 + MIB
FILES = 20_000
# What a controller may keep beyond what it had before its first build; its builds take much more.
KEPT_MIB = 12


def peak_mib(*arguments: str, stdin: int = subprocess.DEVNULL) -> float:
    """The largest resident size that `kiln` had while it did this."""
    done = measure(*arguments, stdin=stdin)
    assert done.code == 0, done.err
    assert "@sha256:" in done.out
    return done.peak_mib


@pytest.fixture(scope="module", name="folder")
def large_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Two large files and some hundred small ones. What cannot be compressed costs the most."""
    folder = tmp_path_factory.mktemp("content")
    block = os.urandom(1 << 20)
    for name, mib in (("one", MIB - MIB // 4), ("two", MIB // 4)):
        with (folder / name).open("wb") as file:
            for number in range(mib):
                file.write(number.to_bytes(8, "big") + block[8:])
    for number in range(300):
        (folder / f"small-{number}").write_bytes(block[number:number + 2000])
    return folder


@pytest.fixture(scope="module", name="idle")
def idle_peak(tmp_path_factory: pytest.TempPathFactory) -> float:
    return idle_mib(tmp_path_factory.mktemp("idle"))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_large_folder_takes_no_more_memory(folder, idle, tmp_path, compression):
    peak = peak_mib("append", "scratch", "--dir", f"{folder}:/srv", "--compression", compression,
                    "-t", f"oci:{tmp_path}/out")

    print(f"{compression}: {peak:.0f} MiB for {MIB} MiB of content, {idle:.0f} MiB idle")
    assert peak - idle <= GROWTH_MIB


def test_a_large_tar_on_standard_input_takes_no_more_memory(folder, idle, tmp_path):
    tar = subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE)
    peak = peak_mib("append", "scratch", "--tar", "-:/srv", "-t", f"oci:{tmp_path}/out",
                    stdin=tar.stdout)
    tar.stdout.close()

    print(f"tar: {peak:.0f} MiB for {MIB} MiB of content, {idle:.0f} MiB idle")
    assert tar.wait(DEADLINE_S) == 0
    assert peak - idle <= GROWTH_MIB


def of_process_mib(pid: int, field: str) -> float:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1]) / 1024


def test_builds_of_many_files_from_git_leave_no_memory_behind(world, git_host):
    pid = world.controller.pid
    files = {f"docs/{number // 100:03}/page-number-{number}.html": f"page {number}\n"
             for number in range(FILES)}
    before = of_process_mib(pid, "RssAnon")
    peaks = []
    repository = git_host.repository("docs.git")
    digest = ""
    for version in range(4):
        repository.commit({**files, "version": f"{version}\n"})
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # VmHWM begins anew.
        if version == 0:
            world.apply(world.image_build(interval="1s", content=[
                {"git": {"url": git_host.url("docs.git")}, "path": "/srv"}]))
        digest = world.wait_ready(not_digest=digest)
        world.wait_until("what the build took is given back", lambda: of_process_mib(
            pid, "RssAnon") <= before + KEPT_MIB)
        peaks.append(of_process_mib(pid, "VmHWM"))

    print("highest, build by build: " + ", ".join(f"{peak:.0f} MiB" for peak in peaks))
    assert peaks[0] >= before + 2 * KEPT_MIB  # Else nothing was measured.
    assert max(peaks[1:]) <= peaks[0] + KEPT_MIB
