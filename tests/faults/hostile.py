"""A network of its own with a hostile registry, other people's servers, and Kiln in it."""

from __future__ import annotations

import json
import pathlib
import select
import subprocess

import certificates
from lab import ROOT, Done, Kiln

PROGRAM = ROOT / "tests" / "support" / "hostile_registry.py"
READY_DEADLINE_S = 20

PUBLIC = "9.9.9.9"  # The hostile registry, for all Kiln can tell somewhere on the internet.
PUBLIC_TOO = "8.8.4.4"  # Another server there, as a storage or token server is.
# What only those inside must reach: clouds' metadata, other machines, this machine, forms of them.
INSIDE = {"metadata": "169.254.169.254", "private": "10.0.0.5", "loopback": "127.0.0.1",
          "carrier": "100.64.0.7", "ipv6": "fd00:ec2::254", "ipv6-loopback": "::1"}
# IPv6 addresses that carry 10.0.0.5 or 169.254.169.254: 6to4, NAT64, mapped forms are refused alike.
EMBEDDED = ("2002:a00:5::1", "64:ff9b::a9fe:a9fe")
CANARY_PORTS = (80, 443, 8080)

USER, PASSWORD = "hostage", "s3cret-canary-password"


def in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class HostileWorld:
    """Servers by their rules; everything at CANARY_PORTS of INSIDE and EMBEDDED is a canary."""

    def __init__(self, folder: pathlib.Path, rules: list[dict], *, tls: bool = False,
                 other_rules: list[dict] | None = None, other_tls: bool = False) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.registry = f"{PUBLIC}:5000"
        self.other = f"{PUBLIC_TOO}:6000"
        certificate = None
        if tls or other_tls:
            authority = certificates.Authority(folder / "pki")
            authority.create()
            authority.issue_server("server", (f"IP:{PUBLIC}", f"IP:{PUBLIC_TOO}"))
            certificate = {"certificate": str(folder / "pki" / "server.crt"),
                           "key": str(folder / "pki" / "server.key")}
        self._tls = tls
        guarded = (*INSIDE.values(), *EMBEDDED)
        self._script = {
            "addresses": [f"{each}/{128 if ':' in each else 32}"
                          for each in (PUBLIC, PUBLIC_TOO, *guarded)
                          if each not in ("127.0.0.1", "::1")],
            "servers": [{"listen": self.registry, "rules": rules, "tls": certificate if tls else None},
                        {"listen": self.other, "rules": other_rules or [],
                         "tls": certificate if other_tls else None}],
            "canaries": [f"{in_url(each)}:{port}" for each in guarded for port in CANARY_PORTS]}
        self.seen: dict = {}

    def __enter__(self) -> HostileWorld:
        self._process = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--net", "/usr/bin/python3", PROGRAM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._process.stdin.write(json.dumps(self._script) + "\n.\n")
        self._process.stdin.flush()
        readable, _, _ = select.select([self._process.stdout], [], [], READY_DEADLINE_S)
        if not readable or self._process.stdout.readline() != "ready\n":
            self._process.kill()
            raise AssertionError(f"no hostile registry: {self._process.stderr.read()}")
        return self

    def __exit__(self, *_) -> None:
        self.end()

    def end(self) -> dict:
        """What was seen; the servers are gone then."""
        if self._process.poll() is None:
            out, err = self._process.communicate("", timeout=READY_DEADLINE_S)
            assert out, err
            self.seen = json.loads(out)
        return self.seen

    def kiln(self, *, credentials: bool = True) -> Kiln:
        """A Kiln inside. It may use plain http with the registry where that has no TLS."""
        inside = ("nsenter", f"--target={self._process.pid}", "--user", "--net",
                  "--preserve-credentials")
        kiln = Kiln(self._folder / "home", inside)
        if credentials:
            kiln.knows(self.registry, USER, PASSWORD)
        return kiln

    def run(self, *words: str, deadline_s: float = 60) -> Done:
        how = (("--ca", str(self._folder / "pki" / "ca.crt")) if self._tls
               else (f"--insecure={self.registry}",))
        return self.kiln().run(*words, *how, deadline_s=deadline_s)

    def requests(self, server: str) -> list[dict]:
        return [each for each in self.end()["requests"] if each["server"] == server]
