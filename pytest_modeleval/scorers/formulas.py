"""Whether two answers written in LaTeX are the same."""

from __future__ import annotations

import re
from fractions import Fraction

_DROPPED = re.compile(
    r"\\[!,;: ]|\\(?:left|right|displaystyle)(?![a-zA-Z])|\^\{?\\circ\}?|\\?[$%]|[\s~]"
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mbox)\{([^{}]*)\}")
_UNIT = re.compile(r"(?<=[\d}])\\(?:text|mbox|mathrm)\{ [^{}]*\}(?:\^\{?\d\}?)?$")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_SHORT_FRACTION = re.compile(r"\\frac ?(?:(\w)|\{([^{}]*)\}) ?(?:(\w)|\{([^{}]*)\})")
_SLASH = re.compile(r"(-?)(\d+)/(\d+)")
_SHORT_ROOT = re.compile(r"\\sqrt(\w)")
_LABEL = re.compile(r"[a-zA-Z](?:\([a-zA-Z]\))?=(?!=)")
_DECIMAL = re.compile(r"(?P<sign>-?)(?P<digits>\d{1,3}(?:,\d{3})+|\d*)(?P<decimals>\.\d*)?")
_RATIO = re.compile(r"(?P<sign>-?)\\frac\{(?P<top>-?\d+)\}\{(?P<bottom>-?\d+)\}")

# No number that a problem asks for is longer; Fraction would be slow with a million digits.
_LONGEST = 100


def same_formula(prediction: str, target: str) -> bool:
    """Whether two answers are written alike, or are the same number.

    Spaces, sizes of brackets, the marks of degrees, money and per cent, a unit behind a number
    and the `x=` before a value are dropped; `\\frac12`, `\\dfrac{1}{2}`, `1/2` and `0.5` are the
    same, and so are `1,000` and `1000`. Nothing is computed: `x+1` and `1+x`, or `2\\sqrt{2}` and
    `\\sqrt{8}`, are different.

    After `is_equiv` of MATH (Hendrycks et al. 2021, `math_equivalence.py`); what goes beyond it
    is that numbers are compared by value.
    """
    ours, theirs = _plain(prediction), _plain(target)
    if ours == theirs:
        return True
    value = _number(ours)
    return value is not None and value == _number(theirs)


def _plain(text: str) -> str:
    """One way of writing for what is the same."""
    text = _UNIT.sub("", text.strip().rstrip("."))
    text = _TEXT.sub(lambda found: found[1], text)
    text = _SHORT_FRACTION.sub(_full_fraction, _FRACTION.sub(r"\\frac", text))
    text = _DROPPED.sub("", text).replace("{,}", ",").replace("\u2212", "-")
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    if label := _LABEL.match(text):
        text = text[label.end() :]
    slash = _SLASH.fullmatch(text)
    return f"{slash[1]}\\frac{{{slash[2]}}}{{{slash[3]}}}" if slash else text


def _full_fraction(found: re.Match[str]) -> str:
    top, bottom = found[1] or found[2], found[3] or found[4]
    return f"\\frac{{{top}}}{{{bottom}}}"


def _number(text: str) -> Fraction | None:
    if len(text) > _LONGEST:
        return None
    if ratio := _RATIO.fullmatch(text):
        bottom = int(ratio["bottom"])
        value = Fraction(int(ratio["top"]), bottom) if bottom else None
        return -value if value is not None and ratio["sign"] else value
    decimal = _DECIMAL.fullmatch(text)
    if decimal is None or not any(map(str.isdigit, text)):
        return None
    value = Fraction(f"{decimal['digits'].replace(',', '') or '0'}{decimal['decimals'] or ''}")
    return -value if decimal["sign"] else value
