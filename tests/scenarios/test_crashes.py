"""A controller that dies at any moment leaves nothing that its successor does not put right."""

from __future__ import annotations

import random
import time

ROUNDS = 12


def test_after_kill_9_at_any_moment_the_status_ends_with_the_digest_the_registry_has(world):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    world.apply(world.config_map("site-content", {"index.html": "round 0\n"}), world.image_build())

    for number in range(1, ROUNDS + 1):
        world.apply(world.config_map("site-content", {"index.html": f"round {number}\n"}))
        time.sleep(chance.uniform(0, 0.25))
        world.controller.kill()
        world.controller.start()

    def settled():
        status = world.get().get("status", {})
        return (status.get("digest") and "pending" not in status
                and status["digest"] == world.registry_digest()
                and world.file_in_image("/usr/share/nginx/html/index.html") == f"round {ROUNDS}\n")
    world.wait_until("status and registry agree on the last content", settled)
    assert world.condition()["status"] == "True"


def test_sigterm_in_the_middle_of_a_build_ends_cleanly_and_the_next_one_finishes_it(world):
    world.apply(world.config_map("site-content", {"index.html": "x\n"}), world.image_build())

    assert world.controller.stop() == 0
    world.controller.start()

    assert world.wait_ready() == world.registry_digest()


def test_a_restarted_api_server_is_followed_without_a_restart_of_the_controller(world):
    world.apply(world.config_map("site-content", {"index.html": "one\n"}), world.image_build())
    first = world.wait_ready()

    world.cluster.restart("kube-apiserver")
    world.apply(world.config_map("site-content", {"index.html": "two\n"}))

    assert world.wait_ready(not_digest=first) == world.registry_digest()
