"""What the scenarios say: apply this, wait for that, look into the image."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import base_image
from cluster import Cluster
from kubectl import KubectlError

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 60
CLOSE_DEADLINE_S = 300  # For the longest tests: a thousand ImageBuilds on a busy machine.


def binary(name: str) -> str:
    """The built program: $KILN_BIN_DIR, else the dev build."""
    folder = pathlib.Path(os.environ.get("KILN_BIN_DIR", ROOT / "build" / "dev" / "bin"))
    path = folder / name
    if not path.exists():
        raise RuntimeError(f"{path} is not built; run: make test (or set KILN_BIN_DIR)")
    return str(path)


def run(*words: str, check: bool = True, env: dict | None = None, input: str | None = None,
        deadline_s: float = DEADLINE_S):
    done = subprocess.run(words, capture_output=True, text=True, timeout=deadline_s, input=input,
                          env={**os.environ, **(env or {})})
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    return done


def install(cluster: Cluster) -> None:
    """The ImageBuild API, and the rights of deploy/rbac.yaml."""
    cluster.kubectl("apply", "-f", str(ROOT / "crds" / "kiln.build_imagebuilds.yaml"))
    cluster.wait_established("imagebuilds.kiln.build")
    cluster.kubectl("apply", "-f", str(ROOT / "deploy" / "rbac.yaml"))


def push_base(cluster: Cluster) -> str:
    """The nginx stand-in; answers its reference."""
    reference = f"{cluster.registry().address}/library/nginx:1.27"
    base_image.push(reference)
    return reference


class Controller:
    """One kiln-controller process; its log is shown when a test fails."""

    def __init__(self, kubeconfig: pathlib.Path, directory: pathlib.Path, *flags: str,
                 retry: tuple[str, str] = ("200ms", "2s"), env: dict[str, str] | None = None) -> None:
        """`retry`: the first and the longest wait after a failure. `env`: beside the tests' own."""
        self._kubeconfig = kubeconfig
        self._env = env or {}
        self._flags = ("--min-retry-delay", retry[0], "--max-retry-delay", retry[1], *flags)
        self._cache = directory / "cache"
        self.log_path = directory / "controller.log"
        self._process: subprocess.Popen | None = None
        self._log_of_earlier = 0  # So many letters of the log are of those started before.

    def __enter__(self) -> Controller:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()
        print(self.log())

    def start(self) -> None:
        self._log_of_earlier = len(self.log()) if self.log_path.exists() else 0
        with open(self.log_path, "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [*self.program(), "--kubeconfig", str(self._kubeconfig),
                 "--log-level", "debug", "--cache-dir", str(self._cache),
                 "--metrics-addr", "127.0.0.1:0", "--health-addr", "127.0.0.1:0", *self._flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self._env})

    def program(self) -> list[str]:
        """What is started, without flags."""
        return [binary("kiln-controller")]

    def kill(self) -> None:
        """As a crash: nothing is said to anybody."""
        self._process.kill()
        self._process.wait(timeout=10)

    def stop(self, deadline_s: float = 30) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=deadline_s)

    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def address(self, what: str) -> str:
        """Where the last one started serves "metrics" or "health"."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if found := re.search(rf"serving what={what} address=(\S+)", self.log()[self._log_of_earlier:]):
                return found[1]
            time.sleep(0.02)
        raise AssertionError(f"it does not serve {what}\n{self.log()[-2000:]}")

    def ask(self, what: str, path: str, method: str = "GET", body: str | None = None):
        """(status, text) of a page."""
        request = urllib.request.Request(f"http://{self.address(what)}{path}", method=method,
                                         data=body.encode() if body is not None else None)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")


class World:
    """A namespace, and the words of the tests."""

    def __init__(self, cluster: Cluster, base: str, directory: pathlib.Path, test: str) -> None:
        self.cluster = cluster
        self.base = base
        self.directory = directory
        self.registry = cluster.registry().address
        words = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")[:40].strip("-")
        self.namespace = f"{words}-{time.monotonic_ns() % 100000}"
        self.controller: Controller = None
        cluster.kubectl("create", "namespace", self.namespace)

    def close(self) -> None:
        # Without a garbage collector the namespace stays; without ImageBuilds it costs nothing.
        self.cluster.kubectl("-n", self.namespace, "delete", "imagebuilds", "--all", "--wait=false",
                             deadline_s=CLOSE_DEADLINE_S)

    # --- Doing ---

    def kubectl(self, *args: str, input: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *args, input=input)

    def apply(self, *objects: dict) -> None:
        listing = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", input=json.dumps(listing))

    def refusal_of(self, *objects: dict) -> str:
        """What the API server says to objects it must not take."""
        try:
            self.apply(*objects)
        except KubectlError as error:
            return error.stderr
        raise AssertionError("the API server took it")

    def config_map(self, name: str, data: dict[str, str]) -> dict:
        return {"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": self.namespace}, "data": data}

    def image_build(self, name: str = "site", **spec) -> dict:
        """A site on the nginx stand-in from the ConfigMap `site-content`, changed by `spec`."""
        whole = {
            "base": {"image": self.base},
            "remove": ["/usr/share/nginx/html"],
            "content": [{"configMap": {"name": "site-content"}, "path": "/usr/share/nginx/html"}],
            "output": {"image": f"{self.registry}/{self.namespace}/{name}:latest"},
        }
        whole.update(spec)
        return {"apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild",
                "metadata": {"name": name, "namespace": self.namespace}, "spec": whole}

    # --- Looking ---

    def get(self, name: str = "site") -> dict:
        return json.loads(self.kubectl("get", "imagebuild", name, "-o", "json"))

    def condition(self, kind: str = "Ready", name: str = "site") -> dict:
        conditions = self.get(name).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def wait_until(self, what: str, holds, deadline_s: float = DEADLINE_S):
        """Asks again and again; the deadline's message tells the last answer and the log's end."""
        end = time.monotonic() + deadline_s
        while True:
            value = holds()
            if value:
                return value
            if not self.controller.running():
                raise AssertionError(f"the controller died\n{self.controller.log()[-4000:]}")
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline_s} s: {what}\n"
                                     f"{json.dumps(self.get_all(), indent=1)[:4000]}")
            time.sleep(0.05)

    def get_all(self) -> list:
        return json.loads(self.kubectl("get", "imagebuilds", "-o", "json"))["items"]

    def wait_ready(self, name: str = "site", *, not_digest: str = "") -> str:
        """Ready for its newest generation, with a digest that is not `not_digest`: the digest."""
        def ready():
            build = self.get(name)
            status = build.get("status", {})
            condition = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
            if (condition.get("status") == "True"
                    and status.get("observedGeneration") == build["metadata"]["generation"]
                    and status.get("digest") not in ("", None, not_digest)):
                return status["digest"]
            return None
        return self.wait_until(f"{name} is Ready", ready)

    def wait_reason(self, reason: str, name: str = "site") -> dict:
        def has_reason():
            condition = self.condition("Ready", name)
            return condition if condition.get("reason") == reason else None
        return self.wait_until(f"{name} has the reason {reason}", has_reason)

    def reference(self, name: str = "site") -> str:
        return f"{self.registry}/{self.namespace}/{name}:latest"

    def crane(self, *words: str) -> str:
        return run(str(self.cluster.tools["crane"]), *words).stdout

    def registry_digest(self, name: str = "site") -> str:
        return self.crane("digest", self.reference(name)).strip()

    def file_in_image(self, path: str, name: str = "site", platform: str = "linux/amd64") -> str:
        tar = self.directory / "image.tar"
        self.crane("export", "--platform", platform, self.reference(name), str(tar))
        return run("tar", "-xOf", str(tar), path.lstrip("/")).stdout

    def events(self) -> list[dict]:
        return json.loads(self.kubectl("get", "events.events.k8s.io", "-o", "json"))["items"]
