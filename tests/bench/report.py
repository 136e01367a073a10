"""What a measurement prints and keeps: the machine's facts, tables, goals; for people, and as JSON for pages."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess

import measuring  # Finds what is below; see there.

import go_tools

ROOT = pathlib.Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it runs, not how fast")


def choose_release() -> None:
    """Figures are of the release build, unless $KILN_BIN_DIR says otherwise."""
    os.environ.setdefault("KILN_BIN_DIR", str(ROOT / "build" / "release" / "bin"))


def disk_of(folder: pathlib.Path) -> str:
    """The file system that holds this folder, and whether its device turns, as far as the kernel knows."""
    best = ("", "unknown", "")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        device, place, kind = line.split()[:3]
        if folder.absolute().is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, kind, device)
    number = os.stat(folder).st_dev
    block = pathlib.Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    for queue in (block / "queue", block / ".." / "queue"):
        if (queue / "rotational").exists():
            turns = (queue / "rotational").read_text().strip() == "1"
            return f"{best[1]} on {best[2]} ({'a disk that turns, says' if turns else 'no disk that turns, says'} the kernel)"
    return f"{best[1]} on {best[2]}"


def machine() -> dict[str, str]:
    """What the figures were measured on, and with."""
    commit = subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=%h of %cs"], capture_output=True, text=True)
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    flags = set((re.search(r"^flags\s*: (.*)$", cpu, re.M) or ["", ""])[1].split())
    wanted = [name for name in ("sse4_2", "avx2", "avx512f", "vpclmulqdq", "sha_ni") if name in flags]
    programs = os.environ.get("KILN_BIN_DIR", "")
    tools = ("registry", "crane", "buildkitd", "kube-apiserver", "etcd")
    versions = ", ".join(f"{name} {go_tools.TOOLS[name].version}" for name in tools)
    return {"machine": measuring.machine(), "instructions of the CPU": ", ".join(wanted) or "none of those that matter",
            "temporary files": disk_of(pathlib.Path(os.environ.get("TMPDIR", "/tmp"))),
            "system": _system(), "servers and peers": versions,
            "Kiln": f"{commit.stdout.strip() or 'of no checkout'}, {programs.removeprefix(str(ROOT) + '/')}",
            "day": datetime.date.today().isoformat()}


def _system() -> str:
    text = pathlib.Path("/etc/os-release").read_text()
    found = re.search(r'^PRETTY_NAME="(.*)"', text, re.M)
    return f"{found[1] if found else platform.system()}, Linux {platform.release()}"


def package_version(name: str) -> str:
    """Of a Debian package, such as 1.12-1."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def median(values: list[float]) -> float:
    return statistics.median(values)


def spread(values: list[float], unit: str = "s", digits: int = 2) -> str:
    """The median, and the least and the largest in brackets."""
    return f"{median(values):.{digits}f} {unit} ({min(values):.{digits}f}–{max(values):.{digits}f})"


class Report:
    """Prints as it goes, and keeps the same for a page."""

    def __init__(self, name: str, title: str, args: argparse.Namespace) -> None:
        self._path: pathlib.Path | None = args.json
        self._kept: dict = {"name": name, "title": title, "quick": args.quick, "machine": machine(), "parts": [],
                            "figures": {}}
        print(f"# {title}\n", flush=True)
        for what, value in self._kept["machine"].items():
            print(f"- {what}: {value}")
        print(flush=True)

    def say(self, text: str) -> None:
        print(text + "\n", flush=True)
        self._kept["parts"].append({"text": text})

    def table(self, header: list[str], rows: list[list[str]]) -> None:
        self._kept["parts"].append({"header": header, "rows": rows})
        print(markdown_table(header, rows) + "\n", flush=True)

    def goal(self, what: str, value: float, limit: float, unit: str = "", *, at_least: bool = False) -> None:
        """A figure beside what it should be. Figures of --quick are compared with nothing."""
        met = value >= limit if at_least else value <= limit
        verdict = "" if self._kept["quick"] else ": " + ("met" if met else "NOT met")
        text = f"{what}: {value:.3g}{unit} (goal: {'at least' if at_least else 'at most'} {limit:g}{unit}){verdict}"
        self._kept["parts"].append({"goal": text})
        print(f"* {text}", flush=True)

    def figure(self, name: str, value) -> None:
        """A number, or a list of them, for plots."""
        self._kept["figures"][name] = value

    def finish(self) -> None:
        print(flush=True)
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
