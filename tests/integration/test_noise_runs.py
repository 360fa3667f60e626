"""`modeleval noise`: benchmarks run several times, each time with one thing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.cli import main
from tests.integration.conftest import Project

BENCHMARK = """
from pytest_modeleval import benchmark

DATA = [{"id": f"s{n}", "input": str(n), "half": n % 2, "third": n // 20} for n in range(60)]

@benchmark(DATA, gates=[
    "accuracy >= 0.74", "far: accuracy >= 0.2", "odd: accuracy[half == 1] >= 0.98",
    "latency_s <= 100", "accuracy[third == 1] >= 0.9",
])
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == "right"
"""
"""With every fourth sample wrong, accuracy is 0.75, or 0.5 where `half` is 1."""

BACKEND = """
import sys
from dataclasses import replace
from pathlib import Path

class Backend(Probe):
    async def generate(self, request):
        self.seed = request.sampling.seed
        return replace(await super().generate(request), latency_s=0.5)

    async def reply(self, text, number):
        return "right" if self.is_right(int(text), number) else "wrong"

    def is_right(self, text, number):
        {body}
"""


def backend(project: Project, body: str) -> None:
    project.conftest(BACKEND.replace("{body}", body))


def run(*options: str, pytest_options: tuple[str, ...] = ()) -> int:
    arguments = ["-p", "modeleval", "--model=probe:", *pytest_options]
    return main(["noise", "--out", "out", *options, "--", *arguments, "test_it.py"])


def rows(text: str) -> dict[str, list[str]]:
    """The cells of the table, by their source."""
    found = {}
    for line in text.splitlines():
        cells = [each.strip() for each in line.split("  ") if each.strip()]
        if cells and cells[0] in ("sampling", "repetition", "order", "batch size", "decoding"):
            found[cells[0]] = cells[1:]
    return found


@pytest.fixture
def noisy(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.file(BENCHMARK)
    monkeypatch.chdir(project.path)
    return project


def test_a_model_that_is_always_the_same(
    noisy: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELEVAL_BASELINE_UPDATE", "true")
    backend(noisy, "return text % 4 != 1")
    assert run("--runs=2") == 0
    said = capsys.readouterr()
    assert "accuracy 0.7500 of 60 samples, standard error 0.0564" in said.out
    found = rows(said.out)
    assert found["sampling"][-2:] == ["0.0564", "100%"]
    for source in ("repetition", "order", "batch size", "decoding"):
        assert found[source][1:] == ["2", "0.7500 to 0.7500", "0.0000", "0%", "0.0%"]
    assert "epochs: 1 is enough (decoding then adds 0.0% to the standard error)" in said.out
    assert "accuracy >= 0.74: outside the noise: slack +0.01, noise 0; passed in 5 of 5" in said.out
    assert "accuracy[half == 1] >= 0.98: outside the noise: slack -0.48, noise 0" in said.out
    assert "latency_s <= 100: outside the noise" in said.out
    assert "run 5 of 5: decoding, --modeleval-seed=1" in said.err
    assert [path.name for path in sorted(Path("out").iterdir()) if path.is_dir()] == [
        "again-1",
        "concurrency-1",
        "first",
        "order-1",
        "seed-1",
    ]
    assert not Path(".modeleval/cache.sqlite").exists()
    assert not Path("benchmarks").exists(), "a baseline was written"


SENSITIVE = """
        if text < 20:
            return self.seed % 4 != 1
        if text < 40:
            return "--concurrency=1" in sys.argv or text % 4 != 1
        return number % 4 != 1
"""


def test_what_a_score_depends_on_is_named(
    noisy: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    backend(noisy, SENSITIVE)
    assert run("--runs=2") == 0
    text = capsys.readouterr().out
    found = rows(text)
    assert found["repetition"][-3:] == ["0.0000", "0%", "0.0%"]
    for source in ("order", "batch size", "decoding"):
        deviation, share, changed = found[source][-3:]
        assert float(deviation) > 0.01
        assert share != "0%"
        assert 5 <= float(changed.removesuffix("%")) < 34
    assert "enough (decoding then adds" in text
    assert "accuracy >= 0.2: outside the noise" in text
    assert (
        "accuracy[third == 1] >= 0.9: inside the noise: slack -0.15, and 2 standard deviations "
        "from run to run are 0.3536 (batch size); passed in 1 of 5 runs"
    ) in text


def test_a_model_that_is_never_the_same(noisy: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Other samples are wrong in each run, half of which change from one to the next: the other
    conditions have their part of that too, and it is not theirs."""
    backend(noisy, "return (text + len(list(Path('out').glob('*.log')))) % 4 != 1")
    assert run("--runs=2") == 0
    text = capsys.readouterr().out
    found = rows(text)
    assert found["repetition"][-3:] == ["0.0645", "57%", "50.0%"]
    for source in ("order", "batch size"):
        assert found[source][-3:] == ["0.0645", "0%", "50.0%"]
    assert "accuracy >= 0.74: inside the noise: slack +0.01" in text


def test_runs_that_fail_and_samples_in_error_are_told_and_left_out(
    noisy: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    backend(noisy, "return 1 / (text != 7 or '--sample-order=1' not in sys.argv) and text % 4 != 1")
    with (noisy.path / "conftest.py").open("a") as file:
        file.write(
            "\ndef pytest_configure(config):\n"
            "    if config.getoption('--modeleval-seed') == '1':\n"
            "        raise pytest.UsageError('no \\x1b[31mseed today')\n"
            "import pytest\n"
        )
    assert run("--runs=2") == 1
    said = capsys.readouterr()
    assert "failed: pytest ended with exit status 4; the last lines of out/seed-1.log" in said.err
    assert "ERROR: no \\x1b[31mseed today" in said.err
    assert "4 runs, in out\n1 more failed: what follows is without them" in said.out
    assert rows(said.out)["decoding"] == ["--modeleval-seed", "0", "no run to compare with"]
    assert "epochs" not in said.out
    assert "1 more were not answered in every run, and are left out" in said.out
    assert "of 59 samples" in said.out
    assert "accuracy >= 0.74: outside the noise: slack +0.01, noise 0; passed in 3 of" in said.out
    assert "4 runs, undecided in 1" in said.out


def test_the_first_run_fails(noisy: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["noise", "--out=out", "--", "-p", "modeleval", "nowhere.py"]) == 2
    said = capsys.readouterr().err
    assert "the first run failed: pytest ended with exit status 4" in said
    assert "file or directory not found: nowhere.py" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--runs", "1"), "--runs 1: expected 2 or more"),
        (("--", "--modeleval-seed=3"), "--modeleval-seed=3: modeleval noise says itself"),
        (("--", "--resume", "latest"), "--resume: modeleval noise says itself"),
        (("--out", "full"), "--out full is not empty: name another folder"),
        (("--out", "file"), "--out file: File exists: name another folder"),
    ],
)
def test_what_cannot_be(
    noisy: Project, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    Path("full").mkdir()
    Path("full/something").touch()
    Path("file").touch()
    assert main(["noise", *arguments]) == 2
    assert said in capsys.readouterr().err
