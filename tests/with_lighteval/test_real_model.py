"""A real model, in LightEval's own engine and in ours: the tiny model's checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lighteval", reason="needs lighteval: tox -e engines")
pytest.importorskip("torch", reason="needs torch: tox -e engines")

from tests.integration.conftest import Project
from tests.with_lighteval.harness import OWN_TASKS, Ours, compare, run_ours
from tests.with_lighteval.reference import Reference, run

CHECKPOINT = Path(__file__).parents[2] / "examples" / "tiny_model" / "checkpoint"
TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
"""So the tiny model chats: its dialogue is a sum."""
EXACTLY = ["--model-arg=dtype=float32", "--model-arg=temperature=0"]
SPECS = ["sums:generated|0", "sums:chosen|0", "sums:by_characters|0"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The checkpoint with a chat template and without: copies, since LightEval keeps its cache in
    the folder of a model."""
    folder = tmp_path_factory.mktemp("checkpoints")
    plain = Path(shutil.copytree(CHECKPOINT, folder / "plain"))
    chatting = Path(shutil.copytree(CHECKPOINT, folder / "chatting"))
    settings = json.loads((chatting / "tokenizer_config.json").read_text())
    settings["chat_template"] = TEMPLATE
    (chatting / "tokenizer_config.json").write_text(json.dumps(settings))
    return {False: plain, True: chatting}


@pytest.fixture(scope="module", params=[False, True], ids=["completed", "chatted"])
def chat(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def ours(project: Project, data: Path, checkpoints: dict[bool, Path], chat: bool) -> Ours:
    return run_ours(project, data, SPECS, *EXACTLY, model=f"transformers:{checkpoints[chat]}")


def theirs(
    spec: str, path: Path, chat: bool, data: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> Reference:
    """A template brings the first token itself: LightEval would put another one before it."""
    from lighteval.models.transformers.transformers_model import (
        TransformersModel,
        TransformersModelConfig,
    )

    config = TransformersModelConfig(
        model_name=str(path),
        dtype="float32",
        device="cpu",
        batch_size=1,
        add_special_tokens=not chat,
        cache_dir=str(scratch / "cache"),
    )
    model: Any = TransformersModel(config)
    return run(
        spec,
        folder=data,
        scratch=scratch,
        custom_tasks=OWN_TASKS,
        monkeypatch=monkeypatch,
        model=model,
    )


@pytest.mark.parametrize("spec", SPECS)
def test_the_same_numbers(
    spec: str,
    chat: bool,
    ours: Ours,
    checkpoints: dict[bool, Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = theirs(spec, checkpoints[chat], chat, data, tmp_path, monkeypatch)
    compare(ours, spec, expected, nats=0.001)
    assert 0 < next(iter(expected.aggregates.values())) < 1
