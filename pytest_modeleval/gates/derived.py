"""Metrics that are made of others: of a sample's repeats, and of how sure the model was of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Protocol

from pytest_modeleval.errors import GateError
from pytest_modeleval.gates.gate import Gate
from pytest_modeleval.statistics.repeats import pass_at_k, pass_hat_k

CONFIDENCE = "confidence"
"""The score that `brier`, `ece` and `adaptive_ece` are made of: from 0 to 1."""

CALIBRATION_ERRORS = ("ece", "adaptive_ece")
"""Of all samples together: no sample has one of its own."""

OF_EPOCHS = re.compile(r"pass_(at|hat)_([1-9][0-9]{0,3})|majority")


class OfEpochs(Protocol):
    """The value of a sample from how many of its epochs were right."""

    def __call__(self, right: int, epochs: int) -> float: ...


def of_epochs(name: str) -> OfEpochs | None:
    """What `pass_at_k`, `pass_hat_k` and `majority` are; None for any other name.

    `majority` is 1 where more epochs were right than not, and one half where as many.
    """
    found = OF_EPOCHS.fullmatch(name)
    if found is None:
        return None
    if name == "majority":
        return lambda right, epochs: ((2 * right > epochs) + (2 * right >= epochs)) / 2
    k = int(found[2])
    estimator = pass_at_k if found[1] == "at" else pass_hat_k
    return lambda right, epochs: estimator(epochs, right, k)


def check_epochs(name: str, epochs: int) -> None:
    """Raises GateError for a metric of more repeats than there are."""
    found = OF_EPOCHS.fullmatch(name)
    if found and found[2] and int(found[2]) > epochs:
        raise GateError(
            f"gate over {name}: it needs {found[2]} epochs of each sample, and there are {epochs}: "
            f"say epochs={found[2]} in @benchmark, or --epochs {found[2]}"
        )


def is_derived(name: str) -> bool:
    return name == "brier" or name in CALIBRATION_ERRORS or OF_EPOCHS.fullmatch(name) is not None


def needed(name: str) -> str:
    """The metric that the body has to record for this one; the metric itself where it is not
    derived."""
    if of_epochs(name) is not None:
        return "accuracy"
    return CONFIDENCE if is_derived(name) else name


def check_derived(gate: Gate, known: Collection[str], epochs: int) -> None:
    """Raises GateError for a gate over a derived metric that cannot be had: too few epochs, no
    score of confidence, or more than a threshold asked of a calibration error."""
    name = gate.term.metric
    check_epochs(name, epochs)
    if needed(name) not in known:
        raise GateError(
            f'gate {gate.expression}: {name} is made of confidences: record score("{CONFIDENCE}", '
            "…) in the body, a number from 0 to 1"
        )
    plain = gate.kind == "threshold" and not gate.term.statistic and not gate.term.limit
    if name in CALIBRATION_ERRORS and not plain:
        raise GateError(
            f"gate {gate.expression}: {name} is one number of all samples: compare it with a "
            f"number, as {name} <= 0.05"
        )
