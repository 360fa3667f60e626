"""What LightEval measured, read as a baseline. Files of LightEval itself: tests/with_lighteval."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.gates import match_samples
from pytest_modeleval.results.baseline import read_baseline
from pytest_modeleval.results.samples import digest

DATE = "2026-01-31T10-00-00.000000"
TASK = "arc:easy|5"

Write = Callable[..., Path]


def doc(row: int, query: str, gold: Any = 0, choices: Sequence[Any] = (" yes", "no")) -> Any:
    known = {"query": query, "choices": list(choices), "gold_index": gold, "id": str(row)}
    return {**known, "specific": None, "instruction": None, "fewshot_samples": []}


def row(document: Any, **metrics: Any) -> Mapping[str, Any]:
    return {"doc": document, "metric": metrics, "model_response": {"text": ["x"]}}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes results and details of one task as LightEval does, and names the results file."""

    def write(
        rows: Sequence[Mapping[str, Any]] = (),
        *,
        model: str = "org/small",
        date: str = DATE,
        task: str = TASK,
        metrics: Sequence[Any] = ({"metric_name": "em", "corpus_level_fn": "mean"},),
    ) -> Path:
        results = tmp_path / "evals" / "results" / model / f"results_{date}.json"
        results.parent.mkdir(parents=True, exist_ok=True)
        values = {
            "config_general": {"model_name": model},
            "results": {task: {"em": 0.5, "em_stderr": 0.1}, "all": {"em": 0.5}},
            "config_tasks": {task: {"name": "arc:easy", "metrics": list(metrics)}},
        }
        results.write_text(json.dumps(values))
        if rows:
            folder = tmp_path / "evals" / "details" / model / date
            folder.mkdir(parents=True, exist_ok=True)
            table = pa.Table.from_pylist([dict(each) for each in rows])
            parquet.write_table(table, folder / f"details_{task}_{date}.parquet")
        return results

    return write


def scores(source: Path, model: str = "org/small") -> dict[str, dict[str, float]]:
    (task,) = read_baseline(str(source), source.parent, model).benchmarks.values()
    return {sample_id: each.scores for sample_id, each in task.samples.items()}


TWO = [row(doc(3, "a"), em=1), row(doc(12, "b", gold=1), em=0)]


def test_documents_are_matched_with_our_samples(write: Write, tmp_path: Path) -> None:
    file = write(TWO)
    for source in (file, tmp_path / "evals", file.parent):
        assert scores(source) == {
            "3": {"em": 1, "accuracy": 1},
            "12": {"em": 0, "accuracy": 0},
        }
    baseline = read_baseline("evals", tmp_path, "other")  # the only model there
    digests = [digest("a", "yes"), digest("b", "no"), digest("c", "no")]
    ids = ["test-003", "test-012", "test-099"]
    for benchmark in ("lighteval::arc|5[easy]", "x::arc:easy@k=1|5", "test_arc.py::test_arc[easy]"):
        found = match_samples(baseline, benchmark, ids, digests.__getitem__, ["em", "accuracy"])
        assert found.values == {"em": [1, 0, None], "accuracy": [1, 0, None]}
        assert (found.new, found.changed, found.vanished) == (["test-099"], [], [])

    found = match_samples(baseline, "p::mine", ids, digests.__getitem__, ["em"], TASK)
    assert found.values == {"em": [1, 0, None]}

    digests[0] = digest("a", "no")
    found = match_samples(baseline, "x::arc:easy|5", ids[:1], digests.__getitem__, ["em"])
    assert (found.values, found.changed, found.vanished) == ({"em": [None]}, ["test-003"], ["12"])


def test_the_same_row_of_two_splits(write: Write, tmp_path: Path) -> None:
    write([row(doc(0, "a"), em=1), row(doc(0, "b"), em=0)])
    baseline = read_baseline("evals", tmp_path, "")
    digests = [digest("b", "yes"), digest("a", "yes")]
    ids = ["validation-0", "test-0"]
    found = match_samples(baseline, "x::arc:easy|5", ids, digests.__getitem__, ["em"])
    assert found.values == {"em": [0, 1]}


