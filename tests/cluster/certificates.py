"""Makes a throw-away certificate authority and what it signs, with the `openssl` program.

Elliptic-curve keys, since making one costs milliseconds; RSA only for service-account tokens.
"""

from __future__ import annotations

import pathlib
import subprocess
from typing import Iterable

DEADLINE_S = 30
DAYS = "30"

_CONFIG = """\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
[client]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
"""


class CertificateError(Exception):
    """openssl is missing or refused; the message holds its own words."""


class Authority:
    """A certificate authority in a folder of its own: `ca.crt`, `ca.key` and NAME.crt, NAME.key.

    Keys are made readable by their owner alone.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    @property
    def certificate(self) -> pathlib.Path:
        return self.folder / "ca.crt"

    def create(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._request("ca", "authority", "/CN=kiln-test-authority", names="DNS:unused", signer=[])

    def issue_server(self, name: str, names: Iterable[str]) -> None:
        """`names` as openssl writes them, e.g. "DNS:localhost" or "IP:127.0.0.1"."""
        self._request(name, "server", f"/CN={name}", names=",".join(names), signer=self._signer())

    def issue_client(self, name: str, user: str, group: str) -> None:
        """Kubernetes reads the user from CN and a group from O."""
        self._request(name, "client", f"/O={group}/CN={user}", "DNS:unused", self._signer())

    def create_rsa_key(self, name: str) -> None:
        openssl("genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                "-out", str(self.folder / f"{name}.key"))

    def _signer(self) -> list[str]:
        return ["-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")]

    def _request(self, name: str, kind: str, subject: str, names: str, signer: list[str]) -> None:
        config = self.folder / f"{name}.cnf"
        config.write_text(_CONFIG.format(names=names))
        openssl("req", "-x509", *signer, "-config", str(config), "-extensions", kind,
                "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", DAYS,
                "-subj", subject, "-keyout", str(self.folder / f"{name}.key"),
                "-out", str(self.folder / f"{name}.crt"))


def openssl(*args: str, data: bytes = b"") -> bytes:
    """Runs openssl 3 and returns what it printed. Errors: CertificateError."""
    try:
        run = subprocess.run(["openssl", *args], input=data, capture_output=True,
                             timeout=DEADLINE_S)
    except FileNotFoundError:
        raise CertificateError("there is no openssl on PATH: install the Debian package openssl "
                               "(3.0 or newer)") from None
    except subprocess.TimeoutExpired:
        raise CertificateError(f"openssl {args[0]}: no end after {DEADLINE_S} s") from None
    if run.returncode != 0:
        raise CertificateError(f"openssl {args[0]} failed (3.0 or newer is needed): "
                               f"{run.stderr.decode(errors='replace').strip()}")
    return run.stdout
