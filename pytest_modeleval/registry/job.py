"""A run as a file: what a `job.json` says, field by field.

These types are the file's format: it is checked against them, and its JSON Schema is made of them.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pytest_modeleval.errors import UsageError
from pytest_modeleval.migration import Format, up_to_date
from pytest_modeleval.models.catalog import parse_spec
from pytest_modeleval.models.sampling import checked as checked_sampling
from pytest_modeleval.registry import document
from pytest_modeleval.registry.finding import find_pack
from pytest_modeleval.registry.pack import Count, Name, Pack, PackInfo, PluginRequirement, Task
from pytest_modeleval.registry.reading import ENDING, PackFile, problems, read_pack
from pytest_modeleval.results.record import JobRecord
from pytest_modeleval.strict_json import DuplicateKey, strict_json

SCHEMA_VERSION = 1
FORMAT = Format("jobs", str(SCHEMA_VERSION), "install a newer pytest-modeleval")


class JobModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model under test: `name` as `backend` knows it, with the `arguments` that --model-arg
    would give it. Without a backend it is an alias of the table, or tiny."""

    name: str
    backend: str | None = None
    arguments: dict[str, Any] = {}


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the run may take: `samples` of each benchmark, `time` (seconds, or "30m"), `cost` in US
    dollars, `tokens`, `errors` (a number, or a share such as "1%"), and requests in flight at once
    (`concurrency`)."""

    samples: Count | None = None
    time: float | str | None = None
    cost: float | None = None
    tokens: Count | None = None
    errors: int | str | None = None
    concurrency: Count | None = None


class Seeds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the `run`, from which each call's is made, of the choice of `samples`, and of their
    `order`."""

    run: int | None = None
    samples: int | None = None
    order: int | None = None


class Artifacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The run's folder, from the job's own (`out`), the samples that stand in junit.xml, and the
    layout of another tool that it is written in as well."""

    out: str | None = None
    junit_samples: str | None = None
    export: str | None = None


class Job(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole job. What it does not say is as the environment and the table have it.

    `id` names it in the results; left out, its file does. What is run is a `pack`, by its name
    (perhaps with a version) or its path, and `tasks` as in a pack; paths start from the job's
    folder. `few_shot` is for all of these. `generation` has fields of a request's sampling, for
    every request to the model under test. `baseline` and `gates` are as --baseline and --gate take
    them; `tags` stand in the results.
    """

    schema_version: int = SCHEMA_VERSION
    id: Name | None = None
    pack: str | None = None
    tasks: tuple[Task, ...] = ()
    model: str | JobModel | None = None
    generation: dict[str, Any] = {}
    few_shot: Count | None = None
    limits: Limits = Limits()
    seeds: Seeds = Seeds()
    plugins: tuple[PluginRequirement, ...] = ()
    artifacts: Artifacts = Artifacts()
    baseline: str | None = None
    gates: tuple[str, ...] = ()
    tags: dict[str, str] = {}


_SETTINGS = {
    "limits.samples": "max_samples",
    "limits.time": "max_time",
    "limits.cost": "max_cost",
    "limits.tokens": "max_tokens",
    "limits.errors": "max_errors",
    "limits.concurrency": "concurrency",
    "seeds.run": "seed",
    "seeds.samples": "sample_seed",
    "seeds.order": "sample_order",
    "artifacts.junit_samples": "junit_samples",
    "artifacts.export": "export",
    "baseline": "baseline",
    "gates": "gate",
}
"""Where the options stand in a job, by their keys in the table."""


