"""Can a model write Roman numerals? A scorer, a dataset and a backend for pytest-modeleval."""

import re
from pathlib import Path

from pytest_modeleval import Sample
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.models.catalog import BackendEntry

VALUES = {
    "M": 1000, "CM": 900, "D": 500, "CD": 400, "C": 100, "XC": 90,
    "L": 50, "XL": 40, "X": 10, "IX": 9, "V": 5, "IV": 4, "I": 1,
}  # fmt: skip


def roman(number: int) -> str:
    """The number as the Romans are said to have written it."""
    text = ""
    for sign, value in VALUES.items():
        text += sign * (number // value)
        number %= value
    return text


def roman_number(text: str, target: str, *, strict: bool = True) -> bool:
    """Whether the last Roman numeral in the text is the target, a number in our digits.

    Where it is not `strict`, signs are added up, so that IIII is 4 as well.
    """
    found = re.findall(r"\b[IVXLCDM]+\b", text)
    if not found:
        return False
    if strict:
        return found[-1] == roman(int(target))
    signs = re.findall("|".join(sorted(VALUES, key=len, reverse=True)), found[-1])
    return sum(VALUES[sign] for sign in signs) == int(target)


def numeral(record) -> Sample:
    """One line of numerals.jsonl as a sample."""
    number = str(record["number"])
    return Sample(id=number, input=number, target=number, metadata={"kind": record["kind"]})


def pytest_modeleval_scorers():
    return {"roman_number": roman_number}


def pytest_modeleval_datasets():
    file = Path(__file__).parent / "numerals.jsonl"
    return [
        RegisteredDataset(
            name="roman-numerals", split="test", files={"test": [str(file)]}, to_sample=numeral
        )
    ]


def pytest_modeleval_backends():
    return {"roman": BackendEntry("roman_evals.backend:RomanBackend")}
