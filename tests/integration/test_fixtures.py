"""pytest's fixtures, marks, parameters and classes under a benchmark."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

SAMPLES = '@benchmark([{"id": f"s{n}", "input": str(n)} for n in range(4)])'


def events(project: Project) -> list[str]:
    """What the fixtures and bodies of a project wrote down, in order."""
    return (project.path / "events").read_text().split()


NOTE = """
import pytest
from pytest_modeleval import benchmark

def note(what):
    with open("events", "a") as file:
        file.write(what + "\\n")
"""


@pytest.mark.parametrize("scope", ["session", "package", "module", "class", "function"])
def test_a_fixture_is_set_up_once_for_a_benchmark(project: Project, scope: str) -> None:
    project.file(f"""{NOTE}
@pytest.fixture(scope="{scope}")
def thing():
    note("up")
    yield 7
    note("down")

{SAMPLES}
async def test_it(sample, model, thing):
    await model.chat(sample.input)
    note("body")
    assert thing == 7
""")
    assert project.run().ret == 0
    assert events(project) == ["up", *["body"] * 4, "down"]


@pytest.mark.parametrize("scope", ["module", "function"])
def test_a_fixture_of_two_benchmarks_lives_as_long_as_its_scope(
    project: Project, scope: str
) -> None:
    project.file(f"""{NOTE}
@pytest.fixture(scope="{scope}")
def thing():
    note("up")
    yield 7
    note("down")

{SAMPLES}
async def test_a(sample, thing):
    note("a")

{SAMPLES}
def test_b(sample, thing):
    note("b")
""")
    assert project.run().ret == 0
    between = ["down", "up"] if scope == "function" else []
    assert events(project) == ["up", *"aaaa", *between, *"bbbb", "down"]


def test_a_fixture_is_fresh_when_its_benchmark_comes_back(project: Project) -> None:
    project.conftest("""
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_finish(session):
    yield
    session.items.sort(key=lambda item: item.name[-3:])
""")
    project.file(f"""{NOTE}
@pytest.fixture
def connection():
    state = {{"open": True}}
    yield state
    state["open"] = False

{SAMPLES}
async def test_a(sample, connection):
    note("a")
    assert connection["open"]

{SAMPLES}
async def test_b(sample, connection):
    note("b")
    assert connection["open"]
""")
    project.run()
    assert events(project) == [*"ab" * 4]
    assert {each["samples"]["right"] for each in project.results["benchmarks"]} == {4}


def test_autouse_and_usefixtures(project: Project) -> None:
    project.file(f"""{NOTE}
@pytest.fixture(autouse=True)
def unasked():
    note("unasked")

@pytest.fixture
def named():
    note("named")

{SAMPLES}
@pytest.mark.usefixtures("named")
async def test_it(sample):
    note("body")

def setup_module():
    note("module")
""")
    assert project.run().ret == 0
    seen = events(project)
    assert seen[0] == "module"
    assert seen[-4:] == ["body"] * 4
    assert {"unasked", "named"} <= {*seen[:-1]}


def test_async_fixtures_share_the_loop_of_the_bodies(project: Project) -> None:
    project.file(f"""{NOTE}
import asyncio

@pytest.fixture(scope="module")
async def loop():
    await asyncio.sleep(0)
    return asyncio.get_running_loop()

@pytest.fixture
async def session(loop):
    note("open")
    yield loop
    await asyncio.sleep(0)
    note("closed")

{SAMPLES}
async def test_it(sample, session, loop):
    assert asyncio.get_running_loop() is session is loop
    note("body")

{SAMPLES}
def test_plain(sample, session):
    assert session.is_running()
    note("body")
""")
    assert project.run().ret == 0
    assert {each["samples"]["right"] for each in project.results["benchmarks"]} == {4}
    assert events(project) == ["open", *["body"] * 4, "closed"] * 2


def test_a_failing_fixture_is_told_once_and_counts_every_sample(project: Project) -> None:
    project.file(f"""{NOTE}
@pytest.fixture
def thing():
    note("up")
    raise ConnectionError("the database is down")

{SAMPLES}
async def test_it(sample, thing):
    note("body")
