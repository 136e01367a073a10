"""What befalls an API server and those who log in to it, as one word each."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import ssl
import threading
import urllib.request

import certificates
import credentials
from cluster import Cluster

_NAMES = ("DNS:localhost", "IP:127.0.0.1")


class MountedCredentials:
    """A service account's folder as the kubelet mounts it: `token` and `ca.crt` are links into `..data`,
    which is a link that is swapped. With a kubeconfig that names these files."""

    def __init__(self, cluster: Cluster, folder: pathlib.Path, account: str = "kiln-controller",
                 namespace: str = "kiln-system") -> None:
        self._cluster = cluster
        self._folder = folder
        self._account = (namespace, account)
        self._number = 0
        self._files = {"token": "", "ca.crt": cluster.ca_file.read_text()}
        folder.mkdir()
        self.put_token(self.mint(3600))
        for name in self._files:
            (folder / name).symlink_to(f"..data/{name}")
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": cluster.apiserver.url,
                                                   "certificate-authority": "ca.crt"}}],
            "users": [{"name": "u", "user": {"tokenFile": "token"}}]}))

    def mint(self, seconds: int) -> str:
        """A token for so long; the API server's leeway adds about 60 s."""
        return self._cluster.sign_token(*self._account, seconds)

    def put_token(self, token: str) -> None:
        self._swap(token=token)

    def put_authorities(self, text: str) -> None:
        self._swap(**{"ca.crt": text})

    def _swap(self, **files: str) -> None:
        self._files |= files
        self._number += 1
        fresh = self._folder / f"..{self._number}"
        fresh.mkdir()
        for name, text in self._files.items():
            (fresh / name).write_text(text)
        aside = self._folder / "..data_tmp"
        aside.symlink_to(fresh.name)
        aside.rename(self._folder / "..data")


@contextlib.contextmanager
def api_server_flags(cluster: Cluster, *flags: str):
    """The API server runs with these flags more as long as the block."""
    before = list(cluster.apiserver.flags)
    cluster.apiserver.flags = [*before, *flags]
    cluster.restart("kube-apiserver")
    try:
        yield
    finally:
        cluster.apiserver.flags = before
        cluster.restart("kube-apiserver")


class Backup:
    """All that the API server knew at one time."""

    def __init__(self, cluster: Cluster, folder: pathlib.Path) -> None:
        """Stops it and its etcd for a moment."""
        self._cluster = cluster
        self._folder = folder
        with self._stopped() as data:
            shutil.copytree(data, folder)

    def restore(self) -> None:
        """What was written since is gone, and resourceVersions begin again from there."""
        with self._stopped() as data:
            shutil.rmtree(data)
            shutil.copytree(self._folder, data)

    @contextlib.contextmanager
    def _stopped(self):
        """Yields etcd's folder."""
        for name in ("kube-apiserver", "etcd"):
            self._cluster.kill(name)
        yield self._cluster.directory / "etcd"
        for name in ("etcd", "kube-apiserver"):
            self._cluster.start_component(name)


@contextlib.contextmanager
def loose_schema(cluster: Cluster, crd: pathlib.Path):
    """In the block the API server takes any ImageBuild, as where a newer version of the CRD is installed."""
    loose = json.loads(cluster.kubectl("get", "customresourcedefinition", "imagebuilds.kiln.build", "-o", "json"))
    for version in loose["spec"]["versions"]:
        version["schema"] = {"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    cluster.kubectl("replace", "-f", "-", input=json.dumps(loose))
    try:
        yield
    finally:
        cluster.kubectl("replace", "-f", str(crd))


@contextlib.contextmanager
def other_authority(cluster: Cluster, folder: pathlib.Path):
    """A second authority with a certificate for the API server; yields its certificate as text.

    `use` in the block restarts the API server with that certificate; afterwards it has its own again.
    The administrator trusts both.
    """
    authority = certificates.Authority(folder)
    authority.create()
    authority.issue_server("kube-apiserver", _NAMES)
    ours = cluster.ca_file.read_text()
    theirs = authority.certificate.read_text()
    cluster.ca_file.write_text(ours + theirs)
    _forget_context(cluster)
    credentials.write_kubeconfig(cluster.kubeconfig, cluster.apiserver.url, cluster.ca_file, "admin", {
        f"client-{kind}-data": (cluster.ca_file.parent / f"admin.{end}").read_bytes()
        for kind, end in (("certificate", "crt"), ("key", "key"))})
    with contextlib.ExitStack() as stack:
        stack.callback(_forget_context, cluster)
        stack.callback(cluster.ca_file.write_text, ours)
        yield theirs, lambda: stack.enter_context(api_server_flags(
            cluster, f"--tls-cert-file={folder}/kube-apiserver.crt",
            f"--tls-private-key-file={folder}/kube-apiserver.key"))


def _forget_context(cluster: Cluster) -> None:
    cluster.apiserver.__dict__.pop("_admin_context", None)


@contextlib.contextmanager
def crowd(cluster: Cluster, token: str, size: int = 12):
    """So many others who list everything all the time as the owner of the token."""
    stop = threading.Event()
    context = ssl.create_default_context(cafile=str(cluster.ca_file))

    def ask() -> None:
        while not stop.is_set():
            request = urllib.request.Request(f"{cluster.apiserver.url}/api/v1/configmaps",
                                             headers={"Authorization": f"Bearer {token}"})
            with contextlib.suppress(OSError):
                urllib.request.urlopen(request, timeout=5, context=context).read()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(size)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


@contextlib.contextmanager
def turned_away(cluster: Cluster, namespace: str, account: str):
    """In the block the API server answers 429 to nearly all that this service account asks, watches too: one
    request at a time is let in, and a crowd is there for it."""
    version = "flowcontrol.apiserver.k8s.io/v1"
    narrow = {"apiVersion": version, "kind": "PriorityLevelConfiguration", "metadata": {"name": "narrow"},
              "spec": {"type": "Limited", "limited": {
                  "nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}}}
    schema = {"apiVersion": version, "kind": "FlowSchema", "metadata": {"name": "narrow"}, "spec": {
        "priorityLevelConfiguration": {"name": "narrow"}, "matchingPrecedence": 2, "rules": [{
            "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": account}}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"],
                               "clusterScope": True}]}]}}
    both = json.dumps({"apiVersion": "v1", "kind": "List", "items": [narrow, schema]})
    cluster.kubectl("apply", "-f", "-", input=both)
    try:
        with crowd(cluster, cluster.sign_token(namespace, account, 3600), size=4):
            yield
    finally:
        cluster.kubectl("delete", "--wait=false", "-f", "-", input=both)
