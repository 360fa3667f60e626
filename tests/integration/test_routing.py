"""What a benchmark needs, what the model can do, and the other way."""

from __future__ import annotations

import json

import pyarrow.parquet as parquet
import pytest

from tests.integration.conftest import Project

CAN = """
from pytest_modeleval.models.protocol import Capabilities

class Backend(Probe):
    def __init__(self, name="", **arguments):
        super().__init__(name)
        self.capabilities = Capabilities({})
"""

HEAD = """
from pytest_modeleval import ContentPart, Message, Tool, benchmark

DATA = [{"id": "a", "input": "a", "target": "a"}]
ADD = Tool("add")
IMAGE = "data:image/png;base64,AAAA"

def helper(model):
    return model.chat([Message("user", (ContentPart("image", url=IMAGE),))])
"""


def can(project: Project, **capabilities: bool) -> None:
    said = ", ".join(f"{name}={value}" for name, value in capabilities.items())
    project.conftest(CAN.replace("{}", said))


def body(project: Project, text: str, arguments: str = "model", mark: str = "") -> None:
    project.file(
        HEAD + f"\n@benchmark(DATA{mark})\nasync def test_it(sample, {arguments}):\n    {text}\n"
    )


class TestNeeds:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("await model.chat('a', tools=[ADD])", "gives model.chat tools"),
            ("[await model.chat('a', tools=t) for t in [[ADD]]]", "gives model.chat tools"),
            ("await model.complete('a', logprobs=3)", "asks model.complete for log-prob*"),
            ("await model.choose('a', ['b'])", "calls model.choose"),
            ("await model.loglikelihood('a', ['b'])", "calls model.loglikelihood"),
            ("parts = (ContentPart('image', url=IMAGE),)", "makes an image"),
            ("parts = (ContentPart(type='image', url=IMAGE),)", "makes an image"),
        ],
    )
    def test_the_body_tells(self, project: Project, text: str, words: str) -> None:
        can(project, chat=True, completion=True)
        body(project, text)
        project.run()
        assert project.samples == {"planned": 1, "not_run": 1}
        refusal = project.results["benchmarks"][0]["refusal"]
        pytest.LineMatcher([refusal]).fnmatch_lines(
            [f"test_it {words}, but probe (probe) cannot do that*"]
        )
        assert project.probe["asked"] == []

    @pytest.mark.parametrize(
        "text",
        [
            "await model.chat('a', tools=None or ())",
            "await model.chat('a', logprobs=None)",
            "await models['judge'].chat([Message('user', (ContentPart('image', url=IMAGE),))])",
            "await models['model'].chat('a')",
            "model.capabilities.loglikelihood and await model.choose('a', ['b'])",
            "model.capabilities.loglikelihood and await model.perplexity('a b')",
            "ContentPart('text', text='image')",
        ],
    )
    def test_no_more_than_is_said(self, project: Project, text: str) -> None:
        can(project, chat=True, completion=True, tools="tools=None" in text)
        body(project, text, "model, models")
        project.run("--judge=echo:")
        assert project.samples == {"planned": 1, "right": 1}

    def test_the_model_by_its_role(self, project: Project) -> None:
        can(project, completion=True)
        body(project, "await models['model'].chat('a')", "models")
        project.run()
        assert project.samples == {"planned": 1, "not_run": 1}

    @pytest.mark.parametrize(
        ("mark", "outcome"), [("", "right"), (', needs=["images"]', "not_run")]
    )
    def test_a_helper_tells_nothing_and_needs_does(
        self, project: Project, mark: str, outcome: str
    ) -> None:
        can(project, chat=True)
        body(project, "await helper(model)", mark=mark)
        project.run()
        assert project.samples == {"planned": 1, outcome: 1}

    def test_needs_hold_where_the_body_decides(self, project: Project) -> None:
        can(project, chat=True)
        body(project, "model.capabilities.chat", mark=', needs=["tools"]')
        project.run()
        assert project.results["benchmarks"][0]["refusal"] == (
            "test_it needs tools, but probe (probe) cannot do that"
        )

    def test_a_need_that_is_none(self, project: Project) -> None:
        body(project, "pass", mark=', needs=["vision"]')
        result = project.run()
        result.stdout.fnmatch_lines(["@benchmark(needs=[[]'vision'[]]): expected some of chat, *"])

    def test_tools_in_a_helper_are_an_error_of_the_sample(self, project: Project) -> None:
        can(project, chat=True)
        body(project, "ask = getattr(model, 'chat'); await ask('a', tools=[ADD])")
        project.run()
        assert project.errors == {"a": "probe cannot call tools: use a model that can"}

    def test_an_engine_that_is_loaded_later(self, project: Project) -> None:
        project.conftest(
            """
from pytest_modeleval.models.protocol import Capabilities

class Base(Probe):
    def __init__(self, name="", **arguments):
        super().__init__(name)
        self.capabilities = Capabilities(completion=True)

def pytest_modeleval_backends():
    return {
        "probe": BackendEntry("conftest:Backend", in_process=True),
        "base": BackendEntry("conftest:Base", in_process=True),
    }
"""
        )
        project.file(
            HEAD + "\n@benchmark(DATA, gates=['accuracy >= 1'])\n"
            "async def test_it(sample, model):\n    await model.chat('a')\n"
        )
        result = project.run("--model=probe:one", "--model=base:two", model=None)
        assert result.ret == 1
        one, two = project.results["benchmarks"]
        assert (one["samples"]["right"], two["samples"]["not_run"]) == (1, 1)
        assert two["refusal"].startswith("test_it calls model.chat, but two (probe) cannot")
        assert two["gates"][0]["reason"] == two["refusal"]

    def test_under_pytests_own_protocol(self, project: Project) -> None:
        can(project, completion=True)
        body(project, "await model.chat('a')")
        project.run("--setup-show")
        assert project.samples == {"planned": 1, "not_run": 1}


