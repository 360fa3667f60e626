"""A benchmark's samples beside those of a baseline: which are the same, and what they scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pytest_modeleval.results.baseline import Baseline
from pytest_modeleval.results.record import GateRecord

NAMED = 5
"""So many ids stand in a sentence."""


@dataclass(slots=True)
class Reference:
    """The baseline's scores of the planned samples: plain values, so that a worker can send it.

    `ids` are the planned samples, and `values` has for each metric one value for each of them, None
    where the baseline has none for that very question. `new`, `changed` and `vanished` are ids.
    `problem` says why there is nothing to compare with.
    """

    source: str = ""
    ids: list[str] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    problem: str | None = None

    @property
    def difference(self) -> str:
        """How the samples differ from the baseline's, in a clause; empty where they do not."""
        parts = [
            f"{len(ids)} {word} ({_listed(ids)})"
            for word, ids in (
                ("changed", self.changed),
                ("new", self.new),
                ("vanished", self.vanished),
            )
            if ids
        ]
        return ", ".join(parts)


def match_samples(
    baseline: Baseline,
    benchmark: str,
    ids: Iterable[str],
    digest_of: Callable[[int], str],
    metrics: Sequence[str],
    task: str | None = None,
) -> Reference:
    """Match the planned samples with the baseline's.

    Args:
        baseline: what to compare with.
        benchmark: its name.
        ids: of the planned samples, in their order.
        digest_of: the digest of a planned sample by its place.
        metrics: those that gates compare.
        task: what LightEval calls it, where it runs one of its tasks.
    """
    name = baseline.name_of(benchmark, task)
    if name is None:
        from difflib import get_close_matches

        near = get_close_matches(benchmark, baseline.benchmarks, n=1)
        hint = f"; did it have the name {near[0]}?" if near else ""
        return Reference(
            baseline.source,
            problem=f"baseline {baseline.source} has no results of this benchmark{hint}",
        )
    own = baseline.benchmarks[name]
    if own.unpaired is not None:
        return Reference(baseline.source, problem=f"baseline {baseline.source}: {own.unpaired}")
    found = Reference(baseline.source, list(ids), values={metric: [] for metric in metrics})
    left = dict.fromkeys(own.samples)
    for place, sample_id in enumerate(found.ids):
        digest = digest_of(place)
        key = own.key_of(sample_id, digest)
        scored = None
        if key is None or key not in left:
            found.new.append(sample_id)
        elif (scored := own.samples[key]).digest != digest:
            found.changed.append(sample_id)
            scored = None
        left.pop(key or "", None)
        for metric in metrics:
            value = scored.scores.get(metric) if scored else None
            found.values[metric].append(
                value if value is not None and math.isfinite(value) else None
            )
    found.vanished = list(left)
    return found


def comparison(record: GateRecord) -> str:
    """What changed from the baseline, how sure that is, and how many samples it was."""
    assert record.value is not None and record.difference is not None
    assert record.lower is not None and record.upper is not None and record.p_value is not None
    adjusted = "" if record.p_adjusted is None else f", {record.p_adjusted:.3g} corrected"
    return (
        f"{record.value:.4f}, {record.difference:+.4f} [{record.lower:+.4f}, {record.upper:+.4f}] "
        f"from the baseline, p = {record.p_value:.3g}{adjusted} ({record.method}); "
        f"{record.worse} worse and {record.better} better of {record.compared}"
        f"{_reach(record)}"
    )


def _reach(record: GateRecord) -> str:
    """Of a gate that passed since nothing was shown: what could have been."""
    if record.verdict != "passed" or record.detectable is None or "non_inf" in record.expression:
        return ""
    return f"; less than {record.detectable:.2g} would hardly show"


def changed_samples(record: GateRecord) -> list[str]:
    """A line with the samples that got worse, and one with those that got better."""
    lines = []
    for word, ids, count in (
        ("worse", record.worse_ids, record.worse or 0),
        ("better", record.better_ids, record.better or 0),
    ):
        if ids:
            more = f" and {count - len(ids)} more" if count > len(ids) else ""
            lines.append(f"{word}: {', '.join(ids)}{more}")
    return lines


def _listed(ids: Sequence[str]) -> str:
    more = ", …" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more
