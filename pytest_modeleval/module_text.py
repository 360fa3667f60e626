"""What a benchmark's module says before anything of it runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path


class ModuleText:
    """The syntax tree of a file; empty where it cannot be read, which pytest itself has told."""

    def __init__(self, path: Path) -> None:
        try:
            self._tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            self._tree = ast.Module(body=[], type_ignores=[])
        self.scores = frozenset(self._scores())

    def _scores(self) -> Iterator[str]:
        """The names that are given to `score`."""
        for node in ast.walk(self._tree):
            if not (isinstance(node, ast.Call) and name_of(node.func) == "score"):
                continue
            named = (keyword.value for keyword in node.keywords if keyword.arg == "name")
            first = node.args[0] if node.args else next(named, None)
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value

    @cached_property
    def _functions(self) -> dict[int, ast.FunctionDef | ast.AsyncFunctionDef]:
        return {
            min([node.lineno, *(each.lineno for each in node.decorator_list)]): node
            for node in ast.walk(self._tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }

    def function(self, line: int) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The function that begins in a line, with its first decorator as its code object says."""
        return self._functions.get(line)

    def twins(self) -> tuple[str, int, int] | None:
        """A benchmark that a later function of the same name takes the place of: the name and the
        lines of both."""
        for scope in ast.walk(self._tree):
            if not isinstance(scope, (ast.Module, ast.ClassDef)):
                continue
            seen: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
            for node in scope.body:
                if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    continue
                if node.name in seen and _is_benchmark(seen[node.name]):
                    return node.name, seen[node.name].lineno, node.lineno
                seen[node.name] = node
        return None


def _is_benchmark(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    calls = (each for each in function.decorator_list if isinstance(each, ast.Call))
    return any(name_of(call.func) == "benchmark" for call in calls)


def name_of(function: ast.expr) -> str | None:
    """`f` and `module.f` are both f."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None
