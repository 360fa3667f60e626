"""The exit status that a CI gate trusts."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

ExitCode = pytest.ExitCode

RIGHT = """
from pytest_modeleval import benchmark

@benchmark([{"id": str(n), "input": "a", "target": "a"} for n in range(4)], gates=["accuracy >= 1"])
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""
WRONG = RIGHT.replace('"target": "a"', '"target": "b"')
ERROR = RIGHT.replace("assert", "raise OSError\n    assert")


@pytest.mark.parametrize("options", [(), ("-q",), ("-p", "no:terminal"), ("--junitxml=own.xml",)])
@pytest.mark.parametrize(
    ("code", "status"),
    [
        (RIGHT, ExitCode.OK),
        (WRONG, ExitCode.TESTS_FAILED),
        (ERROR, ExitCode.TESTS_FAILED),
        (WRONG.replace(', gates=["accuracy >= 1"]', ""), ExitCode.OK),
        (RIGHT.replace(">= 1", ">= baseline"), ExitCode.TESTS_FAILED),
        (RIGHT.replace(">= 1", "=> 1"), ExitCode.INTERRUPTED),
        ("", ExitCode.NO_TESTS_COLLECTED),
    ],
    ids=["right", "gate fails", "errors", "wrong", "undecided", "mistake", "nothing"],
)
def test_of_a_run(project: Project, code: str, status: ExitCode, options: tuple[str, ...]) -> None:
    project.file(code)
    assert project.run(*options, model="echo:").ret == status


class TestWithoutModel:
    def test_collecting_works(self, project: Project) -> None:
        project.file(RIGHT)
        result = project.run("--co", "-q", model=None)
        assert result.ret == ExitCode.OK
        result.stdout.fnmatch_lines(
            [
                *(f"test_it.py::test_it[[]{n}[]]" for n in range(4)),
                "test_it.py::test_it[[]gate:accuracy[]]",
                "5 tests collected in *",
            ]
        )

    @pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "-n2"])
    def test_a_run_is_a_usage_error(self, project: Project, processes: tuple[str, ...]) -> None:
        project.plugins.append("xdist")
        project.file(RIGHT)
        result = project.run(*processes, model=None)
        assert result.ret == ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: no model to evaluate: name one with --model, such *"])
        assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
        assert not (project.path / ".modeleval").exists()

    def test_ordinary_tests_beside_do_not_run_either(self, project: Project) -> None:
        project.file(RIGHT + "\ndef test_ordinary():\n    open('ran', 'w')\n")
        assert project.run(model=None).ret == ExitCode.USAGE_ERROR
        assert not (project.path / "ran").exists()

    def test_ordinary_tests_alone_run(self, project: Project) -> None:
        project.file("def test_ordinary(): ...")
        assert project.run(model=None).ret == ExitCode.OK

    def test_a_deselected_benchmark_asks_for_none(self, project: Project) -> None:
        project.file(RIGHT + "\ndef test_ordinary(): ...\n")
        assert project.run("-k", "ordinary", model=None).ret == ExitCode.OK


class TestWithModelButNoBenchmarks:
    def test_ordinary_tests_run_and_nothing_is_written(self, project: Project) -> None:
        project.file("def test_ordinary(): ...")
        result = project.run()
        assert result.ret == ExitCode.OK
        result.stdout.no_fnmatch_line("*= benchmarks =*")
        assert not (project.path / ".modeleval").exists()

    def test_no_tests_at_all(self, project: Project) -> None:
        assert project.run().ret == ExitCode.NO_TESTS_COLLECTED


class TestModelThatCannotBeOpened:
    """One sentence, before any sample runs."""

    @pytest.mark.parametrize(
        ("model", "sentence"),
        [
            ("ech", "unknown model 'ech'; expected one of *echo:NAME. Did you mean echo:NAME[?]"),
            ("nope:x", "model nope:x: unknown backend 'nope'; there are *"),
            ("prob:x", "*unknown backend 'prob'*Did you mean 'probe'[?]"),
            ("llamacpp:nowhere.gguf", "*nowhere.gguf*GGUF*"),
            ("replay:nowhere.jsonl", "replay: nowhere.jsonl does not exist: *"),
            ("openai:", "openai: the name of the model is missing: openai:NAME"),
        ],
    )
    def test_is_a_usage_error(self, project: Project, model: str, sentence: str) -> None:
        if model.startswith("llamacpp"):
            pytest.importorskip("xllamacpp")
        project.file(RIGHT)
        result = project.run(model=model)
        assert result.ret == ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
        assert "Traceback" not in result.stdout.str()
        assert not (project.path / ".modeleval").exists()

    def test_a_missing_extra(self, project: Project) -> None:
        project.conftest(
            "\nimport sys\nsys.modules['torch'] = sys.modules['transformers'] = None\n"
        )
        project.file(RIGHT)
        result = project.run_subprocess(model="transformers:x")
        assert result.ret == ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: *pip install 'pytest-modeleval[[]transformers[]]'"])

    def test_a_helper_too(self, project: Project) -> None:
        project.file(RIGHT)
        result = project.run("--judge=nope:x")
        assert result.ret == ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: model nope:x: unknown backend 'nope'; *"])

    def test_under_xdist(self, project: Project) -> None:
        project.plugins.append("xdist")
        project.file(RIGHT)
        result = project.run("-n2", model="nope:x")
        assert result.ret == ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: model nope:x: unknown backend 'nope'; *"])
        assert "INTERNALERROR" not in result.stdout.str()
        result.stdout.no_fnmatch_line("*verdict*")

    def test_a_backend_that_breaks_while_it_starts(self, project: Project) -> None:
        project.conftest(
            """
class Backend(Probe):
    async def start(self):
        raise ZeroDivisionError("by zero")
"""
        )
        project.file(RIGHT)
        result = project.run("--model=probe:x", model=None)
        assert result.ret == ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: probe:x could not be started: ZeroDivisionError: by zero"]
        )
