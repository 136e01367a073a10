"""Alerts and dashboard: each alert fires when it should, and each query finds something in a real Prometheus that
scrapes the real controller."""

from __future__ import annotations

import json
import pathlib
import re
import urllib.error
import urllib.request

import pytest
import yaml

import prometheus
import world as scenarios
from helm_chart import CHART, NAMESPACE, apply, render, the
from world import Controller, World, run

HERE = pathlib.Path(__file__).resolve().parent
JOB = "kiln-controller-metrics"
WITH_MONITORING = ("--set", "metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true,"
                            "metrics.serviceMonitor.enabled=true")

pytestmark = pytest.mark.skipif(prometheus.missing_program() is not None,
                                reason=f"{prometheus.missing_program()} is not installed")


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """The rules as the chart renders them, in a file."""
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(the(render(*WITH_MONITORING), "PrometheusRule")["spec"]))
    return path


def test_promtool_takes_the_rules(rules):
    assert "SUCCESS: 11 rules found" in run("promtool", "check", "rules", "--lint=all", "--lint-fatal",
                                            str(rules)).stdout


def test_each_alert_fires_when_it_should_and_only_then(rules):
    alerts = {rule["alert"] for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]}
    cases = HERE / "alerts.yaml"
    fires = {case["alertname"] for test in yaml.safe_load(cases.read_text())["tests"]
             for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fires == alerts
    copy = rules.parent / "alerts.yaml"
    copy.write_text(cases.read_text())
    assert "SUCCESS" in run("promtool", "test", "rules", str(copy)).stdout


def dashboard() -> dict:
    return json.loads(the(render(*WITH_MONITORING), "ConfigMap", "kiln-controller-dashboard")["data"]["kiln.json"])


def queries() -> list[str]:
    """Each as Grafana would send it."""
    return [target["expr"].replace("$job", JOB).replace("$__rate_interval", "1m")
            for panel in dashboard()["panels"] for target in panel.get("targets", [])]


def test_the_panels_have_titles_of_their_own_and_do_not_overlap():
    panels = dashboard()["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels) == len({panel["id"] for panel in panels})
    taken = [(x, y) for panel in panels for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
             for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])]
    assert len(taken) == len(set(taken))
    assert all(x < 24 for x, _ in taken)


def test_queries_ask_only_for_metrics_that_the_documentation_names():
    page = (CHART.parents[1] / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram)", page, re.M))
    text = " ".join(queries()) + (CHART / "files" / "rules.yaml").read_text()
    prefixes = r"\b((?:kiln|workqueue|controller_runtime|rest_client|leader_election|process)_\w+)"
    asked = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(prefixes, text)}
    assert asked <= documented, asked - documented


@pytest.fixture(scope="module")
def busy(cluster, rules, tmp_path_factory):
    """A Prometheus that has seen a controller build, fail, and get a webhook without a token."""
    folder = tmp_path_factory.mktemp("busy")
    apply(cluster, [each for each in render() if each["kind"] != "Deployment"])
    kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, "kiln-controller", file="kubeconfig-busy")
    cluster.kubectl("-n", NAMESPACE, "create", "secret", "generic", "kiln-hooks",
                    "--from-literal=forge=0123456789abcdef0123456789abcdef")
    world = World(cluster, scenarios.push_base(cluster), folder, "busy")
    flags = ("--leader-elect", "--leader-election-namespace", NAMESPACE, "--hooks-addr", "127.0.0.1:0",
             "--hooks-secret", f"{NAMESPACE}/kiln-hooks")
    with Controller(kubeconfig, folder, *flags) as world.controller:
        with prometheus.Prometheus(folder / "prometheus", JOB, world.controller.address("metrics"), rules) as server:
            server.wait_until("it has scraped", lambda: server.query("kiln_build_info"))
            world.apply(world.config_map("site-content", {"index.html": "hello\n"}), world.image_build(),
                        world.image_build("lacking", content=[{"configMap": {"name": "nowhere"}, "path": "/srv"}]))
            world.wait_ready()
            world.wait_reason("ConfigMapNotFound", "lacking")
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"http://{world.controller.address('hooks')}/hooks/github", data=b"{}", timeout=10)
            server.wait_until("what happened was scraped", lambda: server.query(
                'increase(kiln_builds_total{result="succeeded"}[1m]) > 0') and server.query(
                "rate(kiln_hook_requests_total[1m])") and server.query("rate(kiln_reconcile_failures_total[1m])"))
            yield server
    world.close()


def test_each_query_of_the_dashboard_finds_something(busy):
    empty = [query for query in queries() if not busy.query(query)]
    assert empty == []


def test_the_dashboard_tells_what_happened(busy):
    assert busy.query(f'max(kiln_imagebuilds{{job="{JOB}",ready="true"}})')[0]["value"][1] == "1"
    assert busy.query(f'sum(leader_election_master_status{{job="{JOB}"}})')[0]["value"][1] == "1"
    why = busy.query(f'sum by (reason) (kiln_reconcile_failures_total{{job="{JOB}"}})')
    assert [each["metric"]["reason"] for each in why] == ["ConfigMapNotFound"]
    (variable,) = [each for each in dashboard()["templating"]["list"] if each["name"] == "job"]
    assert variable["definition"] == "label_values(kiln_build_info, job)"
    assert {each["metric"]["job"] for each in busy.query("kiln_build_info")} == {JOB}


def test_prometheus_evaluates_each_alert_and_none_is_about_a_healthy_controller(busy):
    def evaluated():
        found = busy.rules()
        return found if all(rule["health"] == "ok" for rule in found) else None

    states = {rule["name"]: rule["state"] for rule in busy.wait_until("all were evaluated", evaluated)}
    assert len(states) == 11
    # One ImageBuild is not ready, and somebody came without a token: both wait for their time.
    assert {name for name, state in states.items() if state != "inactive"} <= {
        "KilnImageBuildsNotReady", "KilnHooksRefused", "KilnBuildsFail"}


def test_the_service_monitor_finds_the_service():
    objects = render(*WITH_MONITORING)
    monitor = the(objects, "ServiceMonitor")["spec"]
    service = the(objects, "Service", JOB)
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert monitor["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
