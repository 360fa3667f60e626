"""Answers in LaTeX that are the same, and those that only look alike."""

from __future__ import annotations

import pytest

from pytest_modeleval.scorers import same_formula


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5", "5."),
        ("-15", "\u221215"),
        ("1,000", "1000"),
        ("1{,}000", "1\\,000"),
        ("29.00", "\\$29"),
        ("50\\%", "50"),
        ("90^\\circ", "90^{\\circ}"),
        ("5\\text{ cm}", "5"),
        ("5\\text{ cm}^2", "5"),
        ("x=5", "5"),
        ("f(x)=x+1", "x+1"),
        ("\\frac12", "\\dfrac{1}{2}"),
        ("1/2", ".5"),
        ("-\\frac{1}{2}", "-0.5"),
        ("\\frac x2", "\\tfrac{x}{2}"),
        ("\\frac{\\sqrt3}{2}", "\\frac{\\sqrt{3}}{2}"),
        ("\\left( 1, 2 \\right)", "(1,2)"),
        ("\\text{Evelyn}", "Evelyn"),
        ("p - q", "p-q"),
    ],
)
def test_the_same(one: str, other: str) -> None:
    assert same_formula(one, other)
    assert same_formula(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", "5"),
        ("", "0"),
        ("-", "0"),
        ("1,2", "12"),
        ("2\\pi", "2"),
        ("2\\sqrt{2}", "2"),
        ("x+1", "1+x"),
        ("\\frac{1}{0}", "0"),
        ("5", "-5"),
        ("\\frac{1}{2}", "\\frac{2}{1}"),
        ("221_3", "221"),
        ("(1,2)", "(2,1)"),
        ("x==5", "=5"),
        ("1" * 200, "1" * 199 + "2"),
    ],
)
def test_different(one: str, other: str) -> None:
    assert not same_formula(one, other)
    assert not same_formula(other, one)
