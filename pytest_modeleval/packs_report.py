"""`modeleval packs`: which there are, what one is made of, whether it is right, and its lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from pytest_modeleval.collected import Collected, collect
from pytest_modeleval.doctor import project_root
from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.plain_text import one_line, shown
from pytest_modeleval.registry.finding import files, find_pack
from pytest_modeleval.registry.lock import PackLock, lock_changes, lock_path, read_lock, write_lock
from pytest_modeleval.registry.pack import Task
from pytest_modeleval.registry.plugins import check_plugins
from pytest_modeleval.registry.reading import ENDING, KINDS, PackFile, read_pack, task_name
from pytest_modeleval.settings import RunConfig, load

RIGHT, WRONG = 0, 1
"""Exit statuses of `check`."""

SHOWN = ("few_shot", "max_samples", "epochs", "timeout", "sampling", "metric", "weight")
"""Fields of any task."""


def list_packs(where: Path) -> str:
    """Each pack that is found by name, with its version and its file."""
    from tabulate import tabulate

    rows = []
    settings = _settings(where)
    for file in files(settings.pack_path):
        try:
            info = read_pack(file).pack.pack
            rows.append([info.name, info.version, _near(file, where), one_line(info.description)])
        except ModelevalError as error:
            rows.append([file.name.removesuffix(ENDING), "", _near(file, where), str(error)])
    if not rows:
        places = ", ".join(map(str, settings.pack_path))
        return f"there is no pack in {places}, nor in an installed package"
    rows.sort(key=lambda row: (row[0], row[1]))
    headers = ("pack", "version", "file", "")
    return shown(str(tabulate(rows, headers, tablefmt="plain", disable_numparse=True)))


def show_pack(asked: str, where: Path) -> str:
    """What a pack is made of, as its file says it. Raises ModelevalError."""
    file = _pack(asked, where)
    info = file.pack.pack
    lines = [f"{info.name} {info.version}  {_near(file.path, where)}"]
    required = info.policy.required
    told = {
        "description": info.description,
        "licence": info.licence,
        "owner": info.owner,
        "citation": info.citation,
        "score": info.aggregate,
        "gates": "; ".join(info.gates),
        "required": ", ".join(required) if isinstance(required, tuple) else "",
    }
    lines += [f"  {name}: {one_line(text)}" for name, text in told.items() if text]
    lock = read_lock(lock_path(file.path))
    lines.append(f"  lock: {lock_path(file.path).name if lock is not None else 'none'}")
    for task in file.pack.task:
        lines += ["", *_task(task)]
    for plugin in file.pack.plugin:
        lines += ["", f"plugin {plugin.package}{plugin.version}: {_installed(plugin.package)}"]
    return shown("\n".join(lines))


def check_pack(asked: str, where: Path, data: Sequence[str] = ()) -> tuple[str, int]:
    """Whether a pack could be run, without a model: its file, plugins, tasks, datasets and lock.

    Args:
        asked: its file or its name.
        where: the current folder.
        data: folders of datasets, beside those of the configuration.

    Returns:
        What was found, and 0 where all is right, else 1.

    Raises:
        ModelevalError: there is no such pack, or its file, a plugin or a task is wrong.
    """
    file = _pack(asked, where)
    found = _collected(file, where, data)
    lines = [f"{_near(file.path, where)}: {len(file.pack.task)} tasks"]
    problems = [
        f"{each.benchmark.partition('::')[2]}: {each.missing}"
        for each in found.tasks
        if each.missing is not None
    ]
    before = read_lock(lock_path(file.path))
    if before is None:
        lines.append(f"there is no lock: modeleval packs lock {_near(file.path, where)}")
    else:
        changed = list(lock_changes(before, _lock(found, file), partly=bool(problems)))
        problems += [f"not as {lock_path(file.path).name} has it: {each}" for each in changed]
    lines += problems or ["it can be run"]
    return shown("\n".join(lines)), WRONG if problems else RIGHT


def lock_pack(asked: str, where: Path, data: Sequence[str] = ()) -> str:
    """Write a pack's lock, and say what is not as it was in the one before. Raises ModelevalError
    where not all of it can be looked at."""
    file = _pack(asked, where)
    path = lock_path(file.path)
    before = read_lock(path)
    found = _collected(file, where, data)
    for each in found.tasks:
        if each.missing is not None:
            raise UsageError(f"{each.benchmark} cannot be locked: {each.missing}")
    now = _lock(found, file)
    write_lock(path, now)
    changed = [] if before is None else list(lock_changes(before, now))
    lines = [f"written: {_near(path, where)} ({len(now.tasks)} benchmarks)", *changed]
    if before is not None and not changed:
        lines.append("nothing has changed since the lock before")
    return shown("\n".join(lines))


def _collected(file: PackFile, where: Path, data: Sequence[str]) -> Collected:
    check_plugins(file.pack.plugin, file.place)  # a sentence of its own, and at once
    return collect([str(file.path), *(f"--modeleval-data={each}" for each in data)], where)


def _lock(found: Collected, file: PackFile) -> PackLock:
    """The lock that the pack would have; with no benchmarks where none could be opened."""
    info = file.pack.pack
    if found.packs:
        return msgspec.convert(found.packs[0], PackLock)
    return PackLock(name=info.name, version=info.version, hash=file.digest, plugins={}, tasks={})


def _pack(asked: str, where: Path) -> PackFile:
    """By its file, or its name. Raises ModelevalError."""
    path = where / asked
    if not asked.endswith(ENDING):
        try:
            path = find_pack(asked, _settings(where).pack_path)
        except UsageError as error:
            raise UsageError(str(error).removeprefix("--pack ")) from None
    return read_pack(path, _near(path, where))


def _settings(where: Path) -> RunConfig:
    return load(lambda _: None, project_root(where))


def _near(path: Path, where: Path) -> str:
    return str(path.relative_to(where)) if path.is_relative_to(where) else str(path)


def _task(task: Task) -> Iterator[str]:
    kind = next(kind for kind in KINDS if getattr(task, kind) is not None)
    yield f"task {task_name(task)}: {kind} {one_line(getattr(task, kind))}"
    own = ["scorers"] if kind == "dataset" else []
    said = {name: getattr(task, name) for name in (*SHOWN, *own)}
    if isinstance(task.gates, tuple):
        said["gates"] = "; ".join(task.gates)
    for name, value in said.items():
        if value:
            yield f"  {name}: {one_line(str(value))}"


def _installed(package: str) -> str:
    name = package.partition("[")[0].strip()
    try:
        return f"{version(name)} is installed"
    except (PackageNotFoundError, ValueError):
        return "not installed"
