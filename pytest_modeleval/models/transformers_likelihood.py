"""Log-likelihoods with `transformers`: what several continuations follow is computed once.

Imported only by a backend that has started, since it needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.continuations import split
from pytest_modeleval.models.protocol import LogLikelihood
from pytest_modeleval.models.transformers_tokens import encode, pad_left

torch: Any = import_module("torch")
transformers: Any = import_module("transformers")

Tokens = tuple[int, ...]
Pair = tuple[Tokens, Tokens]
"""A context and a continuation."""

# Bounds of one pass: tokens (activations) and bytes of logits.
PASS_TOKENS = 8192
PASS_LOGITS = 256 << 20


@dataclass(frozen=True, slots=True)
class Question:
    """A context, or None, and its continuations."""

    context: str | None
    continuations: Sequence[str]

    @property
    def texts(self) -> list[str]:
        """All that is to be encoded."""
        alone = "" if self.context is None else self.context.rstrip()
        return [alone, *((self.context or "") + each for each in self.continuations)]


def score(
    model: Any, tokenizer: Any, questions: Sequence[Question], room: int
) -> list[list[LogLikelihood] | RequestError]:
    """ln p of the continuations of each, or why there is none; `room` is the model's context."""
    texts = list(dict.fromkeys(text for each in questions for text in each.texts))
    tokens = dict(zip(texts, encode(tokenizer, texts), strict=True))
    pairs: list[Pair] = []
    refused: dict[int, RequestError] = {}
    for number, each in enumerate(questions):
        try:
            pairs += _pairs(tokens, each, room)
        except RequestError as error:
            refused[number] = error
    answers = iter(_loglikelihoods(model, pairs))
    return [
        refused.get(number) or [next(answers) for _ in each.continuations]
        for number, each in enumerate(questions)
    ]


def _pairs(
    tokens: Mapping[str, list[int] | RequestError], question: Question, room: int
) -> list[Pair]:
    def encoded(text: str) -> list[int]:
        found = tokens[text]
        if isinstance(found, RequestError):
            raise found
        return found

    found = split(encoded, question.context, question.continuations)
    for before, after in found:
        if len(before) + len(after) > room:
            raise RequestError(
                f"transformers: {len(before)} tokens of context and {len(after)} of "
                f"continuation do not fit the {room} of the model"
            )
    return [(tuple(before), tuple(after)) for before, after in found]


def _loglikelihoods(model: Any, pairs: Sequence[Pair]) -> list[LogLikelihood]:
    """ln p of each continuation after its context, in their order."""
    answers = [LogLikelihood(0.0, 0, True)] * len(pairs)
    for numbers in _passes(model, pairs):
        taken = [pairs[number] for number in numbers]
        with torch.inference_mode():
            found = _answers(taken, *(_of_shared(model, taken) or _of_whole_texts(model, taken)))
        for number, answer in zip(numbers, found, strict=True):
            answers[number] = answer
    return answers


def _passes(model: Any, pairs: Sequence[Pair]) -> Iterator[list[int]]:
    """The numbers of the pairs with a continuation, cut into passes of similar lengths, and equal
    contexts side by side."""
    vocabulary = model.config.get_text_config().vocab_size
    by_context: dict[Tokens, list[int]] = {}
    for number, (before, after) in enumerate(pairs):
        if after:
            by_context.setdefault(before, []).append(number)

    def length(number: int) -> int:
        return len(pairs[number][0]) + len(pairs[number][1])

    taken: list[int] = []
    longest = width = 0
    for group in sorted(by_context.values(), key=lambda group: -max(map(length, group))):
        for number in group:
            rows = len(taken) + 1
            longest = max(longest, length(number))
            width = max(width, len(pairs[number][1]) + 1)
            if taken and (
                rows * longest > PASS_TOKENS or rows * width * vocabulary * 4 > PASS_LOGITS
            ):
                yield taken
                taken, longest, width = [], length(number), len(pairs[number][1]) + 1
            taken.append(number)
    if taken:
        yield taken


def _of_whole_texts(model: Any, pairs: Sequence[Pair]) -> tuple[Any, Any]:
    """The logits of each continuation's tokens, at the right of its row (pair x token x
    vocabulary), and the tokens (pair x token)."""
    tokens, mask = pad_left([before + after for before, after in pairs], model.device)
    width = max(len(after) for _, after in pairs)
    logits = model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=_positions(mask),
        use_cache=False,
        logits_to_keep=width + 1,
    ).logits
    return logits[:, -width - 1 : -1], tokens[:, -width:]


def _of_shared(model: Any, pairs: Sequence[Pair]) -> tuple[Any, Any] | None:
    """The same, where contexts occur more than once and the model's cache can be shared; of a
    context all but the last token, which then begins each of its continuations."""
    contexts = {before: row for row, before in enumerate(dict.fromkeys(each for each, _ in pairs))}
    cache = _cache(model)
    if cache is None or len(contexts) == len(pairs) or min(map(len, contexts)) < 2:
        return None
    tokens, mask = pad_left([before[:-1] for before in contexts], model.device)
    model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=_positions(mask),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    rows = torch.tensor([contexts[before] for before, _ in pairs], device=model.device)
    cache.batch_select_indices(rows)
    tokens, after_mask = pad_left([before[-1:] + after for before, after in pairs], model.device)
    mask = torch.cat([mask[rows], after_mask], dim=1)[:, :-1]
    width = tokens.shape[1] - 1
    logits = model(
        input_ids=tokens[:, :-1],
        attention_mask=mask,
        position_ids=_positions(mask)[:, -width:],
        past_key_values=cache,
        use_cache=True,
    ).logits
    return logits, tokens[:, 1:]


def _cache(model: Any) -> Any:
    """An empty one, None where its rows could not be shared: a state that is not one of tokens, or
    a sliding window, after which `transformers` 5.19 gives other numbers than without a cache."""
    if getattr(model, "_is_stateful", False):
        return None
    cache = transformers.DynamicCache(config=model.config.get_text_config(decoder=True))
    full = transformers.cache_utils.DynamicLayer
    return cache if all(type(layer) is full for layer in cache.layers) else None


def _positions(mask: Any) -> Any:
    return (mask.cumsum(-1) - 1).clamp(min=0)


def _answers(pairs: Sequence[Pair], logits: Any, targets: Any) -> list[LogLikelihood]:
    chances = torch.log_softmax(logits.float(), dim=-1)
    chosen = chances.gather(-1, targets.unsqueeze(-1)).squeeze(-1).tolist()
    greedy = (chances.argmax(-1) == targets).tolist()
    return [
        LogLikelihood(
            sum=sum(chosen[row][-len(after) :]),
            tokens=len(after),
            is_greedy=all(greedy[row][-len(after) :]),
        )
        for row, (_, after) in enumerate(pairs)
    ]
