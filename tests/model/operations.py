"""Random operations, each a list that JSON can write: the same seed gives the same ones, on every machine.

They are chosen by what the model knows, never by what a server answered, so that a run can be repeated.
"""

from __future__ import annotations

import random

from model import ARM, BASES, PATHS, Model

NAMES = ("ada", "bob", "cleo", "dan", "eve")
CONFIG_MAPS = ("pages", "more", "rest")
SECRETS = ("hush",)
BRANCHES = ("main", "next")
BASE_TAGS = ("one", "two")
FOREIGN = 3  # So many images of somebody else.
FAULTS = ("PUT /v2/", "POST /v2/", "HEAD /v2/", "GET /v2/", "PATCH /v2/")


class Chooser:
    """Draws one operation after the other."""

    def __init__(self, seed: int, model: Model, *, restart_api_server: bool) -> None:
        self._random = random.Random(seed)
        self._model = model
        self._number = 0
        self._weights = {
            "create": 14, "edit": 22, "delete": 4, "recreate": 4, "suspend": 5, "pin": 5, "request": 4,
            "config map": 22, "secret": 4, "commit": 7, "base": 7, "registry": 3, "git": 3, "slow": 3, "fault": 4,
            "move tag": 6, "delete tag": 4, "lose image": 2, "restart": 2, "kill": 3, "cut": 3, "lag": 3,
            **({"restart api server": 0.2, "compact": 0.2} if restart_api_server else {})}

    def next(self) -> list:
        """What the model does not allow now is not drawn."""
        while True:
            kinds, weights = zip(*(self._weights | self._urgent()).items())
            kind = self._random.choices(kinds, weights)[0]
            drawn = getattr(self, "_" + kind.replace(" ", "_"))()
            if drawn is not None:
                return [kind, *drawn]

    def _urgent(self) -> dict[str, int]:
        """What is broken heals before long, so that there is something to build."""
        model = self._model
        broken = {"registry": not model.registry_is_up, "git": not model.git_is_up,
                  "slow": model.is_slow, "lag": model.lags, "base": None in model.bases.values(),
                  "pin": any(wish["pinned"] for wish in model.wishes.values()),
                  "config map": None in model.config_maps.values(), "secret": None in model.secrets.values()}
        return {kind: 30 for kind, holds in broken.items() if holds}

    def pause_s(self) -> float:
        return 0.0 if self._random.random() < 0.5 else round(self._random.uniform(0, 0.4), 3)

    def is_rest(self) -> bool:
        return self._random.random() < 0.14

    def initially(self) -> list[list]:
        """What there is at the beginning."""
        return [*(["config map", name, self._data()] for name in CONFIG_MAPS),
                *(["secret", name, self._data()] for name in SECRETS),
                *(["commit", branch, self._commit_files()] for branch in BRANCHES),
                *(["base", tag, mark] for tag, mark in zip(BASE_TAGS, ("m0", "m1"))),
                *(["create", name, self._wish()] for name in NAMES[:3])]

    # --- ImageBuilds ---

    def _create(self):
        name = self._random.choice(NAMES)
        return None if name in self._model.wishes else [name, self._wish()]

    def _edit(self):
        name = self._existing()
        if name is None:
            return None
        wish, fresh = self._model.wishes[name], self._wish()
        part = self._random.choice([part for part in fresh if part not in ("suspend", "pinned")])
        return [name, {part: fresh[part]}] if fresh[part] != wish[part] else None

    def _suspend(self):
        name = self._existing()
        return name and [name, not self._model.wishes[name]["suspend"]]

    def _pin(self):
        name = self._existing()
        return name and [name, not self._model.wishes[name]["pinned"]]

    def _delete(self):
        name = self._existing()
        return name and [name]

    def _recreate(self):
        name = self._existing()
        if name is None:
            return None
        return [name, self._model.wishes[name] if self._random.random() < 0.5 else self._wish()]

    def _request(self):
        return self._delete()

    def _existing(self) -> str | None:
        return self._random.choice(sorted(self._model.wishes)) if self._model.wishes else None

    def _wish(self) -> dict:
        one = self._random
        entries = [self._entry() for _ in range(one.randint(1, 3))]
        git = [entry for entry in entries if entry["from"] == "git"]
        return {
            "base": one.choice(["one", "one", "two", "two", "scratch"]),
            "platform": ARM if one.random() < 0.2 else "",
            "remove": one.random() < 0.6,
            "content": [entry for entry in entries if entry not in git[1:]],
            "label": one.choice(["", "1", "2"]),
            "repository": "shared" if one.random() < 0.35 else "own",
            "tag": one.choice(["latest", "latest", "next"]),
            "extra": one.random() < 0.3,
            "layers": one.choice(["Auto", "Auto", "Single", "PerContent"]),
            "compression": one.choice(["Gzip", "Gzip", "GzipSmall"]),
            "historyLimit": one.choice([10, 10, 1]),
            "interval": one.choice(["0s", "1s"]),
            "enforce": one.random() < 0.3,
            "suspend": False,
            "pinned": False,
        }

    def _entry(self) -> dict:
        one = self._random
        path = one.choice(PATHS)
        kind = one.choice(["configMap", "configMap", "configMap", "secret", "git", "inline", "image"])
        if kind in ("configMap", "secret"):
            return {"from": kind, "name": one.choice(SECRETS if kind == "secret" else CONFIG_MAPS),
                    "optional": one.random() < 0.25, "path": path}
        if kind == "git":
            return {"from": kind, "branch": one.choice(BRANCHES), "path": path}
        if kind == "image":
            return {"from": kind, "tag": one.choice(BASE_TAGS), "path": path}
        return {"from": kind, "text": f"inline {one.randint(1, 3)}\n", "path": path}

    # --- What they are made of ---

    def _config_map(self):
        name = self._random.choice(CONFIG_MAPS)
        gone = self._model.config_maps[name] is not None and self._random.random() < 0.2
        return [name, None if gone else self._data()]

    def _secret(self):
        name = self._random.choice(SECRETS)
        gone = self._model.secrets[name] is not None and self._random.random() < 0.3
        return [name, None if gone else self._data()]

    def _data(self) -> dict[str, str]:
        """Now and then as it was once before."""
        self._number += 1
        number = self._number if self._random.random() < 0.7 else self._random.randint(1, 3)
        data = {"index.html": f"page {number}\n"}
        if self._random.random() < 0.3:
            data["large.txt"] = f"line {number}\n" * 4000
        if self._random.random() < 0.1:
            data["nginx"] = "a file\n"
        return data

    def _commit(self):
        branch = self._random.choice(BRANCHES)
        gone = branch != "main" and self._model.branches[branch] is not None and self._random.random() < 0.3
        return [branch, None if gone else self._commit_files()]

    def _commit_files(self) -> dict[str, str]:
        self._number += 1
        number = self._number if self._random.random() < 0.7 else 1
        return {"public/index.html": f"commit {number}\n", "notes.txt": f"note {self._number}\n"}

    def _base(self):
        tag = self._random.choice(BASE_TAGS)
        mark = self._random.choice([*BASES, None] if self._random.random() < 0.3 else [*BASES])
        return [tag, mark] if mark != self._model.bases[tag] else None

    # --- What breaks and heals ---

    def _registry(self):
        return [not self._model.registry_is_up]

    def _git(self):
        return [not self._model.git_is_up]

    def _slow(self):
        return [not self._model.is_slow]

    def _lag(self):
        return [not self._model.lags]

    def _fault(self):
        one = self._random
        return [one.choice(["reset", "cut"]), one.choice(FAULTS), one.choice([0, 1, 40, 400])]

    def _restart(self):
        return []

    _kill = _cut = _restart_api_server = _compact = _restart

    # --- What others do with tags ---

    def _move_tag(self):
        name = self._existing()
        if name is None or not self._model.registry_is_up:
            return None
        to = self._random.choice([*range(FOREIGN), "history"])
        return [name, self._random.choice(self._model.tags(name)), to]

    def _delete_tag(self):
        name = self._existing()
        return name and [name, self._random.choice(self._model.tags(name))]

    def _lose_image(self):
        return self._delete()
