"""The arguments of a backend (`--model-arg KEY=VALUE`), taken one by one and checked."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from pytest_modeleval.errors import UsageError


class Arguments:
    """What was given to a backend. Each `UsageError` names the backend and the argument.

    Take each argument that there is by its name, then call `finish`.
    """

    def __init__(self, backend: str, given: Mapping[str, Any]) -> None:
        self._backend = backend
        self._left = dict(given)
        self._known: list[str] = []

    def text(self, name: str) -> str | None:
        """A text, or None where it is not given. A number counts as its digits."""
        value = self._take(name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        if value is not None and not isinstance(value, str):
            raise self._wrong(name, value, "a text")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, value, "true or false")
        return value

    def count(self, name: str, default: int) -> int:
        """A whole number of at least 1."""
        value = self._take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._wrong(name, value, "a whole number of at least 1")
        return value

    def seconds(self, name: str, default: float) -> float:
        """A finite number of seconds, not negative."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(name, value, "a number of seconds")
        if not math.isfinite(value) or value < 0:
            raise self._wrong(name, value, "a number of seconds")
        return float(value)

    def finish(self) -> None:
        """Raise UsageError when something was given that nobody took."""
        for name in self._left:
            near = difflib.get_close_matches(name, self._known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"{self._backend}: unknown argument {name!r}; there are "
                f"{', '.join(self._known)}.{hint}"
            )

    def _take(self, name: str, default: Any) -> Any:
        self._known.append(name)
        return self._left.pop(name, default)

    def _wrong(self, name: str, value: Any, expected: str) -> UsageError:
        return UsageError(f"{self._backend}: {name}={value!r}: expected {expected}")
