"""Which GPUs there are, by an nvidia-smi of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.gpus import auto_workers, check_enough, gpu_groups, visible_gpus
from pytest_modeleval.models.catalog import BACKENDS, ModelSpec


def spec(backend: str = "vllm", **arguments: Any) -> ModelSpec:
    return ModelSpec("m", backend, "m", arguments)


@pytest.fixture
def four_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "nvidia-smi"
    lines = "\n".join(f"echo '{number}, GPU-{number * 1111}-ab'" for number in range(4))
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        (None, ["0", "1", "2", "3"]),
        ("2,0", ["2", "0"]),
        ("GPU-1111-ab, GPU-22", ["GPU-1111-ab", "GPU-22"]),
        ("MIG-1234", ["MIG-1234"]),
        ("", []),
        ("-1", []),
    ],
)
def test_visible(
    four_gpus: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, gpus: list[str]
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == gpus


@pytest.mark.parametrize("visible", ["4", "0,7", "GPU-9", "x"])
def test_a_gpu_that_does_not_exist(
    four_gpus: Path, monkeypatch: pytest.MonkeyPatch, visible: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UsageError, match=r"there is no GPU .*; there are: 0, 1, 2, 3"):
        visible_gpus()


@pytest.mark.parametrize("text", ["", "#!/bin/sh\nexit 9\n"])
def test_a_machine_without_a_driver(
    four_gpus: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    four_gpus.write_text(text)
    assert visible_gpus() == []
    assert gpu_groups([spec()]) == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert visible_gpus() == ["3"], "CUDA will tell"


@pytest.mark.parametrize(
    ("model", "groups"),
    [
        (spec(), ["0", "1", "2", "3"]),
        (spec(tensor_parallel_size=2), ["0,1", "2,3"]),
        (spec(tensor_parallel_size=2, pipeline_parallel_size=2), ["0,1,2,3"]),
        (spec("transformers"), ["0", "1", "2", "3"]),
        (spec("transformers", device="cpu"), []),
        (spec("transformers", device="cuda:2"), []),
        (spec("llamacpp"), []),
        (spec("openai"), []),
    ],
)
def test_groups(four_gpus: Path, model: ModelSpec, groups: list[str]) -> None:
    assert gpu_groups([model]) == groups


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (3, "3 GPUs for each copy of the model, which does not divide the 4 visible"),
        (8, "does not divide the 4 visible"),
        (0, "tensor_parallel_size=0: expected a whole number"),
        ("two", "tensor_parallel_size='two': expected a whole number"),
    ],
)
def test_a_size_that_does_not_divide(four_gpus: Path, size: object, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        gpu_groups([spec(tensor_parallel_size=size)])


@pytest.mark.parametrize(
    ("models", "workers"),
    [
        ([spec()], 4),
        ([spec(tensor_parallel_size=4)], 1),
        ([spec("openai")], 0),
        ([spec("replay"), spec("echo")], 0),
        ([spec("openai"), spec()], 4),
    ],
)
def test_auto(four_gpus: Path, models: list[ModelSpec], workers: int) -> None:
    assert auto_workers(models, BACKENDS) == workers


def test_auto_on_the_cpu(four_gpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_modeleval.gpus._cores", lambda: 96)
    assert auto_workers([spec("llamacpp")], BACKENDS) == 8
    monkeypatch.setattr("pytest_modeleval.gpus._cores", lambda: 3)
    assert auto_workers([spec("llamacpp")], BACKENDS) == 3
    four_gpus.unlink()
    assert auto_workers([spec()], BACKENDS) == 0


def test_too_many_workers() -> None:
    check_enough(2, ["0,1", "2,3"])
    check_enough(9, [])
    with pytest.raises(UsageError, match=r"-n 3 asks for 3 workers, .* enough for 2 of 2 GPUs"):
        check_enough(3, ["0,1", "2,3"])
