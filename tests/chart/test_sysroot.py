"""Packages for another processor are unpacked so that nothing in them leads to this machine's own files."""

from __future__ import annotations

import dataclasses
import tarfile

import pytest

import sysroot
from debian import DebianError
from make_image import ARCHITECTURES
from world import ROOT


@dataclasses.dataclass
class Unpacked:
    """A package, as far as it is looked at."""

    files: dict


def file(data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo("file"), data


def link(target: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info, b""


@pytest.mark.parametrize("target", ["/lib/aarch64-linux-gnu/libz.so.1", "/usr/lib/aarch64-linux-gnu/libz.so.1", "libz.so.1"])
def test_a_link_leads_within_the_folder(target, tmp_path):
    folder = "/usr/lib/aarch64-linux-gnu"
    sysroot.unpack(Unpacked({f"{folder}/libz.so": link(target), f"{folder}/libz.so.1": file(b"the library")}), tmp_path)

    made = tmp_path / folder.lstrip("/") / "libz.so"
    assert made.read_bytes() == b"the library"
    assert not made.readlink().is_absolute()


class Days:
    """An archive that has other packages every day."""

    def __init__(self, packages) -> None:
        self.packages = packages

    def newest(self, names):
        assert "libssl-dev" in names
        return [Unpackable(*each) for each in self.packages]


@dataclasses.dataclass
class Unpackable(Unpacked):
    sha256: str


def test_it_is_made_anew_when_there_are_other_packages_and_only_then(tmp_path, monkeypatch):
    days = Days([({"/usr/include/a.h": file(b"1")}, "first")])
    monkeypatch.setenv("KILN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(sysroot, "Archive", lambda cache, architecture: days)

    folder = sysroot.make("arm64")
    (folder / "mark").touch()
    assert sysroot.make("arm64") == folder
    assert (folder / "mark").exists()

    days.packages = [({"/usr/include/b.h": file(b"2")}, "second")]
    sysroot.make("arm64")
    assert sorted(path.name for path in folder.rglob("*.h")) == ["b.h"]
    assert not (folder / "mark").exists()


def test_a_package_that_debian_lacks_is_an_error_with_its_name(tmp_path, monkeypatch, capsys):
    def lacking(cache, architecture):
        raise DebianError("apt has no arm64 package libisal-dev")
    monkeypatch.setattr(sysroot, "Archive", lacking)
    monkeypatch.setattr("sys.argv", ["sysroot.py", "arm64"])

    assert sysroot.main() == 1
    assert capsys.readouterr().err == "sysroot: apt has no arm64 package libisal-dev\n"


def test_there_is_a_toolchain_for_each_architecture_but_this_one():
    others = {name for name in ARCHITECTURES if name != "amd64"}
    for name in others:
        text = (ROOT / "cmake" / f"{name}.cmake").read_text()
        assert f"set(CMAKE_LIBRARY_ARCHITECTURE {ARCHITECTURES[name][0]})" in text
