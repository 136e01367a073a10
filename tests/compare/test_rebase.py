"""Putting an image onto another base: kiln rebase beside crane rebase and beside building anew."""

from __future__ import annotations

import base_image
import images
import pytest
import tools
import trees
from images import RawLayer
from test_mutate import runtime_config
from tools import crane, kiln

WWW = "srv/www"
OLD_ENV = {"Env": ["PATH=/bin", "JAVA_HOME=/opt/jdk-17", "KEPT=base"], "User": "1"}
NEW_ENV = {"Env": ["PATH=/bin:/sbin", "JAVA_HOME=/opt/jdk-21", "KEPT=base"], "User": "2"}


@pytest.fixture
def bases(name):
    """Makes two images without an index that differ in a layer: (old, new)."""
    def make(media_types):
        below = RawLayer().folder("etc").file("etc/version", "1")
        same = {"config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]}, "media_types": media_types}
        images.push(name("old"), below, RawLayer().file("lib", "old"), **same)
        images.push(name("new"), below, RawLayer().file("lib", "new").file("more", ""), **same)
        return name("old"), name("new")
    return make


@pytest.fixture
def bases_with_other_configs(name):
    layer = RawLayer().folder("etc")
    images.push(name("old"), layer, RawLayer().file("jdk", "17"), config=OLD_ENV)
    images.push(name("new"), layer, RawLayer().file("jdk", "21"), config=NEW_ENV)
    return name("old"), name("new")


def rebase_by_crane(image, old, new, target):
    crane("rebase", image, "--old_base", old, "--new_base", new, "--tag", target)
    return target


# --- The same image ---

def test_an_image_is_rebased_as_crane_does_where_the_configs_of_the_bases_agree(
        bases, content_tar, name, unpack):
    old, new = bases("docker")
    kiln("append", old, "--tar", f"{content_tar}:/{WWW}", "--label", "a=b", "--media-types", "docker",
         "-t", name("app"))

    kiln("rebase", name("app"), "--old-base", old, "--new-base", new, "-t", name("kiln"))
    rebase_by_crane(name("app"), old, new, name("crane"))

    assert trees.differences(unpack("buildah", name("crane")), unpack("buildah", name("kiln"))) == []
    assert runtime_config(name("kiln")) == runtime_config(name("crane"))
    assert ([layer["digest"] for layer in tools.manifest(name("kiln"))["layers"]]
            == [layer["digest"] for layer in tools.manifest(name("crane"))["layers"]])


def test_an_index_is_rebased_for_every_platform_to_what_building_on_the_new_base_gives(
        base, new_base, content_folder, name):
    changes = ["--remove", "/usr/share/nginx/html", "--dir", f"{content_folder}:/usr/share/nginx/html",
               "--entrypoint", "nginx", "--env", "A=b", "--unset-env", "NGINX_VERSION"]
    kiln("append", base, *changes, "-t", name("app"))
    built_anew = kiln("append", new_base, *changes, "-t", name("anew"))

    rebased = kiln("rebase", name("app"), "--old-base", base, "--new-base", new_base,
                   "-t", name("rebased"))

    assert rebased == built_anew
    assert tools.platforms(name("rebased")) == list(base_image.PLATFORMS)


@pytest.mark.parametrize("platform", base_image.PLATFORMS)
def test_every_platform_of_a_rebased_index_has_the_new_base_s_files_and_its_own(
        base, new_base, content_tar, name, unpack, platform):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("app"))

    kiln("rebase", name("app"), "--old-base", base, "--new-base", new_base, "-t", name("kiln"))

    tree = unpack("umoci", name("kiln"), platform)
    own = {path: entry for path, entry in tree.items() if path == "srv" or path.startswith("srv/")}
    below = {path: entry for path, entry in tree.items() if path not in own}
    assert trees.differences(unpack("umoci", new_base, platform), below) == []
    before = unpack("umoci", name("app"), platform)
    assert trees.differences(trees.below(before, "srv"), trees.below(tree, "srv")) == []


def test_the_old_base_is_found_by_the_annotations_that_crane_reads_too(base, new_base, content_tar, name):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "--set-base-image-annotations",
         "-t", name("app"))
    by_flags = kiln("rebase", name("app"), "--old-base", base, "--new-base", new_base,
                    "-t", name("flags"))

    assert kiln("rebase", name("app"), "--new-base", new_base, "-t", name("found")) == by_flags


# --- Known differences ---

@pytest.mark.difference
def test_crane_rebase_refuses_an_index(base, new_base, content_tar, name):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("app"))

    with pytest.raises(tools.ToolFailed, match="rebasing an index is not yet supported"):
        rebase_by_crane(name("app"), base, new_base, name("crane"))


