"""The openai backend against a real HTTP server."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from pytest_modeleval.errors import CapabilityError, ModelError, RequestError, UsageError
from pytest_modeleval.models.messages import ContentPart, Message, Tool, ToolCall
from pytest_modeleval.models.openai import OpenAIBackend
from pytest_modeleval.models.protocol import (
    Backend,
    Generation,
    LogLikelihood,
    Request,
    Sampling,
    TokenLogprob,
    Usage,
)
from tests.fake_openai import FakeOpenAI, Fault, Said, logprob

T = TypeVar("T")
KEY = "sk-test-1234567890abcdef"


def ask(
    server: FakeOpenAI, use: Callable[[Backend], Awaitable[T]], name: str = "fake", **arguments: Any
) -> T:
    """What `use` makes of a backend that was started and is closed after it."""

    async def main() -> T:
        backend: Backend = OpenAIBackend(name, **{"base_url": server.url, **arguments})
        try:
            await backend.start()
            return await use(backend)
        finally:
            await backend.aclose()

    return asyncio.run(main())


def generate(
    server: FakeOpenAI,
    *messages: Message,
    sampling: Sampling | None = None,
    tools: tuple[Tool, ...] = (),
    **arguments: Any,
) -> Generation:
    request = Request(
        sampling or Sampling(), messages=messages or (Message("user", "hi"),), tools=tools
    )
    return ask(server, lambda backend: backend.generate(request), **arguments)


def complete(server: FakeOpenAI, sampling: Sampling | None = None, **arguments: Any) -> Generation:
    request = Request(sampling or Sampling(), prompt="once upon")
    return ask(server, lambda backend: backend.generate(request), **arguments)


def failure(server: FakeOpenAI, fault: Fault, **arguments: Any) -> RequestError:
    """The error of a request that meets `fault`, when the probe met none."""
    server.fault = lambda seen: None if seen.path == "/v1/models" else fault
    with pytest.raises(RequestError) as caught:
        generate(server, **arguments)
    assert "\n" not in str(caught.value)
    return caught.value


class TestChat:
    def test_the_reply_with_its_tokens_and_its_time(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: f"you said {body['messages'][-1]['content']}"
        openai_server.latency = 0.02
        generation = generate(openai_server, Message("system", "be brief"), Message("user", "hi"))
        assert generation.text == "you said hi"
        assert generation.finish_reason == "stop"
        assert generation.usage == Usage(prompt_tokens=3, completion_tokens=3)
        assert generation.latency_s is not None
        assert generation.latency_s >= 0.02
        assert generation.ttft_s is None, "only a stream tells it"

    def test_what_is_sent(self, openai_server: FakeOpenAI) -> None:
        sampling = Sampling(
            temperature=0.7,
            max_tokens=9,
            stop=("\n",),
            seed=3,
            top_p=0.9,
            top_k=40,
            extra={"repetition_penalty": 1.1},
        )
        generate(openai_server, Message("user", "hi"), sampling=sampling)
        assert openai_server.bodies == [
            {
                "model": "fake",
                "messages": [{"role": "user", "content": "hi"}],
                "temperature": 0.7,
                "max_tokens": 9,
                "stop": ["\n"],
                "seed": 3,
                "top_p": 0.9,
                "top_k": 40,
                "repetition_penalty": 1.1,
            }
        ]

    def test_nothing_is_sent_that_was_not_said(self, openai_server: FakeOpenAI) -> None:
        generate(openai_server)
        assert openai_server.bodies[0].keys() == {"model", "messages", "temperature", "max_tokens"}
        assert "Authorization" not in openai_server.seen[-1].headers

    def test_content_parts(self, openai_server: FakeOpenAI) -> None:
        data = base64.b64encode(b"bytes").decode()
        parts = (
            ContentPart("text", "look"),
            ContentPart("image", url="https://x.org/a.png"),
            ContentPart("image", url=f"data:;base64,{data}", media_type="image/png"),
            ContentPart("audio", url=f"data:audio/mpeg;base64,{data}"),
            ContentPart("file", url=f"data:application/pdf;base64,{data}"),
        )
        generate(openai_server, Message("user", parts))
        assert openai_server.bodies[0]["messages"][0]["content"] == [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
            {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}},
            {
                "type": "file",
                "file": {
                    "filename": "file.pdf",
                    "file_data": f"data:application/pdf;base64,{data}",
                },
            },
        ]

    def test_audio_by_address_is_refused(self, openai_server: FakeOpenAI) -> None:
        part = ContentPart("audio", url="https://x.org/a.mp3")
        with pytest.raises(CapabilityError, match="give the audio part a data: URL"):
            generate(openai_server, Message("user", (part,)))

    def test_tools_and_their_calls(self, openai_server: FakeOpenAI) -> None:
        call = {
            "id": "call-1",
            "type": "function",
            "function": {"name": "add", "arguments": '{"a": 1}'},
        }
        openai_server.reply = lambda body: Said(None, "tool_calls", {"tool_calls": [call]})
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        generation = generate(openai_server, tools=(Tool("add", "adds", schema),))
        assert generation.tool_calls == (ToolCall("call-1", "add", '{"a": 1}'),)
        assert generation.text == ""
        assert generation.finish_reason == "tool_calls"
        assert openai_server.bodies[0]["tools"] == [
            {
                "type": "function",
                "function": {"name": "add", "description": "adds", "parameters": schema},
            }
        ]

    def test_a_dialogue_with_tool_calls(self, openai_server: FakeOpenAI) -> None:
        generate(
            openai_server,
            Message("user", "1+1"),
            Message("assistant", tool_calls=(ToolCall("call-1", "add", "{}"),)),
            Message("tool", "2", tool_call_id="call-1"),
        )
        assert openai_server.bodies[0]["messages"][1:] == [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call-1",
                        "type": "function",
                        "function": {"name": "add", "arguments": "{}"},
                    }
                ],
            },
            {"role": "tool", "content": "2", "tool_call_id": "call-1"},
        ]

    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
    def test_reasoning(self, openai_server: FakeOpenAI, field: str) -> None:
        openai_server.reply = lambda body: Said("4", message={field: "two and two"})
        assert generate(openai_server).reasoning == "two and two"

    def test_detailed_usage(self, openai_server: FakeOpenAI) -> None:
        usage = {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 3},
        }
        openai_server.reply = lambda body: Said("4", usage=usage)
        assert generate(openai_server).usage == Usage(10, 5, 8, 3)

    def test_no_usage_is_not_invented(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: Said("4", usage={})
        assert generate(openai_server).usage == Usage()

    def test_log_probabilities(self, openai_server: FakeOpenAI) -> None:
        top = [{"token": "4", "logprob": -0.1}, {"token": "5", "logprob": -2.5}]
        content = [{"token": "4", "logprob": -0.1, "bytes": None, "top_logprobs": top}]
        openai_server.reply = lambda body: Said("4", logprobs={"content": content})
        generation = generate(openai_server, sampling=Sampling(logprobs=2))
        assert generation.logprobs == (TokenLogprob("4", -0.1, (("4", -0.1), ("5", -2.5))),)
        assert openai_server.bodies[0]["logprobs"] is True
        assert openai_server.bodies[0]["top_logprobs"] == 2

    def test_a_refusal_is_what_the_model_said(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: Said(None, message={"refusal": "I cannot"})
        assert generate(openai_server).text == "I cannot"

    def test_null_content_is_an_empty_text(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: Said(None, "content_filter")
        generation = generate(openai_server)
        assert (generation.text, generation.finish_reason) == ("", "content_filter")

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        "text", ["a\0b", "\ud800 alone", "x" * 10_000_000, "\u2028 'é' 😀\r\n\x1b[31m"],
        ids=["nul", "lone surrogate", "10 MB", "odd characters"],
    )  # fmt: skip
    def test_hostile_text_comes_through_unharmed(
        self, openai_server: FakeOpenAI, text: str, stream: bool
    ) -> None:
        openai_server.reply = lambda body: text
        assert generate(openai_server, stream=stream).text == text

    def test_hostile_text_can_be_sent(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: body["messages"][0]["content"]
        assert generate(openai_server, Message("user", "\ud800\0é")).text == "\ud800\0é"


class TestCompletion:
    def test_the_reply(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: " a time"
        generation = complete(openai_server, Sampling(logprobs=0))
        assert generation.text == " a time"
        assert openai_server.seen[-1].path == "/v1/completions"
        assert openai_server.bodies[0]["prompt"] == "once upon"
        assert openai_server.bodies[0]["logprobs"] == 0

    def test_log_probabilities(self, openai_server: FakeOpenAI) -> None:
        logprobs = {
            "tokens": [" a", " time"],
            "token_logprobs": [-0.1, -0.2],
            "top_logprobs": [{" a": -0.1}, None],
        }
        openai_server.reply = lambda body: Said(" a time", logprobs=logprobs)
        assert complete(openai_server).logprobs == (
            TokenLogprob(" a", -0.1, ((" a", -0.1),)),
            TokenLogprob(" time", -0.2),
        )


class TestStream:
    def test_times_of_the_tokens(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: "one two three"
        openai_server.latency, openai_server.pause = 0.03, 0.03
        generation = generate(openai_server, stream=True)
        assert generation.text == "one two three"
        assert generation.finish_reason == "stop"
        assert generation.usage == Usage(prompt_tokens=1, completion_tokens=3)
        assert generation.ttft_s is not None
        assert generation.tpot_s is not None
        assert generation.latency_s is not None
        assert generation.ttft_s >= 0.03
        assert generation.tpot_s > 0
        assert generation.latency_s >= generation.ttft_s + 2 * generation.tpot_s
        assert openai_server.bodies[0]["stream_options"] == {"include_usage": True}

    def test_a_completion(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: " a time"
        assert complete(openai_server, stream=True).text == " a time"

    def test_nothing_said_has_no_first_token(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: ""
        generation = generate(openai_server, stream=True)
        assert (generation.text, generation.ttft_s, generation.tpot_s) == ("", None, None)

    def test_reasoning_counts_as_the_first_token(self, openai_server: FakeOpenAI) -> None:
        openai_server.reply = lambda body: Said("", message={"reasoning_content": ["hm", "m"]})
        generation = generate(openai_server, stream=True)
        assert generation.reasoning == "hmm"
        assert generation.ttft_s is not None

    def test_tool_calls_in_pieces(self, openai_server: FakeOpenAI) -> None:
        pieces = [
            {"index": 1, "id": "b", "function": {"name": "mul", "arguments": ""}},
            {"index": 0, "id": "a", "function": {"name": "add", "arguments": '{"a"'}},
            {"index": 0, "function": {"arguments": ": 1}"}},
        ]
        openai_server.reply = lambda body: Said("", "tool_calls", {"tool_calls": pieces})
        assert generate(openai_server, stream=True).tool_calls == (
            ToolCall("a", "add", '{"a": 1}'),
            ToolCall("b", "mul", ""),
        )

    def test_a_server_that_does_not_stream(self, openai_server: FakeOpenAI) -> None:
        body = b'{"choices": [{"message": {"content": "whole"}}]}'
        openai_server.fault = lambda seen: None if seen.path == "/v1/models" else Fault(body=body)
        generation = generate(openai_server, stream=True)
        assert (generation.text, generation.ttft_s) == ("whole", None)

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            (b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n', "breaks off after 1 pieces"),
            (b"", "breaks off after 0 pieces"),
            (b'data: {"choices": [{"del\n\n', "JSON only up to character"),
            (b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
            (b"data: 7\n\n", "does not have the shape of the API"),
        ],
    )
    def test_a_broken_stream(self, openai_server: FakeOpenAI, body: bytes, sentence: str) -> None:
        fault = Fault(body=body, content_type="text/event-stream")
        assert sentence in str(failure(openai_server, fault, stream=True))


class TestLogLikelihood:
    def of(
        self, server: FakeOpenAI, context: str, *continuations: str
    ) -> list[LogLikelihood]:  # fmt: skip
        return ask(server, lambda backend: backend.loglikelihood(context, continuations))

    def test_the_sum_over_the_tokens_of_each_continuation(self, openai_server: FakeOpenAI) -> None:
        answers = self.of(openai_server, "the sky is", " blue", " dark red")
        assert [each.sum for each in answers] == pytest.approx(
            [logprob(" blue"), logprob(" dark") + logprob(" red")]
        )
        assert [each.tokens for each in answers] == [1, 2]
        assert len(openai_server.bodies) == 1, "one request for all"

    def test_greedy_is_what_is_likeliest_at_every_token(self, openai_server: FakeOpenAI) -> None:
        answers = self.of(openai_server, "the sky is", " blue", " blue yonder")
        assert [each.is_greedy for each in answers] == [True, False]

    def test_a_token_that_the_server_puts_first_shifts_nothing(
        self, openai_server: FakeOpenAI
    ) -> None:
        plain = self.of(openai_server, "the sky is", " blue")
        openai_server.bos = "<|begin_of_text|>"
        assert self.of(openai_server, "the sky is", " blue") == plain

    def test_white_space_at_the_contexts_end_goes_to_the_continuation(
        self, openai_server: FakeOpenAI
    ) -> None:
        (answer,) = self.of(openai_server, "the sky is  ", "blue")
        assert answer.sum == pytest.approx(logprob(" ") + logprob(" blue"))
        assert answer.tokens == 2

    def test_a_token_across_the_border_is_the_continuations(
        self, openai_server: FakeOpenAI
    ) -> None:
        (answer,) = self.of(openai_server, "the sk", "y is")
        assert answer.sum == pytest.approx(logprob(" sky") + logprob(" is"))

    def test_empty_texts(self, openai_server: FakeOpenAI) -> None:
        assert self.of(openai_server, "the sky") == []
        assert self.of(openai_server, "the sky", "") == [LogLikelihood(0.0, 0, True)]
        openai_server.bos = "<s>"
        assert self.of(openai_server, "", "blue")[0].sum == pytest.approx(logprob("blue"))

    def test_no_context_and_no_token_before_it(self, openai_server: FakeOpenAI) -> None:
        with pytest.raises(CapabilityError, match="begin with a context"):
            self.of(openai_server, "", "blue")

    def test_a_server_that_does_not_echo(self, openai_server: FakeOpenAI) -> None:
        openai_server.echoes = False
        with pytest.raises(CapabilityError, match=r"gives no log-likelihoods of fake .* echo"):
            self.of(openai_server, "the sky is", " blue")

    def test_a_server_that_echoes_less_than_the_continuation(
        self, openai_server: FakeOpenAI
    ) -> None:
        logprobs = {"tokens": ["a", "b"], "token_logprobs": [-1, -1], "text_offset": [0, 1]}
        body = json.dumps({"choices": [{"index": 0, "logprobs": logprobs}]}).encode()
        openai_server.fault = lambda seen: Fault(body=body) if seen.body.get("echo") else None
        with pytest.raises(CapabilityError, match="does not echo the prompt's tokens"):
            self.of(openai_server, "the sky is", " blue")

    def test_a_server_that_refuses(self, openai_server: FakeOpenAI) -> None:
        refusal = Fault(400, b'{"error": {"message": "Only no echo is supported"}}')
        openai_server.fault = lambda seen: refusal if seen.body.get("echo") else None
        with pytest.raises(CapabilityError, match="Only no echo is supported"):
            self.of(openai_server, "the sky is", " blue")

    def test_a_broken_reply_is_no_lack_of_the_model(self, openai_server: FakeOpenAI) -> None:
        cut = Fault(body=b'{"choices": [')
        openai_server.fault = lambda seen: cut if seen.body.get("echo") else None
        with pytest.raises(RequestError, match="JSON only up to character"):
            self.of(openai_server, "the sky is", " blue")


class TestProbe:
    def start(self, server: FakeOpenAI, name: str = "fake", **arguments: Any) -> str:
        async def nothing(backend: Backend) -> None:
            pass

        with pytest.raises(ModelError) as caught:
            ask(server, nothing, name, **arguments)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_an_unknown_model(self, openai_server: FakeOpenAI) -> None:
        openai_server.models = ["aaa", "qwen-2.5-7b", "zzz", "b", "c", "d"]
        sentence = self.start(openai_server, "qwen2.5-7b")
        assert "has no model 'qwen2.5-7b'; it has 'qwen-2.5-7b', 'aaa'" in sentence
        assert sentence.endswith("and 1 more")

    @pytest.mark.parametrize("listed", ["fake:latest", "models/fake"])
    def test_names_as_ollama_and_google_list_them(
        self, openai_server: FakeOpenAI, listed: str
    ) -> None:
        openai_server.models = [listed]
        openai_server.fault = lambda seen: (
            None
            if seen.path == "/v1/models"
            else Fault(body=b'{"choices": [{"message": {"content": "ok"}}]}')
        )
        assert generate(openai_server).text == "ok"

    @pytest.mark.parametrize("models", [None, []])
    def test_a_server_that_lists_nothing(
        self, openai_server: FakeOpenAI, models: list[str] | None
    ) -> None:
        openai_server.models = models
        assert generate(openai_server).text == "hello"

    def test_a_wrong_key(self, openai_server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
        openai_server.key = "sk-another"
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        sentence = self.start(openai_server)
        assert "refuses the key in OPENAI_API_KEY (401)" in sentence
        assert KEY not in sentence

    def test_a_missing_key(self, openai_server: FakeOpenAI) -> None:
        openai_server.key = KEY
        assert "asks for a key (401): set the environment variable OPENAI_API_KEY" in self.start(
            openai_server
        )

    def test_the_right_key(
        self, openai_server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        openai_server.key = KEY
        monkeypatch.setenv("MY_KEY", KEY + "\n")
        assert generate(openai_server, api_key_env="MY_KEY").text == "hello"

    def test_a_key_that_may_chat_but_not_list(self, openai_server: FakeOpenAI) -> None:
        fault = Fault(403, b'{"error": {"message": "Missing scopes: api.model.read"}}')
        openai_server.fault = lambda seen: fault if seen.path == "/v1/models" else None
        assert generate(openai_server).text == "hello"

    def test_a_key_that_is_forbidden(self, openai_server: FakeOpenAI) -> None:
        openai_server.fault = lambda seen: Fault(403, b'{"error": "country not supported"}')
        assert "forbids this (403: country not supported)" in self.start(openai_server)

    def test_nobody_listens(self, openai_server: FakeOpenAI) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
            sentence = self.start(openai_server, base_url=url)
        assert sentence.startswith(f"cannot reach {url}: ")
        assert "is the server running?" in sentence

    def test_an_unknown_host(self, openai_server: FakeOpenAI) -> None:
        sentence = self.start(openai_server, base_url="http://nowhere.invalid/v1")
        assert "the name 'nowhere.invalid' is not known" in sentence

    def test_a_page_of_html(self, openai_server: FakeOpenAI) -> None:
        openai_server.fault = lambda seen: Fault(body=b"<html>\n<b>Hi</b>")
        assert "sent a reply that is not JSON: '<html> <b>Hi</b>'" in self.start(openai_server)

    def test_a_redirect_is_not_followed(self, openai_server: FakeOpenAI) -> None:
        fault = Fault(308, headers={"Location": "https://elsewhere.invalid/"})
        openai_server.fault = lambda seen: fault
        assert "redirects elsewhere (308)" in self.start(openai_server)

    def test_no_web_server(self, openai_server: FakeOpenAI) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            await writer.drain()
            writer.close()

        async def main() -> None:
            server = await asyncio.start_server(talk, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            backend = OpenAIBackend("fake", base_url=f"http://127.0.0.1:{port}/v1")
            async with server:
                with pytest.raises(RequestError, match="does not answer as a web server does"):
                    await backend.start()
            await backend.aclose()

        asyncio.run(main())


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "body", "sentence"),
        [
            (429, {"message": "slow down", "code": "rate_limit"},
             "takes no more requests for now (429: slow down rate_limit): lower --concurrency"),
            (400, {"message": "This model's maximum context length is 5 tokens"},
             "the request is too long for fake (400: This model's"),
            (400, {"message": "no", "code": "context_length_exceeded"},
             "shorten the prompt or lower max_tokens"),
            (400, {"message": "flagged", "code": "content_filter"}, "the content filter of"),
            (400, {"message": "temperature must be 1"}, "refused the request (400: temperature"),
            (400, {"message": "you must provide a chat template"}, "use model.complete(prompt)"),
            (404, {"message": "no such path"}, "check base_url, which usually ends in /v1"),
            (500, {"message": "two\nlines \x1b[31m red"}, "failed (500: two lines [31m red)"),
        ],
    )  # fmt: skip
    def test_a_refusal(
        self, openai_server: FakeOpenAI, status: int, body: dict[str, str], sentence: str
    ) -> None:
        error = failure(openai_server, Fault(status, json.dumps({"error": body}).encode()))
        assert error.status == status
        assert sentence in str(error)

    def test_the_page_of_a_proxy(self, openai_server: FakeOpenAI) -> None:
        page = Fault(502, b"<html><body>502 Bad Gateway</body></html>", "text/html")
        assert "failed (502: '<html><body>502 Bad Gateway" in str(failure(openai_server, page))

    def test_a_model_that_is_gone(self, openai_server: FakeOpenAI) -> None:
        async def lose(backend: Backend) -> None:
            openai_server.models = ["fake-2"]
            await backend.generate(Request(Sampling(), prompt="hi"))

        with pytest.raises(RequestError, match="has no model 'fake'; it has 'fake-2'") as caught:
            ask(openai_server, lose)
        assert caught.value.status == 404

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(400, f'{{"error": "{"x" * 290} {KEY}"}}'.encode()),
            Fault(403, f"<b>{KEY}</b>".encode()),
            Fault(200, f'{{"error": "{KEY}"}}'.encode()),
            Fault(200, KEY.encode()),
        ],
    )
    def test_a_server_that_quotes_the_key(
        self, openai_server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, fault: Fault
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        error = failure(openai_server, fault)
        assert openai_server.seen[-1].headers["Authorization"] == f"Bearer {KEY}"
        assert KEY[:8] not in str(error)
        assert error.__suppress_context__ or error.__context__ is None

    @pytest.mark.parametrize(
        ("fault", "sentence"),
        [
            (Fault(body=b'{"choices": [{"message": {"conte'), "is JSON only up to character"),
            (Fault(body=b"\xff\xfe\xfa"), "is not JSON"),
            (Fault(body=b"[" * 100_000), "is not JSON"),
            (Fault(body=b""), "is not JSON: ''"),
            (Fault(body=b"[]"), "does not have the shape of the API"),
            (Fault(body=b"null"), "does not have the shape of the API"),
            (Fault(body=b"{}"), "lacks the field 'choices'"),
            (Fault(body=b'{"choices": []}'), "has no choices"),
            (Fault(body=b'{"choices": [{"message": {}}]}'), "lacks the field 'content'"),
            (Fault(body=b'{"choices": [{"message": {"content": 7}}]}'), "other than a text"),
            (Fault(body=b'{"error": {"message": "overloaded"}}'), "overloaded"),
            (Fault(body=b'{"choi', promised=100), "broke off in the middle of its reply"),
            (Fault(reset=True), "closed the connection without a reply"),
        ],
    )  # fmt: skip
    def test_a_broken_reply(self, openai_server: FakeOpenAI, fault: Fault, sentence: str) -> None:
        assert sentence in str(failure(openai_server, fault))

    def test_a_reply_that_never_comes(self, openai_server: FakeOpenAI) -> None:
        error = failure(openai_server, Fault(hang=True), timeout=0.1)
        assert "did not finish its reply in time: raise timeout" in str(error)
        assert error.status is None

    def test_nothing_is_tried_again(self, openai_server: FakeOpenAI) -> None:
        failure(openai_server, Fault(500))
        assert len(openai_server.bodies) == 1


class TestConnections:
    def test_as_many_requests_in_flight_as_are_asked(self, openai_server: FakeOpenAI) -> None:
        async def many(backend: Backend) -> None:
            openai_server.fault = lambda seen: Fault(hang=True)
            tasks = [asyncio.create_task(_generate(backend)) for _ in range(150)]
            for _ in range(10_000):
                if openai_server.in_flight == 150:
                    break
                await asyncio.sleep(0.001)
            assert openai_server.in_flight == 150
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

        ask(openai_server, many)

    def test_a_cancelled_request_is_abandoned(self, openai_server: FakeOpenAI) -> None:
        async def give_up(backend: Backend) -> str:
            openai_server.fault = lambda seen: Fault(hang=True)
            task = asyncio.create_task(_generate(backend))
            while openai_server.in_flight == 0:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            openai_server.fault = lambda seen: None
            return await _generate(backend)

        assert ask(openai_server, give_up) == "hello"

    def test_closing_twice_and_before_the_start(self) -> None:
        async def main() -> None:
            backend = OpenAIBackend("fake")
            await backend.aclose()
            await backend.aclose()

        asyncio.run(main())


async def _generate(backend: Backend) -> str:
    return (await backend.generate(Request(Sampling(), prompt="hi"))).text


class TestArguments:
    def test_a_key_is_refused_and_not_shown(self) -> None:
        with pytest.raises(UsageError, match="OPENAI_API_KEY") as caught:
            OpenAIBackend("fake", api_key=KEY)
        assert KEY not in str(caught.value)

    @pytest.mark.parametrize("variable", [KEY, "abcdef123456"])
    def test_a_key_in_place_of_its_variable_is_not_shown(self, variable: str) -> None:
        with pytest.raises(UsageError, match="name of a variable that holds the key") as caught:
            OpenAIBackend("fake", api_key_env=variable)
        assert variable not in str(caught.value)

    def test_a_variable_that_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MY_KEY", raising=False)
        with pytest.raises(UsageError, match="environment variable MY_KEY is not set"):
            OpenAIBackend("fake", api_key_env="MY_KEY")

    def test_a_key_with_a_line_break(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\r\nX-Evil: 1")
        with pytest.raises(UsageError, match="OPENAI_API_KEY holds characters") as caught:
            OpenAIBackend("fake")
        assert KEY not in str(caught.value)

    def test_an_unknown_argument(self) -> None:
        with pytest.raises(UsageError, match=r"'base_ulr'; there are base_url, .*mean base_url\?"):
            OpenAIBackend("fake", base_ulr="x")

    def test_a_missing_name(self) -> None:
        with pytest.raises(UsageError, match="openai:NAME"):
            OpenAIBackend("")

    @pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://x/v1", "http://", "http://x:y/v1"])
    def test_no_address(self, url: str) -> None:
        with pytest.raises(UsageError, match="base_url: expected an address such as http://"):
            OpenAIBackend("fake", base_url=url)

    def test_the_environments_address(
        self, openai_server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url + "/")
        assert generate(openai_server, base_url=None).text == "hello"

    def test_identity_holds_no_secrets(self) -> None:
        url = "http://me:secret@host:8000/v1/?token=secret#secret"
        identity = OpenAIBackend("fake", base_url=url, revision="abc").identity
        assert (identity.backend, identity.name, identity.revision) == ("openai", "fake", "abc")
        assert identity.details == {"base_url": "http://host:8000/v1"}

    def test_a_query_goes_with_every_request(self, openai_server: FakeOpenAI) -> None:
        with_query = openai_server.url + "/?api-version=1"
        assert generate(openai_server, base_url=with_query).text == "hello"
        assert openai_server.seen[-1].query == "api-version=1"

    def test_openai_itself_is_told_the_newer_name_of_max_tokens(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
        assert OpenAIBackend("gpt")._limit == "max_completion_tokens"
        assert math.isclose(OpenAIBackend("gpt")._timeout, 600)
