"""Push and pull with registries of several makes, in the ways that people run them."""

from __future__ import annotations

import json
import pathlib

import certificates
import pytest
from fault_proxy import Fault, FaultProxy
from lab import (DISTRIBUTIONS, KIB, MAKES, MIB, Distribution, Image, Kiln, assert_holds, crane,
                 make_folder, make_image, program_of, start_registry, wait_until)
from nginx import Nginx
from token_server import USER, TokenServer

PASSWORD = "horse-battery-7341"


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Image:
    """Two platforms, a layer of 3 MiB and small ones."""
    return make_image(tmp_path_factory.mktemp("image") / "layout", [3 * MIB, 70 * KIB, 1],
                      platforms=("linux/amd64", "linux/arm64"))


@pytest.fixture
def kiln(tmp_path) -> Kiln:
    return Kiln(tmp_path / "home")


@pytest.fixture(scope="module", params=MAKES)
def registry(request, tmp_path_factory):
    server = start_registry(request.param, tmp_path_factory.mktemp("registry"))
    server.make = request.param
    yield server
    server.kill()


def push(kiln: Kiln, image: Image, reference: str, *flags: str) -> None:
    done = kiln.run("copy", image.place, reference, *flags)
    assert done.code == 0, done.err
    assert done.digest == image.digest


def push_and_pull(kiln: Kiln, image: Image, reference: str, *flags: str) -> None:
    """There and back again, with the same digest all the way."""
    push(kiln, image, reference, *flags)
    back = kiln.home / "back"
    done = kiln.run("copy", reference, f"oci:{back}", *flags)
    assert done.code == 0, done.err
    assert_holds(back, image)


def assert_fails(kiln: Kiln, image: Image, reference: str, *flags: str, words: str) -> None:
    done = kiln.run("copy", image.place, reference, *flags)
    assert done.code == 1
    assert words in done.err.splitlines()[-1]
    assert not done.digest


# --- Every make ---

def test_an_image_comes_back_as_it_went(registry, kiln, image):
    reference = f"{registry.address}/team/plain:1"

    push_and_pull(kiln, image, reference)

    assert crane("digest", reference) == image.digest


def test_an_image_that_is_there_is_not_sent_again(registry, kiln, image):
    reference = f"{registry.address}/team/twice:1"
    push(kiln, image, reference)

    if isinstance(registry, Distribution):
        before = len(registry.requests())
        push(kiln, image, reference)
        assert {each.method for each in registry.requests()[before:]} == {"HEAD", "PUT"}
    else:
        push(kiln, image, reference)
    assert crane("digest", reference) == image.digest


def test_pieces_make_the_same_image(registry, kiln, image):
    kiln.configures(prefix=registry.address, chunkBytes=MIB)

    push_and_pull(kiln, image, f"{registry.address}/team/pieces:1")


def test_a_tag_moves_and_goes(registry, kiln, image, tmp_path):
    other = make_image(tmp_path / "other", [100], seed=2)
    reference = f"{registry.address}/team/moves:1"
    push(kiln, image, reference)
    push(kiln, other, reference)
    assert crane("digest", reference) == other.digest

    done = kiln.run("delete", reference)
    if registry.make == "distribution-2.8":
        assert done.code == 1
        assert "many registries delete manifests by digest only, not tags" in done.err
        done = kiln.run("delete", f"{registry.address}/team/moves@{other.digest}")
    assert done.code == 0, done.err

    gone = kiln.run("digest", reference)
    assert gone.code == 1
    assert "was not found" in gone.err


def test_what_is_not_there_is_named(registry, kiln):
    for command in ("digest", "manifest", "validate"):
        done = kiln.run(command, f"{registry.address}/team/nothing:1")
        assert done.code == 1
        assert f"{registry.address}/team/nothing:1 was not found" in done.err


def test_a_layer_of_another_repository_is_mounted(registry, kiln, image):
    push(kiln, image, f"{registry.address}/team/from:1")

    done = kiln.run("copy", f"{registry.address}/team/from:1", f"{registry.address}/team/to:1")

    assert done.code == 0 and done.digest == image.digest, done.err
    if isinstance(registry, Distribution):
        to = [each for each in registry.requests() if "/team/to/" in each.path]
        assert [each.status for each in to if each.method == "POST"] == [201] * len(image.blobs)


# --- distribution, as it is run ---

@pytest.fixture(params=DISTRIBUTIONS)
def make(request) -> str:
    return request.param


def authority(folder: pathlib.Path) -> certificates.Authority:
    made = certificates.Authority(make_folder(folder) / "pki")
    made.create()
    made.issue_server("registry", ("DNS:localhost", "IP:127.0.0.1"))
    return made


def test_tls_with_an_authority_of_its_own(make, kiln, image, tmp_path):
    folder = tmp_path / "server"
    own = authority(folder)
    other = authority(tmp_path / "other")
    server = start_registry(make, folder, tls=True)
    reference = f"{server.address}/team/tls:1"

    assert_fails(kiln, image, reference, words="a server that speaks TLS answers so to plain http")
    if make == "distribution-3.1":  # It takes 4 s, for it may heal.
        kiln.configures(prefix=server.address, ca=str(other.certificate))
        assert_fails(kiln, image, reference, words="certificate is signed by an unknown authority")
        kiln.configures(prefix="unused.test")
    push_and_pull(kiln, image, reference, "--ca", str(own.certificate))
    server.kill()


