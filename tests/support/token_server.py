"""A token server in a thread: gives signed tokens to who knows the password, as Docker's do.

Source: distribution's token authentication specification. Does not imitate: refresh tokens.
"""

from __future__ import annotations

import base64
import json
import pathlib
import time
import urllib.parse

import certificates
from json_server import JsonHandler, JsonServer

USER = "me"
SERVICE = "kiln-test"
ISSUER = "kiln-test-issuer"
# The registries take a token so long after its end, for clocks that differ.
LEEWAY_S = 60


class TokenServer(JsonServer):
    """`lifetime_s` is how long a token is good for to the registries, their leeway included."""

    def __init__(self, folder: pathlib.Path, password: str, lifetime_s: float = 300) -> None:
        self.password = password
        self.lifetime_s = lifetime_s
        self.said_lifetime_s = 300
        self.given: list[str] = []  # Every token, oldest first.
        self.asked: list[list[str]] = []  # The scopes of each question.
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        certificates.openssl("req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj",
                             "/CN=kiln-test", "-keyout", str(folder / "key.pem"),
                             "-out", str(folder / "cert.pem"))
        der = certificates.openssl("x509", "-in", str(folder / "cert.pem"), "-outform", "DER")
        self._header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        super().__init__(self._handler())

    def registry_settings(self) -> dict:
        """What a registry's configuration needs to send its clients here."""
        return {"auth": {"token": {"realm": f"http://{self.address}/token", "service": SERVICE,
                                   "issuer": ISSUER,
                                   "rootcertbundle": str(self.folder / "cert.pem")}}}

    def token(self, scopes: list[str]) -> str:
        now = time.time()
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {"iss": ISSUER, "sub": USER, "aud": SERVICE, "jti": str(len(self.given)),
                  "nbf": int(now) - 2 * LEEWAY_S, "iat": int(now) - 2 * LEEWAY_S,
                  "exp": int(now + self.lifetime_s) - LEEWAY_S, "access": access}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (self._header, claims))
        signature = certificates.openssl("dgst", "-sha256", "-sign", str(self.folder / "key.pem"),
                                         data=text.encode())
        return text + "." + _base64url(signature)

    def _handler(self):
        owner = self
        wanted = "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode()

        class Handler(JsonHandler):
            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                scopes = query.get("scope", [])
                owner.asked.append(scopes)
                if self.headers.get("Authorization") != wanted:
                    return self.answer(401, {"details": "incorrect username or password"})
                token = owner.token(scopes)
                owner.given.append(token)
                self.answer(200, {"token": token, "expires_in": owner.said_lifetime_s})

        return Handler


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
