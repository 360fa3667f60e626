"""What the user said: the command line wins over a job, that over the environment, and that over
`[tool.modeleval]`."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modeleval.errors import UsageError

if TYPE_CHECKING:
    from pytest_modeleval.models.model import ChooseBy

if TYPE_CHECKING:
    from pytest_modeleval.gates.correction import Correction
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


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its flag, how its text is read, and what it is when nobody says. A switch takes
    no value on the command line, and true or false elsewhere. What is meant for one run alone is
    not `in_table`."""

    flag: str
    help: str
    read: Callable[[str], Any] = str
    default: Any = None
    metavar: str | None = None
    repeatable: bool = False
    switch: bool = False
    choices: tuple[str, ...] | None = None
    in_table: bool = True
    aliases: tuple[str, ...] = ()

    @property
    def dest(self) -> str:
        name = self.flag.lstrip("-").replace("-", "_")
        return "modeleval_" + name.removeprefix("modeleval_")

    @property
    def key(self) -> str:
        """Its name in the table; the environment has it in capitals after MODELEVAL_."""
        return self.dest.removeprefix("modeleval_")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("expected 1 or more")
    return number


def _seconds(text: str) -> float:
    """Seconds, or a number with s, m or h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if found is None or float(found[1]) == 0:
        raise ValueError("expected a time such as 90, 90s, 5m or 1h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _bytes(text: str) -> int:
    """Bytes, or a number with kB, MB, GB or TB (powers of 1000)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if found is None:
        raise ValueError("expected a size such as 500MB or 2GB")
    return int(float(found[1]) * 1000 ** " kmgt".index(found[2] or " "))


def _dollars(text: str) -> float:
    try:
        amount = float(text.strip().removeprefix("$"))
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount) or amount <= 0:
        raise ValueError("expected US dollars, such as 5 or 0.50")
    return amount


def _errors(text: str) -> str:
    found = re.fullmatch(r"\d+|(\d+(?:\.\d+)?)%", text.strip())
    if found is None or float(found[1] or 0) > 100:
        raise ValueError("expected a number such as 5, or a share such as 1%")
    return text.strip()


def _yes_or_no(text: str) -> bool:
    found = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
    if found is None:
        raise ValueError("expected true or false")
    return found


def _pair(text: str) -> str:
    key, equals, _ = text.partition("=")
    if not key or not equals:
        raise ValueError("expected KEY=VALUE")
    return text


def _role(text: str) -> str:
    role, _, model = text.partition("=")
    if not role or not model:
        raise ValueError("expected ROLE=MODEL, such as judge=openai:gpt-4o")
    if role == "model":
        raise ValueError("expected a helper's role: the model under test is named with --model")
    return text


def _gate(text: str) -> str:
    benchmark, expression = _split_gate(text)
    if not benchmark or not expression:
        raise ValueError('expected "BENCHMARK: EXPRESSION", such as "test_gsm8k: accuracy >= 0.8"')
    from pytest_modeleval.gates import parse_gate

    parse_gate(expression)
    return text


