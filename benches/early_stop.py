"""How many samples sequential gates use: python benches/early_stop.py

Beside the fixed number of samples that a one-sided test of one proportion needs for the same errors
(with the finite population's correction), and beside Wald's approximation for the sequential
probability ratio test, which knows both hypotheses beforehand and is the best there can be with
replacement (Wald 1945, 4.7). Also how often the verdict is not the one of all samples.
"""

from __future__ import annotations

import argparse
import math
import random

from tabulate import tabulate

from pytest_modeleval.statistics.planning import threshold_samples
from pytest_modeleval.statistics.sequential import FiniteMean

ERROR = 0.05


def used(n: int, threshold: float, right: int, draw: random.Random) -> tuple[int, bool]:
    """The samples until the decision, and whether it is the right one."""
    values = [1.0] * right + [0.0] * (n - right)
    draw.shuffle(values)
    test = FiniteMean(n, threshold, alpha=ERROR, beta=ERROR)
    count = next(place for place, value in enumerate(values, 1) if test.add(value))
    return count, (test.decision == "above") == (right >= n * threshold - 1e-9)


def fixed(n: int, threshold: float, truth: float) -> float:
    if truth == threshold:
        return float(n)
    needed = threshold_samples(threshold, truth, alpha=ERROR, power=1 - ERROR)
    return needed / (1 + (needed - 1) / n)


def wald(threshold: float, truth: float) -> float:
    """The mean number of samples of the test of `truth` against `threshold` where `truth` holds."""
    if truth in (threshold, 0.0, 1.0):
        return math.nan
    step = truth * math.log(truth / threshold) + (1 - truth) * math.log(
        (1 - truth) / (1 - threshold)
    )
    bound = math.log((1 - ERROR) / ERROR)
    return ((1 - ERROR) * bound - ERROR * bound) / step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1319)
    parser.add_argument("--draws", type=int, default=200)
    asked = parser.parse_args()
    draw = random.Random(1)
    rows = []
    for threshold in (0.5, 0.75, 0.9):
        for points in (0, 1, 2, 5, 10):
            for sign in (1, -1) if points else (1,):
                truth = threshold + sign * points / 100
                right = round(asked.samples * truth)
                if not 0 <= right < asked.samples:
                    continue
                runs = [used(asked.samples, threshold, right, draw) for _ in range(asked.draws)]
                share = sum(count for count, _ in runs) / asked.draws / asked.samples
                wrong = sum(not agrees for _, agrees in runs) / asked.draws
                rows.append(
                    [
                        threshold,
                        f"{sign * points:+d}",
                        f"{share:.1%}",
                        f"{min(1, fixed(asked.samples, threshold, truth) / asked.samples):.1%}",
                        f"{wald(threshold, truth) / asked.samples:.1%}" if points else "",
                        f"{wrong:.1%}",
                    ]
                )
    columns = ("threshold", "points", "used", "fixed", "wald", "other verdict")
    print(tabulate(rows, columns, disable_numparse=True))


if __name__ == "__main__":
    main()
