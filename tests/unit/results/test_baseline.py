"""Baseline files: written to be reviewed, read with care."""

from __future__ import annotations

import json
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results.baseline import (
    Baseline,
    BaselineBenchmark,
    Scored,
    baseline_file,
    read_baseline,
    write_baseline,
)
from pytest_modeleval.results.samples import digest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = baseline_file(tmp_path, "small")
    samples = {
        "b": Scored(digest("2+2", "4"), {"accuracy": 1.0, "f1": 0.25}),
        "a": Scored(digest("1+1", "2"), {"accuracy": 0.0}),
    }
    write_baseline(path, Baseline("", "small", {"test_x": BaselineBenchmark("f00", samples)}))
    return path


def test_it_reads_what_it_wrote(file: Path, tmp_path: Path) -> None:
    found = read_baseline("benchmarks/baselines/small.json", tmp_path, "small")
    benchmark = found.benchmarks["test_x"]
    assert (found.model, benchmark.dataset_fingerprint) == ("small", "f00")
    assert benchmark.samples["b"].scores == {"accuracy": 1.0, "f1": 0.25}
    assert benchmark.samples["a"].scores == {"accuracy": 0.0}
    assert read_baseline(str(file.parent), tmp_path, "small") == Baseline(
        str(file.parent), "small", found.benchmarks
    )


def test_a_line_a_sample_in_a_fixed_order(file: Path) -> None:
    lines = file.read_text().splitlines()
    rows = [line.strip() for line in lines if line.startswith("        ")]
    assert [row.partition(":")[0] for row in rows] == ['"a"', '"b"']
    assert rows[1].endswith(", 1.0, 0.25]")
    assert json.loads(file.read_text())["benchmarks"]["test_x"]["means"]["accuracy"] == 0.5


def test_a_digest_changes_with_question_and_answer() -> None:
    assert len({digest("a", "b"), digest("a", "c"), digest("ab", ""), digest("", "ab")}) == 4
    assert len(digest("\ud800", "x")) == 8


def test_out_of_git(file: Path, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *own, *arguments], check=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "baseline")
    file.write_text("changed since")
    source = "git:HEAD:benchmarks/baselines/small.json"
    assert read_baseline(source, tmp_path, "small").model == "small"
    for wrong, said in (
        ("git:nowhere:x.json", "git says: fatal: invalid object name"),
        ("git:HEAD", "expected git:REF:PATH"),
        ("git:--output=x:y", "expected git:REF:PATH"),
    ):
        with pytest.raises(ModelevalError, match=said):
            read_baseline(wrong, tmp_path, "small")


def test_over_http(file: Path, tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(file.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            assert read_baseline(f"{url}/small.json", tmp_path, "small").model == "small"
            with pytest.raises(ModelevalError, match="it cannot be fetched: File not found"):
                read_baseline(f"{url}/other.json", tmp_path, "small")
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "{", "is not a baseline file"),
        (lambda text: "[1]", "is not a baseline file"),
        (lambda text: '{"results": 1}', "is not a baseline file"),
        (lambda text: text.replace('"1.0"', '"2.0"'), "schema version 2.0, and this version"),
        (lambda text: text.replace('"a":', '"b":'), "'b' is in it twice"),
        (lambda text: text.replace("0.25", "NaN"), "is damaged"),
        (lambda text: text.replace("0.25", '"x"'), "is damaged"),
        (lambda text: text.replace('"samples"', '"others"'), "is damaged"),
    ],
)
def test_a_file_that_is_wrong_is_refused(
    file: Path, tmp_path: Path, change: object, said: str
) -> None:
    assert callable(change)
    file.write_text(change(file.read_text()))
    with pytest.raises(ModelevalError, match=said):
        read_baseline(str(file), tmp_path, "small")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "there is no such file, folder or run"),
        ("http://127.0.0.1:9/b.json", "it cannot be fetched"),
        ("http://", "it cannot be fetched"),
    ],
)
def test_a_source_that_is_not_there(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ModelevalError, match=said):
        read_baseline(source, tmp_path, "small")
