"""What a person sees: the live line, the closing table, the verdict."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest

from tests.integration.conftest import Project

SLOW = """
import asyncio
from pytest_modeleval import benchmark, score

@benchmark([{"id": str(n), "input": "a", "target": "a" if n % 4 else "b"} for n in range(40)],
           gates=["accuracy >= 0.5"])
async def test_slow(sample, model):
    await asyncio.sleep(0.01 * int(sample.id))
    score("tiny", 0.000123)
    score("huge", 123456)
    assert (await model.chat(sample.input)).text == sample.target
"""
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(project: Project, *arguments: str, columns: int = 100, model: str = "echo:") -> str:
    """What a terminal of so many columns is sent."""
    project.run("--co", "-q", model=None)  # writes the conftest
    command = [*project.pytester._getpytestargs(), *project._arguments(model), *arguments]
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        command, cwd=project.path, stdout=follower, stderr=follower, env=environment
    ) as run:
        os.close(follower)
        seen = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # how Linux ends a terminal
                break
            if not piece:
                break
            seen += piece
        run.wait(30)
    os.close(leader)
    return seen.decode()


class TestLive:
    def test_a_line_is_rewritten_in_place_of_dots(self, project: Project) -> None:
        project.file(SLOW)
        seen = on_terminal(project)
        lines = [SEQUENCE.sub("", each) for each in seen.split("\r")]
        live = [each for each in lines if " samples  " in each]
        assert len(live) >= 2, seen
        done = [int(each.partition("/")[0]) for each in live]
        assert done == sorted(done)
        assert re.match(
            r"\d+/40 samples  \d+(\.\d)?/s  .* left  right 0\.\d{3} \[0\.\d{3}, \d\.\d{3}\]",
            live[-1],
        )
        assert any("left" in each for each in live)
        assert "...." not in seen
        assert "test_it.py" not in seen.partition("= benchmarks =")[0]
        assert "accuracy" in seen.rpartition(live[-1])[2]

    def test_it_never_wraps(self, project: Project) -> None:
        project.file(SLOW)
        seen = on_terminal(project, columns=40)  # pytest itself leaves the last column free
        live = [SEQUENCE.sub("", each) for each in seen.split("\r") if " samples" in each]
        assert live
        assert all(len(each.strip("\n").partition("\n")[0]) < 40 for each in live)

    def test_errors_are_counted_in_it(self, project: Project) -> None:
        project.file(SLOW.replace("assert (", "if sample.id == '7': raise OSError\n    assert ("))
        seen = SEQUENCE.sub("", on_terminal(project, "--tb=line"))
        assert re.search(r"\d+/40 samples .*  1 error", seen)
        assert not re.search(r"/40 samples[^\r]*[wF]", seen), "no letters beside it"
        assert "FAILED test_it.py::test_slow[7] - OSError" in seen
        assert "1 failed" in seen

    def test_ordinary_tests_have_their_dots_on_lines_of_their_own(self, project: Project) -> None:
        project.file("def test_before(): ...\n" + SLOW + "\ndef test_after(): ...\n")
        seen = SEQUENCE.sub("", on_terminal(project))
        before, after = re.findall(r"[^\r\n]*test_it\.py \.[^\r\n]*", seen)
        assert (before.strip(), after.strip()) == ("test_it.py .", "test_it.py .")

    @pytest.mark.parametrize("option", ["-v", "-q"])
    def test_other_verbosities_have_none(self, project: Project, option: str) -> None:
        project.file(SLOW)
        seen = on_terminal(project, option)
        assert "/40 samples" not in seen
        assert ("RIGHT" in seen) == (option == "-v")

    def test_verdicts_are_coloured(self, project: Project) -> None:
        project.file(SLOW)
        assert "\x1b[32m\x1b[1mverdict: passed" in on_terminal(project, "--color=yes")

    def test_a_log_has_dots(self, project: Project) -> None:
        project.file(SLOW)
        result = project.run(model="echo:")
        result.stdout.fnmatch_lines(["test_it.py w...w...w...*"])
        result.stdout.no_fnmatch_line("*/40 samples*")


AWAY = """
from pytest_modeleval.errors import RequestError

class Backend(Probe):
    concurrency = 8

    async def reply(self, text, number):
        if number < 7:
            raise RequestError("not now", status=503)
        return text
"""

FIRST_IS_LAST = """
import asyncio

class Backend(Probe):
    concurrency = 8

    async def reply(self, text, number):
        if text == "0":
            await self.until(lambda: self.in_flight == 1)
            await asyncio.sleep(2.5)
        return text
"""

SLOWLY = """
import asyncio
from pytest_modeleval import progress

progress.EVERY_IN_LOG = 0.2
progress.LONGEST_IN_LOG = 0.5

class Backend(Probe):
    concurrency = 2

    async def reply(self, text, number):
        await asyncio.sleep(0.1)
        return text
"""

NUMBERED = """
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n)} for n in range(40)])
async def test_it(sample, model):
    await model.chat(sample.input)
