"""A hostile registry gains nothing: no connection to where it points, no credential, no endless work.

Each test runs in a network of its own (tests/faults/hostile.py), where the registry has an address of
the internet and metadata service, private and loopback addresses are canaries.
"""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hostile import (CANARY_PORTS, EMBEDDED, INSIDE, PASSWORD, PUBLIC, PUBLIC_TOO, USER,
                     HostileWorld, in_url)
from lab import MANIFEST, Done, make_image

DIGEST = "sha256:" + "0" * 64
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SECRETS = (PASSWORD, BASIC)
INSIDE_URLS = [f"http://{in_url(address)}:8080/x" for address in (*INSIDE.values(), *EMBEDDED)]
INSIDE_URLS.append(f"http://{INSIDE['metadata']}/latest/meta-data/")


def manifest_of(*layers: bytes, **more) -> str:
    def descriptor(data: bytes, kind: str) -> dict:
        return {"mediaType": f"application/vnd.oci.image.{kind}", "size": len(data),
                "digest": "sha256:" + hashlib.sha256(data).hexdigest()}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(b"{}", "config.v1+json"),
                       "layers": [descriptor(each, "layer.v1.tar") for each in layers], **more})


def says_manifest(body: str, *headers: tuple[str, str], **more) -> dict:
    return {"path": ".*/manifests/.*", "body": body,
            "headers": [("Content-Type", MANIFEST), *headers], **more}


def assert_nothing_given_away(world: HostileWorld, done: Done) -> None:
    """No canary saw anybody, no other server a credential, no output a secret."""
    seen = world.end()
    assert seen["canaries"] == []
    for request in seen["requests"]:
        if request["server"] != world.registry:
            said = json.dumps(request)
            assert not any(secret in said for secret in SECRETS), request
            assert "authorization" not in request["headers"]
            assert "cookie" not in request["headers"]
    for secret in SECRETS:
        assert secret not in done.out + done.err


def assert_refused(world: HostileWorld, done: Done, words: str) -> None:
    assert done.code == 1, done
    assert words in done.err, done.err
    assert_nothing_given_away(world, done)


# --- Pointing elsewhere ---

@pytest.mark.parametrize("url", INSIDE_URLS)
def test_a_token_server_inside_is_not_asked(tmp_path, url):
    challenge = {"path": ".*", "status": 401,
                 "headers": [("WWW-Authenticate", f'Bearer realm="{url}",service="s"')]}
    with HostileWorld(tmp_path, [challenge]) as world:
        done = world.run("digest", f"{world.registry}/app:1")

        assert_refused(world, done, "")


@pytest.mark.parametrize("url", INSIDE_URLS)
def test_a_redirect_inside_is_not_followed(tmp_path, url):
    rules = [{"path": ".*/manifests/.*", "status": 307, "headers": [("Location", url)]}]
    with HostileWorld(tmp_path, rules) as world:
        done = world.run("manifest", f"{world.registry}/app:1")

        assert_refused(world, done, "the egress policy forbids")


@pytest.mark.parametrize("url", INSIDE_URLS)
def test_an_upload_does_not_go_inside(tmp_path, url):
    image = make_image(tmp_path / "layout", [1000])
    rules = [{"method": "POST", "path": ".*", "status": 202, "headers": [("Location", url)]}]
    with HostileWorld(tmp_path, rules) as world:
        done = world.run("copy", image.place, f"{world.registry}/app:1")

        assert_refused(world, done, "the egress policy forbids")


@pytest.mark.parametrize("step", ["PATCH", "GET"])
def test_an_upload_that_moves_inside_later_ends(tmp_path, step):
    """First it goes on at the registry; a later answer points inside."""
    image = make_image(tmp_path / "layout", [3 * 1024 * 1024])
    inside = [("Location", f"http://{INSIDE['metadata']}/latest")]
    rules = [{"method": "POST", "path": ".*", "status": 202, "headers": [("Location", "/v2/app/up/1")]},
             {"method": "PATCH", "path": ".*", "status": 202 if step == "PATCH" else 500,
              "headers": inside},
             {"method": "GET", "path": "/v2/app/up/1", "status": 204,
              "headers": [*inside, ("Range", "0-99")]}]
    with HostileWorld(tmp_path, rules) as world:
        kiln = world.kiln()
        kiln.configures(prefix=world.registry, chunkBytes=1024 * 1024, insecure=True)
        done = kiln.run("copy", image.place, f"{world.registry}/app:1")

        assert_refused(world, done, "")


