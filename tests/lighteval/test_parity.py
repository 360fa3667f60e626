"""LightEval's own pipeline and ours, on the same model: the same prompts, metrics and aggregates.

LightEval takes long to import, so all tasks are run once, by both, in this process.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("lighteval", reason="needs lighteval: tox -e engines")

from pytest_modeleval.integrations.lighteval.measures import gateable, plain
from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project
from tests.lighteval import fixtures, oracle, reference

OWN_TASKS = Path(__file__).with_name("parity_tasks.py")
COMPLETED = [
    "kinds:generative|0",
    "kinds:f1_macro|0",
    "kinds:likelihoods|0",
    "kinds:char|0",
    "kinds:char_without_space|0",
    "kinds:token|0",
    "kinds:pmi|0",
    "kinds:both|1",
    "kinds:samples|0",
    "kinds:parameters@k=3@n=5|0",
    "kinds:shown|3",
    "kinds:balanced|4",
    "kinds:own_split|2",
    "kinds:grouped|0",
    "kinds:batched|0",
    "gsm8k|3",
    "arc:challenge|2",
    "mmlu:anatomy|2",
    "glue:mrpc|0",
    "glue:cola|0",
    "wikitext:103:document_level|0",
    "lambada:standard|0",
    "truthfulqa:mc|0",
    "ifeval|0",
    "wmt14:de-en|0",
    "math:algebra|0",
]
CHATTED = ["kinds:generative|2", "kinds:shown|3", "gsm8k|3", "ifeval|0", "math:algebra|0"]


@dataclass
class Ours:
    """A run of ours."""

    result: Any
    benchmarks: dict[str, Any]
    details: dict[str, dict[str, dict[str, Any]]]
    asked: dict[str, Counter[str]]


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    oracle.REPLIES.update(fixtures.write(folder))
    return folder


@pytest.fixture(scope="module")
def project(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch_module: pytest.MonkeyPatch,
) -> Project:
    """One for all tests of the module, which pytest's own fixture is not."""
    module = SimpleNamespace(
        function=None, node=request.node, config=request.config, addfinalizer=request.addfinalizer
    )
    pytester = pytest.Pytester(
        module,  # type: ignore[arg-type]
        tmp_path_factory,
        monkeypatch_module,
        _ispytest=True,
    )
    monkeypatch_module.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    made = Project(pytester)
    made.conftest(
        """
def pytest_modeleval_backends():
    return {"oracle": BackendEntry("tests.lighteval.oracle:Backend")}
"""
    )
    return made


def run_ours(project: Project, data: Path, specs: list[str], *more: str, model: str) -> Ours:
    result = project.run(
        f"--lighteval={','.join(specs)}",
        f"--lighteval-tasks={OWN_TASKS}",
        f"--modeleval-data={data}",
        "--modeleval-out=out",
        "--model-arg=temperature=0.7",
        "--modeleval-cache=off",
        *more,
        model=model,
    )
    assert (project.path / "out" / "details").exists(), result.stdout.str()
    details: dict[str, dict[str, dict[str, Any]]] = {}
    asked: dict[str, Counter[str]] = {}
    for row in read_details(project.path / "out").to_pylist():
        values = json.loads(row["values"]) if row["values"] else {}
        task = json.loads(row["metadata"])["lighteval_task"]
        details.setdefault(task, {})[row["id"]] = {**dict(row["scores"]), **values}
        asked.setdefault(task, Counter()).update(map(as_asked, row["calls"]))
    benchmarks = {each["name"].rpartition("::")[2]: each for each in project.results["benchmarks"]}
    return Ours(result, benchmarks, details, asked)


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


@pytest.fixture(scope="module")
def completed(project: Project, data: Path) -> Ours:
    return run_ours(project, data, COMPLETED, model="oracle:")


@pytest.fixture(scope="module")
def chatted(project: Project, data: Path, completed: Ours) -> Ours:
    return run_ours(project, data, CHATTED, model="oracle:chat")


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


def compare(ours: Ours, spec: str, expected: reference.Reference) -> None:
    """All that LightEval measured and asked, ours must have as well, and asked nothing else."""
    task = re.sub("@.*[|]", "|", spec)
    measured = ours.details[task]
    assert {int(each) for each in measured} == {int(each) for each in expected.samples}
    for sample_id, values in measured.items():
        for name, value in expected.samples[str(int(sample_id))].items():
            known = json.loads(json.dumps(plain(value)))
            assert same(values[gateable(name)], known), f"{name} of document {sample_id}"
    benchmark = ours.benchmarks[spec]
    assert benchmark["samples"]["error"] == 0
    for name, value in expected.aggregates.items():
        metric = benchmark["metrics"][gateable(name)]
        assert same(metric["value"], float(value)), name
        assert metric["n"] == len(measured)
    assert ours.asked[task] == Counter(map(json.dumps, expected.asked))


@pytest.mark.parametrize("spec", COMPLETED)
def test_completed(
    spec: str, completed: Ours, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(completed, spec, theirs(spec, data, tmp_path, monkeypatch))


@pytest.mark.parametrize("spec", CHATTED)
def test_chatted(
    spec: str, chatted: Ours, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(chatted, spec, theirs(spec, data, tmp_path, monkeypatch, chat=True))
