"""Examples to show before a sample, never the sample itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.datasets.samples import Samples
from pytest_modeleval.errors import DatasetError


@dataclass(frozen=True, slots=True)
class FewShot:
    """How many examples, and where from.

    `source` is any source of a dataset. Left out, examples come from the train split of a
    registered dataset where that is at hand, else from the dataset itself.
    """

    count: int
    source: Any = None
    seed: int = 0


class Examples:
    """Draws each sample's examples from a pool: by the seed and the sample's id alone.

    Raises:
        DatasetError: the pool is smaller than the number of examples.
    """

    def __init__(self, few_shot: FewShot, pool: Samples, *, own: bool) -> None:
        available = len(pool) - own
        if few_shot.count > available:
            raise DatasetError(
                f"few_shot asks for {few_shot.count} examples, but {pool.dataset.name} has only "
                f"{available} to show"
            )
        self._count = few_shot.count
        self._seed = few_shot.seed
        self._pool = pool

    def before(self, sample_id: str, sample_input: Any) -> tuple[Sample, ...]:
        """The examples of one sample. None has the input of the sample, or of another example."""
        shown = {_input_key(sample_input)}
        examples: list[Sample] = []
        for index in _shuffled(len(self._pool), f"{self._seed}:{sample_id}"):
            example = self._pool.bare(index)
            if (key := _input_key(example.input)) not in shown:
                shown.add(key)
                examples.append(example)
                if len(examples) == self._count:
                    return tuple(examples)
        raise DatasetError(
            f"few_shot asks for {self._count} examples, but {self._pool.dataset.name} has only "
            f"{len(examples)} with inputs other than that of {sample_id}"
        )


def _input_key(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return " ".join(text.split()).casefold()


def _shuffled(count: int, key: str) -> Iterator[int]:
    """The numbers below `count` in a random order: Fisher and Yates, a step at a time.

    The random numbers are hashes, since those of `random.Random.sample` may change with Python.
    """
    moved: dict[int, int] = {}
    for k in range(count):
        draw = int.from_bytes(blake2b(f"{key}:{k}".encode(), digest_size=8).digest(), "big")
        other = k + draw % (count - k)
        yield moved.get(other, other)
        moved[other] = moved.pop(k, k)
