"""A real sshd that serves git repositories to whoever has a key; like tests/integration/git/ssh_server.h."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import time

from git_server import PATH, Repository, free_port

START_DEADLINE_S = 30


def missing_program() -> str | None:
    return next((name for name in ("sshd", "ssh-keygen", "git-upload-pack")
                 if shutil.which(name, path=PATH) is None), None)


class GitSshServer:
    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._user = pwd.getpwuid(os.geteuid()).pw_name
        self._sshd: subprocess.Popen | None = None

    def __enter__(self) -> GitSshServer:
        self._folder.mkdir()
        if os.geteuid() == 0:  # Where sshd locks its parts in.
            pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        self._new_key("host", "")
        config = self._folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nPort {self._port}\nHostKey {self._folder}/host\n"
            f"AuthorizedKeysFile {self._folder}/authorized_keys\nPidFile {self._folder}/pid\n"
            f"AllowUsers {self._user}\nPermitRootLogin yes\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPrintMotd no\nDisableForwarding yes\nPermitTTY no\n"
            "AcceptEnv GIT_PROTOCOL\nSetEnv SHLVL=1\n")  # Else bash would run .bashrc, which may wait.
        with open(self._folder / "log", "w", encoding="utf-8") as log:
            self._sshd = subprocess.Popen([shutil.which("sshd", path=PATH), "-D", "-e", "-f", str(config)],
                                          stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._answers():
            if time.monotonic() > deadline or self._sshd.poll() is not None:
                raise AssertionError((self._folder / "log").read_text())
            time.sleep(0.02)
        return self

    def __exit__(self, *_) -> None:
        self._sshd.kill()
        self._sshd.wait(timeout=10)

    def repository(self, name: str) -> Repository:
        return Repository(self._folder / name)

    def url(self, name: str) -> str:
        return f"ssh://{self._user}@127.0.0.1:{self._port}{self._folder}/{name}"

    def credentials(self, password: str) -> dict[str, str]:
        """A key that opens it and has this password, as the entries of a Secret."""
        identity = self._new_key("client", password)
        (self._folder / "authorized_keys").write_text(f"restrict {self._public('client')}\n")
        return {"identity": identity, "password": password,
                "known_hosts": f"[127.0.0.1]:{self._port} {self._public('host')}\n"}

    def _new_key(self, name: str, password: str) -> str:
        path = self._folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", password, "-C", name, "-f", str(path)],
                       check=True, timeout=30, stdin=subprocess.DEVNULL)
        return path.read_text()

    def _public(self, name: str) -> str:
        return " ".join((self._folder / f"{name}.pub").read_text().split()[:2])

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
