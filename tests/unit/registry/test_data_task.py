"""What is wrong with a task as data is found before anything of it runs."""

from __future__ import annotations

import pytest

from pytest_modeleval.datasets.known import REGISTERED
from pytest_modeleval.errors import UsageError
from pytest_modeleval.registry.data_task import DataTask
from pytest_modeleval.registry.reading import parse_pack
from pytest_modeleval.scorers.by_name import SCORERS

HEAD = '[pack]\nname = "core"\nversion = "1.0.0"\n'
TASK = """
[[task]]
name = "capitals"
dataset = "data/capitals.jsonl"
prompt = "The capital of {{ country }}?"
target = "capital"
"""
RECORD = {"country": "France", "capital": "Paris"}


def task_of(text: str) -> DataTask:
    (task,) = parse_pack((HEAD + text).encode(), "core.pack.toml").task
    return DataTask(task, SCORERS, REGISTERED)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            TASK.replace("country", "land"),
            "prompt: 'land' is undefined (the record has country, capital)",
        ),
        (
            TASK.replace("{{ country }}", "{{ country.__class__ }}"),
            "prompt: the template reaches for '__class__': it may use the record's fields, and "
            "nothing that begins with an underscore",
        ),
        (
            TASK.replace("{{ country }}", "{{ country | attr('__class__') }}"),
            "prompt: SecurityError: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        (
            TASK.replace("{{ country }}", "{{ country['__class__'] }}"),
            "prompt: SecurityError: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        (
            TASK.replace("{{ country }}", "{% for i in range(10 ** 9) %}x{% endfor %}"),
            "prompt: OverflowError: Range too big. The sandbox blocks ranges larger than "
            "MAX_RANGE (100000).",
        ),
        (
            TASK.replace("{{ country }}", "{{ country"),
            "prompt: no valid template: unexpected char '?' at 25 (line 1 of it)",
        ),
        (
            TASK.replace("{{ country }}", "{% include '/etc/passwd' %}"),
            "prompt: the template asks for another one (line 1 of it): a task's template stands "
            "on its own",
        ),
        (
            TASK.replace('"capital"', '"town"'),
            "target: there is no field 'town' (the record has country, capital)",
        ),
        (
            TASK.replace('target = "capital"', ""),
            "there is no field 'target' or 'answer' (the record has country, capital): say what a "
            "right reply is with target",
        ),
        (
            TASK + 'id = "key"',
            "id: there is no field 'key' (the record has country, capital)",
        ),
        (
            TASK.replace('prompt = "The capital of {{ country }}?"', ""),
            "no field 'input', 'question' or 'prompt' (the record has country, capital); pass "
            "sample=fn to turn a record into a Sample",
        ),
        (
            TASK + 'scorers = ["exact_mach"]',
            "scorers[0]: no scorer 'exact_mach'; did you mean 'exact_match'?",
        ),
        (
            TASK + 'scorers = ["f1", "f1"]',
            "scorers[1]: f1 is there already",
        ),
        (
            TASK + 'scorers = [{ name = "exact_match", normalise = "squad" }]',
            "scorers[0]: exact_match has no parameter 'normalise'; did you mean 'normalize'?",
        ),
        (
            TASK + 'scorers = [{ name = "f1", pass_at = "half" }]',
            'scorers[0]: pass_at: expected a number, got "half"',
        ),
        (
            TASK + 'extract = "(("',
            "extract: '((' is no regular expression: missing ) at position 2",
        ),
        (
            TASK + 'ask = "choose"\nchoices = ["Rome"]',
            "target 'Paris' is none of the 1 choices, nor the place of one (from 0), nor its "
            "letter",
        ),
        (
            TASK + 'ask = "choose"\nchoices = "capital"',
            "choices: 'capital' is no list of texts, but 'Paris'",
        ),
        (
            TASK + 'choices = ["Rome"]',
            'choices are for ask = "choose"; a prompt may show them by itself',
        ),
        (
            TASK + 'ask = "complete"\nsystem = "You know."',
            'system is for ask = "chat", not "complete"',
        ),
    ],
)
def test_a_mistake_is_a_sentence(task: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        task_of(task).sample(RECORD)
    assert str(raised.value) == said


def test_what_a_record_says_is_no_template() -> None:
    record = {"country": "{{ 7 * 7 }}", "capital": "{{ config }}"}
    made = task_of(TASK).sample(record)
    assert made.input == "The capital of {{ 7 * 7 }}?"  # type: ignore[union-attr]
    assert made.target == "{{ config }}"  # type: ignore[union-attr]


@pytest.mark.parametrize("target", [1, "1", "B", "Rome"])
def test_the_right_choice_is_named_in_any_way(target: object) -> None:
    task = task_of(TASK + 'ask = "choose"\nchoices = ["Paris", "Rome"]')
    made = task.sample({"country": "Italy", "capital": target})
    assert made.target == "Rome"  # type: ignore[union-attr]


def test_a_registered_dataset_brings_its_own_input_and_target() -> None:
    record = {"question": "How many?", "answer": "Two and two. #### 4"}
    text = '[[task]]\nname = "sums"\ndataset = "gsm8k[train]"\nscorers = ["last_number"]\n'
    made = task_of(text).sample(record)
    assert (made.input, made.target) == ("How many?", "4")  # type: ignore[union-attr]
    asked = task_of(text + 'prompt = "{{ input }} Think."').sample(record)
    assert (asked.input, asked.target) == ("How many? Think.", "4")  # type: ignore[union-attr]
