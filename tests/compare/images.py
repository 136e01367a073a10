"""Images of other shapes than the base image has: made layer by layer, as the test needs them."""

from __future__ import annotations

import io
import tarfile

import registry_push
from oci_image import CREATED, DOCKER, EPOCH, OCI, Content, Layer, digest_of, json_bytes, stored_gzip

MEDIA_TYPES = {"oci": OCI, "docker": DOCKER}


class RawLayer(Layer):
    """A layer with what only some layers have. Names of any length and letters: the format is pax."""

    def __init__(self) -> None:
        super().__init__()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.PAX_FORMAT)

    def opaque(self, path: str) -> RawLayer:
        """Hides what lower layers have in a folder. OCI image-spec, layer.md, "Opaque Whiteout"."""
        return self.file(f"{path}/.wh..wh..opq", "", mode=0)

    def entry(self, path: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields) -> RawLayer:
        """Any entry. `fields` as tarfile.TarInfo has them: mode, uid, gid, linkname, pax_headers …"""
        info = tarfile.TarInfo(path)
        info.type, info.size, info.mtime = kind, len(data), EPOCH
        for name, value in fields.items():
            setattr(info, name, value)
        self._tar.addfile(info, io.BytesIO(data))
        return self


def build(*layers: Layer, media_types: str = "oci", config: dict | None = None,
          platforms: tuple[str, ...] = (), platform: str = "linux/amd64",
          annotations: dict | None = None) -> Content:
    """The same layers for each of `platforms`, under an index; without them one image alone."""
    kinds = MEDIA_TYPES[media_types]
    content = Content()
    entries = []
    for name in platforms or (platform,):
        tars = [layer.tar() for layer in layers]
        parts = dict(zip(("os", "architecture", "variant"), name.split("/")))
        described = content.add_blob(kinds["config"], json_bytes({
            **parts, "created": CREATED, "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
            "history": [{"created": CREATED, "created_by": f"layer {number}"}
                        for number, _ in enumerate(tars)]}))
        manifest = content.add_manifest({
            "schemaVersion": 2, "mediaType": kinds["manifest"], "config": described,
            "layers": [content.add_blob(kinds["layer"], stored_gzip(tar)) for tar in tars],
            **({"annotations": annotations} if annotations else {})})
        entries.append({**manifest, "platform": parts})
    if platforms:
        content.add_manifest({"schemaVersion": 2, "mediaType": kinds["index"], "manifests": entries})
    return content


def push(reference: str, *layers: Layer, **options) -> str:
    """Builds and pushes; the digest. `options` as `build` has them."""
    return registry_push.push(build(*layers, **options), reference)
