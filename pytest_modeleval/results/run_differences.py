"""Two runs of the same command, held against each other: what differs, and from which sample on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_modeleval.plain_text import one_line, shown
from pytest_modeleval.results.details import details_files, read_details
from pytest_modeleval.results.digests import KINDS
from pytest_modeleval.results.record import BenchmarkResult, RunResult

NAMED = 10
"""Samples that differ and are named."""

WORDS = {"few_shot": "few-shot examples"}
MEASURED = ("latency_s", "ttft_s", "tpot_s", "queue_s", "cost", "prompt_tokens")
"""Metrics of which every run has its own, or that the digests speak of already."""

AROUND = 40
"""Characters that are shown of a text, from shortly before the first that differs."""

_CALLS = "calls"


@dataclass(slots=True)
class Differences:
    """What two runs of one benchmark with one model differ in; `lines` say it, none where they are
    the same."""

    benchmark: str
    model: str
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Side:
    """A run: its results, and its folder, where its details are at hand."""

    result: RunResult
    folder: Path | None


def run_differences(before: Side, after: Side) -> list[Differences]:
    """Each benchmark and model of either run, in the order of the first. Raises ModelevalError for
    details that cannot be read."""
    old, new = (
        {(each.name, each.model): each for each in side.result.benchmarks}
        for side in (before, after)
    )
    found = []
    for key in {**old, **new}:
        differences = Differences(*key)
        if key not in new:
            differences.lines.append("it was run then, and is not now")
        elif key not in old:
            differences.lines.append("it is run now, and was not then")
        else:
            differences.lines += _benchmark(old[key], new[key], before.folder, after.folder)
        found.append(differences)
    return found


def _benchmark(
    old: BenchmarkResult, new: BenchmarkResult, old_folder: Path | None, new_folder: Path | None
) -> Iterator[str]:
    """From cause to effect."""
    if old.dataset_fingerprint != new.dataset_fingerprint:
        yield "the dataset differs"
    if _identity(old) != _identity(new):
        yield f"the model differs: it was {_identity(old)} and is {_identity(new)}"
    if old.hashes.task is not None and old.hashes.task != new.hashes.task:
        yield "what defines the benchmark differs (its source text, or its table in the pack)"
    kinds = [kind for kind in KINDS if getattr(old.hashes, kind) != getattr(new.hashes, kind)]
    for number, kind in enumerate(kinds):
        word = WORDS.get(kind, kind)
        if old_folder is None or new_folder is None:
            yield f"{word} differ"
        else:
            pair = _Pair(old, old_folder, new_folder)
            yield from pair.told(kind, word, first=number == 0)
    if old.samples != new.samples:
        yield f"the samples were {_counts(old)}, and are {_counts(new)}"
    for name in {**old.metrics, **new.metrics}:
        values = [each.metrics[name].value for each in (old, new) if name in each.metrics]
        if name not in MEASURED and name != "completion_tokens" and len(set(values)) != 1:
            yield f"{name} was {values[0]:.6g} and is {values[-1]:.6g}"


def _identity(result: BenchmarkResult) -> str:
    told = {**result.model_identity}
    details = told.pop("details", None) or {}
    known = {name: value for name, value in {**told, **details}.items() if value is not None}
    return one_line(", ".join(f"{name} {value}" for name, value in known.items())) or "not known"


def _counts(result: BenchmarkResult) -> str:
    return ", ".join(f"{count} {name}" for name, count in result.samples.items() if count)


class _Pair:
    """The details of one benchmark with one model in two runs."""

    def __init__(self, of: BenchmarkResult, old: Path, new: Path) -> None:
        self._of = of
        self._folders = (old, new)

    def told(self, kind: str, word: str, *, first: bool) -> Iterator[str]:
        """Which samples differ in their digests, and the `first` difference of the first of them,
        in its texts."""
        old, new = (self._digests(folder) for folder in self._folders)
        differing = [
            key
            for key in {**old, **new}
            if (old.get(key) or {}).get(kind) != (new.get(key) or {}).get(kind)
        ]
        names = list(dict.fromkeys(one_line(name) for name, _ in differing))
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        whole = len({name for name, _ in {**old, **new}})
        yield f"{word} differ in {len(names)} of {whole} samples: {', '.join(names[:NAMED])}{more}"
        if first and differing and differing[0] in old and differing[0] in new:
            rows = [self._row(folder, differing[0]) for folder in self._folders]
            yield f"  {names[0]}: {_first_difference(kind, *rows)}"

    def _digests(self, folder: Path) -> dict[tuple[str, int], Mapping[str, Any]]:
        columns = ["model", "id", "epoch", "outcome", "digests"]
        rows = self._rows(folder, columns)
        return {
            (row["id"], row["epoch"]): row["digests"] or {}
            for row in rows
            if row["outcome"] != "not_run"
        }

    def _row(self, folder: Path, key: tuple[str, int]) -> dict[str, Any]:
        columns = ["model", "id", "epoch", "input", "target", _CALLS]
        return next(
            row for row in self._rows(folder, columns, key) if (row["id"], row["epoch"]) == key
        )

    def _rows(
        self, folder: Path, columns: Sequence[str], key: tuple[str, int] | None = None
    ) -> list[dict[str, Any]]:
        if not details_files(folder, self._of.name):
            return []
        from pyarrow import compute

        table = read_details(folder, self._of.name, columns)
        table = table.filter(compute.equal(table["model"], self._of.model))
        if key is not None:
            table = table.filter(compute.equal(table["id"], key[0]))
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows


def _first_difference(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In the texts of two rows; the details do not hold all that a digest is of."""
    if kind == "inputs":
        pairs = [(name, old[name], new[name]) for name in ("input", "target")]
    elif kind == "few_shot":
        return "other examples were drawn for it, or they have changed"
    else:
        calls, others = old[_CALLS], new[_CALLS]
        if len(calls) != len(others):
            return f"it took {len(calls)} calls, and takes {len(others)}"
        parts = _prompt if kind == "prompts" else _reply
        pairs = [
            (f"{name} of call {number}" if len(calls) > 1 else name, was, parts(other)[name])
            for number, (call, other) in enumerate(zip(calls, others), 1)
            for name, was in parts(call).items()
            if name in parts(other)
        ]
    for name, was, now in pairs:
        if was != now:
            return _told(name, was, now)
    return "in what the details do not hold, such as the tools that were offered"


