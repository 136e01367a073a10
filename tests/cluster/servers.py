"""The three programs of a cluster: how each is called and how it shows that it is ready."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import http.client
import json
import pathlib
import re
import secrets
import socket
import ssl

from server_process import Server, ServerError

PROBE_DEADLINE_S = 2
COMPACTION_DEADLINE_S = 10
SERVICE_RANGE = "10.96.0.0/16"
ISSUER = "https://kubernetes.default.svc"
_BCRYPT_ROUNDS = "04"  # The lowest there is: these passwords guard nothing.
_BCRYPT_LETTERS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Etcd(Server):
    """One etcd without fsync. Plain HTTP on loopback, open to every user of the machine."""

    def argv(self) -> list[str]:
        return ["--data-dir", str(self.folder / "etcd"), "--log-level=warn",
                f"--listen-client-urls=http://{self.address}",
                f"--advertise-client-urls=http://{self.address}",
                "--listen-peer-urls=http://127.0.0.1:0",  # There are no peers.
                "--unsafe-no-fsync",
                "--watch-progress-notify-interval=5s"]  # Else idle watches get no bookmark.

    def probe(self) -> str:
        return lack_of(http.client.HTTPConnection(self.address, timeout=PROBE_DEADLINE_S), "/readyz")

    def compact(self) -> int:
        """Forgets all history up to now and returns the revision it kept.

        An API server's own watch cache still remembers; restart it to get 410 Gone.
        """
        revision = self._post("/v3/maintenance/status", {})["header"]["revision"]
        self._post("/v3/kv/compaction", {"revision": revision, "physical": True})
        return int(revision)

    def _post(self, path: str, body: dict) -> dict:
        connection = http.client.HTTPConnection(self.address, timeout=COMPACTION_DEADLINE_S)
        try:
            connection.request("POST", path, json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except OSError as error:
            raise ServerError(f"{self.name} at {self.address}: POST {path}: {error}") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise ServerError(f"{self.name}: POST {path}: {answer.status} {text[:200]}")
        return json.loads(text)


class ApiServer(Server):
    """kube-apiserver with RBAC. `flags` go last, so they win; read anew at every start."""

    def __init__(self, *args, etcd: Etcd, flags: list[str], **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.etcd = etcd
        self.flags = flags

    @property
    def url(self) -> str:
        return f"https://{self.address}"

    def argv(self) -> list[str]:
        pki = self.folder / "pki"
        return [f"--etcd-servers=http://{self.etcd.address}",
                f"--bind-address={self.ip}", f"--secure-port={self.port}",
                f"--advertise-address={self.ip}",  # Else it looks for a network card's address.
                # Pods reach it by the Service "kubernetes", but not on loopback.
                f"--endpoint-reconciler-type={'none' if self.ip == Server.ip else 'lease'}",
                f"--kubelet-client-certificate={pki}/admin.crt",
                f"--kubelet-client-key={pki}/admin.key",
                "--kubelet-preferred-address-types=InternalIP",
                f"--client-ca-file={pki}/ca.crt",
                f"--tls-cert-file={pki}/kube-apiserver.crt",
                f"--tls-private-key-file={pki}/kube-apiserver.key",
                f"--service-account-key-file={pki}/service-account.key",
                f"--service-account-signing-key-file={pki}/service-account.key",
                f"--service-account-issuer={ISSUER}",
                f"--service-cluster-ip-range={SERVICE_RANGE}",
                "--authorization-mode=Node,RBAC",
                "--allow-privileged=true",
                *self.flags]

    def probe(self) -> str:
        return lack_of(self.connect(PROBE_DEADLINE_S), "/readyz")

    def connect(self, deadline_s: float) -> http.client.HTTPSConnection:
        """As the cluster's administrator."""
        return http.client.HTTPSConnection(self.address, timeout=deadline_s,
                                           context=self._admin_context)

    @functools.cached_property
    def _admin_context(self) -> ssl.SSLContext:
        pki = self.folder / "pki"
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        return context


@dataclasses.dataclass(frozen=True)
class Request:
    """One line of a registry's access log. `path` has its query cut off."""

    method: str
    path: str
    status: int


