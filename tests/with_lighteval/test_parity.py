"""LightEval's own pipeline and ours, on the same model: the same prompts, metrics and aggregates.

LightEval takes long to import, so all tasks are run once, by both, in this process.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lighteval", reason="needs lighteval: tox -e engines")

from tests.integration.conftest import Project
from tests.with_lighteval.harness import Ours, compare, run_ours, theirs

COMPLETED = [
    "kinds:generative|0",
    "kinds:f1_macro|0",
    "kinds:likelihoods|0",
    "kinds:char|0",
    "kinds:char_without_space|0",
    "kinds:token|0",
    "kinds:pmi|0",
    "kinds:shuffled|0",
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
SEVERAL = "--model-arg=temperature=0.7"
"""Of one document several samples are taken."""
CHATTED = ["kinds:generative|2", "kinds:shown|3", "gsm8k|3", "ifeval|0", "math:algebra|0"]


@pytest.fixture(scope="module")
def completed(project: Project, data: Path) -> Ours:
    return run_ours(project, data, COMPLETED, SEVERAL, model="oracle:")


@pytest.fixture(scope="module")
def chatted(project: Project, data: Path, completed: Ours) -> Ours:
    return run_ours(project, data, CHATTED, SEVERAL, model="oracle:chat")


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
