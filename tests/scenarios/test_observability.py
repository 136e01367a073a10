"""What the controller says of itself: metrics, health, log level; and what of the cluster it looks at."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import re
import signal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from world import ROOT, Controller, World, binary, run

PAGE = {"index.html": "hello\n"}


# --- Words ---

class Metrics:
    """One reading of /metrics, by somebody else's parser."""

    def __init__(self, controller: Controller) -> None:
        status, self.text = controller.ask("metrics", "/metrics")
        assert status == 200
        self.families = {family.name: family for family in text_string_to_metric_families(self.text)}
        self._values = {(sample.name, frozenset(sample.labels.items())): sample.value
                        for family in self.families.values() for sample in family.samples}

    def __call__(self, name: str, /, **labels: str) -> float:
        return self._values.get((name, frozenset(labels.items())), 0)

    def sum(self, name: str, /, **labels: str) -> float:
        """Of all that have these labels, whatever else they have."""
        return sum(value for (sample, having), value in self._values.items()
                   if sample == name and labels.items() <= dict(having).items())


@contextlib.contextmanager
def running(world: World, kubeconfig: pathlib.Path, *flags: str):
    with Controller(kubeconfig, world.directory, *flags) as controller:
        world.controller = controller
        yield controller


@pytest.fixture
def place(cluster, base, tmp_path, request):
    """A world without a controller: the test starts it."""
    world = World(cluster, base, tmp_path, request.node.name)
    yield world
    world.close()


def verbose(controller: Controller, page: str = "readyz") -> str:
    return controller.ask("health", f"/{page}?verbose")[1]


# --- Metrics ---

def test_a_build_moves_the_metrics(world):
    world.wait_until("it is ready", lambda: world.controller.ask("health", "/readyz")[0] == 200)
    before = Metrics(world.controller)
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    world.wait_ready()

    def moved():
        now = Metrics(world.controller)
        return now("kiln_builds_total", reason="Created", result="succeeded") and now
    now = world.wait_until("the build is counted", moved)

    def grew(name, /, **labels):
        return now.sum(name, **labels) - before.sum(name, **labels)
    assert grew("kiln_builds_total", reason="Created", result="succeeded") == 1
    assert grew("kiln_builds_total", result="failed") == 0
    assert grew("kiln_build_duration_seconds_count") == 1
    for stage in ("content", "base", "layers", "push", "publish"):
        assert grew("kiln_build_stage_duration_seconds_count", stage=stage) == 1, stage
    assert grew("kiln_layers_made_total") == 2
    assert grew("kiln_content_bytes_total") == len(PAGE["index.html"])
    assert grew("kiln_registry_uploaded_bytes_total") > 100
    assert grew("kiln_registry_reused_bytes_total") > 1000, "the layers of the base were there"
    assert grew("kiln_registry_requests_total", method="PUT", code="2xx") >= 5
    assert grew("kiln_base_polls_total") >= 1
    assert grew("controller_runtime_reconcile_total", controller="imagebuild") >= 1
    assert grew("controller_runtime_reconcile_time_seconds_count") >= 1
    assert grew("workqueue_adds_total", name="imagebuild") >= 1
    assert grew("workqueue_queue_duration_seconds_count") >= 1
    assert grew("workqueue_work_duration_seconds_sum") > 0
    assert grew("rest_client_requests_total", code="200", method="PUT") >= 1
    assert grew("process_cpu_seconds_total") >= 0
    assert now("controller_runtime_max_concurrent_reconciles", controller="imagebuild") == 4
    assert now.sum("kiln_imagebuilds", ready="true") >= 1
    assert now("process_resident_memory_bytes") > 1e6
    assert now("process_open_fds") >= 10
    assert now("kiln_watch_last_activity_seconds", resource="configmaps") < 120
    assert now.families["kiln_build_info"].samples[0].labels["version"]


