"""One suite of junit.xml while its cases come in, in whatever order."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Literal

Tag = Literal["failure", "error", "skipped"]

BUFFERED_CASES = 200


@dataclass(slots=True)
class Suite:
    """`file` holds the cases as they came, but for the `waiting` last ones; in memory are only
    each one's row, by which they are ordered in the end, and where it ends in the file."""

    name: str
    file: Path
    properties: dict[str, object] = field(default_factory=dict)
    waiting: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    counts: dict[Tag, int] = field(default_factory=lambda: {"failure": 0, "error": 0, "skipped": 0})
    rows: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q", [0]))

    def add(self, case: str, row: int, tag: Tag | None, seconds: float) -> None:
        text = case.encode()
        self.waiting.append(text)
        self.rows.append(row)
        self.ends.append(self.ends[-1] + len(text))
        self.seconds += seconds
        if tag is not None:
            self.counts[tag] += 1
        if len(self.waiting) >= BUFFERED_CASES:
            self.write()

    def write(self) -> None:
        """Put the waiting cases into the file: all, or none where the disk is full."""
        with self.file.open("ab", buffering=0) as file:
            before, rest = file.tell(), memoryview(b"".join(self.waiting))
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError:
                file.truncate(before)
                raise
        self.waiting.clear()

    def copy(self, target: BinaryIO) -> None:
        """Write the cases of the file to another, by row; cases of one row stay as they came."""
        if not self.rows:
            return
        with (
            self.file.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as cases,
        ):
            for place in self._order():
                target.write(cases[self.ends[place] : self.ends[place + 1]])

    def _order(self) -> Iterable[int]:
        places = range(len(self.rows))
        if all(row <= following for row, following in pairwise(self.rows)):
            return places
        return sorted(places, key=self.rows.__getitem__)

    @property
    def attributes(self) -> str:
        counts = self.counts
        return (
            f'tests="{len(self.rows)}" failures="{counts["failure"]}" errors="{counts["error"]}" '
            f'skipped="{counts["skipped"]}" time="{self.seconds:.3f}"'
        )
