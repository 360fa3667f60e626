"""Plugins that people have, side by side with benchmarks."""

from __future__ import annotations

import pytest

from tests.integration.conftest import ARITHMETIC, Project


def use(project: Project, *modules: str) -> None:
    """Load these plugins too; the test is skipped where one is not installed."""
    for module in modules:
        pytest.importorskip(module.partition(".")[0])
    project.plugins.extend(modules)


ASYNC_NEIGHBOURS = """
import asyncio
import pytest
from pytest_modeleval import benchmark

@pytest.fixture
async def own_loop():
    yield asyncio.get_running_loop()

MARK
async def test_ordinary(own_loop):
    assert asyncio.get_running_loop() is own_loop

MARK
@benchmark([{"id": f"s{n}", "input": str(n)} for n in range(3)])
async def test_it(sample, model, own_loop):
    assert (await model.chat(sample.input)).text == sample.input
    assert asyncio.get_running_loop() is own_loop

@benchmark([{"id": f"s{n}", "input": str(n)} for n in range(3)])
def test_plain(sample, model):
    assert model.chat(sample.input).text == sample.input
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_asyncio(project: Project, mode: str) -> None:
    use(project, "pytest_asyncio.plugin")
    text = ASYNC_NEIGHBOURS
    if mode == "strict":
        text = text.replace("MARK", "@pytest.mark.asyncio").replace(
            "@pytest.fixture", "import pytest_asyncio\n@pytest_asyncio.fixture"
        )
    project.file(text.replace("MARK", ""))
    loop_scope = "asyncio_default_fixture_loop_scope=function"
    result = project.run(f"--asyncio-mode={mode}", "-o", loop_scope, "--modeleval-wrong=fail")
    result.assert_outcomes(passed=7)


def test_anyio(project: Project) -> None:
    use(project, "anyio.pytest_plugin")
    project.file(
        ASYNC_NEIGHBOURS.replace("MARK", "@pytest.mark.anyio")
        + """
@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
    )
    project.run("--modeleval-wrong=fail").assert_outcomes(passed=7)


def test_anyio_mark_on_the_whole_module(project: Project) -> None:
    use(project, "anyio.pytest_plugin")
    project.file("import pytest\npytestmark = pytest.mark.anyio\n" + ARITHMETIC)
    assert project.run("-p", "no:randomly").ret == 0
    (benchmark,) = project.results["benchmarks"]
    assert benchmark["samples"]["right"] == 3


@pytest.mark.parametrize("kind, wait", [("async def", "await "), ("def", "")])
def test_cov_sees_the_lines_of_bodies(project: Project, kind: str, wait: str) -> None:
    use(project, "pytest_cov.plugin")
    project.file(f"""
from pytest_modeleval import benchmark

@benchmark([{{"id": f"s{{n}}", "input": str(n)}} for n in range(3)])
{kind} test_it(sample, model):
    reply = {wait}model.chat(sample.input)
    if reply.text == "2":
        seen = 2
    if reply.text == "9":
        unseen = 9
""")
    result = project.run_subprocess("--cov=test_it", "--cov-report=term-missing")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["test_it.py*  8   *1* 88%   9"])


def test_cov_does_not_stop_bodies_from_running_at_once(project: Project) -> None:
    use(project, "pytest_cov.plugin")
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak == 6)
        return text
""")
    project.file(ARITHMETIC)
    assert project.run_subprocess("--cov=test_it").ret == 0
    assert project.probe["peak"] == 6


STUCK = """
import asyncio

class Backend(Probe):
    async def reply(self, text, number):
        if text == "1":
            await asyncio.Event().wait()
        return text
"""


def test_timeout_ends_the_wait_for_a_body(project: Project) -> None:
    use(project, "pytest_timeout")
    project.conftest(STUCK)
    project.file(ARITHMETIC)
    result = project.run_subprocess("--timeout=1", "--timeout-method=signal")
    assert result.ret == 1
    assert project.samples == {"planned": 6, "right": 2, "wrong": 3, "error": 1}
    assert project.errors == {"s1": "Failed: Timeout (>1.0s) from pytest-timeout."}
    result.assert_outcomes(passed=2, failed=1)


def test_reruns_give_an_error_another_chance(project: Project) -> None:
    use(project, "pytest_rerunfailures")
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        if text == "1" and self.asked.count("1") < 3:
            raise ConnectionError("try again")
        return text
""")
    project.file(ARITHMETIC.replace("(sample, model)", "(sample, model, tmp_path)"))
    result = project.run("--reruns=2")
    assert result.ret == 0
    assert result.parseoutcomes()["rerun"] == 2
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}
    assert project.probe["asked"].count("1") == 3