def test_metrics_are_well_formed_and_hold_nothing_that_users_name(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build("canary-name"))
    world.wait_ready("canary-name")

    metrics = Metrics(world.controller)

    for name in (world.namespace, "canary-name", "site-content", world.registry, "nginx"):
        assert name not in metrics.text, name
    for family in metrics.families.values():
        assert family.documentation and family.type in ("counter", "gauge", "histogram")
    documented = re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram) \|",
                            (ROOT / "docs" / "operations.md").read_text(), re.M)
    unknown = set(re.findall(r"^# TYPE (\w+)", metrics.text, re.M)) - set(documented)
    assert not unknown


def test_a_failure_is_counted_by_its_reason(world):
    world.apply(world.image_build())
    world.wait_reason("ConfigMapNotFound")

    metrics = Metrics(world.controller)

    assert metrics("kiln_reconcile_failures_total", reason="ConfigMapNotFound") >= 1
    assert metrics("controller_runtime_reconcile_errors_total", controller="imagebuild") >= 1
    assert metrics("workqueue_retries_total", name="imagebuild") >= 1
    assert metrics.sum("kiln_imagebuilds", ready="false") >= 1


def test_a_lost_place_in_the_stream_is_counted_as_an_expired_relist(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    first = world.wait_ready()

    world.kubectl("create", "serviceaccount", "newer-than-what-the-watches-have-seen")
    world.cluster.restart("kube-apiserver")
    world.apply(world.config_map("site-content", {"index.html": "after\n"}))
    world.wait_ready(not_digest=first)

    def counted():
        metrics = Metrics(world.controller)
        return (metrics("kiln_watch_relists_total", resource="configmaps", reason="expired") >= 1
                and metrics.sum("kiln_watch_failing") == 0)
    world.wait_until("the relist is counted and no watch fails", counted)


# --- Health ---

def test_it_is_live_and_not_ready_before_the_api_server_is_up_and_ready_after(
        place, cluster, controller_kubeconfig):
    cluster.kill("kube-apiserver")
    try:
        with running(place, controller_kubeconfig) as controller:
            assert controller.ask("health", "/healthz") == (200, "ok\n")
            status, text = controller.ask("health", "/readyz")
            assert status == 503
            assert "[-]watch-imagebuilds.kiln.build failed: nothing is known yet" in text
            assert "[-]watch-configmaps failed: nothing is known yet" in text
            assert "[+]watch-secrets ok: not needed" in text

            cluster.start_component("kube-apiserver")
            place.wait_until("it is ready", lambda: controller.ask("health", "/readyz")[0] == 200)

            assert controller.ask("health", "/readyz") == (200, "ok\n")
            assert "[+]watch-configmaps ok: watching" in verbose(controller)
            assert controller.ask("health", "/readyz/watch-configmaps")[0] == 200
            assert controller.ask("health", "/readyz/nothing")[0] == 404
            assert "[+]event-loop ok" in verbose(controller, "healthz")
    finally:
        if cluster.component("kube-apiserver").state() != "running":
            cluster.start_component("kube-apiserver")


def test_withdrawn_rights_are_named_by_their_watch_the_rest_goes_on_and_they_heal(world):
    role = json.loads(world.cluster.kubectl("get", "clusterrole", "kiln-controller", "-o", "json"))
    del role["metadata"]["resourceVersion"]
    less = {**role, "rules": [rule for rule in role["rules"] if rule["resources"] != ["configmaps"]]}
    inline = [{"inline": {"files": {"index.html": "inline\n"}}, "path": "/srv"}]
    world.wait_until("it is ready", lambda: world.controller.ask("health", "/readyz")[0] == 200)

    world.cluster.kubectl("replace", "-f", "-", input=json.dumps(less))
    try:
        world.cluster.restart("kube-apiserver")  # Open watches outlive the rights they began with.
        line = world.wait_until("the watch is named", lambda: re.search(
            r"\[!\]watch-configmaps troubled: (.*)", verbose(world.controller)))
        assert "forbidden" in line[1] and "configmaps" in line[1]
        assert world.controller.ask("health", "/readyz") == (200, "ok\n")
        assert Metrics(world.controller)("kiln_watch_failing", resource="configmaps") == 1

        world.apply(world.image_build(content=inline, remove=[]))
        world.wait_ready()
    finally:
        world.cluster.kubectl("replace", "-f", "-", input=json.dumps(role))
    world.wait_until("it heals", lambda: "[+]watch-configmaps ok" in verbose(world.controller), 90)
    assert Metrics(world.controller)("kiln_watch_failing", resource="configmaps") == 0


def test_from_sigterm_on_it_is_not_ready(world):
    def frozen_build():
        # Its base hangs, so the controller waits for it until its grace is over.
        world.cluster.freeze("registry")
        world.apply(world.config_map("site-content", PAGE), world.image_build())
        world.wait_until("it works on it", lambda: Metrics(world.controller)(
            "controller_runtime_active_workers", controller="imagebuild") == 1)

    world.wait_until("it is ready", lambda: world.controller.ask("health", "/readyz")[0] == 200)
    try:
        frozen_build()
        world.controller.signal(signal.SIGTERM)
        status, text = world.wait_until(
            "it is not ready", lambda: (answer := world.controller.ask("health", "/readyz"))[0] == 503
            and answer)
        assert "[-]shutdown failed: stopping" in text
        assert world.controller.ask("health", "/healthz")[0] == 200
    finally:
        world.cluster.thaw("registry")


def test_an_address_that_is_taken_ends_it_with_a_sentence(world, controller_kubeconfig):
    taken = world.controller.address("health")
    done = run(binary("kiln-controller"), "--kubeconfig", str(controller_kubeconfig),
               "--metrics-addr", "0", "--health-addr", taken, check=False)
    assert done.returncode == 1
    assert f"--health-addr: cannot listen on {taken}: Address already in use" in done.stderr


@pytest.mark.parametrize("flags, sentence", [
    (["--health-addr", "9440"], "is no address to listen on; write HOST:PORT"),
    (["--watch-namespaces", "web,Team_A"], '"Team_A" is no namespace'),
    (["--log-level", "loud"], "trace, debug, info, warning, error, off"),
    (["--interval-jitter-percentage", "101"], "--interval-jitter-percentage"),
])
def test_a_flag_that_makes_no_sense_is_refused(flags, sentence, cluster, controller_kubeconfig):
    done = run(binary("kiln-controller"), "--kubeconfig", str(controller_kubeconfig),
               "--metrics-addr", "0", *flags, check=False)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr


def test_pages_hold_with_keep_alive_and_head(world):
    connection = http.client.HTTPConnection(world.controller.address("health"), timeout=10)
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/healthz")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"" if method == "HEAD" else b"ok\n")
    connection.close()


# --- Log level ---

def test_the_log_level_changes_by_request_and_by_signal(world):
    assert world.controller.ask("health", "/loglevel") == (200, "debug\n")

    assert world.controller.ask("health", "/loglevel", "PUT", "warning") == (200, "warning\n")
    assert world.controller.ask("health", "/loglevel") == (200, "warning\n")
    assert world.controller.ask("health", "/loglevel", "PUT", "loud")[0] == 400

    world.controller.signal(signal.SIGUSR1)
    world.wait_until("debug is on", lambda: world.controller.ask("health", "/loglevel")[1] == "debug\n")
    world.controller.signal(signal.SIGUSR1)
    world.wait_until("debug is off", lambda: world.controller.ask("health", "/loglevel")[1] == "info\n")
    assert "log level changed from=debug to=warning" in world.controller.log()


def test_trace_tells_every_request_without_secrets(world):
    world.controller.ask("health", "/loglevel", "PUT", "trace")
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    world.wait_ready()
    log = world.controller.log()
    assert "trace request to a registry method=PUT" in log
    assert "trace request to the API server method=PUT" in log


def test_json_lines_are_json(place, controller_kubeconfig):
    log = place.directory / "controller.log"
    with Controller(controller_kubeconfig, place.directory, "--log-format", "json") as controller:
        place.controller = controller
        place.wait_until("it is ready", lambda: "everything has been read" in controller.log())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"ts", "level", "msg", "version"} <= lines[[
        line["msg"] for line in lines].index("kiln-controller starts")].keys()


