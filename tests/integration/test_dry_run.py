"""--modeleval-dry-run: what a run would take, and not one byte is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.fake_openai import FakeOpenAI
from tests.integration.conftest import Project

BODY = """
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": "x" * 40, "target": "yes"} for n in range(5)],
           gates=["accuracy >= 1"])
async def test_it(sample, model):
    reply = await model.chat(sample.input, max_tokens=10)
    assert (await model.chat(reply.text)).text == sample.target
"""
"""40 bytes are 10 tokens, and a message has 4 more."""


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


def dry(project: Project, server: FakeOpenAI, *more: str, ret: int = 0) -> list[str]:
    price = 'price={"input": 1, "output": 2}'
    result = project.run(
        "--model=openai:fake",
        f"--model-arg=base_url={server.url}",
        f"--model-arg={price}",
        "--modeleval-dry-run",
        *more,
        model=None,
    )
    assert result.ret == ret, result.stdout.str()
    assert server.seen == []
    assert not (project.path / ".modeleval").exists()
    return [" ".join(line.split()) for line in result.outlines]


def row(lines: list[str], benchmark: str = "test_it.py::test_it") -> list[str]:
    """The cells after the benchmark's name."""
    (found,) = (line for line in lines if line.startswith(benchmark + " "))
    return found.removeprefix(benchmark + " ").split(" ", 1)


def test_requests_tokens_and_price_are_told(project: Project, server: FakeOpenAI) -> None:
    project.file(BODY)
    lines = dry(project, server)
    # 70 tokens at a dollar a million and 50 at two.
    assert row(lines) == ["fake", "5 70 ≤ 50 ≤ $0.00017"]
    assert "prompt tokens of fake: estimated, 4 bytes a token" in lines
    assert any("the first call of each sample" in line for line in lines)


def test_every_epoch_and_benchmark_counts(project: Project, server: FakeOpenAI) -> None:
    project.file(BODY + BODY.replace("test_it", "test_other").replace("range(5)", "range(7)"))
    lines = dry(project, server, "--epochs=3")
    assert row(lines)[1].startswith("15 210 ≤ 150")
    assert row(lines, "test_it.py::test_other")[1].startswith("21 294 ≤ 210")
    assert row(lines, "in all")[0] == "36"


@pytest.mark.parametrize("processes", ["2", "auto"])
def test_workers_are_not_needed(project: Project, server: FakeOpenAI, processes: str) -> None:
    project.plugins = ["xdist"]
    project.file(BODY)
    assert row(dry(project, server, "-n", processes)) == ["fake", "5 70 ≤ 50 ≤ $0.00017"]


def test_what_is_selected_counts(project: Project, server: FakeOpenAI) -> None:
    project.file(BODY)
    assert row(dry(project, server, "--max-samples=3"))[1].startswith("3 ")
    assert row(dry(project, server, "-k", "s1 or s2"))[1].startswith("2 ")
    assert row(dry(project, server, "test_it.py::test_it[s4]"))[1].startswith("1 ")


def test_log_likelihoods_are_read_and_nothing_is_written(
    project: Project, server: FakeOpenAI
) -> None:
    project.file(
        BODY.replace("model.chat(sample.input, max_tokens=10)", 'model.choose("y" * 36, ["zzzz"])')
    )
    assert row(dry(project, server))[1].startswith("5 50 ≤ 0")


def test_plain_bodies_fixtures_and_helpers(project: Project, server: FakeOpenAI) -> None:
    project.file(
        """
import pytest
from pytest_modeleval import benchmark

closed = []

@pytest.fixture(scope="module")
def prefix():
    yield "x" * 20
    open("closed", "w").close()

@benchmark([{"id": "a", "input": ""}, {"id": "b", "input": ""}])
def test_it(sample, models, prefix):
    try:
        models["judge"].complete(prefix + "y" * 20)
    except Exception:
        models["model"].complete("again")
"""
    )
    lines = dry(project, server, "--judge=echo:judge")
    assert row(lines)[:1] == ["judge"]
    assert row(lines)[1].startswith("2 20 ≤ 2,048 not known")
    assert (project.path / "closed").exists()


def test_several_models_are_each_told(project: Project, server: FakeOpenAI) -> None:
    project.file(BODY)
    result = project.run("--model=echo:a", "--model=echo:b", "--modeleval-dry-run", model=None)
    assert result.ret == 0
    text = " ".join(result.stdout.str().split())
    assert "test_it.py::test_it a 5 70" in text
    assert "test_it.py::test_it b 5 70" in text


def test_engines_are_not_loaded(project: Project) -> None:
    project.file(BODY)
    result = project.run("--modeleval-dry-run", model="llamacpp:missing.gguf")
    assert result.ret == 0
    assert re.search(r"missing\s+5\s+70\s+≤ 50\s+not known", result.stdout.str())


def test_a_body_that_fails_before_it_asks_is_told(project: Project, server: FakeOpenAI) -> None:
    project.file(BODY.replace("    reply", '    print("noise")\n    {}["gone"]\n    reply', 1))
    lines = dry(project, server, ret=1)
    assert "test_it.py::test_it[s0]: KeyError: 'gone'" in lines
    assert "no sample would ask a model" in lines
    assert "noise" not in lines


def test_a_body_that_asks_nobody_is_counted(project: Project, server: FakeOpenAI) -> None:
    project.file(
        BODY.replace("    reply", '    if sample.id != "s0":\n        return\n    reply', 1)
    )
    lines = dry(project, server)
    assert row(lines)[1].startswith("1 14")
    assert "4 samples ask no model" in lines


def test_the_prompts_a_tokenizer_at_hand_counts(project: Project) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"x": 0, "[UNK]": 1}, unk_token="[UNK]")
    )
    vocabulary.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    (project.path / "checkpoint").mkdir()
    vocabulary.save(str(project.path / "checkpoint" / "tokenizer.json"))
    project.file(BODY)
    result = project.run("--modeleval-dry-run", model="vllm:./checkpoint")
    assert result.ret == 0
    text = " ".join(result.stdout.str().split())
    assert "test_it.py::test_it checkpoint 5 220 ≤ 50" in text  # a token for every x
    assert "prompt tokens of checkpoint: counted by its tokenizer" in text


def test_without_a_model_it_is_refused(project: Project) -> None:
    project.file(BODY)
    result = project.run("--modeleval-dry-run", model=None)
    assert result.ret == 4
    assert "no model to evaluate" in result.stderr.str()


def test_the_table_and_the_environment_may_say_so(
    project: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.file(BODY)
    monkeypatch.setenv("MODELEVAL_DRY_RUN", "true")
    said = f"--model-arg=base_url={server.url}"
    assert project.run("--model=openai:fake", said, model=None).ret == 0
    assert not server.seen