""")
    result = project.run()
    assert result.ret == 1
    assert events(project) == ["up"]
    text = result.stdout.str()
    assert text.count('raise ConnectionError("the database is down")') == 1
    assert text.count("the fixtures of this benchmark failed: ConnectionError: the database") == 3
    assert project.samples == {"planned": 4, "error": 4}
    result.assert_outcomes(errors=4)


def test_an_async_fixture_that_fails_or_ends_badly(project: Project) -> None:
    project.file(f"""{NOTE}
@pytest.fixture
async def bad():
    raise ConnectionError("no route")

@pytest.fixture
async def twice():
    yield 1
    yield 2

{SAMPLES}
async def test_a(sample, bad):
    note("body")

{SAMPLES}
async def test_b(sample, twice):
    assert twice == 1
""")
    result = project.run()
    result.assert_outcomes(errors=5, passed=4)
    result.stdout.fnmatch_lines(["*ConnectionError: no route*", "*may yield only once*"])


def test_a_fixture_may_skip_all_samples(project: Project) -> None:
    project.file(f"""{NOTE}
@pytest.fixture
def thing():
    pytest.skip("no licence")

{SAMPLES}
async def test_it(sample, thing):
    note("body")
""")
    result = project.run("-rs")
    assert result.ret == 0
    result.assert_outcomes(skipped=4)
    assert project.samples == {"planned": 4, "skipped": 4}


def test_each_sample_has_its_own_tmp_path(project: Project) -> None:
    project.file(f"""{NOTE}
{SAMPLES}
async def test_it(sample, model, tmp_path):
    file = tmp_path / "file"
    assert not file.exists()
    file.write_text(sample.id)
    await model.chat(sample.input)
    assert file.read_text() == sample.id
    note(str(tmp_path))
""")
    assert project.run().ret == 0
    assert project.samples["right"] == 4
    assert len({*events(project)}) == 4


def test_caplog_sees_its_own_sample(project: Project) -> None:
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak == 4)
        return text
""")
    project.file(f"""{NOTE}
import logging

{SAMPLES}
async def test_it(sample, model, caplog):
    logging.getLogger("body").warning("before %s", sample.id)
    await model.chat(sample.input)
    logging.getLogger("body").warning("after %s", sample.id)
    assert caplog.messages == [f"before {{sample.id}}", f"after {{sample.id}}"]
    assert len(caplog.get_records("call")) == 2
""")
    project.run("--modeleval-wrong=fail")
    assert project.samples["right"] == 4


def test_caplog_cannot_change_levels_for_all(project: Project) -> None:
    project.file(f"""{NOTE}
import logging

{SAMPLES}
async def test_it(sample, caplog):
    with caplog.at_level(logging.DEBUG):
        pass
""")
    project.run()
    assert project.samples == {"planned": 4, "error": 4}
    assert "use --log-level" in project.errors["s0"]


@pytest.mark.parametrize("fixture", ["capsys", "capfd", "monkeypatch", "recwarn", "subtests"])
def test_fixtures_for_one_test_at_a_time_are_refused(project: Project, fixture: str) -> None:
    project.file(f"{NOTE}\n{SAMPLES}\nasync def test_it(sample, {fixture}): pass")
    result = project.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(
        [f"*test_it asks for {fixture}, which is made for one test at a time*"]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_fixture_that_asks_for_sample_is_refused(project: Project) -> None:
    project.file(f"""{NOTE}
@pytest.fixture
def question(sample):
    return sample.input

{SAMPLES}
async def test_it(sample, question): pass
""")
    result = project.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*fixture question asks for `sample`*"])


def test_a_missing_fixture_is_told_as_pytest_does(project: Project) -> None:
    project.file(f"{NOTE}\n{SAMPLES}\nasync def test_it(sample, nonsense): pass")
    result = project.run()
    result.stdout.fnmatch_lines(["*fixture 'nonsense' not found*"])
    assert result.ret == 1


def test_request_is_at_hand(project: Project) -> None:
    project.file(f"""{NOTE}
{SAMPLES}
async def test_it(sample, request):
    assert request.config.getoption("verbose") == 1
    assert request.getfixturevalue("tmp_path_factory")
""")
    project.run("-v")
    assert project.samples["right"] == 4
