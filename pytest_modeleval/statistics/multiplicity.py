"""With dozens of tests some reject by chance: corrected p-values."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that keep the chance of any false rejection below alpha (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """p-values that keep the expected share of false ones among the rejections below alpha
    (Benjamini and Hochberg 1995)."""
    if not p_values:
        return []
    from scipy import stats

    return [float(each) for each in stats.false_discovery_control(list(p_values), method="bh")]
