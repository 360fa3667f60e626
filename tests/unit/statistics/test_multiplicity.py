"""Corrections for many tests."""

from __future__ import annotations

import pytest

from pytest_modeleval.statistics.multiplicity import benjamini_hochberg, holm


def test_holm_gives_r_s_values() -> None:
    """R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_holm_in_any_order_and_never_above_one() -> None:
    assert holm([0.9, 0.001, 0.5]) == pytest.approx([1.0, 0.003, 1.0])
    assert holm([]) == []


def test_benjamini_and_hochbergs_own_example() -> None:
    """Benjamini and Hochberg (1995), 3.2: at 0.05 the first four of fifteen are rejected."""
    p_values = [
        *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
        *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
    ]
    corrected = benjamini_hochberg(p_values)
    assert [each <= 0.05 for each in corrected] == [True] * 4 + [False] * 11
    assert [each <= 0.05 for each in holm(p_values)] == [True] * 3 + [False] * 12
    assert benjamini_hochberg([]) == []
