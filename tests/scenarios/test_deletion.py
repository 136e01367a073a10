"""deletionPolicy Delete: the tags go with the ImageBuild, and nothing holds it up for ever."""

from __future__ import annotations

from kubectl import KubectlError

PAGE = {"index.html": "one\n"}
FINALIZER = "kiln.build/pushed-tags"


def tags(world, name: str = "site") -> list[str]:
    listed = world.crane("ls", world.reference(name).rsplit(":", 1)[0])
    return sorted(listed.split())


def delete(world, name: str = "site") -> None:
    world.kubectl("delete", "imagebuild", name, "--wait=false")


def wait_gone(world, name: str = "site") -> None:
    def gone():
        try:
            world.get(name)
        except KubectlError:
            return True
        return False
    world.wait_until(f"{name} is gone", gone)


def test_the_tags_go_with_the_image_build_and_tags_of_others_stay(world):
    output = {"image": world.reference(), "tags": ["stable", "g${generation}"]}
    world.apply(world.config_map("site-content", PAGE),
                world.image_build(deletionPolicy="Delete", output=output))
    world.wait_ready()
    assert FINALIZER in world.get()["metadata"]["finalizers"]
    world.crane("tag", world.reference(), "prod")
    world.crane("copy", world.base, world.reference().rsplit(":", 1)[0] + ":stable")
    assert len(tags(world)) == 5

    delete(world)
    wait_gone(world)

    assert tags(world) == ["prod", "stable"]
    world.wait_until("an Event says what is left", lambda: any(
        event["reason"] == "TagsLeft" and ":stable" in event["note"] for event in world.events()))


def test_with_retain_everything_stays(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    digest = world.wait_ready()
    delete(world)
    wait_gone(world)
    assert world.registry_digest() == digest


def test_a_suspended_one_can_be_deleted(world):
    build = world.image_build(deletionPolicy="Delete")
    world.apply(world.config_map("site-content", PAGE), build)
    world.wait_ready()
    world.apply(world.image_build(deletionPolicy="Delete", suspend=True))
    world.wait_reason("Suspended")
    delete(world)
    wait_gone(world)
    assert tags(world) == []


def test_one_that_never_pushed_can_be_deleted(world):
    world.apply(world.image_build(deletionPolicy="Delete"))
    world.wait_reason("ConfigMapNotFound")
    delete(world)
    wait_gone(world)


def test_a_registry_that_is_gone_holds_it_up_for_as_long_as_timeout_says(world):
    world.apply(world.config_map("site-content", PAGE),
                world.image_build(deletionPolicy="Delete", timeout="2s"))
    world.wait_ready()
    # The output's own account: what it names from now on cannot be reached.
    world.apply(world.image_build(
        deletionPolicy="Delete", timeout="2s",
        output={"image": world.reference(), "secretRef": {"name": "gone"}}))
    world.wait_reason("SecretNotFound")
    delete(world)
    wait_gone(world)
    world.wait_until("an Event says what is left", lambda: any(
        event["reason"] == "TagsLeft" and "Secret/gone" in event["note"]
        for event in world.events()))
    assert len(tags(world)) == 2


def test_a_tag_that_the_output_leaves_goes_when_the_new_one_is_there(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build(deletionPolicy="Delete"))
    digest = world.wait_ready()
    repository = world.reference().rsplit(":", 1)[0]

    world.apply(world.image_build(deletionPolicy="Delete",
                                  output={"image": f"{repository}:next"}))

    world.wait_until("the old tag is gone", lambda: "latest" not in tags(world))
    assert world.crane("digest", f"{repository}:next").strip() == digest
    assert world.wait_ready() == digest


def test_switched_to_retain_nothing_is_deleted(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build(deletionPolicy="Delete"))
    digest = world.wait_ready()
    world.apply(world.image_build(deletionPolicy="Retain"))
    world.wait_until("the finalizer is gone",
                     lambda: not world.get()["metadata"].get("finalizers"))
    delete(world)
    wait_gone(world)
    assert world.registry_digest() == digest
