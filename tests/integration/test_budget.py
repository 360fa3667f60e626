"""What a run costs and may cost: a real server that counts tokens, prices, and limits that hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_modeleval.results.details import read_details
from pytest_modeleval.results.results_json import read_results
from tests.fake_openai import FakeOpenAI, Fault, Said
from tests.integration.conftest import Project

SAMPLES = """
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": f"question {n}", "target": "yes"} for n in range(%d)])
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 500,
    "prompt_tokens_details": {"cached_tokens": 200},
    "completion_tokens_details": {"reasoning_tokens": 100},
}
PRICE = 'price={"input": 1, "output": 2, "cached": 0.5}'
EACH = (800 * 1 + 200 * 0.5 + 500 * 2) / 1e6
TOKENS = 1500


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(reply=lambda body: Said("yes", usage=USAGE)) as server:
        yield server


def arguments(server: FakeOpenAI, *more: str) -> list[str]:
    said = [f"base_url={server.url}", *more]
    return ["--model=openai:fake", *(f"--model-arg={each}" for each in said)]


def calls(project: Project) -> list[dict[str, Any]]:
    """The calls of all samples, as the details have them."""
    rows = read_details(project.path / "run", columns=["calls"])["calls"].to_pylist()
    return [call for row in rows for call in row]


class TestPrices:
    def test_a_call_costs_its_tokens(self, project: Project, server: FakeOpenAI) -> None:
        project.file(SAMPLES % 4)
        result = project.run(
            *arguments(server, PRICE), "--modeleval-out=run", "-p", "no:randomly", model=None
        )
        assert result.ret == 0
        (benchmark,) = project.results["benchmarks"]
        assert [call["cost"] for call in calls(project)] == pytest.approx([EACH] * 4)
        assert benchmark["cost"] == pytest.approx(4 * EACH)
        assert benchmark["metrics"]["cost"]["value"] == pytest.approx(EACH)

    def test_the_table_has_prices_by_alias(self, project: Project, server: FakeOpenAI) -> None:
        project.pytester.makepyprojecttoml(
            f"""
            [tool.modeleval.models.dear]
            model = "openai:fake"
            base_url = "{server.url}"
            price = {{input = 1000, output = 2000}}
            """
        )
        project.file(SAMPLES % 2)
        assert project.run(model="dear").ret == 0
        (benchmark,) = project.results["benchmarks"]
        assert benchmark["cost"] == pytest.approx(2 * (1000 * 1000 + 500 * 2000) / 1e6)

    def test_a_price_that_nobody_knows_leaves_the_cost_open(
        self, project: Project, server: FakeOpenAI
    ) -> None:
        project.file(SAMPLES % 2)
        assert project.run(*arguments(server), model=None).ret == 0
        (benchmark,) = project.results["benchmarks"]
        assert benchmark["cost"] is None
        assert "cost" not in benchmark["metrics"]

    def test_gpu_hours_are_shared_by_the_requests_in_flight(
        self, project: Project, server: FakeOpenAI
    ) -> None:
        server.latency = 0.1
        project.file(SAMPLES % 8)
        result = project.run(*arguments(server, "gpu_hour=3600"), "--concurrency=4", model=None)
        assert result.ret == 0
        (benchmark,) = project.results["benchmarks"]
        # A dollar a second: two rounds of 0.1 s, whatever each request took of them.
        assert 0.2 <= benchmark["cost"] <= benchmark["timing"]["duration_s"] + 0.01
        assert benchmark["metrics"]["cost"]["value"] == pytest.approx(benchmark["cost"] / 8)

    @pytest.mark.parametrize(
        ("said", "sentence"),
        [
            ("price = 3", "price=3: expected a table such as price = {input = 0.15, output"),
            ("price = {input = 1}", "price.output is missing: expected, say, price ="),
            ("price = {input = 1, output = -1}", "price.output=-1: expected US dollars per"),
            ("price = {input = true, output = 1}", "price.input=True: expected US dollars"),
            ("price = {input = nan, output = 1}", "price.input=nan: expected US dollars"),
            ("price = {input = 1, output = 1, reply = 1}", "price.reply: there are input, output"),
            ('gpu_hour = "2.5"', "gpu_hour='2.5': expected US dollars per GPU-hour"),
            ("gpu_hour = 1\nprice = {input = 1, output = 1}", "price and gpu_hour: a model has"),
        ],
    )
    def test_a_malformed_price_is_named(
        self, project: Project, server: FakeOpenAI, said: str, sentence: str
    ) -> None:
        project.pytester.makepyprojecttoml(
            f'[tool.modeleval.models.mine]\nmodel = "openai:fake"\nbase_url = "{server.url}"\n'
            + said
        )
        project.file(SAMPLES % 1)
        result = project.run(model="mine")
        assert result.ret == 4
        text = result.stderr.str()
        assert f"[tool.modeleval.models.mine]: {sentence}" in text
        assert not server.seen


