"""What a registry holds, read without any of Kiln's code: tags, and the files of an image."""

from __future__ import annotations

import functools
import http.client
import io
import json
import posixpath
import tarfile

from oci_image import DOCKER, OCI, Content

DEADLINE_S = 30
_MANIFESTS = ", ".join(kinds[name] for kinds in (OCI, DOCKER) for name in ("index", "manifest"))
Files = dict[str, bytes]


class RegistryError(Exception):
    """It answered other than expected; the message says what."""


class Images:
    """One registry at its own address, not through any proxy. What a digest names is read once."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)

    def close(self) -> None:
        self._connection.close()

    def digest(self, repository: str, tag: str) -> str:
        """What a tag holds; "" if there is none."""
        status, headers, _ = self._ask("HEAD", f"/v2/{repository}/manifests/{tag}")
        if status not in (200, 404):
            raise RegistryError(f"HEAD {repository}:{tag}: {status}")
        return headers["Docker-Content-Digest"] if status == 200 else ""

    def move_tag(self, repository: str, tag: str, digest: str) -> bool:
        """Makes a tag hold a manifest that the repository has; whether it has it."""
        status, headers, body = self._ask("GET", f"/v2/{repository}/manifests/{digest}")
        if status != 200:
            return False
        status, _, text = self._ask("PUT", f"/v2/{repository}/manifests/{tag}", body,
                                    headers["Content-Type"])
        if status != 201:
            raise RegistryError(f"PUT {repository}:{tag}: {status} {text[:300]!r}")
        return True

    def delete(self, repository: str, reference: str) -> None:
        """A tag alone, or by its digest a manifest with all tags that hold it."""
        status, _, text = self._ask("DELETE", f"/v2/{repository}/manifests/{reference}")
        if status not in (202, 404):
            raise RegistryError(f"DELETE {repository} {reference}: {status} {text[:300]!r}")

    def platforms(self, repository: str, digest: str) -> dict[str, str]:
        """Digests of an image's manifests by os/architecture[/variant], without attestations."""
        manifest = json.loads(self._manifest(repository, digest))
        if "manifests" not in manifest:
            return {platform_name(self._config(repository, digest)): digest}
        return {platform_name(one["platform"]): one["digest"] for one in manifest["manifests"]
                if one["platform"]["os"] != "unknown"}

    @functools.cache
    def files(self, repository: str, digest: str) -> Files:
        """The files of one platform's image; of links, what they point at."""
        manifest = json.loads(self._manifest(repository, digest))
        return flatten(self._blob(repository, layer["digest"]) for layer in manifest["layers"])

    @functools.cache
    def labels(self, repository: str, digest: str) -> dict[str, str]:
        return self._config(repository, digest).get("config", {}).get("Labels") or {}

    def _config(self, repository: str, digest: str) -> dict:
        config = json.loads(self._manifest(repository, digest))["config"]["digest"]
        return json.loads(self._blob(repository, config))

    def _manifest(self, repository: str, digest: str) -> bytes:
        return self._get(f"/v2/{repository}/manifests/{digest}")

    @functools.cache
    def _blob(self, repository: str, digest: str) -> bytes:
        return self._get(f"/v2/{repository}/blobs/{digest}")

    def _get(self, path: str) -> bytes:
        status, _, body = self._ask("GET", path)
        if status != 200:
            raise RegistryError(f"GET {path}: {status} {body[:300]!r}")
        return body

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = ""):
        headers = {"Accept": _MANIFESTS, **({"Content-Type": kind} if kind else {})}
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


def platform_name(parts: dict) -> str:
    return "/".join(filter(None, (parts["os"], parts["architecture"], parts.get("variant"))))


def flatten(layers) -> Files:
    """Compressed tars on top of each other, with whiteouts applied."""
    files: Files = {}
    for layer in layers:
        added: Files = {}
        with tarfile.open(fileobj=io.BytesIO(layer), mode="r:*") as tar:
            for entry in tar:
                path = "/" + entry.name.strip("/")
                folder, name = posixpath.split(path)
                if name == ".wh..wh..opq":
                    remove(files, folder)
                elif name.startswith(".wh."):
                    remove(files, posixpath.join(folder, name.removeprefix(".wh.")))
                elif entry.isreg():
                    added[path] = tar.extractfile(entry).read()
                elif entry.islnk():
                    target = "/" + entry.linkname.strip("/")
                    added[path] = added[target] if target in added else files[target]
                elif entry.issym():
                    added[path] = b"-> " + entry.linkname.encode()
        files.update(added)
    return files


def remove(files: Files, path: str) -> None:
    """A path and all below it."""
    for name in [name for name in files if name == path or name.startswith(path + "/")]:
        del files[name]


def files_of(content: Content, platform: str) -> Files:
    """The files of one platform of an image that is not pushed anywhere."""
    index = json.loads(content.manifests[content.digest][1])
    for one in index["manifests"]:
        if platform_name(one["platform"]) == platform:
            manifest = json.loads(content.manifests[one["digest"]][1])
            return flatten(content.blobs[layer["digest"]] for layer in manifest["layers"])
    raise KeyError(platform)
