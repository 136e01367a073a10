"""Random operations, and at rest all is as a model of Kiln says."""

from __future__ import annotations

import json
import os
import pathlib
import random

import pytest

from operations import Chooser
from trial import Trial

OPERATIONS = int(os.environ.get("KILN_MODEL_OPERATIONS", "60"))
SEED = int(os.environ.get("KILN_MODEL_SEED") or random.randrange(1 << 30))
REPLAY = os.environ.get("KILN_MODEL_REPLAY", "")
LONG_EVERY = 5  # Each so many rests are watched for as long as all polls take.


def test_after_random_operations_every_image_build_is_as_the_model_says(trial):
    print(f"KILN_MODEL_SEED={SEED} KILN_MODEL_OPERATIONS={OPERATIONS}")
    for operation in _again(REPLAY) if REPLAY else _random(trial):
        print(json.dumps(operation), flush=True)
        if operation[0] == "rest":
            trial.rest(long=operation[1])
        else:
            trial.do(operation)
    trial.heal()
    trial.rest(long=True)


def _random(trial: Trial):
    """Yields one after the other; each is chosen when those before it are done."""
    chooser = Chooser(SEED, trial.model, restart_api_server=OPERATIONS >= 300)
    yield from chooser.initially()
    rests = 0
    for _ in range(OPERATIONS):
        yield chooser.next()
        if chooser.is_rest():
            rests += 1
            yield ["rest", rests % LONG_EVERY == 0]
        elif pause := chooser.pause_s():
            yield ["pause", pause]


def _again(file: str) -> list[list]:
    """The lines of an earlier run's output that are operations."""
    return [json.loads(line) for line in pathlib.Path(file).read_text().splitlines() if line.startswith("[")]
