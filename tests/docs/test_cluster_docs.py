"""The commands of pages about Kiln in a cluster, run as they stand against a real API server and registry.

There is no node, so pods do not run: the controller is a process beside them.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess

import pytest

import base_image
import git_server
import go_tools
import pages
from cluster import Cluster
from own_registry import start_registry
from page_shell import PLACEHOLDER, Shell
from world import ROOT, Controller, binary, install, run

NAMESPACE = "web"
WAIT_S = 120
PORTS = (8080, 9292, 9440, 8417)


def free_ports() -> dict[str, str]:
    """The ports that pages name, as others that are free."""
    free = git_server.free_ports(len(PORTS))
    return {f"127.0.0.1:{port}": f"127.0.0.1:{other}" for port, other in zip(PORTS, free)}


def checkout(folder: pathlib.Path, words: dict[str, str]) -> pathlib.Path:
    """A folder that looks like a checkout in which `make build` has been run, with its examples for the reader's registry."""
    for path in ROOT.iterdir():
        if path.name not in ("build", "examples", ".git"):
            (folder / path.name).symlink_to(path)
    programs = folder / "build" / "bin"
    programs.mkdir(parents=True)
    (programs / "kiln").symlink_to(os.path.realpath(binary("kiln")))
    controller = programs / "kiln-controller"
    # The ports that it listens on where nothing is said may be taken on this machine.
    controller.write_text('#!/bin/sh\ncase "$*" in\n  *--health-addr*) ;;\n'
                          '  *) set -- --metrics-addr 127.0.0.1:0 --health-addr 127.0.0.1:0 "$@" ;;\nesac\n'
                          f'exec {os.path.realpath(binary("kiln-controller"))} "$@"\n')
    controller.chmod(0o755)
    shutil.copytree(ROOT / "examples", folder / "examples")
    for manifest in (folder / "examples").rglob("*.yaml"):
        text = manifest.read_text()
        for word, ours in words.items():
            text = text.replace(word, ours)
        manifest.write_text(text)
    return folder


