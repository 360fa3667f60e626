"""Texts made of a record's fields: Jinja templates in a sandbox.

A template belongs to the pack's author; what is put into it comes from a dataset and is never read
as a template itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pytest_modeleval.datasets.conversion import fields
from pytest_modeleval.errors import DatasetError, UsageError

_SANDBOX = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


class Template:
    """A template of a task, under the name of the task's field that holds it.

    Raises:
        UsageError: it is not valid, or reaches for what is not the record's.
    """

    def __init__(self, text: str, field: str) -> None:
        self.field = field
        try:
            tree = _SANDBOX.parse(text)
            self._template = _SANDBOX.from_string(text)
        except TemplateSyntaxError as error:
            raise UsageError(
                f"{field}: no valid template: {error.message} (line {error.lineno} of it)"
            ) from None
        _check_reach(tree, field)

    def render(self, record: Mapping[str, Any]) -> str:
        """The text for a record. Raises DatasetError where the record does not fit."""
        try:
            return self._template.render(record)
        except UndefinedError as error:
            raise DatasetError(f"{self.field}: {error.message} ({fields(record)})") from None
        except Exception as error:  # what a template calls may raise anything
            raise DatasetError(f"{self.field}: {type(error).__name__}: {error}") from error


def is_template(text: str) -> bool:
    """Whether it is one, and not the name of a field."""
    return "{{" in text or "{%" in text


def _check_reach(tree: nodes.Template, field: str) -> None:
    """The sandbox refuses what begins with an underscore when it is asked for it; that a template
    asks is found here, before anything runs."""
    for node in tree.find_all(nodes.Getattr):
        name = node.attr
        if name.startswith("_"):
            raise UsageError(
                f"{field}: the template reaches for {name!r}: it may use the record's fields, and "
                "nothing that begins with an underscore"
            )
    for other in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        raise UsageError(
            f"{field}: the template asks for another one (line {other.lineno} of it): a task's "
            "template stands on its own"
        )
