"""The examples run as they are, with the commands that stand in them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fake_openai import FakeOpenAI, Said

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def examples(pytester: pytest.Pytester) -> None:
    """A copy of the examples in an empty project."""
    for folder in (each for each in EXAMPLES.iterdir() if each.name != "tiny_model"):
        if folder.is_dir():
            shutil.copytree(folder, pytester.path / "examples" / folder.name)


def command_of(folder: str) -> list[str]:
    """The arguments of the command in the docstring of an example."""
    (file,) = (EXAMPLES / folder).glob("test_*.py")
    found = re.search(r"^pytest (.*?)\n(?=\n|\"\"\")", file.read_text("utf-8"), re.M | re.S)
    assert found is not None
    return shlex.split(found[1].replace("\\\n", ""))


def test_the_readme_has_the_same_commands() -> None:
    text = (EXAMPLES / "README.md").read_text("utf-8")
    for folder in ("classify", "judge", "tools", "sync_and_fixtures"):
        assert f"`pytest {' '.join(command_of(folder))}`" in text


def test_classify(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess(*command_of("classify"))
    result.stdout.fnmatch_lines(["*7 right, 1 wrong, 0 error*of 8*", "verdict: passed"])
    assert result.ret == 0


class TestJudge:
    def test_recorded_judge(self, pytester: pytest.Pytester) -> None:
        result = pytester.runpytest_subprocess(*command_of("judge"))
        result.stdout.fnmatch_lines(
            ["*2 right, 1 wrong, 0 error*of 3*", "*grade *3.6667*", "verdict: passed"]
        )
        assert result.ret == 0

    def test_a_judge_without_a_grade_is_an_error(self, pytester: pytest.Pytester) -> None:
        recording = pytester.path / "examples/judge/verdicts.jsonl"
        lines = [json.loads(line) for line in recording.read_text("utf-8").splitlines()]
        lines[0]["reply"] = "I would rather not say."
        recording.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        result = pytester.runpytest_subprocess(*command_of("judge"))
        result.stdout.fnmatch_lines(
            ["*the judge gave no grade: 'I would rather not say.'*", "*1 wrong, 1 error*of 3*"]
        )
        assert result.ret == 1


class TestTools:
    @staticmethod
    def shopper(body: dict[str, Any]) -> Said:
        """Asks for each article of the question, first with broken JSON, and adds up."""
        asked, *later = body["messages"]
        articles = [name for name in ("apple", "bread", "cheese") if name in asked["content"]]
        answers = [each["content"] for each in later if each["role"] == "tool"]
        if not answers:
            arguments = ['{"article": ']
        elif answers[0].startswith("Error") and len(answers) == 1:
            arguments = [json.dumps({"article": name}) for name in articles]
        else:
            return Said(f"That makes {sum(map(int, answers[1:]))}")
        calls = [
            {
                "id": f"call-{number}",
                "type": "function",
                "function": {"name": "price_of", "arguments": text},
            }
            for number, text in enumerate(arguments)
        ]
        return Said("", "tool_calls", {"tool_calls": calls})

    def test_dialogue(self, pytester: pytest.Pytester) -> None:
        with FakeOpenAI(self.shopper) as server:
            result = pytester.runpytest_subprocess(
                "--model=openai:fake", f"--model-arg=base_url={server.url}", "examples/tools"
            )
        # This shopper can neither multiply nor tell that a loaf is bread.
        result.stdout.fnmatch_lines(
            ["*2 right, 1 wrong, 0 error*of 3*", "*tool_calls *2.3333*", "verdict: passed"]
        )
        assert result.ret == 0
        assert len(server.bodies) == 9, "three turns for each question"

    def test_a_run_replays_its_tool_calls(self, pytester: pytest.Pytester) -> None:
        with FakeOpenAI(self.shopper) as server:
            pytester.runpytest_subprocess(
                "--model=openai:fake",
                f"--model-arg=base_url={server.url}",
                "--modeleval-out=first",
                "examples/tools",
            )
        result = pytester.runpytest_subprocess("--model=replay:first", "examples/tools")
        result.stdout.fnmatch_lines(
            ["*2 right, 1 wrong, 0 error*of 3*", "*tool_calls *2.3333*", "verdict: passed"]
        )


def test_sync_and_fixtures(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xllamacpp")
    result = pytester.runpytest_subprocess(*command_of("sync_and_fixtures"), "-p", "no:randomly")
    result.stdout.fnmatch_lines_random(
        [
            "*TestSums::test_order_does_not_matter?as-is?*tiny",
            "*TestSums::test_order_does_not_matter?swapped?*tiny",
            "*test_two_epochs*tiny",
            "verdict: passed",
        ]
    )
    assert result.ret == 0
