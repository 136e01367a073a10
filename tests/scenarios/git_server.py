"""A real git server: `git http-backend` behind nginx, with repositories made from dictionaries."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

BACKEND = "/usr/lib/git-core/git-http-backend"
PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
USER, PASSWORD = "me", "correct horse"


def missing_program() -> str | None:
    for name in ("nginx", "fcgiwrap", "openssl", "git"):
        if shutil.which(name, path=PATH) is None:
            return name
    return None if os.access(BACKEND, os.X_OK) else BACKEND


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, each another: they are held until all are chosen."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port() -> int:
    return free_ports(1)[0]


class Repository:
    """A bare repository that is changed without a work tree."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._made = 0
        self.git("init", "--quiet", "--bare", "--initial-branch=main", ".")
        self.git("config", "uploadpack.allowFilter", "true")

    def git(self, *words: str, input: bytes | None = None) -> str:
        environment = {"PATH": PATH, "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
                       "GIT_DIR": "."}
        if words[0] == "init":
            self.path.mkdir(parents=True)
        done = subprocess.run(["git", *words], cwd=self.path, env=environment, input=input,
                              capture_output=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"git {' '.join(words)}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, str], branch: str = "main", *, orphan: bool = False) -> str:
        """A commit with these files and no others on top of the branch, or, as a force-push
        leaves it, on top of nothing: its id."""
        ref = f"refs/heads/{branch}"
        self._made += 1
        lines = [f"commit {ref}", f"committer C <c@example.com> {1700000000 + self._made} +0000",
                 "data 8", "a commit"]
        if not orphan and self.git("for-each-ref", ref):
            lines.append(f"from {ref}^0")
        lines.append("deleteall")
        stream = "\n".join(lines).encode() + b"\n"
        for name, text in files.items():
            data = text.encode()
            stream += f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n"
        if orphan:
            stream = f"reset {ref}\n\n".encode() + stream
        self.git("fast-import", "--quiet", "--force", input=stream)
        return self.git("rev-parse", ref)

    def tag(self, name: str, commit: str = "main") -> None:
        self.git("tag", "-f", name, commit)

    def delete_branch(self, name: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{name}")


class GitServer:
    """Everybody may read below /git/, only USER with PASSWORD below /private/, and below /app/ those to
    whose requests the server at `auth_port` says 200."""

    def __init__(self, directory: pathlib.Path, ip: str = "127.0.0.1", auth_port: int = 0) -> None:
        self.directory = directory
        self.ip = ip
        self.auth_port = auth_port
        self.port = free_port()
        self._processes: list[subprocess.Popen] = []

    def __enter__(self) -> GitServer:
        (self.directory / "repositories").mkdir(parents=True)
        hashed = subprocess.run(["openssl", "passwd", "-apr1", "-stdin"], input=PASSWORD + "\n",
                                capture_output=True, text=True, check=True).stdout
        (self.directory / "users").write_text(f"{USER}:{hashed}")
        (self.directory / "params").write_text(self._params())
        (self.directory / "nginx.conf").write_text(self._config())
        try:
            self._serve()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _serve(self) -> None:
        self._start("fcgiwrap", "-c", "8", "-s", f"unix:{self.directory}/socket")
        self._start("nginx", "-p", str(self.directory), "-c", str(self.directory / "nginx.conf"))
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline:
                raise AssertionError((self.directory / "log").read_text())
            time.sleep(0.02)

    def __exit__(self, *_) -> None:
        # As groups: fcgiwrap's first process does not take the others with it.
        for process in reversed(self._processes):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)

    def stop(self) -> None:
        """It answers nobody until resume()."""
        for process in self._processes:
            os.killpg(process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        for process in self._processes:
            os.killpg(process.pid, signal.SIGCONT)

    def repository(self, name: str) -> Repository:
        return Repository(self.directory / "repositories" / name)

    def url(self, name: str, place: str = "git") -> str:
        return f"http://{self.ip}:{self.port}/{place}/{name}"

    def times_asked(self, name: str) -> int:
        """How often somebody began to talk about this repository."""
        log = (self.directory / "access").read_text()
        return sum(f"/{name}/info/refs" in line for line in log.splitlines())

    def _start(self, name: str, *words: str) -> None:
        with open(self.directory / "log", "a", encoding="utf-8") as log:
            self._processes.append(subprocess.Popen(
                [shutil.which(name, path=PATH), *words], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True))

    def _answers(self) -> bool:
        if not (self.directory / "socket").exists():
            return False
        with socket.socket() as probe:
            return probe.connect_ex((self.ip, self.port)) == 0

    def _config(self) -> str:
        folder = self.directory

        def backend(place: str, more: str = "") -> str:
            return (f"location ~ ^/{place}/(.*)$ {{ {more} include {folder}/params; "
                    f"fastcgi_param PATH_INFO /$1; fastcgi_pass unix:{folder}/socket; }}\n")

        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return (f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;\n"
                + ("user root;\n" if os.geteuid() == 0 else "")
                + "events {}\nhttp {\nlog_format brief '$request_method $uri $status';\n"
                f"access_log {folder}/access brief;\nclient_max_body_size 100m;\n{temporary}"
                f"server {{\nlisten {self.ip}:{self.port};\n" + backend("git")
                + backend("private", f"auth_basic git; auth_basic_user_file {folder}/users;")
                + (backend("app", "auth_request /auth;") + "location = /auth { internal; "
                   f"proxy_pass http://127.0.0.1:{self.auth_port}; proxy_pass_request_body off; "
                   'proxy_set_header Content-Length ""; }\n' if self.auth_port else "")
                + "}\n}\n")

    def _params(self) -> str:
        variables = ("QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH",
                     "REMOTE_USER")
        return (f"fastcgi_param SCRIPT_FILENAME {BACKEND};\n"
                f"fastcgi_param GIT_PROJECT_ROOT {self.directory}/repositories;\n"
                "fastcgi_param GIT_HTTP_EXPORT_ALL 1;\nfastcgi_param HOME /nonexistent;\n"
                "fastcgi_param GIT_CONFIG_COUNT 1;\n"
                "fastcgi_param GIT_CONFIG_KEY_0 safe.directory;\n"
                "fastcgi_param GIT_CONFIG_VALUE_0 *;\n"
                "fastcgi_param GIT_PROTOCOL $http_git_protocol;\n"
                "fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;\n"
                + "".join(f"fastcgi_param {name} ${name.lower()};\n" for name in variables))