class TestRoles:
    def test_a_helper_that_nobody_named(self, project: Project) -> None:
        body(project, "await models['judge'].chat('a')", "models")
        result = project.run()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                "ERROR: test_it asks for models[[]'judge'[]], and no model has that role: name one "
                "with --role judge=BACKEND:NAME"
            ]
        )
        assert not (project.path / "probe.json").exists(), "nothing was loaded"

    def test_on_workers(self, project: Project) -> None:
        project.plugins = ["xdist"]
        body(project, "await models['judge'].chat('a')", "models")
        result = project.run_subprocess("-n2")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*asks for models[[]'judge'[]], and no model has that role*"])

    def test_one_that_the_body_can_do_without(self, project: Project) -> None:
        body(project, "'judge' in models and await models['judge'].chat('a')", "models")
        project.run()
        assert project.samples == {"planned": 1, "right": 1}

    def test_of_a_benchmark_that_does_not_run(self, project: Project) -> None:
        body(project, "await models['judge'].chat('a')", "models")
        project.file(HEAD + "\n@benchmark(DATA)\ndef test_b(sample, model): pass", "test_b")
        assert project.run("-k", "test_b").ret == 0


CHOICES = """
from pytest_modeleval import benchmark

DATA = [
    {"id": "france", "input": "The capital of France is", "target": " Paris"},
    {"id": "kenya", "input": "The capital of Kenya is", "target": " Nairobi"},
]

@benchmark(DATA, gates=["accuracy >= 0.5"])
async def test_capitals(sample, model):
    choice = await model.choose(sample.input, [" Paris", " Nairobi", " Rome"])
    assert choice.text == sample.target
    assert choice.index == [" Paris", " Nairobi"].index(sample.target)
"""

REPLIES = """
    async def reply(self, text, number):
        self.notes.setdefault("prompts", []).append(text)
        return "{}" if "Kenya" in text else "I do not know."
"""


def calls(project: Project) -> dict[str, list[dict[str, object]]]:
    (file,) = (project.path / "out/details").glob("*.parquet")
    return {row["id"]: row["calls"] for row in parquet.read_table(file).to_pylist()}


