from __future__ import annotations

from itertools import permutations

from pytest_modeleval.gates import Table


def test_metrics_stand_in_the_order_of_the_rows() -> None:
    rows = [{"b": 1.0, "a": 1.0}, {"c": 1.0}, {"a": 1.0, "c": 1.0, "b": 1.0}]
    for arrival in permutations(range(3)):
        table = Table(3)
        for row in arrival:
            table.record(row, "right", rows[row])
        assert table.metrics == ["accuracy", "b", "a", "c"]