# --- What it looks at ---

@pytest.fixture
def places(cluster, base, tmp_path, request):
    """Three namespaces, each with its content."""
    worlds = []
    for name in ("a", "b", "c"):
        directory = tmp_path / name
        directory.mkdir()
        world = World(cluster, base, directory, f"{name}-{request.node.name}")
        world.apply(world.config_map("site-content", PAGE))
        worlds.append(world)
    yield worlds
    for world in worlds:
        world.close()


def kubeconfig_for(cluster, *namespaces: str) -> pathlib.Path:
    """A service account with the controller's rights in these namespaces and nowhere else."""
    account = f"system:serviceaccount:{namespaces[0]}:kiln"
    cluster.kubectl("-n", namespaces[0], "create", "serviceaccount", "kiln")
    kubeconfig = cluster.service_account_kubeconfig(namespaces[0], "kiln")
    for namespace in namespaces:
        cluster.kubectl("-n", namespace, "create", "rolebinding", "kiln",
                        "--clusterrole=kiln-controller", f"--user={account}")
    return kubeconfig


def test_several_namespaces_are_watched_with_rights_in_these_alone(cluster, places):
    one, two, other = places
    kubeconfig = kubeconfig_for(cluster, one.namespace, two.namespace)
    with Controller(kubeconfig, one.directory,
                    "--watch-namespaces", f"{one.namespace},{two.namespace}") as controller:
        for world in places:
            world.controller = controller
            world.apply(world.image_build())
        first = [one.wait_ready(), two.wait_ready()]
        text = verbose(controller)
        for namespace in (one.namespace, two.namespace):
            assert f"[+]watch-imagebuilds.kiln.build@{namespace} ok: watching" in text
            assert f"[+]watch-configmaps@{namespace} ok: watching" in text

        # After a relist of one namespace the objects of the other are still known.
        cluster.restart("kube-apiserver")
        for world, digest in zip((one, two), first):
            world.apply(world.config_map("site-content", {"index.html": f"{world.namespace}\n"}))
            world.wait_ready(not_digest=digest)
        one.kubectl("delete", "imagebuild", "site")
        one.wait_until("one is forgotten", lambda: Metrics(controller)("kiln_imagebuilds", ready="true") == 1)
        assert not other.get().get("status", {}).get("digest")


