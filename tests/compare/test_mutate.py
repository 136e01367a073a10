"""Changing an image's config: kiln beside crane mutate, a Dockerfile, buildah config and umoci config."""

from __future__ import annotations

import dataclasses

import base_image
import pytest
import tools
from tools import crane, kiln

DOCKER, BUILDAH = "docker build", "buildah build"


@dataclasses.dataclass(frozen=True)
class Change:
    """One change in the words of each tool; None: it has no words for it."""

    name: str
    kiln: tuple[str, ...]
    dockerfile: str | None = None
    crane: tuple[str, ...] | None = None
    umoci: tuple[str, ...] | None = None
    buildah: tuple[str, ...] | None = None


CHANGES = [
    Change("entrypoint and args", ("--entrypoint", "nginx,-g", "--args", "x"),
           'ENTRYPOINT ["nginx","-g"]\nCMD ["x"]', ("--entrypoint", "nginx,-g", "--cmd", "x"),
           ("--config.entrypoint", "nginx", "--config.entrypoint", "-g", "--config.cmd", "x"),
           ("--entrypoint", '["nginx","-g"]', "--cmd", "x")),
    Change("entrypoint alone", ("--entrypoint", "nginx"), 'ENTRYPOINT ["nginx"]',
           ("--entrypoint", "nginx")),
    Change("words with commas", ("--entrypoint", "a,b", "--entrypoint", "c"),
           'ENTRYPOINT ["a,b","c"]', ("--entrypoint", '"a,b",c')),
    Change("args alone", ("--args", "x,y"), 'CMD ["x","y"]', ("--cmd", "x,y"),
           ("--config.cmd", "x", "--config.cmd", "y"), ("--cmd", "x y")),
    Change("no args", ("--args", ""), "CMD []", None, ("--clear", "config.cmd"), ("--cmd", "")),
    Change("environment", ("--env", "NGINX_VERSION=2", "--env", "A=b=c", "--env", "EMPTY="),
           "ENV NGINX_VERSION=2 A=b=c EMPTY=",
           ("--env", "NGINX_VERSION=2", "--env", "A=b=c", "--env", "EMPTY="),
           ("--config.env", "NGINX_VERSION=2", "--config.env", "A=b=c", "--config.env", "EMPTY="),
           ("--env", "NGINX_VERSION=2", "--env", "A=b=c", "--env", "EMPTY=")),
    Change("environment taken away", ("--unset-env", "NGINX_VERSION"),
           buildah=("--env", "NGINX_VERSION-")),
    Change("labels", ("--label", "a=b", "--label", "maintainer=me"), "LABEL a=b maintainer=me",
           ("--label", "a=b", "--label", "maintainer=me"),
           ("--config.label", "a=b", "--config.label", "maintainer=me"),
           ("--label", "a=b", "--label", "maintainer=me")),
    Change("user", ("--user", "101:nginx"), "USER 101:nginx", ("--user", "101:nginx"),
           ("--config.user", "101:nginx"), ("--user", "101:nginx")),
    Change("working directory", ("--workdir", "/srv"), "WORKDIR /srv", ("--workdir", "/srv"),
           ("--config.workingdir", "/srv"), ("--workingdir", "/srv")),
    Change("ports", ("--port", "53/udp", "--port", "80"), "EXPOSE 53/udp 80", None,
           ("--config.exposedports", "53/udp"), ("--port", "53/udp")),
    Change("volumes", ("--volume", "/data", "--volume", "/more"), "VOLUME /data /more", None,
           ("--config.volume", "/data", "--config.volume", "/more"),
           ("--volume", "/data", "--volume", "/more")),
    Change("stop signal", ("--stop-signal", "SIGTERM"), "STOPSIGNAL SIGTERM", None,
           ("--config.stopsignal", "SIGTERM"), ("--stop-signal", "SIGTERM")),
]
CASES = [pytest.param(change, who, id=f"{change.name}, {who}") for change in CHANGES
         for who, words in (("crane", change.crane), (DOCKER, change.dockerfile),
                            (BUILDAH, change.dockerfile), ("umoci", change.umoci),
                            ("buildah config", change.buildah)) if words]


def changed_by(who, change, base, target, build, tmp_path):
    if who == "crane":
        crane("mutate", base, "--tag", target, *change.crane)
    elif who == "umoci":
        build.umoci_config(base, target, *change.umoci)
    elif who == "buildah config":
        build.buildah_config(base, target, *change.buildah)
    else:
        (tmp_path / "context").mkdir()
        make = build.docker if who == DOCKER else build.buildah
        make(f"FROM {base}\n{change.dockerfile}\n", tmp_path / "context", target)
    return runtime_config(target)


def runtime_config(reference: str, platform: str = "linux/amd64") -> dict:
    """What a container gets of an image. Fields that are empty are as good as absent."""
    fields = ("Entrypoint", "Cmd", "Env", "Labels", "User", "WorkingDir", "ExposedPorts", "Volumes",
              "StopSignal")
    config = tools.config(reference, platform)["config"]
    config.get("Labels", {}).pop("io.buildah.version", None)  # buildah signs what it makes.
    return {field: config[field] for field in fields if config.get(field)}