def test_foreign_urls_of_layers_are_not_fetched(tmp_path):
    body = json.loads(manifest_of(b"layer"))
    body["layers"][0].update(urls=[f"http://{INSIDE['metadata']}/latest"],
                             mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    with HostileWorld(tmp_path, [says_manifest(json.dumps(body)),
                                 {"path": ".*/blobs/.*", "body": "{}"}]) as world:
        done = world.run("copy", f"{world.registry}/app:1", f"oci:{tmp_path}/out")

        assert_nothing_given_away(world, done)


def test_a_next_page_elsewhere_is_not_asked(tmp_path):
    """The list of referrers is read where a manifest with a subject is pushed and there is no API."""
    image = make_image(tmp_path / "layout", [10])
    link = ("Link", f'<http://{PUBLIC_TOO}:6000/v2/app/referrers/x>; rel="next"')
    rules = [{"method": "GET", "path": ".*/referrers/.*", "body": '{"manifests": []}',
              "headers": [("Content-Type", "application/vnd.oci.image.index.v1+json"), link]},
             {"method": "HEAD", "path": ".*/blobs/.*", "status": 200},
             {"method": "PUT", "path": ".*", "status": 201}]
    with HostileWorld(tmp_path, rules) as world:
        done = world.run("copy", image.place, f"{world.registry}/app:1")

        assert_nothing_given_away(world, done)
        assert world.requests(world.other) == []


# --- Sending credentials elsewhere ---

def test_a_redirect_to_another_host_goes_without_credentials_and_its_challenge_gets_no_answer(tmp_path):
    rules = [{"path": ".*/manifests/.*", "status": 401, "times": 1,
              "headers": [("WWW-Authenticate", 'Basic realm="r"'), ("Set-Cookie", "session=1")]},
             {"path": ".*/manifests/.*", "status": 307,
              "headers": [("Location", f"http://{PUBLIC_TOO}:6000/blob?X-Amz-Signature=s1gned")]}]
    other = [{"path": ".*", "status": 401,
              "headers": [("WWW-Authenticate", 'Basic realm="give it to me"')]}]
    with HostileWorld(tmp_path, rules, other_rules=other) as world:
        done = world.run("manifest", f"{world.registry}/app:1")

        assert_refused(world, done, "where the registry keeps this, answered 401")
        assert len(world.requests(world.other)) >= 1
        assert "s1gned" not in done.err


def test_credentials_do_not_go_to_a_token_server_without_tls(tmp_path):
    challenge = {"path": ".*", "status": 401, "headers": [
        ("WWW-Authenticate", f'Bearer realm="http://{PUBLIC_TOO}:6000/token",service="s"')]}
    with HostileWorld(tmp_path, [challenge]) as world:
        done = world.run("digest", f"{world.registry}/app:1")

        assert_refused(world, done, "is another host without TLS; credentials are not sent there")
        assert world.requests(world.other) == []


@pytest.mark.parametrize("what, rule", [
    ("a redirect", {"path": ".*/manifests/.*", "status": 307,
                    "headers": [("Location", f"http://{PUBLIC_TOO}:6000/x")]}),
    ("a redirect to itself", {"path": ".*/manifests/.*", "status": 307,
                              "headers": [("Location", f"http://{PUBLIC}:5000/x")]}),
    ("a realm", {"path": ".*", "status": 401, "headers": [
        ("WWW-Authenticate", f'Bearer realm="http://{PUBLIC_TOO}:6000/token",service="s"')]}),
])
def test_from_tls_nothing_leads_to_plain_http(tmp_path, what, rule):
    with HostileWorld(tmp_path, [rule], tls=True) as world:
        done = world.run("manifest", f"{world.registry}/app:1")

        assert_refused(world, done, "TLS" if what == "a realm" else "from https to http")
        assert world.requests(world.other) == []


def test_an_upload_does_not_go_on_without_tls(tmp_path):
    image = make_image(tmp_path / "layout", [1000])
    rules = [{"method": "POST", "path": ".*", "status": 202,
              "headers": [("Location", f"http://{PUBLIC_TOO}:6000/up")]}]
    with HostileWorld(tmp_path, rules, tls=True) as world:
        done = world.run("copy", image.place, f"{world.registry}/app:1")

        assert_refused(world, done, "without TLS")
        assert world.requests(world.other) == []


def test_an_upload_to_another_host_goes_without_credentials(tmp_path):
    image = make_image(tmp_path / "layout", [1000])
    rules = [{"path": ".*", "status": 401, "times": 1,
              "headers": [("WWW-Authenticate", 'Basic realm="r"')]},
             {"method": "POST", "path": ".*", "status": 202,
              "headers": [("Location", f"http://{PUBLIC_TOO}:6000/up?sig=s1gned")]}]
    other = [{"path": ".*", "status": 401,
              "headers": [("WWW-Authenticate", 'Basic realm="give it to me"')]}]
    with HostileWorld(tmp_path, rules, other_rules=other) as world:
        done = world.run("copy", image.place, f"{world.registry}/app:1")

        assert_refused(world, done, "401")
        assert len(world.requests(world.other)) >= 1
        assert "s1gned" not in done.err


def test_a_registry_with_a_similar_name_gets_no_credentials(tmp_path):
    with HostileWorld(tmp_path, [], other_rules=[
            {"path": ".*", "status": 401, "headers": [("WWW-Authenticate", 'Basic realm="r"')]}]) as world:
        kiln = world.kiln(credentials=False)
        for name in (f"{PUBLIC_TOO}", f"{PUBLIC_TOO}:60", f"x.{PUBLIC_TOO}:6000", "8.8.4.4:6000.evil.test"):
            kiln.knows(name, USER, PASSWORD)
        done = kiln.run("digest", f"{world.other}/app:1", f"--insecure={world.other}")

        assert done.code == 1 and "asks for credentials and none were given" in done.err, done.err
        assert_nothing_given_away(world, done)


# --- Lies about content ---

@pytest.mark.parametrize("headers, body, words", [
    ([("Docker-Content-Digest", DIGEST)], manifest_of(b"a"), f"instead of {DIGEST}"),
    ([], "<html>log in</html>", "manifest: not valid JSON"),
    ([], "[" * 100_000, ""),
    ([], '{"schemaVersion": 1, "fsLayers": []}', ""),
], ids=["another-digest", "a-page", "deep-json", "schema-1"])
def test_a_manifest_that_lies_is_found_out(tmp_path, headers, body, words):
    content = ("Content-Type", "text/html") if "html" in body else ("Content-Type", MANIFEST)
    rule = {"method": "GET", "path": ".*/manifests/.*", "body": body, "headers": [content, *headers]}
    with HostileWorld(tmp_path, [rule, {"method": "HEAD", "path": ".*", "status": 405}]) as world:
        done = world.run("manifest", f"{world.registry}/app:1")

        assert_refused(world, done, words)


def test_other_bytes_than_the_digest_asked_for_are_corrupt(tmp_path):
    with HostileWorld(tmp_path, [says_manifest(manifest_of(b"a"))]) as world:
        done = world.run("manifest", f"{world.registry}/app@{DIGEST}")

        assert_refused(world, done, f"instead of {DIGEST}")


@pytest.mark.parametrize("sent, words", [
    ("other", "the bytes do not match the digest"), ("longer than it is", "is larger than the 5 bytes"),
    ("less", "has 4 bytes instead of 5")])
def test_a_blob_that_lies_is_found_out(tmp_path, sent, words):
    rules = [says_manifest(manifest_of(b"layer")), {"path": ".*/blobs/.*44136fa355b3678a.*", "body": "{}"},
             {"path": ".*/blobs/.*", "body": sent}]
    with HostileWorld(tmp_path, rules) as world:
        done = world.run("copy", f"{world.registry}/app:1", f"oci:{tmp_path}/out")

        assert_refused(world, done, words)


def test_a_push_that_is_stored_as_something_else_is_not_reported_as_done(tmp_path):
    image = make_image(tmp_path / "layout", [1000])
    rules = [{"method": "HEAD", "path": ".*/blobs/.*", "status": 200},
             {"method": "PUT", "path": ".*/manifests/.*", "status": 201,
              "headers": [("Docker-Content-Digest", DIGEST)]}]
    with HostileWorld(tmp_path, rules) as world:
        done = world.run("copy", image.place, f"{world.registry}/app:1")

        assert_refused(world, done, f"the registry answered with {DIGEST} instead of {image.digest}")


# --- Endless and malformed answers ---

@pytest.mark.parametrize("rule, words", [
    (says_manifest("", endless=True), "larger than"),
    ({"path": ".*/manifests/.*", "status": 500, "endless": True}, ""),
    ({"path": ".*", "status": 401, "endless": True,
      "headers": [("WWW-Authenticate", 'Basic realm="r"')]}, ""),
    ({"path": ".*", "raw": "HTTP/1.1 200 OK\r\n" + "X-Fill: " + "y" * 200_000 + "\r\n\r\n"}, "header"),
    ({"path": ".*", "raw": "HTTP/1.1 100 Continue\r\n\r\n" * 5000}, "interim"),
    ({"path": ".*", "raw": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"}, ""),
    ({"path": ".*", "raw": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab"}, ""),
    ({"path": ".*", "raw": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab"}, ""),
    ({"path": ".*", "raw": "\0\1\2 what is this?\r\n\r\n"}, ""),
    ({"path": ".*", "status": 307, "headers": [("Location", "/v2/app/manifests/1")]}, "redirects on"),
    ({"path": ".*", "status": 307, "headers": [("Location", "gopher://x/\x01")]}, ""),
    ({"path": ".*", "status": 401, "headers": [("WWW-Authenticate", 'Bearer realm="' + "a" * 9000)]}, ""),
], ids=["endless-manifest", "endless-error", "endless-401", "huge-header", "interim-flood",
        "two-lengths", "bad-chunk", "huge-chunk", "no-http", "redirect-loop", "bad-location",
        "bad-challenge"])
def test_answers_without_end_or_sense_end_soon(tmp_path, rule, words):
    with HostileWorld(tmp_path, [rule]) as world:
        done = world.run("manifest", f"{world.registry}/app:1", deadline_s=30)

        assert_refused(world, done, words)


def test_a_token_without_end_is_refused(tmp_path):
    rules = [{"path": "/token.*", "body": '{"token": "', "endless": True},
             {"path": ".*", "status": 401, "headers": [
                 ("WWW-Authenticate", f'Bearer realm="http://{PUBLIC}:5000/token",service="s"')]}]
    with HostileWorld(tmp_path, rules) as world:
        done = world.run("manifest", f"{world.registry}/app:1", deadline_s=30)

        assert_refused(world, done, "larger than")


# --- Repeating what it was told ---

@pytest.mark.parametrize("body", [
    '{"errors":[{"code":"DENIED","message":"$AUTHORIZATION"}]}', "you said $AUTHORIZATION",
    "<title>$AUTHORIZATION</title>", f'{{"details": "no user {USER} with {PASSWORD}"}}',
    f"https://{USER}:{PASSWORD}@{PUBLIC}/x?X-Amz-Signature=s1gned&sig=s1gned"],
    ids=["json", "text", "html", "details", "url"])
def test_what_a_registry_repeats_is_not_repeated_by_us(tmp_path, body):
    rules = [{"path": ".*", "status": 401, "times": 1,
              "headers": [("WWW-Authenticate", 'Basic realm="r"')]},
             {"path": ".*", "status": 403, "body": body,
              "headers": [("Warning", '299 - "$AUTHORIZATION"')]}]
    with HostileWorld(tmp_path, rules) as world:
        done = world.run("manifest", f"{world.registry}/app:1")

        assert_refused(world, done, "403")
        assert "s1gned" not in done.err


def test_the_canaries_would_have_noticed(tmp_path):
    """The listeners work: a connection of our own is seen."""
    with HostileWorld(tmp_path, []) as world:
        kiln = world.kiln(credentials=False)
        places = [f"{in_url(address)}:{CANARY_PORTS[2]}" for address in INSIDE.values()]
        for running in [kiln.start("digest", f"{place}/app:1", f"--insecure={place}") for place in places]:
            running.wait()

        seen = {each["canary"] for each in world.end()["canaries"]}
        assert f"{INSIDE['private']}:{CANARY_PORTS[2]}" in seen
        assert f"{INSIDE['loopback']}:{CANARY_PORTS[2]}" in seen
