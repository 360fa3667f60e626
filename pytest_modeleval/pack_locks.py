"""What the packs of a run are now, held against the locks that lie beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from pytest_modeleval.errors import UsageError
from pytest_modeleval.packs import PackModule
from pytest_modeleval.registry.lock import (
    LockedTask,
    PackLock,
    lock_changes,
    lock_path,
    read_lock,
)
from pytest_modeleval.registry.plugins import check_plugins
from pytest_modeleval.registry.reading import PackFile, task_name
from pytest_modeleval.task_hash import ATTRIBUTE, table

if TYPE_CHECKING:
    from pytest_modeleval.group import SampleGroup


class PackNow(NamedTuple):
    """A pack as it was collected: the lock that it would have. `partly` says that some of its tasks
    were not collected."""

    file: PackFile
    lock: PackLock
    partly: bool


def check_locks(groups: Iterable[SampleGroup]) -> None:
    """Raises UsageError for a pack of which these benchmarks are not as its lock has them."""
    for pack in packs_now(groups):
        path = lock_path(pack.file.path)
        before = read_lock(path) if pack.file.path.is_file() else None
        if before is None:
            continue
        if changed := list(lock_changes(before, pack.lock, partly=pack.partly)):
            raise UsageError(
                f"{pack.file.place} is not as {path.name} beside it has it: {'; '.join(changed)}. "
                "Put that back, or agree to it: modeleval packs lock "
                f"{pack.file.path}"
            )


def packs_now(groups: Iterable[SampleGroup]) -> Iterator[PackNow]:
    """The packs that benchmarks belong to, each with its lock as it would be now."""
    tasks: dict[PackModule, dict[str, LockedTask]] = {}
    collected: dict[PackModule, set[str | None]] = {}
    for group in groups:
        nodes = group.template.listchain()
        pack = next((each for each in nodes if isinstance(each, PackModule)), None)
        if pack is None:
            continue
        task, _, _ = getattr(group.template.function, ATTRIBUTE)
        collected.setdefault(pack, set()).add(task_name(task))
        tasks.setdefault(pack, {})[group.name.partition("::")[2]] = LockedTask(
            hash=group.task_hash,
            dataset=group.samples.dataset.fingerprint,
            table=json.loads(table(task)),
        )
    for pack, own in tasks.items():
        file = pack.pack_file
        info = file.pack.pack
        lock = PackLock(
            name=info.name,
            version=info.version,
            hash=file.digest,
            plugins=_plugins(file),
            tasks=own,
        )
        partly = not {task_name(task) for task in file.pack.task} <= collected[pack]
        yield PackNow(file, lock, partly)


def _plugins(file: PackFile) -> dict[str, str]:
    found = {each.name: each.version for each in check_plugins(file.pack.plugin, file.place)}
    if any(task.lighteval is not None for task in file.pack.task):
        found["lighteval"] = version("lighteval")
    return found