OPTIONS = (
    Option(
        "--model",
        "model under test: BACKEND:NAME (openai, llamacpp, vllm, transformers, replay, echo), "
        "tiny, or an alias from [tool.modeleval.models.ALIAS]; repeatable",
        metavar="MODEL",
        repeatable=True,
    ),
    Option(
        "--model-arg",
        "argument of the one model or of its sampling, such as base_url=… or temperature=0.7; "
        "repeatable",
        read=_pair,
        metavar="KEY=VALUE",
        repeatable=True,
    ),
    Option(
        "--role",
        "helper model, for models[ROLE] in a benchmark; repeatable",
        read=_role,
        metavar="ROLE=MODEL",
        repeatable=True,
    ),
    Option("--judge", "short for --role judge=MODEL", metavar="MODEL"),
    Option(
        "--baseline",
        "what gates compare with: a run's folder or id, a file, a URL, git:REF:PATH, or "
        "LightEval's output folder (default: "
        "benchmarks/baselines/<alias>.json, where that is)",
        metavar="RUN",
    ),
    Option(
        "--baseline-update",
        "write what this run scores to benchmarks/baselines/<alias>.json",
        switch=True,
        read=_yes_or_no,
        default=False,
    ),
    Option(
        "--early-stop",
        "end each benchmark as soon as its gates are decided, with their error rates kept",
        switch=True,
        read=_yes_or_no,
        default=False,
    ),
    Option(
        "--gate-correction",
        "how gates against a baseline are corrected for their number: holm (the chance of any "
        "false alarm in a run stays 5 %%), fdr (the share of false ones among the alarms does) or "
        "none (holm)",
        default="holm",
        choices=("holm", "fdr", "none"),
    ),
    Option(
        "--gate",
        'one more gate, such as "test_gsm8k: accuracy >= 0.8"; repeatable',
        read=_gate,
        metavar='"BENCHMARK: EXPRESSION"',
        repeatable=True,
    ),
    Option("--max-samples", "at most so many samples of each benchmark", _positive, metavar="N"),
    Option(
        "--sample-seed",
        "draw the --max-samples at random with this seed instead of taking the first",
        int,
        metavar="S",
    ),
    Option("--sample-order", "ask the samples in a random order of this seed", int, metavar="S"),
    Option("--epochs", "how often each sample runs", _positive, metavar="K"),
    Option("--modeleval-seed", "run seed, from which each call's seed is made (0)", int, 0, "SEED"),
    Option(
        "--choose-by",
        "how model.choose finds its choice: by log-likelihood (default), or by letters, which a "
        "model that only generates can do",
        default="likelihood",
        choices=("likelihood", "letters"),
    ),
    Option(
        "--concurrency",
        "requests in flight, at most (default: from 64 an API adapts; an engine's batch size)",
        _positive,
        metavar="N",
    ),
    Option(
        "--fallback-model",
        "second endpoint of the same model, asked while the first is away",
        metavar="MODEL",
    ),
    Option(
        "--max-attempts",
        "how often a request is sent that fails for a passing reason, such as 429 or 503 (10)",
        _positive,
        10,
        "N",
    ),
    Option(
        "--max-outage",
        "time after which a run ends whose server does not come back, such as 90s or 5m (5m)",
        _seconds,
        300.0,
        "T",
    ),
    Option(
        "--request-timeout",
        "time that one request may take once it is sent, such as 90s",
        _seconds,
        None,
        "T",
    ),
    Option(
        "--sample-timeout", "time that a sample may take, such as 90s or 5m", _seconds, None, "T"
    ),
    Option(
        "--max-time",
        "time that the run may take, such as 30m or 2h: what it does not come to is not run",
        _seconds,
        None,
        "T",
    ),
    Option(
        "--max-errors",
        "samples that may fail with an error before the run does, as N or N%%",
        _errors,
        metavar="N",
    ),
    Option(
        "--max-cost",
        "US dollars that the run may cost; then it stops, and what is not run is told",
        _dollars,
        metavar="USD",
    ),
    Option(
        "--max-tokens",
        "tokens of prompts and replies that the run may take; then it stops",
        _positive,
        metavar="N",
    ),
    Option(
        "--modeleval-dry-run",
        "say how many requests and tokens the run would take and what it may cost; nothing is sent",
        switch=True,
        read=_yes_or_no,
        default=False,
    ),
    Option(
        "--modeleval-data",
        "folder where datasets are looked for by name; repeatable",
        metavar="DIR",
        repeatable=True,
    ),
    Option(
        "--modeleval-out",
        "folder of this run (default: .modeleval/runs/<run id>)",
        Path,
        None,
        "DIR",
    ),
    Option(
        "--events",
        "file for status events as JSON lines, or - for standard output (what pytest says then "
        "goes to standard error)",
        metavar="FILE",
    ),
    Option(
        "--modeleval-cache",
        "response cache: use it (on), do without (off), write nothing (read), or ask everything "
        "again and keep that (refresh) (on)",
        default="on",
        choices=("on", "off", "read", "refresh"),
    ),
    Option(
        "--modeleval-cache-file",
        "the response cache's file (default: .modeleval/cache.sqlite)",
        Path,
        Path(".modeleval/cache.sqlite"),
        "FILE",
    ),
    Option(
        "--modeleval-cache-size",
        "size past which the least recently used replies go (2GB)",
        _bytes,
        2_000_000_000,
        "SIZE",
    ),
    Option(
        "--resume",
        "unfinished run to go on with: its id, its folder, latest, or no to start anew (default: "
        "the last run of the same command, where that is unfinished)",
        metavar="RUN",
    ),
    Option(
        "--modeleval-missing",
        "what becomes of a benchmark whose dataset is not at hand (undecided)",
        default="undecided",
        choices=("undecided", "skip"),
    ),
    Option(
        "--modeleval-wrong",
        "how a wrong sample is reported (pass: the letter w, and the run stays green)",
        default="pass",
        choices=("pass", "xfail", "fail"),
    ),
    Option(
        "--modeleval-export",
        "also write the run as another tool does: lighteval writes it into the run's lighteval/",
        choices=("lighteval",),
    ),
    Option(
        "--slice",
        "field of the samples' metadata by which leaderboard.json breaks accuracy down; repeatable",
        metavar="FIELD",
        repeatable=True,
    ),
    Option(
        "--junit-samples",
        "samples that stand in junit.xml (all)",
        default="all",
        choices=("all", "wrong", "none"),
    ),
    Option(
        "--pack",
        "pack of benchmarks to run, by name and perhaps a version or a range: core, core==1.0.0, "
        '"core>=1,<2"; repeatable',
        metavar="NAME",
        repeatable=True,
        in_table=False,
    ),
    Option(
        "--job",
        "JSON file that says what is run, with which model and how; what is said beside it on the "
        "command line wins",
        Path,
        metavar="FILE",
        in_table=False,
    ),
    Option(
        "--pack-path",
        "folder where --pack looks, beside installed packages; repeatable (benchmarks)",
        metavar="DIR",
        repeatable=True,
    ),
    Option(
        "--lighteval",
        'tasks of LightEval to run, such as "gsm8k|5,arc:challenge|25"; repeatable',
        metavar="TASK|SHOTS[,…]",
        repeatable=True,
        in_table=False,
    ),
    Option(
        "--lighteval-tasks",
        "Python file with a TASKS_TABLE of further tasks for --lighteval",
        metavar="FILE",
        in_table=False,
    ),
)