@pytest.mark.parametrize("change, who", CASES)
def test_the_config_is_the_one_that_others_make(change, who, base, name, build, tmp_path):
    kiln("mutate", base, *change.kiln, "-t", name("kiln"))
    theirs = changed_by(who, change, base, name("other"), build, tmp_path)

    assert runtime_config(name("kiln")) == theirs


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_append_makes_the_same_config_as_mutate(change, base, name):
    kiln("mutate", base, *change.kiln, "-t", name("mutate"))
    kiln("append", base, *change.kiln, "-t", name("append"))

    for platform in base_image.PLATFORMS:
        assert (runtime_config(name("append"), platform)
                == runtime_config(name("mutate"), platform)), platform


def test_the_layers_are_those_of_the_base(base, name):
    kiln("mutate", base, "--user", "101", "-t", name("kiln"))

    for platform in base_image.PLATFORMS:
        assert (tools.manifest(name("kiln"), platform)["layers"]
                == tools.manifest(base, platform)["layers"])


# --- Known differences ---

@pytest.mark.difference
def test_crane_mutate_leaves_one_platform_of_an_index(base, name):
    kiln("mutate", base, "--user", "101", "-t", name("kiln"))
    crane("mutate", base, "--user", "101", "--tag", name("crane"))

    assert "layers" in tools.manifest(name("crane"))
    assert tools.platforms(name("kiln")) == list(base_image.PLATFORMS)


@pytest.mark.difference
def test_crane_mutate_does_not_annotate_an_index(base, name):
    kiln("mutate", base, "--annotation", "a=b", "-t", name("kiln"))

    with pytest.raises(tools.ToolFailed, match="annotations on an index is not yet supported"):
        crane("mutate", base, "--annotation", "a=b", "--tag", name("crane"))
    assert tools.manifest(name("kiln"))["annotations"] == {"a": "b"}
    for platform in base_image.PLATFORMS:
        assert tools.manifest(name("kiln"), platform)["annotations"] == {"a": "b"}


@pytest.mark.difference
def test_crane_mutate_puts_ports_in_the_place_of_the_base_s(base, name):
    kiln("mutate", base, "--port", "53/udp", "-t", name("kiln"))
    crane("mutate", base, "--exposed-ports", "53/udp", "--tag", name("crane"))

    assert runtime_config(name("crane"))["ExposedPorts"] == {"53/udp": {}}
    assert runtime_config(name("kiln"))["ExposedPorts"] == {"53/udp": {}, "80/tcp": {}}


@pytest.mark.difference
@pytest.mark.parametrize("who", ["crane", "umoci", "buildah config"])
def test_a_port_without_a_protocol_is_not_completed(base, name, build, tmp_path, who):
    change = Change("port", ("--port", "8080"), "EXPOSE 8080", ("--exposed-ports", "8080"),
                    ("--config.exposedports", "8080"), ("--port", "8080"))
    kiln("mutate", base, *change.kiln, "-t", name("kiln"))

    assert "8080" in changed_by(who, change, base, name("other"), build, tmp_path)["ExposedPorts"]
    assert "8080/tcp" in runtime_config(name("kiln"))["ExposedPorts"]


@pytest.mark.difference
@pytest.mark.parametrize("who", ["umoci", "buildah config"])
def test_args_of_the_base_follow_a_new_entrypoint(base, name, build, tmp_path, who):
    change = Change("entrypoint", ("--entrypoint", "nginx"),
                    umoci=("--config.entrypoint", "nginx"), buildah=("--entrypoint", '["nginx"]'))
    kiln("mutate", base, *change.kiln, "-t", name("kiln"))

    theirs = changed_by(who, change, base, name("other"), build, tmp_path)
    assert theirs["Cmd"] == ["nginx", "-g", "daemon off;"]
    assert "Cmd" not in runtime_config(name("kiln"))


@pytest.mark.difference
def test_crane_mutate_cannot_clear_an_entrypoint(base, name):
    kiln("mutate", base, "--entrypoint", "", "-t", name("kiln"))
    crane("mutate", base, "--entrypoint", "", "--tag", name("crane"))

    assert runtime_config(name("crane"))["Entrypoint"] == ["/docker-entrypoint.sh"]
    assert "Entrypoint" not in runtime_config(name("kiln"))


@pytest.mark.difference
def test_crane_mutate_refuses_a_label_without_a_value(base, name):
    kiln("mutate", base, "--label", "empty=", "-t", name("kiln"))

    with pytest.raises(tools.ToolFailed, match='label "empty", value is empty'):
        crane("mutate", base, "--label", "empty=", "--tag", name("crane"))
    assert runtime_config(name("kiln"))["Labels"]["empty"] == ""


@pytest.mark.difference
def test_crane_mutate_leaves_no_line_in_the_history(base, name):
    kiln("mutate", base, "--user", "101", "-t", name("kiln"))
    crane("mutate", base, "--user", "101", "--tag", name("crane"))

    before = tools.config(base)["history"]
    assert tools.config(name("crane"))["history"] == before
    assert tools.config(name("kiln"))["history"][:-1] == before
    assert tools.config(name("kiln"))["history"][-1]["empty_layer"]


@pytest.mark.difference
@pytest.mark.parametrize("flags", [("--unset-env", "NGINX_VERSION"), ("--volume", "/data"),
                                   ("--stop-signal", "SIGTERM")], ids=lambda flags: flags[0])
def test_crane_mutate_has_no_words_for_some_changes(base, name, flags):
    """Nor others: its help is read, since a flag could have another name."""
    kiln("mutate", base, *flags, "-t", name("kiln"))

    with pytest.raises(tools.ToolFailed, match="unknown flag"):
        crane("mutate", base, *flags, "--tag", name("crane"))
    for word in ("volume", "unset", "remove", "signal"):
        assert word not in crane("mutate", "--help").lower()
