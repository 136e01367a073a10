"""How much of everything the API server takes: each limit is met once and exceeded by one."""

import pytest

from manifests import complaints, manifest


def entry(**source) -> dict:
    return {"path": "/srv", **source}


def git(**fields) -> dict:
    return {"content": [entry(git={"url": "https://git.example.com/a", **fields})]}


def inline(files: dict) -> dict:
    return {"content": [entry(inline={"files": files})]}


def names(count: int) -> list[str]:
    return [f"n{number}" for number in range(count)]


def pairs(count: int) -> dict:
    return {name: "a" for name in names(count)}


def long(length: int, start: str = "") -> str:
    """A text with a slash after every 100 characters, so that no single name is too long."""
    text = start + "/".join(["x" * 100] * (length // 101 + 1))
    return text[:length].rstrip("/").ljust(length, "x")


COUNTS = [
    # name, limit, the spec for a count, the field that is named
    ("content entries", 64, lambda n: {"content": [entry(configMap={"name": "a"})] * n},
     "spec.content"),
    ("removed paths", 256, lambda n: {"remove": ["/" + name for name in names(n)]}, "spec.remove"),
    ("platforms", 32, lambda n: {"base": {"platforms": ["linux/" + name for name in names(n)]}},
     "spec.base.platforms"),
    ("items", 128,
     lambda n: {"content": [entry(secret={"name": "a", "items": [
         {"key": "a", "path": name} for name in names(n)]})]}, "spec.content[0].secret.items"),
    ("globs", 64, lambda n: git(include=names(n)), "spec.content[0].git.include"),
    ("inline files", 256, lambda n: inline(pairs(n)), "spec.content[0].inline.files"),
    ("words of an entrypoint", 256, lambda n: {"config": {"entrypoint": names(n)}},
     "spec.config.entrypoint"),
    ("args", 256, lambda n: {"config": {"args": names(n)}}, "spec.config.args"),
    ("environment variables", 256,
     lambda n: {"config": {"env": [{"name": name} for name in names(n)]}}, "spec.config.env"),
    ("unset environment variables", 128, lambda n: {"config": {"unsetEnv": names(n)}},
     "spec.config.unsetEnv"),
    ("labels", 256, lambda n: {"config": {"labels": pairs(n)}}, "spec.config.labels"),
    ("ports", 128, lambda n: {"config": {"exposedPorts": [str(80 + i) for i in range(n)]}},
     "spec.config.exposedPorts"),
    ("tags", 16, lambda n: {"output": {"tags": names(n)}}, "spec.output.tags"),
    ("annotations", 256, lambda n: {"output": {"annotations": pairs(n)}},
     "spec.output.annotations"),
    ("history", 100, lambda n: {"historyLimit": n}, "spec.historyLimit"),
]

LENGTHS = [
    ("a path", 1024, lambda n: {"content": [{"path": long(n, "/"), "configMap": {"name": "a"}}]},
     "spec.content[0].path"),
    ("one name of a path", 255,
     lambda n: {"content": [{"path": "/srv/" + "x" * n, "configMap": {"name": "a"}}]},
     "spec.content[0].path"),
    ("a removed path", 1024, lambda n: {"remove": [long(n, "/")]}, "spec.remove[0]"),
    ("an item's path", 256,
     lambda n: {"content": [entry(configMap={"name": "a", "items": [
         {"key": "a", "path": long(n)}]})]}, "spec.content[0].configMap.items[0].path"),
    ("a ConfigMap's name", 253, lambda n: {"content": [entry(configMap={"name": "x" * n})]},
     "spec.content[0].configMap.name"),
    ("an inline file's name", 512, lambda n: inline({long(n): ""}), "spec.content[0].inline.files"),
    ("one name of an inline file's path", 255, lambda n: inline({"css/" + "x" * n: ""}),
     "spec.content[0].inline.files"),
    ("a git address", 1024,
     lambda n: git(url="https://git.example.com/a".ljust(n, "x")), "spec.content[0].git.url"),
    ("a branch", 255, lambda n: git(ref={"branch": long(n)}), "spec.content[0].git.ref.branch"),
    ("a glob", 256, lambda n: git(exclude=[long(n)]), "spec.content[0].git.exclude[0]"),
    ("a base", 512, lambda n: {"base": {"image": long(n, "r.example.com/")}}, "spec.base.image"),
    ("an environment variable's name", 256, lambda n: {"config": {"env": [{"name": "X" * n}]}},
     "spec.config.env[0].name"),
    ("an environment variable's value", 32768,
     lambda n: {"config": {"env": [{"name": "A", "value": "x" * n}]}}, "spec.config.env[0].value"),
    ("an argument", 4096, lambda n: {"config": {"args": ["x" * n]}}, "spec.config.args[0]"),
    ("a label's name", 256, lambda n: {"config": {"labels": {"x" * n: ""}}}, "spec.config.labels"),
    ("an annotation", 16384, lambda n: {"output": {"annotations": {"a": "x" * n}}},
     "spec.output.annotations.a"),
    ("a template of a tag", 256, lambda n: {"output": {"tags": ["${date}".ljust(n, "x")]}},
     "spec.output.tags[0]"),
    ("the names and texts of all inline files", 131072,
     lambda n: {"content": [entry(inline={"files": {"a": "x" * 65535}}),
                            entry(inline={"files": {"bc": "x" * (n - 65538)}})]}, "spec.content"),
]


def refused(cluster, spec: dict, field: str) -> bool:
    said = complaints(cluster, manifest(spec))
    return len(said) == 1 and said[0].startswith(field + ": ")


@pytest.mark.parametrize("name, limit, spec_of, field", COUNTS, ids=[row[0] for row in COUNTS])
def test_takes_so_many_and_no_more(cluster, name, limit, spec_of, field):
    assert complaints(cluster, manifest(spec_of(limit))) == []
    assert refused(cluster, spec_of(limit + 1), field)


@pytest.mark.parametrize("name, limit, spec_of, field", LENGTHS, ids=[row[0] for row in LENGTHS])
def test_takes_so_long_and_no_longer(cluster, name, limit, spec_of, field):
    assert complaints(cluster, manifest(spec_of(limit))) == []
    assert refused(cluster, spec_of(limit + 1), field)


def test_takes_everything_at_its_largest_count_at_once(cluster):
    """The rules of the whole object share one budget at run time; this shows it suffices."""
    items = [{"key": "k" * 100, "path": f"{number}/" + "x" * 100} for number in range(128)]
    config_map = {"name": "n" * 253, "items": items}
    spec = {
        "base": {"image": long(512, "r.example.com/"),
                 "platforms": ["linux/" + name for name in names(32)]},
        "remove": [f"/{number}/" + long(400) for number in range(256)],
        "content": [{"path": long(1024, "/"), "configMap": config_map}] * 63
                   + [entry(inline={"files": {name: "x" * 500 for name in names(256)}})],
        "config": {"env": [{"name": name, "value": "x" * 400} for name in names(256)],
                   "unsetEnv": ["X" + name for name in names(128)],
                   "args": ["x" * 400] * 256},
        "output": {"tags": ["${date}" + name for name in names(16)],
                   "annotations": {name: "x" * 100 for name in names(256)}},
    }

    assert complaints(cluster, manifest(spec)) == []


def test_refuses_very_many_removed_paths_in_one_sentence(cluster):
    """Not 200 000: the server's own bookkeeping of fields is quadratic, for ConfigMaps as well."""
    said = complaints(cluster, manifest({"remove": ["/" + name for name in names(20_000)]}))

    assert said == ["spec.remove: Too many: 20000: must have at most 256 items"]
