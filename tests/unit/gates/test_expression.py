"""The language of gates: what is read, and what is refused with a sentence."""

from __future__ import annotations

import pytest

from pytest_modeleval.errors import GateError
from pytest_modeleval.gates import Gate, Term, check, parse_gate, parse_gates


@pytest.mark.parametrize(
    ("text", "term", "comparison", "threshold"),
    [
        ("accuracy >= 0.75", Term("accuracy"), ">=", 0.75),
        ("f1>.5", Term("f1"), ">", 0.5),
        ("p95(latency_s) <= 30", Term("latency_s", "p95"), "<=", 30.0),
        ("median(x) < -1e3", Term("x", "median"), "<", -1000.0),
        ("mean(x) > +2", Term("x", "mean"), ">", 2.0),
        ("sum(accuracy) >= 700", Term("accuracy", "sum"), ">=", 700.0),
        ("max(cost) <= 1", Term("cost", "max"), "<=", 1.0),
        ("p50(x) > 0", Term("x", "p50"), ">", 0.0),
        ("p99(x) > 0", Term("x", "p99"), ">", 0.0),
        ("lower(accuracy) >= 0.7", Term("accuracy", limit="lower"), ">=", 0.7),
        ("upper(p90(x)) <= 3", Term("x", "p90", limit="upper"), "<=", 3.0),
        ('accuracy[category == "bio"] >= .5', Term("accuracy", None, "category", "bio"), ">=", 0.5),
        ("accuracy[level == 5] >= .5", Term("accuracy", None, "level", 5.0), ">=", 0.5),
        ("accuracy[level == -1.5] >= .5", Term("accuracy", None, "level", -1.5), ">=", 0.5),
        ("accuracy[hard == True] >= .5", Term("accuracy", None, "hard", True), ">=", 0.5),
        ("accuracy[x == 'a: b'] >= .5", Term("accuracy", None, "x", "a: b"), ">=", 0.5),
        (
            'lower(p95(latency_s[lang == "de"])) < 3',
            Term("latency_s", "p95", "lang", "de", "lower"),
            "<",
            3.0,
        ),
    ],
)
def test_a_comparison_with_a_number(
    text: str, term: Term, comparison: str, threshold: float
) -> None:
    gate = parse_gate(text)
    assert (gate.term, gate.comparison, gate.threshold) == (term, comparison, threshold)
    assert type(gate.term.value) is type(term.value)
    assert gate.kind == "threshold"
    assert gate.metrics == (term.metric,)
    assert gate.columns == ((term.column,) if term.column else ())


@pytest.mark.parametrize(
    ("text", "tolerance", "expression"),
    [
        ("accuracy >= baseline", 0.0, "accuracy >= baseline"),
        ("accuracy>=baseline-.01", 0.01, "accuracy >= baseline - 0.01"),
        ("accuracy >= baseline + 0.01", -0.01, "accuracy >= baseline + 0.01"),
        ("p95(latency_s) <= baseline + 2", 2.0, "p95(latency_s) <= baseline + 2"),
        ("latency_s < baseline - 2", -2.0, "latency_s < baseline - 2"),
    ],
)
def test_a_comparison_with_the_baseline(text: str, tolerance: float, expression: str) -> None:
    gate = parse_gate(text)
    assert (gate.kind, gate.threshold, gate.tolerance) == ("regression", None, tolerance)
    assert gate.expression == expression


def test_non_inferior() -> None:
    gate = parse_gate('non_inferior(accuracy[lang == "de"], .02)')
    assert (gate.kind, gate.tolerance) == ("non_inferior", 0.02)
    assert gate.term == Term("accuracy", None, "lang", "de")
    assert gate.expression == 'non_inferior(accuracy[lang == "de"], 0.02)'
    assert gate.name == "non_inferior(accuracy(lang=de))"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("accuracy >= 0.75", "accuracy"),
        ("p95( latency_s )<=30", "p95(latency_s)"),
        ('accuracy[category == "bio"] >= .5', "accuracy(category=bio)"),
        ("accuracy[c == 'a b]::\"c\"'] >= .5", "accuracy(c=a-b-c-)"),
        ("accuracy[level == 5] >= .5", "accuracy(level=5)"),
        ("must-hold.1: accuracy >= 0.75", "must-hold.1"),
        (" quick :accuracy >= 0.75 ", "quick"),
    ],
)
def test_the_name_is_given_or_made_from_the_metric(text: str, name: str) -> None:
    assert parse_gate(text).name == name


