"""Replies of the OpenAI API, whole or streamed, read without trusting their shape.

Every function raises MalformedReply for what the API does not promise.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from pytest_modeleval.errors import is_passing
from pytest_modeleval.models.messages import ToolCall
from pytest_modeleval.models.protocol import Generation, LogLikelihood, TokenLogprob, Usage

F = TypeVar("F", bound=Callable[..., Any])


class MalformedReply(Exception):
    """The reply is not what the API promises. The text continues "sent a reply that".

    `passing` says that the next reply may be whole: this one was cut off, or reports a failure.
    """

    def __init__(self, why: str, *, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


def _distrustful(read: F) -> F:
    """A field of the wrong type may sit anywhere: any stumble is the reply's fault."""

    @functools.wraps(read)
    def reader(*arguments: Any, **named: Any) -> Any:
        try:
            return read(*arguments, **named)
        except KeyError as error:
            raise MalformedReply(f"lacks the field {error}") from None
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise MalformedReply(f"does not have the shape of the API ({error})") from None

    return reader  # type: ignore[return-value]


def parse_json(raw: bytes) -> Any:
    """What the JSON says, lone surrogates and NUL characters included."""
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        if raw.lstrip().startswith((b"{", b"[")):
            raise MalformedReply(
                f"is JSON only up to character {error.pos} of {len(error.doc)}", passing=True
            ) from None
        raise MalformedReply(f"is not JSON: {excerpt(raw)}", passing=not raw.strip()) from None
    except (ValueError, RecursionError):
        raise MalformedReply(f"is not JSON: {excerpt(raw)}") from None


def excerpt(raw: bytes) -> str:
    """The beginning of a body on one line, quoted, with everything unprintable escaped."""
    text = " ".join(raw[:400].decode("utf-8", "replace").split())
    return ascii(text[:80] + "..." if len(text) > 80 else text)


@_distrustful
def read_models(reply: Any) -> list[str]:
    """The names of the models that a server lists."""
    return [str(model["id"]) for model in reply["data"]]


@_distrustful
def read_generation(reply: Any, *, latency_s: float) -> Generation:
    """A chat's or a completion's reply."""
    choice = _choices(reply)[0]
    chat = "message" in choice
    said = choice["message"] if chat else choice
    text = said["content"] if chat else said["text"]
    if text is None:
        text = said.get("refusal") or ""  # what the model said instead of the content
    elif not isinstance(text, str):
        raise MalformedReply("has something other than a text as its content")
    calls, logprobs = said.get("tool_calls"), choice.get("logprobs")
    return Generation(
        text=text,
        finish_reason=choice.get("finish_reason"),
        tool_calls=tuple(_tool_call(call) for call in calls) if calls else (),
        usage=read_usage(reply),
        logprobs=tuple(_logprobs(logprobs)) if logprobs else None,
        reasoning=said.get("reasoning_content") or said.get("reasoning"),
        latency_s=latency_s,
    )


@_distrustful
def read_stream(chunks: Sequence[tuple[float, bytes]], *, started: float) -> Generation:
    """A streamed reply: the pieces of its body, each with the time at which it was read.

    The time per output token is that between the first and the last piece with content, over the
    tokens after the first; None when all of them came in one read.
    """
    text: list[str] = []
    reasoning: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    logprobs: list[TokenLogprob] = []
    stamps: list[float] = []
    finish_reason = usage = None
    done = False
    for stamp, event in _events(chunks):
        if event is None:
            done = True
            break
        usage = event.get("usage") or usage
        for choice in _choices(event, empty=True):
            delta = choice.get("delta", choice)
            piece = delta.get("content") or delta.get("refusal") or delta.get("text")
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            if piece:
                text.append(piece)
            if thought:
                reasoning.append(thought)
            for part in delta.get("tool_calls") or ():
                _add_tool_call(calls, part)
            if piece or thought or delta.get("tool_calls"):
                stamps.append(stamp)
            if choice.get("logprobs"):
                logprobs.extend(_logprobs(choice["logprobs"]))
            finish_reason = choice.get("finish_reason") or finish_reason
    if not done and finish_reason is None:
        raise MalformedReply(f"breaks off after {len(text)} pieces, before its end", passing=True)
    counted = read_usage({"usage": usage})
    later = (counted.completion_tokens or 0) - 1
    return Generation(
        text="".join(text),
        finish_reason=finish_reason,
        tool_calls=tuple(ToolCall(**calls[index]) for index in sorted(calls)),
        usage=counted,
        logprobs=tuple(logprobs) or None,
        reasoning="".join(reasoning) or None,
        ttft_s=stamps[0] - started if stamps else None,
        tpot_s=(stamps[-1] - stamps[0]) / later
        if later > 0 and stamps and stamps[-1] > stamps[0]
        else None,
        latency_s=chunks[-1][0] - started,
    )


