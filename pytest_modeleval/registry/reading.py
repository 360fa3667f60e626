"""From a `*.pack.toml` to a pack, checked as far as that goes without opening what it names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import UNSET

from pytest_modeleval.errors import GateError, UsageError
from pytest_modeleval.gates import check, parse_gate
from pytest_modeleval.migration import Format, up_to_date
from pytest_modeleval.models.sampling import checked as checked_sampling
from pytest_modeleval.recorder import is_metric_name
from pytest_modeleval.registry import document
from pytest_modeleval.registry.pack import SCHEMA_VERSION, Pack, Task

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENDING = ".pack.toml"
SCORE = "score"
"""What a pack's gates call its score; its tasks they call by name."""
FORMAT = Format("packs", str(SCHEMA_VERSION), "install a newer pytest-modeleval")
KINDS = ("benchmark", "lighteval", "dataset")
"""The fields of a task of which exactly one says what it is."""
_OF_DATA = ("prompt", "system", "ask", "target", "choices", "id", "cluster", "extract", "scorers")
_OF_LIGHTEVAL = ("parameters", "custom_tasks")
_TASK_HEADER = re.compile(r"^\s*\[\[\s*task\s*\]\]")


@dataclass(frozen=True)
class PackFile:
    """A pack, and where it was read: `place` is how sentences call the file, `text` its bytes.

    A pack that no file holds is made of what the command line or a job says: `path` is then a name
    in the folder that its paths start from, and `text` what was said. One that is not `scored`
    has no result of its own: its tasks were named side by side.
    """

    pack: Pack
    path: Path
    place: str
    text: bytes = b""
    scored: bool = True

    @property
    def folder(self) -> Path:
        """What the paths in the pack start from."""
        return self.path.parent

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.text).hexdigest()

    @cached_property
    def _task_lines(self) -> list[int]:
        lines = self.text.decode("utf-8", "replace").splitlines()
        return [number for number, line in enumerate(lines, 1) if _TASK_HEADER.match(line)]

    def line(self, number: int) -> int:
        """The line in which a task begins, counted from 1, for people to look there; tasks are
        counted from 0."""
        lines = self._task_lines
        return lines[number] if len(lines) == len(self.pack.task) else 1

    def place_of(self, number: int) -> str:
        """`core.pack.toml: task 3 (capitals)`."""
        return f"{self.place}: {called(number, task_name(self.pack.task[number]))}"


def read_pack(path: Path, place: str | None = None) -> PackFile:
    """Read a pack's file.

    Args:
        path: the file.
        place: how sentences call it; its name, if not given.

    Raises:
        UsageError: it cannot be read, or says what cannot be meant.
    """
    place = place or path.name
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{place}: cannot be read: {error.strerror or error}") from None
    return PackFile(parse_pack(text, place), path, place, text)


def parse_pack(text: bytes, place: str) -> Pack:
    """A pack of a file's bytes. Raises UsageError as `read_pack` does."""
    try:
        found = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{place}: not valid TOML: {error}") from None
    found = up_to_date(FORMAT, found.get("schema_version", SCHEMA_VERSION), found, place)

    def named(path: document.Path) -> str:
        if len(path) >= 2 and path[0] == "task" and isinstance(path[1], int):
            task = document.value_at(found, path[:2])
            name = task_name_in(task) if isinstance(task, Mapping) else None
            return ": ".join(filter(None, (called(path[1], name), document.dotted(path[2:]))))
        return document.dotted(path)

    pack = document.checked(found, Pack, place, named=named)
    for problem in problems(pack, found):
        raise UsageError(f"{place}: {problem}")
    return pack


def called(number: int, name: str | None) -> str:
    """What a sentence calls a task: as people count."""
    return f"task {number + 1} ({name})" if name else f"task {number + 1}"


def task_name(task: Task) -> str | None:
    """The task's own name, or what it is a task of gives it."""
    return task_name_in({each: getattr(task, each) for each in ("name", *KINDS)})


