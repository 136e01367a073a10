"""Adding files to an image: kiln beside crane append, docker build, buildah build and umoci repack."""

from __future__ import annotations

import os
import shutil

import base_image
import content
import images
import pytest
import tools
import trees
from images import RawLayer
from tools import crane, kiln

WWW = "srv/www"  # not in the base
HTML = "usr/share/nginx/html"  # in the base, with files in it


def append_by_crane(base, folder, target, tmp_path, *, place=WWW, platform="linux/amd64"):
    """crane takes the tar as it is, so the place must be in the names."""
    tar = tools.make_tar(folder, tmp_path / "for-crane.tar", "--transform", f"flags=rSh;s,^[.],{place},")
    crane("append", "--platform", platform, "--base", base, "--new_layer", tar, "--new_tag", target)
    return target


# --- The same files ---

@pytest.mark.parametrize("platform", base_image.PLATFORMS)
def test_a_tar_gives_the_files_that_crane_append_gives(
        base, content_folder, content_tar, name, unpack, tmp_path, platform):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("kiln"))
    append_by_crane(base, content_folder, name("crane"), tmp_path, platform=platform)

    ours, theirs = (unpack("umoci", name(who), platform) for who in ("kiln", "crane"))

    assert trees.differences(theirs, ours, ignore=["mtime"]) == []
    assert trees.differences(trees.of_folder(content_folder), trees.below(ours, WWW),
                             ignore=["mtime"]) == []


@pytest.mark.parametrize("who", ["docker", "buildah"])
def test_a_tar_gives_the_files_that_ADD_of_a_dockerfile_gives(
        base, content_tar, name, unpack, build, who):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("kiln"))
    getattr(build, who)(f"FROM {base}\nADD site.tar /{WWW}/\n", content_tar.parent, name(who))

    assert trees.differences(unpack("umoci", name(who)), unpack("umoci", name("kiln")),
                             ignore=["mtime"]) == []


@pytest.mark.parametrize("who", ["docker", "buildah"])
def test_a_folder_gives_the_files_that_COPY_of_a_dockerfile_gives(
        base, name, unpack, build, tmp_path, who):
    """Without owners and setuid bits, which each keeps or drops in its own way."""
    (tmp_path / "context").mkdir()
    site = content.make(tmp_path / "context" / "site")
    for folder, _, files in os.walk(site):
        for path in [folder, *(os.path.join(folder, file) for file in files)]:
            if not os.path.islink(path):
                os.chown(path, 0, 0)
                os.chmod(path, 0o755 if os.path.isdir(path) or path.endswith("tool") else 0o644)
    kiln("append", base, "--dir", f"{site}:/{WWW}", "--preserve", "mode", "-t", name("kiln"))
    getattr(build, who)(f"FROM {base}\nCOPY site /{WWW}/\n", site.parent, name(who))

    assert trees.differences(unpack("umoci", name(who)), unpack("umoci", name("kiln")),
                             ignore=["mtime"]) == []


@pytest.mark.parametrize("who", ["docker", "buildah"])
def test_a_folder_of_another_image_is_the_one_that_COPY_from_gives(
        base, name, unpack, build, tmp_path, who):
    (tmp_path / "context").mkdir()
    images.push(name("other"), RawLayer().folder("etc").folder("a").file("a/deleted", "")
                .file("a/tool", "x").hardlink("a/same", "a/tool").symlink("a/link", "/etc"),
                RawLayer().folder("a").whiteout("a/deleted").folder("a/sub", 0o700)
                .file("a/sub/file", "y", 0o755))
    kiln("append", base, "--from-image", f"{name('other')}:/a:/{WWW}", "-t", name("kiln"))
    getattr(build, who)(f"FROM {base}\nCOPY --from={name('other')} /a /{WWW}/\n",
                        tmp_path / "context", name(who))

    assert trees.differences(unpack("umoci", name(who)), unpack("umoci", name("kiln")),
                             ignore=["mtime", "same_file"]) == []


@pytest.mark.parametrize("times", ["content", "epoch"])
def test_a_folder_with_all_preserved_is_the_tar_of_that_folder(
        base, content_folder, content_tar, name, times):
    by_tar = kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "--timestamps", times,
                  "-t", name("tar"))
    by_folder = kiln("append", base, "--dir", f"{content_folder}:/{WWW}", "--preserve",
                     "mode,owner,xattr", "--timestamps", times, "-t", name("folder"))

    assert by_folder == by_tar


