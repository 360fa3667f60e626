"""The files of a run do not tell how many processes it had, or which was first."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Project

LAST_FIRST = """
import os
from pathlib import Path

class Backend(Probe):
    '''The first worker answers when the others have answered a good deal.'''

    concurrency = 4

    async def reply(self, text, number):
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        if worker == "gw0" and os.environ["PYTEST_XDIST_WORKER_COUNT"] != "1":
            await self.until(lambda: len(list(Path().glob("answered-*"))) > 30)
        Path(f"answered-{worker}-{text}").touch()
        return text
"""

BENCHMARKS = """
import os, signal
from pathlib import Path
from pytest_modeleval import benchmark, score

SAMPLES = [{"id": f"s{n:02}", "input": str(n)} for n in range(60)]

def die_once(sample):
    if sample.id in os.environ.get("DEADLY", "").split():
        try:
            Path(f"died-{sample.id}").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

@benchmark(SAMPLES, gates=["accuracy >= 0.9", "mean(early) >= 1"], epochs=2)
async def test_second_by_name(sample, model):
    die_once(sample)
    number = int((await model.chat(sample.input)).text)
    if number < 30:
        score("early", number)
    else:
        score("late", number)
    if number % 3 == 0:
        raise RuntimeError(f"no {sample.id}")
    assert number % 5

@benchmark("nowhere.jsonl", gates=["accuracy >= 0.5"])
async def test_not_at_hand(sample, model):
    pass

@benchmark(SAMPLES)
async def test_first_by_name(sample, model):
    assert int((await model.chat(sample.input)).text) < 40
"""

CHANGES = re.compile(
    r' (time|timestamp|hostname)="[^"]*"'
    r'|<property name="(latency|queue)_s[^>]*/>|\[\[PROPERTY\|(latency|queue)_s.*'
)


def files(project: Project, folder: str) -> tuple[str, str]:
    """junit.xml and results.json, without times and what tells one run from another."""
    result: dict[str, Any] = json.loads((project.path / folder / "results.json").read_text())
    for name in ("run_id", "environment", "resources"):
        del result[name]
    for each in result["benchmarks"]:
        del each["timing"], each["performance"]
        for name in [name for name in each["metrics"] if name.endswith("_s")]:
            del each["metrics"][name]
    junit = (project.path / folder / "junit.xml").read_text()
    return CHANGES.sub("", junit), json.dumps(result, indent=1)


def test_files_are_in_the_order_that_was_planned(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.plugins.append("xdist")
    project.conftest(LAST_FIRST)
    project.file(BENCHMARKS)
    found = {}
    for name, workers, deadly in (
        ("0", "0", ""),
        ("1", "1", ""),
        ("2", "2", ""),
        ("4", "4", ""),
        ("killed", "2", "s04 s50"),
    ):
        monkeypatch.setenv("DEADLY", deadly)
        for answered in project.path.glob("answered-*"):
            answered.unlink()
        project.run("-n", workers, f"--modeleval-out={name}", "--modeleval-cache=off")
        found[name] = files(project, name)
    assert len(list(project.path.glob("died-*"))) == 2
    junit, results = found["0"]
    assert re.findall(r'testsuite name="test_it.py::test_(\w+)', junit) == [
        "second_by_name",
        "not_at_hand",
        "first_by_name",
    ]
    second = json.loads(results)["benchmarks"][0]
    assert [each["id"] for each in second["errors"]][:5] == ["s00", "s00", "s03", "s03", "s06"]
    assert len(second["errors"]) == 10
    for name, (other_junit, other_results) in found.items():
        assert other_junit == junit, f"the junit.xml of {name!r} differs"
        assert other_results == results, f"the results.json of {name!r} differs"
