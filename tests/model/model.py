"""What should be: ImageBuilds and what they are made of as plain data, and what Kiln has to make of that.

Nothing in here speaks to a server. An ImageBuild is a dictionary of a few choices, its `wish`:

    base         "one", "two" (tags that move) or "scratch"
    platform     "" for all that the base has, or one
    remove       whether the base's pages are removed
    content      entries: {"from": "configMap", "name", "optional", "path"}, {"from": "git", "branch", "path"},
                 {"from": "secret", "name", "optional", "path"}, {"from": "inline", "text", "path"} or
                 {"from": "image", "tag", "path"}: a folder of what a tag of the bases holds
    label        a label of the image, or ""
    repository   "own", or "shared" with others
    tag          "latest" or "next"
    extra        whether there is a second tag
    pinned       whether somebody asked for a pin; the digest is in `Model.pins`
    enforce      enforceTag
    layers, compression, interval, suspend, historyLimit      as in the spec
"""

from __future__ import annotations

import dataclasses

import base_image
import images
from images import Files

PAGES = "/usr/share/nginx/html"
SHARE = "/usr/share"  # Here a file called "nginx" is in the way of a directory of the base.
COPIED = "/usr/share/doc"  # What content of images is: in it stands which base it is.
PATHS = (PAGES, SHARE, "/srv/a", "/srv/b/c")
ARM = "linux/arm64"
# What a base can be: what marks it, and for whom it is.
BASES = {"m0": base_image.PLATFORMS, "m1": base_image.PLATFORMS, "m2": ("linux/amd64",),
         "m3": base_image.PLATFORMS}


@dataclasses.dataclass
class Expected:
    """Of one ImageBuild at rest."""

    ready: str
    reason: str
    stalled: bool | None = None  # None: not said here.
    files: dict[str, Files] | None = None  # By platform; None where nothing says what is pushed.


