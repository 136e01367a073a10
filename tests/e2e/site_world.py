"""What the tests say: a site, its workload, its page."""

from __future__ import annotations

import json
import secrets

import yaml

from release import NAMESPACE, wait_for
from world import ROOT, World, run

HTML = "/usr/share/nginx/html"
TOKEN = secrets.token_hex(16)  # Of webhooks.
HOOKS = "kiln-controller-hooks"
CURL_DEADLINE_S = 5
CONNECTION_REFUSED = 7  # curl's exit code
ROLLOUT_DEADLINE_S = 60


class SiteWorld(World):
    """A namespace on a real node. Its pods and Services end with it."""

    def close(self) -> None:
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")

    # --- Doing ---

    def apply_example(self, folder: str, addresses: dict[str, str] | None = None) -> str:
        """With the registry's address in it, and these others: the name of its ImageBuild."""
        text = (ROOT / "examples" / folder / "imagebuild.yaml").read_text()
        ours = {"registry.example.com": f"{self.registry}/{self.namespace}", "nginx:1.27": self.base}
        for example, address in {**ours, **(addresses or {})}.items():
            text = text.replace(example, address)
        self.kubectl("apply", "--filename", "-", input=text)
        return next(each["metadata"]["name"] for each in yaml.safe_load_all(text)
                    if each["kind"] == "ImageBuild")

    def deploy(self, build: str = "site") -> None:
        """A web server that Kiln keeps at what an ImageBuild has become; see `serve`."""
        self.serve({"imageBuild": build, "container": "web"})

    def serve(self, image_from: dict, **pod) -> None:
        """A Deployment and a Service, both called "web", of the web server as it comes, until Kiln sets
        the image that `image_from` names."""
        labels = {"app": "web"}
        annotations = {"kiln.build/image-from": json.dumps([image_from])}
        container = {"name": "web", "image": self.base, "ports": [{"containerPort": 80}],
                     "volumeMounts": pod.pop("volumeMounts", []),
                     "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1}}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container], **pod}}
        self.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment",
             "metadata": {"name": "web", "namespace": self.namespace, "annotations": annotations},
             "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}},
            {"apiVersion": "v1", "kind": "Service",
             "metadata": {"name": "web", "namespace": self.namespace},
             "spec": {"selector": labels, "ports": [{"port": 80}]}})
        self.rolled_out()

    def edit(self, page: str, name: str = "site-content") -> None:
        self.kubectl("patch", "configmap", name, "--type=merge", "--patch",
                     json.dumps({"data": {"index.html": page}}))

    def send_hook(self, kind: str, body: str, headers: dict[str, str]) -> str:
        """As an Ingress does: of the pods behind the Service one listens, and it tries on."""
        address = self.service_address(HOOKS, NAMESPACE)
        words = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]

        def sent():
            done = run("curl", "--fail-with-body", "--silent", "--show-error", "--max-time",
                       str(CURL_DEADLINE_S), "--data-binary", "@-", "--header",
                       "Content-Type: application/json", *words, f"http://{address}/hooks/{kind}",
                       input=body, check=False)
            assert done.returncode in (0, CONNECTION_REFUSED), done.stdout + done.stderr
            return done.stdout
        return wait_for("the leader takes the webhook", sent)

    # --- Looking ---

    def tags(self, name: str = "site") -> set[str]:
        return set(self.crane("ls", f"{self.registry}/{self.namespace}/{name}").split())

    def rolled_out(self) -> None:
        self.cluster.kubectl("--namespace", self.namespace, "rollout", "status", "deployment/web",
                             f"--timeout={ROLLOUT_DEADLINE_S}s", deadline_s=ROLLOUT_DEADLINE_S + 10)

    def image(self, name: str = "site") -> str:
        """What a workload should run."""
        return self.get(name)["status"]["image"]

    def service_address(self, name: str, namespace: str) -> str:
        return self.cluster.kubectl("--namespace", namespace, "get", "service", name, "--output",
                                    "jsonpath={.spec.clusterIP}")

    def page(self, path: str = "/", *options: str) -> str:
        """As a visitor gets it, from one of the pods behind the Service. `options` are curl's."""
        return self._visit(self.service_address("web", self.namespace) + path, *options).stdout

    def status_of_page(self, *options: str) -> int:
        """The HTTP status a visitor gets; 0 if there was no answer."""
        address = self.service_address("web", self.namespace)
        return int(run("curl", "--silent", "--max-time", str(CURL_DEADLINE_S), "--output", "/dev/null",
                       "--write-out", "%{http_code}", *options, f"http://{address}/", check=False).stdout)

    def wait_page(self, text: str) -> None:
        """Until every pod of the Service has it: ten visits in a row."""
        address = self.service_address("web", self.namespace)
        wait_for(f"the page says {text!r}", lambda: all(
            text in self._visit(address, check=False).stdout for _ in range(10)))

    @staticmethod
    def _visit(url: str, *options: str, check: bool = True):
        return run("curl", "--fail", "--silent", "--show-error", "--max-time", str(CURL_DEADLINE_S), *options,
                   f"http://{url}", check=check)
