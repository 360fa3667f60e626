"""Values written as Python literals, never run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from pytest_modeleval.scorers import same_literal


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ('"ab"', "'ab'"),
        (" [1, 2] \n", "[1,2]"),
        ("{'b': 1, 'a': None}", "{'a': None, 'b': 1}"),
        ("1.0", "1"),
        ("-1", "-1"),
    ],
)
def test_equal(text: str, target: str) -> None:
    assert same_literal(text, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 3]",
        "[1, 2",
        "[1] + [2]",
        "list((1, 2))",
        "(1, 2)",
        "__import__('os').abort()",
        "{[]: 1}",
        "[" * 5_000,
        "-" * 50_000,
        "1" * 90_000,
        "[1, 2]" + " " * 200_000,
        "\0",
    ],
)
def test_not_equal(text: str) -> None:
    assert not same_literal(text, "[1, 2]")


def test_a_target_that_is_no_literal_is_the_authors_mistake() -> None:
    with pytest.raises(ValueError, match=r"^the target is not a Python literal: 'f\(1\)'$"):
        same_literal("1", "f(1)")


def test_cruxeval_is_judged_as_by_running_it(shared_data: Path) -> None:
    """Its authors ran each of the 8000 replies: `assert f(…) == reply`."""
    folder = shared_data / "cruxeval"
    lines = (folder / "cruxeval.jsonl").read_text("utf-8").splitlines()
    targets = {record["id"]: record["output"] for record in map(json.loads, lines)}
    scored = json.loads((folder / "codellama7b_t0.2_output_scored.json").read_text("utf-8"))
    judged: Counter[tuple[bool, bool]] = Counter()
    for name, replies in scored["raw_generations"].items():
        for reply, right in zip(replies, scored["raw_scored_generations"][name]):
            judged[same_literal(reply, targets[name]), right] += 1
    assert judged == {(True, True): 2737, (False, False): 5263}
