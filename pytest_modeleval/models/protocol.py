"""What a backend must offer, and the values that pass between it and the model's face.

A backend is small: it turns one request into one answer. Everything else (limits, records, the
comfortable calls) is built round it once, in `Model`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_modeleval.models.messages import Message, Tool, ToolCall


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to decode; everything that was sent is here, nothing is left to a server's default.

    `seed` None means that none is sent. `logprobs` asks for the log-probabilities of so many
    tokens a position. `extra` goes to the backend as it is.
    """

    temperature: float = 0.0
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    logprobs: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which call of which sample a request belongs to. The sample's time is up at `deadline`, a
    time of the monotonic clock, if it has one."""

    benchmark: str
    sample_id: str
    epoch: int = 0
    call: int = 0
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A chat (`messages`) or a completion (`prompt`); exactly one of the two is set."""

    sampling: Sampling
    messages: tuple[Message, ...] | None = None
    prompt: str | None = None
    tools: tuple[Tool, ...] = ()
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class LoglikelihoodRequest:
    """How likely each of `continuations` is after `context`. Where that is None they are whole
    texts, and a first token that has nothing before it does not count."""

    context: str | None
    continuations: tuple[str, ...]
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; None where the backend does not tell."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token, its natural-log probability, and the likeliest tokens in its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """A model's reply. Times are seconds; what a backend cannot tell is None, never invented.

    `ttft_s` is the time to the first token, `tpot_s` the time per output token after the first,
    `latency_s` the time from sending the request to the end of the reply.
    """

    text: str
    finish_reason: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    logprobs: tuple[TokenLogprob, ...] | None = None
    reasoning: str | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """ln p(continuation | context): the sum over its `tokens` tokens, and whether greedy decoding
    would have produced it."""

    sum: float
    tokens: int
    is_greedy: bool | None = None


@dataclass(frozen=True, slots=True)
class Perplexity:
    """How well a model foretells a text: `sum` is ln p of its `tokens` tokens, of which a first one
    with nothing before it is not counted. `words` and `bytes` are the text's own, and the same for
    every model, so that models of different tokenizers are compared by those.
    """

    sum: float
    tokens: int
    words: int
    bytes: int

    @property
    def per_token(self) -> float:
        """exp(-sum / tokens): the perplexity, in the strict sense."""
        return _exp(-self.sum / self.tokens)

    @property
    def per_word(self) -> float:
        """exp(-sum / words); words are what white space divides."""
        return _exp(-self.sum / self.words)

    @property
    def per_byte(self) -> float:
        """exp(-sum / bytes), of the text in UTF-8."""
        return _exp(-self.sum / self.bytes)

    @property
    def bits_per_byte(self) -> float:
        """-sum / (bytes · ln 2): what it takes to send the text (Gao et al. 2020, The Pile)."""
        return -self.sum / (self.bytes * math.log(2))


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


@dataclass(frozen=True, slots=True)
class Choice:
    """The likeliest of several choices. `scores` are what was compared, in the choices' order.

    A choice that the model named by its letter has neither scores nor log-likelihoods. Where it
    named none, `index` is None and `text` empty.
    """

    index: int | None
    text: str
    scores: tuple[float, ...] = ()
    loglikelihoods: tuple[LogLikelihood, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do with the model that it holds."""

    chat: bool = False
    completion: bool = False
    loglikelihood: bool = False
    logprobs: bool = False
    tools: bool = False
    images: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model answered: `revision` is a commit, a hash of the weights, or None where nothing
    proves it (a name behind a URL)."""

    backend: str
    name: str
    revision: str | None = None
    backend_version: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)


class Backend(Protocol):
    """One way to reach a model. Every method but the constructor is called on one event loop.

    The constructor takes `(name, **arguments)`, must not block, load or import anything heavy, and
    raises `UsageError` for arguments that it does not know. `capabilities` and `identity` are
    complete once `start` has returned. `concurrency` is how many requests it wants in flight. One
    that applies a chat template in this process may have `chat_context(messages) -> str`, the
    dialogue as a context for log-likelihoods.
    """

    concurrency: int

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def identity(self) -> Identity: ...

    async def start(self) -> None:
        """Load the model or probe the server. Raises ModelError with one sentence."""

    async def generate(self, request: Request) -> Generation:
        """Answer one request. Raises RequestError; cancelling the task abandons the request."""
        ...

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """ln p of each continuation after the context, in their order. Without a context, of each
        text: all its tokens that another one is before."""
        ...

    async def aclose(self) -> None:
        """Give everything back; after it no process and no memory of the model is left."""
