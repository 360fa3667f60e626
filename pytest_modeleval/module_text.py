"""What a benchmark's module says before anything of it runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path


class ModuleText:
    """The syntax tree of a file; empty where it is not Python (a pack's TOML may look like it), or
    cannot be read, which pytest itself has told."""

    def __init__(self, path: Path) -> None:
        self._lines: list[str] = []
        self._definitions: dict[int, str | None] = {}
        try:
            source = path.read_bytes() if path.suffix == ".py" else b""
            self._tree = ast.parse(source)
            self._lines = source.decode("utf-8", "replace").splitlines()
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

    def definition(self, line: int) -> str | None:
        """The text of the function that begins in a line, and of all else in the module that it
        names, by itself or through that: helpers, constants, imports, fixtures. Without white space
        at the ends of lines. None where no function begins there."""
        if line not in self._definitions:
            self._definitions[line] = self._definition(line)
        return self._definitions[line]

    def _definition(self, line: int) -> str | None:
        function = self.function(line)
        if function is None:
            return None
        first = next(
            place
            for place, statement in enumerate(self._tree.body)
            if statement.lineno <= function.lineno <= (statement.end_lineno or 0)
        )
        reached: set[int] = set()
        waiting = {first}
        while waiting:
            place = waiting.pop()
            reached.add(place)
            named = _named(self._tree.body[place])
            waiting |= {each for name in named for each in self._bound.get(name, ())} - reached
        return "\n".join(self._text(self._tree.body[place]) for place in sorted(reached))

    @cached_property
    def _bound(self) -> dict[str, list[int]]:
        """Where each name of the module gets its value: places among its statements."""
        found: dict[str, list[int]] = {}
        for place, statement in enumerate(self._tree.body):
            for name in _binds(statement):
                found.setdefault(name, []).append(place)
        return found

    def _text(self, statement: ast.stmt) -> str:
        decorators = getattr(statement, "decorator_list", ())
        first = min([statement.lineno, *(each.lineno for each in decorators)])
        lines = self._lines[first - 1 : statement.end_lineno]
        return "\n".join(line.rstrip() for line in lines)

    @cached_property
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


def _binds(statement: ast.stmt) -> Iterable[str]:
    """The names of the module that a statement gives a value."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def _named(statement: ast.stmt) -> set[str]:
    """The names that a statement uses; a function's arguments may be fixtures."""
    return {
        node.id if isinstance(node, ast.Name) else node.arg
        for node in ast.walk(statement)
        if isinstance(node, (ast.Name, ast.arg))
    }


def _is_benchmark(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    calls = (each for each in function.decorator_list if isinstance(each, ast.Call))
    return any(name_of(call.func) == "benchmark" for call in calls)


def name_of(function: ast.expr) -> str | None:
    """`f` and `module.f` are both f."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None
