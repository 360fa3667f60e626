"""Runs written as LightEval writes them. Its own readers are asked in tests/with_lighteval."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import stdev
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from xxhash import xxh64_hexdigest

from pytest_modeleval.cli import main
from tests.integration.conftest import Project

BENCHMARKS = """
import pytest
from pytest_modeleval import benchmark, score

SUMS = [{"id": f"s{n}", "input": str(n), "target": str(n % 3)} for n in range(6)]

@benchmark(SUMS, few_shot=2, epochs=2)
async def test_sums(sample, model):
    reply = await model.chat(sample.input, stop=["."])
    assert reply.text == sample.target

@pytest.mark.parametrize("kind", ["a/b", "c[|]"])
@benchmark(SUMS)
async def test_choices(sample, model, kind):
    found = await model.choose(sample.input + "?", ["0", "11", "222"])
    score("margin", len(kind) + int(sample.id[1:]))
    if sample.id == "s1":
        pytest.skip("not this one")
    if sample.id == "s2":
        raise OSError("down")
    assert found.text == sample.target
"""


def export(project: Project, *arguments: str, out: str = "out") -> Path:
    project.file(BENCHMARKS)
    project.run(f"--modeleval-out={out}", "--modeleval-export=lighteval", *arguments)
    return project.path / out / "lighteval"


def results_of(folder: Path, model: str = "probe") -> Any:
    (file,) = (folder / "results" / model).glob("*.json")
    return json.loads(file.read_text())


def tasks_of(folder: Path, model: str = "probe") -> dict[str, pa.Table]:
    found = {}
    for file in (folder / "details" / model).glob("*/*.parquet"):
        name = file.name.removeprefix("details_").removesuffix(f"_{file.parent.name}.parquet")
        found[name] = parquet.read_table(file)
    return found


CHOICES = ["choices:a_b|0", "choices:c|0"]


def test_a_run_is_written_as_lighteval_does(project: Project) -> None:
    folder = export(project)
    check_details(tasks_of(folder))
    check_results(results_of(folder), project.results["benchmarks"])


def check_details(tasks: dict[str, pa.Table]) -> None:
    assert sorted(tasks) == [*CHOICES, "sums|2"]
    together = pa.concat_tables(tasks.values())
    assert together.num_rows == 6 + 5 + 5
    assert not any(pa.types.is_null(each) for each in _leaves(together.schema))

    sums = tasks["sums|2"].to_pylist()
    assert [row["metric"]["accuracy"] for row in sums] == [1, 1, 1, 0, 0, 0]
    assert sums[3]["doc"]["query"] == "3"
    assert (sums[3]["doc"]["choices"], sums[3]["doc"]["gold_index"]) == (["0"], [0])
    assert sums[3]["doc"]["stop_sequences"] == ["."]
    assert sums[3]["doc"]["sampling_methods"] == ["GENERATIVE"]
    assert (sums[3]["doc"]["id"], sums[3]["doc"]["task_name"]) == ("s3", "sums|2")
    assert sums[3]["model_response"]["text"] == ["3", "3"]  # an epoch each
    assert json.loads(sums[3]["model_response"]["input"]) == [{"role": "user", "content": "3"}]

    choices = {row["doc"]["id"]: row for row in tasks[CHOICES[0]].to_pylist()}
    assert sorted(choices) == ["s0", "s2", "s3", "s4", "s5"]  # the one that was skipped has no row
    assert choices["s0"]["doc"]["choices"] == ["0", "11", "222"]
    assert (choices["s0"]["doc"]["gold_index"], choices["s4"]["doc"]["gold_index"]) == ([0], [])
    assert choices["s0"]["doc"]["sampling_methods"] == ["LOGPROBS"]
    assert choices["s0"]["model_response"]["logprobs"] == [-1, -2, -3]
    assert choices["s0"]["model_response"]["input"] == "0?"
    assert choices["s0"]["model_response"]["text"] == []
    assert choices["s0"]["metric"] == {"accuracy": 1, "margin": 3}
    assert choices["s2"]["metric"] == {"accuracy": 0, "margin": None}
    assert json.loads(choices["s2"]["doc"]["specific"])["error"] == "OSError: down"


def check_results(results: Any, benchmarks: Any) -> None:
    ours = {each["name"]: each for each in benchmarks}
    scores = results["results"]
    assert list(scores) == ["sums|2", *CHOICES, "choices:_average|0", "all"]
    assert scores["sums|2"] == {
        "accuracy": 0.5,
        "accuracy_stderr": pytest.approx(stdev([1, 1, 1, 0, 0, 0]) / 6**0.5),
        "pass_at_2": 0.5,
        "pass_hat_2": 0.5,
        "majority": 0.5,
    }
    metrics = ours["test_it.py::test_choices[a/b]"]["metrics"]
    assert scores[CHOICES[0]]["margin"] == metrics["margin"]["value"] == 6.0
    assert scores["choices:_average|0"]["margin"] == 6.5
    assert scores["all"]["margin"] == 6.5
    assert "latency_s" not in scores["all"]

    assert all(results["versions"].values()) and list(results["versions"]) == ["sums|2", *CHOICES]
    assert results["config_general"]["model_name"] == "probe"
    task = results["config_tasks"]["sums|2"]
    assert (task["num_fewshots"], task["original_num_docs"], task["effective_num_docs"]) == (
        2,
        6,
        6,
    )
    hashes = {key: each["hashes"] for key, each in results["summary_tasks"].items()}
    assert hashes["sums|2"]["hash_examples"] == _hash(*sorted(map(_hash, "012345")))
    assert hashes["sums|2"]["hash_full_prompts"] != hashes[CHOICES[0]]["hash_full_prompts"]
    assert [each["few_shot"] for each in benchmarks] == [2, 0, 0]


def test_a_later_run_in_the_folder_takes_the_earlier_export_away(project: Project) -> None:
    first = list(export(project).rglob("*.json"))
    assert project.run("--modeleval-out=out").ret == 1
    assert not (project.path / "out" / "lighteval").exists()
    assert first


def test_what_is_not_an_export_stays(project: Project) -> None:
    theirs = project.path / "out" / "lighteval" / "notes.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    project.file(BENCHMARKS)
    result = project.run("--modeleval-out=out", "--modeleval-export=lighteval")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*out/lighteval is there already and is not an export of a run*"])
    assert project.run("--modeleval-out=out").ret == 1
    assert theirs.read_text() == "mine"


def test_an_earlier_run_can_be_exported(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.file(BENCHMARKS)
    project.run("--model=probe:../../up", "--modeleval-out=out", "-k", "sums")
    out = project.path / "out"
    assert main(["export", str(out), "--to", "lighteval"]) == 0
    assert "out/lighteval (2 benchmarks in LightEval's layout)" in capsys.readouterr().out
    assert results_of(out / "lighteval")["results"]["sums|2"]["accuracy"] == 0.5
    (table,) = tasks_of(out / "lighteval", "up").values()
    assert table.num_rows == 6  # of this model alone
    assert main(["export", str(out), "--to", "lighteval"]) == 0

    assert main(["export", str(project.path), "--to", "lighteval"]) == 2
    assert "name the folder of a run" in capsys.readouterr().err


BETTER = """
from pytest_modeleval import benchmark

