"""Layers that are hard to merge: small images, each for one sentence of image-spec v1.1, layer.md.

Each has a folder etc, since Docker makes one where there is none.
"""

from __future__ import annotations

import tarfile

from images import RawLayer


def _base() -> RawLayer:
    return RawLayer().folder("etc")


def _folder_a() -> RawLayer:
    """a/x and a/sub/y."""
    return _base().folder("a").file("a/x", "x").folder("a/sub").file("a/sub/y", "y")


def _link_a() -> RawLayer:
    """b/x, and a, a symlink to b."""
    return _base().folder("b").file("b/x", "x").symlink("a", "b")


# What all tools agree on, but for those that DISAGREEING names.
LAYERS = {
    "a whiteout of a file": [_folder_a(), RawLayer().folder("a").whiteout("a/x")],
    "a whiteout of a folder": [_folder_a(), RawLayer().whiteout("a")],
    "whiteouts in the lowest layer": [_base().file("a", "x").whiteout("b").opaque("etc")],
    "a whiteout of nothing": [_base(), RawLayer().whiteout("none").file("b", "b")],
    "a whiteout, then the folder anew": [
        _folder_a(), RawLayer().whiteout("a"), RawLayer().folder("a", 0o750).file("a/z", "z")],
    "a whiteout and the folder anew in one layer": [
        _folder_a(), RawLayer().whiteout("a").folder("a", 0o750).file("a/z", "z")],
    "a whiteout before a file of its name": [
        _folder_a(), RawLayer().folder("a").whiteout("a/x").file("a/x", "new")],
    "a whiteout behind a file of its name": [
        _folder_a(), RawLayer().folder("a").file("a/x", "new").whiteout("a/x")],
    "a whiteout of a symlink": [_link_a(), RawLayer().whiteout("a")],
    "a whiteout through a symlink": [_link_a(), RawLayer().whiteout("a/x")],
    "an opaque folder": [_folder_a(), RawLayer().folder("a", 0o750).opaque("a").file("a/new", "n")],
    "an opaque folder said at its end": [
        _folder_a(), RawLayer().folder("a", 0o750).file("a/new", "n").opaque("a")],
    "an opaque folder below a whiteout": [
        _folder_a(), RawLayer().folder("a").opaque("a"), RawLayer().whiteout("a/sub").file("c", "c")],
    "a file over a folder": [_folder_a(), RawLayer().file("a", "now a file")],
    "a folder over a file": [_base().file("a", "x"), RawLayer().folder("a").file("a/y", "y")],
    "a symlink over a folder": [_folder_a().folder("b"), RawLayer().symlink("a", "b")],
    "a folder over a symlink": [_link_a(), RawLayer().folder("a", 0o700).file("a/y", "y")],
    "a file through a symlink": [_link_a(), RawLayer().file("a/y", "y")],
    "a file through an absolute symlink": [
        _base().folder("b").symlink("a", "/b"), RawLayer().file("a/y", "y")],
    "a file through a symlink that leaves the root": [
        _base().folder("b").symlink("a", "../../b"), RawLayer().file("a/y", "y")],
    "a symlink that leaves the root": [_base().symlink("a", "../../../etc/passwd")],
    "a hard link to a file of a lower layer": [
        _base().file("f", "data"), RawLayer().hardlink("g", "f")],
    "a hard link whose file is overwritten": [
        _base().file("f", "data").hardlink("g", "f"), RawLayer().file("f", "other")],
    "a hard link whose file is deleted": [
        _base().file("f", "data").hardlink("g", "f"), RawLayer().whiteout("f")],
    "a hard link of another mode than its file": [
        _base().file("f", "data", 0o755, owner=7)
        .entry("g", tarfile.LNKTYPE, linkname="f", mode=0o600, uid=9, gid=9)],
    "a folder that no layer names": [_base().file("deep/er/f", "x", 0o600)],
    "another mode and owner of a folder": [_folder_a(), RawLayer().folder("a", 0o700, owner=7)],
    "setuid, setgid and sticky": [
        _base().entry("suid", data=b"x", mode=0o4755, uid=5, gid=6).folder("sticky", 0o1777)
        .entry("sgid/", tarfile.DIRTYPE, mode=0o2775, uid=5, gid=6)],
    "a FIFO and a device": [
        _base().entry("fifo", tarfile.FIFOTYPE, mode=0o600)
        .entry("null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)],
    "names that only pax holds": [
        _base().file("l" * 200, "x").symlink("s", "t" * 150).file("größe", "y")
        .entry("large", data=b"x", uid=3000000, gid=3000001)],
    "an extended attribute": [
        _base().entry("f", data=b"x", pax_headers={"SCHILY.xattr.user.a": "b"})],
    "a root that has an entry": [
        _base().entry("./", tarfile.DIRTYPE, mode=0o755).entry("./b", data=b"1")],
    "a path that stands twice": [_base().file("a", "one").file("a", "two", 0o600)],
}

# What the other tools make of them instead: the part of an error message, or a path and what is
# there ("" = nothing). Everybody else agrees with umoci, and so does kiln.
DISAGREEING = {
    ("crane", "a whiteout before a file of its name"): ("a/x", ""),
    ("crane", "a whiteout and the folder anew in one layer"): ("a/z", ""),
    ("crane", "a whiteout through a symlink"): ("b/x", "file"),
    ("crane", "a file through a symlink"): "tar: a: Cannot create symlink to ‘b’: File exists",
    ("crane", "a file through an absolute symlink"): "tar: a: Cannot open: File exists",
    ("crane", "a file through a symlink that leaves the root"): ("b/y", ""),
    ("crane", "a symlink that leaves the root"): ("a", ""),
    ("crane", "a hard link to a file of a lower layer"): "Cannot hard link to ‘f’: No such file",
    ("crane", "a hard link whose file is overwritten"): ("g", "5 bytes"),
    ("crane", "a hard link whose file is deleted"): "Cannot hard link to ‘f’: No such file",
    ("crane", "a path that stands twice"): ("a", "0644"),
    ("docker", "a whiteout behind a file of its name"): ("a/x", ""),
    ("docker", "a hard link of another mode than its file"): ("f", "0600"),
    ("docker", "a folder that no layer names"): ("deep", "0600"),
    ("docker", "an extended attribute"): ("f", "no xattrs"),
    ("docker", "a path that stands twice"): "duplicates of file paths not supported",
    ("buildah", "a whiteout behind a file of its name"): ("a/x", ""),
    ("buildah", "a hard link of another mode than its file"): ("f", "0600"),
    ("buildah", "a path that stands twice"): "duplicates of file paths not supported",
}