def test_a_tar_keeps_its_times_where_no_flag_says_which(base, content_tar, content_folder, name, unpack):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("kiln"))

    assert trees.differences(trees.of_folder(content_folder),
                             trees.below(unpack("umoci", name("kiln")), WWW)) == []


@pytest.mark.parametrize("flags", [
    ["tar", "--format=gnu"], ["tar", "--format=oldgnu"], ["tar", "--format=posix"],
    ["tar", "--format=posix", "--gzip"], ["tar", "--format=posix", "--zstd"],
    ["bsdtar", "--format=pax"], ["bsdtar", "--format=gnutar"],
], ids=" ".join)
def test_the_kind_of_tar_makes_no_difference(base, content_folder, content_tar, name, tmp_path, flags):
    program, *flags = flags
    tar = tmp_path / "site.tar"
    tools.call(program, "-c", "-f", tar, "-C", content_folder, "--numeric-owner", *flags, ".")

    assert (kiln("append", base, "--tar", f"{tar}:/{WWW}", "-t", name("other"))
            == kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("posix")))


@pytest.mark.parametrize("who", ["umoci", "buildah"])
def test_what_is_removed_and_added_is_as_if_changed_in_a_container(
        base, content_folder, name, unpack, build, who):
    kiln("append", base, "--remove", f"/{HTML}", "--remove", "/etc/nginx/conf.d/default.conf",
         "--remove", "/bin/sh", "--dir", f"{content_folder}:/{HTML}", "--preserve", "mode,owner",
         "-t", name("kiln"))
    with getattr(build, f"in_{who}")(base, name(who)) as root:
        shutil.rmtree(root / HTML)
        (root / "etc/nginx/conf.d/default.conf").unlink()
        (root / "usr/bin/sh").unlink()  # /bin is a link to it.
        tools.call("cp", "-a", content_folder, root / HTML)

    assert trees.differences(unpack("umoci", name(who)), unpack("umoci", name("kiln")),
                             ignore=["mtime"]) == []


def test_removing_all_that_a_folder_of_many_layers_holds_leaves_the_folder_alone(
        registry, name, unpack, build):
    base = name("base")
    images.push(base, RawLayer().folder("a").file("a/one", "1").folder("b").file("b/kept", ""),
                RawLayer().folder("a").file("a/two", "2").folder("a/sub").file("a/sub/three", "3"),
                RawLayer().folder("a").opaque("a").file("a/four", "4"))

    kiln("append", base, "--remove", "/a", "--file", f"{__file__}:/a/new", "-t", name("kiln"))

    tree = unpack("umoci", name("kiln"))
    assert sorted(tree) == ["a", "a/new", "b", "b/kept"]


# --- Known differences ---

@pytest.mark.difference
def test_crane_append_leaves_one_platform_of_an_index(base, content_folder, content_tar, name, tmp_path):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("kiln"))
    crane("append", "--base", base, "--new_layer", content_tar, "--new_tag", name("crane"))

    assert "layers" in tools.manifest(name("crane"))
    assert tools.config(name("crane"))["architecture"] == "amd64"
    assert tools.platforms(name("kiln")) == list(base_image.PLATFORMS)


@pytest.mark.difference
@pytest.mark.parametrize("who", ["crane", "docker", "buildah"])
def test_a_folder_of_the_content_replaces_a_symlink_of_the_base(
        base, name, unpack, build, tmp_path, who):
    site = tmp_path / "context" / "site"
    (site / "bin").mkdir(parents=True)
    (site / "bin" / "tool").write_text("")
    kiln("append", base, "--dir", f"{site}:/", "-t", name("kiln"))
    if who == "crane":
        append_by_crane(base, site, name(who), tmp_path, place="")
    else:
        getattr(build, who)(f"FROM {base}\nCOPY site /\n", site.parent, name(who))

    theirs, ours = unpack("umoci", name(who)), unpack("umoci", name("kiln"))
    assert (theirs["bin"].kind, theirs["bin/tool"].kind) == ("folder", "file")
    assert "bin/sh" not in theirs, "nothing of /usr/bin is found in /bin any more"
    assert (ours["bin"].target, ours["usr/bin/tool"].kind) == ("usr/bin", "file")


