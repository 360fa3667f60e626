"""A model that two harnesses can ask: what it says depends on the question alone.

`Backend` is its face for us. LightEval's own is in `reference.py`, which imports it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
)

REPLIES: dict[str, list[str]] = {}
"""What it may reply to a prompt whose last words of a key are the latest in it."""


def number(*texts: object) -> int:
    """The same number for the same texts, on every machine."""
    digest = blake2b("\0".join(map(str, texts)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def reply(prompt: str, sample: int = 0) -> str:
    places = {key: prompt.rfind(key) for key in REPLIES}
    key = max(places, key=places.__getitem__, default="")
    if places.get(key, -1) < 0:
        return f"<think>{key}?</think> something {number(prompt, sample) % 7}"
    choices = REPLIES[key]
    return choices[number(prompt, sample) % len(choices)]


def likelihood(context: str, continuation: str) -> LogLikelihood:
    found = number(context, continuation)
    return LogLikelihood(
        -(found % 100_003) / 9_999.0,
        1 + len(continuation) // 3,
        is_greedy=found % 5 == 0,
    )


def perplexity(text: str) -> LogLikelihood:
    return LogLikelihood(-(number(text) % 100_003) / 777.0, len(text) or 1, is_greedy=None)


def turns(messages: Sequence[Any]) -> str:
    return json.dumps([[each["role"], each["content"]] for each in messages])


class Backend:
    """`oracle:` completes, `oracle:chat` chats."""

    concurrency = 8

    def __init__(self, name: str = "") -> None:
        chat = name == "chat"
        self.capabilities = Capabilities(chat=chat, completion=True, loglikelihood=True)
        self.identity = Identity("oracle", name or "oracle", revision="1")

    async def start(self) -> None:
        """Nothing to load."""

    async def generate(self, request: Request) -> Generation:
        if request.messages is None:
            prompt = request.prompt or ""
        else:
            prompt = turns(
                [{"role": each.role, "content": each.content} for each in request.messages]
            )
        return Generation(reply(prompt, request.origin.call if request.origin else 0), "stop")

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        if context is None:
            return [perplexity(text) for text in continuations]
        return [likelihood(context, text) for text in continuations]

    async def aclose(self) -> None:
        """Nothing to give back."""
