"""Runs against a server with faults, and what the layers cost: `python benches/faults.py --help`.

The server is that of the tests (tests/fault_server.py), in this process; the runs are processes of
their own. The ideal is the same run without the fault, plus what the fault itself takes away: an
outage's seconds, a limit's rate.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from harness import SUITES, table

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from pytest_modeleval.models.echo import EchoBackend  # noqa: E402
from pytest_modeleval.models.layers import Endpoint, Last, layered  # noqa: E402
from pytest_modeleval.models.protocol import Request, Sampling  # noqa: E402
from tests.fault_server import Faults, FaultServer  # noqa: E402
from tests.simulated_server import LATENCY as LATENCY_SIMULATED  # noqa: E402
from tests.simulated_server import Server, simulate  # noqa: E402

LATENCY = 0.05

FAULTS = {
    "none": Faults(),
    "10 % 429, Retry-After 1 s": Faults(too_many=0.1, retry_after="1"),
    "5 % 500": Faults(failed=0.05),
    "2 % resets": Faults(reset=0.02),
    "1 % truncated JSON": Faults(truncated=0.01),
    "2 % slow drips of 1 s": Faults(dripping=0.02, drip_s=1.0),
    "all of these": Faults(
        too_many=0.1, retry_after="1", failed=0.05, reset=0.02, truncated=0.01, dripping=0.02
    ),
    "outage of 20 s": Faults(outage_after=300, outage_s=20.0),
    "50 requests a second": Faults(a_second=50),
    "10 requests at once": Faults(at_once=10),
    "10 at once, the others queue": Faults(at_once=10, queues=True),
}


def run(server: FaultServer, samples: int, *arguments: str) -> float:
    """Seconds that a run takes; all its samples are right."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        done = start(server, samples, folder, *arguments)
        output, _ = done.communicate()
        took = time.monotonic() - began
    if f"{samples} passed" not in output:
        raise SystemExit(output[-2000:])
    return took