@_distrustful
def read_loglikelihoods(
    reply: Any, continuations: Sequence[str], *, whole: bool = False
) -> list[LogLikelihood]:
    """How likely the end of each echoed prompt is. Where a prompt is nothing else, the `whole` of
    it, its first token may have no log-probability."""
    choices = sorted(_choices(reply), key=lambda choice: int(choice["index"]))
    if len(choices) != len(continuations):
        raise MalformedReply(f"has {len(choices)} choices for {len(continuations)} prompts")
    # Each choice ends in one generated token, unless the server says that it generated none.
    generated = 0 if read_usage(reply).completion_tokens == 0 else 1
    return [
        _loglikelihood(choice["logprobs"], continuation, generated, whole)
        for choice, continuation in zip(choices, continuations, strict=True)
    ]


def _loglikelihood(logprobs: Any, continuation: str, generated: int, whole: bool) -> LogLikelihood:
    """The sum over the tokens at the end of the prompt.

    They are found by their offsets, counted back from the prompt's end: where the server puts a
    token of its own before the text, the offsets are shifted from the front. A token that
    straddles the border counts as the continuation's.
    """
    values, offsets = logprobs["token_logprobs"], logprobs["text_offset"]
    count = len(values) - generated
    ends = [*offsets[1:], offsets[-1] + len(logprobs["tokens"][-1])][:count]
    border = ends[-1] - len(continuation) if ends else 0
    first = count
    while first > 0 and ends[first - 1] > border:
        first -= 1
    if not ends or (continuation and offsets[first] > border):
        raise MalformedReply("does not echo the prompt's tokens")
    if whole and first < count and values[first] is None:
        first += 1
    if None in values[first:count]:
        raise MalformedReply("has no log-probability for the first token: begin with a context")
    tops = logprobs.get("top_logprobs")
    return LogLikelihood(
        sum=float(sum(values[first:count])),
        tokens=count - first,
        is_greedy=all(
            value >= max(top.values())
            for value, top in zip(values[first:count], tops[first:count], strict=True)
        )
        if tops
        else None,
    )


def _events(chunks: Sequence[tuple[float, bytes]]) -> Iterator[tuple[float, Any]]:
    """Server-sent events with the time at which each was complete; None is the stream's end."""
    rest = b""
    for stamp, chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data = line[len(b"data:") :].strip()
                yield stamp, None if data == b"[DONE]" else parse_json(data)


def _choices(reply: Any, *, empty: bool = False) -> list[Any]:
    if isinstance(reply, dict) and reply.get("error"):
        error = reply["error"]
        code = error.get("code") if isinstance(error, dict) else None
        raise MalformedReply(
            f"is an error: {excerpt(json.dumps(error).encode())}",
            passing=is_passing(code if isinstance(code, int) else None),
        )
    choices = reply["choices"]
    if not isinstance(choices, list) or not (choices or empty):
        raise MalformedReply("has no choices")
    return choices


def read_usage(reply: Any) -> Usage:
    """The tokens that a reply took, as far as it tells."""
    usage = _table(_table(reply).get("usage"))
    prompt = _table(usage.get("prompt_tokens_details"))
    completion = _table(usage.get("completion_tokens_details"))
    return Usage(
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _count(prompt.get("cached_tokens")),
        _count(completion.get("reasoning_tokens")),
    )


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    """Money is reckoned by it: only what can be a number of tokens is one."""
    return value if type(value) is int and value >= 0 else None


def _tool_call(call: Any) -> ToolCall:
    function = call["function"]
    arguments = function["arguments"]
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments)
    return ToolCall(call.get("id") or "", function["name"], arguments)


def _add_tool_call(calls: dict[int, dict[str, str]], part: Any) -> None:
    """Join a streamed piece of a tool call to what came of it before."""
    call = calls.setdefault(part.get("index", 0), {"id": "", "name": "", "arguments": ""})
    function = part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""


def _logprobs(logprobs: Any) -> Iterator[TokenLogprob]:
    """Both forms: a chat's list of tokens, a completion's parallel lists."""
    if "content" in logprobs:
        for token in logprobs["content"] or ():
            top = tuple((each["token"], each["logprob"]) for each in token["top_logprobs"] or ())
            yield TokenLogprob(token["token"], token["logprob"], top)
        return
    tokens, values = logprobs["tokens"], logprobs["token_logprobs"]
    tops = logprobs.get("top_logprobs") or [None] * len(tokens)
    for token, value, top in zip(tokens, values, tops, strict=True):
        if value is not None:
            yield TokenLogprob(token, value, tuple(top.items()) if top else ())