def _prompt(call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{f"sampling.{name}": value for name, value in (call["sampling"] or {}).items()},
        "number of messages": len(call["messages"]),
        **{f"message {n}": _text(each) for n, each in enumerate(call["messages"], 1)},
        "continuations": [each["continuation"] for each in call["loglikelihoods"]],
    }


def _reply(call: Mapping[str, Any]) -> dict[str, Any]:
    likelihoods = {
        f"log-likelihood of {one_line(each['continuation'], 40)!r}": each["sum"]
        for each in call["loglikelihoods"]
    }
    return {"reply": call["reply"], "tool calls": call["tool_calls"], **likelihoods}


def _text(message: Mapping[str, Any]) -> str:
    told = message["content"] if message["content"] is not None else str(message["parts"])
    return f"[{message['role']}] {told}"


def _told(name: str, was: Any, now: Any) -> str:
    if isinstance(was, str) and isinstance(now, str):
        start = next(
            (place for place, (one, other) in enumerate(zip(was, now)) if one != other),
            min(len(was), len(now)),
        )
        return f"{name} was {_part(was, start)} and is {_part(now, start)}"
    return f"{name} was {shown(repr(was))[:200]} and is {shown(repr(now))[:200]}"


def _part(text: str, start: int) -> str:
    first = max(0, start - AROUND // 4)
    before, after = "…" if first else "", "…" if len(text) > first + AROUND else ""
    return f"{before}{shown(repr(text[first : first + AROUND]))}{after}"
