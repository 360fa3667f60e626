"""What changes from run to run, against simulated models whose noise is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_modeleval.statistics.noise import Decoding, change, decoding

DRAWS = 400


def answers(rng: np.random.Generator, chances: np.ndarray, k: int) -> np.ndarray:
    """k runs of right and wrong answers to samples of these chances."""
    return (rng.random((k, len(chances))) < chances).astype(float)


class TestChange:
    def test_the_same_in_all_runs_is_none(self) -> None:
        assert change([[1, 0, 1]] * 3) == (0.0, 0.0)

    def test_by_hand(self) -> None:
        """Means 1/2 and 1/4: together sqrt(1/32); one sample of variance 1/2: sqrt(1/2 / 16)."""
        found = change([[1, 1, 0, 0], [1, 0, 0, 0]])
        assert found == (pytest.approx(math.sqrt(1 / 32)), 0.25)

    def test_one_run_or_no_samples_tell_nothing(self) -> None:
        assert change([[1, 0]]) is None
        assert change([[], []]) is None

    def test_changes_that_cancel_out_count_all_the_same(self) -> None:
        found = change([[1, 0] * 50, [0, 1] * 50])
        assert found == (pytest.approx(math.sqrt(0.5 / 100)), 1.0)

    def test_what_moves_all_samples_together_counts_as_it_is(self) -> None:
        lost = [1.0] * 70 + [0.0] * 30
        found = change([[1.0] * 100, lost])
        assert found is not None
        assert found.deviation == pytest.approx(0.3 / math.sqrt(2))

    @pytest.mark.parametrize("k", [2, 3, 5])
    def test_independent_changes_are_found(self, k: int) -> None:
        """The larger of two unbiased variances: never too small on average, and at most 1.5 times
        the truth (1 + 1/e for three runs). Monte-Carlo error of the ratio: 0.05."""
        rng = np.random.default_rng(k)
        chances = rng.choice([0.0, 0.3, 0.9, 1.0], 300)
        truth = float((chances * (1 - chances)).sum()) / 300**2
        found = [change(list(answers(rng, chances, k))) for _ in range(DRAWS)]
        ratio = np.mean([each.deviation**2 for each in found if each is not None]) / truth
        assert 0.95 < ratio < 1.55

    def test_samples_that_change_together_are_taken_together(self) -> None:
        """30 clusters of 10, each right or wrong as a whole."""
        rng = np.random.default_rng(1)
        names = np.repeat(np.arange(30), 10).tolist()
        truth = 0.25 / 30
        ratios = []
        for clusters in (names, None):
            found = [
                change(list(np.repeat(answers(rng, np.full(30, 0.5), 8), 10, axis=1)), clusters)
                for _ in range(DRAWS)
            ]
            variances = [each.deviation**2 for each in found if each is not None]
            ratios.append(np.quantile(variances, 0.05) / truth)
        assert ratios[0] > 0.7 > ratios[1]


class TestDecoding:
    def test_parts_are_found(self) -> None:
        """Chances uniform on 0 to 1: variance 1/12 between samples, 1/6 within. Monte-Carlo error
        1 % (samples) and 0.5 % (once)."""
        rng = np.random.default_rng(3)
        n = 500
        found = [decoding(answers(rng, rng.random(n), 3).T.tolist()) for _ in range(DRAWS)]
        samples = np.mean([each.samples for each in found if each is not None])
        once = np.mean([each.once for each in found if each is not None])
        assert samples == pytest.approx(1 / 12 / n, rel=0.03)
        assert once == pytest.approx(1 / 6 / n, rel=0.015)

    def test_clusters_widen_what_samples_add(self) -> None:
        rng = np.random.default_rng(4)
        clusters = np.repeat(np.arange(50), 10).tolist()
        drawn = [answers(rng, np.repeat(rng.random(50), 10), 4).T.tolist() for _ in range(100)]
        apart = [decoding(each) for each in drawn]
        together = [decoding(each, clusters) for each in drawn]
        assert np.mean([each.samples for each in apart if each]) == pytest.approx(
            1 / 12 / 500, rel=0.1
        )
        assert np.mean([each.samples for each in together if each]) == pytest.approx(
            1 / 12 / 50, rel=0.1
        )

    def test_epochs_are_the_fewest_that_do(self) -> None:
        """(1 + 2 / k) <= 1.21 from k = 9.52 on."""
        divided = Decoding(samples=1.0, once=2.0)
        assert divided.epochs() == 10
        assert divided.added(10) <= 0.1 < divided.added(9)
        assert Decoding(1.0, 0.21).epochs() == 1

    def test_a_deterministic_model_needs_one(self) -> None:
        divided = decoding([[1, 1], [0, 0], [1, 1]])
        assert divided is not None
        assert (divided.once, divided.epochs(), divided.added(1)) == (0.0, 1, 0.0)

    def test_samples_that_are_all_alike_have_none(self) -> None:
        assert Decoding(0.0, 0.1).epochs() is None
        assert Decoding(0.0, 0.1).added(5) == math.inf

    def test_nothing_repeated_tells_nothing(self) -> None:
        assert decoding([[1], [0]]) is None
        assert decoding([[1, 0]]) is None
        assert decoding([[1, 0], [0, 0]], ["a", "a"]) is None
