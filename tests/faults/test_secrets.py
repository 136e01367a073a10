"""Secrets are in no output of `kiln`, whatever it is told to log and whoever repeats them.

What hostile registries send back is in test_hostile.py, the controller's log in tests/scenarios.
"""

from __future__ import annotations

import base64
import dataclasses
import socket

import certificates
import pytest
from fault_proxy import Fault, FaultProxy
from hostile_registry import HostileRegistry, Rule, Seen
from lab import Done, Image, Kiln, make_folder, make_image, start_registry
from token_server import USER, TokenServer

PASSWORD = "canary-pa55word-one"
IDENTITY = "canary-identity-t0ken"
REGISTRY_TOKEN = "canary-registry-t0ken"
PROXY_PASSWORD = "canary-pr0xy-password"
SIGNATURE = "canary-s1gnature"


@dataclasses.dataclass
class Said:
    """All that came out of all runs, and what must not be in it."""

    kiln: Kiln
    text: str = ""
    secrets: set[str] = dataclasses.field(default_factory=set)

    def run(self, *words: str, code: int | None = None) -> Done:
        done = self.kiln.run(*words, "--progress", "plain")
        self.text += done.out + done.err
        if code is not None:
            assert done.code == code, done.err
        return done

    def forbid(self, secret: str) -> None:
        self.secrets |= {secret, base64.b64encode(secret.encode()).decode(),
                         base64.b64encode(f"{USER}:{secret}".encode()).decode()}


@pytest.fixture
def said(tmp_path):
    said = Said(Kiln(tmp_path / "home"))
    yield said
    assert said.text
    for secret in said.secrets:
        assert secret not in said.text, secret


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Image:
    return make_image(tmp_path_factory.mktemp("image") / "layout", [400_000])


def test_a_password_that_is_right_and_one_that_is_wrong(said, image, tmp_path):
    server = start_registry("distribution-3.1", tmp_path / "server", users={USER: PASSWORD})
    for password, code in (("canary-wr0ng", 1), (PASSWORD, 0)):
        said.forbid(password)
        said.kiln.knows(server.address, USER, password)
        said.run("copy", image.place, f"{server.address}/team/app:1", code=code)
        said.run("validate", f"{server.address}/team/app:1")
        said.run("delete", f"{server.address}/team/nothing:1", code=1)
    server.kill()


def test_tokens_also_when_the_line_breaks(said, image, tmp_path):
    with TokenServer(tmp_path / "tokens", PASSWORD) as tokens:
        server = start_registry("distribution-3.1", tmp_path / "server",
                                settings=tokens.registry_settings())
        with FaultProxy(server.address) as proxy:
            said.kiln.knows(proxy.address, USER, PASSWORD)
            proxy.once(Fault("reset", after_text="PUT /v2/", after_bytes=100_000),
                       Fault("cut", direction="down", after_text="Location: "))
            said.run("copy", image.place, f"{proxy.address}/team/app:1", code=0)
            proxy.refuse()
            said.run("copy", image.place, f"{proxy.address}/team/app:2", code=1)
        assert tokens.given
        for secret in (PASSWORD, *tokens.given):
            said.forbid(secret)
        server.kill()


@pytest.mark.parametrize("entry, secret", [
    ({"identitytoken": IDENTITY}, IDENTITY), ({"registrytoken": REGISTRY_TOKEN}, REGISTRY_TOKEN)],
    ids=["identity-token", "registry-token"])
def test_tokens_of_the_users_file(said, entry, secret):
    seen = Seen()
    server = HostileRegistry(("127.0.0.1", 0), [], seen)
    server._rules += [
        Rule(path="/token.*", status=401, body='{"error_description": "$AUTHORIZATION"}'),
        Rule(path=".*", status=401, body="$AUTHORIZATION", headers=[
            ("WWW-Authenticate", f'Bearer realm="http://{server.address}/token",service="s"')])]
    said.forbid(secret)
    said.kiln.knows_as(server.address, entry)

    said.run("digest", f"{server.address}/team/app:1", code=1)

    sent = str(seen.requests)
    assert secret in sent or base64.b64encode(f"<token>:{secret}".encode()).decode() in sent


def test_the_query_of_a_signed_address(said, image):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = "127.0.0.1:%d" % unused.getsockname()[1]
    running = []
    for query in (f"X-Amz-Signature={SIGNATURE}", f"sig={SIGNATURE}&se=1", f"Signature={SIGNATURE}",
                  f"unheard-of={SIGNATURE}"):
        server = HostileRegistry(("127.0.0.1", 0), [Rule(
            path=".*", status=307, headers=[("Location", f"http://{nowhere}/blob?{query}")])], Seen())
        running.append(said.kiln.start("manifest", f"{server.address}/team/app:1"))
        upload = HostileRegistry(("127.0.0.1", 0), [
            Rule(method="POST", status=202, headers=[("Location", f"http://{nowhere}/up?{query}")])], Seen())
        running.append(said.kiln.start("copy", image.place, f"{upload.address}/team/app:1"))
    said.forbid(SIGNATURE)

    for done in [each.wait() for each in running]:
        assert done.code == 1 and nowhere in done.err, done.err
        said.text += done.out + done.err


def test_the_password_of_a_proxy(said):
    """A proxy that refuses, and says what it was told."""
    proxy = HostileRegistry(("127.0.0.1", 0), [Rule(status=407, body="$AUTHORIZATION")], Seen())
    said.forbid(PROXY_PASSWORD)
    said.kiln.sets(HTTP_PROXY=f"http://{USER}:{PROXY_PASSWORD}@{proxy.address}",
                   HTTPS_PROXY=f"http://{USER}:{PROXY_PASSWORD}@{proxy.address}")

    said.run("digest", "registry.example.com/team/app:1", code=1)
    said.run("digest", "registry.example.com/team/app:1", "--insecure", code=1)


def test_what_is_given_to_login_also_by_mistake(said, tmp_path):
    server = start_registry("distribution-3.1", tmp_path / "server", users={USER: PASSWORD})
    said.forbid(PASSWORD)

    done = said.kiln.run("login", server.address, "-u", USER, "--password", PASSWORD)

    assert done.code == 2
    said.text += done.out + done.err
    server.kill()


def test_the_key_of_a_client_certificate_that_is_wrong(said, tmp_path):
    authority = certificates.Authority(make_folder(tmp_path / "server") / "pki")
    authority.create()
    authority.issue_server("registry", ("IP:127.0.0.1",))
    authority.issue_client("one", "one", "kiln")
    authority.issue_client("two", "two", "kiln")
    key = (authority.folder / "two.key").read_text()
    for line in key.splitlines()[1:-1]:
        said.secrets.add(line)
    said.kiln.configures(prefix="127.0.0.1:1", clientCertificate=str(authority.folder / "one.crt"),
                         clientKey=str(authority.folder / "two.key"))

    said.run("digest", "127.0.0.1:1/team/app:1", code=1)
