"""Kill runs at random moments, go on, and compare: python benches/kills.py [--moments 50]

At each moment a run is begun, killed (`kill -9` of everything, of the controller alone, or of a
worker alone), and the same command given again until it ends. Its results must be those of a run
that nobody disturbed, and what the server was asked twice at most what was in flight.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fault_server import Faults, FaultServer
from tests.killing import Attempt, Victim, outcome_of

SAMPLES = 600
CONCURRENCY = 8
WORKERS = 2
SUITE = f"""
from pytest_modeleval import benchmark, score

@benchmark(
    [{{"id": f"s{{n}}", "input": f"question {{n}}"}} for n in range({SAMPLES})],
    gates=["accuracy >= 0.5", "length >= 1"],
)
async def test_it(sample, model):
    reply = await model.chat(sample.input)
    score("length", len(reply.text))
    agrees = reply.text.endswith(" yes")
    assert agrees, f"it said {{reply.text}}"
"""


def reply(body: dict[str, Any]) -> str:
    asked = body["messages"][-1]["content"]
    return f"{asked} is {'no' if int(asked.split()[-1]) % 3 == 0 else 'yes'}"


class Project:
    def __init__(self, folder: Path, server: FaultServer, workers: int) -> None:
        self.path = folder
        self.server = server
        self.workers = workers
        (folder / "test_it.py").write_text(SUITE)

    def begin(self) -> Attempt:
        command = [
            *("-p", "no:cacheprovider", "-q", "--model=openai:fake", f"-n{self.workers}"),
            *(f"--model-arg=base_url={self.server.url}", f"--concurrency={CONCURRENCY}"),
            "--junitxml=junit.xml",
        ]
        return Attempt(self.path, command)

    def forget(self) -> None:
        shutil.rmtree(self.path / ".modeleval", ignore_errors=True)
        self.server.asked.clear()

    @property
    def asked(self) -> int:
        return sum(self.server.asked.values())

    def outcome(self, *junit: Path) -> list[str]:
        return outcome_of(self.path / ".modeleval" / "runs" / "latest", *junit)


def at_one_moment(
    project: Project, moment: float, victim: Victim, undisturbed: Sequence[str]
) -> dict[str, Any]:
    """`moment` in seconds after the beginning."""
    project.forget()
    attempt = project.begin()
    begun = time.monotonic()
    in_flight = 0

    def so_far() -> bool:
        nonlocal in_flight
        in_flight = project.server.in_flight
        return time.monotonic() - begun >= moment

    killed = attempt.kill_when(so_far, victim)
    asked = project.asked
    status = attempt.wait() if victim == "worker" or not killed else 0
    folders = len(list((project.path / ".modeleval" / "runs").glob("2*")))
    if victim != "worker" and killed:
        status = project.begin().wait()
    # pytest's own file has no properties for the sample whose worker died before its teardown.
    junit = [] if victim == "worker" else [project.path / "junit.xml"]
    found = project.outcome(*junit)
    undisturbed = undisturbed if junit else undisturbed[: len(found)]
    if status or found != list(undisturbed):
        print(f"status {status}", *difference(undisturbed, found), attempt.output, sep="\n")
    again = len(list((project.path / ".modeleval" / "runs").glob("2*"))) - folders
    return {
        "moment": moment,
        "victim": victim if killed else "nobody",
        "asked": asked,
        "in flight": in_flight,
        "twice": project.asked - SAMPLES,
        "went on": "yes" if not again else "anew",
        "same": status == 0 and found == list(undisturbed),
    }


def difference(one: Sequence[str], other: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in one if line not in other] + [
        f"+ {line}" for line in other if line not in one
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "PYTEST_ADDOPTS"):
        os.environ.pop(name, None)
    draw = random.Random(options.seed)
    rows = []
    with TemporaryDirectory() as folder, FaultServer(Faults(), reply) as server:
        server.latency = 0.02
        for workers in (0, WORKERS):
            path = Path(folder, str(workers))
            path.mkdir()
            project = Project(path, server, workers)
            started = time.monotonic()
            assert project.begin().wait() == 0
            length = time.monotonic() - started
            undisturbed = project.outcome(project.path / "junit.xml")
            victims: list[Victim] = ["all", "controller", "worker"] if workers else ["all"]
            for _ in range(options.moments // 2):
                moment, victim = draw.uniform(0, 1.1 * length), draw.choice(victims)
                found = at_one_moment(project, moment, victim, undisturbed)
                rows.append({"workers": workers, **found})
                print(rows[-1], flush=True)
    print(tabulate(rows, headers="keys", floatfmt=".2f"))
    print(Counter((row["victim"], row["same"]) for row in rows))


if __name__ == "__main__":
    main()
