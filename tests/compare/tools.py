"""The other tools: how each is called, and what file system each makes of an image."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import go_tools
import trees
from world import binary

DEADLINE_S = 120
# What `docker create` lays over an image before a container starts. dockerd 20.10: initlayer/setup_unix.go.
_DOCKERS_OWN = {".dockerenv", "dev", "proc", "sys", "etc/hostname", "etc/hosts", "etc/mtab",
                "etc/resolv.conf"}


class ToolFailed(Exception):
    """A program ended with another exit code than 0; the message has its last words."""


def call(*words: str | pathlib.Path, input: bytes | None = None, env: dict | None = None,
         cwd: pathlib.Path | None = None) -> str:
    """Standard output of a program. Errors: ToolFailed."""
    words = tuple(str(word) for word in words)
    given = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
    done = subprocess.run(words, capture_output=True, timeout=DEADLINE_S, cwd=cwd,
                          env={**os.environ, **(env or {})}, **given)
    if done.returncode != 0:
        raise ToolFailed(f"{' '.join(words)}: exit {done.returncode}\n{_text(done.stderr)}")
    return _text(done.stdout)


def kiln(*words: str | pathlib.Path, **options) -> str:
    """The last line: what was made."""
    return (call(binary("kiln"), "--no-cache", *words, **options).strip().splitlines() or [""])[-1]


def crane(*words: str | pathlib.Path, **options) -> str:
    return call(go_tools.ensure("crane")["crane"], *words, **options)


def config(reference: str, platform: str = "linux/amd64") -> dict:
    return json.loads(crane("config", "--platform", platform, reference))


def manifest(reference: str, platform: str = "") -> dict:
    """Without `platform`: what stands under the reference itself, such as an index."""
    return json.loads(crane("manifest", *(["--platform", platform] if platform else []), reference))


def platforms(reference: str) -> list[str]:
    """Of an index, in its order, without attestations."""
    found = [entry["platform"] for entry in manifest(reference)["manifests"]]
    return ["/".join(filter(None, (one["os"], one["architecture"], one.get("variant"))))
            for one in found if one["os"] != "unknown"]


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def skopeo_platform(platform: str) -> list[str]:
    """skopeo's words for a platform."""
    parts = platform.split("/")
    flags = ["--override-os", parts[0], "--override-arch", parts[1]]
    return flags + (["--override-variant", parts[2]] if len(parts) > 2 else [])


def make_tar(folder: pathlib.Path, file: pathlib.Path, *flags: str, names=(".",)) -> pathlib.Path:
    """By GNU tar, in the order of names."""
    call("tar", "--create", "--file", file, "--directory", folder, "--sort=name", "--numeric-owner",
         *flags, "--", *names)
    return file


def untar(file: pathlib.Path, folder: pathlib.Path, program: str = "tar") -> pathlib.Path:
    """Unpacks as root with all that a tar says. `program`: tar (GNU) or bsdtar."""
    folder.mkdir()
    if program == "tar":
        flags = ["--same-permissions", "--same-owner", "--numeric-owner", "--xattrs",
                 "--xattrs-include=*"]
    else:
        # -P: a link to an absolute path is no danger here, and without it bsdtar refuses some.
        flags = ["-p", "--same-owner", "--numeric-owner", "--xattrs", "-P"]
    call(program, "-x", "-f", file, "-C", folder, *flags)
    return folder


def layout_of(reference: str, folder: pathlib.Path, platform: str = "linux/amd64") -> pathlib.Path:
    """One platform as an OCI layout in `folder`, with the tag "image", by skopeo."""
    call("skopeo", *skopeo_platform(platform), "copy", "--src-tls-verify=false",
         f"docker://{reference}", f"oci:{folder}:image")
    return folder


def buildah_words(folder: pathlib.Path) -> tuple:
    """buildah with everything it keeps in `folder`. vfs needs nothing of the kernel."""
    return ("buildah", "--root", folder / "root", "--runroot", folder / "run",
            "--storage-driver", "vfs")


class Unpacker:
    """Each method makes the file system of an image in a registry, by another program, and reads it.

    `work` is a folder for what they leave behind.
    """

    def __init__(self, work: pathlib.Path, dockerd=None) -> None:
        self._work = work
        self._dockerd = dockerd
        self._count = 0

    def __call__(self, program: str, reference: str, platform: str = "linux/amd64") -> trees.Tree:
        """By the name of the program: one of METHODS."""
        return getattr(self, program)(reference, platform)

    def crane(self, reference: str, platform: str) -> trees.Tree:
        tar = self._fresh().with_suffix(".tar")
        crane("export", "--platform", platform, reference, tar)
        return trees.of_folder(untar(tar, self._fresh()))

    def kiln(self, reference: str, platform: str, program: str = "tar") -> trees.Tree:
        tar = self._fresh().with_suffix(".tar")
        kiln("export", "--platform", platform, reference, tar)
        return trees.of_folder(untar(tar, self._fresh(), program))

    def kiln_and_bsdtar(self, reference: str, platform: str) -> trees.Tree:
        return self.kiln(reference, platform, "bsdtar")

    def umoci(self, reference: str, platform: str) -> trees.Tree:
        bundle = self._fresh()
        layout = layout_of(reference, self._fresh(), platform)
        call("umoci", "unpack", "--image", f"{layout}:image", bundle)
        return trees.of_folder(bundle / "rootfs")

    def buildah(self, reference: str, platform: str) -> trees.Tree:
        words = buildah_words(self._fresh())
        name = call(*words, "from", "--quiet", "--tls-verify=false", "--platform", platform,
                    f"docker://{reference}").strip()
        try:
            return trees.of_folder(pathlib.Path(call(*words, "mount", name).strip()))
        finally:
            call(*words, "umount", name)

    def docker(self, reference: str, platform: str) -> trees.Tree:
        """By `docker export`, which does not tell what is under the paths that Docker itself makes."""
        tar = self._fresh().with_suffix(".tar")
        docker = self._dockerd.docker
        docker("pull", "--quiet", "--platform", platform, reference)
        container = docker("create", "--platform", platform, "--entrypoint", "/none",
                           reference).strip()
        docker("export", "--output", tar, container)
        docker("rm", container)
        docker("rmi", "--force", reference)
        return trees.of_folder(untar(tar, self._fresh()), leave_out=_DOCKERS_OWN)

    def _fresh(self) -> pathlib.Path:
        self._count += 1
        return self._work / f"{self._count:03}"


def missing(*programs: str) -> list[str]:
    """Those of `programs` that are not installed."""
    return [name for name in programs if shutil.which(name) is None]
