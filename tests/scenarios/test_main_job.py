"""Apply an ImageBuild, get an image; edit its content, get another."""

from __future__ import annotations

import json

from world import binary, run

PAGE = {"index.html": "<h1>hello</h1>\n", "style.css": "body { color: black }\n"}


def test_content_of_a_config_map_becomes_an_image_with_its_digest_in_the_status(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())

    digest = world.wait_ready()

    assert digest == world.registry_digest()
    status = world.get()["status"]
    assert status["image"] == f"{world.registry}/{world.namespace}/site@{digest}"
    assert status["tags"] == ["latest"]
    assert len(status["inputKey"]) == 64
    assert status["layers"] and status["encoder"]
    assert world.file_in_image("/usr/share/nginx/html/index.html") == PAGE["index.html"]


def test_an_edited_config_map_leads_to_a_new_image_by_itself(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    first = world.wait_ready()

    world.apply(world.config_map("site-content", {"index.html": "edited\n"}))
    second = world.wait_ready(not_digest=first)

    assert second == world.registry_digest()
    assert world.file_in_image("/usr/share/nginx/html/index.html") == "edited\n"
    reasons = world.get()["status"]["lastBuild"]["reasons"]
    assert [reason["type"] for reason in reasons] == ["ContentChanged"]


def test_the_same_content_again_gives_the_first_digest_again(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    first = world.wait_ready()
    world.apply(world.config_map("site-content", {"index.html": "edited\n"}))
    world.wait_ready(not_digest=first)

    world.apply(world.config_map("site-content", PAGE))

    world.wait_until("the first digest is back", lambda: world.get()["status"]["digest"] == first)
    assert world.registry_digest() == first


def test_command_and_controller_make_the_same_digest(world):
    build = world.image_build()
    objects = world.config_map("site-content", PAGE), build
    world.apply(*objects)
    digest = world.wait_ready()
    manifest = world.directory / "build.json"
    manifest.write_text("---\n".join(json.dumps(item) + "\n" for item in objects))
    elsewhere = f"{world.registry}/{world.namespace}/by-hand:latest"

    first = run(binary("kiln"), "build", "-f", str(manifest), "-t", elsewhere)
    again = run(binary("kiln"), "build", "-f", str(manifest), "-t", f"oci:{world.directory}/layout")

    assert first.stdout.splitlines()[-1] == f"{world.registry}/{world.namespace}/by-hand@{digest}"
    assert again.stdout.splitlines()[-1].endswith(f"@{digest}")


def test_every_platform_shares_one_content_layer(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    world.wait_ready()

    index = json.loads(world.crane("manifest", world.reference()))
    platforms = ["/".join(filter(None, (entry["platform"]["os"], entry["platform"]["architecture"],
                                        entry["platform"].get("variant"))))
                 for entry in index["manifests"]]
    tops = set()
    for entry in index["manifests"]:
        repository = world.reference().rsplit(":", 1)[0]
        manifest = json.loads(world.crane("manifest", f"{repository}@{entry['digest']}"))
        tops.add(manifest["layers"][-1]["digest"])

    assert platforms == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    assert len(tops) == 1


def test_a_secret_and_inline_files_are_content_too(world):
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"page.html": "secret page\n"},
              "metadata": {"name": "pages", "namespace": world.namespace}}
    world.apply(secret, world.image_build(content=[
        {"secret": {"name": "pages"}, "path": "/srv/private", "fileMode": 0o600, "uid": 101},
        {"inline": {"files": {"robots.txt": "User-agent: *\n"}}, "path": "/usr/share/nginx/html"},
    ]))

    world.wait_ready()

    assert world.file_in_image("/srv/private/page.html") == "secret page\n"
    assert world.file_in_image("/usr/share/nginx/html/robots.txt") == "User-agent: *\n"


def test_an_edited_secret_leads_to_a_new_image_too(world):
    def secret(text):
        return {"apiVersion": "v1", "kind": "Secret", "stringData": {"page.html": text},
                "metadata": {"name": "pages", "namespace": world.namespace}}
    world.apply(secret("one\n"), world.image_build(
        content=[{"secret": {"name": "pages"}, "path": "/srv/private"}]))
    first = world.wait_ready()

    world.apply(secret("two\n"))
    world.wait_ready(not_digest=first)

    assert world.file_in_image("/srv/private/page.html") == "two\n"


def test_entrypoint_args_env_and_labels_are_changed_and_the_rest_is_kept(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build(config={
        "entrypoint": ["nginx"], "args": ["-g", "daemon off;"], "unsetEnv": ["NGINX_VERSION"],
        "env": [{"name": "A", "value": "b"}], "labels": {"team": "web"}}))
    world.wait_ready()

    config = json.loads(world.crane("config", "--platform", "linux/amd64", world.reference()))

    assert config["config"]["Entrypoint"] == ["nginx"]
    assert config["config"]["Cmd"] == ["-g", "daemon off;"]
    assert "A=b" in config["config"]["Env"]
    assert not any(item.startswith("NGINX_VERSION=") for item in config["config"]["Env"])
    assert config["config"]["Labels"]["team"] == "web"
    assert config["config"]["StopSignal"] == "SIGQUIT"
    assert config["x-vendor"] == {"kept": True}


def test_a_changed_spec_builds_and_says_so(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    first = world.wait_ready()

    world.apply(world.image_build(config={"labels": {"v": "2"}}))
    world.wait_ready(not_digest=first)

    assert world.get()["status"]["lastBuild"]["reasons"][0]["type"] == "SpecChanged"


def test_events_tell_what_happened(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    digest = world.wait_ready()

    def told():
        return [event for event in world.events()
                if event["reason"] == "Succeeded" and digest in event["note"]]
    world.wait_until("an Event names the digest", told)


def test_at_rest_nothing_is_written(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    world.wait_ready()
    world.wait_until("nothing is in progress", lambda: not world.condition("Reconciling"))
    before = world.get()["metadata"]["resourceVersion"]
    requests = len(world.cluster.registry().requests())

    world.controller.stop()
    world.controller.start()
    # A second object shows that the restarted controller has seen everything.
    world.apply(world.image_build("other"))
    world.wait_ready("other")

    assert world.get()["metadata"]["resourceVersion"] == before
    puts = [r for r in world.cluster.registry().requests()[requests:]
            if r.method == "PUT" and "/site/" in r.path]
    assert puts == []