def add_options(parser: Any) -> None:
    """Declare the options; what they mean is found out in `load`, so that pytest starts quickly."""
    group = parser.getgroup(
        "modeleval",
        "benchmarks for language models (pytest-modeleval): also in [tool.modeleval] of "
        "pyproject.toml, and in the environment as MODELEVAL_MODEL … (several joined with ;)",
    )
    for option in OPTIONS:
        if option.switch:
            group.addoption(
                option.flag, dest=option.dest, action="store_true", default=None, help=option.help
            )
            continue
        group.addoption(
            option.flag,
            dest=option.dest,
            action="append" if option.repeatable else "store",
            default=None,
            metavar=option.metavar or ("|".join(option.choices) if option.choices else None),
            help=option.help,
        )


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
        gates=tuple(_split_gate(text) for text in said["gate"]),
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


def _split_gate(text: str) -> tuple[str, str]:
    """A benchmark's name may hold colons itself (`test_x.py::test_x`, LightEval's `mgsm:de|0`), an
    expression none."""
    if of_lighteval := re.match(r"([^\s|]+\|\d+(?:\[[^]]*])?)\s*:(.*)", text):
        return of_lighteval[1], of_lighteval[2].strip()
    benchmark, _, expression = text.replace("::", "\0").partition(":")
    return benchmark.replace("\0", "::").strip(), expression.replace("\0", "::").strip()
