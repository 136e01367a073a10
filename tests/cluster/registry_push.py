"""Pushes content to a registry: the few requests of the OCI distribution spec that it takes."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import re
import ssl
import urllib.parse

from oci_image import Content

DEADLINE_S = 30


class PushError(Exception):
    """The reference is malformed or the registry refused; the message says which and why."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """REGISTRY/REPOSITORY:TAG. The registry is never guessed, so it must be there."""

    registry: str
    repository: str
    tag: str

    @staticmethod
    def parse(text: str) -> Reference:
        found = re.fullmatch(r"([^/]+)/([a-z0-9._/-]+):([A-Za-z0-9_][A-Za-z0-9._-]{0,127})", text)
        if not found or not re.search(r"[.:]|^localhost$", found[1]):
            raise PushError(f"{text!r} is no reference of the form REGISTRY/REPOSITORY:TAG, "
                            "for example 127.0.0.1:5000/library/nginx:1.27")
        return Reference(*found.groups())


def push(content: Content, reference: str, *, auth: tuple[str, str] | None = None,
         ca_file: str | None = None) -> str:
    """Sends what the registry lacks, then the manifests, and returns the digest of the topmost.

    Plain HTTP unless `ca_file` is given. `auth` is (user, password) for Basic authentication.
    Errors: PushError.
    """
    target = Reference.parse(reference)
    session = _Session(target, auth, ca_file)
    try:
        for digest, data in content.blobs.items():
            session.ensure_blob(digest, data)
        for digest, (media_type, data) in content.manifests.items():
            name = target.tag if digest == content.digest else digest
            session.put_manifest(name, media_type, data)
    finally:
        session.close()
    return content.digest


class _Session:
    def __init__(self, target: Reference, auth, ca_file) -> None:
        self._target = target
        self._headers = {}
        if auth:
            pair = base64.b64encode(":".join(auth).encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        if ca_file:
            context = ssl.create_default_context(cafile=ca_file)
            self._connection = http.client.HTTPSConnection(target.registry, timeout=DEADLINE_S,
                                                           context=context)
        else:
            self._connection = http.client.HTTPConnection(target.registry, timeout=DEADLINE_S)

    def close(self) -> None:
        self._connection.close()

    def ensure_blob(self, digest: str, data: bytes) -> None:
        base = f"/v2/{self._target.repository}/blobs"
        if self._ask("HEAD", f"{base}/{digest}", good=(200, 404))[0] == 200:
            return
        _, location = self._ask("POST", f"{base}/uploads/", good=(202,))
        where = urllib.parse.urlsplit(location)
        query = "&".join(filter(None, [where.query, "digest=" + urllib.parse.quote(digest)]))
        self._ask("PUT", f"{where.path}?{query}", good=(201,), body=data,
                  media_type="application/octet-stream")

    def put_manifest(self, name: str, media_type: str, data: bytes) -> None:
        path = f"/v2/{self._target.repository}/manifests/{name}"
        self._ask("PUT", path, good=(201,), body=data, media_type=media_type)

    def _ask(self, method, path, good, body=b"", media_type=None) -> tuple[int, str]:
        """The status and the Location header."""
        headers = dict(self._headers)
        if media_type:
            headers["Content-Type"] = media_type
        what = f"{self._target.registry}: {method} {path.partition('?')[0]}"
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise PushError(f"{what}: {error or type(error).__name__}") from None
        if answer.status not in good:
            hint = " (this client speaks Basic only)" if _wants_token(answer) else ""
            raise PushError(f"{what}: {answer.status} {answer.reason}{hint}: {text[:300].strip()}")
        return answer.status, answer.getheader("Location", "")


def _wants_token(answer: http.client.HTTPResponse) -> bool:
    return answer.getheader("WWW-Authenticate", "").lower().startswith("bearer")
