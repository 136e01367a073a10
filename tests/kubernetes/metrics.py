"""What a controller's /metrics says."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from world import Controller


def metric(controller: Controller, name: str, /, **labels: str) -> float:
    """The sum of all that have these labels, whatever else they have."""
    _, text = controller.ask("metrics", "/metrics")
    return sum(sample.value for family in text_string_to_metric_families(text)
               for sample in family.samples
               if sample.name == name and labels.items() <= sample.labels.items())


def builds(controller: Controller) -> float:
    return metric(controller, "kiln_builds_total")