def test_the_canonical_expression_reads_as_the_same_gate() -> None:
    for text in (
        "accuracy>=.75",
        "upper(p95(x[a=='b\"c\\\\d'])) < 1e-9",
        "x[y == 'ü'] > 12345678901234567890",
        "x[y==False]<=baseline+0.5",
        "non_inferior(x,1)",
    ):
        gate = parse_gate(text)
        assert parse_gate(gate.expression) == gate


def test_gates_over_one_metric_get_names_that_tell_them_apart() -> None:
    gates = parse_gates(
        ["accuracy >= 0.75", "accuracy >= baseline - 0.01", "p95(latency_s) <= 30", "ok: f1 > 0"]
    )
    names = [gate.name for gate in gates]
    assert names == ["accuracy>=0.75", "accuracy>=baseline-0.01", "p95(latency_s)", "ok"]


def test_slices_whose_values_look_alike_in_a_name_are_numbered() -> None:
    gates = parse_gates(['accuracy[c == "a/b"] >= .5', 'accuracy[c == "a b"] >= .5'])
    assert [gate.name for gate in gates] == [
        "accuracy(c=a-b)>=0.5",
        "accuracy(c=a-b)>=0.5-2",
    ]


def test_a_gate_given_twice_is_one() -> None:
    assert len(parse_gates(["accuracy >= 0.75", "accuracy>=.75"])) == 1


