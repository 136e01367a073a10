"""Workloads get the digests of ImageBuilds, where the controller may do that and they ask for it.

No controller of Kubernetes runs here, so it is the pod template that tells.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml

from kubectl import KubectlError
from world import ROOT, Controller, World

PAGE = {"index.html": "<h1>hello</h1>\n"}
PLACEHOLDER = "registry.example.com/placeholder:1"
ANNOTATION = "kiln.build/image-from"
KINDS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1",
         "CronJob": "batch/v1"}


class RolloutWorld(World):
    """A world with workloads in it."""

    def close(self) -> None:
        self.kubectl("delete", ",".join(["imagebuilds", *KINDS]), "--all", "--wait=false")

    def workload(self, kind: str = "Deployment", image_from: object = None, name: str = "web",
                 containers: tuple[str, ...] = ("web",), **pod) -> dict:
        """With the annotation in it, as JSON unless it is a string; None = without."""
        labels = {"app": name}
        if isinstance(image_from, list):
            image_from = json.dumps(image_from)
        template = {"metadata": {"labels": labels}, "spec": {
            "containers": [{"name": each, "image": PLACEHOLDER} for each in containers], **pod}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        if kind == "StatefulSet":
            spec["serviceName"] = name
        if kind == "CronJob":
            template["spec"]["restartPolicy"] = "Never"
            spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}
        return {"apiVersion": KINDS[kind], "kind": kind, "spec": spec, "metadata": {
            "name": name, "namespace": self.namespace,
            "annotations": {} if image_from is None else {ANNOTATION: image_from}}}

    # What is asked again and again is asked without a kubectl.

    def read(self, api_version: str, plural: str, name: str = "") -> dict:
        connection = self.cluster.apiserver.connect(10)
        try:
            connection.request("GET", f"/apis/{api_version}/namespaces/{self.namespace}/{plural}/{name}".rstrip("/"))
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == 200, text
            return json.loads(text)
        finally:
            connection.close()

    def get(self, name: str = "site") -> dict:
        return self.read("kiln.build/v1alpha1", "imagebuilds", name)

    def events(self) -> list[dict]:
        return self.read("events.k8s.io/v1", "events")["items"]

    def stored(self, kind: str = "Deployment", name: str = "web") -> dict:
        return self.read(KINDS[kind], f"{kind.lower()}s", name)

    def pod(self, kind: str = "Deployment", name: str = "web") -> dict:
        return pod_of(self.stored(kind, name))

    def image(self, kind: str = "Deployment", container: str = "web") -> str:
        containers = self.pod(kind)["containers"] + self.pod(kind).get("initContainers", [])
        return next(each["image"] for each in containers if each["name"] == container)

    def site(self, **data: str) -> None:
        self.apply(self.config_map("site-content", data or PAGE))

    def status_image(self, name: str = "site") -> str:
        return self.get(name)["status"]["image"]

    def wait_image(self, image: str, kind: str = "Deployment", container: str = "web") -> None:
        self.wait_until(f"{container} has {image}", lambda: self.image(kind, container) == image)

    def build(self, name: str = "site") -> str:
        """One that is Ready: its image."""
        self.apply(self.config_map("site-content", PAGE), self.image_build(name))
        self.wait_ready(name)
        return self.status_image(name)

    def wait_event(self, reason: str, kind: str = "Deployment") -> str:
        """What the Event of the workload says."""
        def said():
            return next((event["note"] for event in self.events()
                         if event["reason"] == reason and event["regarding"]["kind"] == kind), None)
        return self.wait_until(f"an Event {reason}", said)

    def rollouts(self, result: str) -> float:
        text = self.controller.ask("metrics", "/metrics")[1]
        lines = [line for line in text.splitlines()
                 if line.startswith(f'kiln_rollouts_total{{result="{result}"}}')]
        return float(lines[0].split()[-1])


def fields_of_ours(workload: dict) -> dict:
    """What the API server says that Kiln owns."""
    ours = [one for one in workload["metadata"]["managedFields"] if one["manager"] == "kiln-rollout"]
    assert [one["operation"] for one in ours] == ["Apply"]
    return ours[0]["fieldsV1"]


def in_pod(kind: str, fields: dict) -> dict:
    fields = {"f:spec": {"f:template": {"f:spec": fields}}}
    return {"f:spec": {"f:jobTemplate": fields}} if kind == "CronJob" else fields


def pod_of(workload: dict) -> dict:
    spec = workload["spec"]
    return spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def rollout_rights(cluster, controller_kubeconfig):
    cluster.kubectl("apply", "-f", str(ROOT / "deploy" / "rbac-rollout.yaml"))
    yield controller_kubeconfig
    cluster.kubectl("delete", "-f", str(ROOT / "deploy" / "rbac-rollout.yaml"))


@pytest.fixture
def place(cluster, base, tmp_path, request):
    """A world without a controller: the test starts it."""
    world = RolloutWorld(cluster, base, tmp_path, request.node.name)
    yield world
    world.close()


@pytest.fixture
def rolling(place, rollout_rights):
    """A world whose controller rolls out."""
    with Controller(rollout_rights, place.directory, "--rollout") as controller:
        place.controller = controller
        yield place


SITE = [{"imageBuild": "site", "container": "web"}]


# --- The main job ---

def test_an_edit_becomes_a_digest_in_the_pod_template_of_every_kind(rolling):
    first = rolling.build()
    rolling.apply(*(rolling.workload(kind, SITE) for kind in KINDS))
    for kind in KINDS:
        rolling.wait_image(first, kind)

    rolling.site(**{"index.html": "edited\n"})
    rolling.wait_ready(not_digest=first.partition("@")[2])

    second = rolling.status_image()
    assert second != first
    for kind in KINDS:
        rolling.wait_image(second, kind)
        assert fields_of_ours(rolling.stored(kind)) == in_pod(kind, {"f:containers": {
            'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}}}}), kind
    told = {event["regarding"]["kind"] for event in rolling.events() if event["reason"] == "RolledOut"
            and event["note"] == f'container "web": {second} (ImageBuild site)'}
    assert told == set(KINDS)
    assert rolling.rollouts("applied") == 2 * len(KINDS)


def test_the_example_of_the_page_works(rolling):
    page = (ROOT / "docs" / "gitops.md").read_text()
    (example,) = (text for text in re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S) if ANNOTATION in text)
    manifest = yaml.safe_load(example)
    manifest["metadata"]["namespace"] = rolling.namespace
    image = rolling.build()

    rolling.apply(manifest)

    rolling.wait_image(image)


def test_the_workload_may_come_before_its_image_build(rolling):
    rolling.apply(rolling.workload(image_from=SITE))
    assert "no ImageBuild site in the namespace" in rolling.wait_event("ImageBuildNotFound")
    assert rolling.image() == PLACEHOLDER

    image = rolling.build()

    rolling.wait_image(image)


def test_an_image_volume_gets_the_digest_as_its_reference(rolling):
    image = rolling.build()
    volumes = [{"name": "pages", "image": {"reference": PLACEHOLDER, "pullPolicy": "IfNotPresent"}},
               {"name": "scratch", "emptyDir": {}}]
    rolling.apply(rolling.workload(image_from=[{"imageBuild": "site", "volume": "pages"}],
                                   volumes=volumes))

    rolling.wait_until("the volume has it", lambda: rolling.pod()["volumes"][0]["image"] == {
        "reference": image, "pullPolicy": "IfNotPresent"})

    assert [volume["name"] for volume in rolling.pod()["volumes"]] == ["pages", "scratch"]
    assert rolling.image() == PLACEHOLDER


def test_several_containers_get_their_images_in_one_write(rolling):
    site, other = rolling.build(), rolling.build("other")
    entries = [{"imageBuild": "other", "container": "helper"}, {"imageBuild": "site", "container": "web"},
               {"imageBuild": "site", "container": "prepare"}]
    rolling.apply(rolling.workload(image_from=entries, containers=("web", "untouched", "helper"),
                                   initContainers=[{"name": "prepare", "image": PLACEHOLDER}]))

    rolling.wait_image(site)

    assert rolling.image(container="helper") == other
    assert rolling.image(container="prepare") == site
    assert rolling.image(container="untouched") == PLACEHOLDER
    assert [each["name"] for each in rolling.pod()["containers"]] == ["web", "untouched", "helper"]
    assert rolling.stored()["metadata"]["generation"] == 2


# --- What is not written ---

def test_at_rest_nothing_is_written(rolling):
    image = rolling.build()
    rolling.apply(rolling.workload(image_from=SITE))
    rolling.wait_image(image)
    version = rolling.stored()["metadata"]["resourceVersion"]

    # Whatever wakes the ImageBuild or the controller: the image stands there already.
    rolling.kubectl("annotate", "imagebuild", "site", "reconcile.kiln.build/requestedAt=now")
    rolling.wait_until("it has looked", lambda: rolling.get()["status"].get("lastHandledReconcileAt") == "now")
    rolling.controller.stop()
    rolling.controller.start()
    rolling.apply(rolling.workload(image_from=SITE, name="witness"))
    rolling.wait_until("another one is rolled out",
                       lambda: rolling.pod(name="witness")["containers"][0]["image"] == image)

    assert rolling.stored()["metadata"]["resourceVersion"] == version


def test_without_the_flag_nothing_is_rolled_out(place, rollout_rights):
    with Controller(rollout_rights, place.directory) as controller:
        place.controller = controller
        place.apply(place.workload(image_from=SITE))
        first = place.build()
        place.site(**{"index.html": "edited\n"})
        place.wait_ready(not_digest=first.partition("@")[2])

        assert place.image() == PLACEHOLDER
        assert "kiln-rollout" not in json.dumps(place.stored())


def test_a_standby_rolls_nothing_out(place, rollout_rights, cluster):
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
             "metadata": {"name": "kiln-controller", "namespace": "kiln-system"},
             "spec": {"holderIdentity": "another", "leaseDurationSeconds": 3600}}
    with Controller(rollout_rights, place.directory, "--rollout") as controller:
        place.controller = controller
        image = place.build()
    cluster.kubectl("apply", "-f", "-", input=json.dumps(lease))
    try:
        place.apply(place.workload(image_from=SITE))
        with Controller(rollout_rights, place.directory, "--rollout", "--leader-elect",
                        "--leader-election-namespace", "kiln-system") as controller:
            place.controller = controller
            controller._starts = 2  # Both write one log.
            place.wait_until("it stands by", lambda: "standing by; another leads" in
                             controller.ask("health", "/readyz?verbose")[1])
            text = controller.ask("health", "/readyz?verbose")[1]
            assert "[+]watch-deployments.apps ok: watching" in text
            assert place.image() == PLACEHOLDER

            cluster.kubectl("-n", "kiln-system", "delete", "lease", "kiln-controller")
            place.wait_image(image)
    finally:
        cluster.kubectl("-n", "kiln-system", "delete", "lease", "kiln-controller", "--ignore-not-found")


def test_an_image_build_of_another_namespace_is_never_rolled_out(rolling):
    image = rolling.build()
    elsewhere = f"{rolling.namespace}-x"
    rolling.cluster.kubectl("create", "namespace", elsewhere)
    foreign = rolling.workload(image_from=SITE)
    foreign["metadata"]["namespace"] = elsewhere
    rolling.cluster.kubectl("apply", "-f", "-", input=json.dumps(foreign))
    try:
        rolling.apply(rolling.workload(image_from=SITE))
        rolling.wait_image(image)
        told = rolling.wait_until("an Event there", lambda: rolling.cluster.kubectl(
            "-n", elsewhere, "get", "events.events.k8s.io", "-o", "jsonpath={.items[*].note}"))

        assert told == f"there is no ImageBuild site in the namespace {elsewhere}"
        stored = json.loads(rolling.cluster.kubectl("-n", elsewhere, "get", "deployment", "web", "-o", "json"))
        assert pod_of(stored)["containers"][0]["image"] == PLACEHOLDER
    finally:
        rolling.cluster.kubectl("-n", elsewhere, "delete", "deployments", "--all", "--wait=false")


BAD = {
    "no json": ("site", "kiln.build/image-from is not valid JSON (at byte 1)"),
    "no list": ('{"imageBuild":"site","container":"web"}', "must be a list with at least one entry"),
    "foreign namespace": ('[{"imageBuild":"other/site","container":"web"}]',
                          "[0].imageBuild must be a name of lower case letters"),
    "no place": ('[{"imageBuild":"site"}]', "[0] must have either container or volume"),
    "no such container": ('[{"imageBuild":"site","container":"wbe"}]',
                          'the pod template has no container "wbe"; it has "web"'),
    "no such volume": ('[{"imageBuild":"site","volume":"pages"}]',
                       'the pod template has no volume "pages"; it has none at all'),
    "a volume of another kind": ('[{"imageBuild":"site","volume":"data"}]',
                                 'volume "data" is no image volume'),
    "one of two is wrong": ('[{"imageBuild":"site","container":"web"},{"imageBuild":"site","container":"x"}]',
                            'the pod template has no container "x"'),
}


def test_a_wrong_annotation_is_refused_with_an_event_before_anything_is_written(rolling):
    image = rolling.build()
    names = {case: case.replace(" ", "-") for case in BAD}
    rolling.apply(*(rolling.workload(image_from=BAD[case][0], name=name, volumes=[{"name": "data", "emptyDir": {}}])
                    for case, name in names.items()))

    def told():
        notes = {event["regarding"]["name"]: event["note"] for event in rolling.events()
                 if event["reason"] == "AnnotationInvalid"}
        return notes if len(notes) == len(BAD) else None
    notes = rolling.wait_until("an Event for each", told)

    for case, name in names.items():
        assert BAD[case][1] in notes[name], case
        stored = rolling.stored(name=name)
        assert stored["metadata"]["generation"] == 1 and "kiln-rollout" not in json.dumps(stored), case
    assert rolling.rollouts("refused") >= len(BAD)
    corrected = f"{ANNOTATION}={json.dumps(SITE)}"
    rolling.kubectl("annotate", "--overwrite", "deployment", "no-json", corrected)
    rolling.wait_until("the corrected one is rolled out",
                       lambda: rolling.pod(name="no-json")["containers"][0]["image"] == image)


# --- Others who write ---

def test_kubectl_apply_with_another_image_is_put_right_again(rolling):
    image = rolling.build()
    rolling.apply(rolling.workload(image_from=SITE))
    rolling.wait_image(image)

    rolling.apply(rolling.workload(image_from=SITE))

    assert rolling.stored()["metadata"]["generation"] >= 3, "kubectl has set its image"
    rolling.wait_image(image)


def test_server_side_apply_with_another_image_is_a_conflict_and_without_the_image_is_none(rolling):
    image = rolling.build()
    manifest = rolling.workload(image_from=SITE)

    def apply():
        rolling.kubectl("apply", "--server-side", "--field-manager=me", "-f", "-", input=json.dumps(manifest))
    apply()
    rolling.wait_image(image)

    with pytest.raises(KubectlError) as refusal:
        apply()
    assert 'conflict with "kiln-rollout"' in refusal.value.stderr
    assert '.spec.template.spec.containers[name="web"].image' in refusal.value.stderr

    del manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    manifest["spec"]["replicas"] = 3
    apply()
    assert rolling.stored()["spec"]["replicas"] == 3
    assert rolling.image() == image


def test_who_keeps_setting_another_image_is_told(rolling):
    image = rolling.build()
    rolling.apply(rolling.workload(image_from=SITE))
    rolling.wait_image(image)

    rolling.kubectl("set", "image", "deployment/web", f"web={PLACEHOLDER}")
    rolling.wait_image(image)
    rolling.kubectl("set", "image", "deployment/web", f"web={PLACEHOLDER}")

    assert "somebody else keeps setting another image" in rolling.wait_event("ImageContested")


def test_without_its_annotation_a_workload_keeps_its_image_and_gets_no_other(rolling):
    first = rolling.build()
    rolling.apply(rolling.workload(image_from=SITE), rolling.workload(image_from=SITE, name="witness"))
    rolling.wait_image(first)

    rolling.kubectl("annotate", "deployment", "web", f"{ANNOTATION}-")
    rolling.site(**{"index.html": "edited\n"})
    rolling.wait_ready(not_digest=first.partition("@")[2])
    second = rolling.status_image()
    rolling.wait_until("the other one has the new image",
                       lambda: rolling.pod(name="witness")["containers"][0]["image"] == second)

    assert rolling.image() == first


def test_a_container_that_is_no_longer_named_keeps_the_image_it_got(rolling):
    site, other = rolling.build(), rolling.build("other")
    both = [{"imageBuild": "site", "container": "web"}, {"imageBuild": "other", "container": "helper"}]
    rolling.apply(rolling.workload(image_from=both, containers=("web", "helper")))
    rolling.wait_image(site)

    rolling.kubectl("annotate", "--overwrite", "deployment", "web", f"{ANNOTATION}={json.dumps(SITE)}")
    rolling.site(**{"index.html": "edited\n"})
    rolling.wait_ready(not_digest=site.partition("@")[2])

    rolling.wait_image(rolling.status_image())
    assert rolling.image(container="helper") == other


def test_withdrawn_rights_are_an_event_and_heal(rolling, rollout_rights):
    image = rolling.build()
    role = json.loads(rolling.cluster.kubectl("get", "clusterrole", "kiln-controller-rollout", "-o", "json"))
    del role["metadata"]["resourceVersion"]
    less = {**role, "rules": [{**rule, "verbs": ["get", "list", "watch"]} for rule in role["rules"]]}
    rolling.cluster.kubectl("replace", "-f", "-", input=json.dumps(less))
    try:
        rolling.apply(rolling.workload(image_from=SITE))
        told = rolling.wait_event("RolloutDenied")
        assert 'cannot patch resource "deployments"' in told
        assert rolling.image() == PLACEHOLDER
        assert rolling.rollouts("failed") >= 1
    finally:
        rolling.cluster.kubectl("replace", "-f", "-", input=json.dumps(role))
    rolling.wait_image(image)


def test_without_any_of_the_rights_it_is_not_ready_and_says_why_and_builds_go_on(place, rollout_rights, cluster):
    cluster.kubectl("delete", "clusterrolebinding", "kiln-controller-rollout")
    try:
        with Controller(rollout_rights, place.directory, "--rollout") as controller:
            place.controller = controller
            place.build()
            status, text = controller.ask("health", "/readyz")
            assert status == 503
            assert "[-]watch-deployments.apps failed: nothing is known yet" in text
            assert "is forbidden" in text
    finally:
        cluster.kubectl("apply", "-f", str(ROOT / "deploy" / "rbac-rollout.yaml"))


def test_what_the_api_server_refuses_is_an_event(rolling):
    image = rolling.build()
    policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
              "metadata": {"name": rolling.namespace},
              "spec": {"failurePolicy": "Fail",
                       "matchConstraints": {"resourceRules": [{
                           "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
                           "resources": ["deployments"]}]},
                       "validations": [{
                           "expression": "object.spec.template.spec.containers.all(c, !c.image.contains('@'))",
                           "message": "no digests here"}]}}
    binding = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
               "metadata": {"name": rolling.namespace},
               "spec": {"policyName": rolling.namespace, "validationActions": ["Deny"],
                        "matchResources": {"namespaceSelector": {"matchLabels": {
                            "kubernetes.io/metadata.name": rolling.namespace}}}}}
    rolling.apply(rolling.workload())
    for each in (policy, binding):
        rolling.cluster.kubectl("apply", "-f", "-", input=json.dumps(each))
    try:
        def in_force():
            try:
                rolling.kubectl("set", "image", "deployment/web", "web=a@b", "--dry-run=server")
            except KubectlError as error:
                return "no digests here" in error.stderr
            return False
        rolling.wait_until("the policy is in force", in_force)
        rolling.kubectl("annotate", "deployment", "web", f"{ANNOTATION}={json.dumps(SITE)}")

        assert "no digests here" in rolling.wait_event("RolloutRefused")
        assert rolling.image() == PLACEHOLDER
    finally:
        rolling.cluster.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy",
                                rolling.namespace)
    rolling.wait_image(image)
