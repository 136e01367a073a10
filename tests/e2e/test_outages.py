"""What breaks under a running site, and what its visitors and its editors see of that."""

from __future__ import annotations

import pytest

from release import wait_for

PAGE = {"index.html": "<h1>before</h1>\n"}


@pytest.fixture
def site(world):
    """A world with a site whose page says "before"."""
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    world.digest = world.wait_ready()
    world.deploy()
    world.wait_page("before")
    return world


def test_the_leader_is_killed_in_the_middle_of_a_build_and_the_other_one_finishes_it(site, release):
    leader = wait_for("somebody leads", release.leader)
    tags = site.tags()
    # A registry that does not answer keeps a build where it is.
    site.cluster.freeze("registry")
    try:
        site.edit("<h1>after</h1>\n")
        wait_for("a build is under way",
                 lambda: release.metric(leader, "controller_runtime_active_workers") > 0)
        assert release.leader() == leader
        release.kill(leader)
    finally:
        site.cluster.thaw("registry")

    digest = site.wait_ready(not_digest=site.digest)
    assert release.leader() not in ("", leader)
    assert site.registry_digest() == digest
    assert len(site.tags()) == len(tags) + 1, "one build left one image"
    site.wait_page("after")


def test_the_registry_is_down_for_a_while_and_only_news_has_to_wait(site):
    site.cluster.kill("registry")
    try:
        site.edit("<h1>after</h1>\n")
        said = site.wait_reason("RegistryUnavailable")
        assert site.registry in said["message"]
        assert site.get()["status"]["digest"] == site.digest
        # What runs is on the node already, also for pods that begin anew.
        site.kubectl("delete", "pods", "--selector", "app=web", "--wait=false")
        site.rolled_out()
        site.wait_page("before")
    finally:
        site.cluster.start_component("registry")

    site.wait_ready(not_digest=site.digest)
    site.wait_page("after")
