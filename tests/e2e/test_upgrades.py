"""The life of a release: it is upgraded, rolled back, uninstalled and installed again.

The ImageBuilds are the users', and so are the images: nothing of that touches them.
"""

from __future__ import annotations

import pytest

from release import wait_for

PAGE = {"index.html": "<h1>before</h1>\n"}


@pytest.fixture
def site(world):
    """A world with a site that was built, and is not to be built again."""
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    world.wait_ready()
    world.deploy()
    world.wait_page("before")
    world.built = world.get()["status"]
    return world


def assert_untouched(site) -> None:
    """Nothing was built, and the page is there."""
    status = site.get()["status"]
    assert {name: status[name] for name in ("digest", "lastBuild", "history")} == {
        name: site.built[name] for name in ("digest", "lastBuild", "history")}
    site.wait_page("before")


def assert_works(site, page: str) -> None:
    """An edit becomes an image and changes the page; that is the new state of the site."""
    site.edit(f"<h1>before, {page}</h1>\n")
    site.wait_page(page)
    site.wait_ready(not_digest=site.built["digest"])
    site.built = site.get()["status"]


def test_an_upgrade_and_a_rollback_change_the_controller_and_build_nothing(site, release, controller_image):
    release.upgrade({"image.tag": "second"})
    wait_for("only the new controller runs",
             lambda: release.images() == {f"{controller_image}:second"})
    wait_for("one of them leads", release.leader)
    assert_untouched(site)
    assert_works(site, "by the second controller")

    release.rollback()
    wait_for("only the old controller runs",
             lambda: release.images() == {f"{controller_image}:first"})
    wait_for("one of them leads", release.leader)
    assert_untouched(site)
    assert_works(site, "by the first controller again")


def test_image_builds_outlive_the_release_and_the_next_one_goes_on_with_them(site, release):
    release.uninstall()
    try:
        assert release.pods() == {}
        assert_untouched(site)
        site.edit("<h1>before, while nobody built</h1>\n")
    finally:
        release.install()

    site.wait_page("while nobody built")
    assert [reason["type"] for reason in site.get()["status"]["lastBuild"]["reasons"]] == ["ContentChanged"]
    assert site.get()["status"]["history"][1]["digest"] == site.built["digest"]
