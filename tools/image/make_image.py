#!/usr/bin/python3
"""Assembles the controller's image with `kiln build`: no Docker, no root.

    make_image.py [--bin DIR] [--kiln FILE] [--arch amd64] [--work DIR] [--packages FILE] [-t DEST]…

What goes in is listed in deploy/image/packages.txt; what they load is found by following the
libraries that each program names. The image itself is deploy/image/imagebuild.yaml. In the work
folder (build/image) remain the root filesystem, and packages-ARCH.txt: the exact packages. With
that file as --packages the same image is made again, byte for byte, whatever Debian has by then.

Prints what `kiln build` prints: one line with the digest for each destination.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from debian import Archive, DebianError, Package, merged, run  # noqa: E402  (found through the line above)

RECIPE = ROOT / "deploy" / "image"
CONTROLLER = "/usr/local/bin/kiln-controller"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
BUILD_DEADLINE_S = 300
# Debian's name, as in the folders of libraries, and the machine's, as an ELF file has it.
ARCHITECTURES = {"amd64": ("x86_64-linux-gnu", "X86-64"), "arm64": ("aarch64-linux-gnu", "AArch64")}


def cache_dir() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("KILN_CACHE_DIR") or pathlib.Path(base) / "kiln")


def version() -> str:
    """The one place is project() in CMakeLists.txt."""
    return re.search(r"^project\(kiln VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(), re.M)[1]


class Recipe:
    """deploy/image/packages.txt."""

    def __init__(self, path: pathlib.Path) -> None:
        self.of: dict[str, list[str]] = {"program": [], "file": [], "package": [], "inside": []}
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                kind, name = line.split()
                self.of[kind].append(name)


class RootFilesystem:
    """A folder that is filled with files of packages."""

    def __init__(self, folder: pathlib.Path, packages: list[Package], architecture: str) -> None:
        self.folder = folder
        self.used: set[str] = set()
        self._architecture = architecture
        self._owner = {path: package for package in packages for path in package.files}
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("bin", "lib", "lib64"):
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")

    def add(self, path: str) -> pathlib.Path | None:
        """The file, and where it is a link what it leads to; where the file itself now is."""
        path = merged(path)
        if path not in self._owner:
            raise DebianError(f"no package of {RECIPE / 'packages.txt'} has {path}")
        package = self._owner[path]
        self.used.add(package.name)
        member, data = package.files[path]
        place = self.folder / path.lstrip("/")
        if not place.is_symlink() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            self._write(place, member, data)
        if member.issym():
            return self.add(os.path.normpath(os.path.join(os.path.dirname(path), member.linkname)))
        return place

    def add_program(self, path: str) -> None:
        self.add_libraries(self.add(path))

    def add_libraries(self, program: pathlib.Path) -> None:
        """What it loads, and what that loads."""
        triplet, machine = ARCHITECTURES[self._architecture]
        text = _read_elf(program)
        if machine not in text:
            raise DebianError(f"{program} is not for {self._architecture}")
        interpreter = re.search(r"program interpreter: (\S+)\]", text)
        if interpreter:
            self.add(interpreter[1])
        for name in re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", text):
            if (self.folder / f"usr/lib/{triplet}" / name).exists():
                continue
            if name.startswith("ld-linux"):
                continue
            try:
                self.add_libraries(self.add(f"/usr/lib/{triplet}/{name}"))
            except DebianError as error:
                raise DebianError(f"{program.name} needs {name}: {error}") from None

    def add_certificates(self) -> None:
        """All of Mozilla's authorities in one file, as update-ca-certificates does it."""
        paths = sorted(path for path in self._owner if path.startswith("/usr/share/ca-certificates/"))
        bundle = b"".join(self._owner[path].files[path][1].rstrip(b"\n") + b"\n" for path in paths)
        self.used.add("ca-certificates")
        place = self.folder / CERTIFICATES.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bundle)

    def add_notices(self, packages: list[Package], inside: dict[str, str]) -> None:
        """For each package that something is of: its licence, and its name for scanners. `inside` are
        those compiled into the controller, with their fields."""
        for package in packages:
            if package.name not in self.used:
                continue
            copyright_file = f"/usr/share/doc/{package.name}/copyright"
            if copyright_file in package.files:
                self.add(copyright_file)
            self._list(package.name, package.control)
        for name, fields in inside.items():
            self._list(name, fields)

    def _list(self, name: str, fields: str) -> None:
        listed = self.folder / "var/lib/dpkg/status.d" / name
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(fields)

    @staticmethod
    def _write(place: pathlib.Path, member: tarfile.TarInfo, data: bytes) -> None:
        if member.issym():
            place.symlink_to(member.linkname)
            return
        place.write_bytes(data)
        place.chmod(0o755 if member.mode & stat.S_IXUSR else 0o644)