@pytest.mark.difference
def test_crane_rebase_keeps_the_config_of_the_old_base(bases_with_other_configs, content_tar, name):
    old, new = bases_with_other_configs
    kiln("append", old, "--tar", f"{content_tar}:/{WWW}", "--env", "KEPT=mine", "-t", name("app"))

    kiln("rebase", name("app"), "--old-base", old, "--new-base", new, "-t", name("kiln"))
    rebase_by_crane(name("app"), old, new, name("crane"))

    theirs, ours = runtime_config(name("crane")), runtime_config(name("kiln"))
    assert theirs == {"Env": ["PATH=/bin", "JAVA_HOME=/opt/jdk-17", "KEPT=mine"], "User": "1"}
    assert ours == {"Env": ["PATH=/bin:/sbin", "JAVA_HOME=/opt/jdk-21", "KEPT=mine"], "User": "2"}


@pytest.mark.difference
def test_crane_rebase_mixes_media_types_so_that_others_refuse_the_image(
        bases, content_tar, name, unpack):
    old, new = bases("oci")
    kiln("append", old, "--tar", f"{content_tar}:/{WWW}", "-t", name("app"))

    kiln("rebase", name("app"), "--old-base", old, "--new-base", new, "-t", name("kiln"))
    rebase_by_crane(name("app"), old, new, name("crane"))

    def types(who):
        manifest = tools.manifest(name(who))
        return [part["mediaType"].split(".")[1] for part in (manifest, manifest["layers"][-1])]
    assert types("crane") == ["docker", "oci"]
    assert types("kiln") == ["oci", "oci"]
    with pytest.raises(tools.ToolFailed, match="unsupported docker v2s2 media type"):
        unpack("buildah", name("crane"))
    unpack("buildah", name("kiln"))


@pytest.mark.difference
def test_crane_rebase_forgets_when_the_image_was_made(bases, content_tar, name):
    old, new = bases("oci")
    kiln("append", old, "--tar", f"{content_tar}:/{WWW}", "--created", "2021-01-01T00:00:00Z",
         "-t", name("app"))

    kiln("rebase", name("app"), "--old-base", old, "--new-base", new, "-t", name("kiln"))
    rebase_by_crane(name("app"), old, new, name("crane"))

    assert tools.config(name("crane"))["created"] == "0001-01-01T00:00:00Z"
    assert tools.config(name("kiln"))["created"] == "2021-01-01T00:00:00Z"


@pytest.mark.difference
def test_crane_rebase_does_not_see_that_a_folder_became_a_symlink(name, unpack):
    """The usr-merge: /bin of the new base is a link, and the image has files in the old one."""
    old, new, app = name("old"), name("new"), name("app")
    same = RawLayer().folder("etc")
    images.push(old, same, RawLayer().folder("bin").file("bin/sh", "old"), media_types="docker")
    images.push(new, same, RawLayer().folder("usr").folder("usr/bin").file("usr/bin/sh", "new")
                .symlink("bin", "usr/bin"), media_types="docker")
    images.push(app, same, RawLayer().folder("bin").file("bin/sh", "old"),
                RawLayer().folder("bin").file("bin/tool", ""), media_types="docker")

    rebase_by_crane(app, old, new, name("crane"))

    assert "bin/sh" not in unpack("buildah", name("crane")), "its folder replaced the link"
    with pytest.raises(tools.ToolFailed, match='"/bin" is a directory .* and a symlink to "usr/bin"'):
        kiln("rebase", app, "--old-base", old, "--new-base", new, "-t", name("kiln"))


@pytest.mark.difference
@pytest.mark.parametrize("command", ["mutate", "flatten", "rebase"])
def test_crane_moves_the_tag_it_was_given_where_none_is_named(bases, name, command):
    """Though its help says "push by digest"."""
    old, new = bases("oci")
    for who in ("kiln", "crane"):
        images.push(name(who), RawLayer().folder("etc").file("etc/version", "1"),
                    RawLayer().file("lib", "old"), config={"Env": ["PATH=/bin"], "Cmd": ["sh"]})
    before = crane("digest", name("kiln"))

    made = kiln(command, name("kiln"), *{
        "mutate": ["--user", "5"], "flatten": [],
        "rebase": ["--old-base", old, "--new-base", new]}[command])
    crane(command, name("crane"), *{
        "mutate": ["--user", "5"], "flatten": [],
        "rebase": ["--old_base", old, "--new_base", new]}[command])

    assert crane("digest", name("crane")) != before
    assert crane("digest", name("kiln")) == before
    assert made.rpartition("@")[2] not in (before.strip(), "")
    kiln("validate", made)
