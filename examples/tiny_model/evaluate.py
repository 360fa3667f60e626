"""Measure the tiny model: exact match on 1000 random problems of each length.

One command, half a minute, prints the table of the README:

    python examples/tiny_model/evaluate.py
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import torch
from arithmetic import Problem, evaluation_problems, training_problems
from train import BATCH, HERE, STEPS
from transformers import AutoModelForCausalLM, AutoTokenizer

COLUMNS = ["operands", "exact match", "mean confidence", "seen in training", "unseen, exact match"]
LONGEST = 8  # tokens: more than any of these answers and its end


class Reply(NamedTuple):
    """What the model said, and the probability it gave to having said just that."""

    text: str
    confidence: float


class TinyModel:
    """The checkpoint, computed in float32."""

    def __init__(self, checkpoint: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self._model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()

    def answer(self, problems: list[Problem]) -> dict[Problem, Reply]:
        """The greedy reply to each problem."""
        by_length = defaultdict(list)  # prompts of one length need no padding
        for problem in problems:
            by_length[len(problem.prompt)].append(problem)
        replies: dict[Problem, Reply] = {}
        for group in by_length.values():
            replies.update(zip(group, self._answer_group(group), strict=True))
        return replies

    def _answer_group(self, problems: list[Problem]) -> list[Reply]:
        prompts = self._tokenizer([p.prompt for p in problems], return_tensors="pt")
        output = self._model.generate(
            **prompts,
            max_new_tokens=LONGEST,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        tokens = output.sequences[:, prompts["input_ids"].shape[1] :]
        chosen = torch.stack(output.logits, 1).log_softmax(-1).gather(2, tokens.unsqueeze(2))
        written = tokens != self._tokenizer.pad_token_id
        confidences = (chosen.squeeze(2) * written).sum(1).exp().tolist()
        texts = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [Reply(*pair) for pair in zip(texts, confidences, strict=True)]


def share(flags: list[bool]) -> str:
    """The share of true flags, as it is shown in the table."""
    return f"{sum(flags) / len(flags):.3f}" if flags else "–"


def main() -> None:
    """Print the table of the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint")
    parser.add_argument("--training-seed", type=int, default=0, help="to tell what it has seen")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = TinyModel(options.checkpoint)
    seen = set(itertools.islice(training_problems(options.training_seed), STEPS * BATCH))
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---" for _ in COLUMNS), "|")
    for digits in (1, 2, 3, 4):
        problems = evaluation_problems(digits)
        replies = model.answer(problems)
        right = [replies[p].text == p.answer for p in problems]
        cells = [
            "1 digit" if digits == 1 else f"{digits} digits",
            share(right),
            f"{sum(replies[p].confidence for p in problems) / len(problems):.3f}",
            share([p in seen for p in problems]),
            share([r for r, p in zip(right, problems, strict=True) if p not in seen]),
        ]
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
