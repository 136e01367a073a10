"""The scripts of `kiln completion`, asked by the shells they are for."""

from __future__ import annotations

import functools
import pathlib
import shutil
import subprocess

import pytest

from world import binary

DEADLINE_S = 60


@functools.cache
def completion(shell: str) -> str:
    return subprocess.run([binary("kiln"), "completion", shell], capture_output=True, text=True, timeout=DEADLINE_S,
                          check=True).stdout


def answer(shell: str, script: str, folder: pathlib.Path) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    done = subprocess.run([shell, *{"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell], "-c", script],
                          capture_output=True, text=True, timeout=DEADLINE_S, cwd=folder,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb"}, stdin=subprocess.DEVNULL)
    assert done.stderr == ""
    return done.stdout.split()


def in_bash(words: list[str], folder: pathlib.Path) -> list[str]:
    """What bash would offer; it parts words at "=" before it asks."""
    parted = [part for word in words for part in (word.replace("=", " = ").split(" ") if "=" in word else [word])]
    listed = " ".join(f"'{word}'" for word in parted)
    return answer("bash", f"{completion('bash')}\nCOMP_WORDS=({listed})\nCOMP_CWORD={len(parted) - 1}\n_kiln\n"
                  'printf "%s\\n" "${COMPREPLY[@]}"', folder)


def in_zsh(words: list[str], folder: pathlib.Path) -> list[str]:
    """What the functions of zsh's completion are given; they themselves take a terminal."""
    listed = " ".join(f"'{word}'" for word in words)
    offer = ("compdef() { : }\ncompset() { : }\n_files() { print FILES }\n"
             'compadd() { print -l -- "$@" }\n_describe() { print -l -- "${(@)${(P)2}%%:*}" }\n')
    return answer("zsh", f"{offer}{completion('zsh')}\nwords=({listed})\nCURRENT={len(words)}\n_kiln", folder)


def in_fish(words: list[str], folder: pathlib.Path) -> list[str]:
    asked = f"{completion('fish')}\ncomplete -C '{' '.join(words)}' | string split -f1 \\t"
    return [word.rpartition("=")[2] for word in answer("fish", asked, folder)]


SHELLS = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words, offered", [
    (["kiln", "build", "--compression", ""], ["gzip", "gzip-small", "zstd"]),
    (["kiln", "build", "--compression="], ["gzip", "gzip-small", "zstd"]),
    (["kiln", "append", "nginx", "--media-types", ""], ["oci", "docker"]),
    (["kiln", "copy", "--progress", ""], ["auto", "plain", "none"]),
    (["kiln", "tag", "-o", ""], ["name", "json", "yaml"]),
    (["kiln", "completion", ""], ["bash", "zsh", "fish"]),
], ids=lambda each: " ".join(each[1:]) if each[0] == "kiln" else "")
def test_where_only_some_words_are_allowed_they_are_offered(shell, words, offered, tmp_path):
    assert sorted(SHELLS[shell](words, tmp_path)) == sorted(offered)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words, among", [
    (["kiln", "b"], "build"),
    (["kiln", "help", ""], "flatten"),
    (["kiln", "build", "--dry"], "--dry-run"),
    (["kiln", "build", "--prog"], "--progress"),
], ids=lambda each: " ".join(each[1:]) if isinstance(each, list) else "")
def test_commands_and_flags_are_offered(shell, words, among, tmp_path):
    assert among in SHELLS[shell](words, tmp_path)