class Registry(Server):
    """One registry (distribution). What it is lives in `config.json` in a folder of its own."""

    def __init__(self, name: str, program: pathlib.Path, folder: pathlib.Path,
                 detached: bool = False) -> None:
        super().__init__(name, program, folder, detached)
        self.home = folder / "registries" / name

    def configure(self, users: dict[str, str] | None, tls: bool, storage: pathlib.Path | None,
                  settings: dict | None) -> None:
        """Writes its configuration; must come before the first start."""
        self.home.mkdir(parents=True)
        config: dict = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(storage or self.home / "data")},
                        "delete": {"enabled": True}},
            "http": {"addr": "", "secret": secrets.token_hex(16)},
        }
        if users is not None:
            lines = [f"{name}:{bcrypt(password)}\n" for name, password in users.items()]
            (self.home / "htpasswd").write_text("".join(lines))
            config["auth"] = {"htpasswd": {"realm": "kiln-test",
                                           "path": str(self.home / "htpasswd")}}
        if tls:
            pki = self.folder / "pki"
            config["http"]["tls"] = {"certificate": str(pki / "registry.crt"),
                                     "key": str(pki / "registry.key")}
        self._write_config(_merged(config, settings or {}))

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.address}"

    def argv(self) -> list[str]:
        config = self._config()  # The port is known only now.
        config["http"]["addr"] = self.address
        self._write_config(config)
        return ["serve", str(self.home / "config.json")]

    def environment(self) -> dict[str, str]:
        return {"OTEL_TRACES_EXPORTER": "none"}  # Else it looks for a collector.

    def probe(self) -> str:
        if self._tls:
            context = ssl.create_default_context(cafile=str(self.folder / "pki" / "ca.crt"))
            connection = http.client.HTTPSConnection(self.address, timeout=PROBE_DEADLINE_S,
                                                     context=context)
        else:
            connection = http.client.HTTPConnection(self.address, timeout=PROBE_DEADLINE_S)
        return lack_of(connection, "/v2/", good=(200, 401))

    def requests(self) -> list[Request]:
        """All it answered so far, oldest first, its own probes among them. Over all restarts."""
        line = re.compile(r'^\S+ - \S+ \[[^]]*\] "([A-Z]+) ([^ ?"]*)\S* HTTP/[\d.]+" (\d+) ', re.M)
        text = self.log_path.read_text(errors="replace")
        return [Request(method, path, int(status)) for method, path, status in line.findall(text)]

    @property
    def _tls(self) -> bool:
        return "tls" in self._config()["http"]

    def _config(self) -> dict:
        return json.loads((self.home / "config.json").read_text())

    def _write_config(self, config: dict) -> None:
        (self.home / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def bcrypt(password: str) -> str:
    """The password as an htpasswd file holds it, by libcrypt, which every Debian has."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    salt = "".join(secrets.choice(_BCRYPT_LETTERS) for _ in range(21)) + "."
    made = library.crypt(password.encode(), f"$2b${_BCRYPT_ROUNDS}${salt}".encode())
    if not made or not made.startswith(b"$2b$"):
        raise ServerError("libcrypt.so.1 cannot make bcrypt hashes; Debian's libcrypt1 can")
    return made.decode()


def _merged(base: dict, changes: dict) -> dict:
    result = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(name), dict)
        result[name] = _merged(base[name], value) if both else value
    return result


def lack_of(connection: http.client.HTTPConnection, path: str, good: tuple[int, ...] = (200,)) -> str:
    """Empty if a GET is answered with a good status, otherwise what happened instead."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status in good:
            return ""
        return f"GET {path} answered {answer.status}: {answer.read(200).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        return f"GET {path}: {error or type(error).__name__}"
    finally:
        connection.close()


def lack_of_socket(path: pathlib.Path) -> str:
    """Empty if somebody takes connections at this Unix socket, otherwise what happened instead."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PROBE_DEADLINE_S)
            connection.connect(str(path))
        return ""
    except OSError as error:
        return f"{path}: {error}"
