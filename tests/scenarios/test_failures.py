"""Each failure gives a condition that says what is wrong, and heals when its cause goes."""

from __future__ import annotations

import base64
import json

import pytest

PAGE = {"index.html": "hello\n"}


def docker_config(world, name: str, registry: str, user: str, password: str) -> dict:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    config = json.dumps({"auths": {registry: {"auth": auth}}})
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "namespace": world.namespace},
            "stringData": {".dockerconfigjson": config}}


def test_a_missing_config_map_is_named_and_heals_when_it_comes(world):
    world.apply(world.image_build())

    condition = world.wait_reason("ConfigMapNotFound")
    assert condition["status"] == "False"
    assert "site-content" in condition["message"]

    world.apply(world.config_map("site-content", PAGE))
    world.wait_ready()
    assert not world.condition("Stalled")


def test_a_missing_base_is_named_and_heals_when_it_is_pushed(world):
    import base_image
    late = f"{world.registry}/{world.namespace}/late:1"
    world.apply(world.config_map("site-content", PAGE), world.image_build(base={"image": late}))

    condition = world.wait_reason("BaseNotFound")
    assert f"{world.namespace}/late" in condition["message"]

    base_image.push(late)
    world.wait_ready()


def test_a_platform_that_the_base_lacks_is_named(world):
    world.apply(world.config_map("site-content", PAGE),
                world.image_build(base={"image": world.base, "platforms": ["linux/s390x"]}))
    condition = world.wait_reason("PlatformNotFound")
    assert "linux/s390x" in condition["message"]


@pytest.fixture(scope="module")
def private_registry(cluster):
    return cluster.add_registry("private", users={"kiln": "right-password"})


def test_a_refused_login_is_told_without_the_password_and_heals_with_the_right_one(
        world, private_registry):
    output = {"image": f"{private_registry.address}/{world.namespace}/site:latest",
              "secretRef": {"name": "push"}}
    world.apply(docker_config(world, "push", private_registry.address, "kiln", "wrong-password"),
                world.config_map("site-content", PAGE), world.image_build(output=output))

    condition = world.wait_reason("AuthenticationFailed")
    assert private_registry.address in condition["message"]
    assert condition["message"].endswith("; they are from the Secret push (spec.output.secretRef)")

    world.apply(docker_config(world, "push", private_registry.address, "kiln", "right-password"))
    world.wait_ready()
    everything = world.controller.log() + json.dumps(world.get_all()) + json.dumps(world.events())
    assert "wrong-password" not in everything
    assert "right-password" not in everything


def test_the_service_accounts_pull_secrets_are_used_without_a_secret_ref(world, private_registry):
    world.apply(docker_config(world, "pull", private_registry.address, "kiln", "right-password"),
                *by_account(world, private_registry))
    world.wait_ready()


