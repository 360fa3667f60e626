"""The benchmarks that ship, on real questions and recorded replies whose scores are known."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the benchmarks in an empty project; no data folder, no hub."""
    shutil.copytree(BENCHMARKS, pytester.path / "benchmarks")
    monkeypatch.delenv("MODELEVAL_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def write_replies(replies: Mapping[str, str], path: Path) -> str:
    """A recording of one reply for each sample id, as `--model` names it."""
    lines = (json.dumps({"id": name, "reply": reply}) for name, reply in replies.items())
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"replay:{path}"


class TestQuickstart:
    def test_tiny_passes_with_right_and_wrong_samples(self, pytester: pytest.Pytester) -> None:
        pytest.importorskip("xllamacpp")
        result = pytester.runpytest_subprocess("--model=tiny", "benchmarks/quickstart")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*test_arithmetic*tiny*", "*of 600*", "verdict: passed"])
        outcomes = result.parseoutcomes()
        assert outcomes["passed"] + outcomes["wrong"] == 600 + 3, "each sample, and three gates"
        assert outcomes["wrong"] > 0

    def test_asks_a_chat_model_in_words(self, pytester: pytest.Pytester) -> None:
        result = pytester.runpytest_subprocess(
            "--model=echo:", "benchmarks/quickstart/test_arithmetic.py::test_arithmetic[2+6]"
        )
        result.stdout.fnmatch_lines(["*What is 2+6? Reply with the number only."])
        assert result.ret == 1


class TestGsm8k:
    @pytest.mark.parametrize(
        ("model", "right"),
        [
            ("6b_finetuning", 286),
            ("6b_verification", 515),
            ("175b_finetuning", 458),
            ("175b_verification", 742),
        ],
    )
    def test_scores_recorded_solutions_as_their_authors_did(
        self, pytester: pytest.Pytester, shared_data: Path, model: str, right: int
    ) -> None:
        lines = (shared_data / "gsm8k/example_model_solutions.jsonl").read_text("utf-8")
        records = [json.loads(line) for line in lines.splitlines()]
        replies = {f"gsm8k-{n:04}": each[model]["solution"] for n, each in enumerate(records)}
        recording = write_replies(replies, pytester.path / f"{model}.jsonl")
        result = pytester.runpytest_subprocess(
            f"--model={recording}", f"--modeleval-data={shared_data}", "benchmarks/gsm8k"
        )
        result.stdout.fnmatch_lines([f"*{right} right, {1319 - right} wrong, 0 error*of 1319*"])
        assert result.ret == 1, "no recorded model reaches the gate"


class TestQasc:
    def test_always_the_first_letter(self, pytester: pytest.Pytester, shared_data: Path) -> None:
        with (shared_data / "qasc/dev-predictions.csv").open(encoding="utf-8") as file:
            replies = {name: f"Answer: ({letter})" for name, letter in csv.reader(file)}
        recording = write_replies(replies, pytester.path / "first.jsonl")
        result = pytester.runpytest_subprocess(
            f"--model={recording}",
            f"--modeleval-data={shared_data}",
            "benchmarks/multiple_choice/test_qasc.py::test_qasc_by_letter",
        )
        result.stdout.fnmatch_lines(["*121 right, 805 wrong, 0 error*of 926*"])

    def test_by_likelihood_chooses_by_score(
        self, pytester: pytest.Pytester, shared_data: Path
    ) -> None:
        """Under echo each character costs the same, so all choices tie and the first is taken:
        the 121 samples whose answer is A are right."""
        result = pytester.runpytest_subprocess(
            "--model=echo:",
            f"--modeleval-data={shared_data}",
            "benchmarks/multiple_choice/test_qasc.py::test_qasc_by_likelihood",
        )
        result.stdout.fnmatch_lines(["*121 right, 805 wrong, 0 error*of 926*"])


class TestSquad:
    def test_scores_recorded_answers_as_the_official_script_does(
        self, pytester: pytest.Pytester, shared_data: Path
    ) -> None:
        folder = shared_data / "squad-xquad"
        predictions = json.loads((folder / "pred_logreg_v1.1.json").read_text("utf-8"))
        passages = json.loads((folder / "xquad.en.json").read_text("utf-8"))["data"]
        ids = [
            question["id"]
            for article in passages
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
        # Two were never answered; the official script counts them as wrong.
        replies = {name: predictions.get(name, "") for name in ids}
        recording = write_replies(replies, pytester.path / "logreg.jsonl")
        result = pytester.runpytest_subprocess(
            f"--model={recording}", f"--modeleval-data={shared_data}", "benchmarks/squad"
        )
        result.stdout.fnmatch_lines(
            [
                "gate failed: exact_match >= 0.6: it is 0.345378 *",
                "gate failed: f1 >= 0.75: it is 0.458523 *",
                "*411 right, 779 wrong, 0 error*of 1190*",
            ]
        )


class TestAllAtOnce:
    """`pytest --model=… benchmarks/` is one command, whatever is at hand."""

    def test_missing_datasets_are_undecided(self, pytester: pytest.Pytester) -> None:
        pytest.importorskip("xllamacpp")
        result = pytester.runpytest_subprocess("--model=tiny", "benchmarks")
        assert result.ret == 1
        for name in ("gsm8k", "qasc", "squad"):
            result.stdout.fnmatch_lines([f"undecided: dataset {name} is not at hand: *"])
        result.stdout.fnmatch_lines(["*test_arithmetic*tiny*", "*of 600*"])
        assert result.parseoutcomes()["failed"] == 4

    def test_missing_datasets_are_skipped_on_request(self, pytester: pytest.Pytester) -> None:
        pytest.importorskip("xllamacpp")
        result = pytester.runpytest_subprocess(
            "--model=tiny", "--modeleval-missing=skip", "-rs", "benchmarks"
        )
        assert result.ret == 0
        assert result.parseoutcomes()["skipped"] == 4
        result.stdout.fnmatch_lines(["SKIPPED*test_gsm8k.py*dataset gsm8k is not at hand: *"])

    @pytest.mark.parametrize("place", ["command line", "environment", "table"])
    def test_a_data_folder_starts_where_it_is_named(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        """Typed, from the current folder; in the table, from the table's file."""
        file = pytester.mkdir("data") / "gsm8k" / "test.jsonl"
        file.parent.mkdir()
        file.write_text('{"question": "1+1?", "answer": "So it is 2.\\n#### 2"}', encoding="utf-8")
        pytester.makepyprojecttoml(
            '[tool.modeleval]\ndata = "data"' if place == "table" else "[tool.pytest.ini_options]"
        )
        if place == "environment":
            monkeypatch.setenv("MODELEVAL_DATA", "../data")
        monkeypatch.chdir(pytester.path / "benchmarks")
        typed = ["--modeleval-data=../data"] if place == "command line" else []
        result = pytester.runpytest_subprocess("--model=echo:", "gsm8k", *typed)
        result.stdout.fnmatch_lines(["*test_gsm8k*echo", "*of 1 *"])
