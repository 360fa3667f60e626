"""What a gate says, once its text has been read."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from pytest_modeleval.errors import GateError

Comparison = Literal[">=", ">", "<=", "<"]
Limit = Literal["lower", "upper"]
Kind = Literal["threshold", "regression", "non_inferior"]
SliceValue = str | float | bool


@dataclass(frozen=True, slots=True)
class Term:
    """A statistic of a metric, over all samples or over those whose column has a value.

    `statistic` is None for the bare metric (its mean), or mean, median, sum, max, p50 to p99;
    `limit` asks for an end of the statistic's confidence interval in its place.
    """

    metric: str
    statistic: str | None = None
    column: str | None = None
    value: SliceValue | None = None
    limit: Limit | None = None

    @property
    def quantile(self) -> float | None:
        """From 0 to 1 where the statistic is a quantile."""
        if self.statistic == "median":
            return 0.5
        if self.statistic and self.statistic[0] == "p":
            return int(self.statistic[1:]) / 100
        return None

    def __str__(self) -> str:
        sliced = f"[{self.column} == {literal(self.value)}]" if self.column else ""
        return self._wrapped(f"{self.metric}{sliced}")

    @property
    def name(self) -> str:
        """As `str`, without the characters that mean something in a node id."""
        sliced = f"({self.column}={_plain(self.value)})" if self.column else ""
        return self._wrapped(f"{self.metric}{sliced}")

    def _wrapped(self, text: str) -> str:
        for function in (self.statistic, self.limit):
            text = f"{function}({text})" if function else text
        return text


@dataclass(frozen=True, slots=True)
class Gate:
    """One comparison.

    `threshold` is None against a baseline. `tolerance` is the margin by which a gate against a
    baseline lets the metric be worse (negative: it must be better by as much), else None.
    `named` says that the author gave the name.
    """

    name: str
    term: Term
    kind: Kind
    comparison: Comparison
    threshold: float | None = None
    tolerance: float | None = None
    named: bool = False

    @property
    def expression(self) -> str:
        """The gate's text in one canonical spelling, without its name."""
        if self.kind == "non_inferior":
            return f"non_inferior({self.term}, {number(self.tolerance or 0)})"
        return f"{self.term} {self.comparison} {self._right(' ')}"

    @property
    def long_name(self) -> str:
        """A name that tells this gate from another one over the same term."""
        if self.kind == "non_inferior":
            return f"non_inferior({self.term.name},{number(self.tolerance or 0)})"
        return f"{self.term.name}{self.comparison}{self._right('')}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it needs."""
        return (self.term.metric,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the samples that it slices by."""
        return (self.term.column,) if self.term.column else ()

    def _right(self, space: str) -> str:
        if self.threshold is not None:
            return number(self.threshold)
        margin = -(self.tolerance or 0) if self.comparison[0] == ">" else self.tolerance or 0
        if not margin:
            return "baseline"
        return f"baseline{space}{'-' if margin < 0 else '+'}{space}{number(abs(margin))}"


def check(gate: Gate, metrics: Collection[str], columns: Collection[str] | None = None) -> None:
    """Refuse a gate over a metric, or a slice by a column, that does not exist.

    Args:
        gate: the gate.
        metrics: the names of the metrics that exist.
        columns: the names of the columns that exist; None where they are not known yet.

    Raises:
        GateError: naming those that exist, and the nearest.
    """
    for kind, wanted, known in (
        ("metric", gate.metrics, metrics),
        ("column", gate.columns, columns),
    ):
        for name in wanted:
            if known is not None and name not in known:
                raise GateError(f"gate {gate.expression}: {unknown(kind, name, known)}")


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """The clause that says which name is not known, the nearest one, and those that exist."""
    from difflib import get_close_matches

    # Letters that only look like others are spelt out.
    shown = name if name.isascii() else ascii(name)
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    listed = ", ".join(sorted(known)) or "none"
    return f"there is no {kind} {shown}{hint}; there are: {listed}"


def number(value: float) -> str:
    """A number as short as it can be written without changing it."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def literal(value: SliceValue | None) -> str:
    """A slice's value as it is written in a gate."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    return str(value) if isinstance(value, bool) else number(value or 0)


def _plain(value: SliceValue | None) -> str:
    text = value if isinstance(value, str) else literal(value)
    return re.sub(r"[^\w.+-]+", "-", text)[:40]
