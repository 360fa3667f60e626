"""Small datasets with the fields that the hub's have, and what the oracle may reply to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TOPICS = (
    *("tea", "rain", "paper", "chess", "salt", "moss", "glass", "trains", "never ever", "ü and 数"),
    *("bread", "violins"),
)


def write(folder: Path) -> dict[str, list[str]]:
    """Write all of them; the oracle's replies by what stands in a question."""
    replies: dict[str, list[str]] = {}
    for name, splits in _datasets(replies).items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for split, records in splits.items():
            lines = "".join(json.dumps(each) + "\n" for each in records)
            (place / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return replies


def _datasets(replies: dict[str, list[str]]) -> Mapping[str, Mapping[str, Sequence[Any]]]:
    def said(question: str, *texts: str) -> str:
        replies[question] = list(texts)
        return question

    kinds = [
        {
            "question": said(
                f"Which {topic}, number {n}?",
                f" blue {topic}",
                f" blue {topic}",
                " Red one",
                f" blue {topic} indeed",
            ),
            "choices": [f"blue {topic}", "Red one", f"a much longer {topic} than that", "x"],
            "gold": n % 2,
            "instructed": n % 3 == 0,
        }
        for n, topic in enumerate(TOPICS)
    ]
    shown = [
        {**each, "question": f"Shown: {each['question']}", "gold": n % 4}
        for n, each in enumerate(kinds)
    ]
    gsm8k = [
        {
            "question": said(
                f"How many {topic} are {n} and 3?", f" It is {n + 3}\n#### {n + 3}", " 7"
            ),
            "answer": f"Count on from {n}.\n#### {n + 3}",
        }
        for n, topic in enumerate(TOPICS)
    ]
    arc = [
        {
            "question": f"What does {topic} need most?",
            "choices": {"text": ["air", f"{topic} itself", "time", "sand"], "label": list("ABCD")},
            "answerKey": "ABCD"[n % 4],
        }
        for n, topic in enumerate(TOPICS)
    ]
    mmlu = [
        {
            "question": said(f"Where is the {topic}?", " A", " B", "C", " D"),
            "subject": "anatomy",
            "choices": ["here", "there", f"in {topic}", "nowhere"],
            "answer": n % 4,
        }
        for n, topic in enumerate(TOPICS)
    ]
    pairs = [
        {"sentence1": f"I like {topic}.", "sentence2": f"{topic} is fine.", "label": n % 2}
        for n, topic in enumerate(TOPICS)
    ]
    sentences = [
        {"sentence": f"The {topic} goes.", "label": (n // 2) % 2} for n, topic in enumerate(TOPICS)
    ]
    pages = [{"page": f" = {t} = \n\n {t} is , as they say , old . \n"} for t in TOPICS]
    texts = [{"text": f"Nobody who has ever had {topic} forgets {topic}"} for topic in TOPICS]
    truthful = [
        {
            "question": f"Is {topic} alive?",
            "mc1_targets": {"choices": ["No", f"{topic} is", "Maybe"], "labels": [1, 0, 0]},
            "mc2_targets": {"choices": ["No", "It is not", "Yes"], "labels": [1, 1, 0]},
        }
        for topic in TOPICS
    ]
    ifeval = [
        {
            "key": n,
            "prompt": said(
                f"Write of {topic} without commas, in lower case.",
                f"all of {topic} is fine",
                f"Well, {topic}",
                f"\n{topic} is what it is\nAnd more",
            ),
            "instruction_id_list": ["punctuation:no_comma", "change_case:english_lowercase"],
            "kwargs": [{"relation": None}, {"relation": None}],
        }
        for n, topic in enumerate(TOPICS)
    ]
    translations = [
        {
            "translation": {
                "de": f"Der {topic} ist gut und alt, sagt man.",
                "en": said_of(replies, topic),
            }
        }
        for topic in TOPICS
    ]
    maths = [
        {
            "problem": said(
                f"Of {topic}: what is {n} times 2?", f"\\boxed{{{2 * n}}}", "\\boxed{5}"
            ),
            "solution": f"Twice {n} is $\\boxed{{{2 * n}}}$.",
            "level": "Level 1",
            "type": "Algebra",
        }
        for n, topic in enumerate(TOPICS)
    ]
    sums = [
        {
            "sum": f"{a}+{b}=",
            "choices": [str(a + b), str(a + b + 1), str(a + b)[::-1]],
            "gold": n % 4 == 3,
        }
        for n, (a, b) in enumerate([(1, 2), (12, 30), (7, 5), (123, 456), (99, 1), (517, 284)])
    ]
    return {
        "sums/default": {"test": sums},
        "fixture/kinds": {"test": kinds, "train": shown},
        "gsm8k/main": {"test": gsm8k[:8], "train": gsm8k[8:]},
        "ai2_arc/ARC-Challenge": {"test": arc[:8], "train": arc[8:]},
        "mmlu/anatomy": {"test": mmlu[:8], "dev": mmlu[8:]},
        "glue/mrpc": {"validation": pairs},
        "glue/cola": {"validation": sentences},
        "wikitext_document_level/wikitext-103-raw-v1": {"test": pages},
        "lambada/plain_text": {"test": texts},
        "truthful_qa/multiple_choice": {"validation": truthful},
        "IFEval/default": {"train": ifeval},
        "sacrebleu_manual/wmt14_de-en": {"test": translations},
        "MATH-lighteval/algebra": {"test": maths},
    }


def said_of(replies: dict[str, list[str]], topic: str) -> str:
    """What a German sentence is translated to."""
    right = f"The {topic} is good and old, as they say."
    replies[f"Der {topic} ist gut"] = [right, f"{topic} is old", f"They say that {topic} is good."]
    return right
