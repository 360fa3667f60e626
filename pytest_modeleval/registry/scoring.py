"""The scorers of a task as data: which, with what parameters, and what makes a sample right."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.plain_text import raised
from pytest_modeleval.recorder import is_metric_name, score
from pytest_modeleval.registry.document import no_such, shown


@dataclass(frozen=True)
class TaskScorer:
    """One scorer. A sample is right where each that has a `pass_at` gives at least as much."""

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, Any]
    pass_at: float | None

    def passes(self, text: str, target: Any) -> bool:
        """Record what the scorer gives for a reply, and say whether that is enough.

        Raises ModelevalError where the scorer raises: its sample is an error, and the rest stands.
        """
        try:
            value = self.function(text, target, **self.parameters)
        except ModelevalError:
            raise
        except Exception as error:  # of another's function: an AssertionError is no wrong answer
            raise ModelevalError(f"scorer {self.name} raised {raised(error)}") from error
        number = score(self.name, value)
        return self.pass_at is None or number >= self.pass_at


def task_scorers(
    said: Sequence[str | Mapping[str, Any]], known: Mapping[str, Callable[..., Any]]
) -> list[TaskScorer]:
    """The scorers that a task names. The first decides whether a sample is right, at a value of 1
    unless it says otherwise; others do where they say `pass_at`, and are recorded in any case.

    Raises UsageError for one that does not exist or has no such parameter.
    """
    if not said:
        raise UsageError("scorers: expected one or more")
    found: list[TaskScorer] = []
    for number, each in enumerate(said):
        try:
            scorer = _scorer(each, known, 1.0 if number == 0 else None)
        except UsageError as error:
            raise UsageError(f"scorers[{number}]: {error}") from None
        if scorer.name in [other.name for other in found]:
            raise UsageError(f"scorers[{number}]: {scorer.name} is there already")
        found.append(scorer)
    return found


def _scorer(
    said: str | Mapping[str, Any],
    known: Mapping[str, Callable[..., Any]],
    pass_at: float | None,
) -> TaskScorer:
    parameters: dict[str, Any] = {"name": said} if isinstance(said, str) else dict(said)
    name = parameters.pop("name", None)
    pass_at = parameters.pop("pass_at", pass_at)
    if not isinstance(name, str):
        raise UsageError('expected a name, or a table such as { name = "f1", pass_at = 0.5 }')
    if name not in known:
        raise UsageError(no_such("scorer", name, sorted(known)))
    if not is_metric_name(name):
        raise UsageError(f"a gate could not name {name!r}: letters, digits and underscores do")
    if pass_at is not None and (isinstance(pass_at, bool) or not isinstance(pass_at, (int, float))):
        raise UsageError(f"pass_at: expected a number, got {shown(pass_at)}")
    _check_parameters(name, known[name], parameters)
    return TaskScorer(name, known[name], parameters, pass_at)


def _check_parameters(
    name: str, function: Callable[..., Any], parameters: Mapping[str, Any]
) -> None:
    try:
        own = inspect.signature(function)
    except (TypeError, ValueError):  # written in C
        return
    try:
        own.bind("", "", **parameters)
    except TypeError:
        taken = [
            each.name
            for each in list(own.parameters.values())[2:]
            if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        wrong = [each for each in parameters if each not in taken]
        if wrong and taken:
            raise UsageError(f"{name} has {no_such('parameter', wrong[0], taken)}") from None
        if wrong:
            raise UsageError(f"{name} takes no parameters, got {', '.join(wrong)}") from None
        raise UsageError(
            f"{name} is to be called with a text, the target and these parameters, but is "
            f"{name}{own}"
        ) from None
