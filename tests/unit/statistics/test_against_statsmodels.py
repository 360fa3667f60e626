"""Where statsmodels has the same thing, it gives the same numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from pytest_modeleval.scorers import exact_match
from pytest_modeleval.statistics import wilson_interval
from pytest_modeleval.statistics.clusters import cluster_interval
from pytest_modeleval.statistics.multiplicity import benjamini_hochberg, holm
from pytest_modeleval.statistics.paired import difference, mcnemar


def clustered_error(values: list[float], clusters: list[int]) -> float:
    """CR1, as a regression on a constant has it."""
    fit = sm.OLS(np.array(values), np.ones(len(values)))
    return float(fit.fit(cov_type="cluster", cov_kwds={"groups": np.array(clusters)}).bse[0])


@pytest.mark.parametrize("n", [7, 50, 1319])
def test_wilson(n: int) -> None:
    for successes in range(0, n + 1, max(1, n // 9)):
        theirs = proportion_confint(successes, n, method="wilson")
        assert wilson_interval(successes, n)[:2] == pytest.approx(theirs, abs=1e-9)


def test_mcnemar() -> None:
    for better, worse in ((1, 7), (6, 16), (40, 21), (0, 5)):
        theirs = their_mcnemar([[50, better], [worse, 50]], exact=True).pvalue
        ours = 2 * min(mcnemar(better, worse), mcnemar(worse, better))
        assert min(1.0, ours) == pytest.approx(theirs)
        changes = [1.0] * better + [-1.0] * worse + [0.0] * 100
        assert difference(changes, binary=True).p_value == pytest.approx(theirs)


def test_corrections() -> None:
    p_values = np.random.default_rng(1).random(40) ** 3
    for ours, name in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        assert ours(p_values.tolist()) == pytest.approx(multipletests(p_values, method=name)[1])


def test_clusters_of_unequal_sizes() -> None:
    draw = np.random.default_rng(2)
    clusters = np.repeat(np.arange(60), draw.integers(1, 12, 60)).tolist()
    values = (draw.normal(size=60)[clusters] + draw.normal(size=len(clusters))).tolist()
    lower, upper, _ = cluster_interval(values, clusters)
    assert lower is not None and upper is not None
    from scipy import stats

    error = (upper - lower) / 2 / stats.t.ppf(0.975, 59)
    assert error == pytest.approx(clustered_error(values, clusters))


def test_questions_of_one_passage(shared_data: Path) -> None:
    """SQuAD's questions on one paragraph, and a recorded model: exact match 34.5378 %."""
    folder = shared_data / "squad-xquad"
    replies = json.loads((folder / "pred_logreg_v1.1.json").read_text("utf-8"))
    articles = json.loads((folder / "xquad.en.json").read_text("utf-8"))["data"]
    values, clusters = [], []
    for article in articles:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                gold = question["answers"][0]["text"]
                reply = replies.get(question["id"], "")
                values.append(float(exact_match(reply, gold, normalize="squad")))
                clusters.append(id(paragraph))
    assert round(100 * sum(values) / len(values), 4) == 34.5378
    numbers = [sorted(set(clusters)).index(each) for each in clusters]
    lower, upper, method = cluster_interval(values, numbers)
    assert lower is not None and upper is not None
    assert method == "wilson, clustered"
    plain = 1.96 * clustered_error(values, numbers)
    assert (upper - lower) / 2 == pytest.approx(plain, rel=0.03)


def test_one_problem_in_eleven_languages(shared_data: Path) -> None:
    """MGSM: rows with the same number are one problem. A model that knows half of the problems in
    every language has 250 units and not 2,750."""
    files = sorted((shared_data / "mgsm").glob("**/*.tsv"))
    assert len(files) == 11
    sizes = {sum(1 for line in file.read_text("utf-8").splitlines() if line) for file in files}
    assert sizes == {250}
    knows = np.random.default_rng(3).random(250) < 0.5
    values = [float(knows[row]) for _ in files for row in range(250)]
    clusters = [row for _ in files for row in range(250)]
    lower, upper, _ = cluster_interval(values, clusters)
    assert lower is not None and upper is not None
    one = wilson_interval(int(knows.sum()), 250)
    assert one.lower is not None and one.upper is not None
    assert upper - lower == pytest.approx(one.upper - one.lower, rel=0.02)
    naive = wilson_interval(sum(values), len(values))
    assert naive.lower is not None and naive.upper is not None
    assert (upper - lower) / (naive.upper - naive.lower) == pytest.approx(math.sqrt(11), rel=0.05)
