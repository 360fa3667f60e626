"""An export, read by LightEval itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lighteval", reason="LightEval is not installed: tox -e engines has it")

from datasets import Dataset, concatenate_datasets, load_dataset
from lighteval.logging.evaluation_tracker import EvaluationTracker
from lighteval.logging.info_loggers import DetailsLogger
from lighteval.metrics.metrics_sample import ExactMatches
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.requests import Doc
from lighteval.utils.utils import make_results_table

BENCHMARKS = """
import pytest
from pytest_modeleval import benchmark, score

SUMS = [{"id": f"s{n}", "input": str(n), "target": [str(n % 3), "x"]} for n in range(6)]

@pytest.mark.parametrize("kind", ["plain", "odd/[*]"])
@benchmark(SUMS, few_shot=3)
async def test_sums(sample, model, kind):
    reply = await model.chat(sample.input)
    if sample.id == "s5":
        raise OSError("down")
    assert reply.text in sample.target

@benchmark([{"input": "a?", "target": "yes"}, {"input": "b?", "target": "no"}])
async def test_words(sample, model):
    reply = await model.complete(sample.input)
    score("length", len(reply.text))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's export."""
    root = tmp_path_factory.mktemp("run")
    (root / "test_it.py").write_text(BENCHMARKS)
    arguments = ["--model=echo:", "--modeleval-out=out", "--modeleval-export=lighteval"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "modeleval", *arguments]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout  # for the one that was down
    return root / "out" / "lighteval"


@pytest.fixture(scope="module")
def results_file(folder: Path) -> Path:
    (found,) = folder.glob("results/echo/results_*.json")
    return found


@pytest.fixture(scope="module")
def details(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """What LightEval's tracker finds of the tasks, by their names without the few-shot."""
    import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        tracker = EvaluationTracker(output_dir=str(folder))
        tracker.general_config_logger.model_name = "echo"
        names = ["sums:plain", "sums:odd", "words"]
        found: dict[str, Dataset] = tracker.load_details_datasets("last", names)
    return found


def test_its_tracker_loads_the_details(details: dict[str, Dataset]) -> None:
    assert {task: len(rows) for task, rows in details.items()} == {
        "sums:plain|3": 6,
        "sums:odd|3": 6,
        "words|0": 2,
    }
    assert len(concatenate_datasets(list(details.values()))) == 14


def test_rows_are_its_docs_and_responses(details: dict[str, Dataset]) -> None:
    """Its own metric comes to the same scores."""
    exact = ExactMatches(strip_strings=True)
    for row in details["sums:plain|3"]:
        doc, response = Doc(**row["doc"]), ModelResponse(**row["model_response"])
        assert doc.get_golds() == [str(int(doc.query) % 3), "x"]
        if doc.id == "s5":
            assert row["metric"]["accuracy"] == 0
            assert json.loads(doc.specific)["error"] == "OSError: down"
        else:
            assert response.final_text == [doc.query]
            assert exact.compute(doc, response) == row["metric"]["accuracy"]


def test_its_table_shows_the_results(results_file: Path) -> None:
    results = json.loads(results_file.read_text())
    table = make_results_table(results)
    for task in ("sums:plain|3", "sums:odd|3", "sums:_average|3", "words|0"):
        assert task.replace("|", "\\|") in table


def test_datasets_load_the_results(results_file: Path, tmp_path: Path) -> None:
    """As its `recreate_metadata_card` does."""
    loaded: Any = load_dataset(
        "json", data_files=str(results_file), split="train", cache_dir=str(tmp_path)
    )
    assert loaded["results"][0]["sums:plain|3"]["accuracy"] == 0.5


def test_hashes_of_the_queries_are_its_own(results_file: Path, details: dict[str, Dataset]) -> None:
    """Prompts can be compared with those of its runs."""
    logger = DetailsLogger()
    for task, rows in details.items():
        for row in rows:
            response = ModelResponse(**row["model_response"])
            logger.log(task, Doc(**row["doc"]), response, row["metric"])
    logger.aggregate()
    summary = json.loads(results_file.read_text())["summary_tasks"]
    assert {task: each["hashes"]["hash_examples"] for task, each in summary.items()} == {
        task: each.hashes["hash_examples"] for task, each in logger.compiled_details.items()
    }
