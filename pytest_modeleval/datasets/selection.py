"""Which samples of a dataset a run plans."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from heapq import nsmallest

from pytest_modeleval.datasets.samples import Samples


def select(
    samples: Samples, max_samples: int | None = None, seed: int | None = None
) -> Sequence[int]:
    """The indices of the planned samples, in the dataset's order.

    Without a seed these are the first `max_samples`. With one they are a random subset that
    depends on the seed and the ids alone: it is the same on every machine, and a larger
    `max_samples` only adds to it.
    """
    count = len(samples)
    if max_samples is None or max_samples >= count:
        return range(count)
    if seed is None:
        return range(max_samples)

    def rank(index: int) -> bytes:
        return blake2b(f"{seed}:{samples.id(index)}".encode(), digest_size=16).digest()

    return sorted(nsmallest(max_samples, range(count), key=rank))
