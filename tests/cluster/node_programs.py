"""The programs of a node: how each is called and how it shows that it is ready."""

from __future__ import annotations

import http.client
import json
import pathlib
import ssl

from server_process import Server
from servers import PROBE_DEADLINE_S, lack_of, lack_of_socket

STATE = pathlib.Path("/run/kiln-node")  # In the machine's memory; containers' layers lie there.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BRIDGE = "kiln0"


class Containerd(Server):
    """containerd with runc. Images come from registries with plain HTTP, the sandbox's too."""

    def __init__(self, *args, shim: pathlib.Path, sandbox: str, pods: str, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.home = self.folder / "containerd"
        self.socket = STATE / "containerd.sock"
        self._shim = shim
        self._sandbox = sandbox
        self._pods = pods

    def trust(self, registry: str) -> None:
        """Images may come from this registry, HOST:PORT, by plain HTTP."""
        folder = self.home / "registries" / registry
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(f'server = "http://{registry}"\n')

    def argv(self) -> list[str]:
        networks = self.home / "networks"
        networks.mkdir(parents=True, exist_ok=True)
        (networks / "10-kiln.conflist").write_text(json.dumps(self._network(), indent=1) + "\n")
        config = self.home / "config.toml"
        config.write_text(self._config(networks))
        return ["--config", str(config)]

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self._shim.parent}:{PATH}"}

    def listens(self) -> bool:
        return self.socket.exists()

    def probe(self) -> str:
        return lack_of_socket(self.socket)

    def _network(self) -> dict:
        return {"cniVersion": "1.0.0", "name": "kiln", "plugins": [
            {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": self._pods}]],
                      "routes": [{"dst": "0.0.0.0/0"}]}}]}

    def _config(self, networks: pathlib.Path) -> str:
        images, runtime = "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"
        return f"""\
version = 3
root = "{STATE}/containerd"
state = "{STATE}/containerd-state"
imports = []
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]
[grpc]
address = "{self.socket}"
[plugins."{images}"]
snapshotter = "overlayfs"
[plugins."{images}".pinned_images]
sandbox = "{self._sandbox}"
[plugins."{images}".registry]
config_path = "{self.home}/registries"
[plugins."{runtime}"]
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."{runtime}".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{networks}"
use_internal_loopback = true
[plugins."{runtime}".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."{runtime}".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


class KubeProgram(Server):
    """One of the programs in kube-node. `kubeconfig` says who it is."""

    def __init__(self, *args, kubeconfig: pathlib.Path, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.kubeconfig = kubeconfig

    def environment(self) -> dict[str, str]:
        return {"PATH": PATH}

    def probe(self) -> str:
        return lack_of(http.client.HTTPConnection(self.address, timeout=PROBE_DEADLINE_S), "/healthz")

    def write_config(self, config: dict) -> pathlib.Path:
        path = self.folder / f"{self.name}.json"
        path.write_text(json.dumps(config, indent=1) + "\n")
        return path


class _Controller(KubeProgram):
    """A program that serves its health with a certificate of its own making."""

    def probe(self) -> str:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return lack_of(http.client.HTTPSConnection(self.address, timeout=PROBE_DEADLINE_S,
                                                   context=context), "/healthz")

    def argv(self) -> list[str]:
        return [self.name, f"--kubeconfig={self.kubeconfig}", f"--bind-address={self.ip}",
                f"--secure-port={self.port}", "--leader-elect=false"]


class Scheduler(_Controller):
    """kube-scheduler."""


class ControllerManager(_Controller):
    """kube-controller-manager."""

    def argv(self) -> list[str]:
        pki = self.folder / "pki"
        return [*super().argv(), "--use-service-account-credentials",
                f"--root-ca-file={pki}/ca.crt",
                f"--service-account-private-key-file={pki}/service-account.key"]


class KubeProxy(KubeProgram):
    """kube-proxy with iptables."""

    def __init__(self, *args, node: str, pods: str, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._node = node
        self._pods = pods

    def argv(self) -> list[str]:
        config = self.write_config({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self.kubeconfig)},
            "hostnameOverride": self._node, "clusterCIDR": self._pods, "mode": "iptables",
            "healthzBindAddress": self.address,
            # Pods of one bridge answer each other past this machine's rules: all goes through it.
            "iptables": {"masqueradeAll": True, "minSyncPeriod": "100ms"},
            "conntrack": {"maxPerCore": 0}})  # That is a setting of the whole kernel.
        return ["kube-proxy", f"--config={config}"]


class Kubelet(KubeProgram):
    """The kubelet, with control groups below KILN_MACHINE_CGROUP."""

    def __init__(self, *args, node: str, address: str, runtime: pathlib.Path, cgroup: str,
                 **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._node = node
        self._address = address
        self._runtime = runtime
        self._cgroup = cgroup

    def argv(self) -> list[str]:
        config = self.write_config({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "address": self._address, "healthzBindAddress": self.ip, "healthzPort": self.port,
            "containerRuntimeEndpoint": f"unix://{self._runtime}",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": str(self.folder / "pki" / "ca.crt")}},
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs", "cgroupRoot": self._cgroup, "failCgroupV1": False,
            "enforceNodeAllocatable": [], "failSwapOn": False, "oomScoreAdj": 0, "resolvConf": "",
            # A test's machine is small and full of other things.
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%",
                             "imagefs.available": "0%"},
            "localStorageCapacityIsolation": False,
            "serializeImagePulls": False,
            "volumePluginDir": str(STATE / "volume-plugins")})
        return ["kubelet", f"--config={config}", f"--kubeconfig={self.kubeconfig}",
                f"--root-dir={STATE}/kubelet", f"--cert-dir={STATE}/kubelet-pki",
                f"--hostname-override={self._node}", f"--node-ip={self._address}"]
