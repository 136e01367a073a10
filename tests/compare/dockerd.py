"""A Docker daemon that lives as long as a test run and leaves nothing behind.

It runs in mount and PID namespaces of its own, so that one SIGKILL ends the daemon, its containerd
and every container, and takes their mounts away: nothing is to be stopped politely, and nothing
outlives a test run that dies. The network is the host's, so that it reaches registries on loopback;
containers have none. Found out with Linux 6.18 and cgroups of version 1, and of version 2 without
controllers and with the daemon in the root group, as in a privileged container:

- The storage driver is vfs: it copies whole layers, needs nothing of the kernel and takes any file
  system. overlay2 works too where the data's folder is not itself on an overlay.
- `--iptables=false --ip6tables=false --bridge=none`: it touches nothing of the host's network.
- /etc/docker/daemon.json is not read: the host's daemon is another one.
- `--cgroup-parent`: the groups that runc makes and nobody removes have a name of our own.
- `container=docker` in its environment, as Docker's own dind has it: it loads no AppArmor profile,
  for which a program is needed that docker.io only recommends.
- Root is needed, with the right to make namespaces and to mount: in a container, --privileged.
  Docker's rootless mode would need rootlesskit, slirp4netns and subordinate IDs.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket

import cgroups
import tools
from server_process import Server

CLIENT = "/usr/bin/docker"  # of docker.io, as old as the daemon; another may come first in PATH
PROGRAMS = ("dockerd", "containerd", "runc", "unshare", CLIENT)
_NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
               "--propagation", "private")
_PROBE_DEADLINE_S = 5


class Dockerd(Server):
    """One daemon, on a socket in its folder. `start`, then `docker(…)`, then `kill`."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__("dockerd", pathlib.Path("/usr/bin/unshare"), folder)
        for name in ("logs", "run"):
            (folder / name).mkdir(parents=True)
        (folder / "daemon.json").write_text("{}\n")
        self._socket = folder / "docker.sock"
        self._cgroup = f"kiln-test-{os.getpid()}"

    @staticmethod
    def lacks_privilege() -> str:
        """Empty if a daemon can run here, otherwise why not."""
        try:
            tools.call("unshare", *_NAMESPACES, "true")
        except tools.ToolFailed as error:
            return f"a Docker daemon needs namespaces (in a container: --privileged): {error}"
        return ""

    @property
    def host(self) -> str:
        """As DOCKER_HOST has it."""
        return f"unix://{self._socket}"

    def docker(self, *words: str | pathlib.Path, **options) -> str:
        """Calls the client. Errors: tools.ToolFailed."""
        return tools.call(CLIENT, "--host", self.host, *words, **options)

    def inspect(self, image: str) -> dict:
        return json.loads(self.docker("image", "inspect", image))[0]

    def kill(self) -> None:
        """SIGKILL to the first process of its namespace: the kernel ends all others with it."""
        for child in self._children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.wait_dead()
        cgroups.remove(self._cgroup)

    # What a Server defines.

    def argv(self) -> list[str]:
        return [*_NAMESPACES, "dockerd",
                "--config-file", str(self.folder / "daemon.json"), "--host", self.host,
                "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec"),
                "--pidfile", str(self.folder / "run" / "docker.pid"), "--storage-driver", "vfs",
                "--iptables=false", "--ip6tables=false", "--bridge=none",
                f"--cgroup-parent=/{self._cgroup}"]

    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "container": "docker"}

    def listens(self) -> bool:
        return self._socket.exists()

    def probe(self) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_PROBE_DEADLINE_S)
                connection.connect(str(self._socket))
                connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                answer = connection.recv(64)
        except OSError as error:
            return f"/_ping: {error}"
        return "" if b" 200 " in answer else f"/_ping answered {answer!r}"

    # Inside.

    def _children(self) -> list[int]:
        if self.state() == "dead":
            return []
        return [int(pid) for pid in
                pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
