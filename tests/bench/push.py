#!/usr/bin/python3
"""How fast `kiln` pushes to a registry on loopback, beside `curl -T` of the same bytes, and its memory.

    tests/bench/push.py                     one blob of 5 GiB, 200 layers, five rounds against curl
    KILN_BENCH_MB=256 tests/bench/push.py   the same with a smaller blob

Prints one line for each figure. The program is $KILN_BIN_DIR/kiln, else the release build, else the
dev build. The registry is distribution 3.1 with its data on disk; every push is a new repository, and what
was pushed before is deleted from the disk, so that each sends all bytes.
"""

from __future__ import annotations

import http.client
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests/cluster", "tests/support", "tests/faults"):
    sys.path.insert(0, str(ROOT / folder))
if "KILN_BIN_DIR" not in os.environ and (ROOT / "build/release/bin/kiln").exists():
    os.environ["KILN_BIN_DIR"] = str(ROOT / "build/release/bin")
from lab import MIB, Image, binary, make_image, start_registry  # noqa: E402  (found through the lines above)

BLOB_MB = int(os.environ.get("KILN_BENCH_MB", "5120"))
# For the comparison: large enough for a second or more, small enough to stay in memory.
ROUND_MB = min(BLOB_MB, 1024)
ROUNDS = int(os.environ.get("KILN_BENCH_ROUNDS", "5"))
LAYERS = 200
DEADLINE_S = 1800


class Bench:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.registry = start_registry("distribution-3.1", folder / "server")
        self._pushes = 0

    def repository(self) -> str:
        """A new one, in a registry that is empty again."""
        shutil.rmtree(self.registry.data / "docker", ignore_errors=True)
        os.sync()
        self._pushes += 1
        return f"bench/{self._pushes}"

    def kiln(self, image: Image) -> tuple[float, float]:
        """Seconds, and the most memory in MiB."""
        target = f"{self.registry.address}/{self.repository()}:1"
        began = time.monotonic()
        process = subprocess.Popen([binary("kiln"), "copy", "--no-cache", image.place, target],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        assert process.returncode == 0 and image.digest.encode() in out, err.decode()
        return seconds, usage.ru_maxrss / 1024

    def curl(self, image: Image) -> float:
        """Seconds to put the largest blob, the upload begun by hand before."""
        digest = max(image.blobs, key=image.blobs.get)
        blob = image.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")
        connection = http.client.HTTPConnection(self.registry.address, timeout=60)
        connection.request("POST", f"/v2/{self.repository()}/blobs/uploads/")
        location = connection.getresponse().getheader("Location")
        connection.close()
        began = time.monotonic()
        done = subprocess.run(["curl", "-sS", "-f", "-o", "/dev/null", "-T", str(blob),
                               "-H", "Content-Type: application/octet-stream",
                               f"{location}&digest={digest}"],
                              capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == 0, done.stderr
        return time.monotonic() - began


def say(what: str, figure: str) -> None:
    print(f"{what:58} {figure}", flush=True)


def compare(bench: Bench) -> None:
    """In turns, so that both see the same machine."""
    image = make_image(bench.folder / "round", [ROUND_MB * MIB], seed=7)
    bench.curl(image)  # The first of all reads from disk.
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(bench.curl(image))
        ours.append(bench.kiln(image)[0])
    shutil.rmtree(image.folder)
    say(f"curl -T, {ROUND_MB} MiB, median of {ROUNDS}", f"{ROUND_MB / statistics.median(theirs):.0f} MiB/s")
    say(f"kiln copy, {ROUND_MB} MiB, median of {ROUNDS}", f"{ROUND_MB / statistics.median(ours):.0f} MiB/s")
    say("kiln of curl, by the medians", f"{100 * statistics.median(theirs) / statistics.median(ours):.0f} %")
    say("kiln of curl, by the best of each", f"{100 * min(theirs) / min(ours):.0f} %")


def main() -> int:
    if not shutil.which("curl"):
        print("push: there is no curl: run tools/setup.sh test", file=sys.stderr)
        return 1
    print(f"{binary('kiln')} on {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as name:
        bench = Bench(pathlib.Path(name))
        try:
            _, small = bench.kiln(make_image(bench.folder / "small", [MIB]))
            say("memory for one layer of 1 MiB", f"{small:.0f} MiB")
            seconds, peak = bench.kiln(make_image(bench.folder / "many", [MIB // 4] * LAYERS))
            say(f"memory for {LAYERS} layers of 256 KiB", f"{peak:.0f} MiB, in {seconds:.1f} s")
            compare(bench)
            image = make_image(bench.folder / "large", [BLOB_MB * MIB], seed=8)
            seconds, peak = bench.kiln(image)
            say(f"memory for one blob of {BLOB_MB} MiB",
                f"{peak:.0f} MiB, in {seconds:.1f} s ({BLOB_MB / seconds:.0f} MiB/s)")
        finally:
            bench.registry.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
