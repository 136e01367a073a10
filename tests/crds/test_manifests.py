"""What the API server takes and what it refuses, and in which words: see the two tables."""

import pytest

from manifests import cases, complaints, manifest

GOOD = cases("good_manifests.yaml")
BAD = cases("bad_manifests.yaml")


@pytest.mark.parametrize("case", GOOD, ids=[case["name"] for case in GOOD])
def test_takes(cluster, case):
    assert complaints(cluster, manifest(case["spec"])) == []


@pytest.mark.parametrize("case", BAD, ids=[case["name"] for case in BAD])
def test_refuses_with_one_sentence(cluster, case):
    said = complaints(cluster, manifest(case["spec"]))

    assert len(said) == 1, said
    assert said[0].startswith(case["field"] + ": ")
    assert said[0].endswith(": " + case["says"])


def test_names_of_cases_are_unique():
    names = [case["name"] for case in GOOD + BAD]
    assert len(names) == len(set(names))
