"""llama.cpp in this process, through xllamacpp: any GGUF file, no server to start.

xllamacpp holds llama.cpp's server and its continuous batching. Requests go to its handlers from a
pool of threads, one a slot, which costs less than its HTTP door; that door (loopback, behind a
random key) is used only for the tokenizer, which has no handler.

Replies do not depend on earlier requests, since the prompt cache is off (`cache_prompt=true` turns
it on). Numbers do depend a little on how many requests share a batch: llama.cpp rounds a product
of one row otherwise than one of several. Only `concurrency=1` makes every digit repeatable.
"""

from __future__ import annotations

import asyncio
import difflib
import http.client
import json
import mmap
import secrets
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from pytest_modeleval.errors import EngineDied, ModelError, RequestError, UsageError
from pytest_modeleval.models.continuations import split
from pytest_modeleval.models.llamacpp_wire import (
    Reply,
    generation,
    refusal,
    request_body,
    token_entries,
)
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
)
from pytest_modeleval.models.weights import SMALL, gguf_files, revision, settings

# A streamed request can be abandoned at any token, but pays about 30 µs for each of them. One of
# so few tokens is not worth abandoning.
SHORT = 32
# A GGUF file starts with its metadata; each entry is the key's length, the key, and a type (8: a
# string).
CHAT_TEMPLATE = struct.pack("<Q", 23) + b"tokenizer.chat_template" + struct.pack("<I", 8)
METADATA_BYTES = 64 << 20


