#!/usr/bin/python3
"""Writes the seeds of the fuzzers that were thought of, not found: corpus/NAME/seed-WHAT.

    make_seeds.py

Tars are made by hand, block by block, since most of them are such as no program would write. Known
tricks have the name of their report. Nothing here depends on the day or the machine.
"""

from __future__ import annotations

import base64
import json
import pathlib
import struct
import zlib

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
BLOCK = 512
DIGEST = "sha256:" + "1" * 64
OTHER_DIGEST = "sha256:" + "2" * 64
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


def padded(body: bytes) -> bytes:
    return body + b"\0" * (-len(body) % BLOCK)


def header(name: bytes, kind: bytes = b"0", size: int = 0, link: bytes = b"",
           magic: bytes = b"ustar\x0000", mode: bytes = b"0000644\0",
           fields: dict[int, bytes] | None = None) -> bytes:
    """One header block; `fields` puts bytes at offsets, before the checksum is made."""
    block = bytearray(BLOCK)
    for at, text in ((0, name[:100]), (100, mode), (108, b"0000000\0"), (116, b"0000000\0"),
                     (124, b"%011o\0" % size), (136, b"00000000000\0"), (156, kind),
                     (157, link[:100]), (257, magic), (329, b"0000000\0"), (337, b"0000000\0"),
                     *(fields or {}).items()):
        block[at:at + len(text)] = text
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def entry(name: bytes, body: bytes = b"", kind: bytes = b"0", **more) -> bytes:
    return header(name, kind, len(body), **more) + padded(body)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    body = b""
    for key, value in records:
        bare = len(key) + len(value) + 3
        length = bare + len(str(bare))
        length = bare + len(str(length))
        body += b"%d %s=%s\n" % (length, key, value)
    return entry(b"PaxHeaders/x", body, kind)


def tar(*parts: bytes) -> bytes:
    return b"".join(parts) + b"\0" * 2 * BLOCK


def sparse_fields(pieces: list[tuple[int, int]], real_size: int, more: bool = False) -> dict[int, bytes]:
    """The old GNU form: four pieces in the header itself."""
    table = b"".join(b"%011o\0%011o\0" % piece for piece in pieces)
    return {386: table, 482: b"\1" if more else b"\0", 483: b"%011o\0" % real_size}


