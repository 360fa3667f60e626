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

from pytest_modeleval.models.protocol import LogLikelihood, Sampling, TokenLogprob

torch: Any = import_module("torch")
transformers: Any = import_module("transformers")

SEEDS = 1 << 63
# Bounds of one pass over log-likelihoods: tokens (activations) and bytes of logits.
PASS_TOKENS = 8192
PASS_LOGITS = 256 << 20


@dataclass
class Row:
    """One request of a batch, and what became of it. Times are `time.perf_counter()`."""

    prompt: list[int]
    sampling: Sampling
    room: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    text: str = ""
    finish_reason: str = "length"
    first_token_at: float = 0.0
    ended_at: float | None = None
    abandoned: bool = False


def generate(model: Any, tokenizer: Any, rows: Sequence[Row]) -> None:
    """Fill in the rows. All share `sampling.extra`, which goes to `GenerationConfig`."""
    prompts, mask = _pad_left([row.prompt for row in rows], model.device)
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
            logits_processor=[decoder.choose],
            stopping_criteria=[decoder.ended],
        )


def loglikelihoods(model: Any, pairs: Sequence[tuple[list[int], list[int]]]) -> list[LogLikelihood]:
    """ln p of the second tokens after the first ones, for each pair, in their order."""
    answers = [LogLikelihood(0.0, 0, True)] * len(pairs)
    vocabulary = model.config.get_text_config().vocab_size
    by_length = sorted(
        (number for number, (_, after) in enumerate(pairs) if after),
        key=lambda number: -len(pairs[number][0]) - len(pairs[number][1]),
    )
    while by_length:
        taken, longest, width = 0, 0, 0
        for number in by_length:
            before, after = pairs[number]
            longest, width = max(longest, len(before) + len(after)), max(width, len(after) + 1)
            rows = taken + 1
            if taken and (
                rows * longest > PASS_TOKENS or rows * width * vocabulary * 4 > PASS_LOGITS
            ):
                break
            taken = rows
        batch, by_length = by_length[:taken], by_length[taken:]
        for number, answer in zip(
            batch, _one_pass(model, [pairs[number] for number in batch]), strict=True
        ):
            answers[number] = answer
    return answers


def _one_pass(model: Any, pairs: list[tuple[list[int], list[int]]]) -> list[LogLikelihood]:
    tokens, mask = _pad_left([before + after for before, after in pairs], model.device)
    width = max(len(after) for _, after in pairs) + 1
    with torch.inference_mode():
        logits = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=width,
        ).logits[:, -width:-1]
        chances = torch.log_softmax(logits.float(), dim=-1)
        targets = tokens[:, tokens.shape[1] - width + 1 :]
        chosen = chances.gather(-1, targets.unsqueeze(-1)).squeeze(-1).double()
        greedy = chances.argmax(-1) == targets
    return [
        LogLikelihood(
            sum=float(chosen[row, -len(after) :].sum()),
            tokens=len(after),
            is_greedy=bool(greedy[row, -len(after) :].all()),
        )
        for row, (_, after) in enumerate(pairs)
    ]


def _pad_left(rows: list[list[int]], device: Any) -> tuple[Any, Any]:
    longest = max(map(len, rows))
    tokens = [[0] * (longest - len(row)) + row for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)


class _Decoder:
    def __init__(self, tokenizer: Any, rows: Sequence[Row], ends: list[int]) -> None:
        self._tokenizer = tokenizer
        self._rows = rows
        self._ends = frozenset(ends)
        self._generators = [_generator(row.sampling) for row in rows]

    def choose(self, input_ids: Any, scores: Any) -> Any:
        """The logits as the rows' sampling changes them: the largest is what is taken."""
        changed = scores.clone() if any(self._generators) else scores
        for number, (row, generator) in enumerate(zip(self._rows, self._generators, strict=True)):
            if row.ended_at is None and generator is not None:
                changed[number] = _noisy(changed[number], row.sampling, generator)
        for number, row in enumerate(self._rows):
            if row.ended_at is None and row.sampling.logprobs is not None:
                row.logprobs.append(
                    self._logprob(scores[number], changed[number].argmax(), row.sampling.logprobs)
                )
        return changed

    def ended(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Which rows need no more tokens."""
        now = time.perf_counter()
        for row, token in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
            if row.ended_at is None and self._add(row, token, now):
                row.ended_at = now
        done = [row.ended_at is not None for row in self._rows]
        return torch.tensor(done, device=input_ids.device)

    def _add(self, row: Row, token: int, now: float) -> bool:
        row.first_token_at = row.first_token_at or now
        row.tokens.append(token)
        if token in self._ends:
            row.finish_reason = "stop"
            row.text = self._decode(row.tokens[:-1])
            return True
        last = len(row.tokens) >= row.room or row.abandoned
        if row.sampling.stop or last:
            row.text = self._decode(row.tokens)
        found = [at for at in map(row.text.find, row.sampling.stop) if at >= 0]
        if found:
            row.finish_reason = "stop"
            row.text = row.text[: min(found)]
        return last or bool(found)

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
