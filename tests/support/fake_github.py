"""The part of GitHub's API that gives tokens to Apps, in a thread.

Gives them to who proves, with a token that the App's key has signed (checked by openssl) and that holds
now, to be the App 123; of its installation 456. Also says whether a request comes with a token that was
given, for nginx's auth_request. Does not imitate: permissions, choosing repositories, limits of rates.
"""

from __future__ import annotations

import base64
import json
import pathlib
import time

import certificates
from json_server import JsonHandler, JsonServer

APP, INSTALLATION = "123", "456"


class FakeGitHub(JsonServer):
    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.tokens: list[str] = []  # Every one that was given, oldest first.
        self.key_pem = self.new_key("app")
        certificates.openssl("pkey", "-in", str(folder / "app.pem"), "-pubout", "-out",
                             str(folder / "public.pem"))
        super().__init__(self._handler())

    @property
    def url(self) -> str:
        return f"http://{self.address}/api/v3"

    def new_key(self, name: str) -> str:
        """As GitHub gives it: PKCS#1."""
        path = self.folder / f"{name}.pem"
        certificates.openssl("genrsa", "-traditional", "-out", str(path), "2048")
        return path.read_text()

    def secret(self, key_pem: str) -> dict[str, str]:
        """What a Secret holds."""
        return {"githubAppID": APP, "githubAppInstallationID": INSTALLATION,
                "githubAppPrivateKey": key_pem, "githubAppBaseURL": self.url}

    def refusal_of(self, authorization: str) -> str:
        """In GitHub's words; "" = it is the App."""
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or token.count(".") != 2:
            return "A JSON web token could not be decoded"
        text, _, signature = token.rpartition(".")
        (self.folder / "signature").write_bytes(_bytes_of(signature))
        try:
            certificates.openssl("dgst", "-sha256", "-verify", str(self.folder / "public.pem"),
                                 "-signature", str(self.folder / "signature"), data=text.encode())
        except Exception:  # It ends with 1.
            return "A JSON web token could not be decoded"
        header, claims = (json.loads(_bytes_of(part)) for part in text.split("."))
        now = time.time()
        if header["alg"] != "RS256" or claims["iss"] != APP:
            return "Integration not found"
        if not claims["iat"] <= now < claims["exp"] <= now + 600:
            return "'Expiration time' claim ('exp') must be a numeric value representing the future"
        return ""

    def _handler(self):
        owner = self

        class Handler(JsonHandler):
            def do_GET(self) -> None:
                given = self.headers.get("Authorization", "")
                good = [f"x-access-token:{token}" for token in owner.tokens]
                if given in ["Basic " + base64.b64encode(one.encode()).decode() for one in good]:
                    return self.answer(200, {})
                self.answer(401, {}, ("WWW-Authenticate", 'Basic realm="git"'))

            def do_POST(self) -> None:
                why = owner.refusal_of(self.headers.get("Authorization", ""))
                if why:
                    return self.answer(401, {"message": why})
                if self.path != f"/api/v3/app/installations/{INSTALLATION}/access_tokens":
                    return self.answer(404, {"message": "Not Found"})
                owner.tokens.append(f"ghs_secrettoken{len(owner.tokens)}")
                ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
                self.answer(201, {"token": owner.tokens[-1], "expires_at": ends})

        return Handler


def _bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