def test_one_name_for_two_gates_is_refused() -> None:
    with pytest.raises(GateError, match=r"two gates are named a: accuracy >= 0.5 and f1 > 0"):
        parse_gates(["a: accuracy >= 0.5", "a: f1 > 0"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read at column 1"),
        ("accuracy", "has no comparison (column 1)"),
        ("accuracy => 0.5", "cannot be read at column 10"),
        ("ok: accuracy = 0.5", "cannot be read at column 14"),
        ("accuracy >= 75%", "write 75% as 0.75"),
        ("accuracy == 1", "needs >=, >, <= or <"),
        ("0.5 <= accuracy", "number on the left: the metric comes first (column 1)"),
        ("0.5 <= accuracy <= 1", "has two comparisons"),
        ("accuracy >= 0.5 and f1 >= 0.5", "write one gate for each"),
        ("not accuracy >= 0.5", "write one gate for each"),
        ("accuracy - f1 >= 0", "calculates with metrics"),
        ("accuracy >= 0.5 + 0.1", "needs a number, or baseline - a number"),
        ("accuracy >= baseline * 0.9", "needs a number, or baseline - a number"),
        ("accuracy >= 0.9 - baseline", "needs a number, or baseline - a number"),
        ("accuracy >= baseline - f1", "needs a number, or baseline - a number"),
        ("accuracy >= f1", "needs a number"),
        ("accuracy >= True", "needs a number"),
        ("accuracy >= 1j", "needs a number"),
        ("accuracy >= nan", "needs a number"),
        ("accuracy >= float('inf')", "needs a number"),
        ("accuracy >= 1e999", "needs a finite number"),
        ("f1 >= -1e999", "needs a finite number"),
        (f"f1 >= {10**320}", "needs a finite number"),
        ("accuracy >= baseline - 1e999", "needs a number"),
        ("accuracy >= 75", "out of range: accuracy is from 0 to 1 (did you mean 0.75?)"),
        ("p95(accuracy) >= -0.1", "out of range"),
        ("latency_s <= -3", "out of range: latency_s is 0 or more"),
        ("accuracy > 1", "can never hold"),
        ("accuracy < 0", "can never hold"),
        ("accuracy >= baseline - 1", "margin out of range"),
        ("non_inferior(accuracy, 2)", "margin out of range"),
        ("lower(accuracy) >= baseline", "compares lower(...) with the baseline"),
        ("lower(max(x)) >= 1", "limit of a maximum"),
        ("lower(upper(x)) >= 1", "calls something else than mean, median"),
        ("p95(lower(x)) >= 1", "needs a metric's name here"),
        ("p49(x) >= 1", "calls something else"),
        ("p100(x) >= 1", "calls something else"),
        ("mean() >= 1", "needs one metric between the parentheses"),
        ("mean(x, y) >= 1", "needs one metric between the parentheses"),
        ("mean(x=1) >= 1", "needs one metric between the parentheses"),
        ("mean(*x) >= 1", "needs a metric's name here"),
        ("mean(x)[a == 1] >= 1", "needs a metric's name here"),
        ("x[a == 1][b == 2] >= 1", "needs a metric's name here"),
        ("x['a'] >= 1", 'needs [column == "value"]'),
        ("x[a != 'b'] >= 1", 'needs [column == "value"]'),
        ("x[a == 'b' and c == 'd'] >= 1", 'needs [column == "value"]'),
        ("x[a == None] >= 1", 'needs [column == "value"]'),
        ("x[a == b] >= 1", 'needs [column == "value"]'),
        ("x[a == 1e999] >= 1", 'needs [column == "value"]'),
        ("baseline >= 0.5", "needs a metric's name here"),
        ("non_inferior(accuracy)", "needs non_inferior(metric, margin)"),
        ("non_inferior(accuracy, -0.1)", "a number from 0 up"),
        ("non_inferior(accuracy, 0.1) >= 1", "calls something else"),
        ("non_inferior(lower(accuracy), 0.1)", "needs non_inferior(metric, margin)"),
        ("my gate: accuracy >= 0.5", "has a name (before the colon)"),
        (": accuracy >= 0.5", "has a name (before the colon)"),
        ("größe: é >= q", "needs a number, or baseline - a number, on the right (column 13)"),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(GateError) as caught:
        parse_gate(text)
    message = str(caught.value)
    assert says in message
    assert f"gate `{text[:70]}" in message
    assert "accuracy >= 0.75" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "__import__('os').system('x') >= 1",
        "(lambda: 1)() >= 1",
        "[x for x in y] >= 1",
        "f'{x}' >= 1",
        "(x := 1) >= 1",
        "x.__class__ >= 1",
        "x; y >= 1",
        "x >= 1\nimport os",
        "accuracy\x00 >= 1",
        "accuracy >= 0.5\u202e",
        "accuracy[a == '\u202e'] >= 0.5",
        "accuracy >= \ud800",
        "(" * 250 + "x" + ")" * 249,
        "(" * 100_000,
        "-" * 499,
        "not " * 120 + "x",
        "x" + ".x" * 240,
        "x >= " + "9" * 10_000,
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(GateError) as caught:
        parse_gate(text)
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def test_a_long_text_is_not_read_at_all() -> None:
    with pytest.raises(GateError, match="is 520 characters long, the most is 500"):
        parse_gate("x" * 515 + " >= 1")


def test_something_else_than_text_is_refused() -> None:
    with pytest.raises(GateError, match="a gate is text, not float"):
        parse_gate(0.75)  # type: ignore[arg-type]


def test_a_known_metric_passes_the_check() -> None:
    check(parse_gate('f1[lang == "de"] >= 0.5'), ["accuracy", "f1"])
    check(parse_gate('f1[lang == "de"] >= 0.5'), ["accuracy", "f1"], ["lang"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("acuracy >= 0.5", "no metric acuracy (did you mean accuracy?); there are: accuracy, f1"),
        ("bleu >= 0.5", "there is no metric bleu; there are: accuracy, f1"),
        ("f1[lnag == 1] >= 0.5", "no column lnag (did you mean lang?); there are: lang"),
        ("\u0430ccuracy >= 0.5", "no metric '\\u0430ccuracy' (did you mean accuracy?)"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_exist(text: str, says: str) -> None:
    with pytest.raises(GateError) as caught:
        check(parse_gate(text), ["f1", "accuracy"], ["lang"])
    assert says in str(caught.value)


def test_compatibility_letters_are_the_letters_that_they_stand_for() -> None:
    """Python reads identifiers in NFKC, and so do gates."""
    assert parse_gate("\uff41ccuracy >= 0.5").term == Term("accuracy")


def test_a_gate_is_a_frozen_value() -> None:
    gate: Gate = parse_gate("accuracy >= 0.75")
    assert hash(gate) == hash(parse_gate("accuracy>=.75"))
    with pytest.raises(AttributeError):
        gate.threshold = 0.1  # type: ignore[misc]
