"""Datasets known by name: where their files lie, their place on the hub, how a record reads.

Another package adds one by returning a `RegisteredDataset` from its hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_modeleval.datasets.dataset import Dataset, ToSample
from pytest_modeleval.datasets.files import open_file


@dataclass(frozen=True, slots=True)
class RegisteredDataset:
    """A dataset with a name.

    `files` says, by split, where its file may lie in a data folder, best first; an absolute path,
    such as one in the package that registers it, stands for itself and comes last. `hub` is its id
    on the hub, if it is there, and `config` its configuration. `split` is evaluated, `train_split`
    gives few-shot examples. `open` reads a file into records shaped like those of the hub.
    `to_sample` turns such a record into a sample.

    A dataset in several `parts` (subtasks, languages) is one dataset all the same, part after part.
    Each is a configuration of its own on the hub, and a file where `files` has `{part}`. A record
    tells its part in the field `part_field`, and its row in there in the field `row`.
    """

    name: str
    split: str
    files: Mapping[str, Sequence[str]]
    to_sample: ToSample
    hub: str | None = None
    config: str | None = None
    train_split: str | None = None
    open: Callable[[Path], Dataset] = open_file
    parts: Sequence[str] = ()
    part_field: str = "part"

    @property
    def source(self) -> str:
        """The dataset on the hub, as a benchmark would write it."""
        return f"hf:{self.hub}" + (f":{self.config}" if self.config else "")

    def places(self, split: str, folders: Sequence[Path]) -> list[Path]:
        """Every file that may hold a split, in the order of looking."""
        if self.parts:
            return [place for part in self.each_part() for place in part.places(split, folders)]
        files = [Path(file) for file in self.files.get(split, ())]
        found = [folder / file for folder in folders for file in files if not file.is_absolute()]
        return found + [file for file in files if file.is_absolute()]

    def each_part(self) -> Iterator[RegisteredDataset]:
        """Its parts, each as a dataset of one file and one configuration."""
        for part in self.parts:
            files = {
                split: [file.format(part=part) for file in files]
                for split, files in self.files.items()
            }
            yield replace(self, config=part, files=files, parts=())
