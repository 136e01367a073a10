#!/usr/bin/python3
"""Shows Kiln at work: first the command alone, then a cluster with the controller. `make demo`.

Each command is printed before it runs, and can be typed as it stands if the cluster is kept:
KILN_DEMO_KEEP=1 leaves all running and says how to use and how to end it. Otherwise everything
that was started is ended, also after an error or Ctrl-C. Exit code 0 if all of it worked.
"""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
import base_image  # noqa: E402  (found through the line above)
import go_tools  # noqa: E402
from certificates import CertificateError  # noqa: E402
from cluster import Cluster, ClusterError  # noqa: E402
from registry_push import PushError  # noqa: E402
from server_process import ServerError  # noqa: E402

KILN = "build/bin/kiln"
CONTROLLER = "build/bin/kiln-controller"
BUILD_DEADLINE_S = 60
COMMAND_DEADLINE_S = 60
TOOLS_DEADLINE_S = 40 * 60
TICK_S = 15
LOG_LINES_SHOWN = 25
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class DemoError(Exception):
    """A step did not show what it should; the message says which."""


class Narrator:
    """What the reader sees: sentences, commands and their output."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def chapter(self, text: str) -> None:
        self._print(f"\n== {text}  [{time.monotonic() - self._began:.0f} s]", "1")

    def say(self, text: str) -> None:
        print(textwrap.fill(text, 96), flush=True)

    def command(self, text: str) -> None:
        self._print(f"  $ {text}", "36")

    def output(self, text: str) -> None:
        for line in text.rstrip("\n").splitlines():
            print(f"    {line}", flush=True)

    def _print(self, text: str, colour: str) -> None:
        print(f"\033[{colour}m{text}\033[0m" if self._colour else text, flush=True)


class Demo:
    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self._tell = Narrator()
        self._work = pathlib.Path(tempfile.mkdtemp(prefix="kiln-demo-"))
        self._environment = dict(os.environ)
        self._tools: subprocess.Popen | None = None
        self._controller: subprocess.Popen | None = None
        self._cluster: Cluster | None = None
        self._complete = False

    def run(self) -> None:
        self._start_building_tools()
        self._show_the_command()
        self._wait_for_tools()
        self._start_cluster()
        self._start_controller()
        first = self._show_a_build()
        self._show_a_change(first)
        self._complete = True

    # The chapters.

    def _show_the_command(self) -> None:
        self._tell.chapter("The kiln command: an image without a cluster, a registry or Docker")
        self._tell.say("A manifest names a ConfigMap, and both stand in one file. The image goes into a "
                       "folder, as an OCI layout.")
        layout = self._work / "hello"
        manifest = "examples/command/imagebuild.yaml"
        out = self._shell(f"{KILN} build -f {manifest} -t oci:{layout}")
        again = self._shell(f"{KILN} build -f {manifest} -t oci:{self._work}/again")
        digest, second = _digest_in(out), _digest_in(again)
        if digest != second:
            raise DemoError(f"the same file gave two digests: {digest} and {second}")
        self._tell.say("Built twice, the digest is the same: it depends on the content alone. This is "
                       "what the layer holds:")
        self._shell(f"tar -tvzf {self._layer_of(layout)}")

    def _start_cluster(self) -> None:
        self._tell.chapter("A cluster: etcd, a Kubernetes API server and a registry on this machine")
        directory = go_tools.cache_dir() / "demo" if self._keep else None
        if directory and directory.exists():
            raise DemoError(f"a demo that was kept is in {directory}; end it first: "
                            f"tests/cluster/cluster.py down --dir {directory}")
        self._cluster = Cluster(directory=directory, detached=self._keep,
                                keep=False if self._keep else None)
        self._cluster.start()
        registry = self._cluster.registry().address
        self._environment.update(
            KUBECONFIG=str(self._cluster.kubeconfig), KILN_REGISTRY=registry,
            KUBECACHEDIR=str(self._cluster.directory / "kubectl-cache"),
            PATH=f"{self._cluster.directory / 'bin'}:{os.environ.get('PATH', os.defpath)}")
        self._tell.say(f"The registry is {registry}. It gets an image to build upon, a stand-in for nginx "
                       "of three platforms, and the API server gets the new kind of object.")
        self._shell("tests/cluster/base_image.py $KILN_REGISTRY/library/nginx:1.27")
        self._shell("kubectl apply -f crds/")
        self._cluster.wait_established("imagebuilds.kiln.build")

    def _start_controller(self) -> None:
        self._tell.chapter("The controller")
        log_path = self._log_path()
        off = ["--metrics-addr", "0", "--health-addr", "0"]  # Their ports may be taken on this machine.
        self._tell.command(f"{CONTROLLER} --kubeconfig $KUBECONFIG {' '.join(off)} &")
        with open(log_path, "w") as log:
            self._controller = subprocess.Popen(
                [str(ROOT / CONTROLLER), "--kubeconfig", self._environment["KUBECONFIG"], *off],
                cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=None if self._keep else _die_with_parent)
        self._tell.say(f"It runs as process {self._controller.pid}, outside the cluster.")

    def _show_a_build(self) -> str:
        self._tell.chapter("A ConfigMap becomes an image")
        self._tell.say("The example needs the addresses of our registry; nothing else is changed.")
        self._shell("kubectl create namespace web")
        began = time.monotonic()
        self._shell("sed \"s#nginx:1.27#$KILN_REGISTRY/library/nginx:1.27#; "
                    "s#registry.example.com#$KILN_REGISTRY#\" examples/site/imagebuild.yaml "
                    "| kubectl -n web apply -f -")
        self._shell("kubectl -n web wait --for=condition=Ready imagebuild/site "
                    f"--timeout={BUILD_DEADLINE_S}s")
        self._tell.say(f"Ready {time.monotonic() - began:.1f} s after the manifest was applied.")
        self._shell("kubectl -n web get imagebuilds -o wide")
        digest = self._status("digest")
        self._shell("kubectl -n web get imagebuild site "
                    "-o jsonpath='{range .status.base.platforms[*]}{.platform}{\"\\n\"}{end}'")
        self._tell.say("Those are the platforms of the base, and so of the image. The registry has the "
                       "digest of the status, and the page is in the image:")
        in_registry = self._shell("crane digest --insecure $KILN_REGISTRY/team/site:latest").strip()
        if in_registry != digest:
            raise DemoError(f"the tag holds {in_registry}, the status says {digest}")
        page = self._page(digest)
        if "Hello from a ConfigMap" not in page:
            raise DemoError("the page of the ConfigMap is not in the image")
        return digest

    def _show_a_change(self, before: str) -> None:
        self._tell.chapter("The ConfigMap changes, and so does the image")
        page = {"data": {"index.html": "<h1>Edited a moment ago</h1>\n"}}
        began = time.monotonic()
        self._shell(f"kubectl -n web patch configmap site-content --type=merge -p '{json.dumps(page)}'")
        after = self._wait_for_another(before)
        self._tell.say(f"{time.monotonic() - began:.1f} s later the status has another digest:")
        self._tell.output(f"before  {before}\nnow     {after}")
        if "Edited a moment ago" not in self._page(after):
            raise DemoError("the edited page is not in the image")
        self._tell.say("What Kiln said about it:")
        self._wait_for_an_event()
        self._shell("kubectl -n web describe imagebuild site | sed -n '/^Events:/,$p'")

    # Steps.

    def _shell(self, command: str, quiet: bool = False) -> str:
        """Shows a command, runs it in the root and shows what it prints. Errors: DemoError."""
        if not quiet:
            self._tell.command(command)
        run = subprocess.Popen(["/bin/bash", "-o", "pipefail", "-c", command], cwd=ROOT,
                               env=self._environment, text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            output, errors = self._await(run, command)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
        if not quiet or run.returncode != 0:
            self._tell.output(errors + output)
        if run.returncode != 0:
            raise DemoError(f"this ended with exit code {run.returncode}: {command}")
        return output

    def _await(self, run: subprocess.Popen, command: str) -> tuple[str, str]:
        """What it printed. Does not wait on for something that only a controller can do if it died."""
        deadline = time.monotonic() + COMMAND_DEADLINE_S + BUILD_DEADLINE_S
        while True:
            try:
                return run.communicate(timeout=0.5)
            except subprocess.TimeoutExpired:
                if self._controller and self._controller.poll() is not None:
                    raise DemoError(f"the controller ended during: {command}") from None
                if time.monotonic() > deadline:
                    raise DemoError(f"this did not end in time: {command}") from None

    def _page(self, digest: str) -> str:
        return self._shell(f"crane export --insecure $KILN_REGISTRY/team/site@{digest} - "
                           "| tar -xO usr/share/nginx/html/index.html")

    def _status(self, field: str) -> str:
        return self._shell("kubectl -n web get imagebuild site "
                           f"-o jsonpath='{{.status.{field}}}'", quiet=True).strip()

    def _wait_for_another(self, before: str) -> str:
        deadline = time.monotonic() + BUILD_DEADLINE_S
        while time.monotonic() < deadline:
            digest = self._status("digest")
            if digest not in ("", before):
                return digest
            time.sleep(0.1)
        raise DemoError(f"the status still says {before} after {BUILD_DEADLINE_S} s")

    def _wait_for_an_event(self) -> None:
        """Events are sent beside the work; a late one is no failure."""
        for _ in range(50):
            if self._shell("kubectl -n web get events -o name", quiet=True):
                return
            time.sleep(0.1)

    def _layer_of(self, layout: pathlib.Path) -> str:
        """The path of the first layer in an OCI layout."""
        def blob(descriptor: dict) -> pathlib.Path:
            return layout / "blobs" / descriptor["digest"].replace(":", "/")
        document = json.loads((layout / "index.json").read_text())
        while "manifests" in document:
            document = json.loads(blob(document["manifests"][0]).read_text())
        return str(blob(document["layers"][0]))

    # The Go programs, which take minutes the first time.

    def _start_building_tools(self) -> None:
        log = open(self._work / "tools.log", "w")
        with log:
            self._tools = subprocess.Popen(
                ["/usr/bin/python3", str(ROOT / "tests/cluster/go_tools.py")], stdout=subprocess.DEVNULL,
                stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT, preexec_fn=_die_with_parent)

    def _wait_for_tools(self) -> None:
        """They have been built beside what was shown so far; tells what is going on meanwhile."""
        began = told = time.monotonic()
        shown = 0
        while self._tools.poll() is None and time.monotonic() - began < TOOLS_DEADLINE_S:
            if time.monotonic() - began > 1 and shown == 0:
                self._tell.chapter("Waiting for the cluster's programs, which are built from Go modules once")
            lines = (self._work / "tools.log").read_text().splitlines()
            if time.monotonic() - began > 1 and (len(lines) > shown or time.monotonic() - told > TICK_S):
                self._tell.output("\n".join(lines[shown:]) or f"… {_packages_built()}")
                shown, told = max(len(lines), 1), time.monotonic()
            time.sleep(0.2)
        if self._tools.poll() != 0:
            raise DemoError("the cluster's programs cannot be had:\n"
                            + (self._work / "tools.log").read_text())

    # The end.

    def close(self) -> None:
        """Ends what runs, unless it is to be kept."""
        if self._tools and self._tools.poll() is None:
            self._tools.send_signal(signal.SIGINT)  # It then ends the compilers that it started.
            self._tools.wait(30)
        if self._keep and self._complete:
            self._tell_how_to_use()
        else:
            self._stop()
        shutil.rmtree(self._work, ignore_errors=True)

    def _stop(self) -> None:
        if self._controller:
            began = time.monotonic()
            self._controller.terminate()
            try:
                self._controller.wait(10)
            except subprocess.TimeoutExpired:
                self._tell.say("The controller did not end within 10 s of SIGTERM, so it is killed.")
                self._controller.kill()
                self._controller.wait(10)
            ended = time.monotonic() - began
            if self._complete:
                self._tell.chapter("The end")
                self._tell.say(f"The controller ended {ended:.1f} s after it was asked to; the cluster is "
                               "gone too. KILN_DEMO_KEEP=1 make demo leaves them running.")
        if self._cluster:
            self._cluster.stop()

    def _tell_how_to_use(self) -> None:
        folder = self._cluster.directory
        self._tell.chapter("It all runs on")
        self._tell.say("To use it:")
        self._tell.output(f"eval \"$(tests/cluster/cluster.py up --dir {folder})\"\n"
                          "kubectl -n web edit configmap site-content\n"
                          "kubectl -n web get imagebuilds --watch\n"
                          f"tail -f {self._log_path()}")
        self._tell.say("To end it:")
        self._tell.output(f"kill {self._controller.pid}; tests/cluster/cluster.py down --dir {folder}")

    def show_logs(self) -> None:
        """After an error: what the controller said last."""
        if self._controller and self._log_path().exists():
            code = self._controller.poll()
            state = "runs" if code is None else f"has ended with exit code {code}"
            lines = self._log_path().read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            self._tell.say(f"The controller {state}. The end of its log:")
            self._tell.output("\n".join(lines) or "(nothing)")

    def _log_path(self) -> pathlib.Path:
        return (self._cluster.directory / "logs" if self._keep else self._work) / "kiln-controller.log"


def _packages_built() -> str:
    """How far the compiler of the newest Go build is."""
    logs = sorted(go_tools.cache_dir().glob("tools/*.log"), key=lambda path: path.stat().st_mtime)
    if not logs:
        return "still building"
    return f"{logs[-1].name.partition('-v')[0]}: {len(logs[-1].read_text().splitlines())} packages so far"


def _digest_in(output: str) -> str:
    """The digest in the last line, which is meant for programs."""
    last = output.strip().rpartition("\n")[2]
    if "@sha256:" not in last:
        raise DemoError(f"the last line of kiln build holds no digest: {last!r}")
    return last.rpartition("@")[2]


def _die_with_parent() -> None:
    """In the child: however we end, it is asked to end too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # It may have been ignored, as in a background job.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _end(number, frame) -> None:
    raise KeyboardInterrupt


def main() -> int:
    assert threading.current_thread() is threading.main_thread()  # _die_with_parent needs it.
    for program in (KILN, CONTROLLER):
        if not (ROOT / program).exists():
            print(f"demo: there is no {program}; run make demo, which builds it first", file=sys.stderr)
            return 1
    signal.signal(signal.SIGTERM, _end)
    demo = Demo(keep=bool(os.environ.get("KILN_DEMO_KEEP")))
    try:
        demo.run()
        return 0
    except KeyboardInterrupt:
        print("\ndemo: interrupted; ending what was started", file=sys.stderr)
        return 130
    except (DemoError, ClusterError, ServerError, CertificateError, go_tools.ToolError, PushError,
            OSError) as error:
        print(f"\ndemo: {error}", file=sys.stderr, flush=True)
        demo.show_logs()
        return 1
    finally:
        demo.close()


if __name__ == "__main__":
    sys.exit(main())