DATA = [
    {"id": f"s{n}", "input": str(n), "target": f"{n} "}
    for n in range(30)
]

@benchmark(DATA, few_shot=2, gates=["accuracy >= baseline"])
async def test_sums(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == str(int(sample.target)) and sample.id not in WRONG
"""


def test_an_export_serves_as_a_baseline(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With samples, digests and names as they are in the run itself."""
    project.file(BETTER.replace("WRONG", "()"))
    project.run("--modeleval-out=out", "--modeleval-export=lighteval")
    project.file(BETTER.replace("WRONG", repr([f"s{n}" for n in range(9)])))
    for baseline in ("out/lighteval", "out"):
        assert project.run(f"--baseline={baseline}", "--modeleval-out=then").ret == 1
        (gate,) = project.results["benchmarks"][0]["gates"]
        assert (gate["verdict"], gate["compared"], gate["worse"]) == ("failed", 30, 9)

    capsys.readouterr()
    monkeypatch.chdir(project.path)
    for before, after, change in (
        ("out/lighteval", "then", "worse"),
        ("then", "out/lighteval", "better"),
    ):
        assert main(["compare", before, after]) == 0
        compared = capsys.readouterr().out
        assert "30 samples in both, 30 before, 30 now" in compared
        assert f"9 {change}: s0, s1, s2" in compared
    assert main(["plan", "--baseline", "out/lighteval"]) == 0
    assert "sums|2" in capsys.readouterr().out


def _hash(*texts: str) -> str:
    return str(xxh64_hexdigest("".join(texts).encode()))


def _leaves(kind: Any) -> list[pa.DataType]:
    if isinstance(kind, pa.Schema) or pa.types.is_struct(kind):
        return [leaf for each in kind for leaf in _leaves(each.type)]
    if pa.types.is_list(kind):
        return _leaves(kind.value_type)
    return [kind]
