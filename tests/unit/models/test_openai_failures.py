"""What goes wrong between the openai backend and a real HTTP server, at its start or later."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from pytest_modeleval.errors import ModelError, RequestError, StopRun
from pytest_modeleval.models.openai import OpenAIBackend
from pytest_modeleval.models.protocol import (
    Backend,
    Request,
    Sampling,
)
from tests.fake_openai import FakeOpenAI, Fault
from tests.unit.models.openai_asking import KEY, ask, failure, generate


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

        with pytest.raises(StopRun, match="has no model 'fake'; it has 'fake-2'"):
            ask(openai_server, lose)

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
