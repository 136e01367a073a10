"""An API server that is killed, frozen, drained, cut off, busy or without its etcd, and comes back."""

from __future__ import annotations

import datetime
import itertools
import re
import threading

import pytest

from control_plane import Backup, MountedCredentials, api_server_flags, crowd, other_authority, turned_away
from fault_proxy import Fault, FaultProxy
from metrics import builds, metric
from replicas import wait_for
from world import Controller

PAGE = {"index.html": "hello\n"}


@pytest.fixture
def proxy(cluster):
    """Between the controller of `world` and its API server."""
    with FaultProxy(cluster.apiserver.address) as proxy:
        yield proxy


@pytest.fixture
def proxied(place, cluster, proxy):
    """A world whose controller reaches the API server through `proxy`, with watches of 2 to 4 s."""
    kubeconfig = cluster.service_account_kubeconfig("kiln-system", "kiln-controller",
                                                    server=f"https://{proxy.address}",
                                                    file="kubeconfig-proxied")
    with Controller(kubeconfig, place.directory, "--watch-timeout", "4s") as controller:
        place.controller = controller
        place.wait_until("it is ready", lambda: controller.ask("health", "/readyz")[0] == 200)
        yield place


def built(world) -> str:
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    return world.wait_ready()


def builds_again(world, digest: str, text: str = "after\n", deadline_s: float = 60) -> str:
    """An edit of the content gives another image, in status and registry, by one build."""
    before = builds(world.controller)
    world.apply(world.config_map("site-content", {"index.html": text}))

    def done():
        status = world.get().get("status", {})
        return status.get("digest") not in ("", None, digest) and "pending" not in status
    world.wait_until("another image", done, deadline_s)
    assert world.get()["status"]["digest"] == world.registry_digest()
    assert builds(world.controller) == before + 1
    return world.get()["status"]["digest"]


# --- Killed, frozen, drained ---

def test_killed_and_back_with_its_history_lost_what_was_deleted_meanwhile_is_forgotten(proxied, proxy):
    digest = built(proxied)
    proxied.apply(proxied.image_build("other"))
    proxied.wait_ready("other")

    proxy.refuse()
    proxy.now(Fault("cut"))
    proxied.kubectl("delete", "imagebuild", "other")
    proxied.cluster.compact()  # Restarts it, so that watches from before are told 410.
    proxy.accept()

    proxied.wait_until("the one that is gone is forgotten", lambda: metric(
        proxied.controller, "kiln_imagebuilds", ready="true") == 1)
    assert metric(proxied.controller, "kiln_watch_relists_total", reason="expired") >= 1
    builds_again(proxied, digest)


def test_frozen_for_a_while_it_is_waited_for_and_nothing_is_built_twice(world):
    digest = built(world)
    world.cluster.freeze("kube-apiserver")
    try:
        end = threading.Timer(8, world.cluster.thaw, ["kube-apiserver"])
        end.start()
        assert world.controller.ask("health", "/healthz")[0] == 200, "a restart would not help"
    finally:
        end.join()
    builds_again(world, digest)


def test_drained_it_is_left_and_found_again(proxied):
    digest = built(proxied)

    proxied.cluster.terminate("kube-apiserver")
    proxied.cluster.component("kube-apiserver").wait_dead(70)
    proxied.cluster.start_component("kube-apiserver")

    builds_again(proxied, digest)


def test_while_it_is_away_each_watch_waits_longer_and_longer(proxied):
    digest = built(proxied)
    proxied.cluster.kill("kube-apiserver")
    try:
        failures = wait_for("three tries of a watch", lambda: (
            found := failures_of("imagebuilds.kiln.build", proxied.controller)) and len(found) >= 3 and found, 60)
    finally:
        proxied.cluster.start_component("kube-apiserver")
    waits = [(after - before).total_seconds() for before, after in itertools.pairwise(failures)]
    assert all(waited >= 0.8 * 2**number for number, waited in enumerate(waits)), waits
    builds_again(proxied, digest)


def failures_of(watch: str, controller) -> list[datetime.datetime]:
    """When the watch failed, by the log."""
    return [datetime.datetime.fromisoformat(at) for at in re.findall(
        rf"^(\S+)Z warning watch failed type={re.escape(watch)} ", controller.log(), re.M)]


def test_without_its_etcd_it_fails_every_request_and_all_heals_when_etcd_is_back(world):
    digest = built(world)
    world.cluster.kill("etcd")
    try:
        wait_for("the API server misses it", lambda: world.cluster.apiserver.probe() != "", 30)
    finally:
        world.cluster.start_component("etcd")
        wait_for("the API server has found it again",
                 lambda: world.cluster.apiserver.probe() == "", 60)
    builds_again(world, digest)


