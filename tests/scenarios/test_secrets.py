"""What the controller says at the level `trace`, and what it writes, holds no secret of a registry."""

from __future__ import annotations

import base64
import json
import sys

import pytest

from world import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))
from hostile_registry import HostileRegistry, Rule, Seen  # noqa: E402  (found through the line above)
from token_server import USER, TokenServer  # noqa: E402

PAGE = {"index.html": "hello\n"}
PASSWORD = "canary-c0ntroller-password"


def credentials(world, name: str, registry: str, password: str) -> dict:
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "namespace": world.namespace},
            "stringData": {".dockerconfigjson": json.dumps({"auths": {registry: {"auth": auth}}})}}


def everything(world) -> str:
    """Log, objects, events and metrics."""
    return (world.controller.log() + json.dumps(world.get_all()) + json.dumps(world.events())
            + world.controller.ask("metrics", "/metrics")[1])


@pytest.fixture
def tokens(tmp_path):
    with TokenServer(tmp_path / "tokens", PASSWORD) as tokens:
        yield tokens


def test_no_secret_is_in_log_status_events_or_metrics(world, cluster, tokens):
    world.controller.ask("health", "/loglevel", "PUT", "trace")
    private = cluster.add_registry("tokens", settings=tokens.registry_settings())
    # One that repeats what it is told, in errors and warnings.
    echo = HostileRegistry(("127.0.0.1", 0), [
        Rule(path=".*", status=401, times=1, headers=[("WWW-Authenticate", 'Basic realm="r"')]),
        Rule(path=".*", status=403, headers=[("Warning", '299 - "$AUTHORIZATION"')],
             body='{"errors": [{"code": "DENIED", "message": "$AUTHORIZATION"}]}')], Seen())
    wrong = "canary-wr0ng-password"
    world.apply(
        world.config_map("site-content", PAGE),
        credentials(world, "right", private.address, PASSWORD),
        credentials(world, "wrong", private.address, wrong),
        credentials(world, "echo", echo.address, PASSWORD),
        *(world.image_build(name, output={"image": f"{place}/{world.namespace}/{name}:latest",
                                          "secretRef": {"name": name}})
          for name, place in (("right", private.address), ("wrong", private.address),
                              ("echo", echo.address))))

    world.wait_ready("right")
    world.wait_reason("AuthenticationFailed", "wrong")
    world.wait_until("the echo refused", lambda: world.condition("Ready", "echo").get("status") == "False")

    text = everything(world)
    assert "trace request to a registry" in text and tokens.given
    for secret in (PASSWORD, wrong, *tokens.given):
        assert secret not in text
        assert base64.b64encode(f"{USER}:{secret}".encode()).decode() not in text
