"""Pure functions over samples' values: means, proportions, quantiles and their intervals.

What every run needs is here, in the standard library alone: importing scipy would cost a run more
(0.3 to 0.8 CPU-seconds) than everything else at start-up. The tests hold it to scipy. The modules
beside it (`paired`, `clusters`, `sequential`, `calibration`, `ranking`, `planning`) use scipy and
numpy, and are imported where a gate, a table or a command needs them.
"""

from pytest_modeleval.statistics.intervals import (
    Interval,
    mean_interval,
    quantile_interval,
    wilson_interval,
)
from pytest_modeleval.statistics.quantiles import quantile
from pytest_modeleval.statistics.summary import summary

__all__ = [
    "Interval",
    "mean_interval",
    "quantile",
    "quantile_interval",
    "summary",
    "wilson_interval",
]
