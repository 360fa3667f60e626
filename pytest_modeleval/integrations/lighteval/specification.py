"""What `task|few_shot` names: tasks of LightEval, with parameters of their metrics."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pytest_modeleval.errors import UsageError
from pytest_modeleval.integrations.lighteval.library import failed_modules, library

RUNS_CODE = {
    "CodegenMetric": "programs that the model wrote, on this machine",
    "VerifiableRewardMetric": "logic programs that the model wrote, with code from the hub",
}
"""Classes of metrics that are refused, and what they would run."""


@dataclass(frozen=True, slots=True)
class Specification:
    """`task@parameter=value|few_shot`, read. `parameters` are of the task's metrics."""

    task: str
    few_shot: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Specification:
        """Raises UsageError for a text of another form."""
        parts = text.strip().split("|")
        # LightEval still takes its older form suite|task|few_shot, and ignores the suite.
        named, few_shot = (parts[-2], parts[-1]) if len(parts) in (2, 3) else (text.strip(), "0")
        name, *given = named.split("@")
        if not name or len(parts) > 3 or not re.fullmatch(r"[0-9]+", few_shot.strip()):
            raise UsageError(
                f"LightEval task {text!r}: expected task|few_shot, such as gsm8k|5, or "
                "task@parameter=value|few_shot"
            )
        parameters = {}
        for each in given:
            key, equals, value = each.partition("=")
            try:
                if not equals or not key.isidentifier():
                    raise ValueError
                parameters[key] = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                raise UsageError(
                    f"LightEval task {text!r}: {each!r} is no parameter=value, where the value is "
                    "a number, a quoted text, True, False or None"
                ) from None
        return cls(name, int(few_shot), parameters)

    def __str__(self) -> str:
        given = "".join(f"@{key}={value!r}" for key, value in self.parameters.items())
        return f"{self.task}{given}|{self.few_shot}"


def load_tasks(specification: Specification, custom_tasks: str | Path | None) -> dict[str, Any]:
    """The tasks that it names, by "task|few_shot": one, or all of a superset such as `mmlu`.

    Raises UsageError for a task that does not exist, a file of tasks that cannot be read, and
    parameters that its metrics do not have.
    """
    library()
    from lighteval.tasks.registry import Registry

    try:
        # A spec without "|" would be taken for a file where there is one of that name.
        registry = Registry(
            tasks=str(specification),
            custom_tasks=None if custom_tasks is None else str(custom_tasks),
        )
    except Exception as error:
        raise _refused(specification, custom_tasks, error) from error
    tasks: dict[str, Any] = registry.load_tasks()
    for name, task in tasks.items():
        _check(name, task, specification)
    return tasks


def with_overrides(
    specification: Specification, few_shot: int | None, parameters: Mapping[str, Any]
) -> Specification:
    return replace(
        specification,
        few_shot=specification.few_shot if few_shot is None else few_shot,
        parameters={**specification.parameters, **parameters},
    )


def _refused(
    specification: Specification, custom_tasks: str | Path | None, error: Exception
) -> UsageError:
    from lighteval.tasks.registry import Registry

    if custom_tasks is not None:
        try:
            module = Registry.create_custom_tasks_module(str(custom_tasks))
        except Exception as cause:
            return UsageError(
                f"the file of LightEval tasks {custom_tasks} cannot be imported: "
                f"{type(cause).__name__}: {cause}"
            )
        if not hasattr(module, "TASKS_TABLE"):
            return UsageError(
                f"the file of LightEval tasks {custom_tasks} has no TASKS_TABLE, the list of its "
                "LightevalTaskConfig"
            )
        own = [config.name for config in module.TASKS_TABLE]
    else:
        own = []
    if not str(error).startswith("Cannot find task"):
        return UsageError(f"LightEval task {specification}: {error}")
    known = [*own, *Registry.load_all_task_configs()]
    supersets = {name.partition(":")[0] for name in known}
    near = get_close_matches(specification.task, {*known, *supersets}, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    failed = failed_modules()
    lost = failed.get(specification.task.partition(":")[0]) or (
        failed.get("tiny_benchmarks") if specification.task.startswith("tiny") else None
    )
    why = f"Its module was not loaded: {lost}. " if lost else ""
    return UsageError(
        f"LightEval has no task {specification.task!r}: {hint}{why}There are {len(known)}; "
        "a file of further ones is named with --lighteval-tasks, or custom_tasks in a pack"
    )


def _check(name: str, task: Any, specification: Specification) -> None:
    for metric in task.metrics:
        computed = metric.sample_level_fn
        ran = RUNS_CODE.get(type(computed).__name__)
        if ran is not None:
            raise UsageError(
                f"LightEval task {name}: its metric {metric.metric_name} runs {ran}, without a "
                "sandbox: that is refused"
            )
    for key in specification.parameters:
        # LightEval sets parameters only of metrics that are named so, such as pass@k.
        holders = [each.sample_level_fn for each in task.metrics if "@" in each.metric_name]
        if not any(hasattr(each, key) for each in holders):
            raise UsageError(f"LightEval task {name}: none of its metrics has a parameter {key!r}")
