"""What a worker of pytest-xdist tells the controller, as the plain values that xdist carries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from pytest_modeleval.results.record import Call, SampleResult
from pytest_modeleval.tally import Plan, SampleReport


@dataclass(slots=True)
class Farewell:
    """A worker's last word: the plans that it had, which models answered it, by alias, why it
    ended the whole run, if it did, what else the user should know, which packages it used, and how
    often an engine of it was started anew."""

    plans: Sequence[Plan]
    identities: Mapping[str, dict[str, Any]]
    ended: str | None
    notices: Sequence[str]
    packages: Mapping[str, str]
    restarts: int


def packed(message: SampleReport | Farewell) -> str:
    """xdist takes plain values only, and no lone surrogates: JSON's escapes carry both."""
    return json.dumps(message, default=_plain)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return str(value)


def sample_report(text: str) -> SampleReport:
    values = json.loads(text)
    plan = values["plan"]
    return SampleReport(
        values["row"],
        [
            SampleResult(**{**result, "calls": [Call(**call) for call in result["calls"]]})
            for result in values["results"]
        ],
        values["started"],
        _plan(plan) if plan else None,
        values["stopped"],
        values["identities"],
        values["kept"],
    )


def farewell(text: str) -> Farewell:
    values = json.loads(text)
    return Farewell(**{**values, "plans": [_plan(plan) for plan in values["plans"]]})


def _plan(values: dict[str, Any]) -> Plan:
    return Plan(**{**values, "location": tuple(values["location"])})
