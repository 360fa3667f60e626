"""Three sources of settings, and what is refused in each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.options import OPTIONS
from pytest_modeleval.settings import RunConfig, load

Load = Callable[..., RunConfig]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Settings from a table, an environment and options such as max_samples="5"."""
    for option in OPTIONS:
        monkeypatch.delenv("MODELEVAL_" + option.key.upper(), raising=False)

    def read(
        table: str = "", environment: dict[str, str] | None = None, **options: Any
    ) -> RunConfig:
        if table:
            (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        said = {f"modeleval_{name}": value for name, value in options.items()}
        return load(said.get, tmp_path)

    return read


class TestSources:
    def test_nothing_said(self, settings: Load) -> None:
        found = settings()
        assert (found.models, found.max_samples, found.seed) == ((), None, 0)
        assert (found.wrong, found.missing, found.junit_samples) == ("pass", "undecided", "all")

    def test_the_command_line_wins_over_the_environment_and_that_over_the_table(
        self, settings: Load
    ) -> None:
        table = "[tool.modeleval]\nmax_samples = 1\nepochs = 1\nconcurrency = 1\n"
        environment = {"MODELEVAL_MAX_SAMPLES": "2", "MODELEVAL_EPOCHS": "2"}
        found = settings(table, environment, max_samples="3")
        assert (found.max_samples, found.epochs, found.concurrency) == (3, 2, 1)

    def test_an_empty_variable_says_nothing(self, settings: Load) -> None:
        found = settings("[tool.modeleval]\nepochs = 4\n", {"MODELEVAL_EPOCHS": ""})
        assert found.epochs == 4

    def test_the_table_takes_hyphens_lists_and_single_values(self, settings: Load) -> None:
        found = settings('[tool.modeleval]\nmax-samples = 5\nmodel = ["a", "b"]\ndata = "here"\n')
        assert (found.max_samples, found.models) == (5, ("a", "b"))
        assert [folder.name for folder in found.data] == ["here"]

    def test_several_in_the_environment_are_joined_with_semicolons(self, settings: Load) -> None:
        gates = "test_a: non_inferior(accuracy, 0.01); test_b: accuracy >= 0.5"
        found = settings(environment={"MODELEVAL_GATE": gates, "MODELEVAL_MODEL": "echo:a;tiny;"})
        assert found.gates == (
            ("test_a", "non_inferior(accuracy, 0.01)"),
            ("test_b", "accuracy >= 0.5"),
        )
        assert found.models == ("echo:a", "tiny")

    def test_other_tools_tables_are_left_alone(self, settings: Load) -> None:
        assert settings("[tool.other]\nmodel = 3\n").models == ()


class TestValues:
    def test_a_model_named_twice_is_one(self, settings: Load) -> None:
        assert settings(model=["echo:", "tiny", "echo:"]).models == ("echo:", "tiny")

    def test_arguments_are_json_where_they_read_as_it(self, settings: Load) -> None:
        given = ["a=8", "b=0.5", "c=true", "d=text", "e=[1]", "f=a=b", "g="]
        assert settings(model=["m"], model_arg=given).model_arguments == {
            **{"a": 8, "b": 0.5, "c": True, "d": "text", "e": [1], "f": "a=b", "g": ""}
        }

    def test_the_judge_is_a_role(self, settings: Load) -> None:
        found = settings(role=["critic=echo:c"], judge="echo:j")
        assert found.roles == {"critic": "echo:c", "judge": "echo:j"}

    @pytest.mark.parametrize(
        ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), (" 5 m", 300)]
    )
    def test_times(self, settings: Load, text: str, seconds: float) -> None:
        assert settings(sample_timeout=text).sample_timeout == seconds

    @pytest.mark.parametrize(
        ("text", "planned", "allowed"),
        [
            (None, 100, None),
            ("5", 100, 5),
            ("0", 100, 0),
            ("1%", 100, 1),
            ("1%", 99, 0),
            ("29%", 100, 29),
            ("12.5%", 8, 1),
            ("100%", 7, 7),
        ],
    )
    def test_allowed_errors(
        self, settings: Load, text: str | None, planned: int, allowed: int | None
    ) -> None:
        assert settings(max_errors=text).allowed_errors(planned) == allowed

    def test_a_gate_names_a_task_of_lighteval(self, settings: Load) -> None:
        gates = ["mgsm:de|0: low: em >= 0.5", "lighteval::gsm8k|5: em >= 0.5"]
        assert settings(gate=gates).gates == (
            ("mgsm:de|0", "low: em >= 0.5"),
            ("lighteval::gsm8k|5", "em >= 0.5"),
        )

    def test_a_gate_names_its_benchmark_by_node_id_too(self, settings: Load) -> None:
        gate = "tests/test_x.py::TestX::test_x: low: accuracy >= 0.5"
        assert settings(gate=[gate]).gates == (
            ("tests/test_x.py::TestX::test_x", "low: accuracy >= 0.5"),
        )

    @pytest.mark.parametrize(
        "benchmark", ["arc:easy|25", "lighteval::mmlu|5[high:school]", "a.py::test_x"]
    )
    def test_a_gate_names_a_task_of_lighteval_too(self, settings: Load, benchmark: str) -> None:
        for expression in ('low: em[by == "a|5"] >= 0.5', "em >= 0.5"):
            gates = settings(gate=[f"{benchmark}: {expression}"]).gates
            assert gates == ((benchmark, expression),)


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"max_samples": "0"}, "--max-samples=0: expected 1 or more"),
            ({"max_samples": "x"}, "--max-samples=x: expected a whole number"),
            ({"sample_seed": "1.5"}, "--sample-seed=1.5: expected a whole number"),
            ({"concurrency": "-1"}, "--concurrency=-1: expected 1 or more"),
            ({"epochs": "0"}, "--epochs=0: expected 1 or more"),
            ({"sample_timeout": "0"}, "--sample-timeout=0: expected a time such as 90, 90s, 5m"),
            ({"sample_timeout": "soon"}, "--sample-timeout=soon: expected a time such as"),
            ({"max_errors": "few"}, "--max-errors=few: expected a number such as 5, or a share"),
            ({"max_errors": "101%"}, "--max-errors=101%: expected a number such as 5"),
            ({"wrong": "maybe"}, "--modeleval-wrong=maybe: expected one of pass, xfail, fail"),
            ({"missing": "x"}, "--modeleval-missing=x: expected one of undecided, skip"),
            ({"junit_samples": "x"}, "--junit-samples=x: expected one of all, wrong, none"),
            ({"model_arg": ["x"]}, "--model-arg=x: expected KEY=VALUE"),
            ({"model_arg": ["=x"]}, "--model-arg==x: expected KEY=VALUE"),
            ({"role": ["judge"]}, "--role=judge: expected ROLE=MODEL"),
            ({"role": ["model=a:b"]}, "--role=model=a:b: expected a helper's role"),
            ({"gate": ["test_x"]}, '--gate=test_x: expected "BENCHMARK: EXPRESSION"'),
            ({"gate": ["test_x: accuracy"]}, "--gate: gate `accuracy` has no comparison"),
            (
                {"model": ["a", "b"], "model_arg": ["c=1"]},
                "--model-arg speaks of the one model, but there are several",
            ),
        ],
    )
    def test_option(self, settings: Load, options: dict[str, Any], sentence: str) -> None:
        with pytest.raises(UsageError) as error:
            settings(**options)
        assert str(error.value).startswith(sentence)

    @pytest.mark.parametrize(
        ("table", "sentence"),
        [
            ("[tool.modeleval]\nmax_sampels = 5\n", "no setting 'max_sampels'. Did you mean 'max_"),
            ("[tool.modeleval]\nxyz = 5\n", "[tool.modeleval] has no setting 'xyz'."),
            ("[tool.modeleval]\nepochs = 'x'\n", "[tool.modeleval] epochs=x: expected a whole num"),
            ("[tool.modeleval]\nwrong = 'x'\n", "[tool.modeleval] wrong=x: expected one of pass"),
            ("[tool.modeleval\n", "not valid TOML: "),
            ("[tool]\nmodeleval = 3\n", "tool.modeleval: expected a table, [tool.modeleval]"),
            ("[tool.modeleval]\nmodels = 'x'\n", "tool.modeleval.models: expected a table for"),
            ("[tool.modeleval.models]\nsmall = 'x:y'\n", "such as [tool.modeleval.models.small]"),
            ("[tool.modeleval.models.small]\nn = 3\n", 'with a line model = "openai:gpt-4o-mini"'),
        ],
    )
    def test_table(self, settings: Load, tmp_path: Path, table: str, sentence: str) -> None:
        with pytest.raises(UsageError) as error:
            settings(table)
        assert str(error.value).startswith(f"{tmp_path / 'pyproject.toml'}: ")
        assert sentence in str(error.value)

    def test_table_that_is_not_utf8(self, settings: Load, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_bytes(b"# caf\xe9\n")
        with pytest.raises(UsageError, match="not valid TOML"):
            settings()

    def test_environment(self, settings: Load) -> None:
        with pytest.raises(UsageError) as error:
            settings(environment={"MODELEVAL_MAX_SAMPLES": "many"})
        assert str(error.value) == "$MODELEVAL_MAX_SAMPLES=many: expected a whole number"

    def test_a_variable_that_is_nearly_a_setting(self, settings: Load) -> None:
        with pytest.raises(UsageError) as error:
            settings(environment={"MODELEVAL_MODLE": "tiny"})
        assert str(error.value) == "$MODELEVAL_MODLE is no setting. Did you mean $MODELEVAL_MODEL?"

    def test_a_variable_of_somebody_else(self, settings: Load) -> None:
        assert settings(environment={"MODELEVAL_DASHBOARD_URL": "x"}).models == ()


def test_every_option_has_a_name_of_its_own_in_every_place() -> None:
    for names in ({each.flag for each in OPTIONS}, {each.key for each in OPTIONS}):
        assert len(names) == len(OPTIONS)
