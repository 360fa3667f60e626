"""What answers cost: by the price list, by tokens, by the time of GPUs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_modeleval.models.budget import BusyTime
from pytest_modeleval.models.prices import GpuPrice, TokenPrice, known_price
from pytest_modeleval.models.protocol import Identity, Usage

OPENAI = "https://api.openai.com/v1"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai"


def identity(name: str, base_url: str) -> Identity:
    return Identity("openai", name, details={"base_url": base_url})


def test_tokens_have_a_price_by_their_kind() -> None:
    price = TokenPrice(input=1, output=10, cached=0.5)
    assert price.cost(Usage(1_000_000, 0), 0) == 1
    assert price.cost(Usage(1_000_000, 100_000, 400_000), 0) == pytest.approx(0.6 + 0.2 + 1)
    assert price.cost(Usage(10, 0, 20), 0) == pytest.approx(10 * 0.5 / 1e6)  # more than there are


def test_tokens_that_nobody_counted_have_no_price() -> None:
    assert TokenPrice(1, 1, 1).cost(Usage(5, None), 0) is None
    assert TokenPrice(0, 0, 0).cost(Usage(), 0) == 0


def test_an_hour_of_gpus() -> None:
    assert GpuPrice(2.5).cost(Usage(), 1800) == 1.25


@pytest.mark.parametrize(
    ("name", "base_url"), [("gpt-4o-mini", OPENAI), ("gemini-2.5-pro", GOOGLE)]
)
def test_public_apis_are_in_the_list(name: str, base_url: str) -> None:
    price = known_price(identity(name, base_url))
    assert price is not None
    once = price.cost(Usage(1000, 0), 0)
    assert once is not None
    assert 0 < once < 0.1
    assert price.cost(Usage(2000, 0), 0) == pytest.approx(2 * once)
    assert (price.cost(Usage(1000, 0, 1000), 0) or 0) < once < (price.cost(Usage(1000, 9), 0) or 0)
    assert price.cost(Usage(1000, None), 0) is None


def test_a_long_prompt_may_be_dearer_by_the_token() -> None:
    price = known_price(identity("gemini-2.5-pro", GOOGLE))
    assert price is not None
    assert (price.cost(Usage(300_000, 0), 0) or 0) > 3 * (price.cost(Usage(100_000, 0), 0) or 0)


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("no-such-model-of-anybody", OPENAI),
        ("gpt-4o-mini", "https://llm.example.com/v1"),
        ("gpt-4o-mini", "http://localhost:8000/v1"),
        ("gpt-4o-mini", "http://10.1.2.3:8000/v1"),
        ("gpt-4o-mini", "http://[::1]:8000/v1"),
        ("gpt-4o-mini", "http://gpu-box:8000/v1"),
    ],
)
def test_nobody_knows_the_price_of_another_server(name: str, base_url: str) -> None:
    assert known_price(identity(name, base_url)) is None


def test_the_list_is_not_loaded_for_a_server_of_ones_own() -> None:
    code = (
        "import sys; from pytest_modeleval.models.prices import known_price;"
        "from pytest_modeleval.models.protocol import Identity;"
        "known_price(Identity('openai', 'm', details={'base_url': 'http://127.0.0.1:1/v1'}));"
        "known_price(Identity('vllm', 'm'));"
        "sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_busy_time_is_divided_among_those_in_flight() -> None:
    now = 0.0
    busy = BusyTime(lambda: now)
    first = busy.begin()
    now = 2.0
    second = busy.begin()
    now = 6.0
    assert busy.end(second) == 2  # half of four seconds
    now = 7.0
    assert busy.end(first) == 2 + 2 + 1
    now = 100.0  # nobody pays for what is idle
    third = busy.begin()
    now = 101.0
    assert busy.end(third) == 1
