#!/usr/bin/python3
"""Makes the pictures of docs/pictures from a run of Kiln in a cluster of its own. `make pictures`.

    pictures.py [--sites 60] [--folder docs/pictures]

imagebuilds.svg is what kubectl shows of ImageBuilds in several states. metrics.svg is what /metrics said twice a second
while many sites were created, edited and put onto a new base, and while the registry was away.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import pathlib
import random
import re
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("cluster", "scenarios", "demo")]
import base_image  # noqa: E402  (found through the line above)
import svg  # noqa: E402
from cluster import Cluster  # noqa: E402
from world import Controller, World, install  # noqa: E402

EVERY_S = 0.5
PAUSE_S = 4  # Between what happens, so that it can be told apart.
AWAY_S = 8
PAGE_BYTES = 50_000
LOOK = "reconcile.kiln.build/requestedAt"
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.M)


class Recorder:
    """Reads the metrics until it is stopped. Series have the names of the metrics, with their labels."""

    def __init__(self, controller: Controller) -> None:
        self.series: dict[str, list[tuple[float, float]]] = {}
        self.marks: list[tuple[float, str]] = []
        self._controller = controller
        self._began = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        self._thread.join()

    def mark(self, words: str) -> None:
        """Something happens now."""
        self.marks.append((time.monotonic() - self._began, words))
        print(f"{self.marks[-1][0]:5.1f} s  {words}", file=sys.stderr, flush=True)

    def sum(self, name: str, words: str = "", scale: float = 1) -> list[tuple[float, float]]:
        """Over all labels that have these words in them; 0 before it was first seen."""
        whole: dict[float, float] = {second: 0 for points in self.series.values() for second, _ in points}
        for labels, points in self.series.items():
            if labels.partition("{")[0] == name and words in labels:
                for second, value in points:
                    whole[second] += value / scale
        return sorted(whole.items())

    def _run(self) -> None:
        while not self._end.wait(EVERY_S):
            second = time.monotonic() - self._began
            for name, labels, value in _SAMPLE.findall(self._controller.ask("metrics", "/metrics")[1]):
                self.series.setdefault(f"{name}{{{labels}}}", []).append((second, float(value)))


def pause(seconds: float = PAUSE_S) -> None:
    """A quiet stretch of the plot."""
    time.sleep(seconds)


class Run:
    """What happens in the pictures."""

    def __init__(self, cluster: Cluster, world: World, sites: int) -> None:
        self._cluster = cluster
        self._world = world
        self._sites = sites
        self._version = 0

    def states(self) -> list[str]:
        """What kubectl shows of one that is ready, one that waits, one that is wrong, and so on."""
        world = self._world
        world.apply(world.config_map("site-content", {"index.html": "hello\n"}),
                    world.image_build("site"), world.image_build("paused", suspend=True),
                    world.image_build("shop", content=[{"configMap": {"name": "prices"}, "path": "/srv"}]),
                    world.image_build("mobile", base={"image": self._world.base, "platforms": ["linux/riscv64"]}))
        world.wait_ready("site")
        world.wait_reason("ConfigMapNotFound", "shop")
        world.wait_reason("PlatformNotFound", "mobile")
        world.wait_reason("Suspended", "paused")
        command = "kubectl -n web get imagebuilds -o wide"
        shown = world.kubectl("get", "imagebuilds", "--output", "wide")
        world.kubectl("delete", "imagebuilds", "--all")
        return [f"$ {command}", *columns(shown, self._in_words_of_the_docs)]

    def _in_words_of_the_docs(self, cell: str) -> str:
        cell = re.sub(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}", r"\1…", cell)
        cell = cell.replace(f"{self._world.registry}/{self._world.namespace}", "registry.example.com/team")
        return cell.replace(self._world.registry, "registry.example.com")

    def story(self, recorder: Recorder) -> None:
        pause()
        recorder.mark(f"{self._sites} sites are created")
        self._edit(create=True)
        self._wait_built()
        pause()
        recorder.mark(f"the ConfigMaps of {self._sites // 2} of them are edited")
        self._edit(count=self._sites // 2)
        self._wait_built()
        pause()
        recorder.mark("the base is new: its layers of content are kept")
        base_image.push(self._world.base, mark="new")
        before = self._digests()
        self._world.kubectl("annotate", "imagebuild", "site-0", f"{LOOK}={time.time()}")
        self._wait("all are on the new base", lambda: not set(before) & set(self._digests()))
        pause()
        recorder.mark("the registry goes away, and all are edited")
        self._cluster.kill("registry")
        self._edit()
        pause(AWAY_S)
        recorder.mark("the registry is back")
        self._cluster.start_component("registry")
        self._wait_built()
        pause()

    def _edit(self, count: int = 0, create: bool = False) -> None:
        self._version += 1
        objects = [self._world.config_map(f"content-{n}", {"index.html": self._page(n)}) for n in range(count or self._sites)]
        if create:
            objects += [self._world.image_build(f"site-{n}", content=[
                {"configMap": {"name": f"content-{n}"}, "path": "/usr/share/nginx/html"}]) for n in range(self._sites)]
        self._world.apply(*objects)

    def _page(self, number: int) -> str:
        # Letters that compress badly, as pictures do.
        return base64.b64encode(random.Random(f"{number} {self._version}").randbytes(PAGE_BYTES)).decode()

    def _builds(self) -> list[dict]:
        return [each for each in self._world.get_all() if each["metadata"]["name"].startswith("site-")]

    def _digests(self) -> list[str]:
        return [each.get("status", {}).get("digest", "") for each in self._builds()]

    def _wait_built(self) -> None:
        """Until each image holds its ConfigMap as it is now."""
        maps = json.loads(self._world.kubectl("get", "configmaps", "--output", "json"))["items"]
        now = {each["metadata"]["name"].replace("content", "site"): each["metadata"]["resourceVersion"] for each in maps}
        self._wait("all are built", lambda: all(
            self._revision(each) == now[each["metadata"]["name"]] for each in self._builds()))

    @staticmethod
    def _revision(build: dict) -> str:
        return build.get("status", {}).get("content", [{}])[0].get("revision", "")

    def _wait(self, what: str, holds) -> None:
        self._world.wait_until(what, holds, deadline_s=300)


def columns(shown: str, written) -> list[str]:
    """kubectl's table with each cell as `written` says, and columns as wide as that."""
    lines = shown.rstrip("\n").splitlines()
    starts = [match.start() for match in re.finditer(r"(?:^|(?<=  ))\S", lines[0])]
    rows = [[written(line[start:end].strip()) for start, end in zip(starts, [*starts[1:], None])] for line in lines]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def panels(recorder: Recorder) -> list[svg.Panel]:
    return [
        svg.Panel("ImageBuilds (kiln_imagebuilds)", {
            "ready": recorder.sum("kiln_imagebuilds", 'ready="true"'),
            "not ready": recorder.sum("kiln_imagebuilds", 'ready="false"')}),
        svg.Panel("So far (kiln_builds_total, kiln_reconcile_failures_total)", {
            "builds": recorder.sum("kiln_builds_total"),
            "failures": recorder.sum("kiln_reconcile_failures_total")}),
        svg.Panel("Waiting for a worker (workqueue_depth)", {"waiting": recorder.sum("workqueue_depth")}),
        svg.Panel("Sent to the registry so far (kiln_registry_uploaded_bytes_total)", {
            "sent": recorder.sum("kiln_registry_uploaded_bytes_total", scale=1e6)}, " MB"),
        svg.Panel("Memory (process_resident_memory_bytes)", {
            "resident": recorder.sum("process_resident_memory_bytes", scale=1e6)}, " MB"),
    ]


def make(folder: pathlib.Path, sites: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, Cluster() as cluster:
        install(cluster)
        base = f"{cluster.registry().address}/library/nginx:1.27"
        base_image.push(base)
        world = World(cluster, base, pathlib.Path(work), "demo")
        controller = Controller(cluster.kubeconfig, pathlib.Path(work), retry=("750ms", "5s"))
        with contextlib.redirect_stdout(io.StringIO()), controller:  # It prints its log at the end, for tests.
            world.controller = controller
            run = Run(cluster, world, sites)
            (folder / "imagebuilds.svg").write_text(svg.terminal(run.states(), "kubectl get imagebuilds -o wide"))
            with Recorder(controller) as recorder:
                run.story(recorder)
            picture = svg.plot(panels(recorder), recorder.marks, "What the metrics say while images are built")
            (folder / "metrics.svg").write_text(picture)
    print(f"{folder}/imagebuilds.svg, {folder}/metrics.svg")


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the pictures of docs/pictures from a run of Kiln.")
    parser.add_argument("--sites", type=int, default=60)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "docs" / "pictures")
    args = parser.parse_args()
    make(args.folder, args.sites)
    return 0


if __name__ == "__main__":
    sys.exit(main())
