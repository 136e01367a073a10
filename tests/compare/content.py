"""A folder with one of everything that a file system has and an image can hold."""

from __future__ import annotations

import os
import pathlib
import random

MTIME = 981173106  # 2001-02-03T04:05:06Z, the time of all files: long before the test runs

_FILES = {  # path: (mode, owner, text)
    "index.html": (0o644, 0, "<h1>hello</h1>\n"),
    "css/site.css": (0o640, 101, "h1 { color: teal }\n"),
    "bin/tool": (0o755, 0, "#!/bin/sh\n"),
    "bin/setuid": (0o4755, 0, "#!/bin/sh\n"),
    "bin/setgid": (0o2755, 0, "#!/bin/sh\n"),
    "private/key": (0o600, 1000, "secret\n"),
    "of-a-large-uid": (0o444, 3000000, "more than the seven octal digits of a ustar header hold\n"),
    "empty": (0o644, 0, ""),
    "größe.txt": (0o644, 0, "NFC\n"),
    "gro\u0308ße.txt": (0o644, 0, "the same letters in NFD are another name\n"),
    "日本語/ページ.html": (0o644, 0, "<p>ページ</p>\n"),
    "🦭": (0o644, 0, "outside of the basic plane\n"),
    "a b/ c ": (0o644, 0, "spaces\n"),
    "-rf": (0o644, 0, "a flag for some\n"),
    "quote'\"": (0o644, 0, "quotes\n"),
    "back\\slash": (0o644, 0, "no separator\n"),
    "colon:/name": (0o644, 0, "as in SRC:DEST\n"),
    "n" * 255: (0o644, 0, "the longest name\n"),
    "/".join(["folder-" + "x" * 93] * 4) + "/file": (0o644, 0, "longer than ustar's 255 letters\n"),
    "prefix-" + "y" * 93 + "/" + "z" * 99: (0o644, 0, "fits ustar's prefix and name\n"),
}
_FOLDERS = {  # path: (mode, owner)
    "private": (0o700, 1000), "shared": (0o2775, 101), "sticky": (0o1777, 0),
    "empty-folder": (0o755, 0), "read-only": (0o555, 0),
}
_SYMLINKS = {
    "links/relative": "../index.html", "links/absolute": "/etc/passwd", "links/dangling": "nowhere",
    "links/folder": "../css", "links/self": "self", "links/long": "../" + "t" * 200,
    "links/größe": "../größe.txt", "links/dots": "../../../../etc",
}
_HARD_LINKS = {"css/again.css": "css/site.css", "third-name.css": "css/site.css",
               "bin/again": "bin/setuid"}


def make(folder: pathlib.Path) -> pathlib.Path:
    """Fills `folder`, which must not exist. Needs root for the owners."""
    folder.mkdir()
    for path, (mode, owner, text) in _FILES.items():
        _write(folder / path, text.encode(), mode, owner)
    _write(folder / "large.bin", random.Random(0).randbytes(3 * 1024 * 1024 + 1), 0o644, 0)
    for path, target in _HARD_LINKS.items():
        os.link(folder / target, folder / path)
    for path, target in _SYMLINKS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(target)
        os.utime(folder / path, (MTIME, MTIME), follow_symlinks=False)
    for path, (mode, owner) in _FOLDERS.items():
        (folder / path).mkdir(exist_ok=True)
        os.chown(folder / path, owner, owner)
        (folder / path).chmod(mode)
    for path, _, _ in os.walk(folder, topdown=False):
        os.utime(path, (MTIME, MTIME))
    return folder


def _write(path: pathlib.Path, data: bytes, mode: int, owner: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.chown(path, owner, owner)
    path.chmod(mode)  # After chown, which takes away setuid.
    os.utime(path, (MTIME, MTIME))
