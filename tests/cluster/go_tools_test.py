#!/usr/bin/python3
"""Tests of the tools cache, with a tool of no dependencies, so that a build costs a second."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import go_tools  # noqa: E402


class ToolsCache(unittest.TestCase):
    def setUp(self) -> None:
        if not shutil.which("go"):
            self.skipTest("there is no go on PATH; install Go 1.26 or newer")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cluster-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.write_module('package main\n\nfunc main() { println("hello") }\n')
        tool = go_tools.Tool("hello", "hello", "kiln.test/hello", ".", "1 second", ("--version",),
                             go_tools.Fit("nothing", lambda found, pinned: False))
        for patch in (mock.patch.object(go_tools, "MODULES", self.folder / "modules"),
                      mock.patch.dict(go_tools.TOOLS, {"hello": tool}),
                      mock.patch.dict(os.environ, {"KILN_CACHE_DIR": str(self.folder / "cache")})):
            patch.start()
            self.addCleanup(patch.stop)

    def write_module(self, source: str) -> None:
        source_dir = self.folder / "modules" / "hello" / "source"
        source_dir.mkdir(parents=True, exist_ok=True)
        (source_dir / "main.go").write_text(source)
        (source_dir / "go.mod").write_text("module kiln.test/hello\n\ngo 1.26.0\n")
        (source_dir.parent / "go.mod").write_text(
            "module kiln.test/tools/hello\n\ngo 1.26.0\n\ntool kiln.test/hello\n\n"
            "require kiln.test/hello v1.0.0\n\nreplace kiln.test/hello => ./source\n")
        (source_dir.parent / "go.sum").write_text("")

    def ensure(self) -> tuple[pathlib.Path, str]:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            return go_tools.ensure("hello")["hello"], said.getvalue()

    def test_a_tool_is_built_once_and_then_found(self):
        path, said = self.ensure()
        self.assertEqual(said, "building hello v1.0.0 (about 1 second the first time)\n")
        hello = subprocess.run([path], capture_output=True, text=True, timeout=5)
        self.assertEqual(hello.stderr, "hello\n")
        written = path.stat().st_mtime_ns

        self.assertEqual(self.ensure(), (path, ""))
        self.assertEqual(path.stat().st_mtime_ns, written)

    def test_a_program_of_ours_is_built_anew_when_its_source_changes(self):
        folder = self.folder / "modules" / "hello"
        ours = dataclasses.replace(go_tools.TOOLS["hello"], ours=True)

        def says(word: str) -> str:
            (folder / "main.go").write_text(f'package main\n\nfunc main() {{ println("{word}") }}\n')
            with mock.patch.dict(go_tools.TOOLS, {"hello": dataclasses.replace(ours)}):
                path = self.ensure()[0]
            return subprocess.run([path], capture_output=True, text=True, timeout=5).stderr

        self.assertEqual([says("one"), says("two")], ["one\n", "two\n"])

    def test_two_that_ask_at_once_share_one_build(self):
        children = []
        for _ in range(2):
            child = os.fork()
            if child == 0:
                try:
                    os._exit(0 if "building" in self.ensure()[1] else 7)
                except BaseException:
                    os._exit(1)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

        self.assertEqual(sorted(codes), [0, 7])

    def test_a_failed_build_names_its_log_and_leaves_no_tool(self):
        self.write_module("package main\n\nfunc main() { nonesuch() }\n")

        with self.assertRaisesRegex(go_tools.ToolError, r"(?s)building hello.*hello-v1.*\.log.*"
                                                        "undefined: nonesuch"):
            self.ensure()
        self.assertEqual(list((self.folder / "cache/tools").glob("hello-*/")), [])

    def test_without_go_it_says_what_to_install(self):
        with mock.patch.object(go_tools.shutil, "which", lambda name: None):
            with self.assertRaisesRegex(go_tools.ToolError, "no go on PATH: install Go 1.26.0"):
                self.ensure()

    def test_a_program_on_path_is_used_only_in_a_fitting_version(self):
        program = self.folder / "hello"
        program.write_text("#!/bin/sh\necho hello version v1.7.2\n")
        program.chmod(0o755)
        anything = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        with mock.patch.dict(os.environ, anything):
            self.assertIn("hello is 1.7.2, which does not fit hello v1.0.0", self.ensure()[1])
            shutil.rmtree(self.folder / "cache")
            fitting = dataclasses.replace(go_tools.TOOLS["hello"], fit=go_tools.SAME_MAJOR)
            with mock.patch.dict(go_tools.TOOLS, {"hello": fitting}):
                self.assertEqual(self.ensure(), (program, ""))


if __name__ == "__main__":
    unittest.main()
