"""What a person controls: pins, enforced tags, the history, and when things are built."""

from __future__ import annotations


PAGE = {"index.html": "one\n"}


def edit(world, text: str, before: str) -> str:
    """Another page: the digest that comes of it."""
    world.apply(world.config_map("site-content", {"index.html": text}))
    return world.wait_ready(not_digest=before)


def wait_digest(world, digest: str) -> None:
    def holds():
        build = world.get()
        return (build["status"].get("digest") == digest
                and build["status"]["observedGeneration"] == build["metadata"]["generation"]
                and "pending" not in build["status"] and world.registry_digest() == digest)
    world.wait_until(f"status and registry have {digest}", holds)


def history(world) -> list[str]:
    return [entry["digest"] for entry in world.get()["status"]["history"]]


def put_foreign_image(world, tag: str = "latest") -> str:
    """Somebody else's image takes the tag: its digest."""
    world.crane("copy", world.base, world.reference().rsplit(":", 1)[0] + f":{tag}")
    return world.crane("digest", world.base).strip()


def test_a_pin_rolls_back_at_once_and_its_end_goes_forward_again(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    first = world.wait_ready()
    second = edit(world, "two\n", first)

    world.apply(world.image_build(pin=first))
    wait_digest(world, first)
    pinned = world.wait_reason("Pinned")
    assert first in pinned["message"] and pinned["status"] == "True"
    assert world.file_in_image("/usr/share/nginx/html/index.html") == "one\n"
    assert history(world) == [second, first]

    world.apply(world.config_map("site-content", {"index.html": "three\n"}))
    world.apply(world.image_build(pin=first, config={"labels": {"a": "b"}}))
    wait_digest(world, first)

    world.apply(world.config_map("site-content", {"index.html": "two\n"}))
    world.apply(world.image_build())
    wait_digest(world, second)
    assert world.get()["status"]["lastBuild"].get("uploadedBytes", 0) == 0
    assert history(world) == [second, first]


def test_a_pin_that_is_no_image_of_the_history_says_which_there_are(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    first = world.wait_ready()

    world.apply(world.image_build(pin="sha256:" + "1" * 64))

    assert first in world.wait_reason("PinNotFound")["message"]
    assert world.condition("Stalled")["status"] == "True"
    world.apply(world.image_build(pin=first))
    world.wait_reason("Pinned")


def test_a_moved_tag_is_put_back_where_it_is_enforced(world):
    output = {"image": world.reference(), "enforceTag": True}
    world.apply(world.config_map("site-content", PAGE),
                world.image_build(interval="1s", output=output))
    digest = world.wait_ready()

    foreign = put_foreign_image(world)

    world.wait_until("the tag is put back", lambda: world.registry_digest() == digest)
    restored = {"type": "Restored", "from": foreign, "to": digest}
    world.wait_until("the status says so",
                     lambda: world.get()["status"]["lastBuild"]["reasons"] == [restored])
    world.wait_until("an Event warns", lambda: any(
        event["type"] == "Warning" and foreign in event["note"] and digest in event["note"]
        for event in world.events()))


def test_a_moved_tag_is_reported_and_put_back_once_it_is_enforced(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build(interval="1s"))
    digest = world.wait_ready()
    foreign = put_foreign_image(world)
    message = world.wait_reason("TagMoved")["message"]
    assert foreign in message and digest in message

    world.apply(world.image_build(output={"image": world.reference(), "enforceTag": True}))
    wait_digest(world, digest)
    world.wait_ready()


def test_a_shorter_history_is_short_at_once(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    digest = world.wait_ready()
    for text in ("two\n", "three\n"):
        digest = edit(world, text, digest)
    assert len(history(world)) == 3

    world.apply(world.image_build(historyLimit=1))

    world.wait_until("two images are left", lambda: len(history(world)) == 2)
    assert history(world)[0] == digest


def test_a_suspended_one_builds_nothing_and_goes_on_with_what_is_there_then(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    first = world.wait_ready()
    world.apply(world.image_build(suspend=True))
    world.wait_reason("Suspended")

    world.apply(world.config_map("site-content", {"index.html": "two\n"}))
    world.apply(world.image_build(suspend=False))

    second = world.wait_ready(not_digest=first)
    assert world.registry_digest() == second


def test_the_waiting_one_of_two_on_a_tag_goes_on_when_the_other_leaves_it(world):
    output = {"image": f"{world.registry}/{world.namespace}/shared:latest"}
    world.apply(world.config_map("site-content", PAGE), world.image_build("a", output=output))
    first = world.wait_ready("a")
    world.apply(world.image_build("b", output=output, config={"labels": {"who": "b"}}))
    world.wait_reason("TagContested", "b")

    world.apply(world.image_build("a"))

    assert world.wait_ready("b") not in ("", first)
    assert world.crane("digest", output["image"]).strip() == world.wait_ready("b")
