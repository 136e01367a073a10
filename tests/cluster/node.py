"""A Kubernetes node for a cluster of tests: pods run on it, for real.

    own_machine.py python3 …        everything here must run on a machine of its own

    with Cluster(host=node.ADDRESS) as cluster:
        node.Node(cluster).start()
        cluster.kubectl("run", "web", "--image", reference)

containerd with runc, kubelet, kube-controller-manager, kube-scheduler and kube-proxy; a bridge whose
address is the node's, and that of the API server and the registries. Pods have addresses in PODS,
Services work, and so does what Kubernetes' own controllers do: Deployments roll out, garbage is
collected, namespaces end. There is no DNS: pods use addresses, or `hostAliases`.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import credentials
import go_tools
import own_machine
import registry_push
from cluster import Cluster, ClusterError
from node_programs import (BRIDGE, PATH, STATE, Containerd, ControllerManager, KubeProxy, Kubelet,
                           Scheduler)
from oci_image import CREATED, OCI, Content, Layer, digest_of, json_bytes, stored_gzip
from servers import SERVICE_RANGE

ADDRESS = "10.244.0.1"
PODS = "10.244.0.0/24"
NAME = "kiln-node"
READY_DEADLINE_S = 60
COMMAND_DEADLINE_S = 30
PROGRAMS = ("runc", "iptables", "ip", "mount", "gcc", "/usr/lib/cni/bridge")
HERE = pathlib.Path(__file__).resolve().parent


class Node:
    """The one node of a cluster that was made with `host=ADDRESS`, after `prepare`.

    Errors: ClusterError, ServerError, CertificateError, ToolError; each message stands alone.
    Lifetime: the programs are components of the cluster and end with it; containers go on until
    the machine ends.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def start(self) -> Node:
        """Returns when pods can run."""
        tools = go_tools.ensure(*go_tools.NODE_TOOLS)
        self.cluster.tools.update(tools)
        registry = self.cluster.registry().address
        sandbox = f"{registry}/kiln-node/pause:1"
        registry_push.push(_pause_image(self.cluster.directory), sandbox)
        containerd = self._add(Containerd, "containerd", shim=tools["containerd-shim-runc-v2"],
                               sandbox=sandbox, pods=PODS)
        containerd.trust(registry)
        servers = [containerd, *self._kubernetes(containerd)]
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_ready()
        self._wait_ready()
        return self

    def _kubernetes(self, containerd: Containerd) -> list:
        def add(kind, name: str, **options):
            group = "system:nodes" if kind is Kubelet else "kiln-test"
            user = f"system:node:{NAME}" if kind is Kubelet else f"system:{name}"
            return self._add(kind, name, program="kube-node", **options,
                             kubeconfig=self._kubeconfig(name, user, group))

        return [add(ControllerManager, "kube-controller-manager"), add(Scheduler, "kube-scheduler"),
                add(KubeProxy, "kube-proxy", node=NAME, pods=PODS),
                add(Kubelet, "kubelet", node=NAME, address=ADDRESS, runtime=containerd.socket,
                    cgroup=os.environ[own_machine.CGROUP])]

    def _add(self, kind, name: str, program: str | None = None, **options):
        path = self.cluster.tools[program or name]
        return self.cluster.add(kind(name, path, self.cluster.directory, **options))

    def _kubeconfig(self, name: str, user: str, group: str) -> pathlib.Path:
        """Of one program: it has the rights that Kubernetes itself gives to its like."""
        authority = self.cluster.authority
        authority.issue_client(name, user, group)
        path = self.cluster.directory / f"kubeconfig-{name}"
        credentials.write_kubeconfig(
            path, self.cluster.apiserver.url, self.cluster.ca_file, user,
            {"client-certificate-data": (authority.folder / f"{name}.crt").read_bytes(),
             "client-key-data": (authority.folder / f"{name}.key").read_bytes()})
        return path

    def _wait_ready(self) -> None:
        deadline = f"--timeout={READY_DEADLINE_S}s"
        for words in (("--for=create", f"node/{NAME}"),
                      ("--for=condition=Ready", f"node/{NAME}"),
                      ("--for=create", "serviceaccount/default", "--namespace=default")):
            self.cluster.kubectl("wait", *words, deadline, deadline_s=READY_DEADLINE_S + 10)


def lacks() -> str:
    """Empty if a node can run here, otherwise what is missing."""
    if own_machine.CGROUP not in os.environ:
        return "a node needs a machine of its own: start this with tests/cluster/own_machine.py"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    return f"not installed: {', '.join(missing)} (see the group e2e of tools/setup.sh)" if missing else ""


def prepare() -> None:
    """Gives this machine ADDRESS and a disk; must come before the cluster. Errors: ClusterError."""
    lack = lacks()
    if lack:
        raise ClusterError(lack)
    STATE.mkdir(mode=0o700, exist_ok=True)
    # Of its own, since the kubelet looks for what is mounted there by the device's number.
    _call("mount", "-t", "tmpfs", "-o", "mode=700", "kiln-node", str(STATE))
    for words in (("link", "add", BRIDGE, "type", "bridge"),
                  ("address", "add", f"{ADDRESS}/24", "dev", BRIDGE),
                  ("link", "set", BRIDGE, "up"),
                  # kube-proxy's rules give them other targets; but first a way must lead there.
                  ("route", "add", SERVICE_RANGE, "dev", BRIDGE)):
        _call("ip", *words)


def _pause_image(folder: pathlib.Path) -> Content:
    """What keeps the namespaces of a pod: a static program and nothing else."""
    program = folder / "pause"
    _call("gcc", "-Os", "-static", "-s", "-o", str(program), str(HERE / "pause.c"))
    tar = Layer().file("pause", program.read_bytes(), 0o755).tar()
    content = Content()
    layer = content.add_blob(OCI["layer"], stored_gzip(tar))
    config = content.add_blob(OCI["config"], json_bytes(
        {"architecture": go_tools.go_architecture(), "os": "linux", "created": CREATED,
         "config": {"Entrypoint": ["/pause"]},
         "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]}}))
    content.add_manifest({"schemaVersion": 2, "mediaType": OCI["manifest"], "config": config,
                          "layers": [layer]})
    return content


def _call(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_DEADLINE_S,
                          env={"PATH": PATH}, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(words)}: exit code {done.returncode}: {done.stderr.strip()}")
