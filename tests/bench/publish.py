#!/usr/bin/python3
"""Writes the figures of `make bench` into docs/benchmarks.md and plots into docs/pictures: `make bench-docs`.

    tests/bench/publish.py [--from build/bench] [--page docs/benchmarks.md]

Between `<!-- figures: NAME -->` and `<!-- end of figures -->` the page is what NAME.json says; everything else is written by
hand and stays. Where there is no NAME.json, what the page has stays. Figures of a quick run are refused.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import statistics
import sys

import plots
import report

ROOT = pathlib.Path(__file__).resolve().parents[2]
_PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.S)


def rendered(kept: dict, pictures: list[str]) -> str:
    """The part of a page for one measurement: what it was measured on, pictures (by the page's names of them), figures."""
    facts = kept["machine"]
    lines = [f"Measured on {facts['day']}: {facts['machine']}; {facts['instructions of the CPU']}; {facts['system']}; temporary "
             f"files on {facts['temporary files']}. Kiln {facts['Kiln']}; {facts['servers and peers']}.", ""]
    for picture in pictures:
        lines += [f"![{pathlib.PurePath(picture).stem.replace('-', ' ')}]({picture})", ""]
    if "output" in kept:
        return "\n".join([*lines, "```text", kept["output"].strip("\n"), "```", ""])
    for part in kept["parts"]:
        if "goal" in part:
            lines.append(f"- {part['goal']}")
            continue
        lines += ["", part["text"]] if "text" in part else ["", report.markdown_table(part["header"], part["rows"])]
        lines.append("")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).rstrip("\n") + "\n")


# --- Plots ---

def _color(name: str) -> str:
    return plots.OURS if name.lower().startswith("kiln") else plots.OTHERS


def first_build(figures: dict) -> dict[str, str]:
    medians = {name.replace("\\|", "|"): statistics.median(values) for name, values in figures["first_s"].items()}
    first = [plots.Bar("the bound", figures["bound_s"], plots.LIMIT)]
    again = {name.replace("\\|", "|"): statistics.median(values) for name, values in figures["again_s"].items()}
    return {"first-build": plots.bars("The first build and push of the site", "s",
                                      first + [plots.Bar(name, value, _color(name)) for name, value in medians.items()]),
            "next-build": plots.bars("The next build and push", "s",
                                     [plots.Bar(name, value, _color(name)) for name, value in again.items()])}


def compression(figures: dict) -> dict[str, str]:
    what = [plots.Point(name.removeprefix("kiln build --compression ").split(",")[0] + (" (Kiln)" if _color(name) == plots.OURS else ""),
                        figures["mb_s"][name], figures["bytes"][name] / 1e6, _color(name)) for name in figures["mb_s"]]
    return {"compression": plots.points("Speed and size: to the right and down is better", "MB/s of content", "MB", what)}


def growth(figures: dict) -> dict[str, str]:
    drawn = {}
    for name, words in (("files", "files of 5 KB"), ("megabytes", "MB, in files of 1 MB")):
        of = figures[name]["of"]
        drawn[f"growth-{name}"] = plots.lines("The first build and push, by size", words, "seconds, MiB", [
            plots.Line("memory, MiB", of, figures[name]["mib"]), plots.Line("seconds", of, figures[name]["seconds"])])
    builds = figures["image_builds"]
    drawn["growth-imagebuilds"] = plots.lines("The controller, by its ImageBuilds", "ImageBuilds", "MB, seconds", [
        plots.Line("memory, MB", builds["of"], builds["mb"]), plots.Line("restart, s", builds["of"], builds["restart_s"])])
    return drawn


PLOTS = {"first_build": first_build, "compression": compression, "growth": growth}


def publish(figures: pathlib.Path, page: pathlib.Path, pictures: pathlib.Path) -> list[str]:
    """Answers what was written. Errors: SystemExit for figures of a quick run, and for a measurement without a place."""
    kept = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(figures.glob("*.json"))}
    if quick := sorted(name for name, one in kept.items() if one["quick"]):
        raise SystemExit(f"publish: the figures of {', '.join(quick)} are of a quick run; run: make bench ONLY={','.join(quick)}")
    text = page.read_text(encoding="utf-8")
    if missing := sorted(set(kept) - {found[1] for found in _PLACE.findall(text)}):
        raise SystemExit(f"publish: {page} has no place for the figures of {', '.join(missing)}")
    drawn = {name: PLOTS[name](one["figures"]) if name in PLOTS else {} for name, one in kept.items()}
    shown = {name: [f"{pictures.name}/{stem}.svg" for stem in of_one] for name, of_one in drawn.items()}
    text = _PLACE.sub(lambda found: found[1] + rendered(kept[found[2]], shown[found[2]]) + found[3]
                      if found[2] in kept else found[0], text)
    page.write_text(text, encoding="utf-8")
    written = [str(page)]
    for stem, picture in (each for of_one in drawn.values() for each in of_one.items()):
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / f"{stem}.svg").write_text(picture, encoding="utf-8")
        written.append(str(pictures / f"{stem}.svg"))
    return written


def main() -> int:
    parser = argparse.ArgumentParser(description="Figures into docs/benchmarks.md.")
    parser.add_argument("--from", dest="figures", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs" / "benchmarks.md")
    args = parser.parse_args()
    print("\n".join(publish(args.figures, args.page, args.page.parent / "pictures")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
