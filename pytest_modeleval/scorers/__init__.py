"""Scorers: pure functions from a reply's text to a value.

They know nothing of pytest, and one that needs a library imports it when it is called.
"""

from .choices import choice_letter
from .confidence import stated_confidence, token_confidence
from .exact import exact_match, normalize_text
from .formulas import same_formula
from .instructions import follows
from .literals import same_literal
from .numbers import boxed, last_number, number
from .overlap import bleu, chrf, f1, rouge
from .patterns import regex
from .statements import stated_answer

__all__ = [
    "bleu",
    "boxed",
    "choice_letter",
    "chrf",
    "exact_match",
    "f1",
    "follows",
    "last_number",
    "normalize_text",
    "number",
    "regex",
    "rouge",
    "same_formula",
    "same_literal",
    "stated_answer",
    "stated_confidence",
    "token_confidence",
]
