"""Of several replicas one works, the others stand by, and nobody writes who does not lead."""

from __future__ import annotations

import signal
import time

from fault_proxy import Fault
from metrics import metric
from replicas import LEASE, SYSTEM, wait_for
from tls_fault_proxy import TlsFaultProxy

PAGE = {"index.html": "hello\n"}


def test_one_leads_and_builds_and_the_other_stands_by_and_is_ready(place, replicas):
    first = replicas.start("one")
    replicas.wait_leading(first)
    second = replicas.start("two")
    replicas.wait_standing_by(second)
    place.apply(place.config_map("site-content", PAGE), place.image_build())

    place.wait_ready()

    assert {write.user for write in replicas.writes() if write.subresource == "status"} == {first.user}
    assert [metric(replica, "leader_election_master_status") for replica in (first, second)] == [1, 0]
    assert second.ask("health", "/readyz") == (200, "ok\n"), "ready to take over is ready"
    assert second.ask("health", "/healthz") == (200, "ok\n")
    assert "[+]leader-election ok: leader; the lease was last renewed" in first.ask(
        "health", "/healthz?verbose")[1]
    assert replicas.lease()["leaseTransitions"] == 0


def test_after_kill_9_the_other_takes_over_when_the_lease_is_over(place, replicas):
    first = replicas.start("one")
    replicas.wait_leading(first)
    second = replicas.start("two")
    replicas.wait_standing_by(second)
    place.apply(place.config_map("site-content", PAGE), place.image_build())
    digest = place.wait_ready()

    first.kill()
    place.apply(place.config_map("site-content", {"index.html": "after\n"}))

    assert place.wait_ready(not_digest=digest) == place.registry_digest()
    assert second.election() == "leading"
    assert replicas.lease()["leaseTransitions"] == 1


def test_a_leader_that_was_frozen_writes_nothing_after_the_other_took_over(place, replicas):
    first = replicas.start("one")
    replicas.wait_leading(first)
    second = replicas.start("two")
    replicas.wait_standing_by(second)
    place.apply(place.config_map("site-content", PAGE), place.image_build())
    digest = place.wait_ready()

    place.cluster.freeze("registry")
    try:
        place.apply(place.config_map("site-content", {"index.html": "after\n"}))
        place.wait_until("it is in the middle of a build",
                         lambda: metric(first, "controller_runtime_active_workers") == 1)
        first.signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
    finally:
        place.cluster.thaw("registry")
    replicas.wait_leading(second)
    assert place.wait_ready(not_digest=digest) == place.registry_digest()
    time.sleep(max(0.0, frozen_at + 20 - time.monotonic()))  # As long as the lease, three times.
    first.signal(signal.SIGCONT)

    assert first.exit_code(10) != 0
    assert "the lead was lost" in first.log()
    since = replicas.acquired(second)
    assert [vars(write) for write in replicas.writes(first) if write.ended > since] == []
    assert place.get()["status"]["digest"] == place.registry_digest()


def test_a_leader_without_an_api_server_steps_down_before_the_lease_is_over(place, replicas):
    first = replicas.start("one")
    replicas.wait_leading(first)
    renewed = time.monotonic()

    place.cluster.freeze("kube-apiserver")
    try:
        assert first.exit_code(10) == 1
        assert time.monotonic() - renewed < 6, "others may take over from then on"
    finally:
        place.cluster.thaw("kube-apiserver")
    assert "the lease was not renewed for 4s" in first.log()


def test_a_renewal_that_hangs_is_given_up_in_time_for_another(place, cluster, replicas):
    with TlsFaultProxy(cluster.apiserver.address, cluster.authority, "kube-apiserver") as proxy:
        first = replicas.start("one", server=f"https://{proxy.address}")
        replicas.wait_leading(first)
        proxy.once(Fault("blackhole", after_text="PUT /apis/coordination.k8s.io/"))
        place.wait_until("a renewal hangs", lambda: proxy.stats()["faults"] == 1)
        hanging = replicas.lease()["renewTime"]

        place.wait_until("it is renewed", lambda: replicas.lease()["renewTime"] != hanging, 10)

        assert first.election() == "leading"
        assert replicas.lease()["leaseTransitions"] == 0
        assert "writing the lease took longer than 2s" in first.log(), "half of the renew deadline"
        assert first.stop() == 0


def test_a_lease_that_somebody_annotates_is_renewed_all_the_same_and_keeps_the_annotation(place, replicas):
    first = replicas.start("one")
    replicas.wait_leading(first)
    place.cluster.kubectl("-n", SYSTEM, "annotate", "lease", LEASE, "example.com/note=seen")
    annotated = replicas.lease()["renewTime"]

    place.wait_until("it is renewed", lambda: replicas.lease()["renewTime"] != annotated, 10)

    written = [write.code for write in replicas.writes(first, "leases")]
    assert written[-1] == 200 and 409 in written, "the next renewal met the annotation"
    assert first.election() == "leading"
    assert replicas.lease()["leaseTransitions"] == 0
    assert "seen" in place.cluster.kubectl("-n", SYSTEM, "get", "lease", LEASE, "-o", "json")


def test_who_ends_in_good_order_gives_the_lease_back_and_the_other_has_it_at_once(place, replicas):
    first = replicas.start("one", lease_s=60, renew_s=40)
    replicas.wait_leading(first)
    second = replicas.start("two", lease_s=60, renew_s=40)
    replicas.wait_standing_by(second)
    place.apply(place.config_map("site-content", PAGE), place.image_build())
    digest = place.wait_ready()

    assert first.stop() == 0
    replicas.wait_leading(second, deadline_s=10)

    released = replicas.writes(first, "leases")[-1]
    assert released.body["spec"]["holderIdentity"] == ""
    assert released.code == 200
    place.apply(place.config_map("site-content", {"index.html": "after\n"}))
    assert place.wait_ready(not_digest=digest) == place.registry_digest()


def test_the_lease_is_given_back_only_when_the_last_build_has_ended(place, replicas):
    first = replicas.start("one", lease_s=60, renew_s=40)
    replicas.wait_leading(first)
    place.cluster.freeze("registry")
    try:
        place.apply(place.config_map("site-content", PAGE), place.image_build())
        place.wait_until("it is in the middle of a build",
                         lambda: metric(first, "controller_runtime_active_workers") == 1)
        first.signal(signal.SIGTERM)
        wait_for("it is stopping", lambda: first.ask("health", "/readyz")[0] == 503, 10)
        assert replicas.lease()["holderIdentity"] != ""
    finally:
        place.cluster.thaw("registry")

    assert first.exit_code(30) == 0
    assert replicas.lease()["holderIdentity"] == ""
    written = replicas.writes(first)
    assert written[-1].resource == "leases", "and not before the last status"
    assert any(write.subresource == "status" for write in written)
