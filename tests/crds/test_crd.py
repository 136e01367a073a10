"""The CRD as the API server serves it: names, columns, defaults, the status, kubectl explain."""

from __future__ import annotations

import json

import pytest
import yaml

from kubectl import KubectlError
from manifests import MINIMAL, NAME, manifest

CRD = "customresourcedefinition/imagebuilds.kiln.build"
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def site(cluster):
    """The smallest ImageBuild, as stored."""
    cluster.kubectl("apply", "--filename=-", input=yaml.safe_dump(MINIMAL))
    yield stored(cluster)
    cluster.kubectl("delete", "imagebuild", NAME)


def stored(cluster) -> dict:
    return json.loads(cluster.kubectl("get", "imagebuild", NAME, "--output=json"))


def patch_status(cluster, status: dict) -> None:
    cluster.kubectl("patch", "imagebuild", NAME, "--subresource=status", "--type=merge",
                    "--patch", json.dumps({"status": status}))


def headers(cluster, *args: str) -> list[str]:
    return cluster.kubectl("get", *args).splitlines()[0].replace("LAST BUILD", "LAST-BUILD").split()


def test_is_established_and_structural(cluster):
    crd = json.loads(cluster.kubectl("get", CRD, "--output=json"))
    conditions = {row["type"]: row["status"] for row in crd["status"]["conditions"]}

    assert conditions == {"Established": "True", "NamesAccepted": "True"}


@pytest.mark.parametrize("name", ["imagebuilds", "imagebuild", "imb", "kiln"])
def test_is_found_by_all_its_names(cluster, site, name):
    assert f"{NAME} " in cluster.kubectl("get", name)


def test_columns(cluster, site):
    assert headers(cluster, "imb") == ["NAME", "IMAGE", "READY", "REASON", "DIGEST", "AGE"]
    assert headers(cluster, "imb", "--output=wide") == [
        "NAME", "IMAGE", "READY", "REASON", "DIGEST", "BASE", "LAST-BUILD", "TAGS", "AGE"]


def test_columns_show_the_status(cluster, site):
    patch_status(cluster, {
        "digest": DIGEST, "tags": ["latest", "1a2b3c4"],
        "lastBuild": {"completedAt": "2020-01-01T00:00:00Z"},
        "conditions": [{"type": "Ready", "status": "False", "reason": "TagMoved", "message": "",
                        "lastTransitionTime": "2020-01-01T00:00:00Z"}]})

    row = cluster.kubectl("get", "imb", "--output=wide").splitlines()[1].split()

    assert row[:6] == [NAME, "registry.example.com/team/site:latest", "False", "TagMoved", DIGEST,
                       "nginx:1.27"]
    assert row[6].endswith(("y", "d"))
    assert row[7] == '["latest","1a2b3c4"]'


def test_defaults(site):
    spec = site["spec"]

    assert spec["base"] == {"image": "nginx:1.27", "insecure": False}
    assert spec["output"] == {
        "image": "registry.example.com/team/site:latest", "insecure": False, "enforceTag": False,
        "mediaTypes": "OCI", "compression": "Gzip", "layers": "Auto", "timestamps": "Content"}
    del spec["base"], spec["output"]
    assert spec == {
        "triggers": {"content": True, "base": True}, "interval": "10m", "timeout": "10m",
        "suspend": False, "serviceAccountName": "default", "historyLimit": 10,
        "deletionPolicy": "Retain"}


def test_defaults_of_sources(cluster):
    content = [{"path": "/srv", "configMap": {"name": "a"}},
               {"path": "/srv", "git": {"url": "https://git.example.com/a"}},
               {"path": "/srv", "image": {"reference": "a"}}]

    answer = cluster.kubectl("create", "--dry-run=server", "--output=json", "--filename=-",
                             input=yaml.safe_dump(manifest({"content": content})))

    config_map, git, image = json.loads(answer)["spec"]["content"]
    assert config_map["configMap"] == {"name": "a", "optional": False}
    assert git["git"] == {"url": "https://git.example.com/a", "recurseSubmodules": False,
                          "lfs": False}
    assert image["image"] == {"reference": "a", "insecure": False}


def test_one_trigger_can_be_turned_off(cluster):
    answer = cluster.kubectl("create", "--dry-run=server", "--output=json", "--filename=-",
                             input=yaml.safe_dump(manifest({"triggers": {"base": False}})))

    assert json.loads(answer)["spec"]["triggers"] == {"content": True, "base": False}


def test_status_begins_unobserved(site):
    assert site["status"] == {"observedGeneration": -1}


def test_a_user_cannot_write_the_status_with_the_spec(cluster):
    forged = {**MINIMAL, "status": {"observedGeneration": 7, "digest": DIGEST}}
    cluster.kubectl("create", "--filename=-", input=yaml.safe_dump(forged))
    try:
        assert stored(cluster)["status"] == {"observedGeneration": -1}
        cluster.kubectl("replace", "--filename=-", input=yaml.safe_dump(forged))
        assert stored(cluster)["status"] == {"observedGeneration": -1}
    finally:
        cluster.kubectl("delete", "imagebuild", NAME)


def test_the_status_is_written_alone_and_makes_no_new_generation(cluster, site):
    both = {"spec": {"suspend": True}, "status": STATUS}
    cluster.kubectl("patch", "imagebuild", NAME, "--subresource=status", "--type=merge",
                    "--patch", json.dumps(both))

    after = stored(cluster)
    assert after["status"] == STATUS
    assert after["spec"] == site["spec"]
    assert after["metadata"]["generation"] == site["metadata"]["generation"]


