"""Gates: one comparison each, read from text, judged over a benchmark's planned samples."""

from pytest_modeleval.gates.evaluation import judge, not_judged
from pytest_modeleval.gates.expression import parse_gate, parse_gates
from pytest_modeleval.gates.gate import Gate, Term, check
from pytest_modeleval.gates.reference import (
    Reference,
    changed_samples,
    comparison,
    match_samples,
)
from pytest_modeleval.gates.table import Table

__all__ = [
    "Gate",
    "Reference",
    "Table",
    "Term",
    "changed_samples",
    "check",
    "comparison",
    "judge",
    "match_samples",
    "not_judged",
    "parse_gate",
    "parse_gates",
]
