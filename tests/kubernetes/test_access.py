"""Tokens that expire or are revoked, rights that are withdrawn, a CRD that is deleted: and all comes back."""

from __future__ import annotations

import json
import time

import pytest

from connect_proxy import ConnectProxy
from control_plane import MountedCredentials, loose_schema
from kubectl import KubectlError
from metrics import metric
from replicas import SYSTEM
from world import ROOT, Controller

PAGE = {"index.html": "hello\n"}
CRD = ROOT / "crds" / "kiln.build_imagebuilds.yaml"


@pytest.fixture
def account(cluster, tmp_path):
    return MountedCredentials(cluster, tmp_path / "account")


def rebuilt(world, digest: str, text: str) -> str:
    world.apply(world.config_map("site-content", {"index.html": text}))
    return world.wait_ready(not_digest=digest)


def refused(controller) -> float:
    return metric(controller, "rest_client_requests_total", code="401")


# --- Tokens ---

def test_a_token_that_expires_is_replaced_by_the_one_in_the_file(place, account):
    account.put_token(account.mint(-50))  # Ten seconds, of the leeway of sixty.
    with Controller(account.kubeconfig, place.directory) as controller:
        place.controller = controller
        place.apply(place.config_map("site-content", PAGE), place.image_build())
        digest = place.wait_ready()

        account.put_token(account.mint(3600))  # As the kubelet does, in good time.
        end, round_ = time.monotonic() + 60, 0
        while refused(controller) == 0:
            assert time.monotonic() < end, "the old one should have been refused"
            round_ += 1
            digest = rebuilt(place, digest, f"round {round_}\n")

        assert rebuilt(place, digest, "after\n") == place.registry_digest()


def test_a_revoked_token_is_told_and_all_heals_with_a_new_one(place, account, cluster):
    cluster.kubectl("-n", SYSTEM, "create", "secret", "generic", "bound")
    account.put_token(cluster.kubectl(
        "-n", SYSTEM, "create", "token", "kiln-controller", "--duration=10m",
        "--bound-object-kind=Secret", "--bound-object-name=bound").strip())
    with Controller(account.kubeconfig, place.directory, "--watch-timeout", "4s") as controller:
        place.controller = controller
        place.apply(place.config_map("site-content", PAGE), place.image_build())
        digest = place.wait_ready()

        cluster.kubectl("-n", SYSTEM, "delete", "secret", "bound")
        place.wait_until("the watches are refused", lambda: "Unauthorized" in controller.ask(
            "health", "/readyz?verbose")[1])
        assert controller.ask("health", "/healthz")[0] == 200
        assert controller.ask("health", "/readyz")[0] == 200, "less traffic would not help"

        account.put_token(account.mint(3600))
        assert rebuilt(place, digest, "after\n") == place.registry_digest()


def test_a_server_that_only_a_proxy_finds_is_reached_by_the_proxy_of_the_kubeconfig(place, cluster):
    port = cluster.apiserver.address.rpartition(":")[2]
    name = "kubernetes.default.svc"  # Its certificate has it, and nothing here resolves it.
    kubeconfig = cluster.service_account_kubeconfig(SYSTEM, "kiln-controller", server=f"https://{name}:{port}",
                                                    file="kubeconfig-by-proxy")
    with ConnectProxy(name, cluster.apiserver.address) as proxy:
        kubeconfig.write_text(kubeconfig.read_text().replace(
            "    server: ", f"    proxy-url: {proxy.url}\n    server: "))
        with Controller(kubeconfig, place.directory) as controller:
            place.controller = controller
            place.apply(place.config_map("site-content", PAGE), place.image_build())
            assert place.wait_ready() == place.registry_digest()
            assert set(proxy.asked) == {f"{name}:{port}"}, "registries are no business of it"


# --- Rights and types ---

def test_rights_on_image_builds_that_are_withdrawn_and_restored(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    digest = world.wait_ready()
    role = json.loads(world.cluster.kubectl("get", "clusterrole", "kiln-controller", "-o", "json"))
    del role["metadata"]["resourceVersion"]
    less = {**role, "rules": [rule for rule in role["rules"] if "imagebuilds/status" not in rule["resources"]]}

    world.cluster.kubectl("replace", "-f", "-", input=json.dumps(less))
    try:
        world.apply(world.config_map("site-content", {"index.html": "forbidden\n"}))
        world.wait_until("the status cannot be written",
                         lambda: "cannot update resource" in world.controller.log())
        assert world.get()["status"]["digest"] == digest
    finally:
        world.cluster.kubectl("replace", "-f", "-", input=json.dumps(role))

    assert world.wait_ready(not_digest=digest) == world.registry_digest()


def nested(depth: int) -> list:
    inner: list = []
    for _ in range(depth):
        inner = [inner]
    return inner


ODD = {"a-number-for-an-object": {"base": 7},
       "a-number-that-does-not-fit": {"historyLimit": 10**30},
       "much-text-for-a-list": {"content": "x" * (1 << 20)},
       "lists-in-lists": {"content": nested(300)}}


def test_an_image_build_that_cannot_be_read_is_counted_and_the_others_go_on(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    digest = world.wait_ready()

    with loose_schema(world.cluster, CRD):
        for name, fields in ODD.items():
            odd = world.image_build(name, **fields)
            world.wait_until(f"the API server takes {name}", lambda taken=odd: _is_taken(world, taken))
        world.wait_until("they are counted", lambda: metric(
            world.controller, "kiln_unreadable_imagebuilds_total") >= len(ODD))
        rebuilt(world, digest, "after\n")
        for name in ODD:
            assert "status" not in world.get(name), name
        assert all(name in world.controller.log() for name in ODD)

    for name in ODD:
        world.kubectl("replace", "-f", "-", input=json.dumps(world.image_build(name)))
        assert world.wait_ready(name) == world.registry_digest(name)


def _is_taken(world, manifest: dict) -> bool:
    try:
        world.kubectl("create", "-f", "-", input=json.dumps(manifest))  # Adds no copy as an annotation.
        return True
    except KubectlError:
        return False


def test_a_crd_that_is_deleted_and_created_again_is_followed(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    world.wait_ready()

    world.cluster.kubectl("delete", "-f", str(CRD), "--timeout=30s")
    try:
        world.wait_until("its ImageBuilds are forgotten", lambda: metric(
            world.controller, "kiln_imagebuilds") == 0)
        assert world.controller.ask("health", "/healthz")[0] == 200
    finally:
        world.cluster.kubectl("apply", "-f", str(CRD))
        world.cluster.wait_established("imagebuilds.kiln.build")

    world.apply(world.config_map("site-content", {"index.html": "again\n"}), world.image_build())
    assert world.wait_ready() == world.registry_digest()