def plain_tars() -> dict[str, bytes]:
    inner = tar(entry(b"smuggled", b"inside"))
    everything = tar(
        pax((b"SCHILY.xattr.security.capability", b"\1\0\0\2" + b"\0" * 16), (b"mtime", b"-1.5"),
            (b"uid", b"3000000")),
        entry(b"usr/", kind=b"5", mode=b"0000755\0"), entry(b"usr/x", b"hello\n"),
        entry(b"bin", kind=b"2", link=b"usr/bin"), entry(b"usr/y", kind=b"1", link=b"usr/x"),
        entry(b"usr/.wh.gone"), entry(b"usr/.wh..wh..opq"), entry(b".wh..wh.plnk/1"),
        entry(b"dev/null", kind=b"3", fields={329: b"0000001\0", 337: b"0000003\0"}),
        entry(b"dev/sda", kind=b"4"), entry(b"run/pipe", kind=b"6"))
    return {
        "empty": tar(),
        "every-kind": everything,
        "long-names-gnu": tar(entry(b"././@LongLink", b"n" * 200 + b"\0", b"L"),
                              entry(b"././@LongLink", b"t/" * 90 + b"\0", b"K"),
                              entry(b"n" * 100, kind=b"2", link=b"t/" * 50, magic=b"ustar  \0")),
        "long-names-pax": tar(pax((b"path", b"p/" * 150 + b"x"), (b"linkpath", b"q" * 300)),
                              entry(b"short", kind=b"2", link=b"short")),
        "prefix": tar(entry(b"name", b"1", fields={345: b"the/prefix"})),
        "global-pax": tar(pax((b"comment", b"all"), (b"uid", b"5"), kind=b"g"), entry(b"a", b"1")),
        "numbers-base256": tar(entry(b"a", b"", fields={
            108: b"\x80\0\0\0\0\x2d\xc6\xc0", 136: b"\xff" * 11 + b"\xfb"})),
        "not-utf8": tar(pax((b"hdrcharset", b"BINARY"), (b"path", b"caf\xe9")), entry(b"caf_", b"1")),
        "v7": tar(entry(b"old", b"1", magic=b"\0" * 8)),
        # What readers did not agree on.
        "TARmageddon-CVE-2025-62518": tar(
            pax((b"size", b"%d" % len(inner))),
            header(b"outer.tar", size=0) + padded(inner), entry(b"after", b"1")),
        "pax-size-and-gnu-long-name-GHSA-vmf3-w455-68vh": tar(
            pax((b"size", b"1024")), entry(b"././@LongLink", b"long\0", b"L"), entry(b"a", b"A" * 16),
            entry(b"b", b"B" * 16)),
        "pax-size-empty": tar(pax((b"size", b"")), entry(b"a", entry(b"smuggled", b"1"))),
        "pax-size-hexadecimal": tar(pax((b"size", b"0x400")), header(b"a") + entry(b"smuggled", b"1")),
        "pax-path-and-gnu-long-name": tar(pax((b"path", b"one")), entry(b"././@LongLink", b"two\0", b"L"),
                                          entry(b"a", b"1")),
        "global-size": tar(pax((b"size", b"1024"), kind=b"g"), header(b"a") + entry(b"smuggled", b"1")),
        "global-comment": tar(pax((b"comment", b"all"), kind=b"g"), entry(b"a", b"1")),
        "pax-path-with-nul": tar(pax((b"path", b"shown\0hidden")), entry(b"a", b"1")),
        "pax-linkpath-with-nul": tar(pax((b"linkpath", b"t\0u")), entry(b"a", kind=b"2", link=b"t")),
        "pax-record-too-short": tar(entry(b"PaxHeaders/x", b"5 a=b\n", b"x"), entry(b"a", b"1")),
        "pax-record-without-end": tar(entry(b"PaxHeaders/x", b"99999 path=b\n", b"x"), entry(b"a")),
        "pax-size-negative": tar(pax((b"size", b"-1")), entry(b"a", b"1")),
        "pax-twice": tar(pax((b"path", b"first")), pax((b"path", b"second")), entry(b"a", b"1")),
        "directory-with-content": tar(header(b"d/", b"5", 512) + entry(b"smuggled", b"1")),
        "hardlink-with-content": tar(entry(b"a", b"1"), header(b"b", b"1", 512, b"a") + b"x" * 512),
        "parent-directory": tar(entry(b"a/../../b", b"1")),
        "absolute": tar(entry(b"/etc/passwd", b"1")),
        "below-a-whiteout": tar(entry(b".wh.a/b", b"1")),
        "same-path-twice": tar(entry(b"a", b"1"), entry(b"./a", b"22"), entry(b"a/", kind=b"5")),
        "through-a-link": tar(entry(b"a", kind=b"2", link=b"/b"), entry(b"a/c/d", b"1"),
                              entry(b"loop", kind=b"2", link=b"loop"), entry(b"loop/x", b"1")),
        # Sparse, in its four forms.
        "sparse-old": tar(header(b"s", b"S", 6, magic=b"ustar  \0", fields=sparse_fields(
            [(0, 3), (1000, 3), (2000, 0)], 2000)) + padded(b"abcdef")),
        "sparse-old-extended": tar(header(b"s", b"S", 2, magic=b"ustar  \0", fields=sparse_fields(
            [(0, 1)], 9000, True)) + (b"%011o\0%011o\0" % (8999, 1)).ljust(BLOCK, b"\0")
            + padded(b"ab")),
        "sparse-old-negative": tar(header(b"s", b"S", 6, magic=b"ustar  \0", fields={
            386: b"%011o\0" % 0 + b"\xff" * 12, 483: b"%011o\0" % 2000}) + padded(b"abcdef")),
        "sparse-0.0": tar(pax((b"GNU.sparse.size", b"2000"), (b"GNU.sparse.numblocks", b"2"),
                              (b"GNU.sparse.offset", b"0"), (b"GNU.sparse.numbytes", b"3"),
                              (b"GNU.sparse.offset", b"1000"), (b"GNU.sparse.numbytes", b"3")),
                          entry(b"s", b"abcdef")),
        "sparse-0.1": tar(pax((b"GNU.sparse.size", b"2000"), (b"GNU.sparse.numblocks", b"2"),
                              (b"GNU.sparse.name", b"s"), (b"GNU.sparse.map", b"0,3,1000,3")),
                          entry(b"GNUSparseFile.0/s", b"abcdef")),
        "sparse-1.0": tar(pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                              (b"GNU.sparse.name", b"s"), (b"GNU.sparse.realsize", b"2000")),
                          entry(b"GNUSparseFile.0/s", padded(b"2\n0\n3\n1000\n3\n") + b"abcdef")),
        "sparse-1.0-overflow": tar(
            pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"s"),
                (b"GNU.sparse.realsize", b"9223372036854775807")),
            entry(b"GNUSparseFile.0/s", padded(b"2\n0\n3\n9223372036854775807\n1\n") + b"abcdef")),
        "sparse-solaris": tar(pax((b"SUN.holesdata", b" 0 100 200"), (b"SCHILY.realsize", b"300"),
                                  kind=b"X"), entry(b"s", b"abc")),
    }