class TestLedger:
    def test_tokens_and_costs_add_up(self, project: Project, server: FakeOpenAI) -> None:
        project.file(SAMPLES % 4)
        said = arguments(server, PRICE)
        result = project.run(*said, "--modeleval-out=run", model=None)
        assert result.ret == 0
        results = read_results(project.path / "run")
        (benchmark,) = results.benchmarks
        usage = {
            "requests": 4,
            "prompt_tokens": 4000,
            "completion_tokens": 2000,
            "cached_tokens": 800,
            "reasoning_tokens": 400,
        }
        assert results.usage == benchmark.usage == benchmark.roles["model"].usage == usage
        assert results.models["fake"].usage == usage
        assert results.cost == pytest.approx(4 * EACH)
        assert "cost: $0.0076" in result.outlines
        assert "`cost: $0.0076`" in (project.path / "run" / "summary.md").read_text()

    def test_helpers_are_told_apart(self, project: Project, server: FakeOpenAI) -> None:
        project.pytester.makepyprojecttoml(
            f"""
            [tool.modeleval.models.mine]
            model = "openai:fake"
            base_url = "{server.url}"
            price = {{input = 1, output = 2, cached = 0.5}}
            [tool.modeleval.models.referee]
            model = "openai:fake"
            base_url = "{server.url}"
            price = {{input = 10, output = 20, cached = 5}}
            """
        )
        project.file(
            SAMPLES.replace("sample, model", "sample, models").replace(
                "assert (await model",
                'await models["judge"].chat("is it?")\n    assert (await models["model"]',
            )
            % 4
        )
        result = project.run("--judge=referee", "--modeleval-out=run", model="mine")
        assert result.ret == 0
        results = read_results(project.path / "run")
        (benchmark,) = results.benchmarks
        costs = {role: each.cost for role, each in benchmark.roles.items()}
        assert costs == pytest.approx({"model": 4 * EACH, "judge": 40 * EACH})
        costs = {alias: each.cost for alias, each in results.models.items()}
        assert costs == pytest.approx({"mine": 4 * EACH, "referee": 40 * EACH})
        assert benchmark.cost == results.cost == pytest.approx(44 * EACH)
        assert benchmark.metrics["cost"].value == pytest.approx(EACH)
        assert "cost: $0.084 (judge $0.076)" in result.outlines

    def test_what_the_cache_saved_costs_nothing(self, project: Project, server: FakeOpenAI) -> None:
        project.file(SAMPLES % 4)
        said = arguments(server, PRICE, "revision=1")
        assert project.run(*said, model=None).ret == 0
        result = project.run(*said, f"--max-cost={EACH / 2}", "--modeleval-out=run", model=None)
        assert result.ret == 0
        assert len(server.bodies) == 4
        results = read_results(project.path / "run")
        assert (results.usage, results.cost) == ({}, None)
        assert results.saved["calls"] == 4
        assert results.saved["prompt_tokens"] == 4000
        assert results.saved["cost"] == pytest.approx(4 * EACH)
        assert [call["cost"] for call in calls(project)] == [0.0] * 4
        assert [call["saved"] for call in calls(project)] == pytest.approx([EACH] * 4)
        assert "cost: $0.0076 saved by the response cache" in result.outlines

    def test_an_attempt_that_failed_is_paid_for(self, project: Project, server: FakeOpenAI) -> None:
        broken = json.dumps({"choices": [], "usage": USAGE}).encode()
        server.fault = lambda seen: Fault(body=broken) if "question 1" in str(seen.body) else None
        project.file(SAMPLES % 3)
        result = project.run(
            *arguments(server, PRICE), "--max-attempts=2", "--modeleval-out=run", model=None
        )
        assert result.ret == 1
        sent = len(server.bodies)
        results = read_results(project.path / "run")
        assert results.usage["requests"] == sent
        assert results.usage["prompt_tokens"] == 1000 * sent
        assert results.cost == pytest.approx(sent * EACH)
        (failed,) = (call for call in calls(project) if call["reply"] is None)
        assert failed["messages"][0]["content"] == "question 1"
        assert failed["cost"] == pytest.approx(failed["attempts"] * EACH)

    def test_a_price_that_nobody_knows_is_told_once(
        self, project: Project, server: FakeOpenAI
    ) -> None:
        project.file(SAMPLES % 3)
        result = project.run(*arguments(server), model=None)
        told = [line for line in result.outlines if line.startswith("cost:")]
        assert told == ["cost: not known for 3 calls to fake (no price or no token counts)"]

    def test_models_of_this_machine_have_no_cost_to_tell(self, project: Project) -> None:
        project.file(SAMPLES % 3)
        for model in ("echo:", "probe:"):
            assert "cost:" not in project.run(model=model).stdout.str()


