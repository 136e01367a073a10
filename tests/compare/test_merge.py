"""What layers make together: kiln export and kiln flatten beside everybody who unpacks images."""

from __future__ import annotations

import functools

import base_image
import images
import layered
import pytest
import tools
import trees
from tools import call, crane, kiln

ALL = sorted(layered.LAYERS)
AGREEING = [pytest.param(who, layers, id=f"{who}, {layers}") for layers in ALL
            for who in ("crane", "docker", "buildah")
            if (who, layers) not in layered.DISAGREEING]


@pytest.fixture(scope="module")
def pushed(registry):
    """Gives the reference of an image of layered.LAYERS."""
    @functools.cache
    def push(layers):
        reference = f"{registry}/compare/layered:{ALL.index(layers)}"
        images.push(reference, *layered.LAYERS[layers])
        return reference
    return push


@pytest.fixture(scope="module")
def expected(pushed, tmp_path_factory):
    """Gives what umoci unpacks of it."""
    unpack = tools.Unpacker(tmp_path_factory.mktemp("expected"))
    return functools.cache(lambda layers: unpack("umoci", pushed(layers)))


# --- The same files ---

@pytest.mark.parametrize("layers", ALL)
@pytest.mark.parametrize("program", ["kiln", "kiln_and_bsdtar"])
def test_an_export_unpacked_is_what_umoci_unpacks(pushed, expected, unpack, layers, program):
    assert trees.differences(expected(layers), unpack(program, pushed(layers))) == []


@pytest.mark.parametrize("layers", ALL)
def test_a_flattened_image_is_what_umoci_unpacks(pushed, expected, unpack, name, layers):
    kiln("flatten", pushed(layers), "-t", name("flat"))

    assert trees.differences(expected(layers), unpack("umoci", name("flat"))) == []
    assert len(tools.manifest(name("flat"))["layers"]) == 1


@pytest.mark.parametrize("who, layers", AGREEING)
def test_others_agree_with_umoci(pushed, expected, unpack, who, layers):
    assert trees.differences(expected(layers), unpack(who, pushed(layers))) == []


@pytest.mark.parametrize("platform", base_image.PLATFORMS)
@pytest.mark.parametrize("who", ["crane", "kiln", "kiln_and_bsdtar", "buildah", "docker"])
def test_the_base_is_the_same_for_everybody(base, unpack, platform, who):
    assert trees.differences(unpack("umoci", base, platform), unpack(who, base, platform)) == []


@pytest.mark.parametrize("platform", base_image.PLATFORMS)
def test_an_index_is_flattened_for_every_platform_as_crane_does(base, unpack, name, platform):
    kiln("flatten", base, "-t", name("kiln"))
    crane("flatten", base, "--tag", name("crane"))

    ours, theirs = (unpack("docker", name(who), platform) for who in ("kiln", "crane"))
    assert trees.differences(theirs, ours) == []
    assert tools.config(name("kiln"), platform)["config"] == tools.config(base, platform)["config"]


def test_the_names_in_an_export_are_in_an_order_that_any_tar_program_can_unpack(base, tmp_path):
    kiln("export", base, tmp_path / "kiln.tar")
    seen = {""}
    for line in tools.call("tar", "-tf", tmp_path / "kiln.tar").splitlines():
        path = line.rstrip("/")
        assert path.rpartition("/")[0] in seen, f"{path} before its folder"
        assert path not in seen, f"{path} twice"
        seen.add(path)


@pytest.mark.parametrize("who", ["crane", "kiln"])
@pytest.mark.parametrize("layers", [
    "whiteouts in the lowest layer", "an opaque folder", "an opaque folder said at its end",
    "a whiteout, then the folder anew"])
def test_no_whiteout_is_left_in_a_flattened_image(pushed, name, tmp_path, who, layers):
    if who == "crane":
        crane("flatten", pushed(layers), "--tag", name("flat"))
    else:
        kiln("flatten", pushed(layers), "-t", name("flat"))

    layer, = tools.manifest(name("flat"))["layers"]
    blob = crane("blob", f"{name('flat').rpartition(':')[0]}@{layer['digest']}").encode(
        errors="surrogateescape")
    assert ".wh." not in call("tar", "--list", "--gzip", "--file", "-", input=blob)


# --- Known differences ---

@pytest.mark.difference
@pytest.mark.parametrize("who, layers", layered.DISAGREEING,
                         ids=[", ".join(case) for case in layered.DISAGREEING])
def test_layers_are_merged_in_another_way(pushed, unpack, who, layers):
    told = layered.DISAGREEING[who, layers]

    if isinstance(told, str):
        with pytest.raises(tools.ToolFailed, match=told):
            unpack(who, pushed(layers))
        return
    path, there = told
    theirs = unpack(who, pushed(layers)).get(path)
    shown = "" if theirs is None else f"{theirs.kind} {theirs.mode} {theirs.content}" + (
        "" if theirs.xattrs else " no xattrs")
    assert (there in shown) if there else not shown, shown


@pytest.mark.difference
def test_crane_flatten_mixes_media_types_so_that_others_refuse_the_image(base, name, unpack):
    kiln("flatten", base, "-t", name("kiln"))
    crane("flatten", base, "--tag", name("crane"))

    def types(who):
        manifest = tools.manifest(name(who), "linux/amd64")
        return [part["mediaType"].split(".")[1] for part in
                (manifest, manifest["config"], *manifest["layers"])]
    assert types("crane") == ["oci", "docker", "docker"]
    assert types("kiln") == ["oci", "oci", "oci"]
    for who, why in {"umoci": "config blob is not correct mediatype",
                     "buildah": "unsupported image-specific operation on artifact"}.items():
        with pytest.raises(tools.ToolFailed, match=why):
            unpack(who, name("crane"))
        unpack(who, name("kiln"))


@pytest.mark.difference
def test_crane_flatten_makes_another_image_each_time(base, name):
    digests = {who: {make(tag) for tag in "ab"} for who, make in {
        "crane": lambda tag: (crane("flatten", base, "--tag", name(f"crane-{tag}")),
                              crane("digest", name(f"crane-{tag}")))[1],
        "kiln": lambda tag: kiln("flatten", base, "-t", name(f"kiln-{tag}"))}.items()}

    assert (len(digests["crane"]), len(digests["kiln"])) == (2, 1)


@pytest.mark.difference
def test_crane_flatten_drops_config_fields_that_no_spec_knows(base, name):
    kiln("flatten", base, "-t", name("kiln"))
    crane("flatten", base, "--tag", name("crane"))

    assert "x-vendor" not in tools.config(name("crane"))
    assert tools.config(name("kiln"))["x-vendor"] == {"kept": True}
