#!/usr/bin/python3
"""A real Kubernetes API server, etcd and image registries on loopback, for tests and trials.

    eval "$(cluster.py up)"     starts a cluster, or finds the running one, and sets the shell up
    cluster.py status           tells what runs; exit code 0 if all of it is ready
    cluster.py add-registry --user NAME:PASSWORD
                                one more registry, for this user alone; prints its address
    cluster.py down             stops what `up` started, and nothing else

There is no node: objects are stored, validated, authorised and watched, but no pod runs and no
controller of Kubernetes does (so no garbage collection, and a deleted namespace stays Terminating).

In Python, side by side with any number of others, gone with the process that started it:

    with Cluster() as cluster:
        cluster.kubectl("apply", "-f", "-", input=manifest)
        cluster.freeze("kube-apiserver")
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import sys
import time
from typing import Iterable

import certificates
import credentials
import folders
import go_tools
from kubectl import ClusterError, Kubectl
from server_process import Server, ServerError
from servers import ISSUER, ApiServer, Etcd, Registry

UP_LOCK_DEADLINE_S = 120
STATE_FILE = "cluster.json"
# Who wrote ImageBuilds, leases and Events, and what: all that tests ask for so far.
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: Request
  verbs: [create, update, patch, delete]
  resources: [{group: kiln.build}, {group: coordination.k8s.io}, {group: events.k8s.io}]
- level: None
"""
_LOCAL_NAMES = ("DNS:localhost", "IP:127.0.0.1")
_CLUSTER_NAMES = ("DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc",
                  "IP:10.96.0.1")


