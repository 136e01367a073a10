"""The few requests to an API server of which some tests send hundreds: kubectl would take too long for them."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time

from servers import ApiServer

DEADLINE_S = 30
_PAUSE_S = 0.1
KILN = "/apis/kiln.build/v1alpha1"
EVENTS = "/apis/events.k8s.io/v1"


class ApiError(Exception):
    """The API server refused, or was not there for DEADLINE_S; the message says which."""


class KubernetesApi:
    """As the cluster's administrator. While the API server restarts, requests wait for it."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._server = server
        self._namespace = namespace
        self._connection: http.client.HTTPSConnection | None = None

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    # ImageBuilds.

    def create_build(self, name: str, spec: dict) -> None:
        self._ask("POST", f"{KILN}/namespaces/{self._namespace}/imagebuilds", {
            "apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild",
            "metadata": {"name": name}, "spec": spec}, good=(201, 409))

    def edit_build(self, name: str, spec: dict) -> None:
        self._ask("PATCH", self._build(name), [{"op": "replace", "path": "/spec", "value": spec}],
                  kind="application/json-patch+json")

    def request(self, name: str, when: str) -> None:
        self._ask("PATCH", self._build(name), {"metadata": {"annotations": {
            "reconcile.kiln.build/requestedAt": when}}}, kind="application/merge-patch+json")

    def delete_build(self, name: str) -> None:
        self._ask("DELETE", self._build(name), good=(200, 404))

    def builds(self) -> dict[str, dict]:
        """All of the namespace by name."""
        return self._list(f"{KILN}/namespaces/{self._namespace}/imagebuilds")

    # ConfigMaps and Secrets.

    def put_config_map(self, name: str, data: dict[str, str]) -> None:
        self._put("configmaps", name, {"kind": "ConfigMap", "data": data})

    def put_secret(self, name: str, data: dict[str, str]) -> None:
        self._put("secrets", name, {"kind": "Secret", "data": {
            key: base64.b64encode(text.encode()).decode() for key, text in data.items()}})

    def _put(self, resource: str, name: str, fields: dict) -> None:
        body = {"apiVersion": "v1", "metadata": {"name": name}, **fields}
        folder = f"/api/v1/namespaces/{self._namespace}/{resource}"
        status, _ = self._ask("PUT", f"{folder}/{name}", body, good=(200, 201, 404))
        if status == 404:
            self._ask("POST", folder, body, good=(201, 409))

    def delete(self, resource: str, name: str) -> None:
        self._ask("DELETE", f"/api/v1/namespaces/{self._namespace}/{resource}/{name}", good=(200, 404))

    # Events.

    def events(self) -> dict[str, dict]:
        return self._list(f"{EVENTS}/namespaces/{self._namespace}/events")

    # Inside.

    def _build(self, name: str) -> str:
        return f"{KILN}/namespaces/{self._namespace}/imagebuilds/{name}"

    def _list(self, path: str) -> dict[str, dict]:
        return {item["metadata"]["name"]: item for item in self._ask("GET", path)[1]["items"]}

    def _ask(self, method: str, path: str, body=None, *, good=(200, 201),
             kind: str = "application/json") -> tuple[int, dict]:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                status, text = self._send(method, path, body, kind)
            except (OSError, http.client.HTTPException, ssl.SSLError) as error:
                status, text = 0, str(error)
                self.close()
            if status in good:
                return status, json.loads(text)
            if status not in (0, 429, 500, 503) or time.monotonic() > deadline:
                raise ApiError(f"{method} {path}: {status} {text[:500]}")
            time.sleep(_PAUSE_S)

    def _send(self, method: str, path: str, body, kind: str) -> tuple[int, str]:
        self._connection = self._connection or self._server.connect(DEADLINE_S)
        self._connection.request(method, path, None if body is None else json.dumps(body),
                                 {"Content-Type": kind})
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()
