#!/usr/bin/python3
"""The page docs/api.md: every field of the ImageBuild with type, default, limits and rules, made of the CRD.

    api_reference.py            writes the page
    api_reference.py --check    fails if the page is not what the CRD gives
"""

from __future__ import annotations

import argparse
import pathlib
import re
import sys
from typing import Iterator

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
CRD = ROOT / "crds" / "kiln.build_imagebuilds.yaml"
PAGE = ROOT / "docs" / "api.md"
LONGEST_PATTERN = 40  # Longer ones say less than the sentence that comes with them.

HEAD = """\
# The API, field by field

Made of the CRD by `tools/api_reference.py`; the same words as in `kubectl explain imagebuild.spec --recursive`. How to use them is
told in [The ImageBuild](imagebuild.md).

Kind `{kind}`, `{group}/{version}`, short name `{short}`, namespaced. A manifest that breaks a rule is refused by the API server with
the rule's sentence.
"""


def parts(path: str, schema: dict, required: bool) -> Iterator[tuple[str, dict, bool]]:
    """A field and all below it: path, schema, whether it has to be there."""
    yield path, schema, required
    if "items" in schema:
        below = schema["items"]
        path += "[]"
    elif isinstance(schema.get("additionalProperties"), dict):
        below = schema["additionalProperties"]
        path += ".<key>"
    else:
        below = schema
    for name, field in below.get("properties", {}).items():
        yield from parts(f"{path}.{name}", field, name in below.get("required", []))


def type_of(schema: dict) -> str:
    if "items" in schema:
        return f"list of {type_of(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {type_of(schema['additionalProperties'])}"
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    return f"{schema['type']} ({schema['format']})" if "format" in schema else schema["type"]


def limits(schema: dict) -> Iterator[str]:
    """What the schema itself bounds, of the field and of its items."""
    if schema.get("minLength") == 1:
        yield "not empty"
    for key, words in (("minLength", "at least {} characters"), ("maxLength", "at most {} characters"),
                       ("minimum", "at least {}"), ("maximum", "at most {}"), ("minItems", "at least {} entries"),
                       ("maxItems", "at most {} entries"), ("minProperties", "at least {} entries"),
                       ("maxProperties", "at most {} entries")):
        if key in schema and (key, schema[key]) != ("minLength", 1):
            yield words.format(schema[key])
    if "enum" in schema:
        yield "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if len(schema.get("pattern", "x" * LONGEST_PATTERN)) < LONGEST_PATTERN:
        yield f"matches `{schema['pattern']}`"
    if "items" in schema:
        for limit in limits(schema["items"]):
            yield f"each {limit}"


def rules(schema: dict) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", []):
        yield one_line(rule["message"]) if "message" in rule else f"`{one_line(rule['rule'])}`"
    if "items" in schema:
        yield from rules(schema["items"])


def one_line(text: str) -> str:
    return " ".join(text.split())


def in_a_cell(text: str) -> str:
    """Markdown reads '<' as a tag and '|' as the next cell; in code both stand for themselves, but for '|'."""
    text = text.replace("|", "\\|")
    return "".join(piece if piece.startswith("`") else piece.replace("<", "&lt;")
                   for piece in re.split(r"(`[^`]*`)", text))


def line(path: str, schema: dict, required: bool) -> str:
    facts = [type_of(schema)]
    if required:
        facts.append("required")
    if "default" in schema:
        facts.append(f"default `{yaml.safe_dump(schema['default'], default_flow_style=True, width=1000).splitlines()[0]}`")
    facts += limits(schema)
    about = one_line(schema.get("description", ""))
    if said := list(dict.fromkeys(rules(schema))):
        about += " **Refused:** " + "; ".join(said) + "."
    return f"| `{path}` | {in_a_cell(', '.join(facts))} | {in_a_cell(about)} |"


def page(crd: dict) -> str:
    spec = crd["spec"]
    version = spec["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    text = HEAD.format(kind=spec["names"]["kind"], group=spec["group"], version=version["name"],
                       short=spec["names"]["shortNames"][0])
    for top in ("spec", "status"):
        fields = schema["properties"][top]
        text += f"\n## {top}\n\n{one_line(fields.get('description', ''))}\n"
        if said := list(rules(fields)):
            text += "\nRefused as a whole:\n\n" + "".join(f"- {one}\n" for one in said)
        text += "\n| field | type, default, limits | what |\n|---|---|---|\n"
        below = list(parts(top, fields, True))[1:]
        text += "".join(line(*field) + "\n" for field in below)
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    arguments = parser.parse_args()
    made = page(yaml.safe_load(CRD.read_text()))
    if not arguments.check:
        PAGE.write_text(made)
        return 0
    if PAGE.exists() and PAGE.read_text() == made:
        return 0
    print("docs/api.md is not what the CRD says: run tools/api_reference.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