class Cluster(Kubectl):
    """etcd, kube-apiserver and a registry, with all their state in one folder of mode 0700.

    Components are called "etcd", "kube-apiserver", "registry" and what `add_registry` was told.
    Errors: ClusterError, ServerError, CertificateError, ToolError; each message stands alone.
    Lifetime: unless `detached`, the servers die with this Python process, even by SIGKILL.
    """

    def __init__(self, *, apiserver_flags: Iterable[str] = (), registry: bool = True,
                 audit: bool = False, directory: str | os.PathLike | None = None, in_memory: bool = False,
                 detached: bool = False, keep: bool | None = None, host: str = Server.ip) -> None:
        """Makes nothing yet; `start` does.

        `host` is the address of this machine for the API server and the registries.

        `directory` must not exist or be empty; default: a fresh one below the temporary folder, or
        with `in_memory` on a tmpfs, if there is one with room.
        `audit` makes the API server write down who writes what; see `audit_events`.
        `keep` leaves the folder (logs!) behind at the end; default: if KILN_KEEP_CLUSTER is set.
        """
        self.directory = pathlib.Path(directory).absolute() if directory else None
        self._flags = list(apiserver_flags)
        self._with_registry = registry
        self._audit = audit
        self._in_memory = in_memory
        self._detached = detached
        self._host = host
        self._keep = bool(os.environ.get("KILN_KEEP_CLUSTER")) if keep is None else keep
        self._servers: dict[str, Server] = {}
        self._owner_lock = None
        self.tools: dict[str, pathlib.Path] = {}

    def __enter__(self) -> Cluster:
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()

    # Life.

    def start(self) -> Cluster:
        """Returns when everything is ready; if that fails, nothing of it is left running."""
        self.tools = go_tools.ensure(*go_tools.CLUSTER_TOOLS)
        self._make_directory()
        if self._audit:
            self._flags += self._audit_flags()
        try:
            self._start_servers()
        except BaseException as error:
            self._keep |= isinstance(error, ServerError)  # Its message names a log in there.
            self.stop()
            raise
        return self

    def _start_servers(self) -> None:
        etcd = self.add(Etcd("etcd", self.tools["etcd"], self.directory, self._detached))
        apiserver = self.add(ApiServer("kube-apiserver", self.tools["kube-apiserver"], self.directory,
                                       self._detached, etcd=etcd, flags=self._flags))
        apiserver.ip = self._host
        etcd.launch()  # It comes up while openssl works.
        self._make_certificates()
        _ready_or_start(etcd)
        self.apiserver.launch()
        if self._with_registry:
            self.add_registry("registry")
        _ready_or_start(self.apiserver)
        self._write_kubeconfig(self.kubeconfig, "admin", {
            "client-certificate-data": self._pki("admin.crt").read_bytes(),
            "client-key-data": self._pki("admin.key").read_bytes()})

    def stop(self) -> None:
        """Kills every component and removes the folder. May be called twice."""
        for server in reversed(self._servers.values()):
            server.kill()
        if self.directory and not self._keep:
            shutil.rmtree(self.directory, ignore_errors=True)
        elif self.directory:
            folders.let_go(self.directory)
        if self._owner_lock:
            self._owner_lock.close()
            self._owner_lock = None

    @classmethod
    def attach(cls, directory: str | os.PathLike) -> Cluster:
        """A running cluster of another process, e.g. of `cluster.py up` by KILN_CLUSTER_DIR.

        What is restarted through it is detached. `stop` ends the cluster.
        """
        cluster = cls(directory=directory, detached=True, keep=False)
        try:
            state = json.loads((cluster.directory / STATE_FILE).read_text())
        except FileNotFoundError:
            raise ClusterError(f"there is no cluster in {cluster.directory}") from None
        cluster.tools = {name: pathlib.Path(path) for name, path in state["tools"].items()}
        folder, tools = cluster.directory, cluster.tools
        etcd = cluster.add(Etcd("etcd", tools["etcd"], folder, True))
        cluster.add(ApiServer("kube-apiserver", tools["kube-apiserver"], folder, True, etcd=etcd,
                              flags=state["flags"]))
        for config in sorted(folder.glob("registries/*/config.json")):
            cluster.add(Registry(config.parent.name, tools["registry"], folder, True))
        for server in cluster._servers.values():
            server.adopt()
        return cluster

    # What tests look at.

    @property
    def kubeconfig(self) -> pathlib.Path:
        """Of an administrator (group system:masters)."""
        return self.directory / "kubeconfig"

    @property
    def authority(self) -> certificates.Authority:
        """Knows everybody of this cluster."""
        return certificates.Authority(self._pki())

    @property
    def ca_file(self) -> pathlib.Path:
        """Signs the API server's certificate and those of registries with TLS."""
        return self._pki("ca.crt")

    @property
    def etcd(self) -> Etcd:
        return self.component("etcd")

    @property
    def apiserver(self) -> ApiServer:
        return self.component("kube-apiserver")

    def registry(self, name: str = "registry") -> Registry:
        """Its `address` is "127.0.0.1:PORT", its `requests()` the access log."""
        return self.component(name)

    def component(self, name: str) -> Server:
        if name not in self._servers:
            raise ClusterError(f"no component is called {name!r}; there are "
                               f"{', '.join(self._servers)}")
        return self._servers[name]

    @property
    def components(self) -> list[Server]:
        return list(self._servers.values())

    def lacks(self) -> dict[str, str]:
        """What is wrong, by component; empty if all of them run and answer."""
        wrong = {}
        for server in self.components:
            lack = server.probe() if server.state() == "running" else f"it is {server.state()}"
            if lack:
                wrong[server.name] = lack
        return wrong

    # What tests do.

    def add(self, server):
        """One more component, which `stop` kills before those that were added earlier. Returns it."""
        self._servers[server.name] = server
        return server

    def kill(self, name: str) -> None:
        """SIGKILL; returns when it is gone. `start_component` brings it back on the same port."""
        self.component(name).kill()

    def terminate(self, name: str) -> None:
        """SIGTERM, without waiting; `component(name).wait_dead(seconds)` does that."""
        self.component(name).terminate()

    def freeze(self, name: str) -> None:
        """SIGSTOP: its connections stay open and nothing answers, until `thaw`."""
        self.component(name).freeze()

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.component(name).thaw()

    def start_component(self, name: str) -> None:
        self.component(name).start()

    def restart(self, name: str) -> None:
        """Kill, start on the same port with the same data, wait until ready.

        Watches that go on from an old resourceVersion then get 410 Gone from the API server if
        something was written since. New flags: set `apiserver.flags` before.
        """
        self.component(name).restart()

    def compact(self) -> None:
        """Drops the history in etcd and in the API server's cache (which is restarted for it)."""
        self.apiserver.kill()
        self.etcd.compact()
        self.apiserver.start()

    def audit_events(self) -> list[dict]:
        """Writes of ImageBuilds, leases and Events, oldest first, as audit.k8s.io/v1 has them.

        A write is in here before it is answered.
        """
        return [json.loads(line) for line in self._audit_log.read_text().splitlines()]

    def add_registry(self, name: str, *, users: dict[str, str] | None = None, tls: bool = False,
                     storage: pathlib.Path | None = None,
                     settings: dict | None = None) -> Registry:
        """Starts one more registry and returns it ready.

        `users` (name: password) turns on Basic authentication by htpasswd; `tls` gives it a
        certificate for 127.0.0.1 and localhost by `ca_file`; `storage` is the folder for its
        blobs, e.g. on a small tmpfs; `settings` is merged into the registry's configuration.
        """
        if name in self._servers or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            raise ClusterError(f"a registry cannot be called {name!r}: "
                               "use a free name of a-z, 0-9 and -")
        if tls and not self._pki("registry.crt").exists():
            self.authority.issue_server("registry", (*_LOCAL_NAMES, f"IP:{self._host}"))
        registry = Registry(name, self.tools["registry"], self.directory, self._detached)
        registry.configure(users, tls, storage, settings)
        registry.ip = self._host
        self.add(registry)
        registry.start()
        return registry

    def service_account_kubeconfig(self, namespace: str, name: str, *, duration: str = "1h",
                                   token: str | None = None, server: str | None = None,
                                   file: str | None = None) -> pathlib.Path:
        """A kubeconfig file (mode 0600) that speaks as an existing ServiceAccount.

        Its token comes from the API server, which grants at least 10 minutes; for a shorter life
        give one by `sign_token`. `server` is another address for the API server, such as that of a
        proxy; `file` is the file's name.
        """
        token = token or self.kubectl("create", "token", name, "--namespace", namespace,
                                      "--duration", duration).strip()
        path = self.directory / (file or f"kubeconfig-{namespace}-{name}")
        credentials.write_kubeconfig(path, server or self.apiserver.url, self.ca_file, name,
                                     {"token": token})
        return path

    def sign_token(self, namespace: str, name: str, seconds: int) -> str:
        """A token of an existing ServiceAccount with a life as short as wanted.

        The API server's leeway lets it live about 60 s longer; negative `seconds` are allowed.
        """
        uid = self.kubectl("get", "serviceaccount", name, "--namespace", namespace,
                           "--output", "jsonpath={.metadata.uid}")
        return credentials.service_account_token(self._pki("service-account.key"), ISSUER,
                                                 namespace, name, uid, seconds)

    def shell_lines(self) -> str:
        """Lines for `eval`: KUBECONFIG, KILN_REGISTRY, KILN_CLUSTER_DIR and PATH."""
        values = {"KUBECONFIG": self.kubeconfig, "KILN_CLUSTER_DIR": self.directory}
        if "registry" in self._servers:
            values["KILN_REGISTRY"] = self.registry().address
        lines = [f"export {name}={shlex.quote(str(value))}" for name, value in values.items()]
        lines.append(f"export PATH={shlex.quote(str(self.directory / 'bin'))}:\"$PATH\"")
        return "\n".join(lines)

    # Inside.

    @property
    def _audit_log(self) -> pathlib.Path:
        return self.directory / "logs" / "audit.log"

    def _audit_flags(self) -> list[str]:
        policy = self.directory / "audit-policy.yaml"
        policy.write_text(_AUDIT_POLICY)
        self._audit_log.touch()
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self._audit_log}",
                "--audit-log-mode=blocking"]

    def _pki(self, name: str = "") -> pathlib.Path:
        return self.directory / "pki" / name

    def _make_directory(self) -> None:
        if self.directory is None:
            self.directory = folders.make(self._in_memory)
            self._owner_lock = folders.hold(self.directory)
        else:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            if any(self.directory.iterdir()):
                raise ClusterError(f"{self.directory} is not empty; name another folder")
        state = {"flags": self._flags, "tools": {n: str(p) for n, p in self.tools.items()}}
        (self.directory / STATE_FILE).write_text(json.dumps(state, indent=1) + "\n")
        for name in ("run", "logs", "bin"):
            (self.directory / name).mkdir()
        for name, path in self.tools.items():
            (self.directory / "bin" / name).symlink_to(path)

    def _make_certificates(self) -> None:
        authority = self.authority
        authority.create()
        authority.issue_server("kube-apiserver",
                               (*_LOCAL_NAMES, *_CLUSTER_NAMES, f"IP:{self._host}"))
        authority.issue_client("admin", user="kiln-test-admin", group="system:masters")
        authority.create_rsa_key("service-account")

    def _write_kubeconfig(self, path: pathlib.Path, user: str, fields: dict) -> None:
        credentials.write_kubeconfig(path, self.apiserver.url, self.ca_file, user, fields)


