"""Answers as the response cache keeps them: which are worth it, and their bytes."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable
from typing import Any

from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.messages import ToolCall
from pytest_modeleval.models.protocol import (
    Generation,
    LogLikelihood,
    LoglikelihoodRequest,
    TokenLogprob,
    Usage,
)

PROPER_ENDS = frozenset(
    {
        *("stop", "length", "tool_calls", "function_call", "content_filter"),
        *("eos", "eos_token", "stop_sequence", "end_turn", "max_tokens", "tool_use"),
    }
)
"""How a reply ends that is a model's own, in the words of OpenAI's API and its relatives."""

WORTH_PACKING = 1024
"""Bytes from which on a reply is compressed."""


def is_whole(request: AnyRequest, value: Any) -> bool:
    """Whether this is the model's own answer: not empty, and not cut off by a fault."""
    if isinstance(request, LoglikelihoodRequest):
        sums = [each.sum for each in value]
        return len(sums) == len(request.continuations) > 0 and not any(map(math.isnan, sums))
    said = value.text.strip() or value.tool_calls or value.reasoning
    return bool(said) and value.finish_reason in PROPER_ENDS


def pack(answer: Answer) -> bytes:
    """JSON, compressed where it is long."""
    value = answer.value
    text = json.dumps(
        {
            "cost": answer.cost,
            "latency_s": answer.latency_s,
            **(_from_generation(value) if isinstance(value, Generation) else _from_list(value)),
        },
        separators=(",", ":"),
    ).encode()
    return zlib.compress(text, 1) if len(text) > WORTH_PACKING else text


def unpack(stored: bytes) -> Answer | None:
    """The answer, as one that was not asked for; None for what `pack` cannot have written."""
    try:
        found = json.loads(stored if stored.startswith(b"{") else zlib.decompress(stored))
        value = _to_generation(found) if "text" in found else _to_list(found)
        return Answer(
            value,
            found["latency_s"],
            attempts=0,
            cached=True,
            cost=None if found["cost"] is None else 0.0,
            saved=found["cost"],
        )
    except (KeyError, IndexError, TypeError, ValueError, RecursionError, zlib.error):
        return None


def _from_generation(said: Generation) -> dict[str, Any]:
    usage = said.usage
    found: dict[str, Any] = {
        "text": said.text,
        "finish_reason": said.finish_reason,
        "usage": [
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            usage.reasoning_tokens,
        ],
        "times": [said.ttft_s, said.tpot_s, said.latency_s],
    }
    if said.tool_calls:
        found["tool_calls"] = [[call.id, call.name, call.arguments] for call in said.tool_calls]
    if said.logprobs is not None:
        found["logprobs"] = [[each.token, each.logprob, each.top] for each in said.logprobs]
    if said.reasoning is not None:
        found["reasoning"] = said.reasoning
    return found


def _to_generation(found: dict[str, Any]) -> Generation:
    if not isinstance(found["text"], str):
        raise TypeError
    ttft_s, tpot_s, latency_s = found["times"]
    logprobs = found.get("logprobs")
    return Generation(
        found["text"],
        found["finish_reason"],
        tuple([ToolCall(*call) for call in found.get("tool_calls", ())]),
        Usage(*found["usage"]),
        None if logprobs is None else _to_logprobs(logprobs),
        found.get("reasoning"),
        ttft_s,
        tpot_s,
        latency_s,
    )


def _to_logprobs(found: Iterable[Any]) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(token, logprob, tuple((other, value) for other, value in top))
        for token, logprob, top in found
    )


def _from_list(found: Iterable[LogLikelihood]) -> dict[str, Any]:
    return {"loglikelihoods": [[each.sum, each.tokens, each.is_greedy] for each in found]}


def _to_list(found: dict[str, Any]) -> list[LogLikelihood]:
    return [LogLikelihood(*each) for each in found["loglikelihoods"]]
