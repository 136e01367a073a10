#!/usr/bin/python3
"""Headers and libraries of Debian 12 for another processor, to cross-compile Kiln against: prints their folder.

    sysroot.py arm64

The packages come through apt into a cache of their own, and are unpacked, not installed: this machine's own
packages stay as they are. The C library is not among them; it comes with the cross-compiler.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from debian import Archive, DebianError, Package  # noqa: E402  (found through the line above)
from make_image import ARCHITECTURES, cache_dir  # noqa: E402

# The group `build` of tools/setup.sh, with the shared libraries that it brings along.
PACKAGES = ["libboost1.81-dev", "libssl-dev", "libssl3", "zlib1g-dev", "zlib1g", "libisal-dev", "libisal2",
            "libdeflate-dev", "libdeflate0", "libzstd-dev", "libzstd1", "libarchive-dev", "nlohmann-json3-dev",
            "libyaml-cpp-dev", "libyaml-cpp0.7", "libcli11-dev", "libspdlog-dev", "libspdlog1.10", "libfmt-dev", "libfmt9",
            "prometheus-cpp-dev", "libprometheus-cpp-core1.0"]


def unpack(package: Package, root: pathlib.Path) -> None:
    for path, (member, data) in package.files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not member.issym():
            place.write_bytes(data)
            continue
        target = member.linkname
        if target.startswith("/"):  # Within the folder, not on this machine.
            inside = root / "usr" / target.removeprefix("/usr").lstrip("/")
            target = os.path.relpath(inside, place.parent)
        place.symlink_to(target)


def make(architecture: str) -> pathlib.Path:
    """The folder; it is made anew when Debian has other packages than those that are in it."""
    packages = Archive(cache_dir() / "image", architecture).newest(PACKAGES)
    key = hashlib.sha256("".join(sorted(each.sha256 for each in packages)).encode()).hexdigest()
    root = cache_dir() / "image" / f"sysroot-{architecture}"
    stamp = root / "packages.sha256"
    if stamp.exists() and stamp.read_text() == key:
        return root
    shutil.rmtree(root, ignore_errors=True)
    for package in packages:
        unpack(package, root)
    stamp.write_text(key)
    return root


def main() -> int:
    parser = argparse.ArgumentParser(description="Debian's headers and libraries for another processor.")
    parser.add_argument("architecture", choices=sorted(ARCHITECTURES))
    try:
        print(make(parser.parse_args().architecture))
        return 0
    except (DebianError, OSError) as error:
        print(f"sysroot: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
