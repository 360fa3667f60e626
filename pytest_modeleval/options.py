"""What a user can say: one table, from which the command line, the environment and
`[tool.modeleval]` are made."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def split_gate(text: str) -> tuple[str, str]:
    """A benchmark's name may hold colons itself (`test_x.py::test_x`, LightEval's `mgsm:de|0`), an
    expression none."""
    if of_lighteval := re.match(r"([^\s|]+\|\d+(?:\[[^]]*])?)\s*:(.*)", text):
        return of_lighteval[1], of_lighteval[2].strip()
    benchmark, _, expression = text.replace("::", "\0").partition(":")
    return benchmark.replace("\0", "::").strip(), expression.replace("\0", "::").strip()


def _gate(text: str) -> str:
    benchmark, expression = split_gate(text)
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
