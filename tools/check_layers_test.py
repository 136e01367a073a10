#!/usr/bin/python3
"""check_layers.py on small trees of its own."""

from __future__ import annotations

import pathlib
import tempfile
import unittest

from check_layers import Checker, Layers, LayersError

ARROWS = """\
# A comment.
controller/plan -> core/build
core/build -> core/http core/layer
core/layer -> core/oci
core/http/beast -> core/http
cli -> core/build
"""


def problems_of(files: dict[str, str]) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for path, text in {"tools/layers.txt": ARROWS, **files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return Checker(root).run()


class ArrowsTest(unittest.TestCase):
    def test_an_arrow_lets_includes_through(self):
        self.assertEqual(problems_of({"core/build/a.cc": '#include "core/http/b.h"\n'}), [])

    def test_arrows_chain(self):
        self.assertEqual(problems_of({"controller/plan/a.h": '#include "core/oci/b.h"\n'}), [])

    def test_everything_may_use_core_base(self):
        self.assertEqual(problems_of({"core/oci/a.h": '#include "core/base/b.h"\n'}), [])

    def test_against_the_arrow_is_told_with_line_and_chain(self):
        problem, = problems_of({
            "core/build/main.cc": '#include "core/layer/tree.h"\n',
            "core/layer/tree.h": '#include "core/oci/a.h"\n#include "core/http/url.h"\n',
        })
        self.assertEqual(problem, "core/layer/tree.h:2: core/layer may not use core/http (it may use "
                         "core/base, core/oci)\n    core/build/main.cc -> core/layer/tree.h -> "
                         "core/http/url.h")

    def test_core_base_uses_nothing_of_ours(self):
        problem, = problems_of({"core/base/a.cc": '#include "core/oci/b.h"\n'})
        self.assertIn("core/base may not use core/oci", problem)

    def test_only_the_composition_roots_may_use_everything(self):
        self.assertEqual(problems_of({"cli/main.cc": '#include "core/http/beast/client.h"\n'}), [])
        problem, = problems_of({"cli/run.cc": '#include "core/http/beast/client.h"\n'})
        self.assertIn("cli may not use core/http/beast", problem)

    def test_an_include_must_start_at_the_root(self):
        problem, = problems_of({"core/oci/a.cc": '#include "a.h"\n'})
        self.assertIn('write the path from the root, "core/oci/', problem)

    def test_a_folder_without_arrows_is_told(self):
        problem, = problems_of({"core/magic/a.cc": ""})
        self.assertIn("is in no folder of tools/layers.txt", problem)

    def test_modules_in_cmake_follow_the_arrows_too(self):
        call = "kiln_module(core/layer\n  SOURCES a.cc\n  DEPS core/oci {})\n"
        self.assertEqual(problems_of({"core/layer/CMakeLists.txt": call.format("LIBS z")}), [])
        for slipped in ("core/http", "LIBS kiln_core_http", "PRIVATE_LIBS kiln_core_http_beast"):
            problem, = problems_of({"core/layer/CMakeLists.txt": call.format(slipped)})
            self.assertIn("core/layer may not depend on core/http", problem)

    def test_a_circle_is_an_error(self):
        with self.assertRaisesRegex(LayersError, "lead back"):
            Layers("a -> b\nb -> c\nc -> a\n")

    def test_a_line_that_is_no_arrow_is_an_error(self):
        with self.assertRaisesRegex(LayersError, "line 2 is no arrow"):
            Layers("a -> b\na b\n")


class WordsTest(unittest.TestCase):
    def test_core_does_not_speak_of_the_cluster(self):
        for word in ("Kubernetes", "k8s", "configMap"):
            problem, = problems_of({"core/oci/a.h": f"\n/// From a {word}.\n"})
            self.assertTrue(problem.startswith("core/oci/a.h:2: says"), problem)

    def test_beast_has_one_home(self):
        line = "#include <boost/beast/core.hpp>\n"
        self.assertEqual(problems_of({"core/http/beast/a.cc": line,
                                      "tests/integration/http/a.cc": line}), [])
        for path in ("core/http/a.cc", "cli/main.cc", "tests/support/a.h"):
            problem, = problems_of({path: line})
            self.assertIn("Boost.Beast is used in core/http/beast only", problem)

    def test_openssl_has_two_homes(self):
        line = "#include <openssl/evp.h>\n"
        self.assertEqual(problems_of({"core/http/beast/a.cc": line, "core/base/a.cc": line}), [])
        problem, = problems_of({"core/oci/a.cc": line})
        self.assertIn("core/oci/a.cc:1: includes openssl/evp.h", problem)


class MirrorTest(unittest.TestCase):
    def test_a_unit_test_stands_where_its_subject_stands(self):
        self.assertEqual(problems_of({"core/oci/a.h": "", "tests/unit/core/oci/a_test.cc": ""}), [])
        problem, = problems_of({"core/oci/a.h": "", "tests/unit/oci/a_test.cc": ""})
        self.assertIn("unit tests mirror the source tree", problem)


if __name__ == "__main__":
    unittest.main()
