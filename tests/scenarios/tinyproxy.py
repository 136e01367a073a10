"""A forward proxy as people have it, tinyproxy: it lets those through who know its password."""

from __future__ import annotations

import pathlib
import shutil
import signal
import socket
import subprocess
import time

from git_server import PATH, free_port

USER, PASSWORD = "me", "pass_wo-rd"  # tinyproxy takes few other signs.


def missing_program() -> str | None:
    return None if shutil.which("tinyproxy", path=PATH) else "tinyproxy"


class TinyProxy:
    """Knows names that nobody else does: whatever is below `domain` is at `address` for it.

    It has its port from the beginning, and listens from start() to stop().
    """

    def __init__(self, folder: pathlib.Path, domain: str, address: str) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._log = folder / "log"
        self.port = free_port()
        self._process: subprocess.Popen | None = None
        (folder / "conf").write_text(
            f"Port {self.port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nAllow 127.0.0.1\n"
            f"BasicAuth {USER} {PASSWORD}\nLogLevel Connect\nLogFile \"{self._log}\"\n"
            f"Upstream http {address} \".{domain}\"\n")

    def __enter__(self) -> TinyProxy:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        with open(self._folder / "output", "a", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [shutil.which("tinyproxy", path=PATH), "-d", "-c", str(self._folder / "conf")],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline:
                raise AssertionError((self._folder / "output").read_text() + self.log())
            time.sleep(0.02)

    def stop(self) -> None:
        """As one that crashes: connections are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None

    def url(self, password: str = PASSWORD) -> str:
        return f"http://{USER}:{password}@{self.address}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