class Reader:
    """Somebody with a kubectl for a cluster, and a registry."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.registry = cluster.registry().address
        self.hub = f"{self.registry}/hub"
        base_image.push(f"{self.hub}/library/nginx:1.27")

    def shell(self, folder: pathlib.Path, words: dict[str, str] | None = None) -> Shell:
        place = checkout(folder, {pages_word: ours for pages_word, ours in (
            ("registry.example.com", self.registry), ("nginx:1.27", f"{self.hub}/library/nginx:1.27"))})
        (place / "home" / ".kube").mkdir(parents=True)
        config = place / "home" / ".kube" / "config"
        shutil.copy(self.cluster.kubeconfig, config)
        run(str(self.cluster.tools["kubectl"]), "config", "set-context", "--current", f"--namespace={NAMESPACE}",
            env={"KUBECONFIG": str(config)})
        tools = {path.parent for path in (*self.cluster.tools.values(), go_tools.ensure("helm")["helm"])}
        path = ":".join([*map(str, sorted(tools)), str(pathlib.Path(binary("kiln")).parent.absolute()), os.environ["PATH"]])
        return Shell(self.registry, self.hub, place, words, {"PATH": path})


@pytest.fixture(scope="module")
def reader():
    with Cluster() as cluster:
        install(cluster)
        yield Reader(cluster)


@pytest.fixture(scope="module")
def site(reader, tmp_path_factory):
    """The address of health of a controller that has built the example `site`, and then built it again after an edit."""
    folder = tmp_path_factory.mktemp("site")
    shell = reader.shell(folder)
    with Controller(reader.cluster.kubeconfig, tmp_path_factory.mktemp("controller"), "--rollout") as controller:
        shell.run([f"kubectl create namespace {NAMESPACE}\nkubectl create namespace argocd\n"
                   "kubectl -n argocd create configmap argocd-cm\nkubectl apply -f examples/site/imagebuild.yaml\n"
                   f"kubectl wait --for=condition=Ready imagebuild/site --timeout={WAIT_S}s\n"
                   """kubectl patch configmap site-content --type merge -p '{"data": {"index.html": "edited"}}'\n"""
                   "kubectl wait imagebuild/site --for=jsonpath='{.status.lastBuild.reasons[0].type}'=ContentChanged "
                   f"--timeout={WAIT_S}s\n"])
        yield controller.address("health")


@pytest.mark.parametrize("page", pages.WITH_A_SITE, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_about_a_site_work(page, site, reader, tmp_path):
    (tmp_path / "app.pem").write_text("the key of a GitHub App\n")
    reader.shell(tmp_path, {"localhost:9440": site, "registry.my.org": reader.registry}).check(page)


def test_the_readme_works(reader, tmp_path):
    # In a namespace of its own: the others have `web`.
    reader.shell(tmp_path, {"web": "of-the-readme", **free_ports()}).check(pages.README)


def test_installing_updating_and_uninstalling_work(tmp_path):
    with Cluster() as cluster:
        Reader(cluster).shell(tmp_path).check(pages.INSTALL)


@pytest.mark.parametrize("page", [pages.TUTORIAL, pages.CLUSTER], ids=["tutorial", "cluster"])
def test_a_page_that_begins_with_a_cluster_works_and_leaves_none(page, tmp_path):
    ports = free_ports()
    ports["git 8417"] = "git " + ports["127.0.0.1:8417"].rpartition(":")[2]
    cache = tmp_path / "cache"  # The reader's own cluster, if there is one, is let be.
    cache.mkdir()
    (cache / "tools").symlink_to(go_tools.cache_dir() / "tools")
    place = checkout(tmp_path, {})
    try:
        Shell("unused.example.com", "unused.example.com", place, ports, {"KILN_CACHE_DIR": str(cache)}).check(page)
    finally:
        down = subprocess.run([ROOT / "tests" / "cluster" / "cluster.py", "down", "--dir", cache / "cluster"],
                              capture_output=True, text=True, timeout=WAIT_S)
    assert "there is no cluster" in down.stderr, "the page leaves its cluster behind"


class OwnCluster:
    """The tutorial's blocks for a cluster of the reader's own, among those that stay as they are."""

    # No node, so no image and no pods; without Kubernetes' controllers a namespace does not go.
    NOT_HERE = ("make build", "make image", "rollout status", "port-forward", "PORT_FORWARD", "delete namespace")
    TEST = "test_the_tutorial_works_in_a_cluster_of_ones_own"

    def __init__(self) -> None:
        lines = pages.TUTORIAL.read_text().splitlines()
        self._blocks: dict[str, list[pages.Block]] = {"own": []}
        for block in pages.blocks(pages.TUTORIAL):
            heading = next(line for line in reversed(lines[:block.line]) if line.startswith("## "))
            step = "own" if self.TEST in block.tests else heading[3:].partition(".")[0]
            printed = block.expected and block.expected.replace("127.0.0.1:…/", "registry.example.com/you/")
            self._blocks.setdefault(step, []).append(dataclasses.replace(block, expected=printed))

    def of_step(self, step: int) -> list[pages.Block]:
        return self._blocks[str(step)]

    def own(self) -> list[pages.Block]:
        """Without what takes a node."""
        return [dataclasses.replace(block, script="".join(
            line for line in block.script.splitlines(keepends=True) if not any(words in line for words in self.NOT_HERE)))
            for block in self._blocks["own"]]


def script(text: str) -> pages.Block:
    """What the test does in the reader's shell besides."""
    return pages.Block(0, "sh", text, None, "", [], "", "")


def a_repository(folder: pathlib.Path, served: str) -> pages.Block:
    """An empty one on a git server, which takes pushes, too."""
    return script(f"""git init --quiet --bare --initial-branch main {folder}/site.git
        git config --global url.{folder}/.pushInsteadOf http://{served}/
        tests/demo/serve_git.py {folder} {served.rpartition(":")[2]} 2>/dev/null &
        curl --silent --output /dev/null --retry 60 --retry-delay 1 --retry-connrefused http://{served}/
        """)


def test_the_tutorial_works_in_a_cluster_of_ones_own(tmp_path):
    page = OwnCluster()
    install_it, give_account, use_repository, clean_up = page.own()
    _, start_controller = page.of_step(2)
    ports = free_ports()
    registry = start_registry(tmp_path / "registry", users={"ann": "secret"})
    try:
        with Cluster() as cluster:
            git = git_server.free_port()
            words = {**ports, PLACEHOLDER: registry.address, "https://git.example.com/you": f"http://127.0.0.1:{git}"}
            folder = tmp_path / "reader"
            folder.mkdir()
            (tmp_path / "git").mkdir()
            Reader(cluster).shell(folder, words).check_blocks(pages.TUTORIAL, [
                script('export KUBECONFIG="$HOME/.kube/config"'), install_it,
                # What the cluster's own controllers and the pods would do.
                script("kubectl -n web create serviceaccount default"), start_controller, give_account,
                *page.of_step(3), *page.of_step(4),
                a_repository(tmp_path / "git", f"127.0.0.1:{git}"), use_repository, *page.of_step(5)[1:],
                *page.of_step(6), *page.of_step(8), clean_up])
            left = cluster.kubectl("get", "all,secrets,clusterroles", "--all-namespaces", "--selector", "app.kubernetes.io/name=kiln")
        assert "kiln" not in left
    finally:
        registry.kill()
