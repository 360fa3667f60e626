"""Decoding one padded batch with `transformers`, each row by its own rules.

`generate` decodes greedily; what makes rows differ (temperature, seed, stop strings, lengths,
being abandoned) is in two callbacks that it offers. A row draws its tokens with noise of its own
generator added to the logits (the Gumbel-max trick: the argmax of logits plus Gumbel noise is a
draw from their softmax), so it gets the same noise in whatever batch it lands.

Imported only by a backend that has started, since it needs torch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.protocol import Sampling, TokenLogprob
from pytest_modeleval.models.transformers_tokens import encode, pad_left

torch: Any = import_module("torch")
transformers: Any = import_module("transformers")

THREADS = torch.get_num_threads()
SEEDS = 1 << 63


@dataclass
class Row:
    """One request of a batch, and what became of it. `special` are the tokens that the tokenizer
    itself puts round a text, `room` the tokens that the reply may have. Times are
    `time.perf_counter()`, 0 before."""

    asked: str
    special: bool
    sampling: Sampling
    prompt: list[int] = field(default_factory=list)
    room: int = 0
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    text: str = ""
    finish_reason: str = "length"
    begun_at: float = 0.0
    first_token_at: float = 0.0
    ended_at: float = 0.0
    abandoned: bool = False


def generate(
    model: Any, tokenizer: Any, rows: Sequence[Row], context: int
) -> list[RequestError | None]:
    """Fill in the rows, or tell what is wrong with them. All share `special` and `sampling.extra`,
    which goes to `GenerationConfig`; `context` is how many tokens the model can see."""
    begun = time.perf_counter()
    prompts = encode(tokenizer, [row.asked for row in rows], special=rows[0].special)
    refused = [
        prompt if isinstance(prompt, RequestError) else _set_prompt(row, prompt, context)
        for row, prompt in zip(rows, prompts, strict=True)
    ]
    fitting = [row for row, wrong in zip(rows, refused, strict=True) if wrong is None]
    for row in fitting:
        row.begun_at = begun
    if fitting:
        _generate(model, tokenizer, fitting)
    return refused


def _set_prompt(row: Row, prompt: list[int], context: int) -> RequestError | None:
    """Give the row its prompt; what is wrong with that."""
    row.prompt, row.room = prompt, min(row.sampling.max_tokens, context - len(prompt))
    if not prompt:
        return RequestError("transformers: the prompt is empty: expected a text")
    if row.room <= 0:
        return RequestError(
            f"transformers: the prompt has {len(prompt)} tokens, which leaves no room for a "
            f"reply in the {context} of the context: shorten it"
        )
    return None


def _generate(model: Any, tokenizer: Any, rows: Sequence[Row]) -> None:
    prompts, mask = pad_left([row.prompt for row in rows], model.device)
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = tokenizer.eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    decoder = _Decoder(tokenizer, rows, ends)
    config = transformers.GenerationConfig(
        **{
            "max_new_tokens": max(row.room for row in rows),
            "do_sample": False,
            "repetition_penalty": 1.0,
            "pad_token_id": 0,
            **rows[0].sampling.extra,
        }
    )
    with torch.inference_mode():
        model.generate(
            prompts,
            attention_mask=mask,
            generation_config=config,
            logits_processor=[decoder.choose] if decoder.chooses else [],
            stopping_criteria=[decoder.ended],
        )


class _Decoder:
    def __init__(self, tokenizer: Any, rows: Sequence[Row], ends: list[int]) -> None:
        self._tokenizer = tokenizer
        self._rows = rows
        self._ends = frozenset(ends)
        self._generators = [_generator(row.sampling) for row in rows]
        self.chooses = any(self._generators) or any(
            row.sampling.logprobs is not None for row in rows
        )

    def choose(self, input_ids: Any, scores: Any) -> Any:
        """The logits as the rows' sampling changes them: the largest is what is taken."""
        changed = scores.clone() if any(self._generators) else scores
        for number, (row, generator) in enumerate(zip(self._rows, self._generators, strict=True)):
            if not row.ended_at and generator is not None:
                changed[number] = _noisy(changed[number], row.sampling, generator)
        for number, row in enumerate(self._rows):
            if not row.ended_at and row.sampling.logprobs is not None:
                row.logprobs.append(
                    self._logprob(scores[number], changed[number].argmax(), row.sampling.logprobs)
                )
        return changed

    def ended(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Which rows need no more tokens."""
        now = time.perf_counter()
        for row, token in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
            if not row.ended_at and self._add(row, token, now):
                row.ended_at = now
        done = [row.ended_at > 0 for row in self._rows]
        return torch.tensor(done, device=input_ids.device)

    def _add(self, row: Row, token: int, now: float) -> bool:
        row.first_token_at = row.first_token_at or now
        row.tokens.append(token)
        if token in self._ends:
            row.finish_reason = "stop"
            row.text = self._decode(row.tokens[:-1])
            return True
        last = len(row.tokens) >= row.room or row.abandoned
        if not last and not self._may_stop(row):
            return False
        row.text = self._decode(row.tokens)
        found = [at for at in map(row.text.find, row.sampling.stop) if at >= 0]
        if found:
            row.finish_reason = "stop"
            row.text = row.text[: min(found)]
        return last or bool(found)

    def _may_stop(self, row: Row) -> bool:
        """Whether the last tokens hold a stop string: each has a byte of it at least. A few more,
        since the first of a text may lose its space, or be part of a character."""
        stops = row.sampling.stop
        if not stops:
            return False
        reach = max(len(stop.encode()) for stop in stops) + 4
        text = self._decode(row.tokens[-reach:])
        return any(stop in text for stop in stops)

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def _logprob(self, scores: Any, chosen: Any, count: int) -> TokenLogprob:
        chances = torch.log_softmax(scores.float(), dim=-1)
        values, tokens = chances.topk(count)
        return TokenLogprob(
            self._tokenizer.decode([int(chosen)]),
            float(chances[chosen]),
            tuple(
                (self._tokenizer.decode([token]), value)
                for token, value in zip(tokens.tolist(), values.tolist(), strict=True)
            ),
        )


def _generator(sampling: Sampling) -> Any:
    if sampling.temperature == 0:
        return None
    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed % SEEDS)
    return generator


def _noisy(logits: Any, sampling: Sampling, generator: Any) -> Any:
    logits = logits / sampling.temperature
    if sampling.top_k:
        least = logits.topk(min(sampling.top_k, len(logits))).values[-1]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p is not None and sampling.top_p < 1:
        ordered, order = logits.sort(descending=True)
        chances = ordered.softmax(-1)
        beyond = chances.cumsum(-1) - chances >= sampling.top_p
        logits = logits.masked_fill(beyond.scatter(0, order, beyond), -torch.inf)
    # Drawn on the CPU, whose generator gives the same numbers on every machine.
    noise = -torch.empty(len(logits)).exponential_(generator=generator).log()
    return logits + noise.to(logits.device)