def test_only_image_builds_with_the_label_are_built(place, controller_kubeconfig):
    with running(place, controller_kubeconfig, "--watch-label-selector", "team=web"):
        chosen = place.image_build("chosen")
        chosen["metadata"]["labels"] = {"team": "web"}
        place.apply(place.config_map("site-content", PAGE), place.image_build("other"), chosen)
        place.wait_ready("chosen")
        assert not place.get("other").get("status", {}).get("digest")
        assert Metrics(place.controller).sum("kiln_imagebuilds") == 1

        place.kubectl("label", "imagebuild", "other", "team=web")
        place.wait_ready("other")


# --- The page ---

def test_the_operations_page_has_every_flag_with_its_default():
    told = run(binary("kiln-controller"), "--help").stdout
    flags = {}
    for line in told.splitlines():
        found = re.match(r"  (?:-\w,)?(--[a-z-]+)(?:,--[a-z-]+)?(?: |$)(?:(?:TEXT|UINT)\S*(?: in \[.*?\])?(?:=(\S+))?)?", line)
        if found and found[1] not in ("--help", "--version"):
            default = re.search(r"(?:TEXT|\]|\})=(\S+)", line)
            flags[found[1]] = default[1] if default and default[1] != "[]" else ""
    page = dict(re.findall(r"^\| `(--[a-z-]+)` \| `?([^`|]*?)`? ?\|", (ROOT / "docs" / "operations.md").read_text(), re.M))
    assert {flag: default.strip() for flag, default in page.items()} == flags
