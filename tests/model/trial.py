"""Does the operations to real servers and compares what comes of them with the model."""

from __future__ import annotations

import contextlib
import json
import re
import time

import registry_push
from fault_proxy import Fault, FaultProxy
from git_server import GitServer
from images import Images
from kubernetes_api import KubernetesApi
from metrics import metric
from model import BASES, Expected, Model, Place
from oci_image import OCI, Content, Layer, digest_of, json_bytes, stored_gzip
from operations import FOREIGN
from world import Controller, World

SETTLE_S = 60
POLLS_S = 2.5  # Long enough for each that polls (every second, more or less) to have done so.
CALM_TRIES = 4
REPOSITORY = "site.git"
# What nobody tells an ImageBuild that does not poll.
_UNSEEN = {"commit", "base", "registry", "git", "move tag", "delete tag", "lose image"}
# After these, any build may be one more than the inputs ask for: its end was not written down.
_DISTURBS = {"registry", "fault", "restart", "kill", "cut", "lag", "restart api server", "compact"}
_PUSHED = re.compile(r"image pushed imageBuild=(\S+) digest=(\S+) reasons=(.*?) duration=")


class Mismatch(AssertionError):
    """What is there is not what should be; the message names each difference."""


class Trial:
    """A namespace, a controller, a registry and a git server behind proxies, and the model beside them.

    What is done is printed, a line each, so that a run that failed can be done again.
    """

    def __init__(self, world: World, controller: Controller, proxies: Proxies, git: GitServer) -> None:
        self.world = world
        self._controller = controller
        self._proxies = proxies
        self.model = Model(Place(world.namespace, proxies.registry.address,
                                 f"http://{proxies.git.address}/git/{REPOSITORY}"))
        self._api = KubernetesApi(world.cluster.apiserver, world.namespace)
        self._images = Images(world.registry)
        self._repository = git.repository(REPOSITORY)
        self._foreign = [_foreign_image(number) for number in range(FOREIGN)]
        self._requests = 0
        self._since_rest: list[list] = []
        self._log_read = 0
        self._up_to_date: set[str] = set()  # Those that had nothing to build at the last rest.
        self._digest_of_key: dict[str, str] = {}
        self._key_of_inputs: dict[str, str] = {}
        for mark in BASES:
            registry_push.push(self.model.base_content(mark), f"{world.registry}/library/base:{mark}")

    def close(self) -> None:
        self._api.close()
        self._images.close()

    # --- Doing ---

    def do(self, operation: list) -> None:
        """One that makes no sense any more (a shortened list, say) does nothing."""
        kind, *words = operation
        self._since_rest.append(operation)
        getattr(self, "_" + kind.replace(" ", "_"))(*words)

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds)  # Part of the operations: how far Kiln comes before the next one.

    def _create(self, name: str, wish: dict) -> None:
        if name not in self.model.wishes:
            self.model.wishes[name] = dict(wish)
            self._api.create_build(name, self.model.spec(name))

    def _edit(self, name: str, change: dict) -> None:
        if name in self.model.wishes:
            self.model.wishes[name] |= change
            self._api.edit_build(name, self.model.spec(name))

    def _suspend(self, name: str, suspend: bool) -> None:
        self._edit(name, {"suspend": suspend})

    def _pin(self, name: str, pinned: bool) -> None:
        """To the image before the last one."""
        if name in self.model.wishes:
            history = self._history(name)
            self.model.pins[name] = history[1] if len(history) > 1 else ""
            self._edit(name, {"pinned": pinned})

    def _history(self, name: str) -> list[str]:
        return [entry["digest"] for entry in self._api.builds()[name].get("status", {}).get("history", [])]

    def _delete(self, name: str) -> None:
        if self.model.wishes.pop(name, None) is not None:
            self._api.delete_build(name)

    def _recreate(self, name: str, wish: dict) -> None:
        self._delete(name)
        self._create(name, wish)

    def _request(self, name: str) -> None:
        if name in self.model.wishes:
            self._requests += 1
            self._api.request(name, f"{self._requests:06d}")

    def _config_map(self, name: str, data: dict[str, str] | None) -> None:
        self.model.config_maps[name] = data
        if data is None:
            self._api.delete("configmaps", name)
        else:
            self._api.put_config_map(name, data)

    def _secret(self, name: str, data: dict[str, str] | None) -> None:
        self.model.secrets[name] = data
        if data is None:
            self._api.delete("secrets", name)
        else:
            self._api.put_secret(name, data)

    def _commit(self, branch: str, files: dict[str, str] | None) -> None:
        if files is not None:
            self._repository.commit(files, branch)
        elif self.model.branches.get(branch) is not None:
            self._repository.delete_branch(branch)
        self.model.branches[branch] = files

    def _base(self, tag: str, mark: str | None) -> None:
        self.model.bases[tag] = mark
        if mark is None:
            self._images.delete("library/base", tag)
        else:
            self._images.move_tag("library/base", tag, self.model.base_content(mark).digest)

    # What breaks and heals.

    def _registry(self, up: bool) -> None:
        self.model.registry_is_up = up
        _open_or_shut(self._proxies.registry, up)

    def _git(self, up: bool) -> None:
        self.model.git_is_up = up
        _open_or_shut(self._proxies.git, up)

    def _slow(self, slow: bool) -> None:
        self.model.is_slow = slow
        self._proxies.registry.every(*([Fault("delay", "down", seconds=0.03)] if slow else []))

    def _fault(self, kind: str, text: str, after: int) -> None:
        self._proxies.registry.once(Fault(kind, "up", after_text=text, after_bytes=after))

    def _restart(self) -> None:
        self._controller.address("health")  # Before that it does not know what SIGTERM means.
        if self._controller.stop() != 0:
            raise Mismatch("the controller did not end in good order")
        self._controller.start()

    def _kill(self) -> None:
        self._controller.kill()
        self._controller.start()

    def _cut(self) -> None:
        self._proxies.api_server.now(Fault("reset"))

    def _lag(self, lags: bool) -> None:
        """Also the watches that there are."""
        self.model.lags = lags
        self._proxies.api_server.every(*([Fault("delay", "down", seconds=0.15)] if lags else []))
        self._cut()

    def _compact(self) -> None:
        self.world.cluster.compact()

    def _restart_api_server(self) -> None:
        self.world.cluster.restart("kube-apiserver")

    # What others do with tags.

    def _move_tag(self, name: str, tag: str, to: int | str) -> None:
        if name not in self.model.wishes:
            return
        repository = self.model.repository(name)
        if to != "history":
            registry_push.push(self._foreign[to], f"{self.world.registry}/{repository}:{tag}")
            return
        history = self._history(name)
        if len(history) > 1:
            self._images.move_tag(repository, tag, history[1])

    def _delete_tag(self, name: str, tag: str) -> None:
        if name in self.model.wishes:
            self._images.delete(self.model.repository(name), tag)

    def _lose_image(self, name: str) -> None:
        """The registry forgets it, with all its tags, as after a clean-up that went too far."""
        if name in self.model.wishes:
            repository = self.model.repository(name)
            if digest := self._images.digest(repository, self.model.wishes[name]["tag"]):
                self._images.delete(repository, digest)

    def heal(self) -> None:
        """Everything is there again, and nobody is suspended."""
        for operation in [["registry", True], ["git", True], ["slow", False], ["lag", False],
                          *(["secret", name, {"index.html": "healed\n"}] for name in self.model.secrets),
                          *(["config map", name, {"index.html": "healed\n"}] for name in self.model.config_maps),
                          *(["commit", name, {"public/index.html": "healed\n"}] for name in self.model.branches),
                          *(["base", tag, "m0"] for tag in self.model.bases),
                          *(["suspend", name, False] for name in self.model.wishes),
                          *(["pin", name, False] for name in self.model.wishes)]:
            self.do(operation)

    # --- At rest ---

    def rest(self, *, long: bool = False) -> None:
        """Waits until all is as the model says and nobody writes any more. Errors: Mismatch."""
        self._proxies.registry.clear()
        self._slow(self.model.is_slow)
        kinds = {operation[0] for operation in self._since_rest}
        if kinds & _UNSEEN:
            for name, wish in self.model.wishes.items():
                if wish["interval"] == "0s":
                    self._request(name)
        for _ in range(CALM_TRIES):
            live = self._settle()
            stirred = self._stirring(long)
            if not stirred:
                break
        else:
            raise Mismatch(f"it is at rest and yet it writes:\n{stirred}")
        self._check_builds()
        self._note(live)
        self._since_rest.clear()

    def _settle(self) -> dict[str, dict]:
        end = time.monotonic() + SETTLE_S
        while True:
            if not self._controller.running():
                raise Mismatch(f"the controller died\n{self._controller.log()[-4000:]}")
            live = self._api.builds()
            wrong = self._differences(live)
            if not wrong:
                return live
            if time.monotonic() > end:
                raise Mismatch("\n".join([f"not within {SETTLE_S} s:", *wrong]))
            time.sleep(0.1)

    def _differences(self, live: dict[str, dict]) -> list[str]:
        if set(live) != set(self.model.wishes):
            return [f"there are {sorted(live)}, there should be {sorted(self.model.wishes)}"]
        return [f"{name}: {one}" for name in live
                for one in self._differences_of(live[name], self._expected(name, live))]

    def _expected(self, name: str, live: dict[str, dict]) -> Expected:
        """With what only the registry decides: what tags hold, and which images it still has."""
        expected = self.model.expected(name, live)
        if expected.ready == "False" or expected.reason == "Suspended":
            return expected
        foreign = {content.digest for content in self._foreign}
        repository = self.model.repository(name)
        held = {self._images.digest(repository, tag) for tag in self.model.tags(name)}
        enforced = self.model.wishes[name]["enforce"]
        if held & foreign and (not enforced or "again and again" in _message(live[name])):
            return Expected("False", "TagMoved", stalled=not enforced)
        pin = self.model.pin(name)
        if pin and held != {pin} and not self._images.digest(repository, pin):
            return Expected("False", "PinNotFound")
        return expected

    def _differences_of(self, build: dict, expected: Expected) -> list[str]:
        status, generation = build.get("status", {}), build["metadata"]["generation"]
        conditions = {one["type"]: one for one in status.get("conditions", [])}
        ready = conditions.get("Ready", {})
        wrong = []

        def compare(what: str, is_: object, should: object) -> None:
            if is_ != should:
                wrong.append(f"{what} is {str(is_)[:300]!r} and should be {str(should)[:300]!r}")

        compare("observedGeneration", status.get("observedGeneration"), generation)
        compare("the generation of Ready", ready.get("observedGeneration"), generation)
        compare("Ready", (ready.get("status"), ready.get("reason")), (expected.ready, expected.reason))
        if wrong:
            return [f"{line} ({ready.get('message')})" for line in wrong]
        if expected.stalled is not None:
            compare("Stalled", "Stalled" in conditions, expected.stalled)
        if expected.ready == "True":
            compare("Reconciling", "Reconciling" in conditions, False)
        if expected.files is not None:
            self._compare_image(build, expected, compare)
        elif expected.reason == "Pinned":
            self._compare_tags(build, compare)
            compare("digest", status["digest"], build["spec"]["pin"])
        return wrong

    def _compare_tags(self, build: dict, compare) -> bool:
        """Whether all of them hold the digest."""
        name, status = build["metadata"]["name"], build["status"]
        repository, digest = self.model.repository(name), status["digest"]
        compare("pending", "pending" in status, False)
        compare("image", status["image"], f"{self.model.place.registry}/{repository}@{digest}")
        compare("tags", status["tags"], self.model.tags(name))
        compare("lastHandledReconcileAt", status.get("lastHandledReconcileAt"), build["metadata"].get(
            "annotations", {}).get("reconcile.kiln.build/requestedAt"))
        tags = [*status["tags"], f"kiln-{status['inputKey'][:12]}"]
        held = {tag: self._images.digest(repository, tag) for tag in tags}
        compare("what the tags hold", held, dict.fromkeys(tags, digest))
        return set(held.values()) == {digest}

    def _compare_image(self, build: dict, expected: Expected, compare) -> None:
        name, status = build["metadata"]["name"], build["status"]
        repository, digest = self.model.repository(name), status["digest"]
        if not self._compare_tags(build, compare):
            return
        platforms = self._images.platforms(repository, digest)
        compare("platforms", sorted(platforms), sorted(expected.files))
        for platform in platforms.keys() & expected.files.keys():
            files = self._images.files(repository, platforms[platform])
            compare(f"the files of {platform}", _only(files, expected.files[platform]),
                    _only(expected.files[platform], files))
            labels = self._images.labels(repository, platforms[platform])
            compare("the label", labels.get("version", ""), self.model.wishes[name]["label"])

    # Calm.

    def _stirring(self, long: bool) -> str:
        """What was written while there was nothing to do; "" if nothing."""
        if self.model.registry_is_up and self.model.git_is_up:  # Else it asks again and again.
            self._wait_for_idle_workers()
        before, registry_before = self._snapshot(), self._registry_writes()
        time.sleep(POLLS_S if long else 0.3)  # What is tested is that nothing happens meanwhile.
        after, registry_after = self._snapshot(), self._registry_writes()
        lines = [f"{key}: {_changes(before.get(key), after.get(key))}"
                 for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        return "\n".join([*lines, *registry_after[len(registry_before):]])

    def _wait_for_idle_workers(self) -> None:
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            busy = metric(self._controller, "workqueue_depth") + metric(
                self._controller, "controller_runtime_active_workers")
            if busy == 0:
                return
            time.sleep(0.02)
        raise Mismatch(f"its workers were busy for {SETTLE_S} s")

    def _snapshot(self) -> dict[str, dict]:
        return {**{f"imagebuild/{name}": one for name, one in self._api.builds().items()},
                **{f"event/{name}": one for name, one in self._api.events().items()}}

    def _registry_writes(self) -> list[str]:
        return [f"{one.method} {one.path} {one.status}" for one in self.world.cluster.registry().requests()
                if one.method not in ("GET", "HEAD")]

    # Over time.

    def _check_builds(self) -> None:
        """No more than there were reasons for, where nothing else was in the way."""
        pushed = self._pushed_since_rest()
        if {operation[0] for operation in self._since_rest} & _DISTURBS:
            return
        for name, builds in pushed.items():
            reasons = sum(self._may_build(name, operation) for operation in self._since_rest)
            if len(builds) > reasons and name in self._up_to_date:
                raise Mismatch(f"{name}: {len(builds)} builds for {reasons} reasons: {builds}")

    def _may_build(self, name: str, operation: list) -> bool:
        """Whether an ImageBuild may have been built because of this operation."""
        kind, about, *words = operation
        wish = self.model.wishes.get(name)
        if wish is None or self._had_another_content(name):
            return kind not in ("pause", "request", "slow", "git")
        if kind == "config map":
            return any(entry.get("name") == about for entry in wish["content"])
        if kind == "secret":
            return any(entry["from"] == "secret" for entry in wish["content"])
        if kind == "commit":
            return any(entry.get("branch") == about for entry in wish["content"])
        if kind == "base":
            return wish["base"] == about or any(entry.get("tag") == about for entry in wish["content"])
        if kind not in ("create", "recreate", "delete", "edit", "suspend", "move tag", "delete tag", "lose image",
                        "pin"):
            return False
        # Those that share a repository may hand tags to each other.
        return (about == name and not (kind == "edit" and words[0].keys() == {"interval"})
                or about != name and wish["repository"] == "shared")

    def _had_another_content(self, name: str) -> bool:
        return any(kind in ("create", "recreate") and words[0] == name
                   or kind == "edit" and words[0] == name and words[1].keys() & {"content", "base", "repository"}
                   for kind, *words in self._since_rest)

    def _pushed_since_rest(self) -> dict[str, list[tuple[str, str]]]:
        log = self._controller.log()
        found: dict[str, list[tuple[str, str]]] = {}
        for build, digest, reasons in _PUSHED.findall(log, self._log_read):
            found.setdefault(build.partition("/")[2], []).append((digest, reasons))
        self._log_read = len(log)
        return found

    def _note(self, live: dict[str, dict]) -> None:
        """The same inputs have one key, and one key one digest, over the whole run."""
        self._up_to_date.clear()
        for name, build in live.items():
            status = build.get("status", {})
            for one in [status, status.get("pending") or {}, *(status.get("history") or [])]:
                if one.get("inputKey") and one.get("digest"):
                    _only_one(self._digest_of_key, one["inputKey"], one["digest"], "the input key")
            if self._expected(name, live).files is not None:
                inputs = json.dumps(self.model.inputs(name, build["metadata"]["uid"]), sort_keys=True)
                self._up_to_date.add(name)
                _only_one(self._key_of_inputs, inputs, status["inputKey"], "the inputs")


class Proxies:
    """What stands between the controller and each server."""

    def __init__(self, world: World, git: GitServer) -> None:
        self.registry = FaultProxy(world.registry)
        self.git = FaultProxy(f"127.0.0.1:{git.port}")
        self.api_server = FaultProxy(world.cluster.apiserver.address)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Proxies:
        for proxy in (self.registry, self.git, self.api_server):
            self._stack.enter_context(proxy)
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()


def _open_or_shut(proxy: FaultProxy, up: bool) -> None:
    if up:
        proxy.accept()
    else:
        proxy.refuse()
        proxy.now(Fault("reset"))


def _foreign_image(number: int) -> Content:
    """An image that Kiln did not make."""
    content = Content()
    tar = Layer().file("foreign.txt", f"{number}\n").tar()
    layer = content.add_blob(OCI["layer"], stored_gzip(tar))
    config = content.add_blob(OCI["config"], json_bytes({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]}}))
    content.add_manifest({"schemaVersion": 2, "mediaType": OCI["manifest"], "config": config, "layers": [layer]})
    return content


def _only(files: dict, others: dict) -> dict:
    """What of them the others do not have; a text's beginning will do."""
    return {path: data[:60] for path, data in files.items() if others.get(path) != data}


def _message(build: dict) -> str:
    """What the condition Ready says."""
    return next((one["message"] for one in build.get("status", {}).get("conditions", [])
                 if one["type"] == "Ready"), "")


def _only_one(known: dict[str, str], key: str, value: str, what: str) -> None:
    if known.setdefault(key, value) != value:
        raise Mismatch(f"{what} {key} gave {known[key]} and {value}")


def _changes(before: dict | None, after: dict | None) -> str:
    if before is None or after is None:
        return f"{before} became {after}"
    before, after = before.get("status", before), after.get("status", after)
    return "; ".join(f"{key}: {json.dumps(before.get(key))} became {json.dumps(after.get(key))}"
                     for key in before.keys() | after.keys() if before.get(key) != after.get(key))
