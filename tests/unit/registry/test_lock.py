"""What is not as a lock has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.registry.lock import (
    LockedTask,
    PackLock,
    lock_changes,
    lock_path,
    read_lock,
    write_lock,
)

TASK = LockedTask(hash="h1", dataset="d1", table={"dataset": "a.jsonl", "prompt": "{{ a }}"})
LOCK = PackLock(
    name="core",
    version="1.0.0",
    hash="p1",
    plugins={"my-metrics": "1.2"},
    tasks={"first": TASK, "second": TASK},
)
CHANGES = [
    (replace(LOCK), []),
    (replace(LOCK, hash="p2"), ["the pack's file has changed, though not in its tasks"]),
    (replace(LOCK, plugins={"my-metrics": "1.3"}), ["my-metrics was 1.2 and is 1.3"]),
    (
        replace(LOCK, plugins={"other": "1"}),
        ["my-metrics was 1.2 and is not asked for", "other was not asked for and is 1"],
    ),
    (replace(LOCK, tasks={"first": TASK}), ["task second is not in the pack any more"]),
    (replace(LOCK, tasks={**LOCK.tasks, "third": TASK}), ["task third is new"]),
    (
        replace(LOCK, hash="p2", tasks={**LOCK.tasks, "first": replace(TASK, dataset="d2")}),
        ["task first has another dataset: its fingerprint was d1 and is d2"],
    ),
    (
        replace(LOCK, tasks={**LOCK.tasks, "first": replace(TASK, hash="h2", table={})}),
        [
            'task first has another dataset: it was "a.jsonl" and is not given',
            'task first has another prompt: it was "{{ a }}" and is not given',
        ],
    ),
    (
        replace(LOCK, tasks={**LOCK.tasks, "first": replace(TASK, hash="h2")}),
        ["task first has another source text (or is of another version of LightEval)"],
    ),
]


@pytest.mark.parametrize(("now", "told"), CHANGES)
def test_each_change_is_named(now: PackLock, told: list[str]) -> None:
    assert list(lock_changes(LOCK, now)) == told


def test_tasks_that_were_not_looked_at_are_not_missed() -> None:
    now = replace(LOCK, hash="p2", tasks={"first": TASK})
    assert list(lock_changes(LOCK, now, partly=True)) == ["the pack's file has changed"]


def test_a_lock_comes_back_as_it_was(tmp_path: Path) -> None:
    path = lock_path(tmp_path / "core.pack.toml")
    assert path == tmp_path / "core.pack.lock"
    assert read_lock(path) is None
    write_lock(path, LOCK)
    assert read_lock(path) == LOCK


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 2}', '{"name": 3}'])
def test_what_is_no_lock_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "core.pack.lock"
    path.write_text(text, "utf-8")
    with pytest.raises(ModelevalError, match=r"core\.pack\.lock"):
        read_lock(path)
