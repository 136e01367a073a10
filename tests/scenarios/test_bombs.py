"""Small layers that unpack to very much: they are refused, or read in constant memory.

KILN_BOMB_GIB GiB of zeros, 1 unless set, are in a layer of a thousandth of that. gzip cannot do more (1032 to 1),
so such a layer may be honest; what zstd makes of them (10 000 to 1 and more) is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pathlib
import tarfile

import pytest

from measured import GROWTH_MIB, idle_mib, measure

GIB = int(os.environ.get("KILN_BOMB_GIB", "1"))
CHUNK = 64 << 20
END = bytes(1024)


def gzip_member(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def zeros() -> bytes:
    """GIB of them, as gzip: one member again and again is a gzip file too."""
    return gzip_member(bytes(CHUNK)) * (GIB * (1 << 30) // CHUNK)


def tar_header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.PAX_FORMAT)


def zstd_frame(data: bytes, window_log: int) -> bytes:
    """Uncompressed, in a frame that asks for a window of that size (RFC 8878, 3.1.1.1.2)."""
    blocks = b""
    for at in range(0, len(data), 1 << 16):
        part = data[at:at + (1 << 16)]
        last = at + len(part) == len(data)
        blocks += (len(part) << 3 | last).to_bytes(3, "little") + part
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(window_log - 10) << 3]) + blocks


def make_layout(folder: pathlib.Path, layer: bytes, kind: str) -> str:
    """An OCI layout with an image of this layer, as a base for others."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data), "mediaType": f"application/vnd.oci.image.{media_type}"}

    config = {"os": "linux", "architecture": "amd64",
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": put(json.dumps(config).encode(), "config.v1+json"),
                "layers": [put(layer, f"layer.v1.tar+{kind}")]}
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), "manifest.v1+json")]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return f"oci:{folder}"


@pytest.fixture(scope="module", name="idle")
def idle_peak(tmp_path_factory: pytest.TempPathFactory) -> float:
    return idle_mib(tmp_path_factory.mktemp("idle"))


@pytest.fixture(name="append_to")
def appending(tmp_path):
    """Puts a file on a base of one layer, for which the base's headers are read."""
    def append(layer: bytes, kind: str):
        (tmp_path / "file").write_text("small\n")
        return measure("append", make_layout(tmp_path / "base", layer, kind),
                       "--file", f"{tmp_path}/file:/file", "-t", f"oci:{tmp_path}/out")
    return append


def test_a_layer_with_a_huge_file_of_zeros_takes_no_memory(append_to, idle):
    layer = gzip_member(tar_header("zeros", GIB << 30)) + zeros() + gzip_member(END)

    done = append_to(layer, "gzip")

    print(f"{done.peak_mib:.0f} MiB for {GIB} GiB of zeros in {len(layer) >> 20} MiB, {idle:.0f} MiB idle")
    assert done.code == 0, done.err
    assert done.peak_mib - idle <= GROWTH_MIB


def test_a_layer_of_nothing_but_zeros_is_an_empty_tar(append_to, idle):
    done = append_to(zeros(), "gzip")

    assert done.code == 0, done.err
    assert done.peak_mib - idle <= GROWTH_MIB


def test_a_window_of_two_gibibytes_is_refused_before_it_is_there(append_to, idle):
    done = append_to(zstd_frame(tar_header("file", 0) + END, window_log=31), "zstd")

    assert done.code != 0
    assert "this is not a readable tar" in done.err
    assert done.peak_mib - idle <= GROWTH_MIB


def test_a_window_as_zstd_makes_by_itself_is_taken(append_to):
    done = append_to(zstd_frame(tar_header("file", 0) + END, window_log=27), "zstd")

    assert done.code == 0, done.err


def test_a_manifest_of_gigabytes_is_not_read(tmp_path, idle):
    """A descriptor says how much there is, and there is as much: a hole in the file."""
    base = make_layout(tmp_path / "base", gzip_member(END), "gzip")
    index = json.loads((tmp_path / "base" / "index.json").read_text())
    entry = index["manifests"][0]
    entry["size"] = GIB << 30
    os.truncate(tmp_path / "base" / "blobs" / "sha256" / entry["digest"].partition(":")[2], GIB << 30)
    (tmp_path / "base" / "index.json").write_text(json.dumps(index))

    done = measure("manifest", base)

    assert done.code != 0
    assert "more than the allowed 8388608 of a manifest or config" in done.err
    assert done.peak_mib - idle <= GROWTH_MIB