def test_restored_from_a_backup_it_is_believed_by_a_controller_that_starts_anew(world):
    """As after every restore of etcd: until resourceVersions are as high as before, watches are silent."""
    digest = built(world)
    backup = Backup(world.cluster, world.directory / "backup")
    world.apply(world.image_build(config={"labels": {"is": "lost"}}), world.image_build("other"))
    lost = world.wait_ready(not_digest=digest)
    world.wait_ready("other")

    backup.restore()
    world.controller.stop()
    world.controller.start()

    # The tag holds an image that nothing here knows of.
    message = world.wait_reason("TagMoved")["message"]
    assert lost in message and digest in message
    world.apply(world.image_build(config={"labels": {"is": "new"}}))
    assert world.wait_ready(not_digest=digest) == world.registry_digest() not in (lost, digest)


# --- The way to it ---

def test_a_connection_that_swallows_everything_is_noticed_and_nothing_is_missed(proxied, proxy):
    digest = built(proxied)
    proxy.now(Fault("blackhole"))  # All open connections, the watches too; no end, no reset.
    builds_again(proxied, digest)


def test_connections_that_are_reset_again_and_again_cost_no_event(proxied, proxy):
    digest = built(proxied)
    for round_ in range(3):
        proxy.now(Fault("reset"))
        digest = builds_again(proxied, digest, f"round {round_}\n")
    assert metric(proxied.controller, "kiln_watch_relists_total") == 0


def test_watches_that_lag_behind_our_own_writes_cause_no_second_build(place, cluster, proxy):
    kubeconfig = cluster.service_account_kubeconfig("kiln-system", "kiln-controller",
                                                    server=f"https://{proxy.address}",
                                                    file="kubeconfig-lagging")
    proxy.every(Fault("delay", "down", seconds=0.7))
    with Controller(kubeconfig, place.directory) as controller:
        place.controller = controller
        place.wait_until("it is ready", lambda: controller.ask("health", "/readyz")[0] == 200)
        proxy.every()  # The watches stay slow; connections from now on are not.
        digest = built(place)
        assert builds(controller) == 1
        builds_again(place, digest)


# --- Busy, and other certificates ---

def test_a_server_that_turns_requests_away_is_asked_again_later(place, cluster):
    credentials = MountedCredentials(cluster, place.directory / "account")
    with api_server_flags(cluster, "--enable-priority-and-fairness=false", "--max-requests-inflight=1",
                          "--max-mutating-requests-inflight=1"):
        with Controller(credentials.kubeconfig, place.directory) as controller:
            place.controller = controller
            with crowd(cluster, credentials.mint(3600), size=3):
                digest = built(place)
                place.wait_until("it was turned away", lambda: metric(
                    controller, "rest_client_requests_total", code="429") >= 1)
                builds_again(place, digest)


def test_watches_that_are_turned_away_are_opened_again_where_they_were(proxied):
    digest = built(proxied)
    with turned_away(proxied.cluster, "kiln-system", "kiln-controller"):
        for watch in ("imagebuilds.kiln.build", "configmaps"):
            proxied.wait_until(f"the watch of {watch} was turned away", lambda which=watch: re.search(
                rf'watch failed type={which} state="about to watch" error=".* answered 429',
                proxied.controller.log()))
    builds_again(proxied, digest)
    assert metric(proxied.controller, "kiln_watch_relists_total") == 0, "to list would not help it"


def test_a_server_with_a_certificate_of_a_new_authority_is_trusted_as_soon_as_the_file_says_so(
        place, cluster):
    credentials = MountedCredentials(cluster, place.directory / "account")
    with Controller(credentials.kubeconfig, place.directory) as controller:
        place.controller = controller
        digest = built(place)
        old = cluster.ca_file.read_text()
        with other_authority(cluster, place.directory / "pki") as (new, use):
            credentials.put_authorities(old + new)
            use()
            builds_again(place, digest)
            assert "certificates for the API server have changed" in controller.log()


# --- Others write, too ---

def test_somebody_who_writes_the_object_all_the_time_costs_no_status_and_no_second_build(world):
    digest = built(world)
    stop = threading.Event()

    def annotate() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            world.kubectl("annotate", "--overwrite", "imagebuild", "site", f"example.com/number={number}")

    writer = threading.Thread(target=annotate)
    writer.start()
    try:
        for round_ in range(3):
            digest = builds_again(world, digest, f"round {round_}\n")
    finally:
        stop.set()
        writer.join()
