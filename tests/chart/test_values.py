"""The values: each is documented and checked, and what is wrong is said in words."""

from __future__ import annotations

import json
import re

import pytest
import yaml

import make_image
from helm_chart import CHART, IMAGE, container, helm, render, template, the, values_files
from world import ROOT, binary, run


@pytest.mark.parametrize("values", values_files(), ids=lambda path: path.stem)
def test_helm_lint_has_nothing_to_say(values):
    done = helm("lint", "--strict", str(CHART), "--values", str(values), "--set", f"image.repository={IMAGE}")
    assert done.returncode == 0 and "0 chart(s) failed" in done.stdout, done.stdout
    assert "[WARNING]" not in done.stdout and "[ERROR]" not in done.stdout, done.stdout


WRONG = [
    ("replicas=two", "at '/replicas': got string, want integer"),
    ("replicas=-1", "at '/replicas': minimum: got -1, want 0"),
    ("replica=1", "additional properties 'replica' not allowed"),
    ("controller.loglevel=info", "at '/controller': additional properties 'loglevel' not allowed"),
    ("controller.logLevel=loud", "at '/controller/logLevel': value must be one of 'trace', 'debug', 'info'"),
    ("controller.minRetryDelay=soon", "at '/controller/minRetryDelay': 'soon' does not match pattern"),
    ("controller.concurrent=0", "at '/controller/concurrent': minimum: got 0, want 1"),
    ("controller.extraArgs={log-level=info}", "at '/controller/extraArgs/0': 'log-level=info' does not match pattern '^--'"),
    ("cache.type=disk", "at '/cache/type': value must be one of 'emptyDir', 'ephemeral', 'claim'"),
    ("cache.size=much", "at '/cache/size': 'much' does not match pattern"),
    ("watchNamespaces=web", "at '/watchNamespaces': got string, want array"),
    ("watchNamespaces={Web}", "at '/watchNamespaces/0': 'Web' does not match pattern"),
    ("egress.allow={everything}", "at '/egress/allow/0': 'everything' does not match pattern"),
    ("image.repository=https://r.example.com/kiln", "at '/image/repository': 'https://r.example.com/kiln' does not match"),
    ("image.repository=r.example.com/kiln:1", "at '/image/repository': 'r.example.com/kiln:1' does not match"),
    ("image.digest=sha256:abc", "at '/image/digest': 'sha256:abc' does not match pattern"),
    ("image.pullSecrets=registry", "at '/image/pullSecrets': got string, want array"),
    ("image.pullSecrets={My Secret}", "at '/image/pullSecrets/0': 'My Secret' does not match pattern"),
    ("image.pullSecrets[0].name=My", "at '/image/pullSecrets/0/name': 'My' does not match pattern"),
    ("image.pullSecrets[0].secret=registry", "at '/image/pullSecrets/0': additional properties 'secret' not allowed"),
    ("image.repository=", "image.repository is needed: push the image (make image IMAGE=…) and say where it is"),
    ("leaderElection.enabled=false", "replicas is more than 1, so leaderElection.enabled must be true"),
    ("hooks.ingress.enabled=true", "hooks.ingress.enabled needs hooks.enabled"),
    ("hooks.enabled=true,hooks.ingress.enabled=true", "hooks.ingress.host is needed"),
    ("registries.files.ca=x", "registries.files are files that registries.config names, and it is empty"),
]


@pytest.mark.parametrize("setting, said", WRONG, ids=[setting for setting, _ in WRONG])
def test_a_wrong_value_is_refused_in_words(setting, said):
    done = template("--set", setting)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize("setting", ["image.pullSecrets={registry,other}",
                                     "image.pullSecrets[0].name=registry,image.pullSecrets[1].name=other",
                                     "image.pullSecrets[0].name=registry,image.pullSecrets[1]=other"])
