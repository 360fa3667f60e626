"""The console command `modeleval`: what is not a test run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_modeleval.errors import ModelevalError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 where a run of `noise` failed or one that
    `reproduce` looks at differs or a pack is not right, or 2 for what the user must put right."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "init":
            from pytest_modeleval.starters import write_benchmark, write_plugin

            if options.plugin is None:
                print(write_benchmark(options.folder or Path("benchmarks")))
            else:
                print(write_plugin(options.plugin, options.folder))
        elif options.command == "cache":
            print(cache(options))
        elif options.command == "compare":
            from pytest_modeleval.comparison_report import compare

            print(compare(options.baseline, options.run, Path.cwd()))
        elif options.command == "plan":
            from pytest_modeleval.planning_report import plan

            where = Path.cwd()
            print(plan(options.baseline, where, options.detect, options.power, options.alpha))
        elif options.command == "noise":
            from pytest_modeleval.noise_report import noise

            text, failed = noise(options.arguments, options.runs, options.out)
            print(text)
            return 1 if failed else 0
        elif options.command == "export":
            from pytest_modeleval.integrations.lighteval.export import export_folder

            print(export_folder(options.run))
        elif options.command == "packs":
            text, status = packs(options)
            print(text)
            return status
        elif options.command == "reproduce":
            from pytest_modeleval.reproduce_report import reproduce

            return reproduce(options.run, Path.cwd(), execute=options.execute, out=options.out)
        elif options.command == "leaderboard":
            from pytest_modeleval.leaderboard_report import report as standings

            print(standings(options.runs, options.by, options.out))
        elif options.command == "schemas":
            from pytest_modeleval.schemas import write_schemas

            print("\n".join(map(str, write_schemas(options.folder))))
        else:
            from pytest_modeleval.doctor import report

            print(report(Path.cwd()))
    except ModelevalError as error:
        print(f"modeleval {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


def packs(options: argparse.Namespace) -> tuple[str, int]:
    """Look at packs, check one, or lock it: what to print, and the exit status. Raises
    ModelevalError."""
    from pytest_modeleval import packs_report

    where = Path.cwd()
    if options.what == "list":
        return packs_report.list_packs(where), 0
    if options.what == "check":
        return packs_report.check_pack(options.pack, where, options.data)
    if options.what == "show":
        return packs_report.show_pack(options.pack, where), 0
    return packs_report.lock_pack(options.pack, where, options.data), 0


def cache(options: argparse.Namespace) -> str:
    """Look into the response cache, check it, or empty it. Raises ModelevalError."""
    from pytest_modeleval import cache_report

    file = options.file or cache_report.default_file(Path.cwd())
    if options.what == "info":
        return cache_report.info(file)
    if options.what == "verify":
        return cache_report.verify(file)
    return cache_report.clear(file, options.model)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modeleval",
        description="Helpers for benchmarks of language models; the benchmarks themselves are run "
        "by pytest: pytest --model=MODEL FOLDER",
    )
    parser.add_argument(
        "--version", action="version", version=f"pytest-modeleval {version('pytest-modeleval')}"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    starter = commands.add_parser(
        "init",
        help="write a first benchmark of your own, or a plugin",
        description="Write a first benchmark of your own: a test file and its dataset.",
    )
    starter.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="default: benchmarks, or the plugin's name",
    )
    starter.add_argument(
        "--plugin", metavar="NAME", help="a package instead, with a scorer, a dataset and a test"
    )
    _add_cache(commands)
    comparing = commands.add_parser(
        "compare",
        help="compare two runs, question by question",
        description="Compare two runs (or baselines) question by question: the difference of every "
        "score with its interval and p-value, and the samples that got worse or better.",
    )
    comparing.add_argument("baseline", help="what --baseline takes: a run, a file, git:REF:PATH …")
    comparing.add_argument("run", help="the same")
    planning = commands.add_parser(
        "plan",
        help="say how many samples a gate against a baseline needs",
        description="Say how many samples a gate against a baseline needs to show a drop, and the "
        "smallest drop that the samples of each benchmark can show.",
    )
    planning.add_argument("--baseline", required=True, metavar="RUN", help="a run or a baseline")
    for name, default, text in (
        ("--detect", 0.02, "drop in accuracy that is to be shown"),
        ("--power", 0.8, "how likely it is to be shown"),
        ("--alpha", 0.05, "how often a gate fails though nothing got worse"),
    ):
        planning.add_argument(
            name, type=float, default=default, metavar="P", help=f"{text} ({default:g})"
        )
    _add_noise(commands)
    _add_packs(commands)
    _add_reproduce(commands)
    ranking = commands.add_parser(
        "leaderboard",
        help="put the models of several runs beside each other",
        description="Put the models of several runs beside each other: ranks with their "
        "uncertainty, and every difference with a corrected p-value.",
    )
    ranking.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    ranking.add_argument(
        "--by", action="append", default=[], metavar="FIELD", help="also by this metadata field"
    )
    ranking.add_argument("--out", type=Path, metavar="FILE", help="write leaderboard.json there")
    publishing = commands.add_parser(
        "schemas",
        help="write the JSON Schemas of packs, jobs, events and results",
        description="Write the JSON Schema of every file that is read or written, as <name>.json.",
    )
    publishing.add_argument("folder", type=Path, metavar="DIR", help="a folder")
    exporting = commands.add_parser(
        "export",
        help="write a run as another tool does",
        description="Write a run that has ended as another tool does, as --modeleval-export does "
        "at the end of a run.",
    )
    exporting.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    exporting.add_argument(
        "--to", required=True, choices=["lighteval"], help="into the run's lighteval/"
    )
    commands.add_parser(
        "doctor",
        help="show what is installed and what is at hand",
        description="Show versions, backends, GPUs, keys that are set (never their values) and "
        "datasets at hand.",
    )
    return parser


def _add_packs(commands: Any) -> None:
    packing = commands.add_parser(
        "packs",
        help="look at packs of benchmarks, check one, or lock it",
        description="Look at packs of benchmarks, check one, or lock it. No model is asked.",
    )
    whats = packing.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, text in {
        "list": "show the packs that are found by name, with their versions and files",
        "show": "show what a pack is made of: tasks, gates, datasets, plugins",
        "check": "check that a pack could be run: its file, plugins, tasks, datasets and lock",
        "lock": "write down what a pack is now, so that a run tells when it is not any more",
    }.items():
        what = whats.add_parser(name, help=text, description=f"{text.capitalize()}.")
        if name != "list":
            what.add_argument("pack", metavar="PACK", help="its file, or its name as --pack has it")
        if name in ("check", "lock"):
            what.add_argument(
                "--modeleval-data",
                action="append",
                default=[],
                dest="data",
                metavar="DIR",
                help="folder where datasets are looked for by name; repeatable",
            )


def _add_reproduce(commands: Any) -> None:
    again = commands.add_parser(
        "reproduce",
        help="build the command of a run again, and say what differs",
        description="Print the command of a run, and what is not as it was then: packages, commit, "
        "datasets, tasks, variables. With --run, run it again and say what came out differently. "
        "Exit status: 0 the same, 1 something differs, 2 it cannot be told.",
    )
    again.add_argument("run", metavar="RUN", help="folder of a run, its id, or a results.json")
    again.add_argument(
        "--run", action="store_true", dest="execute", help="run it again, into a new folder"
    )
    again.add_argument(
        "--out", type=Path, metavar="DIR", help="that folder (.modeleval/reproduced/<id>)"
    )


def _add_noise(commands: Any) -> None:
    repeating = commands.add_parser(
        "noise",
        usage="modeleval noise [--runs K] [--out DIR] -- PYTEST ARGUMENTS",
        help="run benchmarks several times and say what their scores vary by",
        description="Run benchmarks several times, as they are and with another order, batch size "
        "or seed, and say how much of a score's spread is what, how many epochs are enough, and "
        "which gates are inside the noise.",
    )
    repeating.add_argument(
        "--runs",
        type=int,
        default=3,
        metavar="K",
        help="runs under each condition, the first one among them (3, which makes 9 in all)",
    )
    repeating.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the runs (.modeleval/noise/<id>)"
    )
    repeating.add_argument(
        "arguments",
        nargs="*",
        metavar="PYTEST ARGUMENTS",
        help="what pytest would be given, such as --model=tiny benchmarks/quickstart",
    )


def _add_cache(commands: Any) -> None:
    caching = commands.add_parser(
        "cache",
        help="look into the response cache, check it, or empty it",
        description="Look into the response cache, check it, or empty it.",
    )
    whats = caching.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, text in {
        "info": "show how many replies of which model there are",
        "verify": "check that every reply is what was stored",
        "clear": "remove all replies, or those of one model",
    }.items():
        what = whats.add_parser(name, help=text, description=f"{text.capitalize()}.")
        what.add_argument(
            "--file",
            type=Path,
            help="default: what the settings of this project say, or .modeleval/cache.sqlite",
        )
        if name == "clear":
            what.add_argument("--model", metavar="BACKEND:NAME", help="as `info` names it")
