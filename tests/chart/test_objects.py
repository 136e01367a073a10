"""What the chart renders, judged by a real API server: each object, and the pods by Pod Security."""

from __future__ import annotations

import copy
import pathlib

import pytest
import yaml

from kubectl import KubectlError
from helm_chart import CHART, NAMESPACE, apply, helm, of_kind, render, the, values_files

MONITORING = pathlib.Path(__file__).resolve().parent / "monitoring_crds.yaml"
PLURALS = ("servicemonitors", "prometheusrules")


@pytest.fixture(scope="module")
def strict_cluster(cluster):
    """With the Prometheus operator's kinds, and what the values take for granted."""
    cluster.kubectl("apply", "-f", str(MONITORING))
    cluster.wait_established(*(f"{plural}.monitoring.coreos.com" for plural in PLURALS))
    accounts = [each for values in values_files()
                for each in of_kind(render("--values", str(values)), "ServiceAccount")]
    apply(cluster, accounts + [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                               for name in ("web", "shop")])
    return cluster


@pytest.mark.parametrize("values", values_files(), ids=lambda path: path.stem)
def test_the_api_server_takes_every_object(strict_cluster, values):
    objects = render("--values", str(values))
    done = apply(strict_cluster, objects, "--dry-run=server", "--validate=strict")
    assert done.stdout.count("(server dry run)") == len(objects)
    assert [line for line in done.stderr.splitlines() if "Warning" in line] == []


@pytest.mark.parametrize("values", values_files(), ids=lambda path: path.stem)
def test_its_pods_are_taken_where_pod_security_is_restricted(strict_cluster, values):
    pod = pod_of(render("--values", str(values)))
    done = apply(strict_cluster, [pod], "--dry-run=server", "--validate=strict")
    assert "pod/probe created (server dry run)" in done.stdout
    assert "Warning" not in done.stderr
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["securityContext"]["runAsUser"] == 65532


WEAKER = [
    (("securityContext", "runAsNonRoot"), "runAsNonRoot != true"),
    (("securityContext", "seccompProfile"), "seccompProfile"),
    (("containers", 0, "securityContext", "allowPrivilegeEscalation"), "allowPrivilegeEscalation != false"),
    (("containers", 0, "securityContext", "capabilities"), "unrestricted capabilities"),
]


@pytest.mark.parametrize("path, said", WEAKER, ids=[path[-1] for path, _ in WEAKER])
def test_without_any_one_of_its_settings_they_would_be_refused(strict_cluster, path, said):
    pod = pod_of(render())
    place = pod["spec"]
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    with pytest.raises(AssertionError, match=said):
        apply(strict_cluster, [pod], "--dry-run=server")


def pod_of(objects: list[dict]) -> dict:
    template = copy.deepcopy(the(objects, "Deployment")["spec"]["template"])
    template["spec"].pop("priorityClassName", None)  # For the namespaces of the system.
    return {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
            "metadata": {**template["metadata"], "name": "probe", "namespace": NAMESPACE}}


def test_every_object_is_the_releases_own_and_says_so():
    for values in values_files():
        for each in render("--values", str(values)):
            labels = each["metadata"].get("labels", {})
            if each["kind"] not in ("Namespace", "CustomResourceDefinition"):
                assert labels["app.kubernetes.io/instance"] == "kiln", each["metadata"]["name"]
                assert labels["app.kubernetes.io/managed-by"] == "Helm"


def test_services_and_policies_select_the_pods():
    objects = render("--set", "hooks.enabled=true")
    deployment = the(objects, "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    ports = {each["name"] for each in deployment["template"]["spec"]["containers"][0]["ports"]}
    selectors = [each["spec"]["selector"] for each in of_kind(objects, "Service")]
    selectors += [the(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                  the(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
                  deployment["selector"]["matchLabels"]]
    selectors += [each["labelSelector"]["matchLabels"]
                  for each in deployment["template"]["spec"]["topologySpreadConstraints"]]
    assert len(selectors) == 7
    assert all(selector.items() <= labels.items() for selector in selectors)
    reached = {port["targetPort"] for each in of_kind(objects, "Service") for port in each["spec"]["ports"]}
    admitted = {port["port"] for rule in the(objects, "NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]}
    assert reached == {"metrics", "hooks"} and admitted == {"metrics", "health", "hooks"} == ports


def test_a_cache_that_stays_fits_the_number_of_replicas():
    for replicas, mode, strategy in ((1, "ReadWriteOnce", {"type": "Recreate"}),
                                     (2, "ReadWriteMany", {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})):
        objects = render("--set", f"cache.type=claim,replicas={replicas}")
        assert the(objects, "PersistentVolumeClaim")["spec"]["accessModes"] == [mode]
        assert the(objects, "Deployment")["spec"]["strategy"] == strategy
    assert of_kind(render("--set", "cache.type=claim,cache.existingClaim=mine"), "PersistentVolumeClaim") == []


def test_explain_tells_what_to_write(cluster):
    for field, said in (("spec.content", "configMap"), ("spec.content.git.ref", "semver"),
                        ("spec.output.image", "latest"), ("status.conditions", "Ready")):
        text = cluster.kubectl("explain", f"imagebuild.{field}")
        assert "GROUP:      kiln.build" in text and "DESCRIPTION:" in text
        assert said in text and "<empty>" not in text, text


def test_the_crd_is_the_one_of_the_repository_and_may_be_kept():
    plain = yaml.safe_load((CHART.parents[1] / "crds" / "kiln.build_imagebuilds.yaml").read_text())
    assert the(render("--set", "crds.keep=false"), "CustomResourceDefinition") == plain
    kept = the(render(), "CustomResourceDefinition")
    assert kept["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert kept == plain


def test_install_upgrade_and_uninstall(cluster):
    """The API comes with the chart, is brought up to date by an upgrade, and outlives it with its ImageBuilds.

    Helm adopts no CRD of others, so the one that is there goes first.
    """
    def of_helm(*words):
        done = helm(*words, "--namespace", "helm", kubeconfig=cluster.kubeconfig)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def crd(path):
        return cluster.kubectl("get", "crd", "imagebuilds.kiln.build", "-o", f"jsonpath={{{path}}}")

    cluster.kubectl("delete", "crd", "imagebuilds.kiln.build", "--wait=true")
    words = (str(CHART), "--set", "image.repository=registry.example.com/kiln", "--create-namespace")
    notes = of_helm("install", "trial", *words)
    assert "Kiln 0." in notes and "rollout status deployment/trial-controller" in notes
    cluster.wait_established("imagebuilds.kiln.build")
    cluster.kubectl("-n", "helm", "apply", "-f", "-", input=IMAGE_BUILD)

    # An older API: one column less.
    cluster.kubectl("patch", "crd", "imagebuilds.kiln.build", "--type=json", "-p",
                    '[{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]')
    older = crd(".spec.versions[0].additionalPrinterColumns")
    of_helm("upgrade", "trial", *words)
    assert crd(".spec.versions[0].additionalPrinterColumns") != older

    of_helm("uninstall", "trial")
    assert cluster.kubectl("-n", "helm", "get", "imagebuild", "site", "-o", "name").strip()
    with pytest.raises(KubectlError, match="not found"):
        cluster.kubectl("-n", "helm", "get", "deployment", "trial-controller")


IMAGE_BUILD = """
apiVersion: kiln.build/v1alpha1
kind: ImageBuild
metadata: {name: site}
spec:
  base: {image: scratch}
  content: [{inline: {files: {a: b}}, path: /}]
  output: {image: registry.example.com/site:1}
"""
