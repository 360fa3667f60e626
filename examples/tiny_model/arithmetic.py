"""The task of the tiny model: complete ``a+b=`` with the sum."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

# Mostly two digits, so that the model is right there; too few three-digit sums to
# be sure of those: a model that is right, unsure and wrong is what an evaluation needs.
MIXTURE = {99: 0.85, 999: 0.10, 9: 0.05}


class Problem(NamedTuple):
    """One sum, such as ``12+34=``."""

    a: int
    b: int

    @property
    def prompt(self) -> str:
        """What the model is asked to complete."""
        return f"{self.a}+{self.b}="

    @property
    def answer(self) -> str:
        """What it should say before it ends."""
        return str(self.a + self.b)


def training_problems(seed: int) -> Iterator[Problem]:
    """The endless stream of problems that the model learns from."""
    rng = random.Random(f"training {seed}")
    largest, weights = list(MIXTURE), list(MIXTURE.values())
    while True:
        (most,) = rng.choices(largest, weights)
        yield Problem(rng.randint(0, most), rng.randint(0, most))


def evaluation_problems(digits: int, count: int = 1000, seed: int = 1) -> list[Problem]:
    """Random problems whose operands both have exactly this many digits."""
    rng = random.Random(f"evaluation {seed}, {digits} digits")
    least, most = (0 if digits == 1 else 10 ** (digits - 1)), 10**digits - 1
    return [Problem(rng.randint(least, most), rng.randint(least, most)) for _ in range(count)]
