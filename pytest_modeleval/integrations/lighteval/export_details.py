"""A task's details in LightEval's columns: doc, metric, model_response; a row a sample.

LightEval lets the data decide the types, so that a column without a value in one task is of another
type than in the next, and the files do not go together. Here the types are fixed, and `metric` has
the scores of all tasks, null where a task has none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from xxhash import xxh64_hexdigest

from pytest_modeleval.results.details import details_rows
from pytest_modeleval.results.results_json import to_json
from pytest_modeleval.results.run_folder import replacing

ROWS = 1_000
"""So many rows are written at a time."""

METHODS = {
    "chat": "GENERATIVE",
    "complete": "GENERATIVE",
    "letters": "GENERATIVE",
    "loglikelihood": "LOGPROBS",
    "perplexity": "PERPLEXITY",
}
"""LightEval's sampling method for a kind of call."""

_TEXT, _INTEGER, _NUMBER = pa.string(), pa.int64(), pa.float64()
_TEXTS, _INTEGERS, _NUMBERS = pa.list_(_TEXT), pa.list_(_INTEGER), pa.list_(_NUMBER)

DOC = pa.struct(
    {
        "query": _TEXT,
        "choices": _TEXTS,
        "gold_index": _INTEGERS,
        "instruction": _TEXT,
        "images": _TEXTS,
        "specific": _TEXT,
        "unconditioned_query": _TEXT,
        "original_query": _TEXT,
        "id": _TEXT,
        "task_name": _TEXT,
        "fewshot_samples": _TEXTS,
        "sampling_methods": _TEXTS,
        "fewshot_sorting_class": _TEXT,
        "generation_size": _INTEGER,
        "stop_sequences": _TEXTS,
        "use_logits": pa.bool_(),
        "num_samples": _INTEGER,
        "generation_grammar": _TEXT,
    }
)
MODEL_RESPONSE = pa.struct(
    {
        "input": _TEXT,
        "input_tokens": _INTEGERS,
        "text": _TEXTS,
        "output_tokens": pa.list_(_INTEGERS),
        "text_post_processed": _TEXTS,
        "reasonings": _TEXTS,
        "logprobs": _NUMBERS,
        "argmax_logits_eq_gold": pa.list_(pa.bool_()),
        "logits": pa.list_(_NUMBERS),
        "unconditioned_logprobs": _NUMBERS,
        "truncated_tokens_count": _INTEGER,
        "padded_tokens_count": _INTEGER,
    }
)


@dataclass(slots=True)
class TaskDetails:
    """What is known of a task once its rows are written: how many there are, the scores by metric,
    and a digest of each query and each prompt."""

    rows: int = 0
    scores: dict[str, list[float]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)


def details_schema(metrics: Sequence[str]) -> pa.Schema:
    """The columns of every task's details in one export."""
    scores = pa.struct({metric: _NUMBER for metric in metrics})
    return pa.schema({"doc": DOC, "metric": scores, "model_response": MODEL_RESPONSE})


