"""Documents that people write, checked against their types: a mistake is one sentence that says
where it is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from pytest_modeleval.errors import UsageError

Kind = TypeVar("Kind", bound=msgspec.Struct)
Path = Sequence[str | int]
"""Where a value stands in a document: the keys of tables and the places in lists, from 0."""

_PLACED = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def checked(
    document: object,
    kind: type[Kind],
    place: str,
    *,
    named: Callable[[Path], str] = lambda path: dotted(path),
) -> Kind:
    """A document, as the plain values that TOML or JSON holds, as a Struct of `kind`.

    Args:
        document: the whole of it.
        kind: what it must be.
        place: the file's name, with which a sentence begins.
        named: how a sentence calls the place of a value.

    Raises:
        UsageError: it is not of that kind; one sentence that names the place and what was expected.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        found = _PLACED.match(str(error))
        assert found is not None
        path = _steps(found["path"] or "")
        sentence = _sentence(found["what"], document, kind, path)
        raise UsageError(": ".join(filter(None, (place, named(path), sentence)))) from None


def dotted(path: Path) -> str:
    """A place as `task[2].few_shot`, counted from 0."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def no_such(kind: str, name: str, known: Sequence[str]) -> str:
    """`no field 'few_shots'; did you mean 'few_shot'?`"""
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"no {kind} {name!r}; did you mean {' or '.join(map(repr, near))}?"
    return f"no {kind} {name!r}; there are {', '.join(known)}"


def value_at(document: object, path: Path) -> Any:
    """What stands there; None where nothing does."""
    for step in path:
        try:
            document = document[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _steps(text: str) -> list[str | int]:
    """The path in an error of msgspec, which calls any key of a free table `...`."""
    return [name if name else int(number) for name, number in _STEP.findall(text) if name or number]


def _sentence(what: str, document: object, kind: type[Kind], path: Path) -> str:
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        return no_such("field", found[1], [field.encode_name for field in _fields(kind, path)])
    if found := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{found[1]} is missing"
    value = value_at(document, path)
    return f"expected {_expected(what, kind, path)}, got {shown(value)}"


def _expected(what: str, kind: type[Kind], path: Path) -> str:
    for each in _types(kind, path):
        if isinstance(each, inspect.Metadata) and each.extra_json_schema:
            return str(each.extra_json_schema["description"])
        if isinstance(each, inspect.LiteralType):
            return f"one of {', '.join(map(shown, each.values))}"
    found = re.fullmatch(r"Expected `(?P<types>[^`]*)`(?:, got .*)?(?P<rest>.*)", what)
    if found is None:
        return what
    types = [_WORDS.get(each.strip(), each.strip()) for each in found["types"].split("|")]
    words = " or ".join(each for each in types if each != "null")
    return words + _limit(found["rest"])


def _limit(rest: str) -> str:
    found = re.fullmatch(r" (>=|>|<=|<) (-?[\d.]+)", rest)
    if found is None:
        return ""
    number = found[2].removesuffix(".0")
    words = {">=": "of {} or more", ">": "above {}", "<=": "of {} or less", "<": "below {}"}
    return " " + words[found[1]].format(number)


def shown(value: object) -> str:
    """A value as the document has it, cut short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = value if isinstance(value, str) else str(value)
    cut = text if len(text) <= 60 else text[:60] + "…"
    return f'"{cut}"' if isinstance(value, str) else cut


def _fields(kind: type[Kind], path: Path) -> Sequence[inspect.Field]:
    structs = [each for each in _types(kind, path) if isinstance(each, inspect.StructType)]
    return structs[0].fields if structs else ()


def _types(kind: type[Kind], path: Path) -> list[inspect.Type]:
    """The types that a value at the path may have."""
    found = list(_alternatives(inspect.type_info(kind)))
    for step in path:
        found = [deeper for each in found for deeper in _inside(each, step)]
    return found


def _inside(kind: inspect.Type, step: str | int) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            if field.encode_name == step:
                yield from _alternatives(field.type)
    elif isinstance(kind, inspect.DictType):
        yield from _alternatives(kind.value_type)
    elif isinstance(kind, (inspect.VarTupleType, inspect.ListType)):
        yield from _alternatives(kind.item_type)


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _alternatives(each)
    else:
        yield kind