@pytest.mark.difference
@pytest.mark.parametrize("who", ["crane", "docker", "buildah"])
def test_a_folder_of_the_content_gives_a_folder_of_the_base_another_owner_and_mode(
        base, name, unpack, build, tmp_path, who):
    site = tmp_path / "context" / "site"
    (site / "var" / "cache" / "nginx").mkdir(parents=True)
    (site / "tmp").mkdir()
    (site / "tmp").chmod(0o755)
    kiln("append", base, "--dir", f"{site}:/", "--preserve", "mode,owner", "-t", name("kiln"))
    if who == "crane":
        append_by_crane(base, site, name(who), tmp_path, place="")
    else:
        getattr(build, who)(f"FROM {base}\nCOPY site /\n", site.parent, name(who))

    theirs, ours = unpack("umoci", name(who)), unpack("umoci", name("kiln"))
    assert theirs["var/cache/nginx"].owner == "0:0"
    assert theirs["tmp"].mode == "0755"
    assert (ours["var/cache/nginx"].owner, ours["tmp"].mode) == ("101:101", "1777")


@pytest.mark.difference
def test_crane_append_keeps_the_times_of_the_tar(base, content_folder, name, tmp_path):
    made = {}
    for age, seconds in (("old", 1000000000), ("new", 1700000000)):
        site = shutil.copytree(content_folder, tmp_path / age, symlinks=True)
        for path in [site, *site.rglob("*")]:
            os.utime(path, (seconds, seconds), follow_symlinks=False)
        append_by_crane(base, site, name(f"crane-{age}"), tmp_path)
        kiln("append", base, "--dir", f"{site}:/{WWW}", "-t", name(f"kiln-{age}"))
        tar = tools.make_tar(site, tmp_path / "site.tar")
        kiln("append", base, "--tar", f"{tar}:/{WWW}", "--timestamps", "content",
             "-t", name(f"kiln-tar-{age}"))
        made[age] = {who: crane("digest", name(f"{who}-{age}")) for who in ("crane", "kiln", "kiln-tar")}

    assert made["old"]["crane"] != made["new"]["crane"]
    assert made["old"]["kiln"] == made["new"]["kiln"]
    assert made["old"]["kiln-tar"] == made["new"]["kiln-tar"]


@pytest.mark.difference
def test_crane_append_writes_a_history_line_that_says_nothing(base, content_tar, name):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("kiln"))
    crane("append", "--base", base, "--new_layer", content_tar, "--new_tag", name("crane"))

    assert tools.config(name("crane"))["history"][-1] == {"created": "0001-01-01T00:00:00Z"}
    assert tools.config(name("kiln"))["history"][-1]["created_by"].startswith("kiln")


@pytest.mark.difference
def test_crane_append_without_a_base_names_no_platform(content_tar, name):
    kiln("append", "scratch", "--tar", content_tar, "-t", name("kiln"))
    crane("append", "--oci-empty-base", "--new_layer", content_tar, "--new_tag", name("crane"))

    theirs, ours = tools.config(name("crane")), tools.config(name("kiln"))
    assert (theirs["os"], theirs["architecture"]) == ("", "")
    assert (ours["os"], ours["architecture"]) == ("linux", "amd64")


@pytest.mark.difference
@pytest.mark.parametrize("who", ["crane", "docker", "buildah"])
def test_fields_of_the_config_that_no_spec_knows_are_dropped(
        base, content_tar, name, build, who):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "-t", name("kiln"))
    if who == "crane":
        crane("append", "--base", base, "--new_layer", content_tar, "--new_tag", name(who))
    else:
        getattr(build, who)(f"FROM {base}\nADD site.tar /{WWW}/\n", content_tar.parent, name(who))

    assert "x-vendor" not in tools.config(name(who))
    assert tools.config(name("kiln"))["x-vendor"] == {"kept": True}


@pytest.mark.difference
def test_crane_annotates_the_digest_of_one_platform_as_the_base_s(base, content_tar, name):
    kiln("append", base, "--tar", f"{content_tar}:/{WWW}", "--set-base-image-annotations",
         "-t", name("kiln"))
    crane("append", "--base", base, "--new_layer", content_tar, "--set-base-image-annotations",
          "--new_tag", name("crane"))

    key = "org.opencontainers.image.base.digest"
    theirs = tools.manifest(name("crane"))["annotations"][key]
    ours = tools.manifest(name("kiln"), "linux/amd64")["annotations"][key]
    assert theirs == crane("digest", "--platform", "linux/amd64", base).strip()
    assert ours == crane("digest", base).strip()


@pytest.mark.difference
def test_kiln_refuses_names_with_control_characters(base, name, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "two\nlines").write_text("")

    with pytest.raises(tools.ToolFailed, match="has a control character"):
        kiln("append", base, "--dir", f"{tmp_path}/site:/{WWW}", "-t", name("kiln"))
    append_by_crane(base, tmp_path / "site", name("crane"), tmp_path)
