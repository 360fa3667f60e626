"""A digest of a request as it was sent, to tell two runs apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from pytest_modeleval.models.answer import AnyRequest
from pytest_modeleval.models.messages import Message
from pytest_modeleval.models.protocol import LoglikelihoodRequest, Sampling
from pytest_modeleval.results.digests import digest


def request_digest(role: str, request: AnyRequest) -> str:
    """32 hex digits: of the role that was asked, the sample and epoch it was for, and the whole
    request. Texts are put together by hand, since that takes a third of what JSON would."""
    origin = request.origin
    texts = [role, origin.sample_id, str(origin.epoch)] if origin is not None else [role]
    if isinstance(request, LoglikelihoodRequest):
        texts += ["loglikelihood", _json(request.context), *request.continuations]
        return digest(*texts)
    if request.messages is None:
        texts += ["prompt", request.prompt or ""]
    else:
        for message in request.messages:
            texts += _message(message)
    texts.append(_sampling(request.sampling))
    if request.tools:
        texts.append(_json(request.tools))
    return digest(*texts)


def _message(message: Message) -> list[str]:
    content = message.content
    texts = [message.role, content if isinstance(content, str) else _json(content)]
    if message.tool_calls or message.tool_call_id is not None:
        texts.append(_json([message.tool_calls, message.tool_call_id]))
    return texts


def _sampling(sampling: Sampling) -> str:
    text = (
        f"{sampling.temperature} {sampling.max_tokens} {sampling.seed} {sampling.top_p} "
        f"{sampling.top_k} {sampling.logprobs}"
    )
    if sampling.stop or sampling.extra:
        text += _json([sampling.stop, sampling.extra])
    return text


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
