"""`modeleval compare`: two runs side by side, question by question."""

from __future__ import annotations

from pathlib import Path

from pytest_modeleval.errors import UsageError
from pytest_modeleval.plain_text import one_line
from pytest_modeleval.results.baseline import (
    Baseline,
    BaselineBenchmark,
    Scored,
    read_baseline,
)
from pytest_modeleval.statistics.paired import difference

NAMED = 10
"""Samples that got worse, or better, and are named."""


def compare(before: str, after: str, root: Path) -> str:
    """What changed, as text.

    Args:
        before: a run or a baseline, as `--baseline` takes it.
        after: the same.
        root: what run ids and relative paths start from.

    Raises:
        ModelevalError: one of them cannot be read.
        UsageError: they have no benchmark in common.
    """
    old = read_baseline(before, root, "")
    new = read_baseline(after, root, old.model)
    shared = _shared(old, new)
    if not shared:
        raise UsageError(
            f"{before} and {after} have no benchmark in common: the first has "
            f"{_names(old)}, the second {_names(new)}"
        )
    parts = [
        "\n".join([one_line(late), *_changes(old.benchmarks[early], new.benchmarks[late])])
        for early, late in shared
    ]
    both = {name for pair in shared for name in pair}
    only = [name for name in {**old.benchmarks, **new.benchmarks} if name not in both]
    if only:
        parts.append(f"in one of them only: {', '.join(map(one_line, only))}")
    return "\n\n".join([f"{one_line(old.model)} -> {one_line(new.model)}", *parts])


def _shared(old: Baseline, new: Baseline) -> list[tuple[str, str]]:
    """The benchmarks in both, by their names there; another tool may have names of its own."""
    pairs: list[tuple[str | None, str | None]]
    pairs = [(old.name_of(late), late) for late in new.benchmarks]
    pairs += [(early, new.name_of(early)) for early in old.benchmarks]
    return list(dict.fromkeys((early, late) for early, late in pairs if early and late))


def _common(old: BaselineBenchmark, new: BaselineBenchmark) -> dict[str, tuple[Scored, Scored]]:
    """The samples in both that did not change, by the later one's id."""
    pairs: list[tuple[str | None, str | None]]
    pairs = [(old.key_of(late, scored.digest), late) for late, scored in new.samples.items()]
    pairs += [(early, new.key_of(early, each.digest)) for early, each in old.samples.items()]
    found = {
        late: (old.samples[early], new.samples[late]) for early, late in pairs if early and late
    }
    return {late: pair for late, pair in found.items() if pair[0].digest == pair[1].digest}


def _changes(old: BaselineBenchmark, new: BaselineBenchmark) -> list[str]:
    common = _common(old, new)
    lines = [f"  {len(common)} samples in both, {len(old.samples)} before, {len(new.samples)} now"]
    for metric in new.metrics:
        ids = [
            each
            for each, (early, late) in common.items()
            if metric in early.scores and metric in late.scores
        ]
        if len(ids) < 2:
            continue
        before = [common[each][0].scores[metric] for each in ids]
        after = [common[each][1].scores[metric] for each in ids]
        changes = [late - early for early, late in zip(before, after)]
        binary = all(value in (0.0, 1.0) for values in (before, after) for value in values)
        found = difference(changes, binary=binary)
        lines.append(
            f"  {metric}: {sum(before) / len(ids):.4f} -> {sum(after) / len(ids):.4f}, "
            f"{found.difference:+.4f} [{found.lower:+.4f}, {found.upper:+.4f}], "
            f"p = {found.p_value:.3g} ({found.method})"
        )
        for word, chosen in (
            ("worse", [each for each, change in zip(ids, changes) if change < 0]),
            ("better", [each for each, change in zip(ids, changes) if change > 0]),
        ):
            if chosen:
                more = f" and {len(chosen) - NAMED} more" if len(chosen) > NAMED else ""
                listed = ", ".join(map(one_line, chosen[:NAMED]))
                lines.append(f"    {len(chosen)} {word}: {listed}{more}")
    return lines


def _names(baseline: Baseline) -> str:
    return ", ".join(map(one_line, baseline.benchmarks)) or "none"
