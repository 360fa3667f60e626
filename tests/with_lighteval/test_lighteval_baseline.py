"""What LightEval itself has written, as a baseline."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("lighteval", reason="LightEval is not installed: tox -e engines has it")

from lighteval.logging.evaluation_tracker import EvaluationTracker
from lighteval.metrics.metrics import Metrics
from lighteval.models.abstract_model import ModelConfig
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod

from pytest_modeleval.gates import match_samples
from pytest_modeleval.results.baseline import read_baseline
from pytest_modeleval.results.samples import digest

GENERATED, CHOSEN = "sums|2", "sums:chosen|0"


def write(folder: Path) -> None:
    """Two tasks, of which every third document is wrong, as LightEval's pipeline logs and saves
    them."""
    tracker = EvaluationTracker(output_dir=str(folder))
    tracker.general_config_logger.log_model_info(ModelConfig(model_name="org/small"))
    tasks: dict[str, Any] = {}
    for key, metric in (
        (GENERATED, Metrics.exact_match.value),
        (CHOSEN, Metrics.loglikelihood_acc.value),
    ):
        tasks[key] = SimpleNamespace(aggregation=metric.get_corpus_aggregations)
        tracker.task_config_logger.tasks_configs[key] = LightevalTaskConfig(
            name=key, prompt_function=print, hf_repo="x", hf_subset="y", metrics=[metric]
        )
        for number in range(6):
            document, response = (answered if key == GENERATED else chosen)(number, key)
            score = {metric.metric_name: float(metric.sample_level_fn.compute(document, response))}
            tracker.metrics_logger.log(key, score)
            tracker.details_logger.log(key, document, response, score)
    tracker.metrics_logger.aggregate(tasks, bootstrap_iters=0)
    tracker.details_logger.aggregate()
    tracker.save()


def answered(number: int, key: str) -> tuple[Doc, ModelResponse]:
    document = Doc(f"{number}+1=", [str(number + 1)], 0, id=str(number), task_name=key)
    document.sampling_methods = [SamplingMethod.GENERATIVE]
    document.fewshot_samples = [Doc("1+1=", ["2"], 0)]
    return document, ModelResponse(text=["?" if number % 3 == 0 else str(number + 1)])


def chosen(number: int, key: str) -> tuple[Doc, ModelResponse]:
    document = Doc(f"{number}+1=", [" 0", f" {number + 1}"], [1], id=str(number), task_name=key)
    document.sampling_methods = [SamplingMethod.LOGPROBS]
    return document, ModelResponse(logprobs=[-1.0, -2.0 if number % 3 == 0 else -0.5])


@pytest.mark.parametrize(
    ("benchmark", "metric"), [("x::sums|2", "em"), ("x::sums|0[chosen]", "acc")]
)
def test_its_details_are_compared_document_by_document(
    tmp_path: Path, benchmark: str, metric: str
) -> None:
    write(tmp_path / "evals")
    baseline = read_baseline("evals", tmp_path, "small")
    assert list(baseline.benchmarks) == [GENERATED, CHOSEN]
    ids = [f"{number:03}" for number in range(6)]
    found = match_samples(
        baseline,
        benchmark,
        ids,
        lambda place: digest(f"{place}+1=", str(place + 1)),
        [metric, "accuracy"],
    )
    assert found.values == {name: [0, 1, 1, 0, 1, 1] for name in (metric, "accuracy")}
    assert not (found.difference or found.problem)
