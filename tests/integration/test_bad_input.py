"""Whatever is wrong, a person reads one sentence that says what and where."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from tests.integration.conftest import Project

OWN_FILE = """
from pytest_modeleval import benchmark

@benchmark("data.jsonl")
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""


def one_sample(body: str, *, head: str = "", arguments: str = "sample, model") -> str:
    return (
        f"from pytest_modeleval import benchmark, score\n{head}\n"
        '@benchmark([{"id": "only", "input": "hello", "target": "hello"}])\n'
        f"async def test_it({arguments}):\n    {body}\n"
    )


class TestData:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (
                b'{"input": "a", "target": "a"}\n{"input":\n',
                "data.jsonl line 2: malformed JSON at column *",
            ),
            (
                b'{"input": "a", "target": "a"}\n{"inpt": "b"}\n',
                "data.jsonl line 2: no field 'input', *the record has inpt*sample=fn*",
            ),
            (
                b'{"id": 7, "input": "a"}\n{"id": 7, "input": "b"}\n',
                "data.jsonl line 2: id '7' was already given by data.jsonl line 1; *unique",
            ),
            (b"", "dataset data.jsonl is empty: it has no samples"),
            (b'{"input": "caf\xe9"}\n', "data.jsonl line 1: byte 15 is not UTF-8; save the *"),
            (b'["a", "b"]\n', "data.jsonl line 1: *"),
        ],
        ids=["malformed", "missing field", "duplicate ids", "empty", "not UTF-8", "no object"],
    )
    def test_is_refused_with_its_line(
        self, project: Project, content: bytes, sentence: str
    ) -> None:
        (project.path / "data.jsonl").write_bytes(content)
        project.file(OWN_FILE)
        result = project.run()
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(["*ERROR collecting test_it.py*", sentence])
        result.stdout.no_fnmatch_line("*Traceback*")
        assert not (project.path / "probe.json").exists(), "no sample ran"

    def test_a_control_sequence_in_it_does_not_reach_the_terminal(self, project: Project) -> None:
        line = json.dumps({"id": "\x1b[2J", "inpt\x1b[31m": ""})
        (project.path / "data.jsonl").write_text(line)
        project.file(OWN_FILE)
        output = project.run().stdout.str()
        assert "\x1b" not in output
        assert "has id" in output


class TestDefinition:
    @pytest.mark.parametrize(
        ("code", "sentence"),
        [
            (
                "@benchmark(DATA)\nasync def test_it(sample): ...\n"
                "@benchmark(DATA)\nasync def test_it(sample): ...\n",
                "test_it.py: there are two functions test_it, in lines 4 and 6: *its own name",
            ),
            (
                "class TestIt:\n"
                "    @benchmark(DATA)\n    def test_one(self, sample): ...\n"
                "    def test_one(self): ...\n"
                "    @benchmark(DATA)\n    def test_two(self, sample): ...\n",
                "test_it.py: there are two functions test_one, in lines 5 and 6: *",
            ),
            (
                "@benchmark(DATA)\nasync def test_it(model): ...\n",
                "benchmark test_it must take `sample`: def test_it(sample, model)",
            ),
            (
                "@benchmark(DATA)\nasync def test_it(sample): yield\n",
                "benchmark test_it has a yield in it: *",
            ),
        ],
        ids=["twins", "shadowed method", "no sample", "yield"],
    )
    def test_is_refused(self, project: Project, code: str, sentence: str) -> None:
        head = "from pytest_modeleval import benchmark\nDATA = [{'input': 'a', 'target': 'a'}]\n"
        project.file(head + code)
        result = project.run()
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines([sentence])

    def test_one_name_in_two_classes_is_fine(self, project: Project) -> None:
        project.file(
            """
from pytest_modeleval import benchmark
DATA = [{"input": "a", "target": "a"}]

class TestOne:
    @benchmark(DATA)
    async def test_it(self, sample, model): ...

class TestTwo:
    @benchmark(DATA)
    async def test_it(self, sample, model): ...
"""
        )
        project.run().assert_outcomes(passed=2)
        names = [each["name"] for each in project.results["benchmarks"]]
        assert names == ["test_it.py::TestOne::test_it", "test_it.py::TestTwo::test_it"]


