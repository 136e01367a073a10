"""Writes down who a client is: kubeconfig files and ServiceAccount tokens."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import time

import certificates

_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- name: kiln-test
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: {user}
  user:
{fields}\
contexts:
- name: kiln-test
  context:
    cluster: kiln-test
    user: {user}
current-context: kiln-test
"""


def write_kubeconfig(path: pathlib.Path, server: str, ca_file: pathlib.Path, user: str,
                     fields: dict[str, str | bytes]) -> None:
    """`fields` are those of the kubeconfig's user; bytes are written in base64. File mode 0600."""
    lines = "".join(f"    {name}: {_encoded(value)}\n" for name, value in fields.items())
    text = _KUBECONFIG.format(server=server, user=user, fields=lines,
                              authority=_encoded(ca_file.read_bytes()))
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)


def service_account_token(key_file: pathlib.Path, issuer: str, namespace: str, name: str, uid: str,
                          seconds: int) -> str:
    """A JSON web token (RFC 7519) as the API server makes them, signed with its own RSA key."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": [issuer], "iat": now, "nbf": now + min(seconds, 0),
              "exp": now + seconds, "sub": f"system:serviceaccount:{namespace}:{name}",
              "kubernetes.io": {"namespace": namespace,
                                "serviceaccount": {"name": name, "uid": uid}}}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    text = b".".join(_base64url(part) for part in parts)
    signature = certificates.openssl("dgst", "-sha256", "-sign", str(key_file), data=text)
    return (text + b"." + _base64url(signature)).decode()


def _encoded(value: str | bytes) -> str:
    return value if isinstance(value, str) else base64.b64encode(value).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
