"""The openai backend's connections and arguments."""

from __future__ import annotations

import asyncio
import math

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.openai import OpenAIBackend
from pytest_modeleval.models.protocol import (
    Backend,
    Request,
    Sampling,
)
from tests.fake_openai import FakeOpenAI, Fault
from tests.unit.models.openai_asking import KEY, ask, generate


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
        assert identity.details["base_url"] == "http://host:8000/v1"
        assert "secret" not in str(identity)

    def test_another_query_is_another_model(self) -> None:
        urls = [f"http://host:8000/v1{query}" for query in ("", "?model=a", "?model=b")]
        found = {str(OpenAIBackend("fake", base_url=url).identity) for url in urls}
        assert len(found) == 3

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
