"""From a gate's text to a Gate. The text is read with `ast` and never evaluated."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from pytest_modeleval.errors import GateError
from pytest_modeleval.gates.gate import Comparison, Gate, Limit, SliceValue, Term, number
from pytest_modeleval.statistics.summary import metric_range

_LONGEST = 500
_COMPARISONS: dict[type[ast.cmpop], Comparison] = {
    ast.GtE: ">=",
    ast.Gt: ">",
    ast.LtE: "<=",
    ast.Lt: "<",
}
_STATISTIC = re.compile(r"mean|median|sum|max|p[5-9][0-9]")
_NAME = re.compile(r"[\w.+-]+")
_RESERVED = frozenset({"baseline", "non_inferior"})
_ALLOWED = (
    "a gate is one comparison such as accuracy >= 0.75, p95(latency_s) <= 30, "
    'lower(accuracy[category == "bio"]) >= 0.6 or accuracy >= baseline - 0.01'
)
_FUNCTIONS = "mean, median, p50 to p99, sum, max, lower, upper"


def parse_gate(text: str) -> Gate:
    """Read one gate: `expression` or `name: expression`.

    Raises:
        GateError: the text is no gate, or its threshold cannot be meant.
    """
    return _Reader(text).gate()


def parse_gates(texts: Iterable[str]) -> tuple[Gate, ...]:
    """Read the gates of one benchmark and give each a name of its own.

    Gates over one term are named with their comparison (`accuracy>=0.75`); a gate given again is
    dropped.

    Raises:
        GateError: as `parse_gate`, or one name given to two gates.
    """
    gates = list({(gate.name, gate.expression): gate for gate in map(parse_gate, texts)}.values())
    shared = _shared_names(gates)
    gates = [
        replace(gate, name=gate.long_name) if gate.name in shared and not gate.named else gate
        for gate in gates
    ]
    for name in _shared_names(gates):
        twins = [index for index, gate in enumerate(gates) if gate.name == name]
        if sum(gates[index].named for index in twins) > 1:
            listed = " and ".join(gates[index].expression for index in twins)
            raise GateError(f"two gates are named {name}: {listed}; give each its own name")
        for count, index in enumerate(twins[1:], start=2):
            gates[index] = replace(gates[index], name=f"{name}-{count}")
    return tuple(gates)


def _shared_names(gates: Iterable[Gate]) -> set[str]:
    return {name for name, count in Counter(gate.name for gate in gates).items() if count > 1}


class _Reader:
    """One text being read; it knows where each part stands, for the error's sentence."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise GateError(f"a gate is text, not {type(text).__name__}: {_ALLOWED}")
        self._text = text.strip()
        self._expression = self._text
        self._start = 0

    def gate(self) -> Gate:
        name = self._take_name()
        node = self._tree()
        gate = self._non_inferior(node) if isinstance(node, ast.Call) else self._compared(node)
        return replace(gate, name=name, named=True) if name else gate

    def _take_name(self) -> str | None:
        if len(self._text) > _LONGEST:
            raise self._refuse(f"is {len(self._text)} characters long, the most is {_LONGEST}")
        for column, character in enumerate(self._text, start=1):
            if not character.isprintable():
                raise self._refuse(f"has a character that does not print at column {column}")
        before, colon, after = self._text.partition(":")
        if not colon or re.search(r"[\[\"'<>=]", before):
            return None
        name = before.strip()
        if not _NAME.fullmatch(name):
            raise self._refuse("has a name (before the colon) that is not letters, digits, _ . + -")
        self._expression = after.strip()
        self._start = len(self._text) - len(after.lstrip())
        return name

    def _tree(self) -> ast.expr:
        try:
            return ast.parse(self._expression, mode="eval").body
        except SyntaxError as error:
            column = min(max(error.offset or 1, 1), len(self._expression) + 1) + self._start
            hint = "; write 75% as 0.75" if "%" in self._expression else ""
            raise self._refuse(f"cannot be read at column {column}{hint}") from None
        except (ValueError, RecursionError, MemoryError):
            raise self._refuse("cannot be read: it is nested too deeply") from None

    def _compared(self, node: ast.expr) -> Gate:
        if isinstance(node, ast.BoolOp) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            raise self._refuse("joins or negates comparisons: write one gate for each", node)
        if not isinstance(node, ast.Compare):
            raise self._refuse("has no comparison", node)
        if len(node.ops) > 1:
            raise self._refuse("has two comparisons: write one gate for each", node)
        comparison = _COMPARISONS.get(type(node.ops[0]))
        if comparison is None:
            raise self._refuse("needs >=, >, <= or < for its comparison", node.comparators[0])
        if _constant(node.left) is not None:
            raise self._refuse("has the number on the left: the metric comes first", node.left)
        term = self._term(node.left)
        right = node.comparators[0]
        threshold = _constant(right)
        if threshold is not None:
            self._require_in_range(term, comparison, threshold, right)
            return Gate(term.name, term, "threshold", comparison, threshold=threshold)
        margin = self._margin(right)
        if term.limit:
            raise self._refuse(
                f"compares {term.limit}(...) with the baseline: compare the metric itself, "
                "such a gate allows for the uncertainty anyway",
                right,
            )
        # Adding 0 turns -0.0 into 0.0.
        tolerance = (-margin if comparison[0] == ">" else margin) + 0.0
        self._require_small(term, tolerance, right)
        return Gate(term.name, term, "regression", comparison, tolerance=tolerance)

    def _non_inferior(self, node: ast.Call) -> Gate:
        if _name(node.func) != "non_inferior":
            raise self._refuse("has no comparison", node)
        if len(node.args) != 2 or node.keywords:
            raise self._refuse("needs non_inferior(metric, margin)", node)
        term = self._term(node.args[0])
        margin = _constant(node.args[1])
        if term.limit or margin is None or not 0 <= margin < math.inf:
            raise self._refuse(
                "needs non_inferior(metric, margin), the margin a number from 0 up", node.args[1]
            )
        self._require_small(term, margin, node.args[1])
        name = f"non_inferior({term.name})"
        return Gate(name, term, "non_inferior", ">=", tolerance=margin)

    def _margin(self, node: ast.expr) -> float:
        """What is added to the baseline on the right of a comparison."""
        if _name(node) == "baseline":
            return 0.0
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Add | ast.Sub)
            and _name(node.left) == "baseline"
        ):
            margin = _constant(node.right)
            if margin is not None and math.isfinite(margin):
                return -margin if isinstance(node.op, ast.Sub) else margin
        raise self._refuse("needs a number, or baseline - a number, on the right", node)

    def _term(self, node: ast.expr) -> Term:
        if isinstance(node, ast.Call) and (limit := _limit(node.func)):
            term = self._statistic(self._only_argument(node))
            if term.statistic == "max":
                raise self._refuse("asks for the limit of a maximum, which has none", node)
            return replace(term, limit=limit)
        return self._statistic(node)

    def _statistic(self, node: ast.expr) -> Term:
        if not isinstance(node, ast.Call):
            return self._metric(node)
        function = _name(node.func) or ""
        if not _STATISTIC.fullmatch(function):
            raise self._refuse(f"calls something else than {_FUNCTIONS}", node)
        return replace(self._metric(self._only_argument(node)), statistic=function)

    def _metric(self, node: ast.expr) -> Term:
        if isinstance(node, ast.BinOp):
            raise self._refuse("calculates with metrics, which gates do not", node)
        if isinstance(node, ast.Subscript):
            metric, (column, value) = _name(node.value), self._slice(node.slice)
        else:
            metric, column, value = _name(node), None, None
        if metric is None or metric in _RESERVED:
            raise self._refuse("needs a metric's name here, with a slice if need be", node)
        return Term(metric, column=column, value=value)

    def _slice(self, node: ast.expr) -> tuple[str, SliceValue]:
        if (
            isinstance(node, ast.Compare)
            and len(node.ops) == 1
            and isinstance(node.ops[0], ast.Eq)
            and (column := _name(node.left))
        ):
            right = node.comparators[0]
            if isinstance(right, ast.Constant) and isinstance(right.value, str | bool):
                return column, right.value
            value = _constant(right)
            if value is not None and math.isfinite(value):
                return column, value
        raise self._refuse('needs [column == "value"] for a slice', node)

    def _only_argument(self, node: ast.Call) -> ast.expr:
        if len(node.args) != 1 or node.keywords:
            raise self._refuse("needs one metric between the parentheses", node)
        return node.args[0]

    def _require_in_range(
        self, term: Term, comparison: Comparison, threshold: float, node: ast.expr
    ) -> None:
        if not math.isfinite(threshold):
            raise self._refuse("needs a finite number for its threshold", node)
        least, greatest = metric_range(term.metric)
        if term.statistic == "sum":
            greatest = math.inf
        impossible = (comparison == ">" and threshold == greatest) or (
            comparison == "<" and threshold == least
        )
        if impossible:
            raise self._refuse(f"can never hold: {_range(term)}", node)
        if not least <= threshold <= greatest:
            raise self._refuse(f"is out of range: {_range(term)}{_percent(threshold)}", node)

    def _require_small(self, term: Term, tolerance: float, node: ast.expr) -> None:
        least, greatest = metric_range(term.metric)
        if term.statistic != "sum" and abs(tolerance) >= greatest - least:
            raise self._refuse(
                f"has a margin out of range: {_range(term)}{_percent(abs(tolerance))}", node
            )

    def _refuse(self, what: str, node: ast.expr | None = None) -> GateError:
        shown = self._text if len(self._text) <= 80 else self._text[:77] + "..."
        if not shown.isprintable():
            shown = ascii(shown)[1:-1]
        where = ""
        if node is not None:
            # ast counts in bytes of UTF-8.
            before = self._expression.encode()[: node.col_offset].decode()
            where = f" (column {self._start + len(before) + 1})"
        return GateError(f"gate `{shown}` {what}{where}; {_ALLOWED}")


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _limit(node: ast.expr) -> Limit | None:
    name = _name(node)
    return "lower" if name == "lower" else "upper" if name == "upper" else None


def _constant(node: ast.expr) -> float | None:
    """The number that stands here, with a sign if any; infinite where it overflows."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _constant(node.operand) if isinstance(node.operand, ast.Constant) else None
        return -value if value is not None and isinstance(node.op, ast.USub) else value
    if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float):
        return None
    if isinstance(node.value, bool):
        return None
    try:
        return float(node.value)
    except OverflowError:
        return math.inf


def _range(term: Term) -> str:
    least, greatest = metric_range(term.metric)
    if term.statistic == "sum" or greatest == math.inf:
        return f"{term} is {number(least)} or more"
    return f"{term} is from {number(least)} to {number(greatest)}"


def _percent(value: float) -> str:
    return f" (did you mean {number(value / 100)}?)" if 1 <= value <= 100 else ""
