#!/usr/bin/python3
"""Makes a stand-in for the nginx image and pushes it: same shape, none of the content.

    base_image.py REGISTRY/library/nginx:1.27
    base_image.py --layout DIR REGISTRY/library/nginx:1.27      writes an OCI layout instead

The image is a multi-platform index with one attestation entry, as BuildKit makes them. The same
arguments give the same bytes on every machine; --mark makes a "new base" under the old tag. With
KILN_REGISTRY_AUTH=user:password in the environment, Basic authentication is used.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys

import registry_push
from oci_image import CREATED, DOCKER, OCI, Content, Layer, digest_of, json_bytes, stored_gzip
from registry_push import PushError

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
MEDIA_TYPES = {"oci": OCI, "docker": DOCKER}
NGINX_USER = 101
NGINX_VERSION = "1.27.0"
_IN_TOTO = "application/vnd.in-toto+json"

_NGINX_CONF = """\
user nginx;
worker_processes auto;
events { worker_connections 64; }
http { include /etc/nginx/conf.d/*.conf; }
"""
_SERVER_CONF = """\
server { listen 80; location / { root /usr/share/nginx/html; index index.html; } }
"""
_ENTRYPOINT = """\
#!/bin/sh
exec "$@"
"""
_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
nginx:x:101:101:nginx user:/nonexistent:/bin/false
"""


def push(reference: str, *, platforms=PLATFORMS, media_types: str = "oci", mark: str = "",
         single: bool = False, auth: tuple[str, str] | None = None,
         ca_file: str | None = None) -> str:
    """Pushes the image and returns its digest. `auth` and `ca_file` as in registry_push.push.

    Errors: PushError, ValueError for an unknown platform or kind of media types.
    """
    content = build(platforms=platforms, media_types=media_types, mark=mark, single=single)
    return registry_push.push(content, reference, auth=auth, ca_file=ca_file)


def build(*, platforms=PLATFORMS, media_types: str = "oci", mark: str = "",
          single: bool = False) -> Content:
    """The image in memory. `single` leaves out the index; it takes exactly one platform."""
    unknown = set(platforms) - set(PLATFORMS)
    if unknown or not platforms:
        raise ValueError(f"unknown platforms {sorted(unknown)}: choose from {', '.join(PLATFORMS)}")
    if media_types not in MEDIA_TYPES:
        raise ValueError(f"unknown media types {media_types!r}: choose from oci, docker")
    if single and len(platforms) != 1:
        raise ValueError("an image without an index has one platform: name exactly one")
    kinds = MEDIA_TYPES[media_types]
    content = Content()
    entries = [_add_image(content, kinds, platform, mark) for platform in platforms]
    if not single:
        entries.append(_add_attestation(content, entries[0]["digest"]))
        content.add_manifest({"schemaVersion": 2, "mediaType": kinds["index"],
                              "manifests": entries})
    return content


def _add_image(content: Content, kinds: dict, platform: str, mark: str) -> dict:
    parts = dict(zip(("os", "architecture", "variant"), platform.split("/")))
    layers = _layers(platform, mark)
    tars = [layer.tar() for layer, _ in layers]
    descriptors = [content.add_blob(kinds["layer"], stored_gzip(tar)) for tar in tars]
    history = []
    for _, steps in layers:
        history += [_step(text, empty=number > 0) for number, text in enumerate(steps)]
    config = content.add_blob(kinds["config"], _config(parts, tars, history))
    manifest = content.add_manifest({"schemaVersion": 2, "mediaType": kinds["manifest"],
                                     "config": config, "layers": descriptors})
    order = ("architecture", "os", "variant")
    return {**manifest, "platform": {name: parts[name] for name in order if name in parts}}


def _layers(platform: str, mark: str) -> list[tuple[Layer, list[str]]]:
    """Layers with their history: the step that made each, then steps that made none."""
    layer = _nginx_layer(platform)
    steps = ["RUN /bin/sh -c install nginx # stand-in", "ENV NGINX_VERSION=" + NGINX_VERSION]
    end = ['ENTRYPOINT ["/docker-entrypoint.sh"]', "EXPOSE map[80/tcp:{}]", "STOPSIGNAL SIGQUIT",
           'CMD ["nginx" "-g" "daemon off;"]']
    system = (_system_layer(), ["ADD file:stand-in in /", 'CMD ["sh"]',
                                "LABEL maintainer=NGINX Docker Maintainers"])
    if platform == "linux/arm/v7":  # Two layers, so that platforms differ in their number.
        return [system, (_add_entrypoint(layer, mark), steps + end)]
    return [system, (layer, steps),
            (_add_entrypoint(Layer(), mark), ["COPY docker-entrypoint.sh / # stand-in", *end])]


def _system_layer() -> Layer:
    """A usr-merged root, the same for every platform."""
    layer = Layer()
    for name in ("bin", "lib", "sbin"):
        layer.symlink(name, f"usr/{name}")
    layer.folder("etc").file("etc/passwd", _PASSWD).file("etc/group", "root:x:0:\nnginx:x:101:\n")
    layer.folder("root", 0o700).folder("run").folder("tmp", 0o1777).folder("usr")
    layer.folder("usr/bin").file("usr/bin/sh", "stand-in for a shell\n", 0o755)
    layer.folder("usr/lib").file("usr/lib/libstandin.so.1.0", "stand-in for a library\n")
    layer.symlink("usr/lib/libstandin.so.1", "libstandin.so.1.0")
    layer.hardlink("usr/lib/libstandin.so", "usr/lib/libstandin.so.1.0")
    layer.folder("usr/sbin").folder("usr/share").folder("usr/share/doc")
    layer.file("usr/share/doc/deleted-later.txt", "A later layer deletes this file.\n")
    layer.file("usr/share/doc/kept.txt", "No layer deletes this file.\n")
    return layer.folder("var").folder("var/cache").folder("var/log").symlink("var/run", "/run")


def _nginx_layer(platform: str) -> Layer:
    layer = Layer()
    layer.folder("etc").folder("etc/nginx").file("etc/nginx/nginx.conf", _NGINX_CONF)
    layer.folder("etc/nginx/conf.d").file("etc/nginx/conf.d/default.conf", _SERVER_CONF)
    layer.folder("usr").folder("usr/sbin")
    layer.file("usr/sbin/nginx", f"#!/bin/sh\necho stand-in for nginx on {platform}\n", 0o755)
    layer.folder("usr/share").folder("usr/share/doc")
    layer.whiteout("usr/share/doc/deleted-later.txt")
    layer.folder("usr/share/nginx").folder("usr/share/nginx/html")
    layer.file("usr/share/nginx/html/50x.html", "<h1>Stand-in for an error page</h1>\n")
    layer.file("usr/share/nginx/html/index.html", "<h1>Stand-in for nginx</h1>\n")
    layer.folder("var").folder("var/cache").folder("var/cache/nginx", owner=NGINX_USER)
    layer.folder("var/log").folder("var/log/nginx")
    layer.symlink("var/log/nginx/access.log", "/dev/stdout")
    return layer.symlink("var/log/nginx/error.log", "/dev/stderr")


def _add_entrypoint(layer: Layer, mark: str) -> Layer:
    layer.folder("docker-entrypoint.d").file("docker-entrypoint.sh", _ENTRYPOINT, 0o755)
    return layer.file("usr/share/doc/base-mark.txt", mark + "\n") if mark else layer


def _step(text: str, empty: bool) -> dict:
    step = {"created": CREATED, "created_by": text, "comment": "kiln test base"}
    return {**step, "empty_layer": True} if empty else step


def _config(parts: dict, tars: list[bytes], history: list[dict]) -> bytes:
    return json_bytes({
        "architecture": parts["architecture"],
        **({"variant": parts["variant"]} if "variant" in parts else {}),
        "os": parts["os"],
        "created": CREATED,
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "NGINX_VERSION=" + NGINX_VERSION],
            "Entrypoint": ["/docker-entrypoint.sh"],
            "Cmd": ["nginx", "-g", "daemon off;"],
            "ExposedPorts": {"80/tcp": {}},
            "Labels": {"maintainer": "NGINX Docker Maintainers"},
            "StopSignal": "SIGQUIT",
        },
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        "history": history,
        "x-vendor": {"kept": True},  # No field of the spec: whoever builds on it must keep it.
    })


def _add_attestation(content: Content, about: str) -> dict:
    """What BuildKit adds beside an image: an "image" for no platform. Always of OCI types."""
    statement = json_bytes({"_type": "https://in-toto.io/Statement/v0.1",
                               "predicateType": "https://slsa.dev/provenance/v0.2",
                               "subject": [], "predicate": {"buildType": "kiln-test"}})
    layer = content.add_blob(_IN_TOTO, statement)
    layer["annotations"] = {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
    config = content.add_blob(OCI["config"], json_bytes(
        {"architecture": "unknown", "os": "unknown", "config": {},
         "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}))
    manifest = content.add_manifest({"schemaVersion": 2, "mediaType": OCI["manifest"],
                                     "config": config, "layers": [layer]})
    return {**manifest,
            "annotations": {"vnd.docker.reference.digest": about,
                            "vnd.docker.reference.type": "attestation-manifest"},
            "platform": {"architecture": "unknown", "os": "unknown"}}


def main() -> int:
    parser = argparse.ArgumentParser(description="Pushes a stand-in for the nginx image.")
    parser.add_argument("reference", help="REGISTRY/REPOSITORY:TAG")
    parser.add_argument("--media-types", choices=sorted(MEDIA_TYPES), default="oci")
    parser.add_argument("--platforms", default=",".join(PLATFORMS), help="default: %(default)s")
    parser.add_argument("--mark", default="", help="text that makes it another image")
    parser.add_argument("--single", action="store_true", help="no index; needs one platform")
    parser.add_argument("--layout", type=pathlib.Path, help="write an OCI layout, do not push")
    args = parser.parse_args()
    user, colon, password = os.environ.get("KILN_REGISTRY_AUTH", "").partition(":")
    try:
        content = build(platforms=args.platforms.split(","), media_types=args.media_types,
                        mark=args.mark, single=args.single)
        if args.layout:
            content.write_layout(args.layout, registry_push.Reference.parse(args.reference).tag)
        else:
            registry_push.push(content, args.reference, auth=(user, password) if colon else None)
    except (PushError, ValueError, OSError) as error:
        print(f"base_image: {error}", file=sys.stderr)
        return 1
    print(content.digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
