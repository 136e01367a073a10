"""The memory of a build does not depend on the size of its content.

KILN_MEMORY_MB MiB of content, 512 unless set. The process may grow by 64 MiB beyond one that adds
a single small file.
"""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from measured import GROWTH_MIB, idle_mib, measure

MIB = int(os.environ.get("KILN_MEMORY_MB", "512"))
DEADLINE_S = 120 + MIB


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
