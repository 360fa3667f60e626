"""LightEval's own run of a task: its pipeline, with a model of its own kind that is the oracle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_modeleval.integrations.lighteval.library import library

library()

from datasets import Dataset, DatasetDict  # noqa: E402
from lighteval.logging.evaluation_tracker import EvaluationTracker  # noqa: E402
from lighteval.models.abstract_model import LightevalModel, ModelConfig  # noqa: E402
from lighteval.models.model_output import ModelResponse  # noqa: E402
from lighteval.pipeline import ParallelismManager, Pipeline, PipelineParameters  # noqa: E402
from lighteval.tasks.lighteval_task import LightevalTask  # noqa: E402
from lighteval.tasks.prompt_manager import PromptManager  # noqa: E402
from lighteval.utils.cache_management import SampleCache  # noqa: E402

from tests.with_lighteval import oracle  # noqa: E402


class Oracle(LightevalModel):
    """LightEval's way of asking: its prompt manager makes the prompts."""

    tokenizer = None
    add_special_tokens = False
    max_length = 4096

    def __init__(self, cache: Path, chat: bool) -> None:
        self.config = ModelConfig(model_name="oracle", cache_dir=str(cache))
        self._cache = SampleCache(self.config)
        self._prompts = PromptManager(use_chat_template=chat)
        self._chat = chat
        self.asked: list[list[Any]] = []

    def greedy_until(self, docs: Sequence[Any]) -> list[ModelResponse]:
        return [self._generated(doc) for doc in docs]

    def _generated(self, doc: Any) -> ModelResponse:
        if self._chat:
            prompt = oracle.turns(self._prompts.prepare_prompt_api(doc))
        else:
            prompt = self._prompts.prepare_prompt(doc)
        size = doc.generation_size or 1024
        for _ in range(doc.num_samples):
            self.asked.append(["GENERATIVE", prompt, [size, list(doc.stop_sequences or ())]])
        return ModelResponse(
            text=[oracle.reply(prompt, sample) for sample in range(doc.num_samples)]
        )

    def loglikelihood(self, docs: Sequence[Any]) -> list[ModelResponse]:
        return [self._likelihoods(doc) for doc in docs]

    def _likelihoods(self, doc: Any) -> ModelResponse:
        contexts = [PromptManager().prepare_prompt(doc)]
        # No model of LightEval's own asks for these, though its metrics expect them behind.
        if "pmi" in doc.task_name:
            contexts.append(doc.unconditioned_query)
        found = []
        for context in contexts:
            self.asked.append(["LOGPROBS", json.dumps([context, *doc.choices]), None])
            found += [oracle.likelihood(context, choice) for choice in doc.choices]
        return ModelResponse(
            logprobs=[each.sum for each in found],
            argmax_logits_eq_gold=[bool(each.is_greedy) for each in found],
            output_tokens=[[1] * each.tokens for each in found],
        )

    def loglikelihood_rolling(self, docs: Sequence[Any]) -> list[ModelResponse]:
        return [self._rolling(doc) for doc in docs]

    def _rolling(self, doc: Any) -> ModelResponse:
        text = PromptManager().prepare_prompt(doc)
        self.asked.append(["PERPLEXITY", text, None])
        return ModelResponse(logprobs=[oracle.perplexity(text).sum])


@dataclass
class Answers:
    """What a model said to one document: texts, and log-likelihoods."""

    replies: list[str] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)


@dataclass
class Reference:
    """What LightEval makes of a task: its metrics of each document by the document's id, the
    answers by the document's row, and the aggregates."""

    asked: list[list[Any]]
    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[int, Answers] = field(default_factory=dict)
    aggregates: dict[str, float] = field(default_factory=dict)


def splits_in(folder: Path, task: Any) -> Any:
    """The fixture of a task, read without any code of ours."""
    place = folder / task.dataset_path.rpartition("/")[2] / task.dataset_config_name
    splits = {
        file.stem: Dataset.from_list([json.loads(line) for line in file.open(encoding="utf-8")])
        for file in sorted(place.glob("*.jsonl"))
    }
    found = DatasetDict(splits)
    return found.filter(task.dataset_filter) if task.dataset_filter else found


def run(
    spec: str,
    *,
    folder: Path,
    scratch: Path,
    custom_tasks: Path,
    monkeypatch: Any,
    model: Any = None,
    chat: bool = False,
    max_samples: int | None = None,
    saved: bool = False,
) -> Reference:
    """Run LightEval's pipeline on one task, with the datasets of a folder. What it writes is in
    `scratch/out`."""
    monkeypatch.setattr(
        LightevalTask, "download_dataset_worker", staticmethod(lambda task: splits_in(folder, task))
    )
    asked = model if model is not None else Oracle(scratch / "cache", chat)
    tracker = EvaluationTracker(output_dir=str(scratch / "out"))
    pipeline = Pipeline(
        tasks=spec,
        pipeline_parameters=PipelineParameters(
            launcher_type=ParallelismManager.NONE,
            bootstrap_iters=0,
            custom_tasks_directory=str(custom_tasks),
            max_samples=max_samples,
        ),
        evaluation_tracker=tracker,
        model=asked,
    )
    pipeline.evaluate()
    if saved:
        tracker.save()
    (task,) = pipeline.tasks_dict
    found = Reference(getattr(asked, "asked", []))
    for detail in tracker.details_logger.details[task]:
        found.samples.setdefault(detail.doc.id, {}).update(detail.metric)
        answers = found.answers.setdefault(int(detail.doc.id), Answers())
        answers.replies += detail.model_response.text
        answers.sums += detail.model_response.logprobs
    aggregated: Mapping[str, float] = tracker.metrics_logger.metric_aggregated[task]
    found.aggregates = {
        name: value for name, value in aggregated.items() if not name.endswith("_stderr")
    }
    return found
