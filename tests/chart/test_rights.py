"""Who may do what: the matrix of each role, asked of a real API server, and builds with these rights alone."""

from __future__ import annotations

import json

import pytest
import yaml

import world as scenarios
from helm_chart import NAMESPACE, apply, container, of_kind, render, the
from world import ROOT, Controller, World

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:kiln-controller"
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")

# subject | namespace | what it may | what it may not. Of kiln.build, where no group is named.
OWN = """
imagebuilds: get list watch patch | create update delete deletecollection
imagebuilds/status: get patch update | create delete
imagebuilds/finalizers: update | create
events.events.k8s.io: create patch | get list delete
configmaps.: get list watch | create update patch delete
secrets.: get list watch | create update patch delete
serviceaccounts.: get | list watch create update patch delete impersonate
serviceaccounts./token: | create
pods.: | get list watch create delete
pods./exec: | create
deployments.apps: | get list watch patch update create delete
"""
NOTHING = """
imagebuilds: | get list watch create update patch delete
imagebuilds/status: | get patch update
configmaps.: | get list watch
secrets.: | get list watch
serviceaccounts.: | get
events.events.k8s.io: | create
"""
OWN_NAMESPACE = """
leases.coordination.k8s.io/=kiln-controller: get update | patch delete
leases.coordination.k8s.io/=others: | get update patch delete
leases.coordination.k8s.io: create | list watch deletecollection
"""
# Of webhooks, with watchNamespaces: one Secret.
TOKENS = """
secrets./=kiln-hooks: get list watch | update
secrets./=others: | get list watch
"""
# Not of any namespace.
CLUSTER = """
namespaces.: | get list watch create delete
nodes.: | get list
clusterroles.rbac.authorization.k8s.io: | get create update bind escalate
customresourcedefinitions.apiextensions.k8s.io: | get list update
"""
ROLLOUT = """
deployments.apps: get list watch patch | create update delete
statefulsets.apps: get list watch patch | create update delete
daemonsets.apps: get list watch patch | create update delete
cronjobs.batch: get list watch patch | create update delete
replicasets.apps: | get patch
pods.: | get list delete
deployments.apps/scale: | update patch
"""
VIEW = """
imagebuilds: get list watch | create update patch delete deletecollection
imagebuilds/status: get | update patch
imagebuilds/finalizers: | update
secrets.: | get list
"""
EDIT = """
imagebuilds: get list watch create update patch delete deletecollection |
imagebuilds/status: get | update patch
imagebuilds/finalizers: | update
secrets.: | get list
"""
ADMIN = """
imagebuilds: get list watch create update patch delete deletecollection |
imagebuilds/status: get | update patch
imagebuilds/finalizers: update |
secrets.: | get list
"""


def cells(matrix: str):
    """(attributes of the access, whether it may be) for each cell."""
    for line in matrix.strip().splitlines():
        subject, _, verbs = line.partition(": ")
        allowed, _, denied = verbs.partition("|")
        subject, _, name = subject.partition("/=")
        subject, _, part = subject.partition("/")
        resource, dot, group = subject.partition(".")
        for verb in allowed.split() + denied.split():
            yield {"verb": verb, "group": group if dot else "kiln.build", "resource": resource,
                   "subresource": part, "name": name}, verb in allowed.split()


def may(cluster, *matrices: tuple[str, str, str]) -> list[str]:
    """Where the API server's answers are not those of (user, namespace, matrix): what
    `kubectl auth can-i` asks, all in one go."""
    asked = [(user, namespace, access, expected) for user, namespace, matrix in matrices
             for access, expected in cells(matrix)]
    reviews = [{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": {"user": user, "groups": ["system:authenticated"],
                         "resourceAttributes": {**access, **({"namespace": namespace} if namespace else {})}}}
               for user, namespace, access, _ in asked]
    text = cluster.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": reviews}))
    answers = []
    while text.strip():
        answer, end = json.JSONDecoder().raw_decode(text.lstrip())
        answers.append(answer["status"].get("allowed", False))
        text = text.lstrip()[end:]
    return [f"{user} in {namespace or 'the cluster'}: {access['verb']} {access['resource']}.{access['group']}"
            f"/{access['subresource']} {access['name']}: {'no' if expected else 'yes'}"
            for (user, namespace, access, expected), allowed in zip(asked, answers, strict=True)
            if allowed != expected]


@pytest.fixture(scope="module")
def shop(cluster):
    for namespace in ("web", "shop"):
        apply(cluster, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}])


def grant(cluster, *words: str) -> None:
    """The rights of the chart with these words, and no others of an earlier test."""
    cluster.kubectl("delete", ",".join(RIGHTS[1:]), "--all-namespaces", "-l", "app.kubernetes.io/name=kiln",
                    "--ignore-not-found")
    objects = render(*words)
    apply(cluster, [each for kind in RIGHTS for each in of_kind(objects, kind)])


def test_in_cluster_mode_it_may_build_everywhere_and_nothing_else(cluster, shop):
    grant(cluster)
    assert may(cluster, (ACCOUNT, "web", OWN), (ACCOUNT, NAMESPACE, OWN_NAMESPACE), (ACCOUNT, "", CLUSTER),
               (ACCOUNT, "web", "leases.coordination.k8s.io: | create get list")) == []


