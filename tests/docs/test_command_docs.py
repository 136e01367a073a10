"""The pages about the `kiln` command and the command say the same, and the examples work."""

from __future__ import annotations

import functools
import os
import pathlib
import re

import pytest

import base_image
import go_tools
import pages
from own_registry import start_registry
from page_shell import Shell
from world import binary, run

OF_EVERY_COMMAND = "Flags of every command"
FOR_A_PRIVATE_REGISTRY = {"login", "logout"}
# Sections of the index that hold flags of several commands, by their anchors.
SHARED = {"registries": "Registries", "platforms": "Platforms", "config": "Config", "layers": "Layers",
          "flags-of-every-command": OF_EVERY_COMMAND}


@functools.cache
def help_sections(command: str = "") -> dict[str, list[str]]:
    """The lines of `kiln [COMMAND] --help` below each heading."""
    sections: dict[str, list[str]] = {}
    heading = ""
    for line in run(binary("kiln"), *command.split(), "--help").stdout.splitlines():
        if re.fullmatch(r"[A-Z][\w ]+:", line):
            heading = line[:-1]
        else:
            sections.setdefault(heading, []).append(line)
    return sections


def commands() -> list[str]:
    return [line.split()[0] for line in help_sections()["Commands"] if re.match(r"  \w", line)]


def help_flags(command: str = "", *, of_every_command: bool = True) -> dict[str, str]:
    """{"--tag": "DEST", "--dry-run": ""}"""
    flags = {}
    for heading, lines in help_sections(command).items():
        if heading == "Examples" or (heading == OF_EVERY_COMMAND and not of_every_command):
            continue
        for line in lines:
            found = re.match(r"  (?:-\w, |    )(--[\w-]+)(\[=\w+\])?(?: (\S+))?(?: {2}|$)", line)
            if found:
                flags[found[1]] = found[2] or found[3] or ""
    return flags


def page(command: str) -> pathlib.Path:
    return pages.PAGES[command]


# --- Pages and program say the same ---

def test_every_command_has_a_page_and_every_page_a_command():
    assert sorted(pages.PAGES) == sorted(commands())


def test_the_index_leads_to_every_page():
    linked = {path for path, _ in pages.links(pages.INDEX)}
    assert {*pages.PAGES.values(), pages.CRANE} <= linked


@pytest.mark.parametrize("command", sorted(pages.PAGES))
def test_a_page_begins_with_what_it_is_for_and_how_it_is_written(command):
    title, purpose, _ = page(command).read_text().split("\n\n", 2)
    assert title == f"# kiln {command}"
    assert purpose.endswith(".") and ". " not in purpose, "one sentence says what it is for"
    synopsis = re.search(r"^```\n(.*?)^```", page(command).read_text(), re.M | re.S)[1]
    assert synopsis.startswith(f"kiln {command}")
    for name in re.findall(r"--[\w-]+", synopsis):
        assert name in help_flags(command), f"{name} is no flag of kiln {command}"


def test_flags_of_every_command_stand_in_the_index():
    assert pages.flags_in_tables(pages.section(OF_EVERY_COMMAND)) == help_flags()


@pytest.mark.parametrize("command", sorted(pages.PAGES))
def test_a_page_has_the_flags_of_its_command_and_no_others(command):
    text = page(command).read_text()
    told = pages.flags_in_tables(text)
    linked = pages.linked_sections(page(command))
    for anchor in linked & SHARED.keys():
        told |= pages.flags_in_tables(pages.section(SHARED[anchor]))
    assert told == help_flags(command)


@pytest.mark.parametrize("command", sorted(pages.PAGES))
def test_examples_of_help_use_flags_that_there_are(command):
    known = help_flags(command)
    lines = [line for line in help_sections(command).get("Examples", []) if not line.startswith("  #")]
    shown = re.findall(r" (--[\w-]+)", "\n".join(lines))
    assert not set(shown) - set(known)


@pytest.mark.parametrize("command", ["", *sorted(pages.PAGES)])
def test_help_is_printed_in_either_way(command):
    words = command.split()
    assert run(binary("kiln"), "help", *words).stdout == run(binary("kiln"), *words, "--help").stdout


def test_kiln_alone_prints_its_help_and_a_flag_its_version():
    assert run(binary("kiln")).stdout == run(binary("kiln"), "--help").stdout
    assert run(binary("kiln"), "--version").stdout == run(binary("kiln"), "version").stdout


def test_crane_users_find_every_command_of_crane():
    crane = str(go_tools.ensure("crane")["crane"])
    listed = run(crane, "--help").stdout.partition("Available Commands:\n")[2].partition("\n\n")[0]
    text = pages.CRANE.read_text()
    for command in re.findall(r"^  (\w+)", listed, re.M):
        assert f"`crane {command}" in text, command


# --- The examples ---

@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """The address of a registry with stand-ins for nginx below hub/."""
    own = None if "KILN_REGISTRY" in os.environ else start_registry(tmp_path_factory.mktemp("open"))
    address = own.address if own else os.environ["KILN_REGISTRY"]
    for tag, mark in (("1.27", ""), ("1.27.0", ""), ("1.27.1", "a new base")):
        base_image.push(f"{address}/hub/library/nginx:{tag}", mark=mark)
    yield address
    if own:
        own.kill()


@pytest.fixture(scope="module")
def private_registry(tmp_path_factory):
    """The address of one that lets in nobody but alice."""
    own = start_registry(tmp_path_factory.mktemp("private"), users={"alice": "hunter2"})
    yield own.address
    own.kill()


@pytest.mark.parametrize("name", ["index", *sorted(pages.PAGES.keys() - FOR_A_PRIVATE_REGISTRY)])
def test_examples_work_and_print_what_the_page_says(name, registry, tmp_path):
    # Repositories of its own, so that pages may use the same names.
    shell = Shell(f"{registry}/docs-{name}", f"{registry}/hub", tmp_path)
    shell.check(pages.PAGES.get(name, pages.INDEX))


@pytest.mark.parametrize("name", sorted(FOR_A_PRIVATE_REGISTRY))
def test_examples_with_a_private_registry_work(name, private_registry, tmp_path):
    Shell(private_registry, private_registry, tmp_path).check(page(name))
