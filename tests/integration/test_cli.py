"""The console command, as a person types it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from pytest_modeleval import doctor
from pytest_modeleval.errors import UsageError
from pytest_modeleval.starters import write_plugin
from tests.installing import install

Command = Callable[..., pytest.RunResult]


@pytest.fixture
def modeleval(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the installed command in a fresh folder."""
    for name in [name for name in os.environ if name.startswith("MODELEVAL_")]:
        monkeypatch.delenv(name)
    (command,) = entry_points(group="console_scripts", name="modeleval")
    script = f"import sys; from {command.module} import {command.attr} as run; sys.exit(run())"

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.run(sys.executable, "-c", script, *arguments)

    return run


class TestInit:
    def test_gives_a_first_verdict(self, modeleval: Command, pytester: pytest.Pytester) -> None:
        pytest.importorskip("xllamacpp")
        told = modeleval("init")
        assert told.ret == 0
        (command,) = (line for line in told.outlines if line.startswith("  pytest "))

        result = pytester.runpytest_subprocess(*shlex.split(command)[1:])
        result.stdout.fnmatch_lines(["*test_questions*tiny*", "*right,*of 12*", "verdict: passed"])
        assert result.ret == 0
        assert result.parseoutcomes()["wrong"] > 0, "a first verdict shows a wrong answer as well"

    def test_takes_a_folder(self, modeleval: Command, pytester: pytest.Pytester) -> None:
        told = modeleval("init", "my evals/first")
        assert told.ret == 0
        told.stdout.fnmatch_lines(["  pytest --model=tiny 'my evals/first'"])
        assert (pytester.path / "my evals/first/questions.jsonl").is_file()

    def test_never_overwrites(self, modeleval: Command, pytester: pytest.Pytester) -> None:
        own = pytester.mkdir("benchmarks") / "questions.jsonl"
        own.write_text("mine")
        told = modeleval("init")
        assert told.ret == 2
        told.stderr.fnmatch_lines(["modeleval init: benchmarks?questions.jsonl is there already*"])
        assert own.read_text() == "mine"
        assert list(own.parent.iterdir()) == [own]

    def test_a_file_where_the_folder_should_be(
        self, modeleval: Command, pytester: pytest.Pytester
    ) -> None:
        (pytester.path / "benchmarks").write_text("")
        told = modeleval("init", "benchmarks/first")
        assert told.ret == 2
        (line,) = told.errlines
        assert "cannot be written" in line

    def test_a_plugin(self, modeleval: Command, pytester: pytest.Pytester) -> None:
        told = modeleval("init", "--plugin", "Acme-evals", "my plugins/acme")
        assert told.ret == 0
        told.stdout.fnmatch_lines(
            [
                "Written: my plugins/acme/acme_evals/__init__.py*",
                "  pip install -e 'my plugins/acme'",
            ]
        )
        folder = pytester.path / "my plugins/acme"
        written = sorted(str(each.relative_to(folder)) for each in folder.rglob("*.*"))
        assert written == [
            "README.md",
            "acme_evals/Acme-evals.pack.toml",
            "acme_evals/__init__.py",
            "acme_evals/questions.jsonl",
            "pyproject.toml",
            "tests/test_acme_evals.py",
        ]
        assert "$" not in "".join(each.read_text("utf-8") for each in folder.rglob("*.*"))
        again = modeleval("init", "--plugin", "Acme-evals", "my plugins/acme")
        assert again.ret == 2
        again.stderr.fnmatch_lines(["modeleval init: *pyproject.toml is there already*"])

    @pytest.mark.parametrize("name", ["", "../acme", "acme evals", "acme-", "a.b", "class", "json"])
    def test_what_is_no_name_of_a_plugin(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="--plugin"):
            write_plugin(name, tmp_path)
        assert not list(tmp_path.iterdir())


class TestDoctor:
    def test_is_one_screen(self, modeleval: Command) -> None:
        told = modeleval("doctor")
        assert told.ret == 0
        assert told.errlines == []
        assert len(told.outlines) < 40
        told.stdout.fnmatch_lines(
            [
                "pytest-modeleval *Python *",
                "Backends*",
                "  openai *aiohttp *",
                "GPUs*",
                "Keys*",
                "Datasets*",
                "  gsm8k *only from the hub: hf:openai/gsm8k:main",
            ]
        )

    def test_names_plugins(self, modeleval: Command, pytester: pytest.Pytester) -> None:
        points = {
            "modeleval.plugins": {"acme": "acme_evals"},
            "modeleval.packs": {"acme": "acme_packs"},
        }
        install(pytester.path, "acme-evals", "1.2.0", entry_points=points)
        told = modeleval("doctor")
        told.stdout.fnmatch_lines(["Plugins", "  acme-evals 1.2.0 (acme_evals, acme_packs)"])

    def test_imports_no_engine(self, pytester: pytest.Pytester) -> None:
        script = (
            "import sys; from pytest_modeleval.cli import main; main(['doctor']);"
            "heavy = {'torch', 'vllm', 'transformers', 'xllamacpp', 'openai', 'pyarrow'};"
            "sys.exit(' '.join(heavy & sys.modules.keys()) or 0)"
        )
        assert pytester.run(sys.executable, "-c", script).ret == 0

    def test_names_keys_and_hides_their_values(
        self, modeleval: Command, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytester.makepyprojecttoml(
            """
            [tool.modeleval.models.small]
            model = "openai:some-model"
            api_key_env = "SMALL_KEY"
            """
        )
        monkeypatch.setenv("SMALL_KEY", "sk-very-secret")
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        told = modeleval("doctor")
        told.stdout.re_match_lines([r"  OPENAI_API_KEY +not set", r"  SMALL_KEY +set"])
        told.stdout.no_fnmatch_line("*secret*")

    def test_finds_data_from_a_subfolder(
        self, modeleval: Command, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytester.makepyprojecttoml('[tool.modeleval]\ndata = ["questions"]\n')
        file = pytester.path / "questions/gsm8k/test.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text("")
        monkeypatch.chdir(pytester.mkdir("deeper"))
        modeleval("doctor").stdout.fnmatch_lines([f"  gsm8k *{file}"])

    def test_a_wrong_setting_is_one_sentence(
        self, modeleval: Command, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyprojecttoml("[tool.modeleval]\nepoch = 3\n")
        told = modeleval("doctor")
        assert told.ret == 2
        (line,) = told.errlines
        assert "no setting 'epoch'. Did you mean 'epochs'?" in line

    @pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for nvidia-smi")
    @pytest.mark.parametrize(
        ("script", "shown"),
        [
            ("echo '0, NVIDIA X1, 1024 MiB, 1.2'", "  0, NVIDIA X1, 1024 MiB, 1.2"),
            ("echo 'No devices were found'; exit 6", "  nvidia-smi failed: No devices were found"),
            ("exit 9", "  nvidia-smi failed: exit status 9"),
        ],
    )
    def test_asks_the_driver_for_gpus(
        self, script: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        assert list(doctor._gpus()) == [shown]


class TestHelp:
    def test_names_the_commands(self, modeleval: Command) -> None:
        told = modeleval("--help")
        assert told.ret == 0
        told.stdout.fnmatch_lines(["*pytest --model=MODEL FOLDER*", "*init*", "*doctor*"])

    @pytest.mark.parametrize("arguments", [(), ("inti",)])
    def test_what_is_no_command(self, modeleval: Command, arguments: tuple[str, ...]) -> None:
        assert modeleval(*arguments).ret == 2
