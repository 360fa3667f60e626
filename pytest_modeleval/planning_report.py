"""`modeleval plan`: how many samples a gate needs, and what those that there are can show."""

from __future__ import annotations

import math
from pathlib import Path

from pytest_modeleval.errors import UsageError
from pytest_modeleval.plain_text import one_line
from pytest_modeleval.results.baseline import read_baseline
from pytest_modeleval.results.details import details_files
from pytest_modeleval.results.run_folder import run_path
from pytest_modeleval.results.samples import AnsweredSample, read_samples
from pytest_modeleval.statistics.planning import (
    discordant_share,
    mean_samples,
    paired_drop,
    paired_samples,
)
from pytest_modeleval.statistics.repeats import Moments, spread

COLUMNS = (
    *("benchmark", "accuracy", "samples", "change by chance", "needed", "with 4 epochs"),
    "shows drops from",
)
EPOCHS = 4


def plan(source: str, root: Path, detect: float, power: float, alpha: float) -> str:
    """The table as text, for gates such as `accuracy >= baseline`.

    Args:
        source: a run or a baseline, as `--baseline` takes it; a run with several epochs tells how
            often one answer changes by chance.
        root: what run ids and relative paths start from.
        detect: the drop in accuracy that is to be shown, such as 0.02.
        power: how likely it is to be shown, such as 0.8.
        alpha: the gate's error rate.

    Raises:
        UsageError: a number is out of its range.
        ModelevalError: the baseline cannot be read.
    """
    for name, value in (("--detect", detect), ("--power", power), ("--alpha", alpha)):
        if not 0 < value < 1:
            raise UsageError(f"{name} {value:g}: expected a number between 0 and 1, such as 0.05")
    from tabulate import tabulate

    baseline = read_baseline(source, root, "")
    within = _within(source, root, baseline.model)
    rows = []
    for name, benchmark in baseline.benchmarks.items():
        scores = [each.scores for each in benchmark.samples.values()]
        values = [each["accuracy"] for each in scores if "accuracy" in each]
        if not values:
            continue
        accuracy = math.fsum(values) / len(values)
        changing = max(discordant_share(accuracy, within.get(name)), 1 / len(values))
        needed = paired_samples(detect, changing, alpha=alpha, power=power)
        smallest = paired_drop(len(values), changing, alpha=alpha, power=power)
        rows.append(
            [
                one_line(name),
                f"{accuracy:.4f}",
                str(len(values)),
                f"{changing:.1%}{'' if name in within else ' at most'}",
                f"{needed}{'' if needed > len(values) else ' (enough)'}",
                str(_with_epochs(detect, changing, alpha, power)) if name in within else "",
                f"{smallest:.4f}" if smallest < 1 else "none",
            ]
        )
    lines = [
        f"To show a drop of {detect:g} with a power of {power:g} at alpha {alpha:g}, one-sided and "
        "paired (McNemar):",
        "",
        str(tabulate(rows, COLUMNS, disable_numparse=True)),
    ]
    if len(within) < len(rows):
        lines += [
            "",
            '"at most": how many answers change from run to run is not known, so the runs are '
            "taken for independent of each other. A run with --epochs 2 or more tells it.",
        ]
    return "\n".join(lines)


def _with_epochs(detect: float, changing: float, alpha: float, power: float) -> int:
    """The samples needed where each is the mean of several epochs, in both runs."""
    return mean_samples(detect, math.sqrt(changing / EPOCHS), alpha=alpha, power=power)


def _within(source: str, root: Path, model: str) -> dict[str, float]:
    """The variance between the repeats of a sample, of the benchmarks where repeats tell it."""
    for path in (Path(source), root / source, root / ".modeleval" / "runs" / source):
        folder = run_path(path)
        if details_files(folder):
            break
    else:
        return {}
    found = {}
    for (benchmark, name), samples in read_samples(folder).items():
        told = spread(_moments(each) for each in samples.values())
        if name == model and told is not None:
            found[benchmark] = told.within
    return found


def _moments(sample: AnsweredSample) -> Moments:
    values = [each["accuracy"] for each in sample.epochs if "accuracy" in each]
    return Moments(len(values), math.fsum(values), math.fsum(value**2 for value in values))
