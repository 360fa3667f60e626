"""The last number of a reply, canonical targets, and boxed answers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pytest_modeleval.scorers import boxed, last_number, number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 18.", "18"),
        ("#### 1,000", "1000"),
        ("16 - 3 - 4 = <<16-3-4=9>>9", "9"),
        ("3.", "3"),
        ("007", "7"),
        ("12 apples", "12"),
        ("5kg", "5"),
        ("5%", "5"),
        ("**18**", "18"),
        ("_18_", "18"),
        ("答えは18です", "18"),
        ("১৮", "18"),
        ("\uff11\uff18", "18"),
        ("\0 5\0", "5"),
        ("\ud800 7\udfff", "7"),
        ("2 million", "2"),
    ],
)
def test_the_last_number(text: str, value: str) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$29.00.", "29"),
        ("£1,000", "1000"),
        ("₹1,00,000", "100000"),
        ("$.50", "0.5"),
        ("\\$18", "18"),
        ("Rs.500", "500"),
        ("Rs500", "500"),
        ("USD18", "18"),
        ("18 €", "18"),
    ],
)
def test_a_currency_is_dropped(text: str, value: str) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.50", "1234.5"),
        ("100,000,000", "100000000"),
        ("1{,}000", "1000"),
        ("1\\,000", "1000"),
        ("1\u202f000", "1000"),
        ("18\u00a0km", "18"),
        ("1,2,3", "3"),
        ("-1,2", "2"),
        ("1,5", "5"),
        ("(0,100)", "100"),
        ("18, 19,", "19"),
    ],
)
def test_separators_count_only_between_groups_of_digits(text: str, value: str) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-5", "-5"),
        ("= -5", "-5"),
        ("\u22125", "-5"),
        ("\u20135", "-5"),
        ("-$5", "-5"),
        ("$-5$", "-5"),
        ("-\\$5", "-5"),
        ("10-5", "5"),
        ("(x)-5", "5"),
        ("pages 3\u20135", "5"),
        ("$3-$5", "5"),
        ("the answer --5", "5"),
        ("-0.0", "0"),
    ],
)
def test_a_minus_is_a_sign_unless_something_stands_before_it(text: str, value: str) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/2", "0.5"),
        ("-3/4", "-0.75"),
        ("2/6", "1/3"),
        ("3,000/4", "750"),
        ("\\frac{1}{2}", "0.5"),
        ("\\dfrac{-1}{3}", "-1/3"),
        ("-\\frac{-1}{2}", "0.5"),
        ("1.5e3", "1500"),
        ("2E-3", "0.002"),
        (".5", "0.5"),
        ("...5", "5"),
    ],
)
def test_fractions_and_exponents_are_part_of_a_number(text: str, value: str) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12 m2 of CO2", "12"),
        ("12 cm^2", "12"),
        ("12 cm^{-2}", "12"),
        ("18 is x_1", "18"),
        ("18 = 10^5", "18"),
        ("45^\\circ", "45"),
        ("7 and 5/0", "7"),
    ],
)
def test_what_is_no_number_is_passed_over(text: str, value: str) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize("text", ["", "none", "A man", "$", "-", "H2O", "10^5", "1/0", "²"])
def test_no_number(text: str) -> None:
    assert last_number(text) is None


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("18", "18"),
        (18, "18"),
        (18.0, "18"),
        (Decimal("18.50"), "18.5"),
        (0.1, "0.1"),
        (1e22, "10000000000000000000000"),
        (-3, "-3"),
        ("1,000", "1000"),
        ("$29.00.", "29"),
        ("#### 18", "18"),
        ("1/3", "1/3"),
        (" 12 apples\n", "12"),
    ],
)
def test_a_target_in_canonical_form(target: str | int | float | Decimal, value: str) -> None:
    assert number(target) == value
    assert last_number(f"The answer is {value}.") == number(target)


@pytest.mark.parametrize("target", ["", "eighteen", "3 4", "1,2,3", "2020-01-02"])
def test_a_target_without_exactly_one_number_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="not exactly one number"):
        number(target)


@pytest.mark.parametrize("target", [float("nan"), float("inf"), Decimal("-Infinity")])
def test_a_target_that_is_not_finite_is_refused(target: float | Decimal) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        number(target)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"so \boxed{18}.", "18"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{1} then \fbox{2}", "2"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{\left\{1, 2\right.}", r"\left\{1, 2\right."),
        (r"\boxed{a\\}", r"a\\"),
        ("\\boxed{1\n}", "1\n"),
        (r"\boxed{}", ""),
        (r"\boxed{1} then \boxed{2", None),
        (r"boxed{1}", None),
        ("18", None),
        ("", None),
    ],
)
def test_the_last_box(text: str, content: str | None) -> None:
    assert boxed(text) == content


def test_the_number_in_a_box() -> None:
    reply = r"\boxed{\$1{,}000 \text{ cm}^2} in step 3"
    assert last_number(boxed(reply) or reply) == "1000"
