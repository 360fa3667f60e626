"""The same command again finishes a run that did not end: killed, interrupted or stopped."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.results.details import details_files, read_details
from pytest_modeleval.results.run_state import read_state, write_state
from tests.fault_server import Faults, FaultServer
from tests.integration.conftest import ARITHMETIC, Project
from tests.integration.test_resume_choice import folders, stopped
from tests.killing import Attempt, Victim, outcome_of, until

SAMPLES = 300


IN_FLIGHT = 8


BENCHMARK = f"""
import pytest
from pytest_modeleval import benchmark, score

@benchmark(
    [{{"id": f"s{{n}}", "input": f"question {{n}}"}} for n in range({SAMPLES})],
    gates=["accuracy >= 0.5", "length >= 1"],
    epochs=2,
)
async def test_it(sample, model):
    reply = await model.chat(sample.input)
    score("length", len(reply.text))
    if sample.input.endswith("7"):
        pytest.skip("sevens are skipped")
    agrees = reply.text.endswith(" yes")
    assert agrees, f"it said {{reply.text}}"

@benchmark([{{"id": f"t{{n}}", "input": f"other {{n}}"}} for n in range(20)])
def test_plain(sample, model):
    agrees = model.chat(sample.input).text.endswith("yes")
    assert agrees
"""


ASKED = 2 * SAMPLES + 20


def reply(body: dict[str, Any]) -> str:
    """Wrong for every third question."""
    asked = body["messages"][-1]["content"]
    return f"{asked} is {'no' if int(asked.split()[-1]) % 3 == 0 else 'yes'}"


class Served:
    """A project of its own, and a real server that counts what it is asked."""

    def __init__(self, project: Project, server: FaultServer) -> None:
        self.server = server
        self.path = project.path
        project.conftest()
        project.file(BENCHMARK)

    def command(self, *more: str) -> list[str]:
        return [
            *("-p", "modeleval", "-p", "xdist", "-p", "no:cacheprovider", "-q"),
            *("--model=openai:fake", f"--model-arg=base_url={self.server.url}"),
            *(f"--concurrency={IN_FLIGHT}", "--junitxml=junit.xml", *more),
        ]

    def run(self, *more: str, status: int = 0) -> str:
        attempt = Attempt(self.path, self.command(*more))
        found = attempt.wait()
        assert found == status, attempt.output
        return attempt.output

    def killed(self, so_far: int, *more: str, victim: Victim = "all") -> bool:
        """Begin a run, and kill it when the server has been asked so often. Whether it was."""
        attempt = self.attempt = Attempt(self.path, self.command(*more))
        return attempt.kill_when(lambda: self.asked >= so_far, victim)

    @property
    def asked(self) -> int:
        return sum(self.server.asked.values())

    @property
    def folders(self) -> list[Path]:
        runs = self.path / ".modeleval" / "runs"
        return sorted(path for path in runs.glob("*") if path.name != "latest")

    @property
    def outcome(self) -> list[str]:
        (folder,) = self.folders
        return outcome_of(folder, self.path / "junit.xml")

    def kept_rows(self) -> int:
        """How many rows the details of the only run hold, killed or not."""
        return sum(read_details(each).num_rows for each in self.folders if details_files(each))

    def forget(self) -> None:
        """As if nothing had ever run here."""
        shutil.rmtree(self.path / ".modeleval", ignore_errors=True)
        self.server.asked.clear()
        self.server.answered.clear()


def _unfinish(folder: Path) -> None:
    state = read_state(folder)
    assert state is not None
    state.state = "running"
    write_state(folder, state)


@pytest.fixture
def served(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for variable in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with FaultServer(Faults(), reply) as server:
        server.latency = 0.01
        yield Served(project, server)


class TestKilled:
    def test_each_request_is_paid_once_but_for_those_in_flight(self, served: Served) -> None:
        served.run()
        undisturbed = served.outcome
        served.forget()
        kills = 0
        for so_far in sorted(random.Random(1).sample(range(20, ASKED - 20), 4)):
            kills += served.killed(so_far)
        assert kills >= 3
        output = served.run()
        assert "resuming run " in output
        assert served.outcome == undisturbed
        # A reply is in the cache some milliseconds after it came, and not yet when it came.
        assert served.asked <= ASKED + kills * 2 * IN_FLIGHT

    def test_what_the_details_hold_is_not_asked_again_without_a_cache(self, served: Served) -> None:
        served.run("--modeleval-cache=off")
        undisturbed = served.outcome
        served.forget()
        served.server.latency = 0.1  # so that the run outlasts the two seconds until rows are kept
        attempt = Attempt(served.path, served.command("--modeleval-cache=off"))
        assert attempt.kill_when(lambda: served.kept_rows() >= 20, "all")
        served.server.latency = 0.0
        kept, before = served.kept_rows(), served.asked
        assert 20 <= kept < ASKED
        output = served.run("--modeleval-cache=off")
        assert served.asked - before == ASKED - kept
        assert f": {kept // 2} of {SAMPLES + 20} samples are kept" in output
        assert served.outcome == undisturbed

    @pytest.mark.parametrize("victim", ["controller", "worker", "all"])
    def test_with_workers_whoever_is_killed(self, served: Served, victim: Victim) -> None:
        served.run()
        undisturbed = served.outcome
        served.forget()
        draw = random.Random(victim)
        for so_far in (draw.randrange(40, 250), draw.randrange(300, ASKED - 40)):
            served.killed(so_far, "-n2", victim=victim)
            if victim == "worker":
                assert served.attempt.wait() == 0
                # pytest's own file has no properties where a worker died before a teardown.
                (folder,) = served.folders
                assert outcome_of(folder) == undisturbed[: len(outcome_of(folder))]
                served.forget()
        if victim != "worker":
            served.run("-n2")
            assert served.outcome == undisturbed
            assert served.asked <= ASKED + 2 * 2 * 2 * IN_FLIGHT

    def test_a_kill_while_the_files_are_written_at_the_end(self, served: Served) -> None:
        served.run()
        undisturbed = served.outcome
        (folder,) = served.folders
        (merged,) = (folder / "details").glob("*test_it.parquet")
        parts = merged.with_suffix(".parts")
        parts.mkdir()
        shutil.copy(merged, parts / "00000.parquet")  # merged, and the parts not yet removed
        (folder / "results.json").unlink()
        _unfinish(folder)
        before = served.asked
        served.run()
        assert served.asked == before
        assert served.outcome == undisturbed
        assert not parts.exists()


class TestInterrupted:
    def test_says_how_to_go_on(self, served: Served) -> None:
        attempt = Attempt(served.path, served.command())
        until(lambda: served.asked >= 100, "something has been asked")
        attempt.interrupt()
        assert attempt.wait() == pytest.ExitCode.INTERRUPTED
        (folder,) = served.folders
        hint = f"go on with the same command, or --resume {folder.name}"
        assert hint in attempt.output
        state = read_state(folder)
        assert state is not None
        assert (state.state, state.attempts) == ("incomplete", 1)
        assert "nterrupt" in str(state.reason)
        output = served.run()
        assert f"resuming run {folder.name}: " in output
        state = read_state(folder)
        assert state is not None
        assert (state.state, state.attempts, state.reason) == ("complete", 2, None)


class TestKept:
    def test_marks_and_plugins_see_a_kept_sample_as_one_that_ran(self, project: Project) -> None:
        project.file(
            ARITHMETIC.replace("@benchmark", "@pytest.mark.xfail\n@benchmark", 1).replace(
                "from", "import pytest\nfrom", 1
            )
            + """
