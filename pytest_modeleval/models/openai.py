"""`openai:NAME`: a model behind any OpenAI-compatible API."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from pytest_modeleval.errors import CapabilityError, RequestError, StopRun, UsageError
from pytest_modeleval.models import openai_replies as replies
from pytest_modeleval.models import openai_requests as requests
from pytest_modeleval.models.arguments import Arguments
from pytest_modeleval.models.openai_errors import Server, is_final
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
)
from pytest_modeleval.models.retry import again
from pytest_modeleval.models.retry_after import retry_after

OPENAI_URL = "https://api.openai.com/v1"

CONNECT_S = 15.0
"""How long a connection, and the answer to the probe, may take."""

PROBES = 3
"""How often the server is asked for a sign of life before the run is given up."""

# Servers close idle connections, uvicorn after 5 s: leave first, or a request meets a closed door.
KEEP_ALIVE_S = 4.0


class _Answer(NamedTuple):
    """An HTTP answer. The pieces of its body have the time at which each was read."""

    status: int
    content_type: str
    retry_after: float | None
    chunks: list[tuple[float, bytes]]
    ended: float

    @property
    def body(self) -> bytes:
        return b"".join([chunk for _, chunk in self.chunks])


class OpenAIBackend:
    """A model behind an OpenAI-compatible API: OpenAI's own, vLLM, llama.cpp and many others.

    Arguments:
        base_url: where the API is. Without it OPENAI_BASE_URL, then https://api.openai.com/v1.
        api_key_env: the environment variable with the key (OPENAI_API_KEY). No key, none is sent.
        revision: which revision of the model answers, where that is known.
        stream: stream the replies, which tells the time to the first token and costs more (false).
        timeout: seconds that one request may take (600; 0 for no end).
        concurrency: requests in flight (64).

    Requests go through aiohttp, at a tenth of the cost of the `openai` package's client. No request
    is tried again here, and redirects are not followed. The proxies of the environment are used.
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        if "api_key" in arguments:
            raise UsageError(
                "openai: api_key is no argument, since arguments are recorded: put the key into "
                "the environment variable OPENAI_API_KEY, or name another one with api_key_env"
            )
        taken = Arguments("openai", arguments)
        base_url = taken.text("base_url") or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
        key_variable = taken.text("api_key_env")
        revision = taken.text("revision")
        self._stream = taken.flag("stream", False)
        self._timeout = taken.seconds("timeout", 600.0)
        self.concurrency = taken.count("concurrency", 64)
        taken.finish()
        if not name:
            raise UsageError("openai: the name of the model is missing: openai:NAME")
        self._name = name
        self._base = _address(base_url)
        self._key = _key(key_variable)
        url = urlunsplit(self._base._replace(netloc=self._base.netloc.rpartition("@")[2], query=""))
        self._server = Server(url, name, key_variable or "OPENAI_API_KEY", bool(self._key))
        # OpenAI's newer models refuse max_tokens; other servers may not know its newer name.
        official = self._base.hostname == "api.openai.com"
        self._limit = "max_completion_tokens" if official else "max_tokens"
        self._chat_url = self._url("/chat/completions")
        self._completion_url = self._url("/completions")
        self._opened = AsyncExitStack()
        self._session: aiohttp.ClientSession
        details = {"base_url": url}
        if self._base.query:  # which may hold a key, and may say which model is meant
            details["query"] = sha256(self._base.query.encode()).hexdigest()[:8]
        self.identity = Identity("openai", name, revision, details=details)
        self.capabilities = Capabilities(
            chat=True, completion=True, loglikelihood=True, logprobs=True, tools=True, images=True
        )

    async def start(self) -> None:
        """Ask for the list of models: is the server there, is the key right, has it the model?

        A server without such a list is taken as it is.
        """
        headers = {"Content-Type": "application/json"}
        # In a URL, credentials are an Authorization of their own.
        if self._key and not self._base.username:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = await self._opened.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=headers,
                proxy=_proxy(self._base),
                timeout=aiohttp.ClientTimeout(total=self._timeout or None, sock_connect=CONNECT_S),
            )
        )
        try:
            await self._probe()
        except RequestError as error:
            if not error.retryable:
                raise
            await again(self._probe, error, max_attempts=PROBES)

    async def generate(self, request: Request) -> Generation:
        chat = request.messages is not None
        body = requests.generation_body(self._name, request, limit=self._limit, stream=self._stream)
        started = perf_counter()
        answer = await self._post(self._chat_url if chat else self._completion_url, body)
        reply = None
        try:
            if answer.content_type == "text/event-stream":
                return replies.read_stream(answer.chunks, started=started)
            reply = replies.parse_json(answer.body)
            return replies.read_generation(reply, latency_s=answer.ended - started)
        except replies.MalformedReply as error:
            failure = self._malformed(error)
            failure.usage = replies.read_usage(reply)
            raise failure from None

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """ln p of each continuation after the context, in their order, by one request.

        The server echoes context and continuation with their log-probabilities (completions with
        `echo`). White space at the end of the context counts as the continuation's, since that is
        how tokens divide. Raises CapabilityError for a server that does not do this.
        """
        if not continuations:
            return []
        prompts = [(context or "") + continuation for continuation in continuations]
        try:
            answer = await self._post(
                self._completion_url, requests.loglikelihood_body(self._name, prompts)
            )
            reply = replies.parse_json(answer.body)
        except replies.MalformedReply as error:
            raise self._malformed(error) from None
        except RequestError as error:
            if error.status in (404, 405, 501) or "echo" in str(error) or "logprob" in str(error):
                raise CapabilityError(self._server.no_loglikelihoods(str(error))) from None
            raise
        space = context[len(context.rstrip() or context) :] if context else ""
        texts = [space + each for each in continuations]
        try:
            return replies.read_loglikelihoods(reply, texts, whole=context is None)
        except replies.MalformedReply as error:
            why = self._malformed(error)
            raise CapabilityError(self._server.no_loglikelihoods(str(why))) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._opened.aclose()

    async def _probe(self) -> None:
        answer = await self._models()
        if answer.status in (404, 405, 501):
            return
        # A key of OpenAI's may be allowed to chat and not to list.
        if answer.status == 403 and b"scope" in answer.body:
            return
        if answer.status != 200:
            raise self._refusal(answer)
        try:
            names = replies.read_models(replies.parse_json(answer.body))
        except replies.MalformedReply as error:
            raise self._malformed(error) from None
        if names and not self._server.lists_model(names):
            raise self._error(self._server.unknown_model(names), 404)

    async def _models(self) -> _Answer:
        limit = aiohttp.ClientTimeout(total=CONNECT_S)
        return await self._exchange("GET", self._url("/models"), timeout=limit)

    async def _post(self, url: str, body: dict[str, Any]) -> _Answer:
        """The answer to `body`. Raises RequestError when it is not 200, and StopRun when no other
        request would fare better."""
        answer = await self._exchange("POST", url, data=json.dumps(body).encode())
        if answer.status == 200:
            return answer
        if answer.status == 404:
            await self._ask_for_model()
        refusal = self._refusal(answer)
        if is_final(answer.status, answer.body):
            raise StopRun(str(refusal))
        raise refusal

    async def _ask_for_model(self) -> None:
        """Raises StopRun when the server says that it has the model no longer."""
        try:
            await self._probe()
        except RequestError as error:
            if error.status == 404:
                raise StopRun(str(error)) from None

    async def _exchange(self, method: str, url: str, **options: Any) -> _Answer:
        try:
            async with self._session.request(
                method, url, allow_redirects=False, **options
            ) as response:
                content = response.content
                chunks = [(perf_counter(), chunk) async for chunk in content.iter_any()]
                wait = retry_after(response.headers) if response.status >= 400 else None
                return _Answer(response.status, response.content_type, wait, chunks, perf_counter())
        except asyncio.TimeoutError as error:
            raise self._error(self._server.too_slow(error), retryable=True) from None
        except (aiohttp.ClientError, OSError) as error:
            lasting = isinstance(error, (aiohttp.ClientSSLError, aiohttp.InvalidURL))
            raise self._error(self._server.unreachable(error), retryable=not lasting) from None

    def _refusal(self, answer: _Answer) -> RequestError:
        # Before the server's words are shortened, which could leave a part of the key.
        body = answer.body.replace(self._key.encode(), b"[key]") if self._key else answer.body
        return self._error(
            self._server.refusal(answer.status, body),
            answer.status,
            retry_after=answer.retry_after,
        )

    def _malformed(self, error: replies.MalformedReply) -> RequestError:
        return self._error(self._server.malformed(error), 200, retryable=error.passing)

    def _error(
        self,
        sentence: str,
        status: int | None = None,
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> RequestError:
        """A server may quote the key that it was sent: an error of ours never does."""
        if self._key:
            sentence = sentence.replace(self._key, "[key]")
        return RequestError(sentence, status=status, retryable=retryable, retry_after=retry_after)

    def _url(self, path: str) -> str:
        return urlunsplit(self._base._replace(path=self._base.path + path))


def _address(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        # The value is not shown: it may hold a password.
        raise UsageError("openai: base_url: expected an address such as http://localhost:8000/v1")
    return parts._replace(path=parts.path.rstrip("/"), fragment="")


def _key(variable: str | None) -> str | None:
    """The key, or None where there is none and none was asked for."""
    key = os.environ.get(variable or "OPENAI_API_KEY", "").strip()
    if variable and not key:
        # What does not look like a variable may be a key that was put into the wrong place.
        shown = variable if re.fullmatch("[A-Z][A-Z0-9_]*", variable) else "that it names"
        raise UsageError(
            f"openai: api_key_env: the environment variable {shown} is not set; it is the name "
            "of a variable that holds the key, such as OPENAI_API_KEY"
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"openai: the key in {variable or 'OPENAI_API_KEY'} holds characters that no key has"
        )
    return key or None


def _proxy(base: SplitResult) -> str | None:
    """The environment's proxy for this address."""
    if proxy_bypass(base.netloc.rpartition("@")[2]):
        return None
    return getproxies().get(base.scheme)
