#!/usr/bin/python3
"""check_style.py: for each rule what it catches and what it lets through."""

from __future__ import annotations

import unittest

import check_style

CATCHES = {
    "co-await-braces": [
        "  auto a = co_await client.send(Request{.method = m});\n",
        "  auto a = co_await client.send({m, url});\n",
        "  KILN_CO_TRY(co_await put(Digest(x),\n                           Blob{1}));\n",
        "  auto a = co_await pool.run(work, Options{});\n",
        "  auto a = co_await pool.run([b] { return b; });\n",
        "  auto a = co_await pool.run([fd](int x) -> Result<Index> { return Index{fd}; });\n",
        "  if (auto a = co_await f(B{}); !a) co_return a;\n",
    ],
    "co-await-choice": [
        "  auto done = session_ ? Result<void>() : co_await begin();\n",
        "  co_return ready\n      ? co_await f()\n      : g();\n",
    ],
    "lambda-coroutines": [
        "  auto f = [this]() -> Task<void> { co_await g(); };\n",
        "  spawn([&, url] { co_return; });\n",
        "  auto f = [x](int y) mutable -> Task<Result<int>> {\n    if (y) { co_return x; }\n  };\n",
    ],
    "own-header-first": ['#include <string>\n\n#include "core/oci/a.h"\n'],
    "todo-issue": ["// TODO: later\n", "// FIXME(me) soon\n"],
    "white-space": ["int a; \n", "\tint a;\n", "int a;\r\n", "int a;", "int a;\n\n"],
    "forbidden-words": ["// see /home/someone/notes\n", "using namespace std;\n",
                        "// the blacklist\n", '  sprintf(buffer, "%d", 1);\n'],
}
PASSES = {
    "co-await-braces": [
        "  auto a = co_await pool.run([] { return Layer{1}; });\n",
        "  auto a = co_await pool.run([]() -> Result<Index> { return Index{1}; });\n",
        "  if (co_await f()) {\n    g(B{});\n  }\n",
        "  while (auto a = co_await next()) { g(B{1}); }\n",
        "  // co_await send(Request{}) is what we must not write\n",
        '  co_await say("co_await f({1})");\n  B b{};\n',
        "  co_await f(B{});  // style: co-await-braces: B has a constructor\n",
    ],
    "co-await-choice": [
        "  co_await f(x ? 1 : 2);\n",
        "  auto n = x ? 1 : 2;\n  co_await f(n);\n",
        "  // x ? co_await f() : y\n",
    ],
    "lambda-coroutines": [
        "  auto f = [](int x) -> Task<int> { co_return x; };\n",
        "  auto f = [this] { return 1; };\n  co_await g();\n",
        "  auto f = [this] { h([](int x) -> Task<int> { co_return x; }); };\n",
        "  values[i] = 1;\n  if (x) { co_return values[i]; }\n",
        "[[nodiscard]] Task<int> f() { co_return 1; }\n",
    ],
    "own-header-first": ['#include "core/oci/a.h"\n\n#include <string>\n',
                         "#include <string>\n"],
    "todo-issue": ["// TODO(#12): later\n", "// all that is TO DO\n"],
    "white-space": ["int a;\n", ""],
    "forbidden-words": ["// the allow-list\n", 'f("usr/home/nginx");\n'],
}


def rules_broken(text: str, path: str = "core/oci/a.cc") -> set[str]:
    return {finding.rpartition("[")[2].rstrip("]") for finding in check_style.findings(path, text)}


class RulesTest(unittest.TestCase):
    def test_each_rule_catches_what_it_is_for(self):
        for rule, texts in CATCHES.items():
            for text in texts:
                with self.subTest(rule=rule, text=text):
                    self.assertIn(rule, rules_broken(text))

    def test_each_rule_lets_good_code_through(self):
        for rule, texts in PASSES.items():
            for text in texts:
                with self.subTest(rule=rule, text=text):
                    self.assertNotIn(rule, rules_broken(text))

    def test_a_finding_names_file_and_line(self):
        finding, = check_style.findings("core/oci/a.cc", "int a;\nint b; \n")
        self.assertEqual(finding, "core/oci/a.cc:2: white space at the end of the line [white-space]")

    def test_an_excuse_is_for_one_rule_and_needs_a_reason(self):
        for excuse in ("style: white-space: no", "style: co-await-braces:"):
            self.assertIn("co-await-braces", rules_broken(f"co_await f(B{{}});  // {excuse}\n"))

    def test_unit_tests_do_not_sleep(self):
        text = "std::this_thread::sleep_for(1s);\n"
        rule = "unit-tests-do-not-sleep"
        self.assertIn(rule, rules_broken(text, "tests/unit/core/oci/a_test.cc"))
        self.assertNotIn(rule, rules_broken(text, "tests/integration/a_test.cc"))

    def test_a_makefile_has_tabs(self):
        self.assertEqual(check_style.findings("Makefile", "all:\n\techo\n"), [])

    def test_every_rule_says_what_it_wants(self):
        for name, rule in check_style.RULES.items():
            self.assertTrue(rule.__doc__, name)


class LengthTest(unittest.TestCase):
    EXCUSED = {path: 600 for path in check_style.LONG_FILES}

    def test_a_long_file_is_a_warning(self):
        warnings, errors = check_style.length_findings({**self.EXCUSED, "core/a.cc": 501})
        self.assertEqual(len(warnings), 1)
        self.assertIn("core/a.cc: 501 lines", warnings[0])
        self.assertEqual(errors, [])

    def test_an_excuse_that_is_not_needed_is_an_error(self):
        _, errors = check_style.length_findings({})
        self.assertEqual(len(errors), len(check_style.LONG_FILES))
        self.assertIn("does not exist", errors[0])


if __name__ == "__main__":
    unittest.main()
