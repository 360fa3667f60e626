"""The console command `modeleval`: what is not a test run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pytest_modeleval.errors import ModelevalError, UsageError

STARTER = "first_benchmark"
STARTER_FILES = {
    "test_questions.py": "test_questions.py.txt",  # nobody may take it for a test of this package
    "questions.jsonl": "questions.jsonl",
}
"""The files that `init` writes, and where their text lies."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, or 2 for what the user must put right."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "init":
            print(init(Path(options.folder)))
        else:
            from pytest_modeleval.doctor import report

            print(report(Path.cwd()))
    except ModelevalError as error:
        print(f"modeleval {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


def init(folder: Path) -> str:
    """Write a first benchmark into `folder` and say what to do next.

    Raises UsageError, having written nothing, where one of its files is there already, and where
    the folder cannot be written.
    """
    for name in STARTER_FILES:
        if (folder / name).exists():
            raise UsageError(
                f"{folder / name} is there already and stays as it is: "
                "name another folder, as in modeleval init FOLDER"
            )
    starter = resources.files("pytest_modeleval") / STARTER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in STARTER_FILES.items():
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write((starter / source).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from None
    return _next_steps(folder)


def _next_steps(folder: Path) -> str:
    test, questions = (folder / name for name in STARTER_FILES)
    engine = (
        []
        if find_spec("xllamacpp")
        else ["", "The embedded engine first:", "  pip install 'pytest-modeleval[local]'"]
    )
    return "\n".join(
        [
            f"Written: {test} (the benchmark) and {questions} (its dataset).",
            *engine,
            "",
            "Now run it on the small model that ships, which needs no key and no network:",
            f"  pytest --model=tiny {_shell(folder)}",
            "",
            f"Then put your own questions into {questions}, say in {test}",
            "what a right reply is and which gates must hold, and name your own model:",
            "  --model=openai:NAME     with OPENAI_API_KEY set; any compatible server with",
            "                          --model-arg base_url=http://localhost:8000/v1",
            "  --model=llamacpp:FILE   a GGUF file, in process",
        ]
    )


def _shell(folder: Path) -> str:
    from shlex import quote

    return quote(str(folder))


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
        help="write a first benchmark of your own",
        description="Write a first benchmark of your own: a test file and its dataset.",
    )
    starter.add_argument(
        "folder", nargs="?", default="benchmarks", metavar="FOLDER", help="default: benchmarks"
    )
    commands.add_parser(
        "doctor",
        help="show what is installed and what is at hand",
        description="Show versions, backends, GPUs, keys that are set (never their values) and "
        "datasets at hand.",
    )
    return parser
