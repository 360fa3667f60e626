"""Which run the same command goes on with, and when it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_modeleval.results.folder_lock import FolderLock
from tests.installing import install
from tests.integration.conftest import ARITHMETIC, Project

STOPS = ("-x", "--modeleval-wrong=fail")
"""With the sums below: s0, s1 and s2 are right, and s3 ends the run."""


def folders(project: Project) -> list[Path]:
    runs = project.path / ".modeleval" / "runs"
    return sorted(path for path in runs.iterdir() if path.name != "latest")


def stopped(project: Project, *more: str) -> Path:
    """The folder of a run that has stopped after s3."""
    project.file(ARITHMETIC)
    result = project.run(*STOPS, *more)
    assert result.ret == 1
    return folders(project)[-1]


class TestChoice:
    def test_a_complete_run_is_not_gone_on_with(self, project: Project) -> None:
        project.file(ARITHMETIC)
        for _ in range(2):
            assert project.run("--modeleval-cache=off").ret == 0
            assert len(project.probe["asked"]) == 6
        assert len(folders(project)) == 2

    def test_another_command_is_another_run(self, project: Project) -> None:
        stopped(project)
        result = project.run("--modeleval-cache=off")
        result.stdout.no_fnmatch_line("*resuming*")
        assert len(project.probe["asked"]) == 6
        assert len(folders(project)) == 2

    @pytest.mark.parametrize("name", ["latest", "id", "folder"])
    def test_a_run_can_be_named(self, project: Project, name: str) -> None:
        folder = stopped(project)
        named = {"latest": "latest", "id": folder.name, "folder": str(folder)}[name]
        result = project.run("--modeleval-cache=off", f"--resume={named}")
        result.stdout.fnmatch_lines([f"*resuming run {folder.name}: 4 of 6 samples are kept"])
        assert sorted(project.probe["asked"]) == ["4", "5"]
        assert project.samples == {"planned": 6, "right": 3, "wrong": 3}
        assert folders(project) == [folder]

    def test_it_can_be_left_alone(self, project: Project) -> None:
        folder = stopped(project, "--resume=no")
        result = project.run(*STOPS, "--resume=no")
        result.stdout.no_fnmatch_line("*resuming*")
        assert len(folders(project)) == 2
        assert folder in folders(project)

    def test_a_folder_of_its_own(self, project: Project) -> None:
        project.file(ARITHMETIC)
        arguments = (*STOPS, "--modeleval-out=out")
        assert project.run(*arguments).ret == 1
        run_id = json.loads((project.path / "out" / "run.json").read_text())["run_id"]
        result = project.run(*arguments)
        result.stdout.fnmatch_lines([f"*resuming run {run_id}: 4 of 6 samples are kept"])
        project.run("--modeleval-out=out")
        assert json.loads((project.path / "out" / "run.json").read_text())["run_id"] != run_id

    def test_a_run_that_is_alive_is_left_alone(self, project: Project) -> None:
        folder = stopped(project)
        lock = FolderLock.take(folder)
        assert lock is not None
        result = project.run(*STOPS)
        result.stdout.no_fnmatch_line("*resuming*")
        assert len(folders(project)) == 2
        result = project.run(f"--resume={folder.name}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: --resume {folder.name}: * is still alive (process *"])
        lock.release()
        assert project.run(f"--resume={folder.name}").ret == 0

    def test_a_run_that_is_not_there(self, project: Project) -> None:
        project.file(ARITHMETIC)
        result = project.run("--resume=nowhere")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --resume nowhere: there is no such run: *"])

    def test_one_sample_by_its_name_always_runs(self, project: Project) -> None:
        project.file(ARITHMETIC)
        for _ in range(2):
            result = project.run("test_it.py::test_sums[s3]", "-x", "--modeleval-cache=off")
            assert result.ret == 1
            assert project.probe["asked"] == ["3"]


class TestChanged:
    @pytest.fixture
    def changing(self, project: Project) -> Project:
        lines = (json.dumps({"id": f"s{n}", "input": str(n), "target": "0"}) for n in range(6))
        (project.path / "sums.jsonl").write_text("\n".join(lines))
        project.file(
            """
from pytest_modeleval import benchmark

@benchmark("sums.jsonl")
async def test_sums(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""
        )
        assert project.run(*STOPS).ret == 1
        return project

    def test_the_benchmark(self, changing: Project) -> None:
        with (changing.path / "test_it.py").open("a") as file:
            file.write("# another thought\n")
        self._is_told(changing, "the file of benchmark test_it.py::test_sums has changed")

    def test_the_dataset(self, changing: Project) -> None:
        with (changing.path / "sums.jsonl").open("a") as file:
            file.write('\n{"id": "s6", "input": "6", "target": "0"}')
        self._is_told(changing, "the dataset of test_it.py::test_sums has changed")

    def test_a_plugin(self, changing: Project) -> None:
        install(
            changing.path, "acme", "2.0", entry_points={"modeleval.plugins": {"acme": "acme_evals"}}
        )
        changing.file("def pytest_modeleval_scorers(): return {'polite': len}", "acme_evals")
        changing.plugins.append("acme_evals")
        self._is_refused(changing, "plugin acme was not given and is 2.0")

    def test_the_model(self, changing: Project) -> None:
        self._is_refused(changing, "the model was probe and is other", model="probe:other")

    @pytest.mark.parametrize(
        ("option", "sentence"),
        [
            ("--model-arg=temperature=0.5", "temperature of model probe was not given and is 0.5"),
            ("--max-samples=5", "--max-samples was None and is 5"),
            ("--epochs=2", "epochs of test_it.py::test_sums was 1 and is 2"),
            ("--modeleval-seed=7", "--modeleval-seed was 0 and is 7"),
            ("--choose-by=letters", "--choose-by was likelihood and is letters"),
            ("--judge=echo:", "judge echo was not given and is echo:"),
        ],
    )
    def test_a_parameter(self, changing: Project, option: str, sentence: str) -> None:
        self._is_refused(changing, sentence, option)

    def test_a_key_is_not_in_the_file(self, project: Project) -> None:
        project.file(ARITHMETIC)
        project.conftest(
            "    def __init__(self, name, **arguments):\n        super().__init__(name)"
        )
        project.run("--model-arg=api_key=sk-123456", "--model-arg=url=http://me:pw-9@there/")
        (folder,) = folders(project)
        text = (folder / "run.json").read_text()
        assert "sk-123456" not in text
        assert "pw-9" not in text
        assert "[hidden]" in text

    @staticmethod
    def _is_told(project: Project, sentence: str) -> None:
        """In a new run by the same command; and refused where the run is named."""
        before = folders(project)
        TestChanged._is_refused(project, sentence)
        result = project.run(*STOPS)
        result.stdout.fnmatch_lines([f"*a new run: {before[0].name} is unfinished, but {sentence}"])
        assert len(folders(project)) == 2

    @staticmethod
    def _is_refused(project: Project, sentence: str, *more: str, model: str = "probe:") -> None:
        (folder,) = folders(project)
        result = project.run("--resume=latest", *more, model=model)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [f"ERROR: run {folder.name} cannot go on: {sentence}*start anew with --resume no"]
        )
        assert folders(project) == [folder]
