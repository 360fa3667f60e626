"""Garbage is looked for seldom while samples run, and as before afterwards."""

from __future__ import annotations

import gc

from tests.integration.conftest import Project

SAMPLE = """
import gc
from pytest_modeleval import benchmark, score

@benchmark([{"id": "one", "input": "1"}])
async def test_it(sample, model):
    await model.chat(sample.input)
    score("threshold", gc.get_threshold()[0])
    score("frozen", gc.get_freeze_count() > 0)
"""

SESSIONS = """
import builtins, weakref
import pytest

builtins.SESSIONS = sessions = []
for _ in range(3):
    pytest.main(["-q", "-p", "modeleval", "-p", "no:cacheprovider", "--model=probe:"])
print("gone:", [each() is None for each in sessions])
"""


def test_seldom_in_a_run_and_as_before_after_it(project: Project) -> None:
    before = gc.get_threshold()
    project.file(SAMPLE)

    project.run()

    (benchmark,) = project.results["benchmarks"]
    found = {name: metric["value"] for name, metric in benchmark["metrics"].items()}
    assert found["threshold"] >= 20_000
    assert found["frozen"] == 1
    assert gc.get_threshold() == before


def test_a_threshold_of_0_stays(project: Project) -> None:
    before = gc.get_threshold()
    project.file(SAMPLE)
    gc.set_threshold(0)
    try:
        project.run()
    finally:
        gc.set_threshold(*before)

    (benchmark,) = project.results["benchmarks"]
    assert benchmark["metrics"]["threshold"]["value"] == 0


def test_what_a_session_leaves_goes_with_the_next(project: Project) -> None:
    """In a process that runs several, as a notebook does. pytest itself holds the first."""
    project.conftest(
        """
import builtins, weakref

def pytest_collection_finish(session):
    session.ring = lambda: session
    builtins.SESSIONS.append(weakref.ref(session.ring))
"""
    )
    project.file(SAMPLE)
    script = project.pytester.makepyfile(sessions=SESSIONS)

    result = project.pytester.runpython(script)

    (told,) = (line for line in result.outlines if line.startswith("gone:"))
    assert told in ("gone: [False, True, False]", "gone: [True, True, False]")