def test_pull_secrets_are_names_or_what_a_pod_has(setting):
    pod = the(render("--set", setting), "Deployment")["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}, {"name": "other"}]


def test_each_value_has_a_line_about_it():
    lines = (CHART / "values.yaml").read_text().splitlines()
    bare = []
    for number, line in enumerate(lines):
        leaf = re.match(r"( *)(\w+): ?(.*)", line)
        if leaf and leaf[3] and not lines[number - 1].lstrip().startswith("#"):
            bare.append(leaf[2])
    assert bare == []


def test_each_value_is_in_the_schema():
    def compare(values, schema, path):
        if schema.get("additionalProperties") is not False:
            return []
        lacking = [f"{path}.{key}" for key in values if key not in schema["properties"]]
        return lacking + [name for key, value in values.items()
                          if isinstance(value, dict) and key in schema["properties"]
                          for name in compare(value, schema["properties"][key], f"{path}.{key}")]

    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["additionalProperties"] is False
    assert compare(values, schema, "") == []


def test_the_version_comes_from_one_place():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (make_image.version(),) * 2
    assert run(binary("kiln-controller"), "--version").stdout == f"kiln-controller {chart['version']}\n"
    assert container(render())["image"] == f"{IMAGE}:{chart['version']}"


@pytest.mark.parametrize("values", values_files(), ids=lambda path: path.stem)
def test_the_controller_takes_the_flags(values):
    known = run(binary("kiln-controller"), "--help").stdout
    arguments = [each for each in container(render("--values", str(values)))["args"]
                 if not each.startswith("--registries-config=")  # A file of the pod.
                 and not (each == "--rollout" and each not in known)]
    done = run(binary("kiln-controller"), *arguments, "--kubeconfig", "/nonexistent/kubeconfig", check=False)
    assert "/nonexistent/kubeconfig" in done.stderr, f"{arguments}\n{done.stderr}"


def test_every_flag_can_be_set():
    pages = (ROOT / "docs" / "operations.md").read_text()
    flags = set(re.findall(r"^\| `(--[\w-]+)`", pages, re.M))
    text = (CHART / "templates" / "_pod.tpl").read_text()
    elsewhere = {"--kubeconfig", "--context",  # A pod has its own.
                 "--git-cache-dir",  # In --cache-dir.
                 "--leader-election-namespace"}  # The pod's.
    assert {flag for flag in flags if f"{flag}" not in text} == elsewhere


def test_registries_and_authorities_are_where_the_controller_looks():
    objects = render("--values", str(ROOT / "tests" / "chart" / "values" / "everything.yaml"))
    pod = the(objects, "Deployment")["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"cache": "/var/cache/kiln", "tmp": "/tmp", "registries": "/etc/kiln",
                      "ca-bundle": "/etc/ssl/certs", "more": "/more"}
    data = the(objects, "ConfigMap", "kiln-registries")["data"]
    read = yaml.safe_load(data["registries.yaml"])["registries"]
    assert [each["prefix"] for each in read] == ["docker.io", "r.example.com"]
    assert read[1]["chunkBytes"] == 8388608
    assert data["mirror-ca.pem"].startswith("-----BEGIN CERTIFICATE-----\n")
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert environment["HTTPS_PROXY"] == "http://proxy.example.com:3128"
    assert environment["NO_PROXY"] == "10.0.0.0/8,.svc"


def test_the_controller_reads_the_registries_that_the_chart_writes(tmp_path):
    objects = render("--values", str(ROOT / "tests" / "chart" / "values" / "everything.yaml"))
    for name, text in the(objects, "ConfigMap", "kiln-registries")["data"].items():
        (tmp_path / name).write_text(text if name.endswith(".yaml") else authority(tmp_path))
    done = run(binary("kiln-controller"), "--registries-config", str(tmp_path / "registries.yaml"),
               "--kubeconfig", "/nonexistent/kubeconfig", check=False)
    assert "/nonexistent/kubeconfig" in done.stderr, done.stderr


def authority(folder) -> str:
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", "/CN=test", "-keyout", str(folder / "key"), "-out", str(folder / "crt"))
    return (folder / "crt").read_text()
