#!/usr/bin/python3
"""The end-to-end tests: `make e2e`. Root only; all that they start is in namespaces that end with them.

    run.py [ARGUMENTS OF PYTEST]

Builds what a node needs (once), and starts pytest on a machine of its own (tests/cluster/own_machine.py).
What it finds: the program kiln in $KILN_BIN_DIR (build/release/bin), and what `make image` and `make chart`
have put below build. Logs of the node and of all pods are in build/e2e/logs afterwards.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
import go_tools  # noqa: E402  (found through the line above)
import own_machine  # noqa: E402

DEADLINE_S = 15 * 60
LOGS = ROOT / "build" / "e2e" / "logs"
IMAGE = ROOT / "build" / "image" / f"kiln-controller-{go_tools.go_architecture()}.tar"


class Missing(Exception):
    """Something that must be made first; the message says how."""


def packaged_chart() -> pathlib.Path:
    """The file that users install."""
    version = re.search(r"^version: (\S+)$", (ROOT / "charts" / "kiln" / "Chart.yaml").read_text(), re.M)[1]
    return ROOT / "build" / "chart" / f"kiln-{version}.tgz"


def environment() -> dict[str, str]:
    """What conftest.py reads."""
    programs = pathlib.Path(os.environ.get("KILN_BIN_DIR", ROOT / "build" / "release" / "bin"))
    chart = packaged_chart()
    for path, target in ((programs / "kiln", "build"), (IMAGE, "image"), (chart, "chart")):
        if not path.exists():
            raise Missing(f"there is no {path}; make {target} builds it, and make e2e does all")
    go_tools.ensure(*go_tools.CLUSTER_TOOLS, *go_tools.NODE_TOOLS)
    return {"KILN_BIN_DIR": str(programs), "KILN_E2E_IMAGE": str(IMAGE), "KILN_E2E_CHART": str(chart),
            "KILN_E2E_LOGS": str(LOGS)}


def main(words: list[str]) -> int:
    lack = own_machine.lacks()
    if lack:
        print(f"e2e: {lack}", file=sys.stderr)
        return 1
    try:
        os.environ.update(environment())
    except (Missing, go_tools.ToolError, OSError) as error:
        print(f"e2e: {error}", file=sys.stderr)
        return 1
    return own_machine.main(["/usr/bin/python3", "-m", "pytest", "-v", "-p", "no:cacheprovider",
                             "--durations=3", *(words or [str(ROOT / "tests" / "e2e")])],
                            deadline_s=DEADLINE_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
