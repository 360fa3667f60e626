"""One task, run by LightEval's own pipeline and by ours, and what both made of it compared."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.integrations.lighteval.measures import plain
from pytest_modeleval.integrations.lighteval.names import metric_name
from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project
from tests.with_lighteval import oracle, reference

OWN_TASKS = Path(__file__).with_name("parity_tasks.py")


@dataclass
class Ours:
    """A run of ours."""

    result: Any
    benchmarks: dict[str, Any]
    details: dict[str, dict[str, dict[str, Any]]]
    asked: dict[str, Counter[str]]
    answers: dict[str, dict[int, reference.Answers]]


def run_ours(project: Project, data: Path, specs: list[str], *more: str, model: str) -> Ours:
    out = project.path / f"out-{model.replace(':', '-').replace('/', '-')}"
    result = project.run(
        f"--lighteval={','.join(specs)}",
        f"--lighteval-tasks={OWN_TASKS}",
        f"--modeleval-data={data}",
        f"--modeleval-out={out}",
        "--modeleval-cache=off",
        *more,
        model=model,
    )
    assert (out / "details").exists(), result.stdout.str()
    details: dict[str, dict[str, dict[str, Any]]] = {}
    asked: dict[str, Counter[str]] = {}
    answers: dict[str, dict[int, reference.Answers]] = {}
    for row in read_details(out).to_pylist():
        values = json.loads(row["values"]) if row["values"] else {}
        task = json.loads(row["metadata"])["lighteval_task"]
        details.setdefault(task, {})[row["id"]] = {**dict(row["scores"]), **values}
        asked.setdefault(task, Counter()).update(map(as_asked, row["calls"]))
        number = int(row["id"].rpartition("-")[2])
        answers.setdefault(task, {})[number] = answers_of(row["calls"])
    benchmarks = {each["name"].rpartition("::")[2]: each for each in project.results["benchmarks"]}
    return Ours(result, benchmarks, details, asked, answers)


def answers_of(calls: list[dict[str, Any]]) -> reference.Answers:
    sums = [each["sum"] for call in calls for each in call["loglikelihoods"]]
    return reference.Answers([call["reply"] for call in calls if call["reply"] is not None], sums)


def as_asked(call: Mapping[str, Any]) -> str:
    """A call of the details, as the reference notes what it was asked."""
    texts = [each["content"] for each in call["messages"]]
    sampling = call["sampling"]
    if call["kind"] == "perplexity":
        return json.dumps(["PERPLEXITY", call["loglikelihoods"][0]["continuation"], None])
    if call["kind"] == "loglikelihood":
        choices = [each["continuation"] for each in call["loglikelihoods"]]
        return json.dumps(["LOGPROBS", json.dumps([*texts, *choices]), None])
    prompt = texts[0] if call["kind"] == "complete" else oracle.turns(call["messages"])
    return json.dumps(["GENERATIVE", prompt, [sampling["max_tokens"], sampling["stop"]]])


def theirs(
    spec: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> reference.Reference:
    return reference.run(
        spec,
        folder=data,
        scratch=tmp_path,
        custom_tasks=OWN_TASKS,
        monkeypatch=monkeypatch,
        **more,
    )


def same(ours: Any, theirs: Any) -> bool:
    """To the last digit that is ever printed."""
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-12)
    return bool(ours == theirs)


def compare(ours: Ours, spec: str, expected: reference.Reference, nats: float = 1e-9) -> None:
    """All that LightEval asked, was answered and measured, ours must have as well, and asked
    nothing else. Log-likelihoods of two engines may be so many `nats` apart."""
    task = re.sub("@.*[|]", "|", spec)
    measured = ours.details[task]
    for number, answers in expected.answers.items():
        own = ours.answers[task][number]
        assert own.replies == answers.replies, f"document {number}"
        assert own.sums == pytest.approx(answers.sums, abs=nats), f"document {number}"
    assert {int(each) for each in measured} == {int(each) for each in expected.samples}
    for sample_id, values in measured.items():
        for name, value in expected.samples[str(int(sample_id))].items():
            known = json.loads(json.dumps(plain(value)))
            assert same(values[metric_name(name)], known), f"{name} of document {sample_id}"
    benchmark = ours.benchmarks[spec]
    assert benchmark["samples"]["error"] == 0
    for name, value in expected.aggregates.items():
        metric = benchmark["metrics"][metric_name(name)]
        assert same(metric["value"], float(value)), name
        assert metric["n"] == len(measured)
    if expected.asked:  # which LightEval's own models do not note
        assert ours.asked[task] == Counter(map(json.dumps, expected.asked))
