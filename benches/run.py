"""Run the benches and print their tables: `python benches/run.py --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import caching
import client
import collection
import startup
from harness import Harness

AGAINST_SERVER: dict[str, Callable[[Harness, int], str]] = {
    "cpu": client.cpu,
    "in-flight": client.in_flight,
    "start": client.start,
    "memory": client.memory,
    "cached": caching.cached,
}
ALONE: dict[str, Callable[[Harness, int], str]] = {
    "hits": caching.hits,
    "collection": collection.collection,
    "startup": startup.startup,
}
BENCHES = {**AGAINST_SERVER, **ALONE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", nargs="*", help=f"which: {', '.join(BENCHES)} (all)")
    parser.add_argument(
        "--harness",
        type=Path,
        default=os.environ.get("MODELEVAL_BENCH"),
        help="the bench harness's folder, built (or the environment's MODELEVAL_BENCH)",
    )
    parser.add_argument(
        "--python",
        type=Path,
        default=sys.executable,
        help="a Python with the plugin and nothing else installed",
    )
    parser.add_argument("--floor", type=Path, help="a Python with openai and aiohttp installed")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if unknown := set(options.bench) - set(BENCHES):
        parser.error(f"there is no bench {min(unknown)}: there are {', '.join(BENCHES)}")
    if options.harness is None:
        parser.error(
            "the bench harness is not part of this project: name its folder, --harness DIR"
        )
    harness = Harness(options.harness, options.python, options.floor)
    with harness.serving():
        harness.ours(1)  # warms the file and bytecode caches
        for name in options.bench or BENCHES:
            print(f"\n{name}: {BENCHES[name].__doc__}\n", flush=True)
            print(BENCHES[name](harness, options.rounds), flush=True)


if __name__ == "__main__":
    main()
