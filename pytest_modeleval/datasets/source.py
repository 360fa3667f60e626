"""From what an author wrote to a dataset, and to its samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from pytest_modeleval.datasets.dataset import Dataset, ToSample
from pytest_modeleval.datasets.few_shot import Examples, FewShot
from pytest_modeleval.datasets.files import EXTENSIONS, open_file
from pytest_modeleval.datasets.hub import HubAddress, HubDataset, open_hub
from pytest_modeleval.datasets.iterable import IterableDataset
from pytest_modeleval.datasets.known import REGISTERED
from pytest_modeleval.datasets.parts import PartedDataset
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.samples import Samples
from pytest_modeleval.errors import DatasetError, DatasetMissing

_NAME = re.compile(r"(?P<name>[\w-]+)(?:\[(?P<split>[\w-]+)\])?")


def open_dataset(
    source: Any,
    *,
    folders: Sequence[Path] = (),
    base: Path | None = None,
    registered: Sequence[RegisteredDataset] = REGISTERED,
) -> Dataset:
    """Open what an author named.

    Args:
        source: a registered name ("gsm8k", "gsm8k[train]"), a path, "hf:org/name:config[split]", a
            Dataset, an iterable of mappings (gone through once), or a function that returns one.
        folders: where the files of registered datasets are looked for, before the hub is asked.
        base: the folder that a relative path starts from; the current folder is tried after it.
        registered: the datasets that are known by name.

    Raises:
        DatasetMissing: the dataset is not at hand.
        DatasetError: the source is not understood, or what it holds is malformed.
    """
    if isinstance(source, Dataset):
        return source
    if isinstance(source, (str, PathLike)):
        text = fspath(source)
        if text.startswith("hf:"):
            return _open_hub(HubAddress.parse(text), folders, registered)
        found = _NAME.fullmatch(text)
        known = {dataset.name: dataset for dataset in registered}
        if found and found["name"] in known:
            dataset = known[found["name"]]
            return _open_registered(dataset, found["split"] or dataset.split, folders)
        if found:
            raise _unknown_name(text, list(known))
        return _open_path(Path(text), base)
    records = source() if callable(source) else source
    if isinstance(records, Dataset):
        return records
    if not isinstance(records, Iterable) or isinstance(records, (str, bytes, Mapping)):
        raise DatasetError(
            f"a dataset cannot be of type {type(records).__name__}; expected a registered name, "
            "a path, 'hf:org/name:config[split]' or an iterable of mappings"
        )
    return IterableDataset(records, getattr(source, "__qualname__", "records"))


def open_samples(
    source: Any,
    *,
    folders: Sequence[Path] = (),
    base: Path | None = None,
    registered: Sequence[RegisteredDataset] = REGISTERED,
    to_sample: ToSample | None = None,
    few_shot: FewShot | int | None = None,
    id_field: str = "id",
) -> Samples:
    """Open a source as `open_dataset` does, and read it as samples with few-shot examples.

    Raises:
        DatasetMissing: the dataset, or the source named for the examples, is not at hand.
        DatasetError: it is malformed, or has too few examples.
    """
    dataset = open_dataset(source, folders=folders, base=base, registered=registered)
    samples = Samples(dataset, to_sample, id_field=id_field)
    if isinstance(few_shot, int):
        few_shot = FewShot(few_shot)
    if not few_shot or not few_shot.count:
        return samples
    pool: Dataset | None
    if few_shot.source is not None:
        pool = open_dataset(few_shot.source, folders=folders, base=base, registered=registered)
    else:
        pool = _train_split(dataset, folders, registered)
    if pool is None:
        samples.examples = Examples(few_shot, samples, own=True)
    else:
        pool_samples = Samples(pool, to_sample or dataset.to_sample, id_field=id_field)
        samples.examples = Examples(few_shot, pool_samples, own=False)
    return samples


def _open_path(path: Path, base: Path | None) -> Dataset:
    places = list(dict.fromkeys(folder / path for folder in (base or Path.cwd(), Path.cwd())))
    for place in places:
        if place.exists():
            return open_file(place)
    raise DatasetMissing(
        f"dataset {path} is not at hand: there is no {' and no '.join(map(str, places))}; "
        "put the file there or correct the path"
    )


def _open_hub(
    address: HubAddress, folders: Sequence[Path], registered: Sequence[RegisteredDataset]
) -> Dataset:
    """A split on the hub; one that is registered may also lie in a data folder."""
    for dataset in registered:
        if dataset.hub != address.name:
            continue
        if address.config == dataset.config and not dataset.parts:
            return _open_registered(dataset, address.split, folders)
        if address.config in dataset.parts:
            part = replace(dataset, parts=(str(address.config),))
            return _open_registered(part, address.split, folders)
    try:
        return open_hub(address)
    except DatasetMissing as error:
        raise DatasetMissing(
            f"{error}; run once with a network, and it stays in the cache"
        ) from error


def _open_registered(registered: RegisteredDataset, split: str, folders: Sequence[Path]) -> Dataset:
    if registered.parts:
        parts = {
            str(part.config): _open_registered(part, split, folders)
            for part in registered.each_part()
        }
        parted = PartedDataset(registered.name, parts, registered.part_field)
        return _named(parted, registered, split)
    local = _local(registered, split, folders)
    return _from_hub(registered, split, folders) if local is None else local


def _local(registered: RegisteredDataset, split: str, folders: Sequence[Path]) -> Dataset | None:
    for place in registered.places(split, folders):
        if place.is_file():
            return _named(registered.open(place), registered, split)
    return None


def _from_hub(registered: RegisteredDataset, split: str, folders: Sequence[Path]) -> Dataset:
    if registered.hub is None:
        places = ", ".join(map(str, registered.places(split, folders))) or f"file of {split!r}"
        raise DatasetMissing(
            f"dataset {registered.name} is not at hand: there is no {places}; it is not on the hub"
        )
    try:
        dataset = open_hub(HubAddress(registered.hub, registered.config, split))
    except DatasetMissing as error:
        places = ", ".join(map(str, registered.places(split, folders)))
        looked = f"there is no {places}" if places else "no data folder was given"
        raise DatasetMissing(
            f"dataset {registered.name} is not at hand: {looked}; {error}; get it with "
            f"'hf download {registered.hub} --repo-type dataset "
            f"--local-dir DIR/{registered.name}' and name the folder: --modeleval-data DIR"
        ) from error
    return _named(dataset, registered, split)


def _named(dataset: Dataset, registered: RegisteredDataset, split: str) -> Dataset:
    """Ids of another split than the evaluated one name it."""
    dataset.name = registered.name
    evaluated = split == registered.split
    dataset.id_prefix = registered.name if evaluated else f"{registered.name}-{split}"
    dataset.to_sample = registered.to_sample
    return dataset


def _train_split(
    dataset: Dataset, folders: Sequence[Path], registered: Sequence[RegisteredDataset]
) -> Dataset | None:
    """The train split of a registered dataset, from where the dataset itself came; None if it is
    not at hand there."""
    for candidate in registered:
        if candidate.to_sample is dataset.to_sample and candidate.train_split:
            if not isinstance(dataset, HubDataset):
                return _local(candidate, candidate.train_split, folders)
            try:
                return _open_registered(candidate, candidate.train_split, folders)
            except DatasetMissing:
                return None
    return None


def _unknown_name(name: str, known: list[str]) -> DatasetError:
    near = get_close_matches(name, known)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return DatasetError(
        f"no dataset is registered as {name!r}: {hint}(registered: {', '.join(sorted(known))}; "
        f"a file is named with its extension, {', '.join(EXTENSIONS)})"
    )