class TestLimits:
    @pytest.mark.parametrize("processes", ["0", "2"])
    @pytest.mark.parametrize(
        ("limit", "answers"), [(f"--max-cost={10 * EACH}", 10), (f"--max-tokens={10 * TOKENS}", 10)]
    )
    def test_no_more_is_spent_than_what_is_in_flight(
        self, project: Project, server: FakeOpenAI, limit: str, answers: int, processes: str
    ) -> None:
        server.latency = 0.02
        project.plugins = ["xdist"]
        project.file(SAMPLES % 100)
        result = project.run(
            *arguments(server, PRICE), limit, "--concurrency=3", "-n", processes, model=None
        )
        assert result.ret == 1
        in_flight = 3 * max(1, int(processes))
        assert answers <= len(server.bodies) < answers + in_flight
        assert server.peak <= in_flight
        assert project.samples["right"] == len(server.bodies)
        assert project.samples["not_run"] == 100 - len(server.bodies)
        assert not project.results["complete"]
        assert "the budget is spent: " in result.stdout.str()

    def test_a_budget_that_suffices_changes_nothing(
        self, project: Project, server: FakeOpenAI
    ) -> None:
        project.file(SAMPLES % 10)
        limit = f"--max-cost={10.5 * EACH}"
        assert project.run(*arguments(server, PRICE), limit, model=None).ret == 0
        assert project.samples == {"planned": 10, "right": 10}

    def test_helpers_spend_of_the_same_budget(self, project: Project, server: FakeOpenAI) -> None:
        project.pytester.makepyprojecttoml(
            f"""
            [tool.modeleval.models.judge]
            model = "openai:fake"
            base_url = "{server.url}"
            price = {{input = 1, output = 2, cached = 0.5}}
            """
        )
        project.file(
            (SAMPLES % 20)
            .replace("sample, model", "sample, models")
            .replace("await model.chat", 'await models["judge"].chat')
        )
        limit = f"--max-cost={4.5 * EACH}"
        result = project.run("--judge=judge", limit, "--concurrency=1", model="echo:")
        assert result.ret == 1
        assert len(server.bodies) == 5

    def test_without_a_price_it_is_refused_before_anything_is_sent(
        self, project: Project, server: FakeOpenAI
    ) -> None:
        project.file(SAMPLES % 2)
        result = project.run(*arguments(server), "--max-cost=1", model=None)
        assert result.ret == 4
        sentence = "--max-cost: what fake (openai:fake) costs is not known: say price = {input"
        assert sentence in result.stderr.str()
        assert not server.seen

    def test_tokens_that_the_server_does_not_tell_are_estimated(
        self, project: Project, server: FakeOpenAI
    ) -> None:
        server.reply = lambda body: Said("yes " * 100, usage={})
        project.file(SAMPLES % 50)
        result = project.run(*arguments(server), "--max-tokens=1000", "--concurrency=1", model=None)
        assert result.ret == 1
        # 400 bytes are about 100 tokens, and the question three.
        assert 8 <= len(server.bodies) <= 12

    def test_without_limits_no_file_is_made(self, project: Project, server: FakeOpenAI) -> None:
        project.file(SAMPLES % 2)
        project.run(*arguments(server, PRICE), "--modeleval-out=run", model=None)
        assert (project.path / "run" / "results.json").is_file()
        assert not list((project.path / "run").glob("state*"))

    def test_a_folder_that_is_used_again_starts_with_its_whole_budget(
        self, project: Project, server: FakeOpenAI
    ) -> None:
        project.file(SAMPLES % 4)
        limits = [f"--max-cost={4.5 * EACH}", "--modeleval-out=run", "--concurrency=1"]
        for _ in range(2):
            assert project.run(*arguments(server, PRICE), *limits, model=None).ret == 0

    def test_a_run_that_is_resumed_has_spent_what_it_had(
        self, project: Project, server: FakeOpenAI
    ) -> None:
        project.file(SAMPLES % 20)
        said = [*arguments(server, PRICE), "--concurrency=1"]
        assert project.run(*said, f"--max-cost={4.5 * EACH}", model=None).ret == 1
        assert len(server.bodies) == 5
        assert project.run(*said, f"--max-cost={4.5 * EACH}", model=None).ret == 1
        assert len(server.bodies) == 5
        more = ["--resume=latest", f"--max-cost={8.5 * EACH}"]
        assert project.run(*said, *more, model=None).ret == 1
        assert len(server.bodies) == 9
        assert project.samples["right"] == 9
        assert project.results["cost"] == pytest.approx(9 * EACH)
        assert project.run(*said, "--resume=latest", "--max-cost=1", model=None).ret == 0
        assert len(server.bodies) == 20
        assert project.results["cost"] == pytest.approx(20 * EACH)

    @pytest.mark.parametrize("said", ["--max-cost=much", "--max-cost=0", "--max-tokens=1.5"])
    def test_a_limit_that_is_none_is_refused(self, project: Project, said: str) -> None:
        project.file(SAMPLES % 1)
        result = project.run(said)
        assert result.ret == 4
        assert f"{said}: expected" in result.stderr.str()