class Model:
    """The world as the operations so far have left it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.wishes: dict[str, dict] = {}
        self.pins: dict[str, str] = {}  # "" or none: there was nothing to pin.
        self.config_maps: dict[str, dict[str, str] | None] = {}
        self.secrets: dict[str, dict[str, str] | None] = {}
        self.branches: dict[str, dict[str, str] | None] = {}
        self.bases: dict[str, str | None] = {}  # The mark of the image that each tag holds.
        self.registry_is_up = True
        self.git_is_up = True
        self.is_slow = False  # The way to the registry.
        self.lags = False  # What the API server tells comes late.
        self._contents = {mark: base_image.build(mark=mark, platforms=platforms)
                          for mark, platforms in BASES.items()}

    # --- What is asked for ---

    def spec(self, name: str) -> dict:
        wish, place = self.wishes[name], self.place
        scratch = wish["base"] == "scratch"
        base = {"image": "scratch" if scratch else self._base(wish["base"])}
        if wish["platform"]:
            base["platforms"] = [wish["platform"]]
        spec = {
            "base": base,
            "content": [self._entry(entry, scratch) for entry in wish["content"]],
            "output": {"image": f"{place.registry}/{self.repository(name)}:{wish['tag']}",
                       "layers": wish["layers"], "compression": wish["compression"],
                       "enforceTag": wish["enforce"]},
            "interval": wish["interval"], "suspend": wish["suspend"], "pin": self.pin(name),
            "historyLimit": wish["historyLimit"],
        }
        if wish["remove"] and not scratch:
            spec["remove"] = [PAGES]
        if wish["label"]:
            spec["config"] = {"labels": {"version": wish["label"]}}
        if wish["extra"]:
            spec["output"]["tags"] = [f"extra-{name}"]
        return spec

    def pin(self, name: str) -> str:
        return self.pins.get(name, "") if self.wishes[name]["pinned"] else ""

    def repository(self, name: str) -> str:
        own = self.wishes[name]["repository"] == "own"
        return f"{self.place.namespace}/{name if own else 'shared'}"

    def tags(self, name: str) -> list[str]:
        wish = self.wishes[name]
        return [wish["tag"], *([f"extra-{name}"] if wish["extra"] else [])]

    def _entry(self, entry: dict, scratch: bool) -> dict:
        path = _path(entry, scratch)
        if entry["from"] in ("configMap", "secret"):
            return {entry["from"]: {"name": entry["name"], "optional": entry["optional"]}, "path": path}
        if entry["from"] == "git":
            return {"git": {"url": self.place.git_url, "ref": {"branch": entry["branch"]},
                            "subPath": "public"}, "path": path}
        if entry["from"] == "image":
            return {"image": {"reference": self._base(entry["tag"]), "path": COPIED}, "path": path}
        return {"inline": {"files": {"inline.txt": entry["text"]}}, "path": path}

    def _base(self, tag: str) -> str:
        return f"{self.place.registry}/library/base:{tag}"

    # --- What should come of it ---

    def expected(self, name: str, live: dict[str, dict]) -> Expected:
        """`live`: the objects as they are, for what only the API server decides: who came first."""
        wish = self.wishes[name]
        status = live[name].get("status", {})
        if wish["suspend"]:
            has_image = bool(status.get("digest"))
            return Expected("True" if has_image else "False", "Suspended", stalled=not has_image)
        if self._contested(name, live):
            return Expected("False", "TagContested")
        if pin := self.pin(name):
            return self._expected_of_pin(pin, status)
        for holds, expected in self._obstacles(wish):
            if holds:
                return expected
        return Expected("True", "Succeeded", stalled=False, files=self._files(wish))

    def _expected_of_pin(self, pin: str, status: dict) -> Expected:
        if pin not in [entry["digest"] for entry in status.get("history", [])]:
            return Expected("False", "PinNotFound", stalled=True)
        if not self.registry_is_up:
            return Expected("False", "RegistryUnavailable")
        return Expected("True", "Pinned", stalled=False)

    def _obstacles(self, wish: dict) -> list[tuple[bool, Expected]]:
        """In the order in which Kiln comes upon them."""
        scratch = wish["base"] == "scratch"
        mark = None if scratch else self.bases[wish["base"]]
        return [
            *((self._is_missing(entry), Expected("False", "SecretNotFound" if entry["from"] == "secret"
                                                 else "ConfigMapNotFound")) for entry in wish["content"]),
            *(obstacle for entry in wish["content"] for obstacle in self._obstacles_of_fetching(entry)),
            (not self.registry_is_up, Expected("False", "RegistryUnavailable")),
            (not scratch and mark is None, Expected("False", "BaseNotFound")),
            (mark is not None and wish["platform"] not in ("", *BASES[mark]),
             Expected("False", "PlatformNotFound")),
            (not scratch and any(_path(entry, scratch) == SHARE and "nginx" in self._data(entry)
                                 for entry in wish["content"]),
             Expected("False", "ContentInvalid", stalled=True)),
        ]

    def _obstacles_of_fetching(self, entry: dict) -> list[tuple[bool, Expected]]:
        if entry["from"] == "git":
            return [(not self.git_is_up, Expected("False", "GitOperationFailed")),
                    (self.branches[entry["branch"]] is None, Expected("False", "GitRevisionNotFound"))]
        if entry["from"] == "image":
            return [(not self.registry_is_up, Expected("False", "RegistryUnavailable")),
                    (self.bases[entry["tag"]] is None, Expected("False", "ImageNotFound"))]
        return []

    def _is_missing(self, entry: dict) -> bool:
        return (entry["from"] in ("configMap", "secret") and not entry["optional"]
                and self._named(entry) is None)

    def _named(self, entry: dict) -> dict[str, str] | None:
        return (self.secrets if entry["from"] == "secret" else self.config_maps)[entry["name"]]

    def _contested(self, name: str, live: dict[str, dict]) -> bool:
        def age(one: str) -> tuple[str, str]:
            return live[one]["metadata"]["creationTimestamp"], one
        output = self.spec(name)["output"]["image"]
        return any(other != name and self.spec(other)["output"]["image"] == output
                   and age(other) < age(name) for other in self.wishes if other in live)

    def _data(self, entry: dict) -> dict[str, str]:
        """An entry's files by their names."""
        if entry["from"] in ("configMap", "secret"):
            return self._named(entry) or {}
        if entry["from"] == "git":
            files = self.branches[entry["branch"]] or {}
            return {path.removeprefix("public/"): text for path, text in files.items() if path.startswith("public/")}
        if entry["from"] == "image":
            mark = self.bases[entry["tag"]]
            files = self.base_files(mark, "linux/amd64") if mark else {}
            return {path.removeprefix(COPIED + "/"): data.decode() for path, data in files.items()
                    if path.startswith(COPIED + "/")}
        return {"inline.txt": entry["text"]}

    def _files(self, wish: dict) -> dict[str, Files]:
        scratch = wish["base"] == "scratch"
        platforms = ("linux/amd64",) if scratch else BASES[self.bases[wish["base"]]]
        return {platform: self._files_for(wish, platform)
                for platform in ([wish["platform"]] if wish["platform"] else platforms)}

    def _files_for(self, wish: dict, platform: str) -> Files:
        scratch = wish["base"] == "scratch"
        files = {} if scratch else dict(self.base_files(self.bases[wish["base"]], platform))
        if wish["remove"]:
            images.remove(files, PAGES)
        for entry in wish["content"]:
            for name, text in self._data(entry).items():
                files[f"{_path(entry, scratch)}/{name}"] = text.encode()
        return files

    def base_content(self, mark: str) -> images.Content:
        return self._contents[mark]

    def base_files(self, mark: str, platform: str) -> Files:
        return images.files_of(self._contents[mark], platform)

    def inputs(self, name: str, uid: str) -> dict:
        """All that decides the image of an ImageBuild that is Ready: equal inputs, equal key. Of Secrets
        each ImageBuild has an identity of its own."""
        wish = self.wishes[name]
        secret = any(entry["from"] == "secret" for entry in wish["content"])
        return {"uid": uid if secret else "",
                "base": "scratch" if wish["base"] == "scratch" else self.bases[wish["base"]],
                "content": [[entry, self._data(entry)] for entry in wish["content"]],
                **{part: wish[part] for part in ("platform", "remove", "label", "layers", "compression")}}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where all of this is."""

    namespace: str
    registry: str  # As the controller is told; between it and the registry is a proxy.
    git_url: str


def _path(entry: dict, scratch: bool) -> str:
    return "/srv/share" if scratch and entry["path"] == SHARE else entry["path"]
