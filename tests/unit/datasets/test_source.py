"""What an author may name as a dataset, and what is said when it is not found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_modeleval.datasets.known import REGISTERED
from pytest_modeleval.datasets.source import open_dataset, open_samples
from pytest_modeleval.errors import DatasetError, DatasetMissing


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a folder `bench` in it."""
    (tmp_path / "bench" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path: Path, text: str) -> None:
    path.write_text(f'{{"input": "{text}"}}\n')


def test_a_path_starts_from_the_benchmarks_folder_then_from_the_current_one(here):
    put(here / "x.jsonl", "current")
    assert open_dataset("x.jsonl", base=here / "bench").record(0) == {"input": "current"}
    put(here / "bench" / "x.jsonl", "benchmark")
    assert open_dataset("x.jsonl", base=here / "bench").record(0) == {"input": "benchmark"}
    assert open_dataset(Path("x.jsonl")).record(0) == {"input": "current"}


def test_a_path_may_be_absolute_or_in_a_subfolder(here):
    put(here / "bench" / "data" / "x.jsonl", "q")
    for path in ("data/x.jsonl", here / "bench" / "data" / "x.jsonl"):
        dataset = open_dataset(path, base=here / "bench")
        assert dataset.where(0) == "bench/data/x.jsonl line 1"


def test_extensions_are_read_in_any_case(here):
    put(here / "X.JSONL", "q")
    assert len(open_dataset("X.JSONL")) == 1


def test_a_path_that_is_not_there(here):
    with pytest.raises(DatasetMissing) as error:
        open_dataset("data/y.jsonl", base=here / "bench")
    assert str(error.value) == (
        f"dataset data/y.jsonl is not at hand: there is no {here}/bench/data/y.jsonl "
        f"and no {here}/data/y.jsonl; put the file there or correct the path"
    )


def test_an_unknown_extension(here):
    (here / "notes.txt").write_text("x")
    with pytest.raises(DatasetError) as error:
        open_dataset("notes.txt")
    assert str(error.value) == (
        "notes.txt: unknown extension '.txt'; a dataset is .jsonl, .jsonl.gz, .csv, .tsv, .parquet"
    )


@pytest.mark.parametrize(
    ("name", "hint"), [("gsm8", "did you mean 'gsm8k' or 'mgsm'? "), ("elsewhere", "")]
)
def test_an_unknown_name(name, hint):
    with pytest.raises(DatasetError) as error:
        open_dataset(name)
    known = ", ".join(sorted(dataset.name for dataset in REGISTERED))
    assert str(error.value) == (
        f"no dataset is registered as {name!r}: {hint}(registered: {known}; "
        "a file is named with its extension, .jsonl, .jsonl.gz, .csv, .tsv, .parquet)"
    )


def test_nothing_heavy_is_imported_for_lines_and_lists(here):
    put(here / "x.jsonl", "q")
    code = (
        "import sys; from pytest_modeleval.datasets.source import open_samples;"
        "open_samples('x.jsonl').sample(0); open_samples([{'input': 'q'}], few_shot=0).sample(0);"
        "print(sorted({'pyarrow', 'datasets', 'pytest', 'urllib.request'} & sys.modules.keys()))"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here,
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_ids_are_at_once_what_they_are_later(here):
    put(here / "x.jsonl", "q")
    samples = open_samples("x.jsonl")
    assert samples.id(0) == samples.sample(0).id == "0000"
