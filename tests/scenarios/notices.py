"""What a registry tells the controller of a push."""

from __future__ import annotations

import http.client
import json
import secrets

from world import World


def notify(world: World, repository: str, digest: str, media_type: str, token: str) -> None:
    """The tag 1 of `repository` was pushed: as Docker's registry tells it, with the token of its Secret."""
    body = json.dumps({"events": [{
        "id": secrets.token_hex(8), "action": "push", "request": {"host": world.registry},
        "target": {"mediaType": media_type, "repository": repository, "tag": "1", "digest": digest,
                   "url": f"http://{world.registry}/v2/{repository}/manifests/{digest}"}}]})
    connection = http.client.HTTPConnection(world.controller.address("hooks"), timeout=10)
    connection.request("POST", "/hooks/distribution", body, {
        "Content-Type": "application/vnd.docker.distribution.events.v2+json", "Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert answer.status == 202, answer.read()
    connection.close()
