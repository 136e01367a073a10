"""The schema as a document: complete, described, bounded, and equal where it repeats itself.

Needs no cluster.
"""

from __future__ import annotations

import json
from typing import Iterator

import pytest
import yaml

from conftest import CRD_FILE

CRD = yaml.safe_load(CRD_FILE.read_text())
VERSION = CRD["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]


def walk(schema: dict, path: str) -> Iterator[tuple[str, dict]]:
    """The schema and every one below it; a list's elements are "[]", a map's values "{}"."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from walk(schema["items"], path + "[]")
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], path + "{}")


SCHEMAS = dict(walk(ROOT, ""))
OURS = {path: schema for path, schema in SCHEMAS.items() if path.startswith(("spec", "status"))}


def rules(path: str) -> list[dict]:
    return SCHEMAS[path].get("x-kubernetes-validations", [])


def test_every_field_is_described():
    assert [path for path, schema in OURS.items()
            if not path.endswith("[]") and not schema.get("description", "").endswith(".")] == []


def test_no_field_takes_just_anything():
    anything = {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string",
                "x-kubernetes-embedded-resource"}
    assert [path for path, schema in SCHEMAS.items() if schema.keys() & anything] == []
    assert [path for path, schema in OURS.items() if schema["type"] == "object"
            and not schema.keys() & {"properties", "additionalProperties"}] == []


def test_every_field_is_bounded():
    bounds = {"array": {"maxItems"}, "string": {"maxLength", "enum", "format"},
              "object": {"properties", "maxProperties"}, "integer": {"minimum", "format"},
              "boolean": {"type"}}
    assert [path for path, schema in OURS.items()
            if not schema.keys() & bounds[schema["type"]]] == []


def test_every_list_says_how_it_is_merged():
    assert [path for path, schema in OURS.items()
            if schema["type"] == "array" and "x-kubernetes-list-type" not in schema] == []


def test_every_default_is_told_in_the_description():
    """kubectl explain does not show defaults."""
    defaults = {path: schema for path, schema in OURS.items()
                if not isinstance(schema.get("default", {}), dict)}
    told = {path for path, schema in defaults.items()
            if f"Default: {yaml.safe_dump(schema['default']).split()[0]}." in schema["description"]}
    assert defaults.keys() - told == set()


def test_every_rule_has_a_sentence():
    assert [(path, rule) for path in OURS for rule in rules(path) if not rule.get("message")] == []


def test_patterns_are_used_in_the_status_only():
    """The server's answer to a pattern is the pattern; people get a rule with a sentence."""
    assert [path for path, schema in OURS.items()
            if "pattern" in schema and not path.startswith("status")] == []


ABSOLUTE = ["spec.content[].path", "spec.content[].image.path", "spec.config.workingDir"]
ITEMS = ["spec.content[].configMap.items[].path", "spec.content[].secret.items[].path"]
SECRETS = [path for path in SCHEMAS
           if path.endswith(("ecretRef.name", "spec.content[].secret.name"))]
NAMES = SECRETS + ["spec.content[].configMap.name", "spec.serviceAccountName"]


@pytest.mark.parametrize("paths", [
    ABSOLUTE, ITEMS + ["spec.content[].git.subPath"], SECRETS,
    ["spec.content[].git.include[]", "spec.content[].git.exclude[]"],
    ["spec.config.entrypoint[]", "spec.config.args[]", "spec.config.env[].value"],
    ["spec.config.labels", "spec.output.annotations"],
], ids=lambda paths: paths[0])
def test_copies_have_equal_rules(paths):
    assert all(rules(path) == rules(paths[0]) for path in paths)


def test_a_removed_path_is_a_path_that_is_not_the_root():
    assert rules("spec.remove[]")[1:] == rules(ABSOLUTE[0])


def test_all_names_are_checked_alike():
    assert len({rules(path)[0]["rule"] for path in NAMES}) == 1


def test_image_references_are_checked_alike_but_for_scratch_and_digests():
    base = rules("spec.base.image")[0]["rule"]
    content = rules("spec.content[].image.reference")[0]["rule"]
    output = rules("spec.output.image")[0]["rule"]

    assert content == "self != 'scratch' && " + base
    assert output == "self.contains('/') && " + base.replace("(@sha256:[0-9a-f]{64})?", "")


def test_configmaps_and_secrets_have_the_same_form():
    config_map, secret = (SCHEMAS[f"spec.content[].{kind}"]["properties"]
                          for kind in ("configMap", "secret"))
    assert json.dumps(config_map) == json.dumps(secret).replace("Secret", "ConfigMap")
