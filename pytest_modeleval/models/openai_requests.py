"""Requests as the OpenAI API wants them.

Dicts, and not the `openai` package's classes: building those costs ten times the request itself.
https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_modeleval.errors import CapabilityError
from pytest_modeleval.models.chat_format import tool_calls, tool_definitions
from pytest_modeleval.models.messages import ContentPart, Message
from pytest_modeleval.models.protocol import Request

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionContentPartParam

_AUDIO_FORMATS = {"audio/mpeg": "mp3", "audio/x-wav": "wav"}


def generation_body(model: str, request: Request, *, limit: str, stream: bool) -> dict[str, Any]:
    """The body of a chat or a completion. `limit` is what the server calls `max_tokens`."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "temperature": sampling.temperature,
        limit: sampling.max_tokens,
    }
    if request.messages is None:
        body["prompt"] = request.prompt
        if sampling.logprobs is not None:
            body["logprobs"] = sampling.logprobs
    else:
        body["messages"] = [_message(message) for message in request.messages]
        if request.tools:
            body["tools"] = tool_definitions(request.tools)
        if sampling.logprobs is not None:
            body["logprobs"] = True
            body["top_logprobs"] = sampling.logprobs
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        body["top_k"] = sampling.top_k
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    if sampling.extra:
        body.update(sampling.extra)
    return body


def loglikelihood_body(model: str, prompts: Sequence[str]) -> dict[str, Any]:
    """The body that has the server read the prompts and say how likely each of their tokens is.

    One token is generated and thrown away, since some servers take 0 for "without end".
    """
    return {
        "model": model,
        "prompt": prompts if len(prompts) > 1 else prompts[0],
        "echo": True,
        "logprobs": 1,
        "max_tokens": 1,
        "temperature": 0.0,
    }


def _message(message: Message) -> dict[str, Any]:
    content = message.content
    body: dict[str, Any] = {
        "role": message.role,
        "content": content if isinstance(content, str) else [_part(part) for part in content],
    }
    if message.tool_calls:
        body["content"] = body["content"] or None
        body["tool_calls"] = tool_calls(message)
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    return body


def _part(part: ContentPart) -> ChatCompletionContentPartParam:
    url = part.url or ""
    if part.media_type and url.startswith(("data:;", "data:,")):
        url = f"data:{part.media_type}{url[len('data:') :]}"
    if part.type == "text":
        return {"type": "text", "text": part.text or ""}
    if part.type == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    if not url.startswith("data:"):
        raise CapabilityError(
            f"the OpenAI API takes {part.type} only inside the request: give the {part.type} part "
            "a data: URL"
        )
    head, _, data = url[len("data:") :].partition(",")
    media_type = head.partition(";")[0]
    if part.type == "audio":
        kind: Any = _AUDIO_FORMATS.get(media_type, media_type.rpartition("/")[2])
        return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}
    name = "file" + (mimetypes.guess_extension(media_type) or "")
    return {"type": "file", "file": {"filename": name, "file_data": url}}
