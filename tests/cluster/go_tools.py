#!/usr/bin/python3
"""Builds the programs the tests run against from pinned Go modules, once, into a cache.

What is built is written down in modules/<folder>/go.mod and verified by the go.sum beside it;
nothing is downloaded but Go source. A built tool lives in a folder named after its content,
    ${KILN_CACHE_DIR:-${XDG_CACHE_HOME:-~/.cache}/kiln}/tools/<name>-<version>-<hash>/<name>
where the hash covers go.mod, go.sum, the build flags and what source of ours is there. So a changed pin is built anew, an
unchanged one is found, and two checkouts may share a cache.

    go_tools.py                 builds what a cluster needs and prints one path a line
    go_tools.py helm crane      the same for the tools named
    go_tools.py --list          tells what there is, and what is built already
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Callable, Iterator

MODULES = pathlib.Path(__file__).resolve().parent / "modules"
BUILD_DEADLINE_S = 45 * 60
PROBE_DEADLINE_S = 20
LOG_LINES_SHOWN = 15

Version = tuple[int, ...]


class ToolError(Exception):
    """A tool cannot be had; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """Which versions found on PATH serve as well as the pinned one."""

    words: str
    holds: Callable[[Version, Version], bool]  # (found, pinned)


SAME_MAJOR = Fit("the same major version", lambda found, pinned: found[0] == pinned[0])
SAME_MINOR = Fit("the same minor version", lambda found, pinned: found[:2] == pinned[:2])
# For programs of ours.
NOTHING_ELSE = Fit("nothing", lambda found, pinned: False)
# What Kubernetes promises for kubectl and an API server.
ONE_MINOR_APART = Fit("at most one minor version apart", lambda found, pinned:
                      found[0] == pinned[0] and abs(found[1] - pinned[1]) <= 1)


@dataclasses.dataclass(frozen=True)
class Tool:
    """One program: where it comes from, and which version of it on PATH would do as well."""

    name: str
    folder: str  # below modules/
    root: str  # the module whose version is the tool's version
    package: str  # below root; "." is root itself
    minutes: str  # how long a first build takes on two cores
    version_args: tuple[str, ...]
    fit: Fit
    stamp: tuple[str, ...] = ()  # variables that must hold the version
    ours: bool = False  # A program of ours around the module `root`: its source is in the folder.

    @property
    def module_dir(self) -> pathlib.Path:
        return MODULES / self.folder

    @functools.cached_property
    def version(self) -> str:
        """As required by go.mod, e.g. "v1.36.3"."""
        text = (self.module_dir / "go.mod").read_text()
        found = re.search(rf"^(?:require)?\s+{re.escape(self.root)} (v\S+)", text, re.M)
        if not found:
            raise ToolError(f"{self.module_dir}/go.mod does not require {self.root}")
        return found[1]

    @property
    def import_path(self) -> str:
        if self.ours:
            return "."
        return self.root if self.package == "." else f"{self.root}/{self.package}"

    def build_flags(self) -> list[str]:
        major, minor = self.version.lstrip("v").split(".")[:2]
        values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        stamps = "".join(f" -X {name}={values[name.rpartition('.')[2]]}" for name in self.stamp)
        return ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w" + stamps, self.import_path]

    @functools.cached_property
    def key(self) -> str:
        """The name of its folder in the cache: the same inputs give the same name."""
        digest = hashlib.sha256()
        inputs = [(self.module_dir / name).read_bytes() for name in ("go.mod", "go.sum")]
        if self.ours:
            inputs += [path.read_bytes() for path in sorted(self.module_dir.glob("*.go"))]
        inputs += [arg.encode() for arg in [*self.build_flags(), platform.machine()]]
        for each in inputs:
            digest.update(b"%d\n" % len(each) + each)
        return f"{self.name}-{self.version}-{digest.hexdigest()[:10]}"


def _kubernetes(name: str, minutes: str, fit=SAME_MINOR, version_args=("--version",),
                ours=False) -> Tool:
    fields = ("gitVersion", "gitMajor", "gitMinor")
    stamp = tuple(f"k8s.io/component-base/version.{field}" for field in fields)
    return Tool(name, "kubernetes", "k8s.io/kubernetes", f"cmd/{name}", minutes, version_args, fit,
                stamp, ours)