def _read_elf(path: pathlib.Path) -> str:
    text = run(["readelf", "-hld", "--wide", str(path)], 30).decode()
    if "ELF Header" not in text:
        raise DebianError(f"{path} is no program")
    return text


def find_packages(args: argparse.Namespace, recipe: Recipe) -> list[Package]:
    archive = Archive(cache_dir() / "image", args.arch)
    if not args.packages:
        return archive.newest(recipe.of["package"])
    lines = [line.split() for line in args.packages.read_text().splitlines() if line]
    return archive.exactly([(name, version_, digest) for name, version_, digest in lines])


def compiled_in(args: argparse.Namespace, names: list[str]) -> dict[str, str]:
    """What the controller was compiled with: of this machine, or what tools/image/sysroot.py has for another."""
    if args.arch != run(["dpkg", "--print-architecture"], 30).decode().strip():
        return {each.name: each.control for each in Archive(cache_dir() / "image", args.arch).newest(names)}
    form = "Package: ${Package}\nVersion: ${Version}\nArchitecture: ${Architecture}\nMaintainer: ${Maintainer}\n"
    return {name: run(["dpkg-query", "--show", "--showformat", form, name], 30).decode() for name in names}


def assemble(args: argparse.Namespace) -> tuple[list[Package], pathlib.Path, pathlib.Path]:
    """The packages, and the folders with Debian's files and with the controller."""
    recipe = Recipe(RECIPE / "packages.txt")
    packages = find_packages(args, recipe)
    root = RootFilesystem(args.work / f"root-{args.arch}", packages, args.arch)
    for path in recipe.of["program"]:
        root.add_program(path)
    for path in recipe.of["file"]:
        root.add(path)
    root.add_certificates()

    controller = args.work / f"controller-{args.arch}"
    shutil.rmtree(controller, ignore_errors=True)
    controller.mkdir(parents=True)
    program = pathlib.Path(shutil.copy(args.bin / "kiln-controller", controller))
    program.chmod(0o755)
    root.add_libraries(program)
    root.add_notices(packages, compiled_in(args, recipe.of["inside"]))
    needless = [package.name for package in packages if package.name not in root.used]
    if needless:
        raise DebianError(f"nothing is used of {', '.join(needless)}: take it off {RECIPE}/packages.txt")
    return packages, root.folder, controller


def say(what: str) -> None:
    """How far it is: it takes a minute. What it prints for programs stays alone."""
    print(f"image: {what}", file=sys.stderr, flush=True)


def build(args: argparse.Namespace) -> int:
    say("the packages of Debian, from its archive where they are not in the cache, and what is needed of them")
    packages, root, controller = assemble(args)
    listing = args.work / f"packages-{args.arch}.txt"
    listing.write_text("".join(f"{each.name} {each.version} {each.sha256}\n" for each in packages))
    values = {"VERSION": version(), "ARCH": args.arch}
    manifest = (RECIPE / "imagebuild.yaml").read_text()
    for name, value in values.items():
        manifest = manifest.replace(f"@{name}@", value)
    command = [str(args.kiln), "build", "-f", "-", "--local-content", f"/={root}",
               "--local-content", f"/usr/local/bin={controller}"]
    for destination in args.tag or [f"oci-archive:{args.work}/kiln-controller-{args.arch}.tar"]:
        command += ["--tag", destination]
    say(f"{len(packages)} packages; building it with kiln")
    return subprocess.run(command, input=manifest, text=True, timeout=BUILD_DEADLINE_S).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="Assembles the controller's image with kiln build.")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin",
                        help="where kiln-controller is (default: %(default)s)")
    parser.add_argument("--kiln", type=pathlib.Path, help="the kiln to build with (default: beside it)")
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), default="amd64")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "image")
    parser.add_argument("--packages", type=pathlib.Path,
                        help="exactly these packages: the packages-ARCH.txt of an earlier run")
    parser.add_argument("-t", "--tag", action="append",
                        help="where to, as for kiln build (default: an oci-archive in the work folder)")
    args = parser.parse_args()
    args.kiln = args.kiln or args.bin / "kiln"
    try:
        return build(args)
    except (DebianError, OSError, subprocess.TimeoutExpired) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
