"""summary.md: what a reviewer reads, and what a hostile text cannot do there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from pytest_modeleval.results.record import RunResult
from pytest_modeleval.results.summary import code, summary, write_summary


def rows(text: str) -> list[list[str]]:
    """The cells of the table, as GitHub's Markdown shows them."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    return [re.findall(r"<td.*?>(.*?)</td>", row) for row in html.split("<tr>")[2:]]


def test_the_verdict_comes_first(run_result: RunResult) -> None:
    assert summary(run_result).splitlines()[0] == "## ❌ failed"


def test_a_row_for_each_benchmark_and_model(run_result: RunResult) -> None:
    tiny, large = rows(summary(run_result))
    assert tiny[:7] == [
        "<code>benchmarks/gsm8k/test_gsm8k.py::test_gsm8k</code>",
        "<code>tiny</code>",
        *("3", "0", "1", "0"),
        "0.7500 (0.3000 to 0.9500)",
    ]
    assert tiny[7].split("<br>") == [
        "✅ <code>accuracy &gt;= 0.7</code> (+0.05)",
        "❌ <code>p95(latency_s) &lt;= 1</code> (-1)",
        "❔ <code>f1[subject == &quot;law&quot;] &gt;= 0.5</code>",
        "➖ <code>cost &lt;= 1</code>",
    ]
    assert large[1] == "<code>large</code>"
    assert large[6:] == ["1.0000 (0.5000 to 1.0000)", ""]


def test_gates_that_did_not_pass_are_listed_with_the_reason(run_result: RunResult) -> None:
    lines = [line for line in summary(run_result).splitlines() if line.startswith("- ")]
    name = "`benchmarks/gsm8k/test_gsm8k.py::test_gsm8k`"
    assert lines == [
        f"- ❌ failed: `p95(latency_s) <= 1` in {name} with `tiny`: `it is 2`",
        f'- ❔ undecided: `f1[subject == "law"] >= 0.5` in {name} with `tiny`: '
        "`1 errored of 4 samples`",
        f"- 1 in {name} with `tiny`, such as `gsm8k-0003`: `no reply came`",
    ]


def test_a_run_that_was_stopped_says_so(run_result: RunResult) -> None:
    assert "not completed" not in summary(run_result)
    run_result.complete = False
    assert "The run was not completed" in summary(run_result)


HOSTILE = [
    "a|b",
    "`a`",
    "\\|x",
    "``` | \\` <img src=x onerror=alert(1)>",
    "line\n\n# heading\r\n| a | b |",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1)) ![x](http://x/y.png) <!-- ",
    "@everyone #1 https://example.com **bold** ~~x~~",
    "\x00\x1b[2J\u202egnirts\ud800",
    " ` ",
    "\\",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_one_code_span_in_its_cell(run_result: RunResult, text: str) -> None:
    benchmark = run_result.benchmarks[0]
    benchmark.name = benchmark.model = benchmark.gates[1].expression = text
    benchmark.gates[1].reason = benchmark.errors[0]["error"] = text
    found = summary(run_result)
    tiny, large = rows(found)
    assert len(tiny) == len(large) == 8
    for cell in (*tiny[:2], tiny[7]):
        # Nothing is left but text once our own code elements and line breaks are gone.
        assert "<" not in re.sub(r"</?code>|<br>", "", cell)
        assert cell.count("<code>") == cell.count("</code>") == (4 if cell is tiny[7] else 1)
    html = MarkdownIt("gfm-like", {"linkify": False}).render(found)
    assert set(re.findall(r"</?(\w+)", html)) <= {
        *("h2", "h3", "p", "ul", "li", "code", "br"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert len(re.findall("<li>", html)) == 3


def test_plain_names_stay_readable_in_the_source() -> None:
    assert code("a/b.py::t[x*y_z]") == "`a/b.py::t[x*y_z]`"
    assert code("two\r\nlines") == "`two lines`"
    assert code("") == ""


def test_a_long_reason_is_cut(run_result: RunResult) -> None:
    run_result.benchmarks[0].gates[1].reason = "x" * 10_000_000
    assert len(summary(run_result)) < 5_000


def test_the_file_is_the_summary(run_result: RunResult, tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.md", run_result)
    assert (tmp_path / "summary.md").read_text("utf-8").rstrip("\n") == summary(run_result).rstrip()
