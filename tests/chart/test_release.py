"""What a release is made of: the plain manifest, the Kustomize base, and make dist."""

from __future__ import annotations

import hashlib
import pathlib
import re
import subprocess
import tarfile

import pytest
import yaml

from helm_chart import IMAGE, container, helm, render, the
from make_image import version
from world import ROOT, run


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifest")
    run(str(ROOT / "tools" / "manifest.sh"), str(folder), IMAGE)
    return folder


def of_nobody(value):
    """Without what says that helm looks after it."""
    if isinstance(value, dict):
        return {key: of_nobody(each) for key, each in value.items()
                if key not in ("app.kubernetes.io/managed-by", "helm.sh/chart")}
    return [of_nobody(each) for each in value] if isinstance(value, list) else value


def test_the_manifest_is_the_chart(manifest):
    objects = [each for each in yaml.safe_load_all((manifest / "kiln.yaml").read_text()) if each]
    assert objects == of_nobody(render("--set", "namespace.create=true,crds.keep=false"))
    assert objects[0]["kind"] == "Namespace"
    assert "helm" not in (manifest / "kiln.yaml").read_text().lower().replace("of charts/kiln", "")


def test_an_overlay_changes_the_image(manifest, cluster, tmp_path):
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    run(str(ROOT / "tools" / "manifest.sh"), str(tmp_path / "base"))
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({
        "resources": ["../base"],
        "images": [{"name": "kiln-controller", "newName": IMAGE, "newTag": "7"}],
        "replicas": [{"name": "kiln-controller", "count": 3}]}))
    objects = list(yaml.safe_load_all(cluster.kubectl("kustomize", str(overlay))))
    assert container(objects)["image"] == f"{IMAGE}:7"
    assert the(objects, "Deployment")["spec"]["replicas"] == 3
    assert len(objects) == len(render("--set", "namespace.create=true"))


def test_the_overlay_of_the_page_pulls_the_image_with_a_secret(cluster, tmp_path):
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    run(str(ROOT / "tools" / "manifest.sh"), str(tmp_path / "build" / "manifest"))
    page = (ROOT / "docs" / "install.md").read_text()
    written = re.search(r"^```yaml\n# overlay/kustomization.yaml\n(.*?)^```$", page, re.M | re.S)[1]
    (overlay / "kustomization.yaml").write_text(written)
    pod = the(list(yaml.safe_load_all(cluster.kubectl("kustomize", str(overlay)))), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == f"{IMAGE}:{version()}"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def make_dist(folder: pathlib.Path, programs: pathlib.Path) -> dict[str, str]:
    """What is in there, by name, with its SHA-256 as SHA256SUMS has it."""
    run(str(ROOT / "tools" / "dist.sh"), str(folder), str(programs))
    sums = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
             if path.name != "SHA256SUMS"}
    assert found == sums
    return sums


def test_the_same_programs_give_the_same_release(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("kiln", "kiln-controller"):
        (programs / name).write_text(f"#!/bin/sh\necho {name}\n")
        (programs / name).chmod(0o755)
    first = make_dist(tmp_path / "first", programs)
    assert make_dist(tmp_path / "second", programs) == first

    number = version()
    arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    assert {f"kiln-{number}-linux-{arch}.tar.gz", f"kiln-{number}.tgz", f"kiln-manifest-{number}.tar.gz",
            "kiln.build_imagebuilds.yaml"} <= set(first)
    with tarfile.open(tmp_path / "first" / f"kiln-{number}-linux-{arch}.tar.gz") as tar:
        assert sorted(pathlib.PurePath(name).name for name in tar.getnames()[1:]) == [
            "CHANGELOG.md", "LICENSE", "kiln", "kiln-controller"]

    package = str(tmp_path / "first" / f"kiln-{number}.tgz")
    shown = yaml.safe_load(helm("show", "chart", package).stdout)
    assert (shown["name"], shown["version"]) == ("kiln", number)
    crds = helm("template", "kiln", package, "--kube-version", "1.36", "--set", f"image.repository={IMAGE}",
                "--show-only", "templates/crd.yaml").stdout
    assert yaml.safe_load(crds)["metadata"]["name"] == "imagebuilds.kiln.build"
