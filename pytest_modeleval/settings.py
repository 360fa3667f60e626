"""What the user said: the command line wins over a job, that over the environment, and that over
`[tool.modeleval]`."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modeleval.errors import UsageError
from pytest_modeleval.options import OPTIONS, Option, split_gate

if TYPE_CHECKING:
    from pytest_modeleval.gates.correction import Correction
    from pytest_modeleval.models.model import ChooseBy
    from pytest_modeleval.registry.job import JobFile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A run's settings, checked. Times are seconds."""

    models: tuple[str, ...]
    model_arguments: Mapping[str, Any]
    roles: Mapping[str, str]
    aliases: Mapping[str, Mapping[str, Any]]
    gates: tuple[tuple[str, str], ...]
    baseline: str | None
    baseline_update: bool
    gate_correction: Correction
    early_stop: bool
    max_samples: int | None
    sample_seed: int | None
    sample_order: int | None
    epochs: int | None
    seed: int
    concurrency: int | None
    fallback_model: str | None
    max_attempts: int
    choose_by: ChooseBy
    max_outage: float
    request_timeout: float | None
    sample_timeout: float | None
    max_time: float | None
    max_errors: str | None
    max_cost: float | None
    max_tokens: int | None
    dry_run: bool
    data: tuple[Path, ...]
    out: Path | None
    events: str | None
    resume: str | None
    missing: str
    wrong: str
    junit_samples: str
    export: str | None
    slices: tuple[str, ...]
    cache: str
    cache_file: Path
    cache_size: int
    packs: tuple[str, ...]
    lighteval: tuple[str, ...]
    lighteval_tasks: str | None
    pack_path: tuple[Path, ...]
    job: JobFile | None

    def allowed_errors(self, planned: int) -> int | None:
        """How many of `planned` samples may fail with an error; None when none was allowed."""
        if self.max_errors is None:
            return None
        if self.max_errors.endswith("%"):
            return int(planned * Fraction(self.max_errors[:-1]) / 100)
        return int(self.max_errors)


def load(command_line: Callable[[str], Any], root: Path) -> RunConfig:
    """Read all sources. Raises UsageError that names the option and where it was said."""
    file = root / "pyproject.toml"
    table = _table(file)
    aliases = _aliases(table.pop("models", {}), file)
    table = {key.replace("-", "_"): value for key, value in table.items()}
    _check_names(table, file)
    job = _job(command_line, aliases)
    in_job = {key: (place, value) for key, place, value in job.settings()} if job else {}
    arguments: dict[str, Any] = {}
    if job is not None:
        if job.model is not None and command_line("modeleval_model") is None:
            in_job["model_arg"] = ("", [])  # what the environment says is meant for another model
            arguments |= job.model_arguments
        arguments |= job.job.generation
    said = {
        option.key: _value(option, command_line(option.dest), in_job, table, file)
        for option in OPTIONS
    }
    typed = command_line("modeleval_model_arg") is not None
    given = dict(_argument(text) for text in said["model_arg"])
    roles = dict(text.partition("=")[::2] for text in said["role"])
    if said["judge"]:
        roles["judge"] = said["judge"]
    if len(said["model"]) > 1 and said["fallback_model"]:
        raise UsageError("--fallback-model speaks of the one model, but there are several")
    if len(said["model"]) > 1 and said["model_arg"]:
        raise UsageError(
            "--model-arg speaks of the one model, but there are several: give each an alias in "
            "[tool.modeleval.models.ALIAS]"
        )
    return RunConfig(
        models=tuple(dict.fromkeys(said["model"])),
        model_arguments=arguments | given if typed else given | arguments,
        roles=roles,
        aliases=aliases,
        gates=tuple(split_gate(text) for text in said["gate"]),
        baseline=said["baseline"],
        baseline_update=said["baseline_update"],
        gate_correction=said["gate_correction"],
        early_stop=said["early_stop"],
        max_samples=said["max_samples"],
        sample_seed=said["sample_seed"],
        sample_order=said["sample_order"],
        epochs=said["epochs"],
        seed=said["seed"],
        concurrency=said["concurrency"],
        fallback_model=said["fallback_model"],
        max_attempts=said["max_attempts"],
        choose_by=said["choose_by"],
        max_outage=said["max_outage"],
        request_timeout=said["request_timeout"],
        sample_timeout=said["sample_timeout"],
        max_time=said["max_time"],
        max_errors=said["max_errors"],
        max_cost=said["max_cost"],
        max_tokens=said["max_tokens"],
        dry_run=said["dry_run"],
        data=tuple(_base("data", command_line, root) / folder for folder in said["data"]),
        out=said["out"],
        events=_events_file(said["events"], _base("events", command_line, root)),
        resume=said["resume"],
        missing=said["missing"],
        wrong=said["wrong"],
        junit_samples=said["junit_samples"],
        export=said["export"],
        slices=tuple(said["slice"]),
        cache=said["cache"],
        cache_file=_base("cache_file", command_line, root) / said["cache_file"],
        cache_size=said["cache_size"],
        packs=tuple(said["pack"]),
        lighteval=tuple(
            each.strip() for named in said["lighteval"] for each in named.split(",") if each.strip()
        ),
        lighteval_tasks=said["lighteval_tasks"] and str(Path.cwd() / said["lighteval_tasks"]),
        pack_path=tuple(
            _base("pack_path", command_line, root) / folder
            for folder in said["pack_path"] or ["benchmarks"]
        ),
        job=job,
    )


