"""A whole task as data: from a `[[task]]` with a dataset to a benchmark."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_modeleval.datasets.conversion import TARGET_FIELDS, fields, sample_from_record
from pytest_modeleval.datasets.dataset import ToSample
from pytest_modeleval.datasets.few_shot import FewShot
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.definition import ATTRIBUTE, Benchmark
from pytest_modeleval.errors import DatasetError, UsageError
from pytest_modeleval.models.messages import Message
from pytest_modeleval.models.model import Model
from pytest_modeleval.registry.extraction import Extraction
from pytest_modeleval.registry.pack import Task
from pytest_modeleval.registry.scoring import task_scorers
from pytest_modeleval.registry.template import Template, is_template

Record = Mapping[str, Any]
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class DataTask:
    """A task of which a pack says everything: the record's way into a sample, the question that the
    model is asked, and what its reply is worth.

    Raises:
        UsageError: a template, a pattern or a scorer cannot be used.
    """

    def __init__(
        self,
        task: Task,
        scorers: Mapping[str, Callable[..., Any]],
        registered: Sequence[RegisteredDataset],
    ) -> None:
        self._task = task
        self._own = _conversion(task.dataset or "", registered)
        self._prompt = Template(task.prompt, "prompt") if task.prompt is not None else None
        self._system = Template(task.system, "system") if task.system is not None else None
        self._target = _value(task.target, "target")
        self._choices = _choices(task.choices)
        self._id = _value(task.id, "id")
        self._extraction = Extraction(task.extract) if task.extract is not None else None
        self.scorers = task_scorers(task.scorers, scorers)
        if task.choices is not None and task.ask != "choose":
            raise UsageError('choices are for ask = "choose"; a prompt may show them by itself')
        if task.system is not None and task.ask != "chat":
            raise UsageError(f'system is for ask = "chat", not "{task.ask}"')

    def as_function(self) -> Callable[..., Any]:
        """The benchmark, as a function with its definition."""
        bodies = {"chat": self._chat, "complete": self._complete, "choose": self._choose}
        body = bodies[self._task.ask]()
        task = self._task
        definition = Benchmark(
            dataset=task.dataset or "",
            sample=self.sample,
            few_shot=FewShot(task.few_shot) if task.few_shot else None,
            cluster=task.cluster,
            metrics=tuple(each.name for each in self.scorers),
        )
        setattr(body, ATTRIBUTE, definition)
        return body

    # ---------------------------------------------------------------- from a record to a sample

    def sample(self, record: Record) -> Sample | list[Sample]:
        """What a record is as a sample, or several. Raises DatasetError where it does not fit."""
        if self._own is not None:
            made = self._own(record)
            if isinstance(made, (Sample, Mapping)):
                return self._sample(record, _as_sample(made))
            return [self._sample(record, _as_sample(each)) for each in made]
        if self._prompt is None:
            return self._sample(record, sample_from_record(record))
        target = next((record[name] for name in TARGET_FIELDS if name in record), None)
        return self._sample(record, Sample(target=target))

    def _sample(self, record: Record, own: Sample) -> Sample:
        """`own` is the sample that the dataset itself makes of the record."""
        known = {"input": own.input, "target": own.target, "choices": own.choices}
        known = {name: value for name, value in known.items() if value not in ("", None, ())}
        context = {**own.metadata, **known, **record}
        text = self._prompt.render(context) if self._prompt is not None else own.input
        if not isinstance(text, str):
            raise DatasetError("the dataset's own input is no text: say it with prompt")
        if self._system is not None:
            self._system.render(context)
        choices = self._choices(context) if self._choices is not None else own.choices
        target = self._target(context) if self._target is not None else own.target
        if self._task.ask == "choose":
            target = _right_choice(target, choices, record)
        elif target is None:
            raise DatasetError(
                f"there is no field {' or '.join(map(repr, TARGET_FIELDS))} ({fields(record)}): "
                "say what a right reply is with target"
            )
        return Sample(
            id=own.id if self._id is None else str(self._id(record)),
            input=text,
            target=_as_target(target),
            choices=tuple(choices),
            metadata=context,
        )

    # ---------------------------------------------------------------- from a sample to its verdict

    def _chat(self) -> Callable[..., Any]:
        async def body(sample: Sample, model: Model) -> None:
            messages: list[Message] = []
            if self._system is not None:
                messages.append(Message("system", self._system.render(sample.metadata)))
            for example in sample.few_shot:
                messages.append(Message("user", example.input))
                messages.append(Message("assistant", _answer(example)))
            messages.append(Message("user", sample.input))
            reply = await model.chat(messages)
            self._judge(reply.text, sample)

        return body

    def _complete(self) -> Callable[..., Any]:
        async def body(sample: Sample, model: Model) -> None:
            reply = await model.complete(_with_examples(sample))
            self._judge(reply.text, sample)

        return body

    def _choose(self) -> Callable[..., Any]:
        async def body(sample: Sample, model: Model) -> None:
            context = _with_examples(sample)
            joint = _joint(context)
            choice = await model.choose(context, [joint + each for each in sample.choices])
            chosen = "" if choice.index is None else sample.choices[choice.index]
            self._judge(chosen, sample)

        return body

    def _judge(self, text: str, sample: Sample) -> None:
        answer: str | None = text.strip()
        if self._extraction is not None:
            answer = self._extraction.of(text)
        verdicts = [each.passes(answer or "", sample.target) for each in self.scorers]
        if not all(verdicts):
            got = f"the answer is {answer!r:.200}"
            if answer is None:
                got = f"nothing in the reply {text!r:.200} matches extract"
            raise AssertionError(f"{got}, expected {sample.target!r:.200}")


def _conversion(dataset: str, registered: Sequence[RegisteredDataset]) -> ToSample | None:
    """How a registered dataset itself makes a sample of a record."""
    name = re.sub(r"\[[\w-]+\]$", "", dataset)
    return next((each.to_sample for each in registered if each.name == name), None)


def _as_sample(made: Any) -> Sample:
    return made if isinstance(made, Sample) else sample_from_record(made)


def _value(text: str | None, field: str) -> Callable[[Record], Any] | None:
    """A template's text, or the value of the field that is named."""
    if text is None:
        return None
    if is_template(text):
        return Template(text, field).render

    def of_field(record: Record) -> Any:
        if text not in record:
            raise DatasetError(f"{field}: there is no field {text!r} ({fields(record)})")
        return record[text]

    return of_field