class MutualDistribution(Distribution):
    def probe(self) -> str:
        return ""  # We have no certificate; that it listens must do.


def test_client_certificates(make, kiln, image, tmp_path):
    folder = tmp_path / "server"
    own = authority(folder)
    own.issue_client("builder", "builder", "kiln")
    server = MutualDistribution("registry", program_of(make), folder)
    server.configure(users=None, tls=True, storage=None,
                     settings={"http": {"tls": {"clientcas": [str(own.certificate)]}}})
    server.start()
    reference = f"{server.address}/team/mutual:1"

    if make == "distribution-3.1":  # It takes 4 s, for it may heal.
        assert_fails(kiln, image, reference, "--ca", str(own.certificate),
                     words="the server asks for a client certificate")
    kiln.configures(prefix=server.address, ca=str(own.certificate),
                    clientCertificate=str(own.folder / "builder.crt"),
                    clientKey=str(own.folder / "builder.key"))
    push_and_pull(kiln, image, reference)
    server.kill()


def test_htpasswd(make, kiln, image, tmp_path):
    server = start_registry(make, tmp_path / "server", users={USER: PASSWORD})
    reference = f"{server.address}/team/basic:1"

    assert_fails(kiln, image, reference, words="asks for credentials and none were given")
    kiln.knows(server.address, USER, "wrong-password-1")
    assert_fails(kiln, image, reference, words="refused the credentials")
    kiln.knows(server.address, USER, PASSWORD)
    push_and_pull(kiln, image, reference)
    server.kill()


def test_a_token_server(make, kiln, image, tmp_path):
    with TokenServer(tmp_path / "tokens", PASSWORD) as tokens:
        server = start_registry(make, tmp_path / "server", settings=tokens.registry_settings())
        reference = f"{server.address}/team/tokens:1"

        kiln.knows(server.address, USER, "wrong-password-1")
        assert_fails(kiln, image, reference, words="incorrect username or password")
        kiln.knows(server.address, USER, PASSWORD)
        push_and_pull(kiln, image, reference)
        assert tokens.asked[-2] == ["repository:team/tokens:push,pull"]
        server.kill()


def test_a_token_that_ends_in_the_middle_of_an_upload(make, kiln, tmp_path):
    """The registry refuses it (it says nothing about it before), and the piece goes again."""
    image = make_image(tmp_path / "layout", [6 * MIB])
    with TokenServer(tmp_path / "tokens", PASSWORD, lifetime_s=2) as tokens:
        server = start_registry(make, tmp_path / "server", settings=tokens.registry_settings())
        kiln.knows(server.address, USER, PASSWORD)
        with FaultProxy(server.address) as proxy:
            proxy.every(Fault("throttle", bytes_per_second=2 * MIB))
            kiln.knows(proxy.address, USER, PASSWORD)
            kiln.configures(prefix=proxy.address, chunkBytes=MIB, parallel=1)

            push(kiln, image, f"{proxy.address}/team/short:1")

        statuses = [each.status for each in server.requests() if each.method == "PATCH"]
        assert 401 in statuses and statuses.count(202) == 6
        assert len(tokens.given) >= 2
        server.kill()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_behind_nginx_with_a_limit_for_bodies(make, kiln, image, tmp_path, tls):
    folder = tmp_path / "server"
    flags = ()
    if tls:
        flags = ("--ca", str(authority(folder).certificate))
    server = start_registry(make, folder)
    front = Nginx(folder, server.address, body_limit="1m", tls=tls, says_https=not tls)
    front.start()

    push_and_pull(kiln, image, f"{front.address}/team/front:1", *flags)

    wait_until("nginx has written its log", lambda: '" 413 ' in front.requests())
    front.kill()
    server.kill()


def test_behind_nginx_with_a_limit_that_nothing_fits_through(kiln, image, tmp_path):
    folder = tmp_path / "server"
    server = start_registry("distribution-3.1", folder)
    front = Nginx(folder, server.address, body_limit="100k")
    front.start()

    assert_fails(kiln, image, f"{front.address}/team/front:1",
                 words="413 (too large): 413 Request Entity Too Large; a proxy before it may limit")
    front.kill()
    server.kill()


def test_what_crane_pushed_is_pulled_and_the_other_way_round(make, kiln, image, tmp_path):
    server = start_registry(make, tmp_path / "server")
    crane("push", str(image.folder), f"{server.address}/team/cranes:1", "--index")
    at_crane = crane("digest", f"{server.address}/team/cranes:1")

    done = kiln.run("copy", f"{server.address}/team/cranes:1", f"{server.address}/team/ours:1")

    assert done.code == 0 and done.digest == at_crane, done.err
    assert json.loads(crane("manifest", f"{server.address}/team/ours:1"))["manifests"]
    server.kill()