def test_reruns_count_an_error_that_stays_once(project: Project) -> None:
    use(project, "pytest_rerunfailures")
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        if text == "1":
            raise ConnectionError("for good")
        return text
""")
    project.file(ARITHMETIC)
    result = project.run("--reruns=2")
    assert result.ret == 1
    assert project.samples == {"planned": 6, "right": 2, "wrong": 3, "error": 1}


def test_a_rerun_has_fresh_fixtures(project: Project) -> None:
    use(project, "pytest_rerunfailures")
    project.file("""
import pytest
from pytest_modeleval import benchmark

tries = []

@pytest.fixture
def connection():
    state = {"open": True}
    yield state
    state["open"] = False

@benchmark([{"id": f"s{n}", "input": ""} for n in range(2)])
async def test_it(sample, connection):
    assert connection["open"]
    if sample.id == "s1":
        tries.append(1)
        if len(tries) < 2:
            raise ConnectionError
""")
    assert project.run("--reruns=1").ret == 0
    assert project.samples == {"planned": 2, "right": 2}


def test_randomly_keeps_a_benchmark_together(project: Project) -> None:
    use(project, "pytest_randomly")
    project.file(
        ARITHMETIC.replace("])\n", '], gates=["accuracy >= 0.5"])\n')
        + """
import pytest

@pytest.fixture
def thing():
    print("thing up")
    yield
    print("thing down")

@benchmark([{"id": f"t{n}", "input": str(n)} for n in range(6)], gates=["accuracy >= 1"])
async def test_other(sample, model, thing):
    print("body")

def test_plain(): pass
"""
    )
    orders = set()
    for seed in range(4):
        result = project.run("-v", f"--randomly-seed={seed}")
        assert result.ret == 0
        lines = [
            line.split()[0] for line in result.outlines if "] RIGHT" in line or "] WRONG" in line
        ]
        orders.add(tuple(lines))
        names = [line.partition("[")[0] for line in lines]
        assert names in (sorted(names), sorted(names, reverse=True))
        assert result.parseoutcomes() == {"passed": 3 + 6 + 2 + 1, "wrong": 3}
    assert len(orders) > 1


def test_html_shows_samples(project: Project) -> None:
    use(project, "pytest_html.plugin", "pytest_metadata.plugin")
    project.file(ARITHMETIC)
    result = project.run("--html=report.html", "--self-contained-html")
    assert result.ret == 0
    page = (project.path / "report.html").read_text()
    for number in range(6):
        assert f"test_sums[s{number}]" in page
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}


def test_everything_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    project.file(ARITHMETIC)
    result = project.pytester.runpytest_subprocess("--model=echo:", timeout=60)
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 3
    assert result.parseoutcomes()["wrong"] == 3


def test_a_plugin_that_makes_reports_sees_every_sample(project: Project) -> None:
    project.conftest("""
import pytest

calls = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        calls.append(item.name)
    return report

def pytest_unconfigure():
    print("calls", sorted(calls))
""")
    project.file(ARITHMETIC)
    seen = [f"test_sums[s{n}]" for n in range(6)]
    assert f"calls {seen}" in project.run("-s").stdout.str()


def test_a_plugin_that_watches_each_phase_sees_every_sample(project: Project) -> None:
    project.conftest("""
import pytest
seen = []

def pytest_runtest_setup(item):
    seen.append(("setup", item.name))

def pytest_runtest_call(item):
    seen.append(("call", item.name))

def pytest_runtest_teardown(item, nextitem):
    seen.append(("teardown", item.name))

def pytest_unconfigure():
    print("seen", len(seen), sorted({phase for phase, _ in seen}))
""")
    project.file(ARITHMETIC)
    result = project.run("-s")
    result.stdout.fnmatch_lines(["seen 18 *'call', 'setup', 'teardown'*"])
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}


def test_hooks_of_others_see_a_wrong_sample_as_the_run_reports_it(project: Project) -> None:
    project.conftest(
        """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        with open("seen.txt", "a") as file:
            file.write(f"{report.outcome}\\n")
    return report
"""
    )
    project.file(ARITHMETIC)
    project.run()
    assert (project.path / "seen.txt").read_text().split() == ["passed"] * 6
