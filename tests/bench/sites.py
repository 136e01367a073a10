"""Sites to build: what Debian's documentation packages hold, and generated ones of any size.

documentation() is made once and kept in Kiln's cache folder, named after what is in it. It is read-only for its
users: who wants to edit takes copy().
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
from go_tools import cache_dir, locked  # noqa: E402  (found through the line above)

# HTML, scripts, pictures and compressed text, as sites have them. In this order, until there are enough files.
PACKAGES = ("linux-doc-6.1", "qtbase5-doc-html", "python3.11-doc", "libboost1.81-doc", "rust-doc")
DOWNLOAD_DEADLINE_S = 900
_LAYOUT = 1  # Another number: sites of before are made anew.


@dataclasses.dataclass(frozen=True)
class Site:
    """A folder of regular files."""

    folder: pathlib.Path
    files: int
    bytes: int
    what: str  # Where it comes from, for people.

    @property
    def megabytes(self) -> float:
        return self.bytes / 1e6

    def __str__(self) -> str:
        return f"{self.files:,} files, {self.megabytes:,.0f} MB ({self.what})"


class SiteError(Exception):
    """The site cannot be had; the message says why and what to do."""


def _apt(*words: str, cwd: pathlib.Path | None = None) -> str:
    done = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", *words], cwd=cwd, capture_output=True,
                          text=True, timeout=DOWNLOAD_DEADLINE_S)
    if done.returncode != 0:
        raise SiteError(f"apt-get {' '.join(words)}: {done.stderr.strip()}\nIs this Debian 12, after `apt-get update`?")
    return done.stdout


def _versions() -> dict[str, tuple[str, str]]:
    """File name and SHA-256 of each package, as apt knows them."""
    lines = _apt("download", "--print-uris", *PACKAGES)
    found = re.findall(r"^'\S+' ((\S+?)_\S+\.deb) \d+ SHA256:([0-9a-f]{64})", lines, re.M)
    known = {package: (name, digest) for name, package, digest in found}
    if lacking := set(PACKAGES) - set(known):
        raise SiteError(f"apt knows no {', '.join(sorted(lacking))}: is this Debian 12, after `apt-get update`?")
    return {package: known[package] for package in PACKAGES}


def _unpack(package: pathlib.Path, into: pathlib.Path, most: int) -> int:
    """At most so many of its files, by path; returns how many."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpacked:
        count = 0
        with tarfile.open(fileobj=unpacked.stdout, mode="r|") as archive:
            for member in archive:
                if not member.isreg() or count == most:
                    continue
                path = into / member.name.removeprefix("./").removeprefix("usr/share/")
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "wb") as file:
                    shutil.copyfileobj(archive.extractfile(member), file)
                count += 1
    if unpacked.returncode != 0:
        raise SiteError(f"dpkg-deb cannot unpack {package.name}")
    return count


def _size_of(folder: pathlib.Path) -> tuple[int, int]:
    """Files and bytes."""
    sizes = [os.lstat(os.path.join(top, name)).st_size for top, _, names in os.walk(folder) for name in names]
    return len(sizes), sum(sizes)


def documentation(files: int) -> Site:
    """So many files of PACKAGES. Errors: SiteError; ToolError if another process takes too long to make it."""
    versions = _versions()
    words = f"{_LAYOUT} {files} " + " ".join(digest for _, digest in versions.values())
    folder = cache_dir() / "bench" / f"site-{files}-{hashlib.sha256(words.encode()).hexdigest()[:10]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock"), "another process that makes the site", DOWNLOAD_DEADLINE_S):
        if not folder.exists():
            _make_documentation(folder, files, versions)
    count, size = _size_of(folder)
    return Site(folder, count, size, ", ".join(name.rpartition("_")[0].replace("_", " ") for name, _ in versions.values()))


def _make_documentation(folder: pathlib.Path, files: int, versions: dict[str, tuple[str, str]]) -> None:
    print(f"making {folder} of Debian's documentation, once", file=sys.stderr, flush=True)
    aside, debs = folder.with_suffix(".making"), folder.with_suffix(".debs")
    for left in (aside, debs):  # Of a run that was cut off.
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir()
    _apt("download", *PACKAGES, cwd=debs)
    count = 0
    for package in PACKAGES:
        name, digest = versions[package]
        if hashlib.sha256((debs / name).read_bytes()).hexdigest() != digest:
            raise SiteError(f"{name} is not what apt announced; run apt-get update and try again")
        count += _unpack(debs / name, aside, files - count)
    if count != files:
        raise SiteError(f"{', '.join(PACKAGES)} have {count} files, fewer than {files}")
    shutil.rmtree(debs)
    aside.rename(folder)


_TEXT_BYTES = 4 << 20
_NOISE_EVERY = 10  # One file of so many is like a picture: no program makes it smaller.


def generated(folder: pathlib.Path, files: int, size: int, seed: int = 7) -> Site:
    """Files of equal sizes, `size` bytes together; the same bytes for the same arguments."""
    source = random.Random(seed)
    vocabulary = ["".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=source.randint(2, 10))) for _ in range(4000)]
    text = " ".join(source.choices(vocabulary, k=_TEXT_BYTES // 6)).encode()
    noise = source.randbytes(_TEXT_BYTES)
    each = max(64, size // files)
    for number in range(files):
        picture = number % _NOISE_EVERY == 0
        path = folder / f"{number // 2500:02}" / f"{number // 50 % 50:02}" / f"{number}.{'png' if picture else 'html'}"
        if number % 50 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        block, at, left = (noise if picture else text), source.randrange(_TEXT_BYTES // 2), each
        with open(path, "wb") as file:
            file.write(b"document %d\n" % number)
            left -= file.tell()
            while left > 0:
                left -= file.write(block[at:at + left])
                at = 0
    count, total = _size_of(folder)
    return Site(folder, count, total, "generated")


def copy(site: Site, folder: pathlib.Path) -> Site:
    """The same files under names of one's own: hard links where the file systems allow it."""
    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    shutil.copytree(site.folder, folder, copy_function=link)
    return dataclasses.replace(site, folder=folder)


def edit(site: Site, text: str) -> pathlib.Path:
    """Adds a line to one file in the middle of a copy; its other names keep the old bytes."""
    pages = sorted(path for path in site.folder.rglob("*.html"))
    page = pages[len(pages) // 2]
    body = page.read_bytes()
    page.unlink()
    page.write_bytes(body + b"\n<!-- " + text.encode() + b" -->\n")
    return page
