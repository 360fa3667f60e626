"""Files that several processes of a run open: read once, mapped by all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_modeleval.datasets.csv import CsvDataset
from pytest_modeleval.datasets.files import open_file
from pytest_modeleval.datasets.shared import FOLDER
from pytest_modeleval.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    monkeypatch.setenv(FOLDER, str(folder))
    return folder


def written(path: Path, rows: int = 3) -> Path:
    path.write_text("id,input\n" + "".join(f"{row},question {row}\n" for row in range(rows)))
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that this process has read."""
    found: list[Path] = []
    original = CsvDataset._read

    def read(self: CsvDataset) -> object:
        found.append(self.path)
        return original(self)

    monkeypatch.setattr(CsvDataset, "_read", read)
    return found


def test_the_second_does_not_read_it(folder: Path, tmp_path: Path, reads: list[Path]) -> None:
    path = written(tmp_path / "data.csv")
    for _ in range(2):
        dataset = open_file(path)
        assert [dataset.record(row)["input"] for row in range(len(dataset))] == [
            f"question {row}" for row in range(3)
        ]
    assert reads == [path]


def test_parquet_too(folder: Path, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"id": str(n), "choices": ["a", "b"], "nested": {"n": n}} for n in range(2500)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "data.parquet", 1000)
    for _ in range(2):
        dataset = open_file(tmp_path / "data.parquet")
        assert [dataset.record(row) for row in range(len(dataset))] == rows
    assert len(list(folder.glob("*.arrow"))) == 1


def test_a_file_that_has_changed_is_another(
    folder: Path, tmp_path: Path, reads: list[Path]
) -> None:
    for rows in (3, 4):
        assert len(open_file(written(tmp_path / "data.csv", rows))) == rows
    assert len(reads) == 2


SLOW_READER = """
import sys, time
from pathlib import Path
from pytest_modeleval.datasets.csv import CsvDataset
from pytest_modeleval.datasets.files import open_file

read = CsvDataset._read

def slow(self):
    print("read")
    time.sleep(1)
    return read(self)

CsvDataset._read = slow
data = open_file(Path(sys.argv[1]))
print(len(data), data.record(19_999))
"""


def test_several_processes_at_once(folder: Path, tmp_path: Path) -> None:
    """Whoever comes while another reads waits for it."""
    path = written(tmp_path / "data.csv", 20_000)
    command = [sys.executable, "-c", SLOW_READER, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = sorted(each.communicate()[0] for each in running)
    last = "20000 {'id': '19999', 'input': 'question 19999'}\n"
    assert said == [last, last, last, f"read\n{last}"]


def test_one_that_died_while_it_wrote_is_no_obstacle(folder: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "data.csv")
    script = (
        "import os, sys; from pathlib import Path; from pytest_modeleval.datasets import shared; "
        "from pytest_modeleval.datasets.files import open_file; "
        "shared._write = lambda table, place: os._exit(9); open_file(Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)]).returncode == 9
    assert len(open_file(path)) == 3


def test_no_room_for_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(table: object, place: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytest_modeleval.datasets.shared._write", full)
    assert len(open_file(written(tmp_path / "data.csv"))) == 3


def test_a_malformed_file_is_so_for_each(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n3\n")
    for _ in range(2):
        with pytest.raises(DatasetError, match="malformed table"):
            open_file(tmp_path / "data.csv")


def test_a_folder_of_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, os.fspath(tmp_path / "elsewhere"))
    assert len(open_file(written(tmp_path / "data.csv"))) == 3