def _containerd(name: str) -> Tool:
    root = "github.com/containerd/containerd/v2"
    return Tool(name, "containerd", root, f"cmd/{name}", "1.5 minutes", ("--version",), SAME_MAJOR)


def _buildkit(name: str) -> Tool:
    return Tool(name, "buildkit", "github.com/moby/buildkit", f"cmd/{name}", "4 minutes", ("--version",), SAME_MINOR)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("registry", "registry", "github.com/distribution/distribution/v3", "cmd/registry",
             "2 minutes", ("--version",), SAME_MAJOR),
        Tool("crane", "crane", "github.com/google/go-containerregistry", "cmd/crane",
             "20 seconds", ("version",), SAME_MINOR),
        Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", ".",
             "1 minute", ("--version",), SAME_MINOR),
        _kubernetes("kube-apiserver", "6 minutes"),
        _kubernetes("kubectl", "1 minute", ONE_MINOR_APART,
                    ("version", "--client", "-o", "json")),
        # What a node takes beside that. kube-node is kubelet, kube-controller-manager, kube-scheduler
        # and kube-proxy in one program.
        _kubernetes("kube-node", "3 minutes", ours=True),
        Tool("helm", "helm", "helm.sh/helm/v3", "cmd/helm",
             "3 minutes", ("version", "--template", "{{.Version}}"), SAME_MAJOR),
        _containerd("containerd"),
        _containerd("containerd-shim-runc-v2"),
        # What GitOps tools make of an object's status; see tests/scenarios/test_gitops.py.
        Tool("gitops-health", "gitops-health", "github.com/fluxcd/cli-utils", ".",
             "30 seconds", (), NOTHING_ELSE, ours=True),
        # What tests/bench/controller.py compares with.
        Tool("rival", "rival", "sigs.k8s.io/controller-runtime", ".", "2 minutes", (), NOTHING_ELSE, ours=True),
        # What tests/bench/first_build.py compares with.
        _buildkit("buildkitd"),
        _buildkit("buildctl"),
    )
}

CLUSTER_TOOLS = ("registry", "crane", "etcd", "kube-apiserver", "kubectl")
NODE_TOOLS = ("kube-node", "containerd", "containerd-shim-runc-v2", "helm")


def cache_dir() -> pathlib.Path:
    """Kiln's own cache folder, outside any checkout. Absolute; not created here."""
    own = os.environ.get("KILN_CACHE_DIR")
    if own:
        return pathlib.Path(own).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(xdg) if xdg else pathlib.Path.home() / ".cache") / "kiln"


