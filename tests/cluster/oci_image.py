"""Makes image layers, configs and indexes whose bytes are the same on every machine.

Tar entries come in the order given, with
one fixed time. Gzip streams hold stored blocks: what a compressor makes of the same
bytes depends on the version of zlib, what is not compressed does not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import pathlib
import struct
import tarfile
import zlib

EPOCH = 1716940800  # 2024-05-29T00:00:00Z, the time of everything
CREATED = "2024-05-29T00:00:00Z"

OCI = {
    "index": "application/vnd.oci.image.index.v1+json",
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
}
DOCKER = {
    "index": "application/vnd.docker.distribution.manifest.list.v2+json",
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
_STORED_BLOCK_BYTES = 65535  # RFC 1951, 3.2.4


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def json_bytes(value) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Layer:
    """A layer under construction; entries appear in the order of the calls."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.USTAR_FORMAT)

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> Layer:
        return self._add(path + "/", tarfile.DIRTYPE, mode, owner)

    def file(self, path: str, text: str | bytes, mode: int = 0o644, owner: int = 0) -> Layer:
        data = text.encode() if isinstance(text, str) else text
        return self._add(path, tarfile.REGTYPE, mode, owner, data=data)

    def symlink(self, path: str, target: str) -> Layer:
        return self._add(path, tarfile.SYMTYPE, 0o777, 0, target)

    def hardlink(self, path: str, target: str) -> Layer:
        return self._add(path, tarfile.LNKTYPE, 0o644, 0, target)

    def whiteout(self, path: str) -> Layer:
        """Deletes a path of the layers below."""
        parent, _, name = path.rpartition("/")
        return self.file(f"{parent}/.wh.{name}" if parent else f".wh.{name}", "", mode=0)

    def tar(self) -> bytes:
        self._tar.close()  # Closing twice is allowed and changes nothing.
        return self._bytes.getvalue()

    def _add(self, path, kind, mode, owner, target="", data=b"") -> Layer:
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.mtime = kind, mode, EPOCH
        entry.uid = entry.gid = owner
        entry.linkname, entry.size = target, len(data)
        self._tar.addfile(entry, io.BytesIO(data))
        return self


def stored_gzip(data: bytes) -> bytes:
    """A gzip member (RFC 1952) without time and name that stores its data uncompressed."""
    parts = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for start in range(0, max(len(data), 1), _STORED_BLOCK_BYTES):
        block = data[start:start + _STORED_BLOCK_BYTES]
        last = start + _STORED_BLOCK_BYTES >= len(data)
        parts.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    parts.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(parts)


@dataclasses.dataclass
class Content:
    """Blobs and manifests by digest, and the digest of the topmost one."""

    blobs: dict[str, bytes] = dataclasses.field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = dataclasses.field(default_factory=dict)  # media type
    top: dict = dataclasses.field(default_factory=dict)  # a descriptor

    def add_blob(self, media_type: str, data: bytes) -> dict:
        self.blobs[digest_of(data)] = data
        return _descriptor(media_type, data)

    def add_manifest(self, value: dict) -> dict:
        """The last one added is the top. Children come first, as a registry wants them."""
        data = json_bytes(value)
        self.manifests[digest_of(data)] = (value["mediaType"], data)
        self.top = _descriptor(value["mediaType"], data)
        return dict(self.top)

    @property
    def digest(self) -> str:
        return self.top["digest"]

    def write_layout(self, folder: pathlib.Path, tag: str) -> None:
        """As an OCI image layout; `folder` must not exist."""
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        everything = {**self.blobs, **{d: data for d, (_, data) in self.manifests.items()}}
        for digest, data in everything.items():
            (blobs / digest.removeprefix("sha256:")).write_bytes(data)
        named = {**self.top, "annotations": {"org.opencontainers.image.ref.name": tag}}
        (folder / "index.json").write_bytes(json_bytes(
            {"schemaVersion": 2, "mediaType": OCI["index"], "manifests": [named]}))
        (folder / "oci-layout").write_bytes(json_bytes({"imageLayoutVersion": "1.0.0"}))


def _descriptor(media_type: str, data: bytes) -> dict:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