class LlamaCppBackend:
    """A GGUF file, answered for by llama.cpp in this process.

    Args:
        name: Path of the GGUF file (the first one, when it is split).
        concurrency: Slots of the batch. A GPU is busy only with many more than the default.
        n_ctx: Tokens of context that each request may use (never more than the model was trained
            for).
        n_threads: Threads that compute; by default one for each core, or a single one for a model
            so small that handing out the work costs more than doing it.
        arguments: Any attribute of `xllamacpp.CommonParams`, such as n_gpu_layers, n_batch,
            chat_template, cache_prompt or verbosity (3 shows llama.cpp's own log).
    """

    def __init__(
        self,
        name: str,
        *,
        concurrency: int = 8,
        n_ctx: int = 4096,
        n_threads: int | None = None,
        **arguments: Any,
    ) -> None:
        self.concurrency = concurrency
        self._path = Path(name).expanduser()
        self._name = name
        self._n_ctx = n_ctx
        self._n_threads = n_threads
        self._arguments = arguments
        self._key = secrets.token_hex()
        self._server: Any = None
        self._pool: ThreadPoolExecutor | None = None
        self._closing = threading.Event()
        self._starting = asyncio.Lock()
        self._capabilities = Capabilities()
        self._identity = Identity("llamacpp", name)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def identity(self) -> Identity:
        return self._identity

    async def start(self) -> None:
        """Load the file. Raises ModelError when it is no model, UsageError for an argument that
        llama.cpp does not know."""
        async with self._starting:
            if self._server is None:
                await asyncio.to_thread(self._load)

    async def generate(self, request: Request) -> Generation:
        """Answer one request. Raises RequestError, also for a prompt that is too long."""
        begun = time.perf_counter()
        body = request_body(request)
        chat = request.messages is not None
        chunks = await self._ask(body, chat=chat)
        return generation(chunks, time.perf_counter() - begun, request.sampling.logprobs)

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """ln p of each continuation after the context.

        llama.cpp gives no log-probabilities of a prompt. A grammar that allows nothing but the
        continuation's tokens makes it generate them, and reports for each the probability that the
        model gave before the grammar was applied.
        """
        pairs = await self._in_thread(self._split, context, continuations)
        return list(await asyncio.gather(*(self._forced(before, after) for before, after in pairs)))

    async def aclose(self) -> None:
        """Abandon what is running, end llama.cpp's threads and free the model."""
        if self._pool is not None:
            self._closing.set()
            await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
            self._pool = None
        self._server = None

    def _load(self) -> None:
        try:
            xllamacpp = import_module("xllamacpp")
        except ImportError:
            raise ModelError(
                "llamacpp: needs the package xllamacpp: pip install 'pytest-modeleval[local]'"
            ) from None
        has_template = _read_header(self._path)
        parameters = self._parameters(xllamacpp)
        try:
            self._server = xllamacpp.Server(parameters)
            # Its loop begins in a thread of its own. Told to end before that, it would never end;
            # once it has answered it has begun.
            self._server.handle_completions({"prompt": "1", "max_tokens": 1})
        except RuntimeError:
            raise ModelError(
                f"llamacpp: {self._name} could not be loaded: the file is damaged, of a kind that "
                "this llama.cpp does not know, or too large for the memory "
                "(--model-arg verbosity=3 shows llama.cpp's own log)"
            ) from None
        self._closing.clear()
        self._pool = ThreadPoolExecutor(self.concurrency, "modeleval-llamacpp")
        chat = has_template or bool(parameters.chat_template)
        self._capabilities = Capabilities(
            chat=chat, completion=True, loglikelihood=True, logprobs=True, tools=chat
        )
        self._identity = Identity(
            backend="llamacpp",
            name=self._name,
            revision=revision(gguf_files(self._path)),
            backend_version=metadata.version("xllamacpp"),
            details=settings({"n_ctx": self._n_ctx, **self._arguments}),
        )

    def _parameters(self, xllamacpp: Any) -> Any:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(self._path)
        parameters.n_parallel = self.concurrency
        parameters.n_ctx = self._n_ctx * self.concurrency
        parameters.cache_prompt = False
        parameters.verbosity = -1
        parameters.ui = False
        parameters.endpoint_slots = False
        parameters.api_keys = [self._key]
        if n_threads := self._n_threads or int(self._path.stat().st_size < SMALL):
            parameters.cpuparams.n_threads = n_threads
            parameters.cpuparams_batch.n_threads = n_threads
        for name, value in self._arguments.items():
            if not hasattr(parameters, name):
                raise UsageError(_unknown(name, dir(parameters)))
            try:
                setattr(parameters, name, value)
            except (TypeError, AttributeError, ValueError, OverflowError):
                raise UsageError(
                    f"llamacpp: argument {name}={value!r} is of the wrong kind: expected one like "
                    f"{getattr(parameters, name)!r}"
                ) from None
        return parameters

    async def _ask(self, body: dict[str, Any], *, chat: bool = False) -> list[Reply]:
        """What the engine replied, in one piece or in many. Cancelling abandons the request."""
        abandoned = threading.Event()
        try:
            chunks: list[Reply] = await self._in_thread(self._handle, body, chat, abandoned)
            return chunks
        except asyncio.CancelledError:
            abandoned.set()
            raise

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._pool is None:
            raise RequestError(f"llamacpp: {self._name} is not loaded")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, function, *arguments)

    def _handle(self, body: dict[str, Any], chat: bool, abandoned: threading.Event) -> list[Reply]:
        handle = self._server.handle_chat_completions if chat else self._server.handle_completions
        chunks: list[Reply] = []

        def received(chunk: Reply) -> bool:
            chunks.append(chunk)
            return abandoned.is_set() or self._closing.is_set()

        try:
            if body["max_tokens"] > SHORT:
                body |= {"stream": True, "stream_options": {"include_usage": True}}
                handle(body, received)
            else:
                chunks.append(handle(body))
        except (RuntimeError, UnicodeError) as error:
            raise RequestError(f"llamacpp: the request could not be read: {error}") from None
        for chunk in chunks:
            if "choices" not in chunk:
                raise refusal(chunk.get("error", chunk))
        return chunks

    def _split(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[tuple[list[int], list[int]]]:
        address = self._server.listening_address.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=60)

        def encode(text: str) -> list[int]:
            connection.request(
                "POST",
                "/tokenize",
                json.dumps({"content": text, "add_special": True}),
                {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
            )
            reply = json.loads(connection.getresponse().read())
            if "tokens" not in reply:
                raise refusal(reply.get("error", reply))
            tokens: list[int] = reply["tokens"]
            return tokens

        try:
            return split(encode, context, continuations)
        except (OSError, http.client.HTTPException) as error:
            raise EngineDied(f"llamacpp's server does not answer: {error!r}") from None
        finally:
            connection.close()

    async def _forced(self, before: list[int], after: list[int]) -> LogLikelihood:
        if not after:
            return LogLikelihood(0.0, 0, True)
        grammar = "root ::= " + " ".join(f"<[{token}]>" for token in after)
        chunks = await self._ask(
            {
                "prompt": before,
                "max_tokens": len(after),
                "temperature": 0.0,
                "logprobs": 1,
                "grammar": grammar,
            }
        )
        given = list(token_entries(chunks))
        if [entry["id"] for entry in given] != after:
            raise RequestError(
                f"llamacpp: {len(before)} tokens of context and {len(after)} of continuation do "
                f"not fit the context of {self._n_ctx} tokens, or a token of the continuation "
                "ends the text"
            )
        return LogLikelihood(
            sum=sum(entry["logprob"] for entry in given),
            tokens=len(given),
            is_greedy=all(entry["top_logprobs"][0]["id"] == entry["id"] for entry in given),
        )


def _read_header(path: Path) -> bool:
    """Whether the model has a chat template. Raises ModelError when the file is no GGUF file."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelError(f"llamacpp: {path} is no GGUF file: expected a model in that form")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return content.find(CHAT_TEMPLATE, 0, METADATA_BYTES) >= 0
    except OSError as error:
        raise ModelError(
            f"llamacpp: {path} cannot be read ({error.strerror}): expected the path of a GGUF file"
        ) from None


def _unknown(name: str, known: Iterable[str]) -> str:
    public = [each for each in known if not each.startswith("_")]
    near = difflib.get_close_matches(name, ["concurrency", "n_threads", *public])
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else (
            "known ones are concurrency, n_ctx, n_threads, n_gpu_layers, n_batch, chat_template, "
            "cache_prompt, verbosity and every other attribute of xllamacpp.CommonParams"
        )
    )
    return f"llamacpp: unknown argument {name!r}: {hint}"
