"""What the measurements of controllers share: the machine, API requests, and a controller's process."""

from __future__ import annotations

import atexit
import concurrent.futures
import datetime
import json
import os
import pathlib
import platform
import random
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("cluster", "scenarios"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

import go_tools  # noqa: E402  (found through the lines above)
from cluster import Cluster  # noqa: E402
from git_server import free_port  # noqa: E402
from world import binary, install  # noqa: E402

CLIENTS = 16
DEADLINE_S = 900
TICKS = os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """What the figures were measured on, and whether it had other things to do."""
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory_kb = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    return (f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}), "
            f"{memory_kb / 1024 / 1024:.0f} GiB, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}")


def where(folder: pathlib.Path) -> str:
    """On what kind of file system a folder is."""
    mounts = [line.split()[1:3] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    kind = max((len(place), kind) for place, kind in mounts if folder.resolve().is_relative_to(place))[1]
    return "in memory (tmpfs)" if kind == "tmpfs" else f"on disk ({kind})"


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def words(seed: int, size: int) -> str:
    """Text of this size that compresses as text does."""
    chosen = random.Random(seed)
    vocabulary = ["".join(chosen.choices("etaoinshrdlu", k=chosen.randint(2, 9))) for _ in range(400)]
    return " ".join(chosen.choices(vocabulary, k=size // 3))[:size]


def moment(text: str) -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def wait_for(what: str, holds):
    """Asks five times a second: to be asked for metrics all the time would be work of its own."""
    end = time.monotonic() + DEADLINE_S
    while not (value := holds()):
        if time.monotonic() > end:
            raise RuntimeError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.2)
    return value


class Api:
    """One kept-alive connection to the API server as its administrator."""

    def __init__(self, cluster: Cluster) -> None:
        self._connection = cluster.apiserver.connect(60)

    def call(self, method: str, path: str, body: dict | None = None,
             content_type: str = "application/json") -> dict:
        self._connection.request(method, path, json.dumps(body) if body else None,
                                 {"Content-Type": content_type})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300 and answer.status != 409:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def path_of(namespace: str, name: str = "") -> str:
    path = f"/apis/kiln.build/v1alpha1/namespaces/{namespace}/imagebuilds"
    return f"{path}/{name}" if name else path


def each(cluster: Cluster, count: int, do) -> float:
    """do(api, number) for each number, by several clients; returns how many each second."""
    def some(first: int) -> None:
        api = Api(cluster)
        for number in range(first, count, CLIENTS):
            do(api, number)

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(some, range(CLIENTS)))
    return count / (time.monotonic() - began)


def ordinary_environment() -> dict[str, str]:
    """Where OpenSSL is told of one file with all authorities, each program reads all of them at first."""
    return {name: value for name, value in os.environ.items() if name not in ("SSL_CERT_FILE", "SSL_CERT_DIR")}


class Measured:
    """A controller's process, with its log in a file. What it is asked for has the names of controller-runtime."""

    def __init__(self, name: str, command: list[str], folder: pathlib.Path, kubeconfig: pathlib.Path) -> None:
        self.name = name
        self._log_path = folder / f"{name}.log"
        self._metrics = f"127.0.0.1:{free_port()}"
        with open(self._log_path, "w", encoding="utf-8") as log:
            self.began = time.time()
            self._process = subprocess.Popen(
                [*command, "--metrics-addr", self._metrics], stderr=log, stdin=subprocess.DEVNULL,
                env=ordinary_environment() | {"KUBECONFIG": str(kubeconfig)})
        atexit.register(self.stop)  # Whoever reads what a measurement says reads on while one of these runs.

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8")

    def logged_at(self, message: str) -> float:
        """The time of the first such line, in seconds, by the clock of the day."""
        found = wait_for(message, lambda: re.search(rf"^(\S+)Z \w+ {message}", self.log(), re.M))
        return moment(found[1])

    def begun(self, after: int = 0) -> dict[str, float]:
        """When the first reconcile of each object began, in the log from this byte on."""
        lines = re.findall(r"^(\S+)Z debug reconcile begins object=(\S+)", self.log()[after:], re.M)
        return {key: moment(at) for at, key in reversed(lines)}

    def logged(self, message: str) -> int:
        """How many such lines there are. To ask for this takes nothing of its processor time."""
        return len(re.findall(rf"^\S+Z \w+ {message}", self.log(), re.M))

    def metric(self, name: str, **labels: str) -> float:
        try:
            text = urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=30).read().decode()
        except urllib.error.URLError:  # It has only just begun.
            return 0
        return sum(float(value) for got, value in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.M)
                   if all(f'{key}="{wanted}"' in got for key, wanted in labels.items()))

    def reconciled(self, **labels: str) -> float:
        return self.metric("controller_runtime_reconcile_total", **labels)

    def memory_mb(self, field: str) -> float:
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1]) / 1024

    def memory(self) -> str:
        return f"{self.memory_mb('VmRSS'):.1f} MB (highest {self.memory_mb('VmHWM'):.1f} MB)"

    def cpu_s(self) -> float:
        return cpu_s(self.pid)


def kiln(cluster: Cluster, folder: pathlib.Path, *flags: str) -> Measured:
    kubeconfig = cluster.service_account_kubeconfig("kiln-system", "kiln-controller")
    command = [binary("kiln-controller"), "--health-addr", "0", *flags]
    return Measured("kiln", command, folder, kubeconfig)


def rival(cluster: Cluster, folder: pathlib.Path, *flags: str) -> Measured:
    """A controller as one makes it with controller-runtime; see its source, tests/cluster/modules/rival."""
    program = str(go_tools.ensure("rival", use_path=False)["rival"])
    return Measured("controller-runtime", [program, *flags], folder, cluster.kubeconfig)
