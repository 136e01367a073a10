"""What GitOps tools make of an ImageBuild: Flux's own kstatus, the health script for Argo CD in the interpreter that Argo CD
has, and kubectl, on objects that a running controller has written."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess

import pytest
import yaml

import go_tools
from kubectl import KubectlError
from fault_proxy import Fault, FaultProxy
from world import ROOT, Controller, World, run

PAGE = {"index.html": "hello\n"}
HEALTH = ROOT / "deploy" / "argocd" / "health.lua"
PATCH = ROOT / "deploy" / "argocd" / "argocd-cm.yaml"
KEY = "resource.customizations.health.kiln.build_ImageBuild"

# Each state: what kstatus says, what Argo CD says, and what the message of the latter tells (a regular expression).
STATES = {
    "new": ("InProgress", "Progressing", "waiting for Kiln to look at it"),
    "building": ("InProgress", "Progressing", "building"),
    "interrupted": ("InProgress", "Progressing", "the controller was stopped in the middle"),
    "ready": ("Current", "Healthy", r"@sha256:[0-9a-f]{64}$"),
    "waiting": ("InProgress", "Progressing", "comparing with the last build: waiting for 127.0.0.1:"),
    "edited": ("InProgress", "Progressing", "waiting for Kiln to look at it"),
    "retrying": ("InProgress", "Progressing", "ConfigMap.*missing"),
    "stalled": ("Failed", "Degraded", "is a directory"),
    "tag-moved": ("Failed", "Degraded", "which Kiln did not push"),
    "suspended": ("Current", "Suspended", "suspended: nothing is built"),
    "suspended-without-image": ("Failed", "Suspended", "suspended: nothing is built"),
    "deleted": ("Terminating", "Progressing", "being deleted"),
}


def judge(tool: str, build: dict, *words: str) -> tuple[str, str]:
    answer = run(tool, *words, input=json.dumps(build)).stdout
    word, _, message = answer.rstrip("\n").partition("\t")
    return word, message


@pytest.fixture(scope="module")
def tool() -> str:
    return str(go_tools.ensure("gitops-health")["gitops-health"])


class Recorder:
    """Brings ImageBuilds into their states, and keeps each as it was then."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.states: dict[str, dict] = {}

    def keep(self, state: str, name: str | None = None) -> None:
        self.states[state] = self.world.get(name or state)

    def keep_when(self, state: str, reason: str, name: str | None = None) -> None:
        self.world.wait_reason(reason, name or state)
        self.keep(state, name)

    def before_any_controller(self) -> None:
        self.world.apply(self.world.image_build("new"))
        self.keep("new")

    def while_it_builds(self, registry: FaultProxy) -> None:
        """The first upload hangs, and so the build does."""
        registry.once(Fault("blackhole", after_text="POST /v2/"))
        self.world.apply(self.world.image_build("building", output={
            "image": f"{registry.address}/{self.world.namespace}/building:latest"}))
        self.keep_when("building", "Progressing")

    def while_an_edit_waits(self, registry: FaultProxy) -> None:
        """The registry does not say where the tag is."""
        world = self.world
        world.apply(world.config_map("waiting", PAGE), world.image_build(
            "waiting", content=[{"configMap": {"name": "waiting"}, "path": "/srv"}],
            output={"image": f"{registry.address}/{world.namespace}/waiting:latest"}))
        world.wait_ready("waiting")
        registry.once(Fault("blackhole", after_text="/manifests/latest"))
        world.apply(world.config_map("waiting", {"index.html": "edited\n"}))
        world.wait_until("it says what it waits for", lambda: world.condition("Reconciling", "waiting"))
        self.keep("waiting")

    def with_a_registry(self) -> None:
        world = self.world
        world.apply(world.config_map("site-content", PAGE))
        missing = [{"configMap": {"name": "missing"}, "path": "/srv"}]
        over_a_folder = [{"inline": {"files": {"nginx": "x"}}, "path": "/usr/share"}]
        world.apply(world.image_build("ready"), world.image_build("suspended"), world.image_build("tag-moved"),
                    world.image_build("deleted"), world.image_build("retrying", content=missing),
                    world.image_build("stalled", content=over_a_folder, remove=[]),
                    world.image_build("suspended-without-image", suspend=True))
        for name in ("ready", "suspended", "tag-moved", "deleted"):
            world.wait_ready(name)
        self.keep("ready")
        self.keep_when("retrying", "ConfigMapNotFound")
        self.keep_when("stalled", "ContentInvalid")
        self.keep_when("suspended-without-image", "Suspended")
        world.kubectl("patch", "imagebuild", "suspended", "--type=merge", "-p", '{"spec":{"suspend":true}}')
        self.keep_when("suspended", "Suspended")
        world.crane("copy", "--insecure", world.base, world.reference("tag-moved"))
        world.kubectl("annotate", "imagebuild", "tag-moved", "reconcile.kiln.build/requestedAt=now")
        self.keep_when("tag-moved", "TagMoved")

    def while_somebody_holds_it(self) -> None:
        finalizers = '{"metadata":{"finalizers":%s}}'
        patch = ("patch", "imagebuild", "deleted", "--type=merge", "-p")
        self.world.kubectl(*patch, finalizers % '["example.com/hold"]')
        self.world.kubectl("delete", "imagebuild", "deleted", "--wait=false")
        self.keep("deleted")
        self.world.kubectl(*patch, finalizers % "null")

    def after_the_controller(self) -> None:
        self.world.kubectl("patch", "imagebuild", "ready", "--type=merge", "-p", '{"spec":{"interval":"11m"}}')
        self.keep("edited", "ready")
        self.keep_when("interrupted", "Interrupted", "building")