def task_name_in(task: Mapping[str, Any]) -> str | None:
    """As `task_name`, of a table that has not been checked."""
    name, function, lighteval = (task.get(each) for each in ("name", "benchmark", "lighteval"))
    if isinstance(name, str):
        return name
    if isinstance(function, str):
        return function.rpartition("::")[2].removeprefix("test_") or None
    if isinstance(lighteval, str):
        return re.sub(r"[^A-Za-z0-9_.\-]+", "_", lighteval.partition("|")[0]) or None
    return None


def problems(pack: Pack, found: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a pack though every value is of its type, the first first; `found` are the
    values that it was made of."""
    if not pack.task:
        yield "there is no [[task]] in it"
    names: dict[str, int] = {}
    for number, task in enumerate(pack.task):
        name = task_name(task)
        place = called(number, name)
        for problem in _problems_of_task(task, found["task"][number]):
            yield f"{place}: {problem}"
        if name is None:
            yield f"{place}: a task as data needs a name"
        elif name == RESERVED:
            yield f"{place}: the gates on the pack's score have that name: give it another one"
        elif name in names:
            yield (
                f"task {names[name] + 1} and task {number + 1} are both named {name}: give one of "
                "them another name"
            )
        else:
            names[name] = number
    for required in () if pack.pack.policy.required is UNSET else pack.pack.policy.required:
        if required not in names:
            yield f"pack.policy.required: {document.no_such('task', required, list(names))}"
    if not re.fullmatch(r"\d+|\d+(\.\d+)?%", str(pack.pack.policy.max_errors)):
        yield (
            f"pack.policy.max_errors: expected a number such as 5, or a share such as "
            f'"1%", got {document.shown(pack.pack.policy.max_errors)}'
        )

    for number, text in enumerate(pack.pack.gates):
        try:
            check_pack_gate(text, names)
        except GateError as error:
            yield f"pack.gates[{number}]: {error}"


def check_pack_gate(text: str, tasks: Iterable[str]) -> None:
    """Raises GateError for a gate that cannot be one on the score of a pack with these tasks."""
    gate = parse_gate(text)
    check(gate, [SCORE, *(name for name in tasks if is_metric_name(name))])
    if gate.kind != "threshold" or gate.term.statistic or gate.term.column:
        raise GateError(
            f"{text}: expected the score, a task's name, or lower(…) or upper(…) of one, and a "
            f"number: {SCORE} >= 0.6"
        )


RESERVED = "pack"
"""`core.pack.toml::pack[gate:score]` is a gate on the score of the pack itself."""


def _problems_of_task(task: Task, said: Mapping[str, Any]) -> Iterator[str]:
    kinds = [kind for kind in KINDS if said.get(kind) is not None]
    if len(kinds) != 1:
        got = " and ".join(kinds) if kinds else "none of them"
        yield f"expected exactly one of {', '.join(KINDS)}, got {got}"
        return
    (kind,) = kinds
    for names, owner, of in (
        (_OF_DATA, "dataset", "task as data"),
        (_OF_LIGHTEVAL, "lighteval", "LightEval task"),
    ):
        for name in names:
            if name in said and kind != owner:
                yield f"{name} is for a {of} ({owner} = …), and this is a {kind}"
    if task.benchmark is not None:
        yield from _problems_of_reference(task.benchmark)
    for number, text in enumerate(task.gates if isinstance(task.gates, tuple) else ()):
        try:
            parse_gate(text)
        except GateError as error:
            yield f"gates[{number}]: {error}"
    try:
        checked_sampling(task.sampling)
    except UsageError as error:
        yield f"sampling: {error}"


def _problems_of_reference(benchmark: str) -> Iterator[str]:
    path, _, name = benchmark.partition("::")
    if path.endswith(ENDING):
        yield (
            f'benchmark = "{benchmark}" is a pack: a pack is made of benchmarks, and no pack can '
            "be a task of another one or of itself"
        )
    elif not path.endswith(".py") or not name:
        yield f'benchmark = "{benchmark}": expected a file and a function, "test_x.py::test_x"'
    elif "::" in name or "[" in name:
        yield f'benchmark = "{benchmark}": expected a function of the file, with all its parameters'
