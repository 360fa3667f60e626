"""What llama.cpp's server reads and writes: OpenAI's form, with its own additions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.chat_format import text_messages, tool_definitions
from pytest_modeleval.models.messages import ToolCall
from pytest_modeleval.models.protocol import Generation, Request, TokenLogprob, Usage

# llama.cpp reads this seed as "take a random one".
RANDOM_SEED = 0xFFFFFFFF

Reply = dict[str, Any]


def request_body(request: Request) -> dict[str, Any]:
    sampling = request.sampling
    body: dict[str, Any] = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        # llama.cpp's defaults would cut the distribution; these leave it as the model gave it.
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        "top_k": sampling.top_k or 0,
        "min_p": 0.0,
    }
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.seed is not None:
        body["seed"] = sampling.seed % RANDOM_SEED
    if request.messages is None:
        body["prompt"] = request.prompt
        if sampling.logprobs is not None:
            body["logprobs"] = max(1, sampling.logprobs)
    else:
        body["messages"] = text_messages(request.messages)
        if request.tools:
            body["tools"] = tool_definitions(request.tools)
        if sampling.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": max(1, sampling.logprobs)}
    return body | dict(sampling.extra)


def generation(chunks: list[Reply], latency_s: float, logprobs: int | None) -> Generation:
    text, reasoning, finish_reason = "", "", None
    calls: dict[int, dict[str, str]] = {}
    usage: Mapping[str, Any] = {}
    timings: Mapping[str, Any] = {}
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        timings = chunk.get("timings") or timings
        for choice in chunk["choices"]:
            message = choice.get("delta") or choice.get("message") or {}
            text += choice.get("text") or message.get("content") or ""
            reasoning += message.get("reasoning_content") or ""
            finish_reason = choice.get("finish_reason") or finish_reason
            for number, part in enumerate(message.get("tool_calls") or ()):
                call = calls.setdefault(
                    part.get("index", number), {"id": "", "name": "", "arguments": ""}
                )
                call["id"] += part.get("id") or ""
                for field in ("name", "arguments"):
                    call[field] += part["function"].get(field) or ""
    completion = usage.get("completion_tokens")
    return Generation(
        text=text,
        finish_reason=finish_reason,
        tool_calls=tuple(ToolCall(**call) for call in calls.values()),
        usage=Usage(
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=completion,
            cached_tokens=usage.get("prompt_tokens_details", {}).get("cached_tokens"),
        ),
        logprobs=None
        if logprobs is None
        else tuple(_token_logprob(entry, logprobs) for entry in token_entries(chunks)),
        reasoning=reasoning or None,
        # llama.cpp tells how long it generated after the first token; what came before that is
        # waiting for a slot and reading the prompt.
        ttft_s=latency_s - timings["predicted_ms"] / 1e3 if timings and completion else None,
        tpot_s=timings["predicted_ms"] / 1e3 / (completion - 1)
        if timings and completion and completion > 1
        else None,
        latency_s=latency_s,
    )


def token_entries(chunks: list[Reply]) -> Iterable[dict[str, Any]]:
    for chunk in chunks:
        for choice in chunk["choices"]:
            yield from (choice.get("logprobs") or {}).get("content") or ()


def _token_logprob(entry: Mapping[str, Any], count: int) -> TokenLogprob:
    top = tuple((each["token"], each["logprob"]) for each in entry["top_logprobs"][:count])
    return TokenLogprob(entry["token"], entry["logprob"], top)


def refusal(error: Mapping[str, Any]) -> RequestError:
    if error.get("type") == "exceed_context_size_error":
        return RequestError(
            f"llamacpp: the prompt has {error['n_prompt_tokens']} tokens, more than the "
            f"{error['n_ctx']} of the context: shorten it, or give a larger --model-arg n_ctx=…, "
            "as far as the model was trained for",
            status=400,
        )
    return RequestError(f"llamacpp: {error.get('message', error)}", status=error.get("code"))