def gzip_member(body: bytes, flags: int = 0, extra: bytes = b"", trailer: bytes | None = None,
                level: int = 9) -> bytes:
    squeeze = zlib.compressobj(level, zlib.DEFLATED, -15)
    deflated = squeeze.compress(body) + squeeze.flush()
    if trailer is None:
        trailer = struct.pack("<II", zlib.crc32(body), len(body) & 0xffffffff)
    return b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff" + extra + deflated + trailer


def zstd_raw(body: bytes, window: int | None = None, checksum: bool = False) -> bytes:
    """A frame of raw blocks; `window`: the descriptor's byte, else a single segment."""
    descriptor = 4 if checksum else 0
    start = b"\x28\xb5\x2f\xfd"
    if window is None:
        start += bytes([descriptor | 0xa0]) + struct.pack("<I", len(body))
    else:
        start += bytes([descriptor, window])
    blocks = b""
    pieces = [body[i:i + 1024] for i in range(0, len(body), 1024)] or [b""]
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        blocks += struct.pack("<I", len(piece) << 3 | last)[:3] + piece
    return start + blocks + (b"\0\0\0\0" if checksum else b"")


def zstd_rle(byte: bytes, count: int) -> bytes:
    """A bomb in small: blocks of four bytes that are 128 KiB each."""
    blocks = b""
    while count > 0:
        size = min(count, 128 * 1024)
        count -= size
        blocks += struct.pack("<I", size << 3 | 2 | (count == 0))[:3] + byte
    return b"\x28\xb5\x2f\xfd\x00\x58" + blocks


