"""A small OpenAI-compatible server for tests: real HTTP on loopback, in a thread of its own.

    with FakeOpenAI(reply=lambda body: "42") as server:
        backend = OpenAIBackend("fake", base_url=server.url)

Its tokens are words with the one white space before them. A prompt's token has the log-probability
minus a tenth of its length, and up to five characters it is the likeliest one.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import web


@dataclass
class Said:
    """What the model says. `message` are more fields of a chat's message; without `usage` it is
    counted, and {} says none. A stream breaks off after so many pieces, if that is said."""

    text: str | None = ""
    finish_reason: str = "stop"
    message: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    logprobs: dict[str, Any] | None = None
    breaks_off: int | None = None


@dataclass
class Fault:
    """What is answered in place of a reply. `promised` is a false Content-Length."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    reset: bool = False
    hang: bool = False


@dataclass
class Seen:
    """A request that came. `number` counts from 0, `meets` names its fault (fault_server.py)."""

    number: int
    path: str
    query: str
    headers: dict[str, str]
    body: dict[str, Any]
    meets: str = ""


class FakeOpenAI:
    """Everything may be changed while it runs.

    `reply` maps the body of a request to what is said, `fault` a request to a Fault or None.
    `key` is required where it is set. `latency` and `pause` (between the pieces of a stream) are
    seconds. `bos` is a token before every echoed prompt, `echoes` whether prompts are echoed.
    """

    def __init__(self, reply: Callable[[dict[str, Any]], str | Said] | None = None) -> None:
        self.reply = reply or (lambda body: "hello")
        self.fault: Callable[[Seen], Fault | None] = lambda seen: None
        self.key: str | None = None
        self.models: list[str] | None = ["fake"]
        self.latency = 0.0
        self.pause = 0.0
        self.bos = ""
        self.echoes = True
        self.seen: list[Seen] = []
        self.in_flight = 0
        self.peak = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="fake-openai", daemon=True
        )
        self._port = 0

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of the chats and completions that were asked for."""
        return [seen.body for seen in self.seen if seen.path != "/v1/models"]

    def __enter__(self) -> FakeOpenAI:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
        await runner.setup()
        self._runner = runner
        await self._open()
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _open(self) -> None:
        """Listen: always at the same address."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        """Listen no more; those who are connected are cut off."""
        await self._site.stop()
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        seen = Seen(len(self.seen), request.path, request.query_string, dict(request.headers), body)
        self.seen.append(seen)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            return await self._answer(request, seen)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        if self.key is not None and seen.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "Incorrect API key provided", "invalid_api_key")
        if fault := self.fault(seen):
            return await break_off(request, fault)
        if seen.path == "/v1/models" and self.models is not None:
            return web.json_response({"data": [{"id": name} for name in self.models]})
        if seen.path not in ("/v1/chat/completions", "/v1/completions"):
            return _error(404, "Not Found", "not_found")
        if self.models and seen.body["model"] not in self.models:
            return _error(404, f"The model {seen.body['model']} does not exist", "model_not_found")
        await asyncio.sleep(self.latency)
        if seen.body.get("echo"):
            return self._echo(seen.body)
        said = self._say(seen)
        chat = seen.path == "/v1/chat/completions"
        if seen.body.get("stream"):
            return await self._stream(request, seen.body, said, chat)
        content = {"message": {"role": "assistant", "content": said.text, **said.message}}
        choice = {
            "index": 0,
            **(content if chat else {"text": said.text}),
            "finish_reason": said.finish_reason,
            "logprobs": said.logprobs,
        }
        return web.json_response({"choices": [choice], "usage": _usage(seen.body, said)})

    def _say(self, seen: Seen) -> Said:
        said = self.reply(seen.body)
        return said if isinstance(said, Said) else Said(said)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], said: Said, chat: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def send(event: Any) -> None:
            data = event if isinstance(event, str) else json.dumps(event)
            await response.write(f"data: {data}\n\n".encode())

        deltas: list[dict[str, Any]] = [{"content": each} for each in tokens(said.text or "")]
        for name, value in said.message.items():
            deltas += (
                [{name: part} for part in value]
                if name != "tool_calls"
                else [{name: [part]} for part in value]
            )
        for delta in deltas[: said.breaks_off]:
            piece = {"delta": delta} if chat else {"text": delta["content"]}
            await send({"choices": [{"index": 0, **piece, "finish_reason": None}]})
            await asyncio.sleep(self.pause)
        if said.breaks_off is not None:
            return response
        end: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
        await send({"choices": [{"index": 0, **end, "finish_reason": said.finish_reason}]})
        if body.get("stream_options", {}).get("include_usage"):
            await send({"choices": [], "usage": _usage(body, said)})
        await send("[DONE]")
        return response

    def _echo(self, body: dict[str, Any]) -> web.Response:
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        choices = []
        for index, prompt in enumerate(prompts):
            words = [self.bos] * bool(self.bos) + tokens(prompt) if self.echoes else []
            words.append(" end")
            values = [None if n == 0 else logprob(word) for n, word in enumerate(words)]
            choices.append(
                {
                    "index": index,
                    "text": prompt + " end",
                    "finish_reason": "length",
                    "logprobs": {
                        "tokens": words,
                        "token_logprobs": values,
                        "text_offset": [len("".join(words[:n])) for n in range(len(words))],
                        "top_logprobs": [
                            None if value is None else {word: value, "<best>": -0.55}
                            for word, value in zip(words, values, strict=True)
                        ],
                    },
                }
            )
        # Out of order, as a server may finish them.
        return web.json_response({"choices": choices[::-1], "usage": None})


def tokens(text: str) -> list[str]:
    """Words, each with the one white space before it; more white space stands alone."""
    return re.findall(r"\s?\S+|\s", text)


def logprob(token: str) -> float:
    """The log-probability of a token of a prompt."""
    return -len(token) / 10


def _usage(body: dict[str, Any], said: Said) -> dict[str, Any] | None:
    if said.usage is not None:
        return said.usage or None
    asked = body.get("prompt") or "\n".join(str(each["content"]) for each in body["messages"])
    return {
        "prompt_tokens": len(tokens(asked)),
        "completion_tokens": len(tokens(said.text or "")),
    }


def _error(status: int, message: str, code: str) -> web.Response:
    return web.json_response({"error": {"message": message, "code": code}}, status=status)


async def break_off(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Answer with the fault."""
    if fault.hang:
        await asyncio.sleep(3600)
    if fault.reset and request.transport is not None:
        request.transport.abort()
    headers = {"Content-Type": fault.content_type, **fault.headers}
    if fault.promised is None:
        return web.Response(status=fault.status, body=fault.body, headers=headers)
    headers["Content-Length"] = str(fault.promised)
    response = web.StreamResponse(status=fault.status, headers=headers)
    await response.prepare(request)
    await response.write(fault.body)
    if request.transport is not None:
        request.transport.close()
    return response
