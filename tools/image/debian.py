"""Debian packages, fetched by apt without root into a cache of their own, and the files in them."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import time

APT_DEADLINE_S = 15 * 60
UNPACK_DEADLINE_S = 120
LISTS_LAST_S = 24 * 3600
_MERGED = ("bin", "sbin", "lib", "lib64", "libx32", "lib32")


class DebianError(Exception):
    """Packages cannot be had; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Package:
    """One .deb file, whose bytes are those that Debian signed for."""

    name: str
    version: str
    sha256: str
    path: pathlib.Path

    @functools.cached_property
    def files(self) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
        """What it installs, by absolute path, with /bin, /lib and so on below /usr."""
        data = run(["dpkg-deb", "--fsys-tarfile", str(self.path)], UNPACK_DEADLINE_S)
        found = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                if member.isdir():
                    continue
                path = merged(member.name.lstrip("."))
                if member.islnk():
                    original = merged(member.linkname.lstrip("."))
                    found[path] = found[original]
                elif member.isfile():
                    found[path] = (member, tar.extractfile(member).read())
                elif member.issym():
                    found[path] = (member, b"")
        return found

    @functools.cached_property
    def control(self) -> str:
        """Its fields, as in dpkg's own list of packages."""
        return run(["dpkg-deb", "--field", str(self.path)], UNPACK_DEADLINE_S).decode()


def merged(path: str) -> str:
    """/lib/x is /usr/lib/x, as in every Debian 12."""
    top = path.lstrip("/").partition("/")[0]
    return "/usr" + path if top in _MERGED else path


class Archive:
    """Debian's archive for one architecture, through the sources that apt has on this machine."""

    def __init__(self, cache: pathlib.Path, architecture: str) -> None:
        self._folder = cache / f"debian-{architecture}"
        self._architecture = architecture
        self._debs = self._folder / "debs"
        for each in (self._folder / "lists" / "partial", self._debs,
                     self._folder / "archives" / "archives" / "partial"):
            each.mkdir(parents=True, exist_ok=True)

    def newest(self, names: list[str]) -> list[Package]:
        """The packages as Debian has them today, security updates included; without a network, as it
        had them when it was last asked. Errors: DebianError.
        """
        with self._alone():
            self._refresh_lists()
            return self._fetch(self._resolve(names))

    def exactly(self, wanted: list[tuple[str, str, str]]) -> list[Package]:
        """These (name, version, sha256), downloaded where they are not here yet."""
        with self._alone():
            return self._fetch(wanted)

    @contextlib.contextmanager
    def _alone(self):
        with open(self._folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _fetch(self, wanted: list[tuple[str, str, str]]) -> list[Package]:
        packages = [Package(name, version, digest, self._debs / f"{digest}.deb")
                    for name, version, digest in wanted]
        missing = [each for each in packages if not each.path.exists()]
        if missing:
            self._refresh_lists()
            self._apt_get("download", *[f"{each.name}={each.version}" for each in missing])
            for path in self._debs.glob("*_*.deb"):
                path.rename(self._debs / f"{hashlib.sha256(path.read_bytes()).hexdigest()}.deb")
        for each in packages:
            if not each.path.exists():
                raise DebianError(f"{each.name} {each.version} with the SHA-256 {each.sha256} is "
                                  "not what the archive has")
        return packages

    def _refresh_lists(self) -> None:
        stamp = self._folder / "lists" / "stamp"
        age = time.time() - stamp.stat().st_mtime if stamp.exists() else float("inf")
        if age < LISTS_LAST_S:
            return
        try:
            self._apt_get("update")
            stamp.touch()
        except DebianError as error:
            # One of several sources may be away; what is lacking is told by name later.
            known = "as far as they came" if age == float("inf") else f"{age / 3600:.0f} hours old"
            print(f"image: {error}; going on with lists that are {known}", file=sys.stderr)

    def _resolve(self, names: list[str]) -> list[tuple[str, str, str]]:
        printed = self._apt_get("download", "--print-uris", *names)
        found = {}
        for line in printed.splitlines():
            match = re.fullmatch(r"'\S+' (\S+?)_(\S+)_\w+\.deb \d+ SHA256:([0-9a-f]{64})", line)
            if match:
                found[match[1]] = (match[1], match[2].replace("%3a", ":"), match[3])
        lacking = [name for name in names if name not in found]
        if lacking:
            raise DebianError(f"apt has no {self._architecture} package {', '.join(lacking)}; "
                              "the image is made of Debian 12's packages")
        return [found[name] for name in names]

    def _apt_get(self, *words: str) -> str:
        options = {"Dir::State::Lists": self._folder / "lists", "Dir::Cache": self._folder / "archives",
                   "APT::Architecture": self._architecture, "APT::Architectures::": self._architecture,
                   "Acquire::Languages": "none", "APT::Sandbox::User": "",
                   "APT::Update::Error-Mode": "any", "Dir::State::status": "/dev/null",
                   "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false"}
        command = ["apt-get", "-q"]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        return run([*command, *words], APT_DEADLINE_S, self._debs).decode()


def run(command: list[str], deadline_s: float, folder: pathlib.Path | None = None) -> bytes:
    """What it prints. Errors: DebianError with its last line."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=deadline_s,
                              stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise DebianError(f"{command[0]} is missing: the image is made on Debian 12") from None
    except subprocess.TimeoutExpired:
        raise DebianError(f"{command[0]}: no end after {deadline_s:g} s") from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise DebianError(f"{command[0]} failed: {words[-1] if words else done.returncode}")
    return done.stdout