def _ready_or_start(server: Server) -> None:
    """Finishes a `launch`; if it lost its port to somebody, starts it on another one."""
    try:
        server.wait_ready()
    except ServerError:
        if not server.lost_port():
            raise
        server.port = 0
        server.start()


# The command.

def up(directory: pathlib.Path) -> int:
    with _command_lock(directory):
        if (directory / STATE_FILE).exists():
            cluster = Cluster.attach(directory)
            wrong = cluster.lacks()
            if not wrong:
                print(cluster.shell_lines())
                return 0
            reasons = "; ".join(f"{name}: {lack}" for name, lack in wrong.items())
            go_tools.say(f"the cluster in {directory} is broken ({reasons}): starting a new one")
            cluster.stop()
        began = time.monotonic()
        cluster = Cluster(directory=directory, detached=True, keep=False).start()
        go_tools.say(f"ready in {time.monotonic() - began:.1f} s: API server "
                     f"{cluster.apiserver.url}, registry {cluster.registry().address}, all in "
                     f"{directory}")
        print(cluster.shell_lines())
        return 0


def down(directory: pathlib.Path) -> int:
    with _command_lock(directory):
        if (directory / STATE_FILE).exists():
            Cluster.attach(directory).stop()
            go_tools.say(f"stopped the cluster in {directory}")
        else:
            go_tools.say(f"there is no cluster in {directory}")
        return 0