def by_account(world, registry) -> list[dict]:
    """A service account with a pull secret, and an ImageBuild that pushes by it."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "imagePullSecrets": [{"name": "pull"}],
               "metadata": {"name": "builder", "namespace": world.namespace}}
    output = {"image": f"{registry.address}/{world.namespace}/site:latest"}
    return [account, world.config_map("site-content", PAGE),
            world.image_build(output=output, serviceAccountName="builder")]


@pytest.mark.parametrize("first", ["wrong", "missing"])
def test_a_pull_secret_of_the_service_account_heals_at_once(world, patient, private_registry, first):
    address = private_registry.address
    if first == "wrong":
        world.apply(docker_config(world, "pull", address, "kiln", "wrong-password"))
    world.apply(*by_account(world, private_registry))
    assert address in world.wait_reason("AuthenticationFailed")["message"]

    world.apply(docker_config(world, "pull", address, "kiln", "right-password"))

    world.wait_ready()


def test_a_missing_secret_is_named(world):
    output = {"image": f"{world.registry}/{world.namespace}/site:latest",
              "secretRef": {"name": "nowhere"}}
    world.apply(world.config_map("site-content", PAGE), world.image_build(output=output))
    assert "nowhere" in world.wait_reason("SecretNotFound")["message"]


def test_an_unreachable_registry_is_told_and_heals_when_it_is_back(world, cluster):
    away = cluster.add_registry("away")
    cluster.kill("away")
    output = {"image": f"{away.address}/{world.namespace}/site:latest"}
    world.apply(world.config_map("site-content", PAGE), world.image_build(output=output))

    condition = world.wait_reason("RegistryUnavailable")
    assert away.address in condition["message"]
    assert "last build" not in condition["message"]
    assert world.condition("Reconciling")["status"] == "True"

    cluster.start_component("away")
    world.wait_ready()


def test_an_edit_that_waits_for_a_frozen_registry_says_so_and_is_built_when_it_answers(world, cluster):
    frozen = cluster.add_registry("frozen")
    world.apply(world.config_map("site-content", PAGE), world.image_build(
        output={"image": f"{frozen.address}/{world.namespace}/site:latest"}))
    before = world.wait_ready()
    cluster.freeze("frozen")
    try:
        world.apply(world.config_map("site-content", {"index.html": "edited\n"}))

        waiting = world.wait_until("it says what it waits for", lambda: world.condition("Reconciling"))

        assert waiting["reason"] == "Progressing"
        assert waiting["message"] == f"comparing with the last build: waiting for {frozen.address}"
        assert world.condition()["status"] == "True"
    finally:
        cluster.thaw("frozen")
    world.wait_ready(not_digest=before)
    world.wait_until("it is over", lambda: not world.condition("Reconciling"))


def test_what_cannot_be_removed_is_said_as_long_as_the_image_stands(world):
    world.apply(world.config_map("site-content", PAGE),
                world.image_build(remove=["/etc/nginx/ngnix.conf"]))
    world.wait_ready()
    assert world.condition()["message"].endswith(
        "; warning: remove: /etc/nginx/ngnix.conf is not in the base")
    event = world.wait_until("there is an Event", lambda: next(
        (e for e in world.events() if e["reason"] == "BuildWarning"), None))
    assert event["note"] == "remove: /etc/nginx/ngnix.conf is not in the base"


def test_content_that_does_not_fit_the_base_says_what_to_remove(world):
    world.apply(world.config_map("site-content", {"nginx": "a file"}),
                world.image_build(remove=[], content=[
                    {"configMap": {"name": "site-content"}, "path": "/usr/share"}]))
    condition = world.wait_reason("ContentInvalid")
    assert "add /usr/share/nginx to remove" in condition["message"]
    assert world.condition("Stalled")["status"] == "True"


@pytest.mark.parametrize("sentence, change", [
    ("unknown field", {"entrypoint": ["x"]}),
    ("more than one source", {"content": [{"configMap": {"name": "a"}, "inline": {"files": {"a": "b"}},
                                  "path": "/srv"}]}),
    ("absolute", {"remove": ["usr/share"]}),
    ("..", {"remove": ["/usr/../etc"]}),
])
def test_a_wrong_manifest_is_refused_by_the_api_server_with_a_sentence(world, sentence, change):
    assert sentence in world.refusal_of(world.image_build(**change))


def test_a_suspended_image_build_waits(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build(suspend=True))
    world.wait_reason("Suspended")

    world.apply(world.image_build(suspend=False))
    world.wait_ready()


def test_two_image_builds_with_one_tag_do_not_fight(world):
    output = {"image": f"{world.registry}/{world.namespace}/site:latest"}
    world.apply(world.config_map("site-content", PAGE), world.image_build("first", output=output))
    world.wait_ready("first")
    world.apply(world.image_build("second", output=output, config={"labels": {"a": "b"}}))
    assert "first" in world.wait_reason("TagContested", "second")["message"]

    world.kubectl("delete", "imagebuild", "first")
    world.wait_ready("second")


def test_the_api_server_is_no_registry(world, cluster):
    address = cluster.apiserver.url.removeprefix("https://")
    world.apply(world.config_map("site-content", PAGE),
                world.image_build(base={"image": f"{address}/team/base:1", "insecure": True}))
    condition = world.wait_reason("EgressDenied")
    assert world.condition("Stalled")["status"] == "True"
    assert address.split(":")[0] in condition["message"]
