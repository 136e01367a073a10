#!/usr/bin/python3
"""Checks that the folders use each other only along the arrows of tools/layers.txt.

    check_layers.py [--root DIR]

Looked at are the #include lines of core/, controller/ and cli/, the kiln_module() calls of their
CMakeLists.txt, three words that have one home each, and whether unit tests mirror the source tree.
A broken arrow is shown with the chain of includes that ends in it. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import re
import sys

SOURCE_FOLDERS = ("core", "controller", "cli")
# They wire everything together, so they may use everything.
COMPOSITION_ROOTS = ("controller/main.cc", "cli/main.cc")
COMMON = "core/base"  # Everything may use it.

_INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)
_MODULE_CALL = re.compile(r"kiln_module\(\s*(\S+)([^)]*)\)")
# The engine serves the command and tests as well as the operator: it must not know the latter.
_FOREIGN_WORDS = re.compile(r"kube|k8s|configmap", re.I)


class LayersError(Exception):
    """layers.txt itself is wrong; the message has its line."""


class Layers:
    """The arrows, and what follows from them."""

    def __init__(self, text: str) -> None:
        """Errors: LayersError for a line that is no arrow, and for arrows that form a circle."""
        self._direct: dict[str, list[str]] = {COMMON: []}
        for number, line in enumerate(text.splitlines(), 1):
            line = line.partition("#")[0].strip()
            if not line:
                continue
            found = re.fullmatch(r"(\S+)\s*->\s*(\S.*)", line)
            if not found:
                raise LayersError(f"line {number} is no arrow: write FOLDER -> FOLDER …")
            self._direct.setdefault(found[1], []).extend(found[2].split())
            for target in found[2].split():
                self._direct.setdefault(target, [])
        self._allowed = {name: self._closure(name) for name in self._direct}
        for name, allowed in self._allowed.items():
            if name != COMMON and any(name in self._allowed[user] for user in allowed - {name}):
                raise LayersError(f"the arrows of {name} lead back to it")

    def _closure(self, name: str) -> set[str]:
        reached, waiting = {COMMON, name}, [name]
        while waiting:
            for target in self._direct[waiting.pop()]:
                if target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return reached

    @property
    def modules(self) -> list[str]:
        return list(self._direct)

    def module_of(self, path: str) -> str | None:
        """The folder of layers.txt that a file is in; None if it is in none of them."""
        folder = path.rpartition("/")[0]
        return folder if folder in self._direct else None

    def may_use(self, user: str, used: str) -> bool:
        return used in self._allowed[user]

    def allowed(self, user: str) -> list[str]:
        return sorted(self._allowed[user] - {user})


class Checker:
    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        self._layers = Layers((root / "tools" / "layers.txt").read_text())
        self._texts = {str(path.relative_to(root)): path.read_text(errors="replace")
                       for folder in (*SOURCE_FOLDERS, "tests")
                       for path in sorted((root / folder).rglob("*"))
                       if path.suffix in (".h", ".cc")}
        self._includes = {path: _INCLUDE.findall(text) for path, text in self._texts.items()}
        self.problems: list[str] = []

    def run(self) -> list[str]:
        for path in self._texts:
            if path.startswith(SOURCE_FOLDERS):
                self._check_source(path)
            elif path.startswith("tests/unit/"):
                self._check_unit_test(path)
            self._check_beast(path)
        for folder in SOURCE_FOLDERS:
            for path in sorted((self._root / folder).rglob("CMakeLists.txt")):
                self._check_cmake(path)
        return self.problems

    def _say(self, path: str, problem: str) -> None:
        self.problems.append(f"{path}: {problem}")

    def _check_source(self, path: str) -> None:
        self._check_words(path)
        if path in COMPOSITION_ROOTS:
            return
        user = self._layers.module_of(path)
        if user is None:
            self._say(path, "is in no folder of tools/layers.txt: move it, or add arrows for it")
            return
        for kind, name in self._includes[path]:
            if kind == '"':
                self._check_include(path, user, name)

    def _check_include(self, path: str, user: str, name: str) -> None:
        if not name.startswith(tuple(f"{folder}/" for folder in SOURCE_FOLDERS)):
            self._say(f"{path}:{self._line(path, name)}",
                      f'includes "{name}": write the path from the root, "{path.rpartition("/")[0]}/…"')
            return
        used = self._layers.module_of(name)
        if used is None:
            self._say(f"{path}:{self._line(path, name)}",
                      f'includes "{name}", which is in no folder of tools/layers.txt')
        elif not self._layers.may_use(user, used):
            self._say(f"{path}:{self._line(path, name)}",
                      f"{user} may not use {used} (it may use {', '.join(self._layers.allowed(user))})"
                      f"\n    {self._chain(path)} -> {name}")

    def _chain(self, path: str) -> str:
        """The shortest way from a .cc file to `path` by includes: who is drawn into it."""
        users = collections.defaultdict(list)
        for user, includes in self._includes.items():
            if user.startswith(SOURCE_FOLDERS):
                for kind, name in includes:
                    if kind == '"':
                        users[name].append(user)
        ways, seen = collections.deque([[path]]), {path}
        while ways:
            way = ways.popleft()
            if way[0].endswith(".cc"):
                return " -> ".join(way)
            for user in sorted(users[way[0]]):
                if user not in seen:
                    seen.add(user)
                    ways.append([user, *way])
        return path

    def _line(self, path: str, text: str) -> int:
        return self._texts[path].count("\n", 0, self._texts[path].find(text)) + 1

    def _check_words(self, path: str) -> None:
        if path.startswith("core/"):
            for number, line in enumerate(self._texts[path].splitlines(), 1):
                found = _FOREIGN_WORDS.search(line)
                if found:
                    self._say(f"{path}:{number}", f'says "{found[0]}": core/ does not know Kubernetes, '
                              "not even in comments; say what it is to the engine")
        for kind, name in self._includes[path]:
            if name.startswith("openssl/") and not path.startswith(("core/base/", "core/http/beast/")):
                self._say(f"{path}:{self._line(path, name)}",
                          f"includes {name}: OpenSSL is used in core/base and core/http/beast only")

    def _check_beast(self, path: str) -> None:
        if path.startswith(("core/http/beast/", "tests/integration/")):
            return
        for kind, name in self._includes[path]:
            if name.startswith("boost/beast"):
                self._say(f"{path}:{self._line(path, name)}",
                          f"includes {name}: Boost.Beast is used in core/http/beast only")

    def _check_unit_test(self, path: str) -> None:
        folder = path.removeprefix("tests/unit/").rpartition("/")[0]
        if path.endswith("_test.cc") and not any((self._root / folder).glob("*.h")):
            self._say(path, f"tests nothing: there are no headers in {folder or 'the root'}; "
                      "unit tests mirror the source tree")

    def _check_cmake(self, path: pathlib.Path) -> None:
        name = str(path.relative_to(self._root))
        text = re.sub(r"#.*", "", path.read_text())
        for module, arguments in _MODULE_CALL.findall(text):
            if self._layers.module_of(module + "/x") is None:
                self._say(name, f"kiln_module({module} …) is in no line of tools/layers.txt")
                continue
            for used in self._modules_named(arguments):
                if not self._layers.may_use(module, used):
                    self._say(name, f"{module} may not depend on {used} (it may use "
                              f"{', '.join(self._layers.allowed(module))})")

    def _modules_named(self, arguments: str) -> list[str]:
        """DEPS by folder, and targets such as kiln_core_http that were slipped into LIBS."""
        section, modules = "", []
        targets = {"kiln_" + name.replace("/", "_"): name for name in self._layers.modules}
        for word in arguments.split():
            if word in ("SOURCES", "DEPS", "LIBS", "PRIVATE_LIBS"):
                section = word
            elif section == "DEPS" and self._layers.module_of(word + "/x"):
                modules.append(word)
            elif word in targets:
                modules.append(targets[word])
        return modules


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the arrows between the folders.")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[1])
    args = parser.parse_args()
    try:
        problems = Checker(args.root).run()
    except (LayersError, OSError) as error:
        print(f"layers: tools/layers.txt: {error}")
        return 1
    for problem in problems:
        print(problem)
    print(f"layers: {len(problems)} problems" if problems else "layers: all arrows hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
