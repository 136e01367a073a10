"""A BuildKit daemon with its OCI worker, that builds one COPY and pushes it. Needs root and runc."""

from __future__ import annotations

import os
import pathlib
import re
import shutil

import programs  # Finds what is below; see there.

import go_tools
from server_process import Server
from servers import lack_of_socket

DOCKERFILE = "FROM scratch\nCOPY . /srv\n"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class _Daemon(Server):
    def __init__(self, program: pathlib.Path, folder: pathlib.Path) -> None:
        super().__init__("buildkitd", program, folder)
        self.socket = folder / "buildkitd.sock"

    def argv(self) -> list[str]:
        return ["--addr", f"unix://{self.socket}", "--root", str(self.folder / "buildkit"), "--oci-worker=true",
                "--containerd-worker=false", "--oci-worker-net=host", "--oci-worker-gc=false", "--group", "0"]

    def environment(self) -> dict[str, str]:
        return {"PATH": SYSTEM_PATH, "OTEL_TRACES_EXPORTER": "none", "XDG_RUNTIME_DIR": str(self.folder)}

    def listens(self) -> bool:
        return self.socket.exists()

    def probe(self) -> str:
        return lack_of_socket(self.socket)


def lack() -> str:
    """Why there can be none here; empty where it can."""
    if os.geteuid() != 0:
        return "it needs root"
    if not shutil.which("runc", path=SYSTEM_PATH):
        return "there is no runc; run tools/setup.sh bench"
    return ""


class BuildKit:
    def __init__(self, folder: pathlib.Path) -> None:
        """Errors: ToolError, ServerError."""
        tools = go_tools.ensure("buildkitd", "buildctl", use_path=False)
        for name in ("logs", "run", "dockerfile"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "dockerfile" / "Dockerfile").write_text(DOCKERFILE)
        self._folder = folder
        self._daemon = _Daemon(tools["buildkitd"], folder)
        self._buildctl = [str(tools["buildctl"]), "--addr", f"unix://{self._daemon.socket}"]
        self._daemon.start()

    def __enter__(self) -> BuildKit:
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.terminate()
        self._daemon.wait_dead()

    def forget(self) -> None:
        """All that it has built and was sent."""
        programs.run(*self._buildctl, "prune", "--all")

    def build(self, site: pathlib.Path, target: str) -> programs.Took:
        """Processor time is that of the daemon too, and memory the daemon's."""
        before = programs.measuring.cpu_s(self._daemon.pid)
        pathlib.Path(f"/proc/{self._daemon.pid}/clear_refs").write_text("5")  # The highest begins anew.
        took = programs.run(*self._buildctl, "build", "--progress=plain", "--frontend=dockerfile.v0",
                            f"--local=context={site}", f"--local=dockerfile={self._folder / 'dockerfile'}",
                            f"--output=type=image,name={target},push=true,registry.insecure=true")
        status = pathlib.Path(f"/proc/{self._daemon.pid}/status").read_text()
        peak = int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1]) / 1024
        cpu = programs.measuring.cpu_s(self._daemon.pid) - before
        return programs.Took(took.seconds, took.cpu_s + cpu, max(peak, took.peak_mib), took.out, took.err)
