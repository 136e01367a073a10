"""Finds the helper modules of tests/support and tests/cluster."""

from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests/cluster", "tests/support"):
    sys.path.insert(0, str(ROOT / folder))
