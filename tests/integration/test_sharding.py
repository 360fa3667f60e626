"""Several workers: who runs what, and that the result is that of one process."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from typing import Any

import pytest

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project
from tests.integration.shards import ANSWERS, NUMBERS, benchmark_of, ran_on, runs_of


class TestShards:
    def test_each_worker_keeps_its_model_full(self, sharded: Project) -> None:
        sharded.conftest(
            """
import os
from pathlib import Path

class Backend(Probe):
    concurrency = 8

    async def reply(self, text, number):
        if number < 8:
            await self.until(lambda: self.peak == 8)
            Path("full-" + os.environ["PYTEST_XDIST_WORKER"]).touch()
            await self.until(lambda: len(list(Path().glob("full-*"))) == 2)
        return text
"""
        )
        sharded.file(benchmark_of(100, ANSWERS))
        sharded.run("-n", "2").assert_outcomes(passed=100)
        assert set(runs_of(sharded).values()) == {1}

    def test_what_has_not_started_goes_to_who_has_time(self, sharded: Project) -> None:
        """gw0 answers nothing until gw1 has done most of gw0's samples as well."""
        sharded.conftest(
            """
import os
from pathlib import Path

class Backend(Probe):
    concurrency = 2

    async def reply(self, text, number):
        Path(f"{os.environ['PYTEST_XDIST_WORKER']}-{text}").touch()
        if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
            await self.until(lambda: len(list(Path().glob("gw1-*"))) >= 56)
        return text
"""
        )
        sharded.file(benchmark_of(64, ANSWERS))
        sharded.file("def test_plain():\n    pass", name="test_plain")
        sharded.run("-n", "2").assert_outcomes(passed=65)
        assert len(ran_on(sharded, "gw1")) >= 56
        assert set(runs_of(sharded).values()) == {1}

    @pytest.mark.parametrize("dist", ["worksteal", "load"])
    def test_a_scheduler_of_xdist_may_be_chosen(self, sharded: Project, dist: str) -> None:
        sharded.file(benchmark_of(40, ANSWERS))
        result = sharded.run("-n", "2", "--dist", dist, "-v")
        result.assert_outcomes(passed=40)
        result.stdout.fnmatch_lines(["scheduling tests via *" + dist.title()[:4] + "*"])
        assert set(runs_of(sharded).values()) == {1}

    def test_each_worker_for_everything_is_refused(self, sharded: Project) -> None:
        sharded.file(benchmark_of(4, ANSWERS))
        result = sharded.run("-n", "2", "--dist", "each")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*--dist each would run and count every sample once for *"])
        assert not runs_of(sharded)

    def test_ordinary_tests_alone(self, sharded: Project) -> None:
        sharded.file("import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test(n): pass")
        sharded.run("-n", "2").assert_outcomes(passed=9)

    def test_a_table_is_read_by_one_worker_for_all(
        self, sharded: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = sharded.path / "temporary"
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        sharded.conftest(
            """
from pytest_modeleval.datasets.csv import CsvDataset

read = CsvDataset._read

def noted(self):
    with open("reads", "a") as file:
        print("once", file=file)
    return read(self)

CsvDataset._read = noted
"""
        )
        (sharded.path / "data.csv").write_text("input\n" + "".join(f"q{n}\n" for n in range(50)))
        sharded.file(
            "from pytest_modeleval import benchmark\n@benchmark('data.csv')\n"
            "async def test_it(sample, model): await model.chat(sample.input)"
        )
        sharded.run("-n", "3").assert_outcomes(passed=50)
        assert (sharded.path / "reads").read_text() == "once\n"
        assert not list(folder.glob("modeleval-*"))

    def test_a_worker_without_samples_loads_no_model(self, sharded: Project) -> None:
        sharded.conftest(
            """
import os

class Backend(Probe):
    async def start(self):
        with open("loaded", "a") as file:
            print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""
        )
        sharded.file(benchmark_of(2, ANSWERS))
        sharded.run("-n", "3").assert_outcomes(passed=2)
        loaded = (sharded.path / "loaded").read_text().split()
        assert len(loaded) == len(set(loaded)) == 2

    def test_a_wrong_sample_that_was_named_fails_the_run(self, sharded: Project) -> None:
        sharded.file(benchmark_of(3, "    assert sample.id != 's1'"))
        assert sharded.run("-n", "1", "test_it.py::test_it[s1]").ret == 1
        assert sharded.results["verdict"] == "failed"
        assert sharded.run("-n", "1", "test_it.py").ret == 0
        assert sharded.results["verdict"] == "passed"

    def test_maxfail_ends_the_shards(self, sharded: Project) -> None:
        sharded.conftest("class Backend(Probe):\n    concurrency = 1\n")
        sharded.file(benchmark_of(400, "    note(sample)\n    raise RuntimeError('no')\n"))
        result = sharded.run("-n", "2", "-x")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert sum(runs_of(sharded).values()) < 400

    def test_a_body_ends_the_run(self, sharded: Project) -> None:
        sharded.file(
            "import pytest\n"
            + benchmark_of(40, "    if sample.id == 's3':\n        pytest.exit('it is enough')\n")
        )
        result = sharded.run("-n", "2")
        result.stdout.fnmatch_lines(["*it is enough*"])
        assert result.ret != 0
        assert sharded.samples["not_run"] >= 1

    def test_xdist_switched_off(self, project: Project) -> None:
        project.file(benchmark_of(3, ANSWERS))
        project.run("-p", "no:xdist").assert_outcomes(passed=3)

    def test_xdist_not_installed(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        """As where somebody took it away: neither it nor execnet can be imported."""
        for name in ("xdist", "execnet"):
            package = project.path / "without" / name
            package.mkdir(parents=True)
            (package / "__init__.py").write_text("raise ModuleNotFoundError(__name__)")
        monkeypatch.setenv("PYTHONPATH", str(project.path / "without"))
        project.file(benchmark_of(3, ANSWERS))
        project.run_subprocess("-n", "2").stderr.fnmatch_lines(["*unrecognized arguments: -n*"])
        result = project.run_subprocess("--modeleval-out=out")
        result.assert_outcomes(passed=3)


SUMS = """
SAMPLES = [{"id": f"s{n}", "input": f"{n % 90}+{n % 7}=", "target": str(n % 90 + n % 7)}
           for n in range(150)]

@benchmark(SAMPLES, gates=["accuracy >= 0.5", "accuracy >= 0.999"])
async def test_sums(sample, model):
    die_once(sample)
    reply = await model.complete(sample.input, max_tokens=8, stop=[chr(10)])
    assert reply.text.strip() == sample.target
"""


def outcome_of_run(project: Project, folder: str) -> tuple[list[dict[str, Any]], Any]:
    rows = read_details(project.path / folder).to_pylist()
    told = json.loads((project.path / folder / "results.json").read_text())
    gates = {
        (benchmark["name"], benchmark["model"]): [
            {name: gate[name] for name in ("expression", "verdict", "value", "lower", "upper")}
            for gate in benchmark["gates"]
        ]
        for benchmark in told["benchmarks"]
    }
    return [_without_times(row) for row in rows], gates


def _without_times(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("id", "model", "epoch", "outcome", "scores", "error", "seed", "target")
    found = {name: row[name] for name in kept if name in row}
    found["replies"] = [call["reply"] for call in row["calls"]]
    return found


def test_the_result_does_not_depend_on_the_workers(
    sharded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    replies = sharded.path / "replies.jsonl"
    lines = ({"id": f"s{n}", "reply": str(n % 90 + n % 7 + (n % 5 == 0))} for n in range(150))
    replies.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sharded.file(NUMBERS + SUMS)
    found = {}
    for name, options, deadly in (
        ("0", ("-n", "0"), ""),
        ("1", ("-n", "1"), ""),
        ("2", ("-n", "2"), ""),
        ("4", ("-n", "4"), ""),
        ("killed", ("-n", "2"), "s5 s140"),
    ):
        monkeypatch.setenv("DEADLY", deadly)
        sharded.run(
            "--model=tiny", f"--model=replay:{replies}", "--concurrency=4",
            f"--modeleval-out={name}", *options, model=None,
        )  # fmt: skip
        found[name] = outcome_of_run(sharded, name)
    assert sorted(path.name for path in sharded.path.glob("died-*")) == ["died-s140", "died-s5"]
    rows, gates = found["0"]
    assert len(rows) == 300
    assert Counter(row["outcome"] for row in rows)["right"] > 150
    assert {gate["verdict"] for each in gates.values() for gate in each} == {"passed", "failed"}
    for name, other in found.items():
        assert other == (rows, gates), f"the run {name!r} differs"


def test_a_share_of_an_earlier_benchmark_waits_for_its_fixtures(sharded: Project) -> None:
    """gw1 comes from the first benchmark to the second and is then given a part of the first."""
    sharded.conftest(
        """
import asyncio, os

WORKER = os.environ.get("PYTEST_XDIST_WORKER")

class Backend(Probe):
    concurrency = 1 if WORKER == "gw0" else 64

    async def reply(self, text, number):
        # Of gw1: its very first sample, then what gw0 has given back.
        slow = 0.3 if number == 0 else 0.5 if int(text) < 25 else 0
        await asyncio.sleep(0.02 if WORKER == "gw0" else slow)
        return text
"""
    )
    sharded.file(
        """
import pytest
from pytest_modeleval import benchmark

class Service:
    open = True

@pytest.fixture
def service():
    service = Service()
    yield service
    service.open = False

def samples(count):
    return [{"id": f"s{n:02}", "input": str(n)} for n in range(count)]

@benchmark(samples(60), epochs=3)
async def test_first(sample, model, service):
    await model.chat(sample.input)
    assert service.open

@benchmark(samples(4))
async def test_second(sample, model):
    await model.chat(sample.input)
"""
    )
    assert sharded.run_subprocess("-n2", "--modeleval-cache=off").ret == 0
    first, second = sharded.results["benchmarks"]
    assert (first["samples"]["right"], second["samples"]["right"]) == (60, 4)