class TestChooseByLetters:
    def run(self, project: Project, reply: str, **capabilities: bool) -> pytest.RunResult:
        said = ", ".join(f"{name}={value}" for name, value in capabilities.items())
        project.conftest(CAN.replace("{}", said) + REPLIES.replace("{}", reply))
        project.file(CHOICES)
        return project.run("--choose-by=letters", "--modeleval-out=out")

    def test_a_model_that_chats(self, project: Project) -> None:
        result = self.run(project, "The answer is (B).", chat=True, completion=True)
        assert result.ret == 0
        assert project.samples == {"planned": 2, "right": 1, "wrong": 1}
        assert project.probe["prompts"][0] == (
            "The capital of France is\n\nA. Paris\nB. Nairobi\nC. Rome\n\n"
            "Reply with the letter of the right choice alone."
        )

    def test_a_model_that_completes(self, project: Project) -> None:
        self.run(project, " B. Nairobi", completion=True)
        assert project.samples == {"planned": 2, "right": 1, "wrong": 1}
        assert project.probe["prompts"][0].endswith("\nC. Rome\n\nAnswer:")
        (call,) = calls(project)["kenya"]
        assert call["sampling"]["stop"] == ["\n"]  # type: ignore[index]

    def test_the_results_say_so(self, project: Project) -> None:
        result = self.run(project, "B", chat=True)
        (call,) = calls(project)["kenya"]
        assert (call["kind"], call["reply"], call["loglikelihoods"]) == ("letters", "B", [])
        results = json.loads((project.path / "out/results.json").read_text())
        assert results["benchmarks"][0]["choose_by"] == "letters"
        note = "choices by letters, not by log-likelihood"
        result.stdout.fnmatch_lines([f"  {note}"])
        assert note in (project.path / "out/summary.md").read_text()

    def test_by_letters_although_it_has_likelihoods(self, project: Project) -> None:
        self.run(project, "B", chat=True, loglikelihood=True)
        assert calls(project)["kenya"][0]["kind"] == "letters"

    def test_a_model_that_generates_nothing(self, project: Project) -> None:
        self.run(project, "B", loglikelihood=True)
        assert project.samples == {"planned": 2, "not_run": 2}

    def test_it_is_not_taken_unasked(self, project: Project) -> None:
        can(project, chat=True)
        project.file(CHOICES)
        result = project.run()
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            ["*calls model.choose, *: with --choose-by letters it may reply with a letter"]
        )
        assert project.probe["asked"] == []

    def test_likelihoods_are_no_letters(self, project: Project) -> None:
        project.file(CHOICES)
        result = project.run()
        assert project.results["benchmarks"][0]["choose_by"] is None
        result.stdout.no_fnmatch_line("*choices by*")

    def test_more_choices_than_letters(self, project: Project) -> None:
        project.file(CHOICES.replace('" Rome"]', "*map(str, range(25))]"))
        project.run("--choose-by=letters")
        assert project.errors["kenya"] == (
            "model.choose: 27 choices, but by letters there can be no more than 26"
        )


class TestPerplexity:
    """The tiny model begins every text with a token of its own, so that each character counts."""

    BODY = """
import math
import pytest
from pytest_modeleval import benchmark, score

DATA = [{"id": "sum", "input": "12+30=42\\n", "target": ""}]

@benchmark(DATA, gates=["bits_per_byte <= 6"])
async def test_texts(sample, model):
    found = await model.perplexity(sample.input)
    score("bits_per_byte", found.bits_per_byte)
    assert (found.tokens, found.words, found.bytes) == (9, 1, 9)
    (forced,) = await model.loglikelihood("", [sample.input])
    assert found.sum == pytest.approx(forced.sum, abs=0.1)  # beside others in a batch
    assert found.per_token == found.per_byte == pytest.approx(math.exp(-found.sum / 9))
    assert found.per_word == pytest.approx(math.exp(-found.sum))
    assert found.bits_per_byte == pytest.approx(-found.sum / 9 / math.log(2))

@benchmark(DATA)
def test_without_await(sample, model):
    assert model.perplexity("1+1=2").per_token < model.perplexity("=+=+=").per_token

@benchmark(DATA)
async def test_short(sample, model):
    await model.perplexity("")
"""

    def test_of_a_model_that_gives_log_likelihoods(self, project: Project) -> None:
        pytest.importorskip("xllamacpp")
        project.file(self.BODY)
        project.run("--modeleval-out=out", model="tiny")
        texts, blocking, short = project.results["benchmarks"]
        assert (texts["samples"]["right"], blocking["samples"]["right"]) == (1, 1)
        assert texts["gates"][0]["verdict"] == "passed"
        assert short["errors"][0]["error"] == (
            "model.perplexity: the text is too short: it needs two tokens or more"
        )
        file = project.path / "out/details/test_it.test_texts.parquet"
        call = parquet.read_table(file).to_pylist()[0]["calls"][0]
        assert (call["kind"], call["messages"], call["reply"]) == ("perplexity", [], None)
        assert call["loglikelihoods"][0]["continuation"] == "12+30=42\n"

    def test_replayed(self, project: Project) -> None:
        pytest.importorskip("xllamacpp")
        project.file(self.BODY)
        project.run("--modeleval-out=out", model="tiny")
        project.run("--modeleval-out=again", model="replay:out")
        texts, blocking, _ = project.results["benchmarks"]
        assert (texts["samples"]["right"], blocking["samples"]["right"]) == (1, 1)

    def test_of_one_that_does_not(self, project: Project) -> None:
        can(project, chat=True)
        body(project, "await model.perplexity('a b')")
        project.run()
        assert project.samples == {"planned": 1, "not_run": 1}