def test_a_changed_spec_is_a_new_generation_and_keeps_the_status(cluster, site):
    patch_status(cluster, STATUS)

    cluster.kubectl("patch", "imagebuild", NAME, "--type=merge", "--patch",
                    '{"spec": {"suspend": true}}')

    after = stored(cluster)
    assert after["metadata"]["generation"] == site["metadata"]["generation"] + 1
    assert after["status"] == STATUS


@pytest.mark.parametrize("status, says", [
    ({"digst": DIGEST}, 'unknown field "status.digst"'),
    ({"conditions": [{"type": "Ready", "status": "yes", "reason": "A", "message": "",
                      "lastTransitionTime": "2020-01-01T00:00:00Z"}]},
     'Unsupported value: "yes": supported values: "True", "False", "Unknown"'),
    ({"conditions": [{"type": "Ready", "status": "True"}]},
     "status.conditions[0].reason: Required value"),
    ({"content": [{"path": "/srv"}] * 65}, "must have at most 64 items"),
    ({"lastBuild": {"uploadedBytes": -1}}, "should be greater than or equal to 0"),
], ids=["an unknown field", "an unknown state", "half a condition", "too much", "a negative size"])
def test_refuses_a_status_that_is_not_one(cluster, site, status, says):
    whole = {**site, "status": status}
    with pytest.raises(KubectlError) as error:
        cluster.kubectl("replace", "--subresource=status", "--validate=strict", "--filename=-",
                        input=json.dumps(whole))
    assert says in error.value.stderr


@pytest.mark.parametrize("spec, field", [
    ({"trigers": {"base": True}}, "spec.trigers"),
    ({"content": [{"path": "/srv", "configmap": {"name": "a"}}]}, "spec.content[0].configmap"),
    ({"content": [{"path": "/srv", "git": {"url": "https://a.example/b", "revision": "x"}}]},
     "spec.content[0].git.revision"),
    ({"base": {"secretRef": {"name": "a", "namespace": "other"}}}, "spec.base.secretRef.namespace"),
    ({"config": {"cmd": ["a"]}}, "spec.config.cmd"),
])
def test_names_unknown_fields(cluster, spec, field):
    with pytest.raises(KubectlError) as error:
        cluster.kubectl("apply", "--dry-run=server", "--filename=-",
                        input=yaml.safe_dump(manifest(spec)))
    assert f'unknown field "{field}"' in error.value.stderr


@pytest.mark.parametrize("path, shows", [
    ("spec.content", ["configMap", "secret", "git", "inline", "image", "path\t<string> -required-",
                      "uid\t<integer>", "files\t<map[string]string>"]),
    ("spec.output", ["image\t<string> -required-", "tags\t<[]string>", "certSecretRef"]),
    ("status", ["lastBuild", "reasons\t<[]Object>", "uploadedBytes\t<integer>", "pending"]),
])
def test_explain_shows_all_fields_to_the_leaves(cluster, path, shows):
    text = cluster.kubectl("explain", f"imagebuild.{path}", "--recursive")

    assert [field for field in shows if field not in text] == []


@pytest.mark.parametrize("path, says", [
    ("spec.content.git.ref.semver", "highest tag in this range"),
    ("spec.content.inline.files", "robots.txt"),
    ("spec.output.compression", "GzipSmall"),
    ("status.lastBuild.reasons.type", "ContentChanged"),
])
def test_explain_reads_well_at_the_leaves(cluster, path, says):
    assert says in cluster.kubectl("explain", f"imagebuild.{path}")


STATUS = {
    "observedGeneration": 1,
    "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "pushed",
                    "observedGeneration": 1, "lastTransitionTime": "2020-01-01T00:00:00Z"}],
    "digest": DIGEST,
    "image": "registry.example.com/team/site@" + DIGEST,
    "tags": ["latest", "1a2b3c4"],
    "inputKey": "0123456789abcdef",
    "pending": {"inputKey": "0123456789abcdef", "digest": DIGEST, "tags": ["latest"]},
    "encoder": "igzip-2/1",
    "base": {"reference": "docker.io/library/nginx:1.27", "digest": DIGEST,
             "platforms": [{"platform": "linux/amd64", "digest": DIGEST}]},
    "content": [{"path": "/srv", "source": "ConfigMap/site-content", "revision": "4711",
                 "digest": DIGEST, "files": 2, "size": 1024}],
    "layers": [{"digest": DIGEST, "diffID": DIGEST, "size": 512,
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}],
    "lastBuild": {"reasons": [{"type": "ContentChanged", "from": "4710", "to": "4711"}],
                  "startedAt": "2020-01-01T00:00:00Z", "completedAt": "2020-01-01T00:00:01Z",
                  "duration": "1s", "stages": [{"name": "pushing the image", "duration": "400ms"}],
                  "uploadedBytes": 512, "reusedBytes": 0},
    "history": [{"digest": DIGEST, "inputKey": "0123456789abcdef",
                 "completedAt": "2020-01-01T00:00:01Z", "reasons": [{"type": "Created"}]}],
    "lastHandledReconcileAt": "2020-01-01T00:00:00.123Z",
    "nextPollAt": "2020-01-01T00:10:00Z",
}