def _base(key: str, command_line: Callable[[str], Any], root: Path) -> Path:
    """What a relative path starts from: whoever types one means the current folder."""
    typed = command_line(f"modeleval_{key}") is not None or os.environ.get(
        f"MODELEVAL_{key.upper()}"
    )
    return Path.cwd() if typed else root


def _events_file(said: str | None, base: Path) -> str | None:
    return said if said in (None, "-") else str(base / str(said))


def _table(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not valid TOML: {error}") from None
    table = document.get("tool", {}).get("modeleval", {})
    if not isinstance(table, dict):
        raise UsageError(f"{file}: tool.modeleval: expected a table, [tool.modeleval]")
    return dict(table)


def _aliases(models: Any, file: Path) -> Mapping[str, Mapping[str, Any]]:
    tables = models.values() if isinstance(models, dict) else [None]
    if not all(isinstance(each, dict) and isinstance(each.get("model"), str) for each in tables):
        raise UsageError(
            f"{file}: tool.modeleval.models: expected a table for each alias, such as "
            '[tool.modeleval.models.small] with a line model = "openai:gpt-4o-mini"'
        )
    return dict(models)


def _check_names(table: Mapping[str, Any], file: Path) -> None:
    """Refuse a name in the table that is none, and one in the environment that is nearly one."""
    known = {option.key: "MODELEVAL_" + option.key.upper() for option in OPTIONS}
    for key in table.keys() - known.keys():
        near = difflib.get_close_matches(key, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{file}: [tool.modeleval] has no setting {key!r}.{hint}")
    for option in OPTIONS:
        if option.key in table and not option.in_table:
            raise UsageError(
                f"{file}: [tool.modeleval] {option.key}: that is said for a run, with {option.flag}"
            )
    for variable in os.environ:
        if variable.startswith("MODELEVAL_") and variable not in known.values():
            near = difflib.get_close_matches(variable, known.values(), n=1, cutoff=0.85)
            if near:
                raise UsageError(f"${variable} is no setting. Did you mean ${near[0]}?")


def _job(
    command_line: Callable[[str], Any], aliases: Mapping[str, Mapping[str, Any]]
) -> JobFile | None:
    said = command_line("modeleval_job") or os.environ.get("MODELEVAL_JOB")
    if not said:
        return None
    from pytest_modeleval.registry.job import read_job

    job = read_job(Path(said))
    job.check(aliases)
    return job


def _value(
    option: Option,
    command_line: Any,
    in_job: Mapping[str, tuple[str, Any]],
    table: Mapping[str, Any],
    file: Path,
) -> Any:
    variable = "MODELEVAL_" + option.key.upper()
    if command_line is not None:
        return _read(option, command_line, option.flag)
    if option.key in in_job:
        place, value = in_job[option.key]
        return _read(option, value, place)
    if os.environ.get(variable):
        text = os.environ[variable]
        return _read(option, _several(text) if option.repeatable else text, f"${variable}")
    if option.key in table:
        return _read(option, table[option.key], f"{file}: [tool.modeleval] {option.key}")
    return [] if option.repeatable else option.default


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _read(option: Option, value: Any, place: str) -> Any:
    if option.repeatable:
        values = [value] if isinstance(value, str) else value
        return [_read_one(option, each, place) for each in values]
    return _read_one(option, value, place)


def _read_one(option: Option, value: Any, place: str) -> Any:
    text = str(value)
    if option.choices and text not in option.choices:
        raise UsageError(f"{place}={text}: expected one of {', '.join(option.choices)}")
    try:
        return option.read(text)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    except ValueError as error:
        reason = str(error) if str(error).startswith("expected") else "expected a whole number"
        raise UsageError(f"{place}={text}: {reason}") from None


def _argument(text: str) -> tuple[str, Any]:
    """`KEY=VALUE`, where a value that reads as JSON (8, 0.5, true, [..]) is that."""
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