class TestBody:
    """Mistakes of a body are errors of its sample, with a sentence."""

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ("return True", "test_it returned True: a benchmark judges its sample with assert, *"),
            ("return 'x' * 999", "test_it returned 'xxx*...: a benchmark judges *"),
            ("score('f1', float('nan'))", "score('f1', nan): a score is a finite number"),
            ("score('f1', float('-inf'))", "score('f1', -inf): a score is a finite number"),
            ("score('f1', 'high')", "score('f1', 'high'): a score is a finite number"),
            ("score('f 1', 1)", "score('f 1', …): a gate could not name that; *"),
            ("score('', 1)", "score('', …): a gate could not name that; *"),
            ("score('class', 1)", "score('class', …): a gate could not name that; *"),
            ("score('baseline', 1)", "score('baseline', …): a gate could not name that; *"),
            ("score('accuracy', 1)", "score('accuracy', …): that metric is measured, *"),
            ("model.chat('a')", "test_it never awaits model.chat(…): write await model.chat(…)"),
            ("assert model.complete('a')", "test_it never awaits model.complete(…): *"),
            ("assert model.chat('a') == 'a'", "test_it never awaits model.chat(…): *"),
            ("model.choose('a', ['b'])", "test_it never awaits model.choose(…): *"),
            ("model.chat('a').text", "AttributeError: 'coroutine' *await missing*"),
            ("await model.chat('a', temprature=1)", "unknown sampling parameter 'temprature': *"),
            (
                "await model.chat('a', temperature='hot')",
                "sampling parameter temperature='hot': expected a number of 0 or more",
            ),
            ("await model.choose('a', [])", "model.choose: there are no choices"),
            (
                "role = 'judge'; models[role]",
                "models[[]'judge'[]]: no model has that role; name one with --role judge=*",
            ),
        ],
    )
    def test_is_an_error_of_the_sample(self, project: Project, body: str, error: str) -> None:
        project.file(one_sample(body, arguments="sample, model, models"))
        result = project.run("-W", "error")
        assert result.ret == 1
        assert project.samples == {"planned": 1, "error": 1}
        pytest.LineMatcher([project.errors["only"]]).fnmatch_lines([error])

    def test_a_call_awaited_elsewhere_is_fine(self, project: Project) -> None:
        project.file(
            one_sample(
                "a, b = await asyncio.gather(model.chat('a'), model.chat('b')); "
                "task = asyncio.create_task(model.chat('c')); assert (await task).text == 'c'",
                head="import asyncio",
            )
        )
        assert project.run("-W", "error").ret == 0

    def test_the_line_is_named(self, project: Project) -> None:
        project.file(one_sample("score('f1', float('nan'))"))
        project.run().stdout.fnmatch_lines(["test_it.py:5: score('f1', nan): a score is a *"])


HOSTILE = "evil \x1b[31m\x1b]0;title\x07 \x00 \ud800 \u202e \r <b>|`\nsecond line"

ECHOES_IT = f"""
from pytest_modeleval import benchmark, score
import pytest

EVIL = {HOSTILE!r}

@benchmark(
    [{{"id": f"a{{n}}" + EVIL * (n == 3), "input": EVIL, "target": EVIL + "!" * (n == 1),
      "kind": EVIL}} for n in range(4)],
    gates=['accuracy[kind == "other"] >= 0.5'],
)
async def test_it(sample, model):
    reply = await model.chat(sample.input)
    if sample.id == "a2":
        raise ValueError(reply.text)
    assert reply.text == sample.target, reply.text
"""


