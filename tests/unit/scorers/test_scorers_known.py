"""Known scores of recorded replies on real benchmarks."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.scorers import choice_letter, exact_match, f1, last_number, number, regex

GSM8K = {
    "6b_finetuning": 286,
    "6b_verification": 515,
    "175b_finetuning": 458,
    "175b_verification": 742,
}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _gsm8k(folder: Path, model: str) -> Iterator[tuple[str, str, bool]]:
    for record in _lines(folder / "gsm8k" / "example_model_solutions.jsonl"):
        target = number(record["ground_truth"].rpartition("\nA: ")[2])
        yield record[model]["solution"], target, record[model]["is_correct"]


@pytest.mark.parametrize(("model", "right"), GSM8K.items())
def test_gsm8k_by_the_last_number(shared_data: Path, model: str, right: int) -> None:
    samples = list(_gsm8k(shared_data, model))
    judged = [last_number(solution) == target for solution, target, _ in samples]
    assert (sum(judged), len(judged)) == (right, 1319)


@pytest.mark.parametrize("model", GSM8K)
def test_gsm8k_by_the_number_after_the_a(shared_data: Path, model: str) -> None:
    """Every sample is judged as the authors of the benchmark did."""
    for solution, target, correct in _gsm8k(shared_data, model):
        answer = regex(solution, r"(?m)^A: (.+)$", index=-1) or ""
        assert (last_number(answer) == target) == correct, solution


def test_squad_of_the_published_logistic_regression(shared_data: Path) -> None:
    folder = shared_data / "squad-xquad"
    predictions = json.loads((folder / "pred_logreg_v1.1.json").read_text(encoding="utf-8"))
    articles = json.loads((folder / "xquad.en.json").read_text(encoding="utf-8"))["data"]
    pairs = [
        (predictions.get(question["id"], ""), [answer["text"] for answer in question["answers"]])
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    assert len(pairs) == 1190
    exact = sum(exact_match(reply, gold, normalize="squad") for reply, gold in pairs)
    overlap = sum(f1(reply, gold) for reply, gold in pairs)
    assert 100 * exact / len(pairs) == pytest.approx(34.5378, abs=5e-5)
    assert 100 * overlap / len(pairs) == pytest.approx(45.8523, abs=5e-5)


def test_bbh_object_counting_of_codex(shared_data: Path) -> None:
    folder = shared_data / "bbh" / "codex-cot-outputs"
    with gzip.open(folder / "object_counting_few_shot_template_0-255000.json.gz") as file:
        outputs = json.load(file)["outputs"]
    by_number = sum(last_number(one["prediction"]) == number(one["target"]) for one in outputs)
    by_pattern = sum(
        exact_match(regex(one["prediction"], r"answer is (.*?)\.?$") or "", one["target"])
        for one in outputs
    )
    assert (len(outputs), by_number, by_pattern) == (250, 233, 233)  # 93.2 %


@pytest.mark.parametrize(
    ("questions", "replies", "letters", "right", "total"),
    [
        ("qasc/dev.jsonl", "qasc/dev-predictions.csv", "ABCDEFGH", 121, 926),
        (
            "arc-challenge-keys/question-answers.jsonl",
            "arc-challenge-keys/dummy-predictions.csv",
            "ABCDE1234",
            266,
            1172,
        ),
    ],
)
@pytest.mark.parametrize("form", ["{}", "({})", "The answer is {}."])
def test_multiple_choice_by_letter(
    shared_data: Path,
    questions: str,
    replies: str,
    letters: str,
    right: int,
    total: int,
    form: str,
) -> None:
    keys = {record["id"]: record["answerKey"] for record in _lines(shared_data / questions)}
    with (shared_data / replies).open(encoding="utf-8", newline="") as file:
        judged = [
            choice_letter(form.format(letter), letters) == keys[sample_id]
            for sample_id, letter in csv.reader(file)
        ]
    assert (sum(judged), len(judged)) == (right, total)
