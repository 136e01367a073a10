"""The tables of manifests, and what the API server says to one."""

from __future__ import annotations

import copy
import pathlib
import re

import yaml

from cluster import Cluster
from kubectl import KubectlError

HERE = pathlib.Path(__file__).resolve().parent
NAME = "site"
MINIMAL = {
    "apiVersion": "kiln.build/v1alpha1",
    "kind": "ImageBuild",
    "metadata": {"name": NAME, "namespace": "default"},
    "spec": {
        "base": {"image": "nginx:1.27"},
        "output": {"image": "registry.example.com/team/site:latest"},
    },
}
# What the server adds when a wrong type or size keeps it from running the rules.
NOT_CHECKED = "<nil>: Invalid value: null: some validation rules were not checked"


def manifest(spec: dict) -> dict:
    """The smallest ImageBuild, changed by `spec` as by a JSON merge patch (null deletes)."""
    result = copy.deepcopy(MINIMAL)
    result["spec"] = merged(result["spec"], spec)
    return result


def merged(target, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def cases(file_name: str) -> list[dict]:
    """All cases of a table, each with its heading in front of its name."""
    table = yaml.safe_load((HERE / file_name).read_text())
    return [{**case, "name": f"{heading}: {case['name']}"}
            for heading, rows in table.items() for case in rows]


def complaints(cluster: Cluster, manifest: dict) -> list[str]:
    """What the user reads, one complaint each; empty if the API server takes the manifest."""
    try:
        cluster.kubectl("create", "--dry-run=server", "--filename=-",
                        input=yaml.safe_dump(manifest, allow_unicode=True))
    except KubectlError as error:
        text = re.sub(r'^The ImageBuild "[^"]*" is invalid:\s*', "", error.stderr.strip())
        lines = [line.removeprefix("* ") for line in text.splitlines()]
        return [line for line in lines if not line.startswith(NOT_CHECKED)]
    return []
