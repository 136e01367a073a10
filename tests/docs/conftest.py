"""Finds the helpers of tests/scenarios (programs of the build under test, and how to run them) and others."""

from __future__ import annotations

import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "cluster"), str(TESTS / "scenarios"), str(TESTS / "support")]