def go_architecture() -> str:
    """This machine's, as Go and OCI call it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ensure(*names: str, use_path: bool = True) -> dict[str, pathlib.Path]:
    """The path of each named tool, by name; those that are nowhere are built, one after another.

    Looks in the cache first, then on PATH (unless `use_path` is off), then builds.
    Errors: ToolError, which names the tool, the log of its build and what to do.
    """
    return {name: _find(_tool(name), use_path) or _build(_tool(name)) for name in names}


def _tool(name: str) -> Tool:
    if name not in TOOLS:
        raise ToolError(f"no tool is called {name!r}; there are {', '.join(TOOLS)}")
    return TOOLS[name]


def _cached(tool: Tool) -> pathlib.Path:
    return cache_dir() / "tools" / tool.key / tool.name


def _find(tool: Tool, use_path: bool) -> pathlib.Path | None:
    if _cached(tool).exists():
        return _cached(tool)
    found = shutil.which(tool.name) if use_path else None
    if not found:
        return None
    version = _version_of(found, tool)
    if version and tool.fit.holds(version, _numbers(tool.version)):
        return pathlib.Path(found)
    known = ".".join(map(str, version)) if version else "of an unknown version"
    say(f"{found} is {known}, which does not fit {tool.name} {tool.version} ({tool.fit.words} is "
        "needed): building our own")
    return None


def _numbers(text: str) -> Version:
    found = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def _version_of(program: str, tool: Tool) -> Version:
    try:
        run = subprocess.run([program, *tool.version_args], stdin=subprocess.DEVNULL, text=True,
                             capture_output=True, timeout=PROBE_DEADLINE_S)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r'"gitVersion": *"([^"]+)"', run.stdout)
    return _numbers(found[1] if found else run.stdout)


def _build(tool: Tool) -> pathlib.Path:
    """Builds beside the final place and renames, so that a folder in the cache is complete."""
    tools = cache_dir() / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    lock = tools / f".{tool.key}.lock"
    with locked(lock, f"another process that builds {tool.name}", BUILD_DEADLINE_S):
        if _cached(tool).exists():
            return _cached(tool)  # The one that held the lock has built it.
        go = _find_go(tool)
        aside = tools / f".{tool.key}.building"
        shutil.rmtree(aside, ignore_errors=True)  # Of a build that was cut off; we hold the lock.
        aside.mkdir()
        say(f"building {tool.name} {tool.version} (about {tool.minutes} the first time)")
        _run_go(go, tool, aside / tool.name, tools / f"{tool.key}.log")
        os.rename(aside, tools / tool.key)
    return _cached(tool)


@contextlib.contextmanager
def locked(path: pathlib.Path, holder: str, deadline_s: float) -> Iterator[None]:
    """Holds an exclusive lock on a file, which stays. `holder` is who may have it now, in words."""
    deadline = time.monotonic() + deadline_s
    told = False
    with open(path, "w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ToolError(f"waited {deadline_s:g} s for {holder} (lock {path}); "
                                    "end it and try again") from None
            if not told:
                say(f"waiting for {holder}")
                told = True
            time.sleep(0.2)
        yield


def _find_go(tool: Tool) -> str:
    """Errors: ToolError if go is missing or older than the module asks for."""
    wanted = re.search(r"^go (\S+)", (tool.module_dir / "go.mod").read_text(), re.M)[1]
    advice = (f"install Go {wanted} or newer (https://go.dev/doc/install) and put it on PATH; "
              f"it builds {tool.name}")
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not go:
        raise ToolError(f"there is no go on PATH: {advice}")
    try:
        run = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True,
                             env=_go_environment(), timeout=PROBE_DEADLINE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{go} does not work ({error}): {advice}") from None
    found = tuple(int(part) for part in re.findall(r"\d+", run.stdout)[:3])
    if found < _numbers(wanted):
        raise ToolError(f"{go} is {run.stdout.strip() or 'of an unknown version'}: {advice}")
    return go


def _go_environment() -> dict[str, str]:
    """The caller's, so that their proxy and caches are used, but for what changes the result."""
    changing = ("GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140")
    kept = {name: value for name, value in os.environ.items() if name not in changing}
    return {**kept, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off",
            "GOFLAGS": "-mod=readonly"}


def _run_go(go: str, tool: Tool, output: pathlib.Path, log_path: pathlib.Path) -> None:
    command = [go, "build", "-v", "-o", str(output), *tool.build_flags()]
    with open(log_path, "w") as log:
        build = subprocess.Popen(command, cwd=tool.module_dir, env=_go_environment(), stdout=log,
                                 stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            code = build.wait(BUILD_DEADLINE_S)
        except subprocess.TimeoutExpired:
            code = f"no end after {BUILD_DEADLINE_S // 60} minutes"
        finally:
            if build.poll() is None:  # Too slow, or we were interrupted: its compilers go too.
                os.killpg(build.pid, signal.SIGKILL)
                build.wait()
    if code != 0:
        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
        raise ToolError(f"building {tool.name} {tool.version} failed ({code}); whole log: "
                        f"{log_path}; its end:\n{tail}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds pinned test tools into a cache.")
    parser.add_argument("names", nargs="*", help=f"default: {' '.join(CLUSTER_TOOLS)}")
    parser.add_argument("--list", action="store_true", help="tell what there is; build nothing")
    parser.add_argument("--own", action="store_true", help="use nothing that is on PATH")
    args = parser.parse_args()
    if args.list:
        for tool in TOOLS.values():
            state = _cached(tool) if _cached(tool).exists() else f"not built (about {tool.minutes})"
            print(f"{tool.name:24} {tool.version:9} {state}")
        return 0
    try:
        for path in ensure(*(args.names or CLUSTER_TOOLS), use_path=not args.own).values():
            print(path)
    except (ToolError, OSError) as error:
        say(f"go_tools: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
