"""The bench harness (a mock server, bare client loops, a CPU meter): found, started and asked.

It is a folder of its own, which this project does not hold: `bin/mockd`, `measure.py`,
`peers/script.py` and `data/qa_<N>.jsonl`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

BENCHES = Path(__file__).parent
SUITES = BENCHES / "suites"


class Harness:
    """The harness's folder, the Python whose plugin is measured, and that of the bare loops."""

    def __init__(self, folder: Path, python: Path, floor: Path | None) -> None:
        self.folder = folder = folder.absolute()
        self.python = python.absolute()
        self.floor = floor.absolute() if floor else folder / "venvs/floor/bin/python"
        self.base_url = ""
        needed = [folder / "bin/mockd", folder / "measure.py", folder / "peers/script.py"]
        for path in [*needed, self.python, self.floor]:
            if not path.exists():
                raise SystemExit(
                    f"{path} is not there: name the folder of the bench harness, built, with "
                    "--harness DIR, and a Python with openai and aiohttp with --floor PY"
                )

    def questions(self, count: int) -> Path:
        """The file with so many questions."""
        path = self.folder / "data" / f"qa_{count}.jsonl"
        if not path.exists():
            raise SystemExit(f"{path} is not there: python3 gen_data.py {count} makes it")
        return path

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The mock server, on the last CPU so that it stays out of the way of what is measured."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [self.folder / "bin/mockd", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0))}),
        )
        self.base_url = f"http://127.0.0.1:{port}/v1"
        try:
            self._until_it_answers()
            yield
        finally:
            server.terminate()
            server.wait()

    def _until_it_answers(self) -> None:
        for _ in range(100):
            try:
                self.stats()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the mock server does not answer")

    def control(self, query: str = "") -> None:
        """Set the server's knobs and its counters to nothing."""
        self._ask(f"/_ctl?{query}", b"")

    def stats(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._ask("/_stats", None))
        return answer

    def _ask(self, path: str, data: bytes | None) -> bytes:
        url = self.base_url.removesuffix("/v1") + path
        with urllib.request.urlopen(urllib.request.Request(url, data=data)) as answer:
            body: bytes = answer.read()
        return body

    def ours(self, count: int, *more: str, concurrency: int = 64) -> dict[str, Any]:
        """A whole run of the plugin over `count` questions, measured; `more` are its options."""
        with tempfile.TemporaryDirectory() as folder:
            return self.measure(
                [
                    *(str(self.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                    *("--rootdir", folder, "--modeleval-out", f"{folder}/out"),
                    *("--model=openai:mock", f"--model-arg=base_url={self.base_url}"),
                    *(f"--concurrency={concurrency}", *more, str(SUITES / "qa.py")),
                ],
                BENCH_DATA=str(self.questions(count)),
            )

    def script(self, client: str, count: int, *, concurrency: int = 64) -> dict[str, Any]:
        """The bare loop over the same questions, measured."""
        self.questions(count)
        with tempfile.TemporaryDirectory() as folder:
            script = str(self.folder / "peers/script.py")
            return self.measure(
                [str(self.floor), script, client, str(count), str(concurrency), f"{folder}/out"],
                BASE_URL=self.base_url,
            )

    def output(self, command: Sequence[str]) -> str:
        """What a command prints."""
        here = tempfile.gettempdir()  # as below
        return subprocess.run(command, cwd=here, check=True, capture_output=True, text=True).stdout

    def measure(self, command: Sequence[str], **environment: str) -> dict[str, Any]:
        """CPU seconds of the whole process tree, wall seconds and peak memory of a command."""
        # These slow every start of Python; users do not have them.
        unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
        own = {name: value for name, value in os.environ.items() if name not in unwanted}
        done = subprocess.run(
            [sys.executable, str(self.folder / "measure.py"), "--", *command],
            env={**own, "OPENAI_API_KEY": "x", **environment},
            cwd=tempfile.gettempdir(),  # not this project, which would be imported from here
            capture_output=True,
            text=True,
        )
        found: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
        if found["rc"] != 0:
            print(done.stdout[-2000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
            raise SystemExit(f"exit status {found['rc']}: {' '.join(command)}")
        return found


def alternating(
    rounds: int, runs: dict[str, Callable[[], float]]
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The median of each run, and all values: every round has each of them once, so that a busy
    neighbour troubles them alike."""
    values: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            values[name].append(run())
    return {name: median(each) for name, each in values.items()}, values


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