def status(directory: pathlib.Path) -> int:
    if not (directory / STATE_FILE).exists():
        print(f"there is no cluster in {directory}")
        return 1
    cluster = Cluster.attach(directory)
    wrong = cluster.lacks()
    for server in cluster.components:
        print(f"{server.name:16} {server.address:16} pid {server.pid:<8} "
              f"{wrong.get(server.name, 'ready')}")
    return 1 if wrong else 0


def add_registry(directory: pathlib.Path, user: str) -> int:
    name, colon, password = user.partition(":")
    if not (name and colon and password):
        raise ClusterError("say who may use the registry: --user NAME:PASSWORD")
    with _command_lock(directory):
        cluster = Cluster.attach(directory)
        taken = {server.name for server in cluster.components}
        free = next(f"registry-{n}" for n in range(2, len(taken) + 3) if f"registry-{n}" not in taken)
        print(cluster.add_registry(free, users={name: password}).address)
        return 0


def _command_lock(directory: pathlib.Path):
    directory.parent.mkdir(parents=True, exist_ok=True)
    return go_tools.locked(directory.parent / f".{directory.name}.lock",
                           "another cluster.py up or down", UP_LOCK_DEADLINE_S)


def main() -> int:
    parser = argparse.ArgumentParser(description="A Kubernetes API server and a registry.")
    parser.add_argument("command", choices=("up", "down", "status", "add-registry"))
    parser.add_argument("--dir", type=pathlib.Path, default=go_tools.cache_dir() / "cluster",
                        help="where its state is (default: %(default)s)")
    parser.add_argument("--user", default="", metavar="NAME:PASSWORD", help="who may use the registry of add-registry")
    args = parser.parse_args()
    commands = {"up": up, "down": down, "status": status,
                "add-registry": lambda directory: add_registry(directory, args.user)}
    try:
        return commands[args.command](args.dir.absolute())
    except (ClusterError, ServerError, certificates.CertificateError, go_tools.ToolError,
            OSError) as error:
        go_tools.say(f"cluster: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
