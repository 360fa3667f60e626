"""The pack of the Open LLM Leaderboard's tasks: each is there, and counts once in the score."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from math import exp
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

pytest.importorskip("lighteval", reason="needs lighteval: tox -e engines")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def write(folder: Path, splits: Sequence[str], record: dict[str, Any]) -> None:
    """Thirty questions for examples, and four to be asked."""
    folder.mkdir(parents=True)
    for split, count in zip(splits, (4, 30)):
        lines = (
            json.dumps(record).replace("#", f"{split} {number}") + "\n" for number in range(count)
        )
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    from lighteval.tasks.tasks.mmlu import TASKS_TABLE

    folder = tmp_path / "data"
    choices = {"text": ["a long choice", "b"], "label": ["A", "B"]}
    write(
        folder / "ai2_arc/ARC-Challenge",
        ("test", "train"),
        {"question": "#?", "choices": choices, "answerKey": "B"},
    )
    write(
        folder / "hellaswag/default",
        ("validation", "train"),
        {
            "activity_label": "#",
            "ctx_a": "He",
            "ctx_b": "goes",
            "endings": ["on", "out"],
            "label": "1",
        },
    )
    subsets = [task.hf_subset for task in TASKS_TABLE]
    assert len(subsets) == 57
    for subset in subsets:
        write(
            folder / "mmlu" / subset,
            ("test", "dev"),
            {"question": "#?", "subject": subset, "choices": ["one", "two"], "answer": 1},
        )
    write(
        folder / "winogrande/winogrande_xl",
        ("validation", "train"),
        {"sentence": "The # is _ .", "option1": "it", "option2": "something", "answer": "1"},
    )
    write(folder / "gsm8k/main", ("test", "train"), {"question": "#?", "answer": "Well.\n#### 4"})
    (folder / "truthfulqa").mkdir()
    with (folder / "truthfulqa/TruthfulQA.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ("Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers")
        )
        table.writerows(("C", f"Q{n}?", "No", "No; Never", "Yes") for n in range(4))
    return folder


def test_six_tasks_make_the_score(pytester: pytest.Pytester, data: Path) -> None:
    shutil.copytree(BENCHMARKS, pytester.path / "benchmarks")
    result = pytester.runpytest_subprocess(
        "--model=echo:",
        "--pack=open-llm",
        f"--modeleval-data={data}",
        "--modeleval-out=run",
        "--max-samples=1",
    )
    assert result.ret == 1, "its gate asks for more"
    (pack,) = json.loads((pytester.path / "run/results.json").read_text("utf-8"))["packs"]
    tasks = {each["name"]: each for each in pack["tasks"]}
    # Under echo the shorter continuation is the likelier: the texts of "No", "Never" and "Yes".
    no, never, yes = (exp(-len(f" {answer}")) for answer in ("No", "Never", "Yes"))
    expected = {
        "arc": 1,
        "hellaswag": 0,
        "mmlu": 0,
        "truthfulqa": (no + never) / (no + never + yes),
        "winogrande": 1,
        "gsm8k": 0,
    }
    assert {name: each["value"] for name, each in tasks.items()} == pytest.approx(expected)
    assert (tasks["arc"]["judged"], tasks["mmlu"]["judged"]) == (1, 57)
    assert pack["score"] == pytest.approx(mean(expected.values()))