def compressed_tars() -> dict[str, bytes]:
    small = tar(entry(b"a", b"hello\n"), entry(b"b", b"x" * 3000))
    bomb_head = header(b"zeros", size=800 << 10)
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
    named = struct.pack("<H", 4) + b"KI\0\0" + b"name\0" + b"comment\0"
    return {
        "gzip": gzip_member(small),
        "gzip-stored": gzip_member(small, level=0),
        "gzip-fixed-codes": b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0" + struct.pack("<II", 0, 0),
        "gzip-all-flags": gzip_member(small, 0x1d, named),
        "gzip-header-checksum": gzip_member(small, 0x02, b"\0\0"),
        "gzip-reserved-flags": gzip_member(small, 0xe0),
        "gzip-two-members": gzip_member(small[:700]) + gzip_member(small[700:]),
        "gzip-empty-members": gzip_member(b"") + gzip_member(small) + gzip_member(b""),
        "gzip-then-garbage": gzip_member(small) + b"garbage",
        "gzip-then-zeros": gzip_member(small) + b"\0" * 100,
        "gzip-wrong-checksum": gzip_member(small, trailer=b"\0" * 8),
        "gzip-cut": gzip_member(small)[:-20],
        "gzip-of-gzip": gzip_member(gzip_member(small)),
        "gzip-bomb": gzip_member(bomb_head + b"\0" * (800 << 10) + b"\0" * 1024),
        "gzip-over-the-limit": gzip_member(header(b"z", size=2 << 20) + b"\0" * (2 << 20)),
        "zstd": zstd_raw(small, 0x58),
        "zstd-single-segment": zstd_raw(small),
        "zstd-checksum-wrong": zstd_raw(small, 0x58, True),
        "zstd-two-frames": zstd_raw(small[:700], 0x58) + zstd_raw(small[700:]),
        "zstd-skippable-first": skippable + zstd_raw(small, 0x58),
        "zstd-skippable-last": zstd_raw(small, 0x58) + skippable,
        "zstd-windowLog-24": zstd_raw(small, (24 - 10) << 3),
        "zstd-windowLog-31": zstd_raw(small, (31 - 10) << 3),
        "zstd-windowLog-41": zstd_raw(small, 0xff),
        "zstd-bomb": zstd_raw(bomb_head, 0x58) + zstd_rle(b"\0", 800 << 10) + zstd_raw(b"\0" * 1024),
        "zstd-of-gzip": zstd_raw(gzip_member(small), 0x58),
        "plain": small,
    }


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def descriptor(media_type: str = LAYER, **more: object) -> dict:
    return {"mediaType": media_type, "digest": DIGEST, "size": 123, **more}


def manifests() -> dict[str, bytes]:
    oci = "application/vnd.oci.image.manifest.v1+json"
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    full = {"schemaVersion": 2, "mediaType": oci, "artifactType": "application/x",
            "config": descriptor(CONFIG), "annotations": {"a": "b", "c": 1},
            "layers": [descriptor(), descriptor("application/vnd.oci.image.layer.v1.tar+zstd"),
                       descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                                  urls=["https://example.com/x", 7])],
            "subject": descriptor(oci, platform={"os": "linux", "architecture": "arm64"})}
    return {
        "oci": oci.encode() + b"; charset=utf-8\n" + dumped(full),
        "docker": docker.encode() + b"\n" + dumped(full | {"mediaType": docker}),
        "no-media-type": b"\n" + dumped({"config": descriptor(), "layers": []}),
        "schema1": b"\n" + dumped({"schemaVersion": 1, "fsLayers": []}),
        "size-too-large": b"\n" + dumped({"config": descriptor() | {"size": 2**64 - 1}}),
        "size-float": b"\n" + dumped({"config": descriptor() | {"size": 1e3}}),
        "bad-digest": b"\n" + dumped({"config": descriptor() | {"digest": "sha512:" + "0" * 128}}),
        "duplicate-keys": b'\n{"config":{},"config":' + dumped(descriptor()) + b"}",
        "deep": b"\n" + b"[" * 100 + b"]" * 100,
        "not-utf8": b'\n{"config":"\xff"}',
        "byte-order-mark": b"\n\xef\xbb\xbf" + dumped(full),
    }


