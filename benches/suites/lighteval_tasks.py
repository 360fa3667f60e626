"""LightEval tasks that are measured: questions of 300 tokens, and sums for a small local model.

BENCH_DATA is a folder with `qa/test.jsonl` and `sums/test.jsonl`: question and answer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
from lighteval.metrics.metrics import Metrics
from lighteval.metrics.metrics_sample import ExactMatches
from lighteval.metrics.utils.metric_utils import SampleLevelMetric, SamplingMethod
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc

DATA = Path(os.environ["BENCH_DATA"])


def last_number(text: str) -> str:
    return text.rsplit("#### ", 1)[-1].strip()


def answered(line: dict[str, Any], task_name: str) -> Doc:
    return Doc(line["question"], [line["answer"]], 0, task_name=task_name)


def chosen(line: dict[str, Any], task_name: str) -> Doc:
    """Among three neighbours of the right one."""
    right = int(line["answer"])
    return Doc(line["question"], [str(right + by) for by in range(-1, 3)], 1, task_name=task_name)


EXACT = SampleLevelMetric(
    metric_name="exact",
    sample_level_fn=ExactMatches(normalize_pred=last_number, normalize_gold=str.strip),
    category=SamplingMethod.GENERATIVE,
    corpus_level_fn=numpy.mean,
    higher_is_better=True,
)


def task(name: str, data: str, **fields: Any) -> LightevalTaskConfig:
    return LightevalTaskConfig(
        name=name,
        hf_repo=str(DATA / data),
        hf_subset="default",
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        version=0,
        **fields,
    )


TASKS_TABLE = [
    task("qa", "qa", prompt_function=answered, metrics=[EXACT], generation_size=256),
    task(
        "sums",
        "sums",
        prompt_function=answered,
        metrics=[EXACT],
        generation_size=8,
        stop_sequence=["\n"],
    ),
    task("choices", "sums", prompt_function=chosen, metrics=[Metrics.loglikelihood_acc.value]),
]