"""


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "-n2"])
class TestHowItGoes:
    def test_a_server_that_is_away_is_told(
        self, project: Project, processes: tuple[str, ...]
    ) -> None:
        live = self.live(project, AWAY, processes)
        assert any(re.search(r"/40 .* server away for \d.* s, probing", each) for each in live), (
            live
        )
        assert any(re.search(r"[1-9]\d? retries", each) for each in live), live

    def test_samples_count_that_have_ended_behind_a_slow_one(
        self, project: Project, processes: tuple[str, ...]
    ) -> None:
        live = self.live(project, FIRST_IS_LAST, processes)
        assert any(re.match(r"39/40 .*  1 of (8|16) in flight", each) for each in live), live

    def live(self, project: Project, backend: str, processes: tuple[str, ...]) -> list[str]:
        project.plugins.append("xdist")
        project.conftest(backend)
        project.file(NUMBERED)
        seen = on_terminal(project, *processes, columns=160, model="probe:")
        assert "40 passed" in seen
        return [SEQUENCE.sub("", each) for each in seen.split("\r") if " samples  " in each]

    def test_a_log_has_plain_lines_now_and_then(
        self, project: Project, processes: tuple[str, ...]
    ) -> None:
        project.plugins.append("xdist")
        project.conftest(SLOWLY)
        project.file(NUMBERED)
        result = project.run(*processes)
        lines = [line for line in result.outlines if "/40 samples" in line]
        assert 2 <= len(lines) <= 15
        assert all(line.isprintable() for line in lines)
        assert re.match(r"\d+/40 samples  \d+(\.\d)?/s", lines[-1])
        assert result.ret == 0


class TestClosingTable:
    def test_numbers_are_aligned_and_have_digits_that_tell(self, project: Project) -> None:
        project.file(SLOW)
        lines = project.run(model="echo:").outlines
        start = lines.index("test_it.py::test_slow  echo")
        rows = lines[start + 2 : start + 5]
        assert [row.split()[:2] for row in rows] == [
            ["accuracy", "0.7500"],
            ["tiny", "0.000123"],
            ["huge", "123456"],
        ]
        assert len({row.index("n=40") for row in rows}) == 1
        assert len({row.index("]") for row in rows}) == 1
        for row in rows:
            assert len(row) <= 80

    def test_long_names_stay_whole(self, project: Project) -> None:
        name = "test_" + "a_very_long_name_" * 8
        project.file(SLOW.replace("test_slow", name).replace('"tiny"', '"' + "metric_" * 9 + '"'))
        result = project.run(model="echo:")
        assert f"test_it.py::{name}  echo" in result.outlines
        assert any(line.strip().startswith("metric_" * 9 + "  ") for line in result.outlines)

    def test_paths_are_those_of_files_that_are_there(self, project: Project) -> None:
        project.file(SLOW)
        lines = project.run("--modeleval-out=out/here", model="echo:").outlines
        for name in ("results.json", "summary.md", "leaderboard.json", "junit.xml", "details/"):
            assert f"  out/here/{name}" in lines
            assert (project.path / "out/here" / name).exists()

    @pytest.mark.parametrize(
        ("options", "verdict"),
        [
            ((), "verdict: passed"),
            (("-k", "1"), "verdict: passed (no gate was judged)"),
            (("--gate", "test_slow: accuracy >= 0.9"), "verdict: failed"),
            (("--gate", "test_slow: accuracy >= baseline"), "verdict: undecided"),
        ],
    )
    def test_the_verdict_says_what_it_rests_on(
        self, project: Project, options: tuple[str, ...], verdict: str
    ) -> None:
        project.file(SLOW)
        assert verdict in project.run(*options, model="echo:").outlines

    def test_without_gates(self, project: Project) -> None:
        project.file(SLOW.replace(',\n           gates=["accuracy >= 0.5"]', ""))
        assert "verdict: passed (there are no gates)" in project.run(model="echo:").outlines

    def test_most_quietly_only_the_verdict(self, project: Project) -> None:
        project.file(SLOW)
        lines = project.run("-qq", model="echo:").outlines
        assert "verdict: passed" in lines
        assert not any("benchmarks" in line for line in lines)


def test_letters_are_shown_while_a_slow_sample_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not shown one by one, but all that are there, before long."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    project.file(
        """
import asyncio
from pathlib import Path
from pytest_modeleval import benchmark

@benchmark([{"id": str(n), "input": str(n)} for n in range(4)])
async def test_it(sample, model):
    for _ in range(2000):
        if sample.id != "3" or Path("seen").exists():
            break
        await asyncio.sleep(0.01)
"""
    )
    project.conftest()
    command = [*project.pytester._getpytestargs(), "-p", "modeleval", "-q", "--model=probe:"]
    with subprocess.Popen(command, cwd=project.path, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        shown = b""
        while b"..." not in shown:
            read = os.read(run.stdout.fileno(), 4096)
            assert read, shown.decode()
            shown += read
        assert b"...." not in shown
        (project.path / "seen").touch()
        assert b"4 passed" in run.stdout.read()