def test_in_namespaced_mode_it_may_do_that_in_its_namespaces_alone(cluster, shop):
    words = ("--set", "watchNamespaces={web},rbac.aggregate=false,hooks.enabled=true")
    grant(cluster, *words)
    assert of_kind(render(*words), "ClusterRole") == [] == of_kind(render(*words), "ClusterRoleBinding")
    assert may(cluster, (ACCOUNT, "web", OWN), (ACCOUNT, "shop", NOTHING), (ACCOUNT, NAMESPACE, OWN_NAMESPACE),
               (ACCOUNT, NAMESPACE, TOKENS), (ACCOUNT, "", CLUSTER)) == []


def test_it_may_change_workloads_only_where_that_is_wanted(cluster, shop):
    grant(cluster, "--set", "rollout.enabled=true,watchNamespaces={web}")
    assert may(cluster, (ACCOUNT, "web", ROLLOUT), (ACCOUNT, "shop", NOTHING)) == []
    assert "--rollout" in container(render("--set", "rollout.enabled=true"))["args"]
    assert "--rollout" not in container(render())["args"]


def test_the_roles_for_people_say_view_edit_and_admin(cluster, shop):
    grant(cluster)
    for role, matrix in (("view", VIEW), ("edit", EDIT), ("admin", ADMIN)):
        ours = the(render(), "ClusterRole", f"kiln-controller-{role}")
        theirs = json.loads(cluster.kubectl("get", "clusterrole", role, "-o", "json"))
        (selector,) = theirs["aggregationRule"]["clusterRoleSelectors"]
        assert selector["matchLabels"].items() <= ours["metadata"]["labels"].items()
        apply(cluster, [{
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": "web"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": ours["metadata"]["name"]},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"a-{role}"}]}])
        assert may(cluster, (f"a-{role}", "web", matrix), (f"a-{role}", "shop", NOTHING)) == []


def test_kubectl_auth_can_i_says_the_same(cluster, shop):
    grant(cluster)
    listed = cluster.kubectl("auth", "can-i", "--list", "--as", ACCOUNT, "-n", "web", "--no-headers")
    (line,) = [line for line in listed.splitlines() if line.startswith("imagebuilds.kiln.build ")]
    assert set(line[line.rindex("[") + 1:-1].split()) == {"get", "list", "watch", "patch"}


def triples(rules: list[dict]) -> set[tuple]:
    return {(group, resource, verb, *rule.get("resourceNames", [])) for rule in rules
            for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]}


def test_the_rights_of_the_scenarios_are_those_of_the_chart():
    """So what the scenarios show, they show of the chart."""
    def all_of(objects):
        return {triple for each in objects if each["kind"] in ("Role", "ClusterRole")
                and "aggregate" not in " ".join(each["metadata"].get("labels", {}))
                for triple in triples(each["rules"])}

    def of_files(*names):
        return all_of([each for name in names
                       for each in yaml.safe_load_all((ROOT / "deploy" / name).read_text()) if each])

    finalizers = {("kiln.build", "imagebuilds", "patch"), ("kiln.build", "imagebuilds/finalizers", "update")}
    assert all_of(render()) - finalizers == of_files("rbac.yaml") - finalizers
    if (ROOT / "deploy" / "rbac-rollout.yaml").exists():
        rollout = all_of(render("--set", "rollout.enabled=true"))
        assert rollout - finalizers == of_files("rbac.yaml", "rbac-rollout.yaml") - finalizers


def flags_of(objects: list[dict]) -> list[str]:
    """The chart's own, but for those that Controller sets."""
    set_by_controller = ("--log-level", "--cache-dir", "--min-retry-delay", "--max-retry-delay", "--metrics-addr",
                         "--health-addr")
    return [flag for flag in container(objects)["args"] if flag.partition("=")[0] not in set_by_controller]


@pytest.mark.parametrize("mode", ["cluster", "namespaced"])
def test_with_these_rights_and_flags_it_builds(cluster, tmp_path, mode):
    world = World(cluster, scenarios.push_base(cluster), tmp_path, mode)
    words = ("--set", f"watchNamespaces={{{world.namespace}}}") if mode == "namespaced" else ()
    grant(cluster, *words)
    kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, "kiln-controller", file=f"kubeconfig-{mode}")
    flags = [*flags_of(render(*words)), "--leader-election-namespace", NAMESPACE]
    with Controller(kubeconfig, tmp_path, *flags) as world.controller:
        # Content from a Secret makes it watch Secrets, too.
        world.apply(world.config_map("site-content", {"index.html": "hello\n"}),
                    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"key": "s"}},
                    world.image_build(content=[
                        {"configMap": {"name": "site-content"}, "path": "/usr/share/nginx/html"},
                        {"secret": {"name": "key"}, "path": "/etc/key"}]))
        world.wait_ready()
        assert world.file_in_image("/usr/share/nginx/html/index.html") == "hello\n"
        world.wait_until("there is an Event", world.events)
        status, _ = world.controller.ask("health", "/readyz")
        assert status == 200
        lease = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "lease", "kiln-controller", "-o", "json"))
        assert lease["spec"]["holderIdentity"]
    assert "forbidden" not in world.controller.log()
    world.close()
