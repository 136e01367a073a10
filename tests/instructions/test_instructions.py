"""The count of instructions sees more work, stays the same for the same work, and says what to do."""

from __future__ import annotations

import json
import os
import pathlib

import pytest

import instructions

PROGRAM = pathlib.Path(os.environ.get("KILN_BIN_DIR", instructions.ROOT / "build" / "dev" / "bin")) / "kiln"
RECORDED = {"first build": 1_000_000}


@pytest.mark.parametrize("now, fails, says", [
    (1_000_000, False, "(+0.00%)"),
    (1_029_000, False, "(+2.90%)"),
    (1_031_000, True, "more than 3% too many. Find what costs more"),
    (971_000, False, "(-2.90%)"),
    (960_000, False, "far fewer. Run with --record and commit recorded.json"),
])
def test_a_count_is_compared_with_what_is_recorded(now, fails, says):
    lines, too_many = instructions.compare(RECORDED, {"first build": now})

    assert (too_many, len(lines)) == (fails, 1)
    assert says in lines[0]


def test_a_build_without_a_record_fails():
    lines, too_many = instructions.compare({}, {"first build": 1})

    assert too_many
    assert "nothing recorded: run with --record" in lines[0]


def test_every_record_has_every_build():
    recorded = json.loads(instructions.RECORDED.read_text())

    assert recorded
    for compiler, counts in recorded.items():
        builds = ("first build", "one file edited", "nothing edited")
        assert set(counts) == {f"{build}, {part}" for build in builds for part in ("all", "kiln itself")}, compiler


def test_another_kind_of_build_is_refused(tmp_path):
    (tmp_path / "CMakeFiles" / "3.25.1").mkdir(parents=True)
    (tmp_path / "CMakeFiles" / "3.25.1" / "CMakeCXXCompiler.cmake").write_text('set(CMAKE_CXX_COMPILER_ID "GNU")\n')
    (tmp_path / "CMakeCache.txt").write_text("CMAKE_BUILD_TYPE:STRING=Dev\n")

    with pytest.raises(instructions.CannotCount, match="is of the type Dev; counts are recorded of Release"):
        instructions.compiler_of(tmp_path)


def test_the_same_work_has_the_same_count_and_more_work_a_larger_one(tmp_path):
    def counted(name: str, files: int) -> tuple[int, int]:
        (tmp_path / name).mkdir()
        return instructions.Counter(PROGRAM, tmp_path / name, files, files * 20_000).build()

    once, again, more = counted("once", 40), counted("again", 40), counted("more", 48)

    for part in range(2):
        assert abs(again[part] / once[part] - 1) < 0.005
        assert more[part] / once[part] - 1 > 0.01
    assert 0 < once[1] < once[0]


def test_what_a_call_costs_is_counted_at_the_callee_alone():
    profile = """version: 1
events: Ir
ob=(1) /bin/kiln
fn=(1)
0x10 5
+3 7
cob=(2) /lib/libcrypto.so
cfn=(2)
calls=2 0x20
+1 100
ob=(2)
fn=(2)
0x20 90
* 10
totals: 112
"""

    assert instructions.costs_by_object(profile) == {"/bin/kiln": 12, "/lib/libcrypto.so": 100}
