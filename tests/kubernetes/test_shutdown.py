"""How a controller ends: in good order, at once, or without a word, and what that leaves behind."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import threading
import time

import pytest

from fault_proxy import Fault, FaultProxy
from kubernetes_api import KubernetesApi
from metrics import metric
from world import Controller

PAGE = {"index.html": "hello\n"}
KILLS = int(os.environ.get("KILN_TEST_KILLS", "10"))
IDLE_S = int(os.environ.get("KILN_TEST_IDLE_SECONDS", "10"))
IDLE_BUILDS = int(os.environ.get("KILN_TEST_IDLE_BUILDS", "20"))


def test_a_build_that_is_cut_off_was_interrupted_and_has_not_failed(place, controller_kubeconfig):
    with FaultProxy(place.registry) as registry, Controller(
            controller_kubeconfig, place.directory, "--graceful-shutdown-timeout", "1s") as controller:
        place.controller = controller
        registry.once(Fault("blackhole", after_text="POST /v2/"))  # The first upload hangs.
        place.apply(place.config_map("site-content", PAGE), place.image_build(
            output={"image": f"{registry.address}/{place.namespace}/site:latest"}))
        place.wait_reason("Progressing")
        place.wait_until("it pushes", lambda: registry.stats()["faults"] == 1)

        assert controller.stop(deadline_s=10) == 0

        ready = place.condition()
        assert (ready["status"], ready["reason"]) == ("Unknown", "Interrupted")
        assert place.condition("Reconciling")["status"] == "True"
        assert not place.condition("Stalled")
        controller.start()
        assert place.wait_ready() == place.registry_digest()


def test_a_second_signal_ends_it_at_once(place, controller_kubeconfig):
    with Controller(controller_kubeconfig, place.directory,
                    "--graceful-shutdown-timeout", "60s") as controller:
        place.controller = controller
        place.wait_until("it is ready", lambda: controller.ask("health", "/readyz")[0] == 200)
        place.cluster.freeze("registry")
        try:
            place.apply(place.config_map("site-content", PAGE), place.image_build())
            place.wait_until("it builds", lambda: metric(
                controller, "controller_runtime_active_workers") == 1)
            controller.signal(signal.SIGTERM)
            place.wait_until("it stops", lambda: controller.ask("health", "/readyz")[0] == 503)
            began = time.monotonic()

            assert controller.stop(deadline_s=5) == 1

            assert time.monotonic() - began < 2
        finally:
            place.cluster.thaw("registry")


# --- Without a word ---

def test_kill_9_at_any_moment_while_image_builds_come_change_and_go(
        place, controller_kubeconfig, monkeypatch):
    spool = place.directory / "tmp"
    spool.mkdir()
    monkeypatch.setenv("TMPDIR", str(spool))
    seed = random.randrange(1 << 30)
    print(f"seed {seed}, {KILLS} kills")
    chance = random.Random(seed)
    names = [f"site-{number}" for number in range(5)]
    texts = dict.fromkeys(names, "")
    pushed: dict[str, set[str]] = {}
    with Controller(controller_kubeconfig, place.directory) as controller:
        place.controller = controller
        for round_ in range(KILLS):
            for name in chance.sample(names, 2):
                if texts[name] and chance.random() < 0.2:
                    place.kubectl("delete", "imagebuild", name)
                    texts[name] = ""
                else:
                    texts[name] = f"{name} round {round_}\n"
                    place.apply(place.image_build(name, remove=[], content=[
                        {"inline": {"files": {"text": texts[name]}}, "path": "/srv"}]))
            time.sleep(chance.uniform(0, 0.6))
            controller.kill()
            _note_digests(place, pushed)
            controller.start()

        for name in names:
            if texts[name]:
                assert place.wait_ready(name) == place.registry_digest(name), name
                assert place.file_in_image("/srv/text", name) == texts[name]
                assert "pending" not in place.get(name)["status"]
        _note_digests(place, pushed)
        assert controller.stop() == 0
    assert {key: digests for key, digests in pushed.items() if len(digests) > 1} == {}
    assert list(spool.rglob("*")) == []
    print(f"{controller.log().count(' info image pushed ')} builds, {len(pushed)} inputs with one digest each")


def _note_digests(place, pushed: dict[str, set[str]]) -> None:
    """What the statuses say of each input key."""
    for build in place.get_all():
        status = build.get("status", {})
        for one in [status, status.get("pending") or {}, *(status.get("history") or [])]:
            if one.get("inputKey") and one.get("digest"):
                pushed.setdefault(one["inputKey"], set()).add(one["digest"])


# --- Nothing to do ---

def test_idle_nothing_is_written_but_the_lease(place, replicas):
    replica = replicas.start("one")
    replicas.wait_leading(replica)
    interval_s = max(2, IDLE_BUILDS // 50)
    place.apply(place.config_map("site-content", PAGE))
    with contextlib.closing(KubernetesApi(place.cluster.apiserver, place.namespace)) as api:
        for number in range(IDLE_BUILDS):
            api.create_build(f"site-{number}", place.image_build(f"site-{number}", interval=f"{interval_s}s")["spec"])
    place.wait_until("all are built", lambda: metric(
        replica, "kiln_imagebuilds", ready="true") == IDLE_BUILDS, 60 + IDLE_BUILDS)
    place.wait_until("all is told", lambda: len(place.events()) >= IDLE_BUILDS)
    before, versions = len(replicas.writes(replica)), _versions(place)
    reconciles = metric(replica, "controller_runtime_reconcile_total")

    threading.Event().wait(IDLE_S)  # What is tested is that nothing happens meanwhile.

    assert {write.resource for write in replicas.writes(replica)[before:]} == {"leases"}
    assert _versions(place) == versions
    looks = metric(replica, "controller_runtime_reconcile_total") - reconciles
    assert looks > IDLE_BUILDS * (IDLE_S / interval_s) / 4, "it did look"
    print(f"{IDLE_BUILDS} ImageBuilds, {IDLE_S} s: {looks:.0f} looks, "
          f"{len(replicas.writes(replica)) - before} writes of the Lease")


def _versions(place) -> dict[str, str]:
    return {build["metadata"]["name"]: build["metadata"]["resourceVersion"] for build in place.get_all()}


# --- Clocks ---

def test_a_clock_that_jumps_costs_no_lease_and_no_token(place, cluster, replicas, monkeypatch, tmp_path):
    offset = tmp_path / "offset"
    offset.write_text("+0")
    for name, value in {"LD_PRELOAD": _libfaketime(), "FAKETIME_TIMESTAMP_FILE": str(offset),
                        "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                        "DONT_FAKE_MONOTONIC": "1"}.items():
        monkeypatch.setenv(name, value)
    replica = replicas.start("one")
    for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE"):
        monkeypatch.delenv(name)
    replicas.wait_leading(replica)
    place.apply(place.config_map("site-content", PAGE), place.image_build())
    digest = place.wait_ready()

    for jump in ("+1h", "+0"):
        offset.write_text(jump)
        renewed = replicas.lease()["renewTime"]
        place.wait_until("the lease is renewed", lambda was=renewed: replicas.lease()["renewTime"] != was)
        place.apply(place.config_map("site-content", {"index.html": f"{jump}\n"}))
        digest = place.wait_ready(not_digest=digest)

    assert replica.election() == "leading"
    assert replicas.lease()["leaseTransitions"] == 0


def _libfaketime() -> str:
    found = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("there is no libfaketime; its Debian package is faketime")
    return str(found[0])
