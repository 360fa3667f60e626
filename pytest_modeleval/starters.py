"""What `modeleval init` writes: a first benchmark, or a first plugin."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Mapping
from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from string import Template

from pytest_modeleval.errors import UsageError

QUESTIONS = "first_benchmark/questions.jsonl"
BENCHMARK = {
    "test_questions.py": "first_benchmark/test_questions.py.txt",
    "questions.jsonl": QUESTIONS,
}
"""The files of a first benchmark, and where their text lies: as .txt, so that nobody takes it for a
test of this package."""
PLUGIN = {
    "pyproject.toml": "first_plugin/pyproject.toml.txt",
    "README.md": "first_plugin/README.md.txt",
    "$module/__init__.py": "first_plugin/module.py.txt",
    "$module/questions.jsonl": QUESTIONS,
    "$module/$name.pack.toml": "first_plugin/pack.toml.txt",
    "tests/test_$module.py": "first_plugin/test_module.py.txt",
}
"""Those of a first plugin: names and texts with `$name`, `$module` and `$version`."""


def write_benchmark(folder: Path) -> str:
    """Write a first benchmark into `folder` and say what to do next.

    Raises UsageError, having written nothing, where one of its files is there already, and where
    the folder cannot be written.
    """
    _write(folder, {name: _text(source) for name, source in BENCHMARK.items()}, "FOLDER")
    test, questions = (folder / name for name in BENCHMARK)
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
            f"  pytest --model=tiny {quote(str(folder))}",
            "",
            f"Then put your own questions into {questions}, say in {test}",
            "what a right reply is and which gates must hold, and name your own model:",
            "  --model=openai:NAME     with OPENAI_API_KEY set; any compatible server with",
            "                          --model-arg base_url=http://localhost:8000/v1",
            "  --model=llamacpp:FILE   a GGUF file, in process",
        ]
    )


def write_plugin(name: str, folder: Path | None) -> str:
    """Write a small distribution of that name into `folder`, or into one of its own name, and say
    what to do next. Raises UsageError as `write_benchmark` does, and for what is no name."""
    module = name.replace("-", "_").lower()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*(?<![_-])", name) or keyword.iskeyword(module):
        raise UsageError(
            f"--plugin {name}: expected the name of a package: letters and digits, with - between "
            "them, such as acme-evals"
        )
    if module in sys.stdlib_module_names or module.startswith("pytest"):
        raise UsageError(f"--plugin {name}: its module {module} would hide another: say a new name")
    folder = folder or Path(name)
    known = {"name": name, "module": module, "version": version("pytest-modeleval")}
    files = {
        Template(path).substitute(known): Template(_text(source)).substitute(known)
        for path, source in PLUGIN.items()
    }
    _write(folder, files, f"--plugin {name} FOLDER")
    where = quote(str(folder))
    return "\n".join(
        [
            f"Written: {folder / module / '__init__.py'} (a scorer and a dataset), a pack, a test,",
            f"and {folder / 'pyproject.toml'}, which tells pytest-modeleval of them.",
            "",
            "Now install it, and run its test, and its pack on the small model that ships:",
            f"  pip install -e {where}",
            f"  pytest {where}",
            f"  pytest --model=tiny --pack {name}",
        ]
    )


def _text(source: str) -> str:
    return (resources.files("pytest_modeleval") / source).read_text(encoding="utf-8")


def _write(folder: Path, files: Mapping[str, str], otherwise: str) -> None:
    for name in files:
        if (folder / name).exists():
            raise UsageError(
                f"{folder / name} is there already and stays as it is: "
                f"name another folder, as in modeleval init {otherwise}"
            )
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from None
