"""Chats, completions and streams of the openai backend, against a real HTTP server."""

from __future__ import annotations

import base64

import pytest

from pytest_modeleval.errors import CapabilityError
from pytest_modeleval.models.messages import ContentPart, Message, Tool, ToolCall
from pytest_modeleval.models.protocol import (
    Sampling,
    TokenLogprob,
    Usage,
)
from tests.fake_openai import FakeOpenAI, Fault, Said
from tests.unit.models.openai_asking import complete, failure, generate


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
