"""A create takes place, and its answer is lost on the way: nothing is there twice, and all goes on."""

from __future__ import annotations

import json
import re

import pytest

from fault_proxy import Fault
from metrics import metric
from replicas import SYSTEM
from tls_fault_proxy import TlsFaultProxy

PAGE = {"index.html": "hello\n"}


@pytest.fixture
def proxy(cluster):
    """Between replicas and their API server; it reads along."""
    with TlsFaultProxy(cluster.apiserver.address, cluster.authority, "kube-apiserver") as proxy:
        yield proxy


def lose_the_answer_to_the_next_create(proxy, kind: str = "cut") -> None:
    proxy.once(Fault(kind, "down", after_text="HTTP/1.1 201"))


def complaints(replica, about: str) -> list[str]:
    """The warnings and errors of its log that begin so, without the time."""
    return re.findall(rf"^\S+Z (?:warning|error) ({about}.*)$", replica.log(), re.M)


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_lease_whose_creation_was_not_answered_is_found_to_be_ours(place, proxy, replicas, kind):
    lose_the_answer_to_the_next_create(proxy, kind)
    replica = replicas.start("one", server=f"https://{proxy.address}")
    replicas.wait_leading(replica)
    assert proxy.stats()["faults"] == 1

    place.apply(place.config_map("site-content", PAGE), place.image_build())
    assert place.wait_ready() == place.registry_digest()

    of_lease = replicas.writes(replica, "leases")
    assert [write.code for write in of_lease if write.verb == "create"] == [201]
    assert of_lease[1].verb == "update", "it was read again"
    leases = json.loads(place.cluster.kubectl("-n", SYSTEM, "get", "leases", "-o", "json"))["items"]
    assert len(leases) == 1
    assert replicas.lease()["leaseTransitions"] == 0
    [said] = complaints(replica, "lease")
    assert said.startswith("lease cannot be written error="), said


def test_an_event_whose_creation_was_not_answered_is_there_once(place, proxy, replicas):
    replica = replicas.start("one", server=f"https://{proxy.address}")
    replicas.wait_leading(replica)
    lose_the_answer_to_the_next_create(proxy)
    place.apply(place.image_build())  # Its ConfigMap is missing, which is told by an Event.
    place.wait_reason("ConfigMapNotFound")
    place.wait_until("the answer was lost", lambda: proxy.stats()["faults"] == 1)
    place.apply(place.config_map("site-content", PAGE))
    place.wait_ready()

    place.kubectl("delete", "configmap", "site-content")  # The same once more.

    def events() -> list[dict]:
        return [event for event in place.events() if event["reason"] == "ConfigMapNotFound"]
    place.wait_until("it is told of two times", lambda: [
        event.get("series", {}).get("count") for event in events()] == [2])
    [name] = [event["metadata"]["name"] for event in events()]
    creates = [write for write in replicas.writes(replica, "events") if write.verb == "create"]
    assert [write.code for write in creates if write.name == name] == [201, 409], "sent again under its name"
    assert sorted(write.code for write in creates) == [201, 201, 409], "and once for the image that was pushed"
    assert complaints(replica, "event") == []
    assert metric(replica, "kiln_builds_total") == 1
