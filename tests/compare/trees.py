"""File systems as values: what a folder holds, and in what two of them differ.

Tars are read by unpacking them with a real tar program, so no code of ours decides what they mean.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import stat

Tree = dict[str, "Entry"]  # path relative to the root, without "/" at either end; no entry for the root

_KINDS = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "symlink",
          stat.S_IFIFO: "fifo", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is at one path. Fields that a kind of file does not have are empty."""

    kind: str
    mode: str  # octal, as chmod takes it
    owner: str  # "UID:GID"
    target: str = ""  # of a symlink
    content: str = ""  # of a file: its size and the SHA-256 of its bytes
    same_file: tuple[str, ...] = ()  # all paths of a file that has several
    device: str = ""  # "MAJOR:MINOR"
    xattrs: tuple[tuple[str, bytes], ...] = ()
    mtime: int | None = None  # whole seconds; None for a folder: unpacking into it changes its time


def of_folder(root: pathlib.Path, *, leave_out=frozenset()) -> Tree:
    """Everything below `root`; symlinks are not followed. `leave_out`: paths not to look at or into."""
    tree: Tree = {}
    names: dict[tuple[int, int], list[str]] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        for found in os.scandir(root / folder):
            path = f"{folder}/{found.name}".lstrip("/")
            if path in leave_out:
                continue
            info = found.stat(follow_symlinks=False)
            tree[path] = _entry(found.path, info)
            if stat.S_ISDIR(info.st_mode):
                folders.append(path)
            elif info.st_nlink > 1:
                names.setdefault((info.st_dev, info.st_ino), []).append(path)
    for paths in names.values():
        for path in paths:
            if len(paths) > 1:
                tree[path] = dataclasses.replace(tree[path], same_file=tuple(sorted(paths)))
    return tree


def _entry(path: str, info: os.stat_result) -> Entry:
    kind = _KINDS[stat.S_IFMT(info.st_mode)]
    extra = {}
    if kind == "symlink":
        extra["target"] = os.readlink(path)
    elif kind == "file":
        with open(path, "rb") as file:
            data = file.read()
        extra["content"] = f"{len(data)} bytes, {hashlib.sha256(data).hexdigest()[:16]}"
    elif kind.endswith("device"):
        extra["device"] = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    attributes = tuple((name, os.getxattr(path, name, follow_symlinks=False))
                       for name in sorted(os.listxattr(path, follow_symlinks=False)))
    # Linux has no mode of a symlink.
    mode = 0o777 if kind == "symlink" else stat.S_IMODE(info.st_mode)
    return Entry(kind, f"{mode:04o}", f"{info.st_uid}:{info.st_gid}", xattrs=attributes,
                 mtime=None if kind == "folder" else int(info.st_mtime // 1), **extra)


def differences(left: Tree, right: Tree, *, ignore=()) -> list[str]:
    """One line a difference, sorted by path; empty if the trees are the same.

    `ignore`: fields of Entry that are not compared.
    """
    lines = []
    for path in sorted(set(left) | set(right)):
        if path not in left or path not in right:
            side, entry = ("left", left[path]) if path in left else ("right", right[path])
            lines.append(f"{path!r}: only in the {side} one, a {entry.kind}")
            continue
        for field in dataclasses.fields(Entry):
            a, b = (getattr(tree[path], field.name) for tree in (left, right))
            if a != b and field.name not in ignore:
                lines.append(f"{path!r}: {field.name} {a!r} != {b!r}")
    return lines


def below(tree: Tree, folder: str) -> Tree:
    """What is in `folder`, by paths relative to it."""
    prefix = folder + "/"
    return {path.removeprefix(prefix): dataclasses.replace(
                entry, same_file=tuple(name.removeprefix(prefix) for name in entry.same_file))
            for path, entry in tree.items() if path.startswith(prefix)}
