"""What a controller's /metrics says."""

from __future__ import annotations

import time

from prometheus_client.parser import text_string_to_metric_families

from world import Controller

DEADLINE_S = 60


def metric(controller: Controller, name: str, /, **labels: str) -> float:
    """The sum of all that have these labels, whatever else they have."""
    return sum(sample.value for family in text_string_to_metric_families(_text(controller))
               for sample in family.samples
               if sample.name == name and labels.items() <= sample.labels.items())


def _text(controller: Controller) -> str:
    """On a busy machine its first answers may be that it has no time to answer."""
    end = time.monotonic() + DEADLINE_S
    while (answer := controller.ask("metrics", "/metrics"))[0] != 200:
        assert time.monotonic() < end, answer[1]
    return answer[1]


def builds(controller: Controller) -> float:
    return metric(controller, "kiln_builds_total")
