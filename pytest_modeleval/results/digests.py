"""Digests by which two runs are told apart: what samples asked, were shown, sent and got back.

Each sample has its own, 128 bits of SHA-256 over its id, epoch and texts. A benchmark's are their
sums, so that it does not matter in which order samples arrive, from which process, or before or
after the run was resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from pytest_modeleval.results.record import Hashes

KINDS = ("inputs", "few_shot", "prompts", "outputs")
"""In the order of cause and effect: where one differs, so may those behind it."""

DIGITS = 32
"""Hex digits of a sample's digest."""

_ROOM = 16**DIGITS


def digest(*texts: str) -> str:
    """32 hex digits of SHA-256 over the texts, each told from the next by its length."""
    joined = "".join([f"{len(text)}:{text}" for text in texts])
    return sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def total(digests: Iterable[str]) -> str:
    """Several digests as one, whatever their order."""
    return f"{sum([int(each, 16) for each in digests]) % _ROOM:0{DIGITS}x}"


class Totals:
    """The digests of a benchmark's samples, added up as they arrive."""

    def __init__(self) -> None:
        self._sums = dict.fromkeys(KINDS, 0)
        self._counts = dict.fromkeys(KINDS, 0)

    def add(self, digests: Mapping[str, str | None]) -> None:
        """Those of one sample and epoch, by kind; what it does not have is left out."""
        for kind, each in digests.items():
            if each is not None:
                self._sums[kind] += int(each, 16)
                self._counts[kind] += 1

    def hashes(self, task: str | None) -> Hashes:
        """SHA-256 of each sum and of how many there are; None where there are none."""
        found = {
            kind: sha256(f"{self._counts[kind]}:{self._sums[kind] % _ROOM:x}".encode()).hexdigest()
            if self._counts[kind]
            else None
            for kind in KINDS
        }
        return Hashes(task=task, **found)
