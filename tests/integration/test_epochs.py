"""Epochs: one item, a row for each, and their mean."""

from __future__ import annotations

import json
import sys

import pytest

from tests.integration.conftest import Project

BENCHMARK = """
from pytest_modeleval import benchmark, score

@benchmark(
    [{"id": f"s{n}", "input": str(n)} for n in range(3)], epochs=4, gates=["mean(quality) >= 2"]
)
KIND test_it(sample, model):
    reply = AWAITmodel.chat(f"{sample.id} {sample.epoch}")
    score("quality", sample.epoch + 1)
    assert sample.id != "s1" or sample.epoch != 2, "missed once"
"""


def text(kind: str = "async def", wait: str = "await ") -> str:
    return BENCHMARK.replace("KIND", kind).replace("AWAIT", wait)


@pytest.mark.parametrize("kind, wait", [("async def", "await "), ("def", "")])
def test_a_sample_is_one_item_and_its_score_a_mean(project: Project, kind: str, wait: str) -> None:
    project.file(text(kind, wait))
    result = project.run()
    assert result.ret == 0
    assert result.parseoutcomes() == {"passed": 2 + 1, "wrong": 1}
    assert project.samples == {"planned": 3, "right": 2, "wrong": 1}
    (benchmark,) = project.results["benchmarks"]
    assert benchmark["metrics"]["accuracy"]["value"] == pytest.approx((1 + 0.75 + 1) / 3)
    assert benchmark["metrics"]["accuracy"]["n"] == 3
    assert benchmark["metrics"]["quality"]["value"] == pytest.approx(2.5)
    assert sorted(project.probe["asked"]) == sorted(f"s{n} {e}" for n in range(3) for e in range(4))


def test_details_have_a_row_an_epoch(project: Project) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    project.file(text())
    project.run("--modeleval-out=out")
    (file,) = (project.path / "out" / "details").glob("*.parquet")
    rows = parquet.read_table(file).to_pylist()
    assert [(row["id"], row["epoch"]) for row in rows] == [
        (f"s{n}", epoch) for n in range(3) for epoch in range(4)
    ]
    assert [row["outcome"] for row in rows].count("wrong") == 1
    assert len({row["seed"] for row in rows}) == 12


def test_the_command_line_wins(project: Project) -> None:
    project.file(text())
    project.run("--epochs=2")
    assert len(project.probe["asked"]) == 6
    assert project.samples == {"planned": 3, "right": 3}


def test_each_epoch_has_its_own_time_and_folder(project: Project) -> None:
    project.file("""
import asyncio
from pytest_modeleval import benchmark

@benchmark([{"id": "s0", "input": ""}], epochs=3, timeout=0.8)
async def test_it(sample, tmp_path):
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    if sample.epoch == 1:
        await asyncio.Event().wait()
    await asyncio.sleep(0.4)
""")
    project.run("--modeleval-wrong=fail", "--max-errors=1")
    assert project.samples == {"planned": 1, "error": 1}
    (benchmark,) = project.results["benchmarks"]
    assert benchmark["metrics"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert [each["epoch"] for each in benchmark["errors"]] == [1]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup came with Python 3.11")
def test_a_timeout_does_not_cancel_the_next_epoch(project: Project) -> None:
    project.file("""
import asyncio
from pytest_modeleval import benchmark

async def fail():
    raise KeyError("in a group")

@benchmark([{"id": "s0", "input": ""}], epochs=2, timeout=0.2)
async def test_it(sample):
    if sample.epoch == 0:
        await asyncio.Event().wait()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
    except ExceptionGroup:
        pass
    await asyncio.sleep(0)
""")
    project.run()
    (benchmark,) = project.results["benchmarks"]
    assert [each["epoch"] for each in benchmark["errors"]] == [0]


def test_resources_are_closed_after_every_epoch(project: Project) -> None:
    project.file("""
import json
from pytest_modeleval import benchmark

events = []

@benchmark([{"id": "s0", "input": ""}], epochs=2)
async def test_it(sample):
    events.append("open")
    sample.resources.callback(events.append, "close")
    assert 0, "closed all the same"

def test_events():
    with open("events.json", "w") as file:
        json.dump(events, file)
""")
    project.run()
    assert json.loads((project.path / "events.json").read_text()) == ["open", "close"] * 2
