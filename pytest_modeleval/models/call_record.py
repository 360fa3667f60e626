"""What was asked of a model and what it replied, as the details file holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.messages import ContentPart, ToolCall
from pytest_modeleval.models.protocol import Generation, LoglikelihoodRequest, Request, Usage
from pytest_modeleval.models.sampling import SAMPLING_FIELDS
from pytest_modeleval.results.record import Call, CallKind


def recorded(
    role: str, model: str, kind: CallKind, request: AnyRequest, came: Answer | RequestError
) -> Call:
    """A call that was answered, or that brought an error and may have cost something all the
    same."""
    usage = came.usage or Usage()
    call = Call(role, model, kind, [], cost=came.cost, attempts=came.attempts)
    call.usage = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
    if isinstance(request, Request):
        call.messages = _written(request)
        call.sampling = {name: getattr(request.sampling, name) for name in SAMPLING_FIELDS}
    elif request.context is not None:
        call.messages = [{"role": "prompt", "content": request.context}]
    if isinstance(came, Answer):
        call.latency_s, call.queue_s = came.latency_s, came.queue_s
        call.cached, call.saved = came.cached, came.saved
        call.endpoint = came.endpoint
        _describe(call, request, came.value)
    return call


def _describe(call: Call, request: AnyRequest, value: Any) -> None:
    """Write down what was replied."""
    if isinstance(value, Generation):
        call.reply = value.text
        call.tool_calls = _tool_calls(value.tool_calls)
        call.ttft_s = value.ttft_s
        call.tpot_s = value.tpot_s
    elif isinstance(request, LoglikelihoodRequest):
        call.loglikelihoods = [
            {
                "continuation": text,
                "sum": each.sum,
                "tokens": each.tokens,
                "is_greedy": each.is_greedy,
            }
            for text, each in zip(request.continuations, value)
        ]


def _written(request: Request) -> list[dict[str, Any]]:
    """The messages as the details file holds them."""
    if request.messages is None:
        return [{"role": "prompt", "content": request.prompt}]
    return [
        {
            "role": message.role,
            "content": message.content
            if isinstance(message.content, str)
            else [_part(part) for part in message.content],
            "tool_calls": _tool_calls(message.tool_calls),
            "tool_call_id": message.tool_call_id,
        }
        for message in request.messages
    ]


def _tool_calls(calls: Sequence[ToolCall]) -> list[dict[str, str]]:
    return [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls]


def _part(part: ContentPart) -> dict[str, str]:
    return {
        name: value
        for name in ("type", "text", "url", "media_type")
        if (value := getattr(part, name)) is not None
    }