def start(server: FaultServer, samples: int, folder: str, *arguments: str) -> subprocess.Popen[str]:
    """A run under way."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder),
        *("--modeleval-out", f"{folder}/out", "--modeleval-cache=off", "--model=openai:fake"),
        *(f"--model-arg=base_url={server.url}", str(SUITES / "faults.py"), *arguments),
    ]
    return subprocess.Popen(
        command,
        env={**os.environ, "BENCH_SAMPLES": str(samples)},
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def faults(samples: int) -> str:
    """Seconds of a run under each fault, beside the ideal, and the requests that it took."""
    rows = []
    undisturbed = 0.0
    for name, fault in FAULTS.items():
        with FaultServer(fault, lambda body: "yes") as server:
            server.latency = LATENCY
            took = run(server, samples)
        undisturbed = undisturbed or took
        ideal = undisturbed
        at_best = samples * LATENCY / 64
        if fault.outage_after is not None:
            ideal += fault.outage_s
        if fault.a_second is not None:
            ideal += samples / fault.a_second - at_best
        if fault.at_once is not None:
            ideal += samples * LATENCY / fault.at_once - at_best
        asked = sum(server.asked.values())
        if set(server.answered.values()) != {1}:
            raise SystemExit(f"{name}: something was paid for twice")
        rows.append([name, f"{took:.1f}", f"{ideal:.1f}", f"{asked:,}", server.met.total()])
    return table([f"{samples:,} samples", "s", "ideal s", "requests", "faults met"], rows)


LIMITS = {
    "1 at once": (Faults(at_once=1), 0.2),
    "2 at once": (Faults(at_once=2), 0.2),
    "3 at once": (Faults(at_once=3), 0.2),
    "5 at once": (Faults(at_once=5), 0.3),
    "8 at once": (Faults(at_once=8), 0.3),
    "20 at once": (Faults(at_once=20), 0.4),
    "50 at once": (Faults(at_once=50), 0.6),
    "200 at once": (Faults(at_once=200), 0.8),
    "20 at once, 5 % refused besides": (Faults(at_once=20, too_many=0.05), 0.4),
}
"""Limits that nobody tells, and the seconds that a reply takes."""

SETTLING_S = 40.0
"""Seconds of such a run at its limit. The first half is for settling."""


def settling(samples: int) -> str:
    """Places of a server that are taken, with a limit that nobody told, and beside it with
    `--concurrency` at that limit; in the second half of a run of 40 s. All samples are right, and
    none was paid for twice."""
    rows = []
    for name, (fault, latency) in LIMITS.items():
        assert fault.at_once is not None
        row = [name]
        for arguments in ((), (f"--concurrency={fault.at_once}",)):
            with FaultServer(fault, lambda body: "yes") as server:
                server.latency = latency
                run(server, int(SETTLING_S * fault.at_once / latency), *arguments)
            if set(server.answered.values()) != {1}:
                raise SystemExit(f"{name}: something was paid for twice")
            refused = server.met["refused"] / sum(server.asked.values())
            row += [f"{taken(server):.2f}", f"{refused:.1%}"]
        rows.append(row)
        print(*row, sep="  ", file=sys.stderr, flush=True)
    return table(["limit", "taken", "refused", "taken, limit told", "refused, limit told"], rows)


SIMULATED: dict[str, tuple[int, dict[str, Any]]] = {
    "latencies alike": (1, {}),
    "latencies differ (log-normal, 0.5)": (1, {"spread": 0.5}),
    "1 % refused besides": (1, {"spread": 0.2, "too_many": 0.01}),
    "5 % refused besides": (1, {"spread": 0.2, "too_many": 0.05}),
    "a refusal takes as long as an answer": (1, {"spread": 0.2, "refusal_s": LATENCY_SIMULATED}),
    "Retry-After 2 s": (1, {"spread": 0.2, "retry_after": 2.0}),
    "the others queue": (1, {"spread": 0.2, "queues": True}),
    "2 workers": (2, {"spread": 0.2}),
    "4 workers": (4, {"spread": 0.2}),
}
"""Kinds of servers: how many ask them, and what they do besides refusing above their limit."""

PLACES = (1, 2, 3, 5, 8, 20, 50, 200)


def simulated(samples: int) -> str:
    """Limits at which it settles / answers, both as shares of what the server can do, against
    simulated servers of so many places: the mean over the second half of 80 to 300 simulated
    seconds, in which a reply takes half a second. All are
    answered, each once."""
    rows = []
    for name, (clients, server) in SIMULATED.items():
        row = [name]
        for places in PLACES:
            if clients > places:
                row.append("")
                continue
            settled = simulate(
                Server(at_once=places, **server),
                seconds=300 if places < 8 else 120 if places < 200 else 80,
                clients=clients,
            )
            if set(settled.times_answered) != {1}:
                raise SystemExit(f"{name}, {places}: {settled.times_answered}")
            mean_latency = LATENCY_SIMULATED * math.exp(server.get("spread", 0) ** 2 / 2)
            limit, rate = settled.limit / places, settled.rate * mean_latency / places
            row.append(f"{limit:.2f} / {rate:.2f}")
        rows.append(row)
        print(*row, sep=" | ", file=sys.stderr, flush=True)
    return table(["", *(str(each) for each in PLACES)], rows)


def taken(server: FaultServer) -> float:
    """Places that are taken, in the mean over the second half of a run. The end is left out: there
    is nothing more to ask then."""
    ended = sorted(server.answered_at)
    since, until = ended[len(ended) // 2], ended[int(len(ended) * 0.95) - 1]
    overlaps = (min(until, left) - max(since, entered) for entered, left in server.served)
    return sum(max(0.0, each) for each in overlaps) / (until - since)


def sharing(samples: int) -> str:
    """Two runs at once against 20 requests at once: the answers that each had got when the first
    of them was done."""
    with (
        FaultServer(Faults(at_once=20), lambda body: "yes") as server,
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
    ):
        server.latency = 0.1
        runs = [
            start(server, samples, folder, f"--model-arg=max_tokens={number}")
            for number, folder in ((1, one), (2, two))
        ]
        while all(each.poll() is None for each in runs):
            time.sleep(0.02)
        answered = [server.answered_for[number] for number in (1, 2)]
        for each in runs:
            each.communicate()
    rows = [[f"run {number}", count] for number, count in zip("12", answered)]
    return table(["", "answers"], rows)


def overhead(samples: int) -> str:
    """CPU of all layers but the cache per request, over the backend alone (echo, in this process,
    64 at once)."""

    async def spend(layer: Any) -> float:
        request = Request(Sampling(), prompt="hi")
        places = asyncio.Semaphore(64)

        async def one() -> None:
            async with places:
                await layer.answer(request)

        began = time.process_time()
        await asyncio.gather(*(one() for _ in range(samples)))
        return (time.process_time() - began) / samples * 1e6

    async def main() -> tuple[list[float], list[float]]:
        backend = EchoBackend("x")
        await backend.start()
        layers = layered(
            Endpoint(backend, adapts=True),
            alias="x",
            concurrency=64,
            max_attempts=10,
            max_outage=300.0,
            cache=None,
            run_id="bench",
        )
        alone, all_layers = [], []
        for _ in range(7):
            alone.append(await spend(Last(backend, "x")))
            all_layers.append(await spend(layers.first))
        return alone, all_layers

    alone, all_layers = asyncio.run(main())
    more = [with_them - without for with_them, without in zip(all_layers, alone)]
    rows = [
        [name, f"{median(values):.1f}", f"{min(values):.1f}-{max(values):.1f}"]
        for name, values in (
            ("backend alone", alone),
            ("with all layers", all_layers),
            ("the layers", more),
        )
    ]
    return table(["", "µs of CPU a request, median", "range"], rows)


BENCHES = {
    "faults": faults,
    "settling": settling,
    "simulated": simulated,
    "sharing": sharing,
    "overhead": overhead,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", nargs="*", help=f"which: {', '.join(BENCHES)} (all)")
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()
    for name in options.bench or BENCHES:
        print(f"\n{name}: {BENCHES[name].__doc__}\n", flush=True)
        print(BENCHES[name](options.samples), flush=True)


if __name__ == "__main__":
    main()