@benchmark([{"id": "last", "input": "1", "target": "1"}])
async def test_last(sample, model):
    raise RuntimeError("not yet")
"""
        )
        first = project.run("--junitxml=first.xml", "-x").parseoutcomes()
        folder = folders(project)[0]
        _unfinish(folder)
        again = project.run("--junitxml=again.xml", "-x", f"--resume={folder.name}")
        again.stdout.fnmatch_lines(["*: 6 of 7 samples are kept"])
        assert first == again.parseoutcomes()
        assert first["xfailed"] == 3
        assert first["xpassed"] == 3

    @pytest.mark.parametrize("wrong", ["xfail", "fail"])
    def test_a_wrong_sample_is_told_as_it_was(self, project: Project, wrong: str) -> None:
        arguments = (f"--modeleval-wrong={wrong}", "--junitxml=junit.xml")
        project.file(ARITHMETIC)
        first = project.run(*arguments).parseoutcomes()
        messages = _messages(project.path / "junit.xml")
        assert len(messages) == 3
        folder = folders(project)[0]
        again = project.run(*arguments, f"--resume={folder.name}")
        again.stdout.fnmatch_lines(["*: 6 of 6 samples are kept"])
        assert first == again.parseoutcomes()
        assert messages == _messages(project.path / "junit.xml")
        assert "pytest_modeleval" not in again.stdout.str()

    def test_a_model_that_has_nothing_left_to_do_is_not_loaded(self, project: Project) -> None:
        project.conftest(
            """