def test_metrics_of_every_kind(write: Write) -> None:
    """A row for each way of asking; names that gates can use; values that are no numbers."""
    several = doc(0, "a", gold=[0, 1], choices=[["yes", "sure"], ["no"]])
    metrics = [
        {"metric_name": ["bleu", "em"], "corpus_level_fn": {"bleu": "corpus", "em": "mean"}},
    ]
    rows = [
        row(several, **{"pass@k:k=1": 0.5, "em": None, "bleu": None, "tries": [0, 1]}),
        row(several, **{"pass@k:k=1": None, "em": 0.25, "bleu": None, "tries": None}),
    ]
    file = write(rows, metrics=metrics)
    assert scores(file) == {"0": {"pass_k_k_1": 0.5, "tries": 0.5, "em": 0.25, "accuracy": 0}}
    (task,) = read_baseline(str(file), file.parent, "").benchmarks.values()
    assert task.samples["0"].digest == digest("a", '["yes", "sure", "no"]')


def test_columns_of_older_versions(write: Write, tmp_path: Path) -> None:
    file = write(TWO)
    (details,) = tmp_path.rglob("*.parquet")
    names = ["__doc__", "__metric__", "__model_response__"]
    parquet.write_table(parquet.read_table(details).rename_columns(names), details)
    assert len(scores(file)) == 2


def test_an_uploaded_repository(write: Write, tmp_path: Path) -> None:
    """`results_<date>.json`, and `<date>/` with the details beside it."""
    file = write(TWO)
    hub = tmp_path / "hub"
    shutil.copytree(next((tmp_path / "evals" / "details").glob("*/*/*")), hub / DATE)
    shutil.copy(file, hub)
    assert len(scores(hub)) == 2


def test_the_latest_results_of_each_task(write: Write, tmp_path: Path) -> None:
    write([row(doc(0, "a"), em=0)], date="2026-01-01T10-00-00.000000")
    write([row(doc(0, "a"), em=1)])
    write([row(doc(0, "a"), em=0)], task="other|0", date="2025-01-01T10-00-00.000000")
    baseline = read_baseline("evals", tmp_path, "org/small")
    assert {key: each.samples["0"].scores["em"] for key, each in baseline.benchmarks.items()} == {
        "other|0": 0,
        TASK: 1,
    }
    write(model="org/large")
    with pytest.raises(ModelevalError, match=r"results of org/\w+, org/\w+ and not of tiny: name"):
        read_baseline("evals", tmp_path, "tiny")


def test_results_without_details(write: Write, tmp_path: Path) -> None:
    file = write()
    for source in ("evals", str(file)):
        baseline = read_baseline(source, tmp_path, "")
        found = match_samples(baseline, "x::arc:easy|5", ["0"], lambda _: "", ["em"])
        assert found.problem == (
            f"baseline {source}: of arc:easy|5 LightEval's results have only aggregates (em 0.5), "
            "and a comparison goes document by document: run LightEval with --save-details, and "
            "keep details/ beside results/; until then compare with a number, such as "
            "accuracy >= 0.8"
        )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"config_general": {}, "results": {}}', "results file of LightEval .*names the model"),
        ('{"config_general": {"model_name": "m"}}', "expected JSON with config_general"),
        ('{"config_general": {"model_name": "m"}, "results": 7}', "expected JSON with config"),
        ("{", "cannot be read as a results file of LightEval"),
    ],
)
def test_files_that_are_something_else(
    write: Write, tmp_path: Path, content: str, said: str
) -> None:
    write().write_text(content)
    with pytest.raises(ModelevalError, match=said):
        read_baseline("evals", tmp_path, "")


def test_details_that_are_something_else(write: Write, tmp_path: Path) -> None:
    write(TWO)
    (details,) = tmp_path.rglob("*.parquet")
    for table, said in (
        (pa.table({"example": ["a"]}), "has the columns example: expected doc and metric"),
        (
            pa.Table.from_pylist([{"doc": {"query": "a", "id": "7"}, "metric": {"em": 1}}]),
            "the document '7' cannot be read .KeyError.'gold_index'..: expected query, choices",
        ),
        (
            pa.Table.from_pylist([row(doc(7, "a", gold=5), em=1)]),
            "the document '7' cannot be read .IndexError",
        ),
    ):
        parquet.write_table(table, details)
        with pytest.raises(ModelevalError, match=said):
            read_baseline("evals", tmp_path, "")
    details.write_bytes(b"PAR1")
    with pytest.raises(ModelevalError, match="cannot be read as LightEval's details"):
        read_baseline("evals", tmp_path, "")