def write_details(
    path: Path, folder: Path, benchmark: str, model: str, key: str, schema: pa.Schema
) -> TaskDetails:
    """Write the details of one task.

    Args:
        path: the file.
        folder: the run's, with its own details.
        benchmark: its name there.
        model: the alias.
        key: LightEval's name of the benchmark.
        schema: that of `details_schema`, with the metrics of all tasks.

    Raises:
        ModelevalError: the run's details cannot be read, or the file cannot be written.
    """
    told = TaskDetails()
    with (
        replacing(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as file,
    ):
        rows = _rows(details_rows(folder, benchmark), model, key)
        for batch in _batches(rows):
            for row in batch:
                _tell(told, row)
            file.write_batch(pa.RecordBatch.from_pylist(batch, schema))
    return told


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(epochs: Iterable[dict[str, Any]], model: str, key: str) -> Iterator[dict[str, Any]]:
    """A row for each sample of the model that was judged."""
    for (alias, _), group in groupby(epochs, lambda row: (row["model"], row["id"])):
        if alias != model:
            continue
        judged = [row for row in group if row["outcome"] in ("right", "wrong", "error")]
        if judged:
            yield _row(judged, key)


def _tell(told: TaskDetails, row: dict[str, Any]) -> None:
    told.rows += 1
    for metric, value in row["metric"].items():
        told.scores.setdefault(metric, []).append(value)
    # LightEval has a row, and so a hash, for each way of asking.
    ways = max(1, len(row["doc"]["sampling_methods"]))
    told.examples += [digest(row["doc"]["query"])] * ways
    told.prompts.append(digest(row["model_response"]["input"] or ""))


def digest(text: str) -> str:
    """As LightEval hashes a text."""
    return str(xxh64_hexdigest(text.encode("utf-8", "surrogatepass")))


def _row(epochs: Sequence[dict[str, Any]], key: str) -> dict[str, Any]:
    first = epochs[0]
    asked = [call for row in epochs for call in row["calls"] or () if call["role"] == "model"]
    replies = [reply for row in epochs for reply in _replies(row["calls"] or ())]
    likelihoods = _likelihoods(first["calls"] or ())
    choices, gold = _choices(first["target"], [each["continuation"] for each in likelihoods])
    sampling = asked[-1]["sampling"] or {} if asked else {}
    return {
        "doc": {
            "query": first["input"],
            "choices": choices,
            "gold_index": gold,
            "specific": _specific(epochs),
            "id": first["id"],
            "task_name": key,
            "fewshot_samples": [],
            "sampling_methods": list(dict.fromkeys(METHODS[call["kind"]] for call in asked)),
            "generation_size": sampling.get("max_tokens"),
            "stop_sequences": sampling.get("stop"),
            "use_logits": False,
            "num_samples": max(1, len(replies)),
        },
        "metric": _means(epochs),
        "model_response": {
            "input": _prompt(asked[-1]["messages"]) if asked else None,
            "input_tokens": [],
            "text": replies,
            "output_tokens": [],
            "reasonings": [],
            "logprobs": [each["sum"] for each in likelihoods],
            "argmax_logits_eq_gold": [each["is_greedy"] for each in likelihoods],
            "truncated_tokens_count": 0,
            "padded_tokens_count": 0,
        },
    }


def _replies(calls: Iterable[Mapping[str, Any]]) -> list[str]:
    """The replies to the last question of an epoch, which may have been asked several times."""
    own = [call for call in calls if call["role"] == "model" and call["reply"] is not None]
    last = own[-1]["messages"] if own else None
    return [call["reply"] for call in own if call["messages"] == last]


def _likelihoods(calls: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The log-likelihoods after the first context of which any were asked."""
    own = [call for call in calls if call["role"] == "model" and call["loglikelihoods"]]
    first = own[0]["messages"] if own else None
    return [each for call in own if call["messages"] == first for each in call["loglikelihoods"]]


def _choices(target: str, continuations: list[str]) -> tuple[list[str], list[int]]:
    """The choices and which of them are right; without any, the right replies themselves."""
    golds = _golds(target)
    if not continuations:
        return golds, list(range(len(golds)))
    right = {gold.strip() for gold in golds}
    return continuations, [at for at, each in enumerate(continuations) if each.strip() in right]


def _golds(target: str) -> list[str]:
    """Several right replies are a list in JSON."""
    if target.startswith("["):
        try:
            found = json.loads(target)
        except ValueError:
            return [target]
        if all(isinstance(each, str) for each in found):
            return list(found)
    return [target]


def _specific(epochs: Sequence[Mapping[str, Any]]) -> str:
    """What LightEval has no field for: the metadata, the target as it is, and why there is no
    score."""
    told = {"metadata": json.loads(epochs[0]["metadata"]), "target": epochs[0]["target"]}
    if errors := [row["error"] for row in epochs if row["outcome"] == "error"]:
        told["error"] = errors[0]
    return to_json(told)


def _means(epochs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Each score, over the epochs that have it; one that errored was not right."""
    found: dict[str, list[float]] = {}
    for row in epochs:
        scores = {"accuracy": 0.0} if row["outcome"] == "error" else dict(row["scores"])
        for metric, value in scores.items():
            found.setdefault(metric, []).append(value)
    return {metric: sum(values) / len(values) for metric, values in found.items()}


def _prompt(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of a completion; a chat as JSON."""
    if len(messages) == 1 and messages[0]["role"] == "prompt":
        return messages[0]["content"] or ""
    return to_json([{name: each for name, each in message.items() if each} for message in messages])
