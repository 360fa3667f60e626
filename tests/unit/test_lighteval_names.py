"""Names that LightEval's readers find again."""

from __future__ import annotations

import pytest

from pytest_modeleval.integrations.lighteval.names import (
    metric_name,
    model_names,
    spelled_task,
    task_key,
    task_keys,
)


@pytest.mark.parametrize(
    ("benchmark", "key"),
    [
        ("benchmarks/gsm8k/test_gsm8k.py::test_gsm8k", "gsm8k|5"),
        ("test_a.py::TestMath::test_law[de-1]", "law:de-1|5"),
        ("test_a.py::test_law[a/b|c::d]", "law:a_b_c:d|5"),
        ("core.pack.toml::capitals", "capitals|5"),
        ("x.py::test_", "benchmark|5"),
        ("x.py::test_details_of", "details-of|5"),
    ],
)
def test_a_benchmark_is_a_task(benchmark: str, key: str) -> None:
    assert task_key(benchmark, 5) == key
    assert key.count("|") == 1


def test_benchmarks_of_one_name_get_longer_ones() -> None:
    found = task_keys({"a/test_x.py::test_x": 0, "b/test_x.py::test_x": 0, "c.py::test_y": 2}, {})
    assert list(found.values()) == ["a.test_x.test_x|0", "b.test_x.test_x|0", "y|2"]
    long = task_keys({f"a.py::test_x[{'q' * 300}{n}]": 0 for n in range(2)}, {})
    assert len(set(long.values())) == 2
    assert all(len(key) < 150 for key in long.values())


def test_a_task_of_lighteval_keeps_its_name() -> None:
    names = {"core.pack.toml::arc-challenge-25": 0, "test_y.py::test_y": 0}
    tasks = {"core.pack.toml::arc-challenge-25": "arc:challenge|25"}
    assert list(task_keys(names, tasks).values()) == ["arc:challenge|25", "y|0"]
    assert spelled_task("lighteval::gsm8k|5") == "gsm8k|5"
    assert spelled_task("lighteval::mmlu@k=1|5[anatomy]") == "mmlu:anatomy|5"
    assert spelled_task("test_x.py::test_x[a|b]") is None


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("em", "em"),
        ("pass@k:k=1&n=2", "pass_k_k_1_n_2"),
        ("accuracy", "lighteval_accuracy"),
        ("f1 <function f at 0x7f>", "f1_f"),
        ("pass_at_2", "lighteval_pass_at_2"),
    ],
)
def test_a_metric_has_a_name_that_gates_can_use(name: str, here: str) -> None:
    assert metric_name(name) == here


def test_models_have_folders_of_their_own() -> None:
    assert model_names(["tiny", "openai:gpt-4o", "../up", "a*b[c]", "..", "openai/gpt-4o"]) == {
        "tiny": "tiny",
        "openai:gpt-4o": "openai/gpt-4o",
        "../up": "up",
        "a*b[c]": "a_b_c",
        "..": "model",
        "openai/gpt-4o": "openai/gpt-4o-abb375db",
    }
