"""A question that was answered is not asked again, and only that one."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pytest_modeleval.cli import main
from tests.fake_openai import FakeOpenAI
from tests.integration.conftest import Project

CHATS = """
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": f"question {n}"} for n in range(6)])
async def test_chats(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == "42"
"""


class Served:
    """A project, and a real server that counts what it is asked."""

    def __init__(self, project: Project, server: FakeOpenAI) -> None:
        self.project = project
        self.server = server
        project.file(CHATS)

    def run(self, *arguments: str, revision: str | None = "r1") -> pytest.RunResult:
        given = [f"--model-arg=base_url={self.server.url}", *arguments]
        if revision is not None:
            given.append(f"--model-arg=revision={revision}")
        return self.project.run(*given, "-p", "no:cacheprovider", model="openai:fake")

    def asked(self, *arguments: str, revision: str | None = "r1") -> int:
        """How many requests a run of its own brings the server; its samples are all right."""
        before = len(self.server.bodies)
        assert self.run(*arguments, revision=revision).ret == 0
        return len(self.server.bodies) - before

    @property
    def calls(self) -> list[dict[str, object]]:
        """The first call of each sample, as the details of the latest run have it."""
        (file,) = (self.project.path / ".modeleval/runs/latest/details").glob("*.parquet")
        return [calls[0] for calls in pq.read_table(file)["calls"].to_pylist()]

    @property
    def file(self) -> Path:
        return self.project.path / ".modeleval" / "cache.sqlite"


@pytest.fixture
def served(project: Project) -> Iterator[Served]:
    with FakeOpenAI(lambda body: "42") as server:
        yield Served(project, server)


def test_a_second_run_asks_nothing_and_says_the_same(served: Served) -> None:
    assert served.asked() == 6
    first = served.calls
    assert served.asked() == 0
    second = served.calls
    assert [call["cached"] for call in first] == [False] * 6
    assert [call["cached"] for call in second] == [True] * 6
    assert [call["attempts"] for call in second] == [0] * 6
    for name in ("reply", "usage", "latency_s", "sampling", "messages"):
        assert [call[name] for call in second] == [call[name] for call in first]


def test_the_terminal_says_where_replies_came_from(served: Served) -> None:
    assert "from the response cache" not in str(served.run().stdout)
    served.run().stdout.fnmatch_lines(["  6 replies from the response cache"])


@pytest.mark.parametrize(
    "changed",
    [
        "--model-arg=temperature=0.5",
        "--model-arg=max_tokens=9",
        "--modeleval-seed=1",
        "--model-arg=revision=r2",
    ],
)
def test_another_request_or_model_is_asked(served: Served, changed: str) -> None:
    assert served.asked() == 6
    revision = None if "revision" in changed else "r1"
    assert served.asked(changed, revision=revision) == 6


def test_every_epoch_is_asked_of_its_own(served: Served) -> None:
    assert served.asked("--model-arg=seed=1") == 6
    assert served.asked("--model-arg=seed=1", "--epochs=3") == 12
    assert served.asked("--model-arg=seed=1", "--epochs=3") == 0


def test_another_server_is_asked(served: Served) -> None:
    assert served.asked() == 6
    with FakeOpenAI(lambda body: "42") as other:
        served.server = other
        assert served.asked() == 6


def test_a_model_that_nothing_proves_is_asked_again_by_another_run(served: Served) -> None:
    assert served.asked(revision=None) == 6
    assert served.asked(revision=None) == 6


def test_a_benchmark_that_is_renamed_is_not_asked_again(served: Served) -> None:
    assert served.asked() == 6
    served.project.file(CHATS.replace("test_chats", "test_talks"))
    assert served.asked() == 0


def test_a_limit_of_time_asks_nothing_again(served: Served) -> None:
    assert served.asked() == 6
    assert served.asked("--sample-timeout=60") == 0
    assert served.asked("--sample-timeout=50") == 0


def test_modes(served: Served) -> None:
    assert served.asked("--modeleval-cache=off") == 6
    assert not served.file.exists()
    assert served.asked("--modeleval-cache=read") == 6
    assert served.asked("--modeleval-cache=refresh") == 6
    assert served.asked("--modeleval-cache=read") == 0
    assert served.asked("--modeleval-cache=refresh") == 6
    assert served.asked() == 0


def test_what_was_refreshed_takes_the_place_of_what_was_there(served: Served) -> None:
    assert served.asked() == 6
    served.server.reply = lambda body: "no longer"
    assert served.run("--modeleval-cache=refresh").ret == 0
    served.server.reply = lambda body: "42"
    served.run()
    assert {call["reply"] for call in served.calls} == {"no longer"}


def test_workers_share_the_file(served: Served) -> None:
    served.project.plugins.append("xdist")
    assert served.asked("-n2") == 6
    assert served.asked("-n2") == 0
    assert served.asked() == 0
    assert {call["cached"] for call in served.calls} == {True}


def test_a_file_that_is_no_cache_is_set_aside(served: Served) -> None:
    served.file.parent.mkdir()
    served.file.write_bytes(b"precious " * 1000)
    result = served.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["response cache: *cache.sqlite is damaged or no response cache*: it is now *.aside-*"]
    )
    assert sum("response cache:" in line for line in result.outlines) == 1
    (aside,) = served.file.parent.glob("cache.sqlite.aside-*")
    assert aside.read_bytes() == b"precious " * 1000
    assert served.asked() == 0


def test_a_key_is_never_in_the_file(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    served.server.key = "sk-very-secret"
    assert served.asked() == 6
    for file in served.file.parent.glob("cache.sqlite*"):
        assert b"very-secret" not in file.read_bytes()
    with sqlite3.connect(served.file) as connection:
        dump = "\n".join(connection.iterdump())
    assert "42" in dump
    assert "very-secret" not in dump


def test_two_runs_at_once_share_the_file(served: Served) -> None:
    """Both ask, since neither knows of the other's question in flight; both keep the same file."""
    project = served.project
    project.file(CHATS.replace("range(6)", "range(300)"))
    command = [
        *project.pytester._getpytestargs(),
        *("-p", "modeleval", "-p", "no:cacheprovider", "--model=openai:fake"),
        *(f"--model-arg=base_url={served.server.url}", "--model-arg=revision=r1"),
    ]
    runs = [
        subprocess.Popen([*command, f"--modeleval-out={name}"], stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for run in runs:
        said, _ = run.communicate(timeout=60)
        assert run.returncode == 0, said
        assert "response cache:" not in said, "nothing to complain of"
    assert 300 <= len(served.server.bodies) <= 600
    assert served.asked() == 0


def test_a_judge_is_cached_by_what_it_is_and_not_by_its_role(served: Served) -> None:
    served.project.file(
        """
        from pytest_modeleval import benchmark

        @benchmark([{"id": "s", "input": "question"}])
        async def test_judged(sample, models):
            await models[ROLE].chat("the same question")
        """.replace("ROLE", "'model'")
    )
    assert served.asked() == 1
    served.project.file(
        """
        from pytest_modeleval import benchmark

        @benchmark([{"id": "s", "input": "question"}])
        async def test_judged(sample, models):
            await models["judge"].chat("the same question")
        """
    )
    toml = "[tool.modeleval.models.j]\nmodel = 'openai:fake'\nrevision = 'REVISION'\n"
    toml += f"base_url = '{served.server.url}'\n"
    served.project.pytester.makepyprojecttoml(toml.replace("REVISION", "r1"))
    assert served.asked("--judge=j") == 0
    served.project.pytester.makepyprojecttoml(toml.replace("REVISION", "r2"))
    assert served.asked("--judge=j") == 1


def test_log_likelihoods_are_cached(served: Served) -> None:
    served.project.file(
        """
        from pytest_modeleval import benchmark

        @benchmark([{"id": "s", "input": "question"}])
        async def test_choices(sample, model):
            choice = await model.choose("Which one?", [" this", " that one"])
            assert choice.text == " this"
        """
    )
    assert served.asked() == 1
    first = served.calls
    assert served.asked() == 0
    assert served.calls[0]["loglikelihoods"] == first[0]["loglikelihoods"]


def test_a_replay_is_not_cached(served: Served) -> None:
    """It may answer another benchmark otherwise."""
    file = served.project.path / "said.jsonl"
    lines = [
        {"id": f"s{n}", "benchmark": "test_it.py::test_chats", "reply": "42"} for n in range(6)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = served.project.run(model=f"replay:{file}")
    assert result.ret == 0
    assert not served.file.exists()


def test_what_failed_is_asked_again_and_nothing_else(served: Served) -> None:
    served.server.reply = lambda body: "" if "3" in body["messages"][0]["content"] else "42"
    assert served.run().ret == 0
    served.server.reply = lambda body: "42"
    before = len(served.server.bodies)
    assert served.run().ret == 0
    (again,) = served.server.bodies[before:]
    assert again["messages"][0]["content"] == "question 3"


def test_a_file_of_ones_own_and_a_size(served: Served) -> None:
    own = "--modeleval-cache-file=kept/replies.sqlite"
    assert served.asked(own) == 6
    assert not served.file.exists()
    assert (served.project.path / "kept" / "replies.sqlite").is_file()
    assert served.asked(own) == 0
    assert served.asked(own, "--modeleval-cache-size=1kB") == 0
    assert served.run("--modeleval-cache-size=much").ret == pytest.ExitCode.USAGE_ERROR


def test_a_worker_tells_what_is_wrong_once(served: Served) -> None:
    served.project.plugins.append("xdist")
    result = served.run("-n2", "--modeleval-cache=read")
    assert result.ret == 0
    told = [line for line in result.outlines if line.startswith("response cache:")]
    assert len(told) == 1
    assert "there is no response cache" in told[0]


def test_the_command_line_looks_checks_and_empties(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        assert main(["cache", *arguments]) == status
        out, err = capsys.readouterr()
        return err if status else out

    monkeypatch.chdir(served.project.path)
    assert "there is no response cache at" in said("info", status=2)
    assert served.asked() == 6
    assert re.search(r"openai:fake +6 replies +\d+ bytes +last used 2", said("info"))
    (served.project.path / "deep").mkdir()
    monkeypatch.chdir(served.project.path / "deep")
    assert "6 replies, all as they were stored" in said("verify")
    assert "it has those of openai:fake" in said("clear", "--model=openai:other", status=2)
    with sqlite3.connect(served.file) as connection:
        connection.execute("UPDATE replies SET reply = x'00' WHERE id = 3")
    connection.close()
    assert "1 of 6 replies are damaged" in said("verify", status=2)
    assert "6 replies removed" in said("clear", "--model=openai:fake")
    assert "0 replies, all" in said("verify", f"--file={served.file}")
    monkeypatch.chdir(served.project.path)
    assert served.asked() == 6
    served.file.write_bytes(b"no cache")
    for what in ("info", "verify", "clear"):
        assert "is damaged or no response cache" in said(what, status=2)
    assert served.file.read_bytes() == b"no cache"


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "two"])
def test_what_cannot_be_cached_is_told_on_a_line_of_its_own(
    project: Project, workers: list[str]
) -> None:
    project.plugins.append("xdist")
    project.file(
        """
        import asyncio
        from pytest_modeleval import benchmark

        @benchmark([{"id": f"s{n}", "input": "?"} for n in range(3)])
        async def test_odd(sample, model):
            if sample.id == "s2":
                await asyncio.sleep(0.2)
                await model.chat("?", extra={"odd": object()})
        """
    )
    result = project.run("-q", *workers)
    assert result.ret == 0
    told = "some replies of probe:probe are not cached: object has no form in JSON"
    assert [line for line in result.outlines if "not cached" in line] == [told]