from pathlib import Path

class Backend(Probe):
    async def start(self):
        with open("loaded", "a") as file:
            file.write(self.identity.name + " ")

    async def reply(self, text, number):
        if self.identity.name == "b" and text == "3" and not Path("well").exists():
            raise RuntimeError("not yet")
        return text

def pytest_modeleval_backends():
    return {"probe": BackendEntry("conftest:Backend", in_process=True)}
"""
        )
        project.file(ARITHMETIC)
        models = ("--model=probe:a", "--model=probe:b")
        assert project.run("-x", *models, model=None).ret == 1
        (project.path / "well").touch()
        result = project.run("-x", *models, model=None)
        result.stdout.fnmatch_lines(["*: 9 of 12 samples are kept"])
        assert (project.path / "loaded").read_text() == "a b b "
        identities = [each["model_identity"]["name"] for each in project.results["benchmarks"]]
        assert identities == ["a", "b"]

    def test_a_part_that_cannot_be_read_is_run_again(self, project: Project) -> None:
        folder = stopped(project)
        (file,) = details_files(folder)
        file.write_bytes(file.read_bytes()[:-100])
        result = project.run("--modeleval-cache=off", "--resume=latest")
        result.stdout.fnmatch_lines(["*: 0 of 6 samples are kept"])
        assert len(project.probe["asked"]) == 6
        assert read_details(folder).num_rows == 6


def _messages(path: Path) -> list[str]:
    return sorted(re.findall(r'message="([^"]*)"', path.read_text("utf-8")))


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of its own with 3 MB on it."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(
    served: Served, small_disk: Path
) -> None:
    padding = random.Random(1).randbytes(4000).hex()
    served.server.reply = lambda body: f"{padding} {reply(body)}"
    served.server.latency = 0.0
    served.run("--modeleval-out=undisturbed", "--modeleval-cache=off")
    undisturbed = outcome_of(served.path / "undisturbed")

    served.server.latency = 0.06  # so that rows are written before it is over
    arguments = ("--modeleval-cache=off", f"--modeleval-out={small_disk}/out")
    output = served.run(*arguments, status=1)
    out = small_disk / "out"
    assert "the disk is full: free some space" in output
    assert "Traceback" not in output
    assert output.count("the disk is full") == 1
    state = read_state(out)
    assert state is not None
    assert state.state != "complete"
    kept = read_details(out).num_rows
    assert kept > 0

    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    output = served.run(*arguments)
    assert f": {kept // 2} of {SAMPLES + 20} samples are kept" in output
    assert outcome_of(out) == undisturbed