@dataclass(frozen=True)
class JobFile:
    """A job, and where it was read: `place` is how sentences call the file."""

    job: Job
    path: Path
    place: str
    text: bytes

    @cached_property
    def record(self) -> JobRecord:
        """What the results say of it."""
        return JobRecord(self.id, sha256(self.text).hexdigest(), dict(self.job.tags))

    @property
    def model(self) -> str | None:
        """As --model would name it."""
        model = self.job.model
        if not isinstance(model, JobModel):
            return model
        return model.name if model.backend is None else f"{model.backend}:{model.name}"

    @property
    def model_arguments(self) -> Mapping[str, Any]:
        """What its own model is given."""
        return self.job.model.arguments if isinstance(self.job.model, JobModel) else {}

    def settings(self) -> Iterator[tuple[str, str, Any]]:
        """What it says in place of an option: the option's key, where it stands, and its value."""
        for place, key in _SETTINGS.items():
            value: Any = self.job
            for name in place.split("."):
                value = getattr(value, name)
            if value is not None and value != ():
                yield key, f"{self.place}: {place}", value
        if self.model is not None:
            yield "model", f"{self.place}: model", [self.model]
        if self.job.artifacts.out is not None:
            out = os.path.normpath(self.path.parent / self.job.artifacts.out)
            yield "out", f"{self.place}: artifacts.out", out

    def named(self, folders: Sequence[Path]) -> list[Path]:
        """The files that pytest is to collect: the pack, which may lie in one of the folders, and
        the job itself where it has tasks. Raises UsageError for a pack that is not there."""
        found = []
        pack = self.job.pack
        if pack is not None and pack.endswith(ENDING):
            found.append((self.path.parent / pack).resolve())
            if not found[0].is_file():
                raise UsageError(f"{self.place}: pack: there is no file {found[0]}")
        elif pack is not None:
            try:
                found.append(find_pack(pack, folders))
            except UsageError as error:
                sentence = str(error).removeprefix(f"--pack {pack}: ")
                raise UsageError(f'{self.place}: pack "{pack}": {sentence}') from None
        return [*found, self.path] if self.job.tasks else found

    @property
    def own_tasks(self) -> PackFile:
        """Its tasks, as a pack that asks for its plugins."""
        info = PackInfo(name=self.id, version="0.0.0")
        pack = Pack(pack=info, task=self.job.tasks, plugin=self.job.plugins)
        return PackFile(pack, self.path, self.place, self.text, scored=False)

    def pack_file(self, path: Path, place: str) -> PackFile:
        """A pack as this job runs it, or the job's own tasks. Raises UsageError, as `read_pack`."""
        found = self.own_tasks if path == self.path else read_pack(path, place)
        if self.job.few_shot is None:
            return found
        tasks = (
            msgspec.structs.replace(task, few_shot=self.job.few_shot) for task in found.pack.task
        )
        pack = msgspec.structs.replace(found.pack, task=tuple(tasks))
        return dataclasses.replace(found, pack=pack)

    def explained(self, error: UsageError) -> UsageError:
        """What a backend says of its arguments, with where they stand."""
        words = set(re.findall(r"\w+", str(error)))
        named = [each for each in self.model_arguments if each in words]
        path = f"model.arguments.{named[0]}" if named else "model"
        return UsageError(f"{self.place}: {path}: {error}")

    def check(self, aliases: Mapping[str, Mapping[str, Any]]) -> None:
        """Raises UsageError where a value is of its type, but cannot be meant."""
        for name, value in self.job.generation.items():
            self._check(f"generation.{name}", checked_sampling, {name: value})
        if self.model is not None:
            self._check("model", parse_spec, self.model, {}, aliases)
            for name, value in self.model_arguments.items():
                place = f"model.arguments.{name}"
                self._check(place, parse_spec, self.model, {name: value}, aliases)

    def _check(self, place: str, check: Any, *values: Any) -> None:
        try:
            check(*values)
        except UsageError as error:
            raise UsageError(f"{self.place}: {place}: {error}") from None

    @property
    def id(self) -> str:
        return self.job.id or self.path.stem


def read_job(path: Path) -> JobFile:
    """Read a job's file. Raises UsageError where it cannot be read, is of a newer version, or says
    what is not of its type; the sentence names the place in the file."""
    place = str(path)
    try:
        text = path.read_bytes()
        found = strict_json(text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"--job {place}: cannot be read: {reason}") from None
    except DuplicateKey as error:
        raise UsageError(f"{place}: {error.args[0]!r} is in it twice") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not valid JSON: {error}") from None
    if isinstance(found, dict):
        version = found.get("schema_version", SCHEMA_VERSION)
        found = up_to_date(FORMAT, version, found, place)
    job = JobFile(document.checked(found, Job, place), path.resolve(), place, text)
    for problem in problems(job.own_tasks.pack, {"task": found["tasks"]}) if job.job.tasks else ():
        raise UsageError(f"{place}: tasks: {problem}")
    return job
