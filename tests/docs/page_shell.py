"""Runs the commands of a page as its reader would: one after the other, in one shell."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pages
from world import binary

PAGE_DEADLINE_S = 600
PLACEHOLDER = "registry.example.com"
DOCKER_HUB = "index.docker.io"
MARK = "--- the end of a block ---"
# What the reader's shell does not have.
OURS = ("SOURCE_DATE_EPOCH", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
        "KILN_REGISTRIES_CONFIG", "KILN_REGISTRY", "KILN_CLUSTER_DIR", "KUBECONFIG", "KUBECACHEDIR")


class Shell:
    """A bash in a folder of its own.

    `here` is registry.example.com for it and `hub` has the images of Docker Hub; `words` are others that it
    sees in another way: {"127.0.0.1:9440": "127.0.0.1:31234"}. What it prints is in the words of the page again.
    """

    def __init__(self, here: str, hub: str, folder: pathlib.Path, words: dict[str, str] | None = None,
                 environment: dict[str, str] | None = None) -> None:
        self._hub = hub
        self._folder = folder
        self._words = {PLACEHOLDER: here, **(words or {})}
        kept = {name: value for name, value in os.environ.items() if name not in OURS}
        self._environment = {**kept, "HOME": str(folder / "home"),
                             "PATH": f"{pathlib.Path(binary('kiln')).parent.absolute()}:{os.environ['PATH']}",
                             **(environment or {})}
        (folder / "home").mkdir(exist_ok=True)

    def check(self, path: pathlib.Path) -> None:
        """Runs the page's commands. Errors: AssertionError if one fails, or prints what the page does not say."""
        self.check_blocks(path, pages.examples(path))

    def check_blocks(self, path: pathlib.Path, blocks: list[pages.Block]) -> None:
        """The same for blocks of the page in an order that is the caller's."""
        for block, printed in zip(blocks, self.run([block.commands() for block in blocks]), strict=True):
            if block.expected is not None:
                assert re.fullmatch(pages.as_pattern(block.expected), pages.one_spaced(printed)), (
                    f"{path.name}:{block.line} prints\n{printed}\nthe page says\n{block.expected}")

    def run(self, scripts: list[str]) -> list[str]:
        """What each prints to standard output and error. What they left in the background ends with the last one."""
        whole = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(
            f"{self._inside(script)}\nprintf '\\n%s\\n' '{MARK}'\n" for script in scripts)
        with tempfile.TemporaryFile("w+") as output:
            shell = subprocess.Popen(["bash", "-c", whole], cwd=self._folder, env=self._environment, text=True,
                                     stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                     start_new_session=True)
            try:
                code = shell.wait(PAGE_DEADLINE_S)
            except subprocess.TimeoutExpired:
                code = "none in time"
            finally:
                _end_session(shell)
            output.seek(0)
            *printed, rest = self._outside(output.read()).split(f"\n{MARK}\n")
        assert code == 0, f"exit code {code} of\n{scripts[min(len(printed), len(scripts) - 1)]}\n{rest}"
        return printed

    def _inside(self, script: str) -> str:
        for word, ours in self._words.items():
            script = re.sub(rf"(?<![\w.]){re.escape(word)}(?!\w)", ours, script)
        return re.sub(r"(?<![\w./:-])nginx:1\.", f"{self._hub}/library/nginx:1.", script)

    def _outside(self, printed: str) -> str:
        ours = {**self._words, **({DOCKER_HUB: self._hub} if self._hub not in self._words.values() else {})}
        for word in sorted(ours, key=lambda word: -len(ours[word])):
            printed = printed.replace(ours[word], word)
        return printed


def _end_session(shell: subprocess.Popen) -> None:
    """Also what it has started."""
    try:
        os.killpg(shell.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # All of it has ended.
    shell.wait(10)
