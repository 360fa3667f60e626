"""The number that a reply ends in, and the answer in its box.

A number is compared as text in one canonical form, a plain decimal: "18", "29", "0.5", "-3".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from unicodedata import category

from .patterns import last

_MINUS = "-\u2011\u2013\u2212\uff0d"
# What separates thousands beside the comma: the spaces that typographers use.
_SPACES = str.maketrans("\u00a0\u2009\u202f", ",,,")
_CURRENCY_CODES = ("Rs", "USD", "EUR", "GBP", "INR", "JPY", "CNY", "CHF")

# After its first digit an alternative can only grow, never fail: each digit is read once, so
# that time is linear in the text. What is no number is sorted out after the match.
_NUMBER = re.compile(
    rf"""
    \\[dt]?frac\{{(?P<top>[{_MINUS}]?\d+)\}}\{{(?P<bottom>\d+)\}}
    |
    (?: (?P<whole>\d[\d,\u00a0\u2009\u202f]*) (?P<decimals>\.\d+)?
      | (?<![\w.]) (?P<bare>\.\d+) )
    (?P<exponent>[eE][-+]?\d{{1,3}}(?!\d))?
    (?:/(?P<over>\d+))?
    """,
    re.VERBOSE,
)
_GROUPED = re.compile(r"(?!0)\d{1,3}(?:,\d{3})+|(?!0)\d{1,2}(?:,\d{2})+,\d{3}")
_POWER = re.compile(rf"\^\{{?[{_MINUS}]?\d")

# No grouped number or fraction that anybody writes is longer.
_LONGEST = 60


def last_number(text: str) -> str | None:
    """The last number in the text, in canonical form; None where there is none.

    `last_number(reply.text) == "18"` holds for a reply that ends in 18, 18.00, $18, £18, 18%,
    18 apples, 18kg or \\boxed{18}. Compare with `number(target)` where the target may be a
    number, or be written another way. For a boxed answer: `last_number(boxed(text) or text)`.

    - A currency before a number and a unit after it are dropped: 5% is "5", 2 million is "2".
    - Commas, {,}, \\, and no-break or thin spaces separate thousands where the groups are right:
      1,234.50 is "1234.5" and 1,00,000 is "100000", but 1,2,3 is a list that ends in "3".
      The decimal mark is the point.
    - A minus counts as a sign unless it follows a word, a digit or a closing bracket:
      -5 is "-5", but 10-5 ends in "5".
    - A fraction (1/2, \\frac{1}{2}) is a number: "0.5", or "1/3" in lowest terms where the
      decimal would not end. So is 1.5e3: "1500". Digits of any script are digits.
    - Not numbers: digits glued to a Latin letter before them (CO2, m2), indices (x_1), and both
      parts of a power (10^5, cm^2).

    After the answer extraction of GSM8K (Cobbe et al. 2021, `extract_answer` in the authors'
    dataset.py) and "flexible-extract" of lm-evaluation-harness, both of which miss $29.00.
    """
    found = last(_numbers(text))
    return None if found is None else _canonical(found)


def number(value: str | int | float | Decimal) -> str:
    """A target in the canonical form that `last_number` returns: "1,000" and 1000.0 are "1000".

    Raises ValueError for text that does not hold exactly one number, for nan and for infinity.
    """
    if isinstance(value, str):
        found = list(islice(_numbers(value), 2))
        if len(found) != 1 or _is_list(found[0]["whole"] or ""):
            raise ValueError(f"not exactly one number: {value[:80]!r}")
        return _canonical(found[0])
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        raise ValueError(f"not a finite number: {value}")
    return _plain(exact)


def boxed(text: str) -> str | None:
    """What the last \\boxed{…} or \\fbox{…} holds, as it is written; None where there is none.

    Braces nest. A last box that is never closed, as in a reply that was cut off, holds nothing.
    After `last_boxed_only_string` of MATH (Hendrycks et al. 2021, `math_equivalence.py`).
    """
    opened = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if opened < 0:
        return None
    start = text.index("{", opened) + 1
    depth = 1
    for brace in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[start : brace.start()]
    return None


def _numbers(text: str) -> Iterator[re.Match[str]]:
    plain = text.replace("{,}", ",").replace("\\,", ",")
    return (match for match in _NUMBER.finditer(plain) if _is_number(match))


def _is_number(match: re.Match[str]) -> bool:
    text, start = match.string, match.start()
    before = text[max(0, start - 4) : start]
    if before[-1:].isascii() and before[-1:].isalpha() and match["top"] is None:
        return before.endswith(_CURRENCY_CODES)
    stem = before.rstrip(_MINUS).removesuffix("{")
    if stem.endswith("^") or (stem.endswith("_") and stem[-2:-1].isalpha()):
        return False
    if _POWER.match(text, match.end()):
        return False
    below = match["bottom"] or match["over"]
    if below is None:
        return True
    return len(match[0]) <= _LONGEST and int(below) != 0


def _is_negative(match: re.Match[str]) -> bool:
    text, start = match.string, match.start()
    if start and category(text[start - 1]) == "Sc":
        start -= 1
        if text[start - 1 : start] == "\\":
            start -= 1
    if text[start - 1 : start] not in tuple(_MINUS):
        return False
    before = text[start - 2 : start - 1] if start > 1 else ""
    return not (before.isalnum() or before in tuple(")]}%" + _MINUS))


def _canonical(match: re.Match[str]) -> str:
    negative = _is_negative(match)
    if match["top"] is not None:
        top = match["top"]
        over = match["bottom"]
        negative ^= top[0] in _MINUS
        digits = top.lstrip(_MINUS)
    else:
        whole = (match["whole"] or "").translate(_SPACES).rstrip(",")
        over = match["over"]
        if _is_list(whole):
            negative = False
            whole = whole.rpartition(",")[2]
        digits = whole.replace(",", "") + (match["decimals"] or match["bare"] or "")
        digits += match["exponent"] or ""
    value = Decimal(digits)
    if negative:
        value = value.copy_negate()
    return _plain(value) if over is None else _quotient(Fraction(value) / int(over))


def _is_list(whole: str) -> bool:
    """Whether commas separate numbers here, not the thousands of one."""
    plain = whole.translate(_SPACES).rstrip(",")
    return "," in plain and (len(plain) > _LONGEST or not _GROUPED.fullmatch(plain))


def _plain(value: Decimal) -> str:
    digits = format(value, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def _quotient(value: Fraction) -> str:
    rest = value.denominator
    twos = fives = 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return str(value)
    places = max(twos, fives)
    return _plain(Decimal(f"{value * 10**places}e-{places}"))