def _choices(said: str | Sequence[str] | None) -> Callable[[Record], Sequence[str]] | None:
    """A list in the record's field, or a template for each choice."""
    if said is None:
        return None
    if not isinstance(said, str):
        templates = [Template(each, f"choices[{place}]") for place, each in enumerate(said)]
        return lambda record: [each.render(record) for each in templates]
    if is_template(said):
        raise UsageError('choices: expected a field with a list, or a list such as ["yes", "no"]')
    field = _value(said, "choices")
    assert field is not None

    def listed(record: Record) -> Sequence[str]:
        found = field(record)
        if not isinstance(found, (list, tuple)) or not all(isinstance(one, str) for one in found):
            raise DatasetError(f"choices: {said!r} is no list of texts, but {found!r:.60}")
        return found

    return listed


def _right_choice(target: Any, choices: Sequence[str], record: Record) -> str:
    """The target may be the choice itself, its place from 0, or its letter."""
    if not choices:
        raise DatasetError(f"there are no choices ({fields(record)}): say where they are")
    if isinstance(target, str) and target in choices:
        return target
    place = target
    if isinstance(target, str):
        place = int(target) if target.isdecimal() else _LETTERS.find(target or "?")
    if isinstance(place, int) and not isinstance(place, bool) and 0 <= place < len(choices):
        return choices[place]
    raise DatasetError(
        f"target {target!r:.60} is none of the {len(choices)} choices, nor the place of one "
        "(from 0), nor its letter"
    )


def _as_target(value: Any) -> Any:
    """Scorers compare texts."""
    if isinstance(value, (list, tuple)):
        return [each if isinstance(each, str) else str(each) for each in value]
    return value if isinstance(value, str) else str(value)


def _answer(example: Sample) -> str:
    return str(example.target if isinstance(example.target, str) else example.target[0])


def _joint(context: str) -> str:
    """What stands between a question and its answer in a text that is continued."""
    return "" if not context or context[-1].isspace() else " "


def _with_examples(sample: Sample) -> str:
    """The examples with their answers, then the question: one text, to be continued."""
    shown = [f"{each.input}{_joint(each.input)}{_answer(each)}" for each in sample.few_shot]
    return "\n\n".join([*shown, sample.input])
