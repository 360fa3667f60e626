"""The benchmarks that ship, on real questions and recorded replies whose scores are known."""

from __future__ import annotations

import csv
import gzip
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_modeleval.datasets.known import REGISTERED
from pytest_modeleval.datasets.sample_ids import safe_id
from pytest_modeleval.datasets.source import open_samples
from pytest_modeleval.results.details import read_details

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the benchmarks in an empty project; no data folder, no hub."""
    shutil.copytree(BENCHMARKS, pytester.path / "benchmarks")
    monkeypatch.delenv("MODELEVAL_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def write_replies(replies: Mapping[str, str | list[str]], path: Path) -> str:
    """A recording of the reply, or one for each epoch, of each sample id, as `--model` names it."""
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


GOLD = {
    "bbh": "So the answer is {}.",
    "cruxeval": "{}",
    "gsm-hard": "It is {}.",
    "math-l5": "It is \\boxed{{{}}}.",
    "mgsm": "Answer: {}",
}
FOLDERS = [f"benchmarks/{name}" for name in ("bbh", "cruxeval", "mathword", "math", "mgsm")]


class TestGoldAnswers:
    """The answers of the dataset itself, as a model would give them."""

    def test_all_are_right(self, pytester: pytest.Pytester, shared_data: Path) -> None:
        replies: dict[str, str | list[str]] = {}
        for name, form in GOLD.items():
            samples = open_samples(name, folders=[shared_data])
            for sample in map(samples.sample, range(len(samples))):
                reply = form.format(sample.target)
                replies[sample.id] = [reply] * 10 if name == "cruxeval" else reply
        recording = write_replies(replies, pytester.path / "gold.jsonl")
        result = pytester.runpytest_subprocess(
            f"--model={recording}",
            f"--modeleval-data={shared_data}",
            "--modeleval-missing=skip",
            *FOLDERS,
        )
        for count in (6511, 800, 1319, 721, 2750):
            result.stdout.fnmatch_lines([f"*{count} right, 0 wrong, 0 error of {count} *"])
        # Of MGSM's 2750 questions, 250 are independent: the interval is that of a part of them.
        result.stdout.fnmatch_lines(["*accuracy *1.0000 *[[]0.9847, 1.0000]*n=2750*"])
        result.stdout.fnmatch_lines(["verdict: passed"])

    def test_another_answer_is_wrong(self, pytester: pytest.Pytester, shared_data: Path) -> None:
        """Each of the first samples is given the answer of the next that has another target."""
        replies: dict[str, str | list[str]] = {}
        for name, form in GOLD.items():
            samples = open_samples(name, folders=[shared_data])
            first = [samples.sample(index) for index in range(20)]
            for sample in first:
                answer = next(each.target for each in first if each.target != sample.target)
                reply = form.format(answer)
                replies[sample.id] = [reply] * 10 if name == "cruxeval" else reply
        recording = write_replies(replies, pytester.path / "wrong.jsonl")
        result = pytester.runpytest_subprocess(
            f"--model={recording}",
            f"--modeleval-data={shared_data}",
            "--modeleval-missing=skip",
            "--max-samples=20",
            *FOLDERS,
        )
        assert result.ret == 1
        assert str(result.stdout).count("0 right, 20 wrong, 0 error of 20 ") == 5

    def test_a_reply_without_an_answer_is_wrong(
        self, pytester: pytest.Pytester, shared_data: Path
    ) -> None:
        result = pytester.runpytest_subprocess(
            "--model=echo:",
            f"--modeleval-data={shared_data}",
            "--modeleval-missing=skip",
            "--max-samples=3",
            "benchmarks/math",
            "benchmarks/cruxeval",
        )
        result.stdout.fnmatch_lines_random(["*0 right, 3 wrong, 0 error of 3 *"] * 2)


class TestBbh:
    def test_codex_as_its_authors_asked_and_judged_it(
        self, pytester: pytest.Pytester, shared_data: Path
    ) -> None:
        """The prompts are the authors' to the character, and so is the score: 93.2 %."""
        recorded = shared_data / "bbh/codex-cot-outputs"
        with gzip.open(recorded / "object_counting_few_shot_template_0-255000.json.gz") as file:
            outputs = json.load(file)["outputs"]
        lines = [
            json.dumps({"prompt": each["input"], "reply": each["prediction"]}) for each in outputs
        ]
        (pytester.path / "codex.jsonl").write_text("\n".join(lines), encoding="utf-8")
        result = pytester.runpytest_subprocess(
            "--model=replay:codex.jsonl",
            f"--modeleval-data={shared_data}",
            "benchmarks/bbh",
            "-k",
            "object_counting",
        )
        result.stdout.fnmatch_lines(["*233 right, 17 wrong, 0 error of 250, *", "*0.9320 *"])


