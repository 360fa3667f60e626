"""What of LightEval's tasks needs no LightEval."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.integrations.lighteval import aggregation, lighteval_tasks
from pytest_modeleval.integrations.lighteval.library import library
from pytest_modeleval.integrations.lighteval.measures import plain
from pytest_modeleval.integrations.lighteval.names import metric_name
from pytest_modeleval.integrations.lighteval.specification import Specification, with_overrides
from pytest_modeleval.integrations.lighteval.time_limit import time_limit


class TestSpecification:
    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("gsm8k|5", Specification("gsm8k", 5)),
            ("arc:challenge|25", Specification("arc:challenge", 25)),
            ("mmlu", Specification("mmlu", 0)),
            ("leaderboard|mmlu|5", Specification("mmlu", 5)),
            ("t@k=1@mode='x'|0", Specification("t", 0, {"k": 1, "mode": "x"})),
        ],
    )
    def test_it_is_read(self, text: str, read: Specification) -> None:
        assert Specification.parse(text) == read

    def test_it_is_written_as_lighteval_reads_it(self) -> None:
        specification = Specification.parse("t@k=1@mode='x'|3")
        assert str(specification) == "t@k=1@mode='x'|3"
        assert str(with_overrides(specification, 0, {"k": 2})) == "t@k=2@mode='x'|0"

    @pytest.mark.parametrize("text", ["", "|5", "a|b|c|5", "gsm8k|-1", "gsm8k|5 shots", "t@|0"])
    def test_what_it_is_not(self, text: str) -> None:
        with pytest.raises(UsageError, match="LightEval task"):
            Specification.parse(text)

    def test_nothing_in_it_is_evaluated(self) -> None:
        with pytest.raises(UsageError, match="no parameter=value"):
            Specification.parse("t@k=__import__('os').getcwd()|0")


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("em", "em"),
        ("acc_norm", "acc_norm"),
        ("pass@k:k=1&n=16", "pass_k_k_1_n_16"),
        ("pass@1", "pass_1"),
        (
            "em:normalize_gold=<function math_normalizer at 0x7f00>",
            "em_normalize_gold_math_normalizer",
        ),
        ("accuracy", "lighteval_accuracy"),
        ("confidence", "lighteval_confidence"),
        ("pass_at_4", "lighteval_pass_at_4"),
        ("5_shots", "lighteval_5_shots"),
    ],
)
def test_names_that_gates_can_use(name: str, here: str) -> None:
    assert metric_name(name) == here


def test_values_in_jsons_own_types() -> None:
    numpy = pytest.importorskip("numpy")
    value = {"golds": (1, numpy.int64(2)), "preds": numpy.array([0.5])}
    assert plain(value) == {"golds": [1, 2], "preds": [0.5]}


def test_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    library.cache_clear()
    with pytest.raises(UsageError, match=r"pip install 'pytest-modeleval\[lighteval\]'"):
        lighteval_tasks("gsm8k|5")


class TestTimeLimit:
    def test_what_takes_too_long_is_interrupted_in_any_thread(self) -> None:
        raised: list[BaseException] = []

        @time_limit(0.05)
        def endless() -> None:
            while True:
                time.sleep(0.001)

        def run() -> None:
            try:
                endless()
            except TimeoutError as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(30)
        assert len(raised) == 1

    def test_what_ends_in_time_is_left_alone(self) -> None:
        @time_limit(30)
        def double(value: int) -> int:
            return 2 * value

        assert [double(value) for value in range(3)] == [0, 2, 4]


class TestInAnotherProcess:
    def asked(self, monkeypatch: pytest.MonkeyPatch, ended: Any) -> dict[str, float]:
        monkeypatch.delitem(sys.modules, "lighteval", raising=False)
        monkeypatch.setattr(subprocess, "run", ended)
        return aggregation.aggregate([{"bleu": 1}], "wmt|0", {"bleu": "bleu"})

    def test_what_it_says_last_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = 'Downloading…\n{"bleu": 0.5}\n'
        found = self.asked(
            monkeypatch, lambda command, **named: subprocess.CompletedProcess(command, 0, said, "")
        )
        assert found == {"bleu": 0.5}

    def test_its_last_words_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        words = "Traceback …\nValueError: empty corpus\n"
        with pytest.raises(ModelevalError, match=r"bleu of wmt\|0: ValueError: empty corpus"):
            self.asked(
                monkeypatch,
                lambda command, **named: subprocess.CompletedProcess(command, 1, "", words),
            )

    def test_one_that_does_not_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def late(command: Any, **named: Any) -> Any:
            raise subprocess.TimeoutExpired(command, 600)

        with pytest.raises(ModelevalError, match=r"not computed bleu of wmt\|0 within 600 s"):
            self.asked(monkeypatch, late)


def test_nothing_of_it_is_imported_before_a_task_is_collected() -> None:
    """A controller of several processes comes no further than this."""
    lines = [
        "import sys",
        "import pytest_modeleval.integrations.lighteval",
        "import pytest_modeleval.lighteval_option",
        "assert not {'lighteval', 'torch', 'datasets', 'numpy'} & set(sys.modules)",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
