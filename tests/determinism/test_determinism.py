"""Same content, same digest: on every CPU, with any number of threads, however the bytes come.

A CPU may give other bytes only under another encoder id. Runs layer_digest (layer_digest.cc) on
generated content: KILN_DETERMINISM_MB MiB of it, 16 unless set; `make determinism` takes 256.
Other CPUs are those of qemu-x86_64.
"""

from __future__ import annotations

import concurrent.futures
import os
import platform
import re
import shutil
import subprocess

import pytest

from world import binary

MIB = int(os.environ.get("KILN_DETERMINISM_MB", "16"))
LAYERS = max(2, MIB // 32)  # As large as the builder makes them.
DEADLINE_S = 120 + 20 * MIB

# As clouds and old machines have them; a hypervisor may mask any feature. "-" takes one away.
CPUS_WITH_CRC = ("Nehalem", "Haswell", "EPYC", "Haswell,-avx2,-bmi1,-bmi2", "Haswell,-pclmulqdq")
CPUS_WITHOUT_CRC = ("qemu64", "core2duo", "Nehalem,-sse4.2")
# Of features that qemu cannot imitate; the program then does not see them.
QEMU_NOISE = re.compile(r"qemu-x86_64: warning: TCG doesn't support requested feature.*\n")

# What 3 MiB of content are. An encoder id stands for these bytes on every machine. If a new version
# of a library gives others, the encoder needs a new id, and a line here.
KNOWN = {
    "igzip-2/1": "sha256:08e223a505d588e92170bbbc2a678987b5fc53c22d1005e7fe99490b3fab2e06",
    "zlib-6/1": "sha256:c546bf2671eb94c1688a59e9fb8ee0497fefd2570c7743323c1ef051c759abc3",
    "libdeflate-7/1": "sha256:4255dbf9b8ac2894652c23008fdb52b9a5f98806889b411bdaec993e45d9f675",
    "zstd-3/1": "sha256:f4acd82cc337e87ba7ed1d516847453665659c46a902210d72c859a3d66865a7",
}


def lines(*flags: str, cpu: str = "") -> dict[str, dict[str, str]]:
    """What layer_digest says, by the beginning of its lines ("gzip content 0")."""
    command = [binary("layer_digest"), *flags]
    if cpu:
        command = [qemu(), "-cpu", cpu, *command]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=DEADLINE_S)
    assert (done.returncode, QEMU_NOISE.sub("", done.stderr)) == (0, ""), " ".join(command)
    found = {}
    for line in done.stdout.splitlines():
        title, _, rest = line.partition(" diff_id=")
        found[title] = dict(field.split("=") for field in f"diff_id={rest}".split())
    assert found
    return found


def qemu() -> str:
    program = shutil.which("qemu-x86_64")
    if platform.machine() != "x86_64":
        pytest.skip("qemu-x86_64 stands for other CPUs of x86_64 only")
    if not program:
        pytest.skip("there is no qemu-x86_64; its Debian package is qemu-user")
    return program


@pytest.fixture(scope="module")
def here() -> dict[str, dict[str, str]]:
    """The layers as this machine makes them, one by one."""
    return lines("--mib", str(MIB), "--layers", str(LAYERS))


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, dict[str, dict[str, str]]]:
    """The same on other CPUs, side by side."""
    qemu()
    flags = ("--mib", str(MIB), "--layers", str(LAYERS))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        cpus = CPUS_WITH_CRC + CPUS_WITHOUT_CRC
        return dict(zip(cpus, pool.map(lambda cpu: lines(*flags, cpu=cpu), cpus)))


@pytest.mark.parametrize("cpu", CPUS_WITH_CRC + CPUS_WITHOUT_CRC)
def test_another_cpu_gives_the_same_bytes_or_another_encoder_id(cpu, here, elsewhere):
    assert elsewhere[cpu].keys() == here.keys()
    for title, layer in elsewhere[cpu].items():
        assert layer["diff_id"] == here[title]["diff_id"], title
        same_bytes = layer["digest"] == here[title]["digest"]
        assert same_bytes == (layer["encoder"] == here[title]["encoder"]), title


@pytest.mark.parametrize("cpu", CPUS_WITH_CRC)
def test_isa_l_is_used_on_cpus_with_sse_4_2(cpu, elsewhere):
    assert elsewhere[cpu]["gzip content 0"]["encoder"] == "igzip-2/1"


@pytest.mark.parametrize("cpu", CPUS_WITHOUT_CRC)
def test_zlib_is_used_on_cpus_without_sse_4_2_and_gives_the_same_on_all_of_them(cpu, elsewhere):
    assert elsewhere[cpu]["gzip content 0"]["encoder"] == "zlib-6/1"
    assert elsewhere[cpu] == elsewhere["qemu64"]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_layers_made_side_by_side_are_the_same(threads, here):
    flags = ("--mib", str(MIB), "--layers", str(LAYERS), "--threads", str(threads))
    assert lines(*flags) == here


@pytest.mark.parametrize("feed", ["1", "13", "4096", "65536", "1048576", "1048577", "odd"])
def test_the_sizes_of_writes_into_the_compressor_change_nothing(feed, here):
    assert lines("--mib", str(MIB), "--layers", str(LAYERS), "--feed", feed) == here


def test_each_timestamp_policy_has_a_digest_of_its_own_that_no_thread_or_size_changes():
    flags = ("--mib", "4", "--timestamps", "content,epoch,fixed")
    plain = lines(*flags)
    assert lines(*flags, "--threads", "8", "--feed", "odd") == plain
    for compression in ("gzip", "gzip-small", "zstd"):
        digests = {plain[f"{compression} {policy} 0"]["digest"]
                   for policy in ("content", "epoch", "fixed")}
        assert len(digests) == 3, compression


def test_other_content_has_another_digest():
    one, other = (lines("--mib", "1", "--seed", seed) for seed in ("1", "2"))
    for title in one:
        assert one[title]["digest"] != other[title]["digest"], title
        assert one[title]["diff_id"] != other[title]["diff_id"], title


@pytest.mark.parametrize("cpu", ["", "qemu64"])
def test_an_encoder_id_stands_for_bytes_that_are_known(cpu):
    for layer in lines("--mib", "3", cpu=cpu).values():
        assert layer["digest"] == KNOWN[layer["encoder"]], layer["encoder"]
