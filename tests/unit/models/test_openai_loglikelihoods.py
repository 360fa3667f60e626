"""Log-likelihoods of the openai backend, against a real HTTP server that echoes."""

from __future__ import annotations

import json

import pytest

from pytest_modeleval.errors import CapabilityError, RequestError
from pytest_modeleval.models.protocol import (
    LogLikelihood,
)
from tests.fake_openai import FakeOpenAI, Fault, logprob
from tests.unit.models.openai_asking import ask


class TestLogLikelihood:
    def of(
        self, server: FakeOpenAI, context: str | None, *continuations: str
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

    def test_a_whole_text(self, openai_server: FakeOpenAI) -> None:
        """Its first token counts only where another one is before it."""
        (answer,) = self.of(openai_server, None, "the sky is")
        assert (answer.sum, answer.tokens) == (pytest.approx(logprob(" sky") + logprob(" is")), 2)
        openai_server.bos = "<s>"
        (answer,) = self.of(openai_server, None, "the sky is")
        assert (answer.sum, answer.tokens) == (pytest.approx(-1.0), 3)

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
