"""Tasks of every kind, in LightEval's own format, over small datasets made by the tests."""

import random

import numpy as np
from lighteval.metrics.dynamic_metrics import LogLikelihoodAccMetric
from lighteval.metrics.metrics import Metrics
from lighteval.metrics.metrics_sample import SampleLevelComputation
from lighteval.metrics.normalizations import LogProbCharNorm, LogProbPMINorm, LogProbTokenNorm
from lighteval.metrics.utils.metric_utils import SampleLevelMetric, SampleLevelMetricGrouping
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod


class Lengths(SampleLevelComputation):
    """A grouping: several numbers at once, one of them no mean."""

    def compute(self, doc, model_response, **kwargs):
        text = model_response.final_text[0]
        return {"characters": len(text), "words": [len(word) for word in text.split()]}


class Batched(SampleLevelComputation):
    """Computed for several documents at once."""

    def compute(self, responses, docs, **kwargs):
        return [len(each.final_text[0]) % 3 for each in responses]


class Moody(SampleLevelComputation):
    """Raises on some documents."""

    def compute(self, doc, model_response, **kwargs):
        if "never" in doc.query:
            raise KeyError("this one")
        return 1.0


def longest(items):
    return max(max(each, default=0) for each in items)


def question(line, task_name=None):
    return Doc(
        task_name=task_name,
        query=f"Question: {line['question']}\nAnswer:",
        choices=[f" {choice}" for choice in line["choices"]],
        gold_index=line["gold"],
        unconditioned_query="Answer:",
        instruction="Answer the questions.\n" if line["instructed"] else None,
    )


def shuffled(line, task_name=None):
    """As tasks do that ask with their choices in a random order."""
    doc = question(line, task_name)
    order = random.sample(range(len(doc.choices)), len(doc.choices))
    doc.query = f"{doc.query}{''.join(doc.choices[each] for each in order)}"
    doc.specific = {"weight": float(np.random.random())}
    return doc


def of_kind(name, metrics, **more):
    return LightevalTaskConfig(
        name=name,
        prompt_function=shuffled if "shuffled" in name else question,
        hf_repo="own/fixture",
        hf_subset="kinds",
        hf_avail_splits=["train", "test"],
        evaluation_splits=["test"],
        metrics=metrics,
        stop_sequence=["\n"],
        **{"generation_size": 20, **more},
    )


def sum_of(line, task_name=None):
    return Doc(
        task_name=task_name,
        query=line["sum"],
        choices=line["choices"],
        gold_index=int(line["gold"]),
    )


def of_sums(name, metrics):
    return LightevalTaskConfig(
        name=name,
        prompt_function=sum_of,
        hf_repo="own/sums",
        hf_subset="default",
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        metrics=metrics,
        generation_size=5,
        stop_sequence=[],
    )


def normalised(normalization):
    return LogLikelihoodAccMetric(normalization=normalization)


TASKS_TABLE = [
    of_sums("sums:generated", [Metrics.exact_match]),
    of_sums("sums:chosen", [Metrics.loglikelihood_acc]),
    of_sums("sums:by_characters", [normalised(LogProbCharNorm())]),
    of_kind("kinds:generative", [Metrics.exact_match, Metrics.f1_score, Metrics.rouge_t5]),
    of_kind("kinds:f1_macro", [Metrics.f1_score_macro]),
    of_kind("kinds:likelihoods", [Metrics.loglikelihood_acc, Metrics.mrr]),
    of_kind("kinds:char", [normalised(LogProbCharNorm())]),
    of_kind("kinds:char_without_space", [normalised(LogProbCharNorm(ignore_first_space=True))]),
    of_kind("kinds:token", [normalised(LogProbTokenNorm())]),
    of_kind("kinds:pmi", [normalised(LogProbPMINorm())]),
    of_kind("kinds:shuffled", [Metrics.loglikelihood_acc]),
    of_kind("kinds:both", [Metrics.exact_match, Metrics.loglikelihood_acc]),
    of_kind("kinds:samples", [Metrics.pass_at_k(sample_params={"k": 2, "n": 4})]),
    of_kind("kinds:parameters", [Metrics.pass_at_k(sample_params={"k": 1})]),
    of_kind(
        "kinds:shown",
        [Metrics.exact_match],
        few_shots_split="train",
        few_shots_select="random_sampling_from_train",
    ),
    of_kind("kinds:balanced", [Metrics.loglikelihood_acc], few_shots_split="train"),
    of_kind("kinds:own_split", [Metrics.exact_match], few_shots_select="sequential"),
    of_kind("kinds:two_splits", [Metrics.exact_match]),
    of_kind(
        "kinds:grouped",
        [
            SampleLevelMetricGrouping(
                metric_name=["characters", "words"],
                higher_is_better={"characters": True, "words": True},
                category=SamplingMethod.GENERATIVE,
                sample_level_fn=Lengths(),
                corpus_level_fn={"characters": np.mean, "words": longest},
            )
        ],
    ),
    of_kind(
        "kinds:batched",
        [
            SampleLevelMetric(
                metric_name="batched",
                higher_is_better=True,
                category=SamplingMethod.GENERATIVE,
                sample_level_fn=Batched(),
                corpus_level_fn=np.mean,
                batched_compute=True,
            )
        ],
    ),
    of_kind(
        "kinds:moody",
        [
            SampleLevelMetric(
                metric_name="mood",
                higher_is_better=True,
                category=SamplingMethod.GENERATIVE,
                sample_level_fn=Moody(),
                corpus_level_fn=np.mean,
            )
        ],
    ),
]
for each in TASKS_TABLE:
    if each.name == "kinds:two_splits":
        each.evaluation_splits = ("test", "train")
