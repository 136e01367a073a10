"""The controller's image: made twice, looked into, and its programs run in it and nothing else."""

from __future__ import annotations

import json
import pathlib
import re
import socket
import subprocess
import sys

import pytest

import git_server
import git_ssh_server
import helm_chart
import make_image
import world as scenarios
from world import ROOT, World, binary, run

# A user and mount namespace: /dev as here, the image as the root, which is read-only but for /tmp.
INSIDE = """
set -e
for each in dev proc; do mkdir -p "$1/$each"; mount --rbind /$each "$1/$each"; done
mount -t tmpfs none "$1/tmp"
root=$1; shift
exec chroot "$root" "$@"
"""

MAKE_DEADLINE_S = 300  # It may have to fetch Debian's packages.
ORDINARY = {"file": (0o644, 0o755), "directory": (0o755,), "symlink": (0o777,)}


class Image:
    """The image in an archive, and its files in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.packages = folder / "first" / "packages-amd64.txt"
        self.digest = make(folder / "first")
        self.reference = f"oci-archive:{folder}/first/kiln-controller-amd64.tar"
        self.root = folder / "root"
        self.root.mkdir()
        exported = folder / "files.tar"
        run(binary("kiln"), "export", self.reference, str(exported))
        run("tar", "-xf", str(exported), "-C", str(self.root), "--no-same-owner")

    def command(self, *words: str) -> list[str]:
        return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", INSIDE, "sh",
                str(self.root), *words]

    def run(self, *words: str, env: dict | None = None):
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/local/bin:/usr/bin:/usr/sbin", **(env or {})})


def make(work: pathlib.Path, *words: str) -> str:
    """The digest of an image made of the programs under test."""
    done = subprocess.run([str(ROOT / "tools" / "image" / "make_image.py"), "--bin",
                           str(pathlib.Path(binary("kiln")).parent), "--work", str(work), *words],
                          capture_output=True, text=True, timeout=MAKE_DEADLINE_S, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rpartition("@")[2]


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    return Image(tmp_path_factory.mktemp("image"))


def test_the_same_packages_give_the_same_image_anywhere(image, tmp_path):
    assert make(tmp_path / "elsewhere", "--packages", str(image.packages)) == image.digest


def test_a_library_that_no_package_has_is_named(tmp_path, monkeypatch, capsys):
    recipe = tmp_path / "packages.txt"
    whole = (make_image.RECIPE / "packages.txt").read_text()
    recipe.write_text(re.sub(r"(?m)^program (?!/usr/bin/git$).*\n|^package (?!git$|libc6$|zlib1g$).*\n", "", whole))
    monkeypatch.setattr(make_image, "RECIPE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_image.py", "--bin", str(pathlib.Path(binary("kiln")).parent),
                                      "--work", str(tmp_path / "work")])
    assert make_image.main() == 1
    said = capsys.readouterr()
    assert f"git needs libpcre2-8.so.0: no package of {recipe} has" in said.err
    assert said.err.startswith("image: the packages of Debian, ") and said.out == ""


def test_it_is_one_that_other_programs_take(image):
    run(binary("kiln"), "validate", image.reference)
    shown = json.loads(run("skopeo", "inspect", "--config", image.reference).stdout)
    assert (shown["os"], shown["architecture"]) == ("linux", "amd64")


def test_it_does_not_run_as_root_and_says_what_it_is(image):
    config = json.loads(run(binary("kiln"), "config", image.reference).stdout)["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/local/bin/kiln-controller"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == make_image.version()
    assert labels["org.opencontainers.image.title"] == "kiln-controller"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_nothing_in_it_has_rights_of_its_own_and_only_tmp_is_for_all(image):
    listed = json.loads(run(binary("kiln"), "ls", "-R", image.reference, "-o", "json").stdout)
    owners = {(entry["uid"], entry["gid"]) for entry in listed}
    assert owners == {(0, 0)}
    unusual = {entry["path"]: entry["mode"] for entry in listed
               if entry["mode"] not in ORDINARY[entry["kind"]]}
    assert unusual == {"/tmp": 0o1777}


def test_its_programs_are_those_that_packages_txt_names(image):
    programs = sorted(str(path.relative_to(image.root)) for folder in ("usr/bin", "usr/local/bin",
                      "usr/lib/git-core") for path in (image.root / folder).iterdir())
    assert programs == ["usr/bin/cat", "usr/bin/dash", "usr/bin/false", "usr/bin/git", "usr/bin/sh",
                        "usr/bin/ssh", "usr/lib/git-core/git-remote-http",
                        "usr/lib/git-core/git-remote-https", "usr/local/bin/kiln-controller"]


def test_scanners_find_packages_and_versions_in_it(image):
    listed = {path.name: path.read_text()
              for path in (image.root / "var/lib/dpkg/status.d").iterdir()}
    for line in image.packages.read_text().splitlines():
        name, version, _ = line.split()
        assert f"\nVersion: {version}\n" in listed[name]
    assert "libarchive-dev" in listed


def test_its_programs_start_in_it(image):
    for words, said in ((("/usr/local/bin/kiln-controller", "--version"), "kiln-controller 0."),
                        (("/usr/bin/git", "--version"), "git version 2."),
                        (("/usr/bin/ssh", "-V"), "OpenSSH_9"),
                        (("/bin/sh", "-c", "echo one | cat"), "one\n")):
        done = image.run(*words)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout + done.stderr


def test_ssh_knows_its_user_and_gets_as_far_as_the_network(image):
    with socket.socket() as taken:  # Bound, but nobody listens.
        taken.bind(("127.0.0.1", 0))
        done = image.run("/usr/bin/ssh", "-p", str(taken.getsockname()[1]), "127.0.0.1")
    assert "Connection refused" in done.stderr


def test_git_trusts_the_authorities_in_it_and_no_others(image, cluster):
    address = f"https://{cluster.apiserver.address}/site.git"
    stranger = image.run("/usr/bin/git", "ls-remote", address)
    assert "certificate verification failed" in stranger.stderr, stranger.stderr

    # With its authority git speaks to it, and hears that an API server is no git server.
    ca = image.root / "etc" / "test-ca.crt"
    ca.write_bytes(pathlib.Path(cluster.ca_file).read_bytes())
    known = image.run("/usr/bin/git", "-c", "http.sslCAInfo=/etc/test-ca.crt", "ls-remote", address)
    assert "certificate" not in known.stderr and known.returncode != 0
    assert re.search(r"could not read Username|403|401|not found", known.stderr), known.stderr
    authorities = (image.root / "etc/ssl/certs/ca-certificates.crt").read_text()
    assert authorities.count("BEGIN CERTIFICATE") > 100


class ControllerOfImage(scenarios.Controller):
    """The controller as the image has it, with the image as its root."""

    def __init__(self, image: Image, *words) -> None:
        super().__init__(*words)
        self._image = image

    def program(self) -> list[str]:
        return self._image.command("/usr/local/bin/kiln-controller")


def missing_server() -> str | None:
    return git_server.missing_program() or git_ssh_server.missing_program()


@pytest.mark.skipif(missing_server() is not None, reason=f"{missing_server()} is not installed")
def test_the_controller_in_it_builds_from_git_over_http_and_ssh(image, cluster, tmp_path):
    """A key with a password takes sh and cat, too."""
    helm_chart.apply(cluster, helm_chart.render())
    kubeconfig = cluster.service_account_kubeconfig(helm_chart.NAMESPACE, "kiln-controller")
    # Without the API server's authority, which is one of the image's instead, as with the chart's caBundle.
    config = re.sub(r"(?m)^ *certificate-authority(-data)?: .*\n", "", kubeconfig.read_text())
    assert config != kubeconfig.read_text()
    (image.root / "etc" / "kubeconfig").write_text(config)
    (image.root / "etc/ssl/certs/ca-certificates.crt").write_bytes(cluster.ca_file.read_bytes())
    world = World(cluster, scenarios.push_base(cluster), tmp_path, "image")
    controller = ControllerOfImage(image, pathlib.Path("/etc/kubeconfig"), tmp_path)
    with (git_server.GitServer(tmp_path / "git") as http, git_ssh_server.GitSshServer(tmp_path / "ssh") as ssh,
          controller as world.controller):
        http.repository("site.git").commit({"index.html": "over http\n"})
        ssh.repository("site.git").commit({"index.html": "over ssh\n"})
        world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
                     "stringData": ssh.credentials("correct horse")},
                    world.image_build("http", content=[from_git({"url": http.url("site.git")})]),
                    world.image_build("ssh", content=[from_git({"url": ssh.url("site.git"),
                                                                "secretRef": {"name": "key"}})]))
        for way in ("http", "ssh"):
            world.wait_ready(way)
            assert world.file_in_image("/usr/share/nginx/html/index.html", way) == f"over {way}\n"
    world.close()


def from_git(git: dict) -> dict:
    return {"git": {"ref": {"branch": "main"}, **git}, "path": "/usr/share/nginx/html"}
