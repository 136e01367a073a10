"""docs/api.md says what the CRD says."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import api_reference  # noqa: E402  (found through the line above)


def test_the_page_is_what_the_crd_gives():
    check = subprocess.run([ROOT / "tools" / "api_reference.py", "--check"], capture_output=True, text=True)

    assert (check.returncode, check.stderr) == (0, "")


def test_every_field_has_a_line_that_tells_what_it_is():
    crd = yaml.safe_load(api_reference.CRD.read_text())
    lines = [line for line in api_reference.page(crd).splitlines() if line.startswith("| `")]

    assert len(lines) > 100
    assert [line for line in lines if line.split("|")[3].strip() == ""] == []


def test_a_field_that_the_page_lacks_is_found(tmp_path, monkeypatch):
    stale = tmp_path / "api.md"
    stale.write_text(api_reference.PAGE.read_text().replace("`spec.suspend`", "`spec.paused`"))
    monkeypatch.setattr(api_reference, "PAGE", stale)
    monkeypatch.setattr(sys, "argv", ["api_reference.py", "--check"])

    assert api_reference.main() == 1
