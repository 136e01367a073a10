"""`kiln build` of a folder, a second time: what it costs, and that the digest is the same however much is known already."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import random
import shutil
import stat
import time

import pytest

from own_registry import start_registry
from servers import Registry
from world import DEADLINE_S, binary, run

FILES = 60
FILE_BYTES = 50_000
SETTLED_S = 3  # Files that were written a moment ago are not remembered.


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.kill()


class Site:
    """A folder, and what builds of it do."""

    def __init__(self, folder: pathlib.Path, registry: Registry, name: str) -> None:
        self._registry = registry
        self._seen = len(registry.requests())
        self._manifest = folder / "site.json"
        self.files = folder / "site"
        self.cache = folder / "cache"
        self.target = f"{registry.address}/{name}:1"
        self._manifest.write_text(json.dumps({
            "apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild", "metadata": {"name": "site"},
            "spec": {"base": {"image": "scratch"},
                     "content": [{"path": "/srv", "inline": {"files": {"a": "replaced"}}}],
                     "output": {"image": "registry.example.com/site"}}}))
        self.files.mkdir()
        source = random.Random(name)
        for number in range(FILES):
            (self.files / f"{number}.bin").write_bytes(source.randbytes(FILE_BYTES))

    def settle(self) -> None:
        """Waits until no file was written just now."""
        newest = max(path.stat().st_ctime for path in self.files.iterdir())
        probe = self.files.parent / "now"

        deadline = time.monotonic() + DEADLINE_S
        while not probe.exists() or probe.stat().st_mtime < newest + SETTLED_S:
            assert time.monotonic() < deadline, "the clock of the file system stands still"
            time.sleep(0.05)
            probe.touch()

    def build(self, *flags: str, target: str = "", cache: bool = True) -> str:
        """Its digest."""
        known = ("--cache-dir", str(self.cache)) if cache else ("--no-cache",)
        done = run(binary("kiln"), "build", "-f", str(self._manifest), "--local-content", f"/srv={self.files}",
                   "-t", target or self.target, *known, *flags)
        self.said = done.stderr
        return done.stdout.strip().rpartition("@")[2]

    def sent(self) -> list[str]:
        """Requests since the last look that put something into the registry."""
        requests = self._registry.requests()
        new = requests[self._seen:]
        self._seen = len(requests)
        return [f"{one.method} {one.path}" for one in new if one.method in ("POST", "PATCH", "PUT")]

    def layers_sent(self) -> int:
        return sum(one.startswith("POST ") for one in self.sent())


@pytest.fixture
def site(tmp_path, registry, request):
    return Site(tmp_path, registry, request.node.name.lower())


def test_a_second_build_sends_nothing_and_one_after_an_edit_what_changed(site):
    site.settle()
    first = site.build()
    assert site.layers_sent() == 2  # The layer and the config.

    assert site.build() == first
    assert site.sent() == []

    (site.files / "7.bin").write_bytes(b"edited")
    edited = site.build()
    assert edited != first
    assert site.layers_sent() == 2
    assert site.build("--no-cache", cache=False) == edited


def test_the_digest_is_the_same_whatever_is_known(site):
    site.settle()
    first = site.build()
    records = list((site.cache / "layer-records").rglob("*"))
    assert any(path.is_file() for path in records)

    shutil.rmtree(site.cache / "builds")  # Else it would not look at the layers at all.
    assert site.build() == first
    assert site.build(target=f"oci:{site.files.parent}/layout:1") == first
    assert site.build("--dry-run") == first
    shutil.rmtree(site.cache)
    assert site.build() == first
    assert site.build(cache=False) == first


def test_a_layer_that_is_known_is_made_for_a_registry_that_lacks_it(site, tmp_path):
    site.settle()
    first = site.build()
    other = start_registry(tmp_path / "other")
    try:
        assert site.build(target=f"{other.address}/site:1") == first
        assert sum(one.method == "POST" for one in other.requests()) == 2
        assert run(binary("kiln"), "validate", f"{other.address}/site:1").returncode == 0
    finally:
        other.kill()


def test_a_registry_that_lost_everything_gets_everything_again(tmp_path):
    registry = start_registry(tmp_path / "registry")
    try:
        site = Site(tmp_path, registry, "site")
        site.settle()
        first = site.build()
        site.sent()
        registry.kill()
        shutil.rmtree(registry.home / "data")
        registry.start()
        assert site.build() == first
        assert site.layers_sent() == 2
        assert run(binary("kiln"), "validate", site.target).returncode == 0
    finally:
        registry.kill()


def test_files_that_are_not_known_to_be_the_same_are_read_again(site):
    site.settle()
    site.build()
    file = site.files / "3.bin"
    before = file.stat()
    file.write_bytes(bytes(FILE_BYTES))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)

    edited = site.build()

    assert edited == site.build(cache=False)
    assert run(binary("kiln"), "cat", site.target, "/srv/3.bin").stdout == "\0" * FILE_BYTES


def test_files_that_are_known_in_part_and_read_late_make_the_same_image(site):
    site.settle()
    site.build()
    shutil.rmtree(site.cache / "builds")  # As if it was never built: files are read when they are packed.
    for number in range(0, FILES, 2):
        (site.files / f"{number}.bin").write_bytes(bytes([number]) * FILE_BYTES)
    site.settle()

    late = site.build()

    assert late == site.build(cache=False)
    site.sent()
    assert site.build() == late
    assert site.sent() == []


def test_what_another_user_may_have_written_is_not_believed(site):
    site.settle()
    first = site.build()
    site.sent()
    kept = [path for folder in ("layer-records", "file-checksums") for path in (site.cache / folder).rglob("*")
            if path.is_file()]
    assert len(kept) == 2
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.write_bytes(b"\0" + path.read_bytes())
        path.chmod(0o666)
    shutil.rmtree(site.cache / "builds")
    assert site.build() == first
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o600, 0o600]


def test_a_record_that_is_wrong_heals(site, tmp_path):
    site.settle()
    first = site.build()
    record = next(path for path in (site.cache / "layer-records").rglob("*") if path.is_file())
    text = record.read_text().partition("\n")[0]
    wrong = json.dumps(json.loads(text) | {"digest": f"sha256:{'0' * 64}"}, separators=(",", ":"))
    checksum = hashlib.sha256(f"{record.name}\n{wrong}".encode()).hexdigest()
    record.write_text(f"{wrong}\n{checksum}")
    shutil.rmtree(site.cache / "builds")
    assert site.build("--dry-run") != first  # It is believed, where nobody looks.

    assert site.build() == first

    assert "as the cache said, which has forgotten all layers now" in site.said
    assert site.build("--dry-run") == first