@pytest.fixture(scope="module")
def recorder(cluster, base, controller_kubeconfig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gitops")
    world = World(cluster, base, folder, "gitops-states")
    recorder = Recorder(world)
    recorder.before_any_controller()
    with (FaultProxy(world.registry) as hanging,
          Controller(controller_kubeconfig, folder, "--graceful-shutdown-timeout", "1s") as controller):
        world.controller = controller
        recorder.with_a_registry()
        recorder.while_somebody_holds_it()
        recorder.while_an_edit_waits(hanging)
        recorder.while_it_builds(hanging)
    recorder.after_the_controller()
    yield recorder
    world.close()


def test_every_state_of_the_table_was_recorded(recorder):
    assert set(recorder.states) == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_kstatus_reads_each_state_right(recorder, tool, state):
    assert judge(tool, recorder.states[state], "kstatus")[0] == STATES[state][0], recorder.states[state]["status"]


@pytest.mark.parametrize("state", STATES)
def test_argo_cd_reads_each_state_right_and_says_why(recorder, tool, state):
    _, expected, message = STATES[state]
    word, told = judge(tool, recorder.states[state], "argo", str(HEALTH))
    assert word == expected, recorder.states[state]["status"]
    assert re.search(message, told), told


@pytest.mark.parametrize("name, holds", [("suspended", True), ("ready", False), ("retrying", False)])
def test_kubectl_wait_reads_the_condition_of_the_newest_generation(recorder, name, holds):
    """`ready` was edited after the controller had ended: what its condition says is of the generation before."""
    waiting = ("wait", "--for=condition=Ready", f"imagebuild/{name}", "--timeout=1s")
    if holds:
        assert "condition met" in recorder.world.kubectl(*waiting)
        return
    with pytest.raises(KubectlError, match="timed out waiting for the condition"):
        recorder.world.kubectl(*waiting)


def test_kubectl_wait_ends_when_the_first_build_does(world):
    world.apply(world.image_build())
    with start_kubectl(world, "wait", "--for=condition=Ready", "imagebuild/site", "--timeout=60s") as waiting:
        world.wait_reason("ConfigMapNotFound")
        assert waiting.poll() is None

        world.apply(world.config_map("site-content", PAGE))

        assert waiting.wait(60) == 0
    assert world.condition()["status"] == "True"


@contextlib.contextmanager
def start_kubectl(world: World, *words: str):
    process = subprocess.Popen(
        [str(world.cluster.tools["kubectl"]), "--kubeconfig", str(world.cluster.kubeconfig),
         "-n", world.namespace, *words], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_the_patch_of_argo_cds_config_map_holds_the_health_script(world):
    world.kubectl("create", "configmap", "argocd-cm", "--from-literal=url=https://argocd.example.com")

    world.kubectl("patch", "configmap", "argocd-cm", "--patch-file", str(PATCH))

    data = json.loads(world.kubectl("get", "configmap", "argocd-cm", "-o", "json"))["data"]
    assert data == {"url": "https://argocd.example.com", KEY: HEALTH.read_text()}


def blocks(language: str) -> list[str]:
    """The examples of docs/gitops.md."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / "gitops.md").read_text(), re.M | re.S)


def test_the_page_has_the_table_of_states_that_is_tested():
    page = (ROOT / "docs" / "gitops.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    words = {(row[3], row[4].partition(",")[0]) for row in rows if len(row) == 5 and row[0] != "the ImageBuild"}
    assert words == {state[:2] for state in STATES.values()}


def test_the_manifests_of_the_page_can_be_read_and_name_what_there_is():
    kustomization, deployment = (yaml.safe_load(block) for block in blocks("yaml"))
    (check,) = kustomization["spec"]["healthChecks"]
    assert (check["apiVersion"], check["kind"]) == ("kiln.build/v1alpha1", "ImageBuild")
    named = json.loads(deployment["metadata"]["annotations"]["kiln.build/image-from"])
    containers = {each["name"] for each in deployment["spec"]["template"]["spec"]["containers"]}
    assert {entry["container"] for entry in named} <= containers


def test_the_files_that_the_commands_of_the_page_name_are_there():
    named = re.findall(r"(?<![\w/])deploy/[\w/.-]+\.\w+", "".join(blocks("sh")))
    assert named
    assert all((ROOT / path).is_file() for path in named), named