def indexes() -> dict[str, bytes]:
    manifest = "application/vnd.oci.image.manifest.v1+json"
    entries = [descriptor(manifest, platform={"os": "linux", "architecture": "amd64"}),
               descriptor(manifest, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
               descriptor(manifest, platform={"os": "windows", "architecture": "amd64",
                                              "os.version": "10.0.1", "os.features": ["win32k", 1]}),
               descriptor(manifest, platform={"os": "unknown", "architecture": "unknown"},
                          annotations={"vnd.docker.reference.type": "attestation-manifest"}),
               descriptor(manifest, annotations={"org.opencontainers.image.ref.name": "1.0"})]
    return {"oci": dumped({"schemaVersion": 2, "manifests": entries, "annotations": {"x": "y"},
                           "mediaType": "application/vnd.oci.image.index.v1+json"}),
            "empty": dumped({"schemaVersion": 2, "manifests": []}),
            "no-list": dumped({"manifests": {}}),
            "platform-with-slash": dumped({"manifests": [
                descriptor(platform={"os": "a/b", "architecture": "c"})]}),
            "nul-in-string": dumped({"manifests": [descriptor("\0")]})}


def config(layers: int, **runtime: object) -> dict:
    return {"os": "linux", "architecture": "amd64", "created": "2024-01-01T00:00:00Z",
            "config": runtime,
            "rootfs": {"type": "layers", "diff_ids": [DIGEST, OTHER_DIGEST, DIGEST][:layers]},
            "history": [{"created_by": f"layer {n}"} for n in range(layers)]}


def configs() -> dict[str, bytes]:
    base = config(1, Env=["PATH=/bin", "A=1", "EMPTY"], Cmd=["sh"], Labels={"a": "b"})
    new = config(2, Env=["PATH=/usr/bin", "B=2"], Entrypoint=["/e"], ExposedPorts={"80/tcp": {}})
    image = config(2, Env=["PATH=/bin", "A=2", "C=3"], Cmd=["app"], Labels={"a": "c"}, User="1",
                   Volumes={"/v": {}}, ArgsEscaped=True)
    image["history"].append({"created_by": "ENV", "empty_layer": True})
    odd = {"ExposedPorts": "80", "Volumes": ["/v"], "Env": {"a": 1}, "Labels": [], "Cmd": "sh"}
    return {"one": dumped(base), "two": dumped(base) + b"\0" + dumped(new),
            "three": b"\0".join(map(dumped, (image, base, new))),
            "no-history": b"\0".join(dumped({k: v for k, v in c.items() if k != "history"})
                                     for c in (image, base, new)),
            "no-runtime": dumped({"rootfs": {"type": "layers"}}),
            "odd-types": dumped({"rootfs": {"type": "layers", "diff_ids": []}, "config": odd}),
            "odd-types-three": b"\0".join((dumped(image), dumped(base), dumped(config(1, **odd)))),
            "nulls": dumped({"rootfs": {"type": "layers", "diff_ids": None}, "config": None,
                             "history": None}),
            "unknown-fields": dumped(base | {"x": {"y": [1, 2.5, -0.0, 1e300]}})}


def docker_configs() -> dict[str, bytes]:
    auth = base64.b64encode(b"user:secretsecret").decode()
    full = {"auths": {"https://index.docker.io/v1/": {"auth": auth},
                      "ghcr.io/team": {"username": "u", "password": "passpasspass"},
                      "*.example.com": {"identitytoken": "identityidentity"},
                      "registry:5000": {"registrytoken": "registryregistry"}, "empty.io": {}},
            "credHelpers": {"x.io": "gcloud"}, "credsStore": "desktop"}
    key = "user:secretsecret@ghcr.io"
    return {"full": dumped(full) + b"\0ghcr.io/team/app",
            "stars": dumped({"auths": {"*": {"auth": auth}, "a*b*c.*.io": {"auth": auth}}})
            + b"\0aXbYc.d.io/x",
            "legacy": dumped({"ghcr.io": {"auth": auth}}),
            "no-padding": dumped({"auths": {"ghcr.io": {"auth": auth.rstrip("=") + "\n"}}}),
            "no-colon": dumped({"auths": {"ghcr.io": {"auth": "c2VjcmV0c2VjcmV0"}}}),
            "not-base64": dumped({"auths": {"ghcr.io": {"auth": "secret secret!"}}}),
            "user-in-key": dumped({"auths": {key: {"auth": auth}}}),
            "user-in-url": dumped({"auths": {"https://" + key + "/v1/": {"auth": auth}}}),
            "user-with-slash-in-url": dumped({"auths": {"https://user:se/cretsecret@ghcr.io": {}}}),
            "token-with-newline": dumped({"auths": {"a.io": {"registrytoken": "secretsecret\r\nX: y"}}}),
            "wrong-type": dumped({"auths": {"a.io": {"password": ["secretsecret"]}}})}


# One input each; the first word names it.
TEXTS = {
    "reference": {
        "short": "nginx", "tag": "team/app:1.0", "full": f"ghcr.io/a/b:1@{DIGEST}",
        "port": "registry:5000/app", "ipv6": "[::1]:5000/app:x", "docker": "docker.io/nginx",
        "upper-case-host": "GHCR.io/a/b", "upper-case-word": "Foo/bar", "localhost": "LOCALHOST/x",
        "digest": DIGEST, "platform": "linux/arm/v7", "scheme": "https://r.io/a", "nul": "r.io/a\0b",
        "odd-ipv6": "[::::]/a", "loopback": "127.0.0.1:00080/a__b/c---d/e.f"},
    "url": {
        "https": "https://Registry.example.com:8443/v2/?a=b#c\n/v2/team/app/blobs/uploads/1?state=x",
        "redirect": "https://r.io/v2/\nhttps://cdn.example.com/blob?X-Amz-Signature=abc",
        "to-http": "https://r.io/v2/\nhttp://r.io/v2/x", "dots": "http://h/a/b/\n../../../c/./d/..",
        "scheme-relative": "https://h/\n//other/x", "query-only": "https://h/p?q\n?r=s",
        "ipv6": "http://[::FFFF:127.0.0.1]:80/\nhttp://[fe80::1]/", "number": "http://0x7f.1/\nx",
        "user": "https://me:secret@h/p\n/x", "range": "http://h/\n0-99", "empty": "https://h\n",
        "trailing-dot": "http://127.0.0.1./\nx", "long": "https://h/" + "p" * 2000 + "\n" + "q" * 2000},
    "challenge": {
        "bearer": 'Bearer realm="https://auth.example.com/token",service="s",scope="repository:a:pull"',
        "basic": 'Basic realm="r"', "both": 'Basic realm="r"\nBearer realm="/token",scope="a:b:c,d e:f:*"',
        "one-line": 'Negotiate abc==, Basic realm=foo, Bearer realm="https://a/t" , service=x y',
        "escapes": 'Bearer realm="https://a/\\"t\\\\", error="a\\,b"', "no-quotes": "bearer REALM=https://a/t",
        "plain-http": 'Bearer realm="http://169.254.169.254/latest"', "unclosed": 'Bearer realm="x',
        "relative": 'Bearer realm="//other/token"', "commas": ",,Bearer,realm=x,,", "spaces": "Bearer realm = \"x\"",
        "many": "\n".join(f'Bearer realm="https://h/{n}"' for n in range(20))},
    "token_answer": {
        "token": '{"token":"abc.def-ghi","expires_in":300}', "access": '{"access_token":"x","expires_in":1e9}',
        "newline": '{"token":"a\\r\\nX: y"}', "negative": '{"token":"x","expires_in":-1}', "list": "[1]",
        "empty": '{"token":""}', "huge": '{"token":"x","expires_in":1e308}'},
    "error_body": {
        "one": '404 \n{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}',
        "missing-blob": '404 \n{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"digest":"' + DIGEST + '"}}]}',
        "html": "413 \n<html><head><title>413 Request Entity Too Large</title></head></html>",
        "text": "503 120\nupstream connect error", "limited": '429 Sun, 06 Nov 1994 08:49:37 GMT\n{"errors":[{"code":"TOOMANYREQUESTS"}]}',
        "old-date": "503 Sunday, 06-Nov-94 08:49:37 GMT\nx", "asctime": "503 Sun Nov  6 08:49:37 2094\nx",
        "disk": '500 \n{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"Err":28,"Text":"no space left on device"}}]}',
        "oauth": '400 \n{"error":"invalid_grant","error_description":"password=hunter2 is wrong"}',
        "signed": "403 \nat https://h/x?X-Amz-Signature=abc&sig=def token=ghi basic dXNlcjpw",
        "controls": "500 \n\x1b[31mred\x9b31m\u009b31m\u202e\r\n", "huge-wait": "429 99999999999999999999\n"},
    "json_scan": {
        "object": '{"metadata":{"annotations":{"' + LAST_APPLIED + '":"{\\"a\\":[1]}\\n","b":"c"},"name":"x"},"spec":{}}',
        "last": '{"metadata":{"annotations":{"b":"c","' + LAST_APPLIED + '":"{}"}}}',
        "event": '{"type":"ADDED","object":{"metadata":{"annotations":{"' + LAST_APPLIED + '":"{}"}}}}',
        "list": '{"items":[{"metadata":{"annotations":{"' + LAST_APPLIED + '":1}}},{"metadata":{}},[]],"metadata":{}}',
        "elsewhere": '{"spec":{"annotations":{"' + LAST_APPLIED + '":"1"}},"data":{"' + LAST_APPLIED + '":"1"}}',
        "spaces": '{"metadata":{"annotations":{"' + LAST_APPLIED + '":"1" , "b":"c" }}}',
        "twice": '{"metadata":{"annotations":{"' + LAST_APPLIED + '":1,"' + LAST_APPLIED + '":2}}}',
        "strings": '["}\\"]","\\\\","]",{"a\\"":["\\\\\\"}"]},-3.5e7,null,""]', "short": '{"a":1,"b":{"c":"d'},
    "glob": {
        "names": "*.txt\na.txt\nb/a.txt\n.txt", "stars": "**/a/**\na/b\nx/a/b/c\nb/a\na",
        "class": "[a-c[:digit:]]?[!x]\na1y\nb/y\n12x", "odd-class": "[]-a]x[a-]\n]xa\n-x-\nax-",
        "escape": "\\*\\[a\\\\\n*[a\\\n", "inner": "ab**/c\nabx/y/c\nab/c", "broken": "a[b\na[b\nab",
        "slash-escape": "**\\/a\nb/a\na", "many-stars": "*a*a*a*a*b\n" + "a" * 60, "question": "?\n/\na\n"},
    "ignore_rules": {
        "usual": "# comment\n*.log\n!keep.log\n/build/\nnode_modules/\ndocs/**/*.md\n\\#x\nspace\\ \n\0a.log\nkeep.log\nbuild/x\nsrc/build\na/node_modules/b\ndocs/a/b.md\n#x\nspace ",
        "windows": "\ufeff*.o\r\n!a.o\r\n\0a.o\nb.o", "negated-parent": "a/\n!a/b\n\0a/b\na",
        "spaces": "a  \nb\\  \n \t\n\0a\nb \n", "odd": "!\n/\n//\n**\n!**\n\\\n[\n\0a\n\\\n["},
    "layer_index_text": {
        "some": "0 d 755 0 0 0 -\0usr\0\0" "3 s 777 0 0 0 1577836800\0/bin\0../x\0" "4 f 644 1 2 33 -5\0lib\0\0",
        "whiteouts": "0 w 0 0 0 0 -\0a\0\0" "0 wo 0 0 0 0 -\0b\0\0" "0 do 755 0 0 0 -\0c\0\0",
        "hard-link": "0 f 644 0 0 5 -\0a\0\0" "0 h 644 0 0 0 -\0b\0a\0" "0 x 600 0 0 0 -\0c\0\0"},
}


def seeds() -> dict[str, dict[str, bytes]]:
    tars = plain_tars()
    chosen = ("every-kind", "through-a-link", "same-path-twice", "long-names-pax", "sparse-1.0")
    result = {name: {what: text.encode() for what, text in texts.items()}
              for name, texts in TEXTS.items()}
    # "controls" has bytes that are no UTF-8, too.
    result["error_body"]["not-utf8"] = b"500 \n\xff\xfe\x9b31m caf\xe9"
    result |= {"tar_entry": tars, "compressed_tar": compressed_tars(), "manifest": manifests(),
               "index": indexes(), "config": configs(), "docker_config": docker_configs(),
               "layer_index": {what: gzip_member(tars[what]) for what in chosen}}
    return result


def main() -> None:
    for name, inputs in seeds().items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("seed-*"):
            old.unlink()
        for what, data in inputs.items():
            (folder / f"seed-{what}").write_bytes(data)


if __name__ == "__main__":
    main()
