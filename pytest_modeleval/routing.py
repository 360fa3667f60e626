"""What a benchmark needs of its models, held against what they can do, before anything is sent.

A body's own text tells most of it: `model.chat(…)` needs a model that chats, `tools=` one that
calls tools, an image one that sees. What its helpers need is said by `@benchmark(needs=[…])`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import unwrap
from pathlib import Path
from typing import Any

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.model import Model
from pytest_modeleval.module_text import ModuleText, name_of

FACE = {
    "chat": "chat",
    "complete": "completion",
    "loglikelihood": "loglikelihood",
    "perplexity": "loglikelihood",
}
"""The capability that each method of a model takes; `choose` has several ways."""

WITH = {"tools": "gives model.{} tools", "logprobs": "asks model.{} for log-probabilities"}
"""Arguments of a call that take a capability of the same name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a body's text asks for.

    `needs` maps the capabilities of the model under test to how the text asks for them; `chooses`
    is whether it calls `model.choose`. A body that looks at `capabilities` `decides` for itself.
    `roles` are the helpers that it cannot do without.
    """

    needs: dict[str, str]
    chooses: bool = False
    decides: bool = False
    roles: frozenset[str] = frozenset()


def asked_by(function: Callable[..., Any], text_of: Callable[[Path], ModuleText]) -> Asked:
    """What the text of a body asks of its models; nothing where there is no text."""
    code = getattr(unwrap(function), "__code__", None)
    body = text_of(Path(code.co_filename)).function(code.co_firstlineno) if code else None
    if body is None:
        return Asked({})
    nodes = list(ast.walk(body))
    roles = frozenset(_roles(nodes))
    calls = [
        node.attr for node in nodes if isinstance(node, ast.Attribute) and _is_model(node.value)
    ]
    needs = {FACE[name]: f"calls model.{name}" for name in calls if name in FACE}
    needs.update(_arguments(nodes))
    # With a helper at hand, an image may be for its eyes only.
    if not roles and any(_makes_an_image(node) for node in nodes):
        needs["images"] = "makes an image"
    return Asked(needs, "choose" in calls, "capabilities" in calls, roles)


def lacking(
    name: str, asked: Asked, declared: Iterable[str], model: Model, choose_by: str
) -> str | None:
    """Why the model cannot serve the benchmark `name`, None where it can as far as is known."""
    needs = {each: f"needs {each}" for each in declared}
    if not asked.decides:
        needs = {**asked.needs, **needs}
    can = model.capabilities
    for capability, words in needs.items():
        if not getattr(can, capability):
            return _cannot(name, words, model) + (
                ": it has no chat template" if capability == "chat" else ""
            )
    if asked.chooses and not asked.decides:
        by_letters = choose_by == "letters"
        if not (can.chat or can.completion if by_letters else can.loglikelihood):
            return _cannot(name, "calls model.choose", model) + (
                "" if by_letters else ": with --choose-by letters it may reply with a letter"
            )
    return None


def check_roles(name: str, asked: Asked, roles: Iterable[str]) -> None:
    """Raises UsageError for a helper that nobody named."""
    for role in sorted(asked.roles - {"model", *roles}):
        raise UsageError(
            f"{name} asks for models[{role!r}], and no model has that role: name one with "
            f"--role {role}=BACKEND:NAME"
        )


def _cannot(name: str, words: str, model: Model) -> str:
    return f"{name} {words}, but {model.alias} ({model.identity.backend}) cannot do that"


def _is_model(node: ast.expr) -> bool:
    """`model`, or `models["model"]`."""
    return (isinstance(node, ast.Name) and node.id == "model") or _role(node) == "model"


def _role(node: ast.AST) -> str | None:
    """The role in `models["role"]`."""
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "models"
        and isinstance(node.slice, ast.Constant)
    ):
        return str(node.slice.value)
    return None


def _roles(nodes: list[ast.AST]) -> Iterator[str]:
    """The roles that the text takes for granted: not those that it looks for with `in` first."""
    looked_for = {
        node.left.value
        for node in nodes
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant)
    }
    for node in nodes:
        role = _role(node)
        if role is not None and role != "model" and role not in looked_for:
            yield role


def _arguments(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and _is_model(node.func.value)
        ):
            continue
        for keyword in node.keywords:
            nothing = isinstance(keyword.value, ast.Constant) and keyword.value.value is None
            if keyword.arg in WITH and not nothing:
                yield keyword.arg, WITH[keyword.arg].format(node.func.attr)


def _makes_an_image(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and name_of(node.func) == "ContentPart"):
        return False
    named = (keyword.value for keyword in node.keywords if keyword.arg == "type")
    kind = node.args[0] if node.args else next(named, None)
    return isinstance(kind, ast.Constant) and kind.value == "image"