class TestHostileText:
    """A NUL byte, a lone surrogate, escape sequences: in replies, targets, ids and metadata."""

    @pytest.mark.parametrize(
        "options",
        [("-rA", "-v"), ("--modeleval-wrong=fail",), ("--modeleval-wrong=xfail", "-rx"), ("-n2",)],
        ids=" ".join,
    )
    def test_controls_no_terminal_and_breaks_no_file(
        self, project: Project, options: tuple[str, ...]
    ) -> None:
        project.plugins.append("xdist")
        project.file(ECHOES_IT)
        result = project.run(
            *options, "--junitxml=own.xml", "--modeleval-out=out", "--color=no", model="echo:"
        )
        assert result.ret == 1
        output = result.stdout.str()
        assert not {"\x1b", "\x00", "\x07", "\ud800", "\u202e"} & set(output)
        assert "ValueError: evil \\x1b[31m" in output
        assert project.samples == {"planned": 4, "right": 2, "wrong": 1, "error": 1}
        (file,) = (project.path / "out/details").glob("*.parquet")
        rows = parquet.read_table(file).to_pylist()
        assert [row["outcome"] for row in rows] == ["right", "wrong", "error", "right"]
        assert rows[0]["calls"][0]["reply"] == HOSTILE.replace("\ud800", "\\ud800")
        json.loads((project.path / "out/results.json").read_text("utf-8"))
        for name in ("own.xml", "out/junit.xml"):
            subprocess.run(
                [sys.executable, "-c", "import sys; from xml.etree.ElementTree import parse; "
                 "parse(sys.argv[1])", project.path / name],
                check=True,
            )  # fmt: skip

    def test_one_sample_prints_it_escaped(self, project: Project) -> None:
        project.file(ECHOES_IT)
        result = project.run("test_it.py::test_it[a1]", "--color=no", model="echo:")
        result.stdout.fnmatch_lines(
            ["*- reply -*", "evil \\x1b[[]31m\\x1b[]]0;title\\x07 \\x00 \\ud800 \\u202e \\r <b>|`"]
        )
        assert not {"\x1b", "\x00"} & set(result.stdout.str())

    def test_a_reply_of_ten_megabytes(self, project: Project) -> None:
        project.file(
            """
from pytest_modeleval import benchmark

@benchmark([{"id": str(n), "input": "x" * 10_000_000, "target": "x"} for n in range(2)])
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""
        )
        result = project.run("test_it.py::test_it[0]", "--modeleval-out=out", model="echo:")
        assert result.ret == 1
        assert len(result.stdout.str()) < 200_000
        result.stdout.fnmatch_lines(["… and 9980000 more characters: see the details"])
        (file,) = (project.path / "out/details").glob("*.parquet")
        (row,) = parquet.read_table(file).to_pylist()
        assert len(row["calls"][0]["reply"]) == 10_000_000


class TestOutputFolder:
    @pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "-n2"])
    @pytest.mark.parametrize("folder", ["in_the_way", "in_the_way/deeper"])
    def test_that_cannot_be_made(
        self, project: Project, folder: str, processes: tuple[str, ...]
    ) -> None:
        project.plugins.append("xdist")
        (project.path / "in_the_way").write_text("mine")
        project.file(one_sample("pass"))
        result = project.run(f"--modeleval-out={folder}", *processes)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: cannot write *{folder}: *--modeleval-out"])
        assert (project.path / "in_the_way").read_text() == "mine"
        result.stdout.no_fnmatch_line("*PASSED*")


def test_ctrl_c_writes_what_there_is(project: Project) -> None:
    project.file(
        """
import asyncio
from pathlib import Path
from pytest_modeleval import benchmark

@benchmark([{"id": str(n), "input": "a", "target": "a"} for n in range(20)])
async def test_it(sample, model):
    if int(sample.id) >= 5:
        Path("waiting").touch()
        await asyncio.Event().wait()
    assert (await model.chat(sample.input)).text == sample.target
"""
    )
    project.conftest(
        "\ndef pytest_runtest_logreport(report):\n"
        "    if report.when == 'teardown':\n"
        "        open('seen', 'a').write('x')\n"
    )
    command = [*project.pytester._getpytestargs(), "-p", "modeleval", "--modeleval-out=out"]
    run = subprocess.Popen(
        [*command, "--model=echo:"], cwd=project.path, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for(project.path / "waiting", run)
        wait_for(project.path / "seen", run, size=5)
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=30)
    finally:
        run.kill()
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    results = json.loads((project.path / "out/results.json").read_text("utf-8"))
    assert (results["complete"], results["verdict"]) == (False, "undecided")
    samples = results["benchmarks"][0]["samples"]
    assert samples["right"] == 5
    assert samples["not_run"] == 15
    pytest.LineMatcher(output.splitlines()).fnmatch_lines(
        ["  5 right, 0 wrong, 0 error of 5, 15 not run  in *", "verdict: undecided (the run is*"]
    )


def wait_for(path: Path, run: subprocess.Popen[str], size: int = 0) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() or path.stat().st_size < size:
        assert run.poll() is None and time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)