class TestCruxEval:
    def test_recorded_tries_score_as_published(
        self, pytester: pytest.Pytester, shared_data: Path
    ) -> None:
        file = shared_data / "cruxeval/codellama7b_t0.2_output_generations.json"
        recording = write_replies(
            json.loads(file.read_text("utf-8")), pytester.path / "seven.jsonl"
        )
        result = pytester.runpytest_subprocess(
            f"--model={recording}",
            f"--modeleval-data={shared_data}",
            "--modeleval-out=run",
            "benchmarks/cruxeval",
        )
        assert result.ret == 0
        (benchmark,) = json.loads((pytester.path / "run/results.json").read_text())["benchmarks"]
        metrics = benchmark["metrics"]
        assert 100 * metrics["pass_at_1"]["value"] == pytest.approx(34.2125, abs=1e-9)
        assert 100 * metrics["pass_at_5"]["value"] == pytest.approx(40.2867, abs=5e-5)


class TestTruthfulQa:
    def test_mc1_and_mc2_of_the_shortest_answer(
        self, pytester: pytest.Pytester, shared_data: Path
    ) -> None:
        """Under echo each character costs the same: the best answer wins where it is the shortest,
        and not where another is as short."""
        with (shared_data / "truthfulqa/TruthfulQA.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        mc1 = mc2 = 0.0
        for row in rows:
            true, false = (
                [1 + len(answer.strip()) for answer in row[name].split(";") if answer.strip()]
                for name in ("Correct Answers", "Incorrect Answers")
            )
            mc1 += 1 + len(row["Best Answer"].strip()) < min(false)
            shares = [sum(math.exp(-length) for length in lengths) for lengths in (true, false)]
            mc2 += shares[0] / sum(shares)
        result = pytester.runpytest_subprocess(
            "--model=echo:",
            f"--modeleval-data={shared_data}",
            "--modeleval-out=run",
            "benchmarks/truthfulqa",
        )
        result.stdout.fnmatch_lines([f"*{mc1:.0f} right, *, 0 error*of 817*"])
        (benchmark,) = json.loads((pytester.path / "run/results.json").read_text())["benchmarks"]
        for name, expected in (("mc1", mc1), ("mc2", mc2)):
            assert benchmark["metrics"][name]["value"] == pytest.approx(expected / 817)


class TestIfeval:
    def test_the_four_accuracies_of_the_paper(self, pytester: pytest.Pytester) -> None:
        """Two prompts with three instructions: one follows both of its own but for a first line,
        the other does not follow its one."""
        folder = pytester.mkdir("data") / "ifeval"
        folder.mkdir()
        quoted, bare = "startend:quotation", "punctuation:no_comma"
        with (folder / "input_data.jsonl").open("w", encoding="utf-8") as file:
            for key, names in ((1, [quoted, bare]), (2, [bare])):
                record = {"key": key, "prompt": "?", "instruction_id_list": names}
                file.write(json.dumps({**record, "kwargs": [{}] * len(names)}) + "\n")
        recording = write_replies(
            {"1": 'Sure:\n"Yes"', "2": "Yes, of course"}, pytester.path / "replies.jsonl"
        )
        pytester.runpytest_subprocess(
            f"--model={recording}",
            "--modeleval-data=data",
            "--modeleval-out=run",
            "benchmarks/ifeval",
        )
        (benchmark,) = json.loads((pytester.path / "run/results.json").read_text())["benchmarks"]
        values = {name: metric["value"] for name, metric in benchmark["metrics"].items()}
        assert (values["prompt_strict"], values["prompt_loose"]) == (0, 0.5)
        assert values["instruction_strict"] == pytest.approx(1 / 3)
        assert values["instruction_loose"] == pytest.approx(2 / 3)


class TestArc:
    def test_dummy_predictions(self, pytester: pytest.Pytester, shared_data: Path) -> None:
        """Only the keys are at hand; the recorded predictions need no more."""
        folder = shared_data / "arc-challenge-keys"
        with (folder / "dummy-predictions.csv").open(encoding="utf-8") as file:
            replies = {safe_id(name): f"Answer: ({letter})" for name, letter in csv.reader(file)}
        questions = pytester.mkdir("data") / "arc-challenge" / "test.jsonl"
        questions.parent.mkdir()
        with questions.open("w", encoding="utf-8") as file:
            for line in (folder / "question-answers.jsonl").read_text("utf-8").splitlines():
                record = json.loads(line)
                labels = list("1234" if record["answerKey"].isdigit() else "ABCDE")
                choices = {"label": labels, "text": ["…"] * len(labels)}
                file.write(json.dumps({**record, "question": "?", "choices": choices}) + "\n")
        recording = write_replies(replies, pytester.path / "dummy.jsonl")
        result = pytester.runpytest_subprocess(
            f"--model={recording}",
            "--modeleval-data=data",
            "benchmarks/multiple_choice/test_arc.py::test_arc_by_letter",
        )
        result.stdout.fnmatch_lines(["*266 right, 906 wrong, 0 error*of 1172*"])

    def test_the_prompt_has_solved_examples_of_the_train_split(
        self, pytester: pytest.Pytester
    ) -> None:
        folder = pytester.mkdir("data") / "arc-challenge"
        folder.mkdir()
        for split, count in (("train", 25), ("test", 1)):
            with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
                for number in range(count):
                    record = {
                        "id": f"{split}{number}",
                        "question": f"{split} question {number}?",
                        "choices": {"label": ["A", "B"], "text": ["wind", "sand"]},
                        "answerKey": "A",
                    }
                    file.write(json.dumps(record) + "\n")
        pytester.runpytest_subprocess(
            "--model=echo:",
            "--modeleval-data=data",
            "benchmarks/multiple_choice/test_arc.py::test_arc_by_likelihood",
        )
        recorded = read_details(pytester.path / ".modeleval/runs/latest", columns=["calls"])
        prompt = recorded["calls"][0].as_py()[0]["messages"][0]["content"]
        assert prompt.count("Question: train question") == 25
        assert prompt.count("?\nAnswer: wind\n\n") == 25
        assert prompt.endswith("\n\nQuestion: test question 0?\nAnswer:")


class TestAllAtOnce:
    """`pytest --model=… benchmarks/` is one command, whatever is at hand."""

    def test_missing_datasets_are_undecided(self, pytester: pytest.Pytester) -> None:
        pytest.importorskip("xllamacpp")
        result = pytester.runpytest_subprocess("--model=tiny", "benchmarks")
        assert result.ret == 1
        for dataset in REGISTERED:
            result.stdout.fnmatch_lines([f"undecided: dataset {dataset.name} is not at hand: *"])
        result.stdout.fnmatch_lines(["*test_arithmetic*tiny*", "*of 600*"])
        assert result.parseoutcomes()["failed"] == len(REGISTERED) + 2, "two each of QASC and ARC"

    def test_missing_datasets_are_skipped_on_request(self, pytester: pytest.Pytester) -> None:
        pytest.importorskip("xllamacpp")
        result = pytester.runpytest_subprocess(
            "--model=tiny", "--modeleval-missing=skip", "-rs", "benchmarks"
        )
        assert result.ret == 0
        assert result.parseoutcomes()["skipped"] == len(REGISTERED) + 2
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
