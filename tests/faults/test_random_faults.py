"""Pushes and pulls through random faults: each ends with the right digest or a clear error.

KILN_FAULT_RUNS runs (40 unless set; 500 is the long form, a six minutes on two cores), planned
from KILN_FAULT_SEED, which is printed. KILN_FAULT_ONLY=17 repeats one of them.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import random
import re
import threading

import pytest
from fault_proxy import Fault, FaultProxy
from lab import (KIB, MIB, Distribution, Done, Image, Kiln, assert_holds, make_image,
                 start_registry, wait_until)

RUNS = int(os.environ.get("KILN_FAULT_RUNS", "40"))
SEED = int(os.environ.get("KILN_FAULT_SEED", "1126"))
ONLY = os.environ.get("KILN_FAULT_ONLY")
AT_ONCE = 8
DEADLINE_S = 180
MOST_FILES = 32
# Where a place is not a number of bytes. Up and down.
TEXTS = {"up": ("HEAD /v2/", "GET /v2/", "POST /v2/", "PUT /v2/", "PATCH /v2/", "/manifests/"),
         "down": ("HTTP/1.1 2", "HTTP/1.1 404", "Location: ", "Docker-Content-Digest: ")}


@dataclasses.dataclass
class Plan:
    """One run: what is done, and what befalls it."""

    number: int
    pull: bool
    chunk_bytes: int
    image: int
    faults: list[Fault]
    refuses_s: float  # The port is closed so long, from the first byte on.

    @staticmethod
    def make(number: int, images: int) -> Plan:
        dice = random.Random(SEED * 100_003 + number)
        return Plan(number, pull=dice.random() < 0.35,
                    chunk_bytes=dice.choice((0, 0, 256 * KIB, MIB)), image=dice.randrange(images),
                    faults=[random_fault(dice) for _ in range(dice.randint(1, 5))],
                    refuses_s=dice.uniform(0.2, 2) if dice.random() < 0.1 else 0)


def random_fault(dice: random.Random) -> Fault:
    kind = dice.choices(("cut", "reset", "half_close", "blackhole", "delay", "throttle"),
                        weights=(8, 8, 3, 2, 2, 2))[0]
    direction = dice.choice(("up", "down"))
    # The long form has a few black holes without end: they cost half a minute each.
    endless = kind == "blackhole" and RUNS > 100 and dice.random() < 0.3
    seconds = dice.uniform(0.05, 0.5) if kind == "delay" else dice.uniform(0.2, 3)
    return Fault(kind, direction, after_bytes=int(10 ** dice.uniform(0, 6.3)),
                 after_text=dice.choice(TEXTS[direction]) if dice.random() < 0.5 else "",
                 seconds=0 if endless else seconds,
                 bytes_per_second=dice.randint(500, 4000) * KIB)


@dataclasses.dataclass
class Result:
    plan: Plan
    done: Done
    struck: int
    complaints: list[str]


class Runner:
    def __init__(self, folder: pathlib.Path, registry: Distribution, images: list[Image]) -> None:
        self._folder = folder
        self._registry = registry
        self._images = images

    def run(self, plan: Plan) -> Result:
        image, home = self._images[plan.image], self._folder / f"run-{plan.number}"
        kiln = Kiln(home)
        repository = f"random/run-{plan.number}"
        if plan.pull:
            assert kiln.run("copy", image.place, f"{self._registry.address}/{repository}:1").code == 0
        with FaultProxy(self._registry.address) as proxy:
            if plan.chunk_bytes:
                kiln.configures(prefix=proxy.address, chunkBytes=plan.chunk_bytes)
            proxy.once(*plan.faults)
            far = f"{proxy.address}/{repository}:1"
            running = kiln.start("copy", *((far, f"oci:{home}/back") if plan.pull
                                           else (image.place, far)))
            if plan.refuses_s:
                proxy.refuse()
                threading.Timer(plan.refuses_s, proxy.accept).start()
            try:
                done = running.wait(DEADLINE_S)
            except AssertionError as error:
                return Result(plan, None, proxy.stats()["faults"], [str(error)])
            wait_until("the port is open", lambda: proxy.accept() is None)
            complaints = list(self._complaints(plan, image, repository, proxy.address, home, done))
            return Result(plan, done, proxy.stats()["faults"], complaints)

    def _complaints(self, plan, image, repository, address, home, done):
        """What is not as it should be, in words."""
        if done.most_files > MOST_FILES:
            yield f"{done.most_files} descriptors were open"
        if done.code == 0:
            if done.digest != image.digest:
                yield f"it printed {done.out!r}"
            try:
                if plan.pull:
                    assert_holds(home / "back", image)
            except AssertionError as error:
                yield f"what it pulled is not the image: {error}"
            if not plan.pull and self._tag(repository) != image.digest:
                yield f"the tag is {self._tag(repository)!r}"
        elif done.code == 1:
            last = done.err.splitlines()[-1] if done.err else ""
            if not re.fullmatch(r"error: copying .{10,600}", last) or address not in last:
                yield f"the error is not clear: {done.err!r}"
            if "sha256:" in done.out:
                yield "it failed and printed a digest"
        else:
            yield f"exit code {done.code}: {done.err!r}"
        if not plan.pull and self._tag(repository) not in ("", image.digest):
            yield "the tag points at something else"
        if left := self._registry.left_sessions(repository):
            yield f"it left its upload sessions {left}"

    def _tag(self, repository: str) -> str:
        link = self._registry.repository(repository) / "_manifests/tags/1/current/link"
        return link.read_text() if link.exists() else ""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> list[Image]:
    folder = tmp_path_factory.mktemp("images")
    sizes = ([700 * KIB], [2 * MIB, 5 * KIB], [300 * KIB] * 5, [MIB, MIB, MIB], [10, 0x5000, 1])
    return [make_image(folder / str(number), list(each), seed=number,
                       platforms=("linux/amd64", "linux/arm64") if number == 3 else ())
            for number, each in enumerate(sizes)]


def test_every_run_ends_with_the_right_digest_or_a_clear_error(images, tmp_path):
    registry = start_registry("distribution-3.1", tmp_path / "server")
    runner = Runner(tmp_path, registry, images)
    numbers = [int(ONLY)] if ONLY else range(RUNS)
    print(f"KILN_FAULT_SEED={SEED} KILN_FAULT_RUNS={RUNS}")

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(runner.run, [Plan.make(number, len(images)) for number in numbers]))

    registry.kill()
    complaints = [f"{each.plan}\n  {complaint}" for each in results for complaint in each.complaints]
    ends = collections.Counter("hung" if each.done is None else each.done.code for each in results)
    longest = max((each.done.seconds for each in results if each.done), default=0)
    print(f"ends: {dict(ends)}; {sum(each.struck for each in results)} faults struck; the longest took "
          f"{longest:.0f} s")
    words = collections.Counter(re.sub(r"\d+", "N", each.done.err.splitlines()[-1].rpartition(": ")[2])
                                for each in results if each.done and each.done.code == 1 and each.done.err)
    for text, times in words.most_common():
        print(f"{times:4} × {text}")
    assert not complaints, f"seed {SEED}:\n" + "\n".join(complaints)
    assert ONLY or ends[0] > len(results) / 2, "hardly anything got through"
