#!/usr/bin/python3
"""Tests of the test cluster itself, against the real programs.

    /usr/bin/python3 tests/cluster/cluster_test.py        the first run builds the tools
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import urllib.error
import urllib.request
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import base_image  # noqa: E402
import go_tools  # noqa: E402
import server_process  # noqa: E402
from cluster import Cluster, ClusterError  # noqa: E402
from folders import PREFIX  # noqa: E402
from kubectl import KubectlError  # noqa: E402
from server_process import ServerError  # noqa: E402

COMMAND_DEADLINE_S = 120


def setUpModule() -> None:
    go_tools.ensure(*go_tools.CLUSTER_TOOLS)


def run(*args, environment=None) -> subprocess.CompletedProcess:
    return subprocess.run([str(arg) for arg in args], capture_output=True, text=True,
                          timeout=COMMAND_DEADLINE_S, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(environment or {})})


def processes_naming(text: str) -> list[int]:
    """Living processes with `text` in their command line, without this one."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def eventually(claim, deadline_s: float = 20) -> bool:
    deadline = time.monotonic() + deadline_s
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def get(url: str, user: str = "") -> int:
    """The status of a GET; 0 if nothing answers in time."""
    request = urllib.request.Request(url)
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(request, timeout=2).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


class TwoClusters(unittest.TestCase):
    """They come up once, side by side, and every test leaves them ready."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.one = Cluster().start()
        cls.addClassCleanup(cls.one.stop)
        cls.two = Cluster(apiserver_flags=["--max-requests-inflight=77"]).start()
        cls.addClassCleanup(cls.two.stop)

    def tearDown(self) -> None:
        self.assertEqual({**self.one.lacks(), **self.two.lacks()}, {})

    def test_a_kind_is_waited_for_until_it_is_served_and_not_longer_than_told(self):
        def crd(plural: str) -> str:
            version = {"name": "v1", "served": True, "storage": True,
                       "schema": {"openAPIV3Schema": {"type": "object"}}}
            return json.dumps({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                               "metadata": {"name": f"{plural}.example.com"},
                               "spec": {"group": "example.com", "scope": "Namespaced", "versions": [version],
                                        "names": {"kind": "Widget", "plural": plural}}})

        self.one.kubectl("create", "-f", "-", input=crd("widgets"))
        self.one.wait_established("widgets.example.com")
        self.assertEqual(self.one.kubectl("get", "widgets.example.com", "-o", "name"), "")

        self.one.kubectl("create", "-f", "-", input=crd("of-a-kind-that-is-taken"))
        with self.assertRaisesRegex(ClusterError, "of-a-kind-that-is-taken.example.com: not served after 0.5 s"):
            self.one.wait_established("of-a-kind-that-is-taken.example.com", deadline_s=0.5)

    def test_both_answer_and_share_nothing(self):
        self.one.kubectl("create", "configmap", "only-in-one")

        self.assertIn("only-in-one", self.one.kubectl("get", "configmaps"))
        self.assertNotIn("only-in-one", self.two.kubectl("get", "configmaps"))
        addresses = [server.address for c in (self.one, self.two) for server in c.components]
        self.assertEqual(len(set(addresses)), len(addresses))

    def test_state_is_private(self):
        self.assertEqual(self.one.directory.stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.one.kubeconfig.stat().st_mode & 0o777, 0o600)

    def test_kubectl_fits_the_api_server(self):
        versions = json.loads(self.one.kubectl("version", "--output", "json"))

        self.assertEqual(versions["serverVersion"]["gitVersion"], "v1.36.3")
        self.assertIn(versions["clientVersion"]["gitVersion"].split(".")[1], ("35", "36", "37"))

    def test_a_kubectl_error_hides_what_may_be_secret(self):
        with self.assertRaises(KubectlError) as caught:
            self.one.kubectl("create", "secret", "generic", "x", "--from-literal", "key=hush",
                             "--from-literal=other=hush", "--no-such-flag")

        self.assertIn("unknown flag", caught.exception.stderr)
        self.assertNotIn("hush", str(caught.exception))

    def test_a_service_account_may_do_only_what_its_roles_allow(self):
        self.one.kubectl("create", "serviceaccount", "reader")
        self.one.kubectl("create", "role", "reads", "--verb=get,list", "--resource=configmaps")
        self.one.kubectl("create", "rolebinding", "reads", "--role=reads",
                         "--serviceaccount=default:reader")
        reader = self.one.service_account_kubeconfig("default", "reader")

        self.one.kubectl("get", "configmaps", kubeconfig=reader)
        with self.assertRaisesRegex(KubectlError, "Forbidden"):
            self.one.kubectl("get", "secrets", kubeconfig=reader)

    def test_a_signed_token_works_until_it_expires(self):
        self.one.kubectl("create", "serviceaccount", "brief")
        for seconds, outcome in ((60, None), (-3600, "Unauthorized")):
            token = self.one.sign_token("default", "brief", seconds)
            brief = self.one.service_account_kubeconfig("default", "brief", token=token)
            with self.subTest(seconds=seconds):
                if outcome is None:
                    self.assertIn(":brief", self.one.kubectl("auth", "whoami", kubeconfig=brief))
                else:
                    with self.assertRaisesRegex(KubectlError, outcome):
                        self.one.kubectl("auth", "whoami", kubeconfig=brief)

    def test_a_frozen_api_server_keeps_its_connections_and_answers_after_the_thaw(self):
        self.one.freeze("kube-apiserver")
        self.assertEqual(self.one.component("kube-apiserver").state(), "frozen")
        with socket.create_connection(("127.0.0.1", self.one.apiserver.port), timeout=2):
            with self.assertRaisesRegex(ClusterError, "no end after 1 s"):
                self.one.kubectl("get", "namespaces", deadline_s=1)

        self.one.thaw("kube-apiserver")

        self.assertIn("default", self.one.kubectl("get", "namespaces"))

    def test_a_killed_api_server_comes_back_with_address_and_data(self):
        self.one.kubectl("create", "configmap", "survivor")
        address = self.one.apiserver.address

        self.one.kill("kube-apiserver")
        self.assertEqual(self.one.lacks(), {"kube-apiserver": "it is dead"})
        self.one.start_component("kube-apiserver")

        self.assertEqual(self.one.apiserver.address, address)
        self.assertIn("survivor", self.one.kubectl("get", "configmaps"))

    def test_after_a_compaction_a_watch_from_before_gets_410(self):
        listing = json.loads(self.two.kubectl("get", "--raw", "/api/v1/configmaps"))
        self.two.kubectl("create", "configmap", "newer")

        self.two.compact()

        query = f"watch=1&timeoutSeconds=2&resourceVersion={listing['metadata']['resourceVersion']}"
        event = json.loads(self.two.kubectl("get", "--raw", f"/api/v1/configmaps?{query}"))
        self.assertEqual((event["type"], event["object"]["code"]), ("ERROR", 410))

    def test_a_terminated_registry_ends_by_itself(self):
        self.two.terminate("registry")
        self.two.component("registry").wait_dead()
        self.two.start_component("registry")

    def test_a_registry_with_users_wants_the_right_password(self):
        registry = self.one.add_registry("private", users={"ann": "right"})
        url = registry.url + "/v2/"

        self.assertEqual([get(url), get(url, "ann:wrong"), get(url, "ann:right")], [401, 401, 200])

    def test_a_registry_can_speak_tls_with_the_clusters_authority(self):
        registry = self.one.add_registry("secure", tls=True)

        digest = base_image.push(f"{registry.address}/a:b", ca_file=str(self.one.ca_file))

        self.assertEqual(digest, base_image.build().digest)

    def test_a_registry_remembers_what_it_was_asked(self):
        registry = self.one.add_registry("remembers")
        base_image.push(f"{registry.address}/a:b")
        first = len(registry.requests())
        base_image.push(f"{registry.address}/a:b")

        second = [(r.method, r.status) for r in registry.requests()[first:]]
        self.assertEqual(set(second), {("HEAD", 200), ("PUT", 201)})  # No blob was sent again.

    def test_a_registry_name_must_be_free_and_plain(self):
        for name in ("registry", "../up", ""):
            with self.subTest(name=name), self.assertRaisesRegex(ClusterError, "free name"):
                self.one.add_registry(name)

    def test_a_program_that_ends_at_once_shows_its_log(self):
        with self.assertRaisesRegex(ServerError, r"(?s)broken ended \(exit code 1\).*its end:\n.+"):
            self.one.add_registry("broken", settings={"storage": {"nonesuch": {}}})
        self.one._servers.pop("broken")


class Lifetime(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cluster-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def command(self, *args) -> subprocess.CompletedProcess:
        return run("/usr/bin/python3", HERE / "cluster.py", *args, "--dir", self.folder / "up")

    def test_up_twice_is_one_cluster_and_down_leaves_nothing(self):
        self.addCleanup(self.command, "down")
        first, second = self.command("up"), self.command("up")

        self.assertEqual((first.returncode, first.stdout), (0, second.stdout), first.stderr)
        shell = run("bash", "-c", f'set -eu; eval "{first.stdout}"; kubectl get namespaces; '
                    'crane catalog --insecure "$KILN_REGISTRY"; test -d "$KILN_CLUSTER_DIR"')
        self.assertEqual(shell.returncode, 0, shell.stderr)
        self.assertEqual(self.command("status").returncode, 0)
        self.assertEqual(len(processes_naming(str(self.folder))), 3)

        self.assertEqual(self.command("down").returncode, 0)
        self.assertEqual(processes_naming(str(self.folder)), [])
        self.assertFalse((self.folder / "up").exists())
        self.assertEqual(self.command("status").returncode, 1)
        self.assertEqual(self.command("down").returncode, 0)

    def test_up_replaces_a_cluster_that_lost_a_component(self):
        self.addCleanup(self.command, "down")
        self.command("up")
        Cluster.attach(self.folder / "up").kill("etcd")

        again = self.command("up")

        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("etcd: it is dead", again.stderr)
        self.assertEqual(len(processes_naming(str(self.folder))), 3)

    def test_a_registry_that_is_added_lets_in_its_user_alone_and_ends_with_the_rest(self):
        self.addCleanup(self.command, "down")
        self.command("up")

        first, second = (self.command("add-registry", "--user", "ann:secret").stdout.strip() for _ in range(2))
        self.assertNotEqual(first, second)
        with self.assertRaisesRegex(base_image.PushError, "401"):
            base_image.push(f"{first}/team/base:1", auth=("ann", "wrong"))
        base_image.push(f"{first}/team/base:1", auth=("ann", "secret"))
        self.assertIn("--user NAME:PASSWORD", self.command("add-registry").stderr)
        self.command("down")
        self.assertEqual(processes_naming(str(self.folder)), [])

    def test_down_spares_a_process_that_only_has_the_pid(self):
        bystander = subprocess.Popen(["sleep", "60"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        (self.folder / "up" / "run").mkdir(parents=True)
        tools = {name: "/bin/false" for name in go_tools.CLUSTER_TOOLS}
        (self.folder / "up/cluster.json").write_text(json.dumps({"flags": [], "tools": tools}))
        letter, start_time = server_process._process_stat(bystander.pid)
        for name, program, start in (("etcd", "/usr/bin/etcd", start_time),
                                     ("kube-apiserver", os.path.realpath("/bin/sleep"), 1)):
            record = {"pid": bystander.pid, "start_time": start, "port": 1, "program": program}
            (self.folder / f"up/run/{name}.json").write_text(json.dumps(record))

        self.assertEqual(self.command("down").returncode, 0)

        self.assertIsNone(bystander.poll())

    def test_up_refuses_a_folder_of_somebody_else(self):
        (self.folder / "up").mkdir()
        (self.folder / "up" / "thesis.txt").write_text("years of work")

        refused = self.command("up")

        self.assertEqual(refused.returncode, 1)
        self.assertIn("is not empty; name another folder", refused.stderr)
        self.assertTrue((self.folder / "up" / "thesis.txt").exists())

    def test_servers_die_with_their_parent_and_the_next_cluster_sweeps_up(self):
        script = textwrap.dedent(f"""
            import sys, threading, time
            sys.path.insert(0, {str(HERE)!r})
            from cluster import Cluster
            def start():  # A thread that ends must not take the servers along.
                print(Cluster().start().directory, flush=True)
            thread = threading.Thread(target=start)
            thread.start()
            thread.join()
            time.sleep(60)
            """)
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True,
                                  env=environment)
        self.addCleanup(parent.stdout.close)
        directory = parent.stdout.readline().strip()
        self.assertEqual(len(processes_naming(directory)), 3)

        parent.send_signal(signal.SIGKILL)
        parent.wait()

        self.assertTrue(eventually(lambda: not processes_naming(directory)))
        with mock.patch.object(tempfile, "tempdir", str(self.folder)):
            with Cluster() as following:
                self.assertEqual(list(self.folder.glob(PREFIX + "*")), [following.directory])
        self.assertEqual(list(self.folder.glob(PREFIX + "*")), [])

    def test_a_cluster_comes_up_though_others_take_its_ports(self):
        taken = [self.enterContext(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = iter([each.getsockname()[1] for each in taken])
        free_port = server_process._free_port
        offered = []

        def every_first_is_taken(host: str) -> int:
            port = next(ports, 0) if len(offered) % 2 == 0 else 0
            offered.append(port or free_port(host))
            return offered[-1]

        with mock.patch.object(server_process, "_free_port", every_first_is_taken):
            with Cluster() as cluster:
                self.assertEqual(cluster.lacks(), {})
        self.assertEqual(len(offered), 6)


if __name__ == "__main__":
    unittest.main()
