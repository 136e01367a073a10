"""Images as the other tools build them: from a Dockerfile, from a container, from a bundle."""

from __future__ import annotations

import contextlib
import pathlib

import tools
from tools import call


class Builders:
    """Each method pushes what it makes to `target`, for linux/amd64. `work` is for what they leave."""

    def __init__(self, work: pathlib.Path, dockerd) -> None:
        self._work = work
        self._dockerd = dockerd
        self._count = 0

    def docker(self, dockerfile: str, context: pathlib.Path, target: str) -> str:
        """`docker build` without BuildKit, which docker.io does not have."""
        docker = self._dockerd.docker
        docker("build", "--quiet", "--tag", target, "--file", "-", context, input=dockerfile.encode(),
               env={"DOCKER_BUILDKIT": "0"})
        docker("push", "--quiet", target)
        return target

    def buildah(self, dockerfile: str, context: pathlib.Path, target: str) -> str:
        """`buildah build`, which runs nothing here."""
        words = self._buildah_words()
        call(*words, "build", "--quiet", "--tls-verify=false", "--isolation", "chroot", "--tag", target,
             "--file", "/dev/stdin", context, input=dockerfile.encode())
        call(*words, "push", "--quiet", "--tls-verify=false", target, f"docker://{target}")
        return target

    @contextlib.contextmanager
    def in_buildah(self, base: str, target: str):
        """Yields the folder of a container to change; what it holds afterwards is committed."""
        words = self._buildah_words()
        name = call(*words, "from", "--quiet", "--tls-verify=false", f"docker://{base}").strip()
        yield pathlib.Path(call(*words, "mount", name).strip())
        call(*words, "umount", name)
        call(*words, "commit", "--quiet", "--tls-verify=false", name, f"docker://{target}")

    def buildah_config(self, base: str, target: str, *flags: str) -> str:
        words = self._buildah_words()
        name = call(*words, "from", "--quiet", "--tls-verify=false", f"docker://{base}").strip()
        call(*words, "config", *flags, name)
        call(*words, "commit", "--quiet", "--tls-verify=false", name, f"docker://{target}")
        return target

    @contextlib.contextmanager
    def in_umoci(self, base: str, target: str):
        """The same for a bundle, which `umoci repack` makes a layer of."""
        bundle, layout = self._fresh(), tools.layout_of(base, self._fresh())
        call("umoci", "unpack", "--image", f"{layout}:image", bundle)
        yield bundle / "rootfs"
        call("umoci", "repack", "--image", f"{layout}:image", bundle)
        self._push(layout, target)

    def umoci_config(self, base: str, target: str, *flags: str) -> str:
        layout = tools.layout_of(base, self._fresh())
        call("umoci", "config", "--image", f"{layout}:image", *flags)
        return self._push(layout, target)

    def _push(self, layout: pathlib.Path, target: str) -> str:
        call("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:image", f"docker://{target}")
        return target

    def _buildah_words(self) -> tuple:
        folder = self._work / "buildah"
        return tools.buildah_words(folder)

    def _fresh(self) -> pathlib.Path:
        self._count += 1
        return self._work / f"{self._count:03}"
