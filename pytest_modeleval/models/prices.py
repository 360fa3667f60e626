"""What an answer costs in US dollars: by its tokens, or by the time that GPUs are busy with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.protocol import Identity, Usage

MILLION = 1_000_000

PRICE_ARGUMENTS = ("price", "gpu_hour")

_EXAMPLE = "price = {input = 0.15, output = 0.60}, in US dollars per million tokens"


class Price(Protocol):
    """What a model costs."""

    def cost(self, usage: Usage, busy_s: float) -> float | None:
        """US dollars of one request, which had the model to itself for `busy_s` seconds, or its
        part of it for longer. None where that takes tokens which nobody counted."""
        ...


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """US dollars per million tokens. `cached` is for those of the prompt that the server had read
    before; tokens of reasoning are output."""

    input: float
    output: float
    cached: float

    def cost(self, usage: Usage, busy_s: float) -> float | None:
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None if self.input or self.output else 0.0
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        return (
            (usage.prompt_tokens - cached) * self.input
            + cached * self.cached
            + usage.completion_tokens * self.output
        ) / MILLION


@dataclass(frozen=True, slots=True)
class GpuPrice:
    """US dollars per hour of all GPUs that answer together."""

    hour: float

    def cost(self, usage: Usage, busy_s: float) -> float | None:
        return self.hour * busy_s / 3600


@dataclass(frozen=True, slots=True)
class ListPrice:
    """A price of the database that is more than a rate for each kind of token, such as one that
    rises with the length of the prompt. It takes ten times as long to find out."""

    base_url: str
    model: str

    def cost(self, usage: Usage, busy_s: float) -> float | None:
        from genai_prices import Usage as Tokens
        from genai_prices import calc_price

        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        tokens = Tokens(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cache_read_tokens=min(usage.cached_tokens or 0, usage.prompt_tokens),
        )
        price = calc_price(tokens, self.model, provider_api_url=self.base_url)
        return float(price.total_price)


def said_price(arguments: Mapping[str, Any], place: str) -> Price | None:
    """The price that a model's arguments name; None where they name none.

    `place` is where they were said. Raises UsageError that names it and the field.
    """
    price, gpu_hour = (arguments.get(name) for name in PRICE_ARGUMENTS)
    if price is not None and gpu_hour is not None:
        raise UsageError(f"{place}: price and gpu_hour: a model has one of the two, not both")
    if gpu_hour is not None:
        return GpuPrice(_dollars(gpu_hour, f"{place}: gpu_hour", "per GPU-hour"))
    if price is None:
        return None
    if not isinstance(price, Mapping):
        raise UsageError(f"{place}: price={price!r:.60}: expected a table such as {_EXAMPLE}")
    for name in price:
        if name not in ("input", "output", "cached"):
            raise UsageError(f"{place}: price.{name}: there are input, output and cached")
    for name in ("input", "output"):
        if name not in price:
            raise UsageError(f"{place}: price.{name} is missing: expected, say, {_EXAMPLE}")
    rates = {
        name: _dollars(value, f"{place}: price.{name}", "per million tokens")
        for name, value in price.items()
    }
    return TokenPrice(rates["input"], rates["output"], rates.get("cached", rates["input"]))


def without_price(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What is left for the backend."""
    return {name: value for name, value in arguments.items() if name not in PRICE_ARGUMENTS}


def known_price(identity: Identity) -> Price | None:
    """The price of a model that nobody said one of, from the database of the package genai-prices,
    which lies on this machine. None where it does not know the server or the model."""
    base_url = identity.details.get("base_url")
    if base_url is None or _is_own(base_url):
        return None
    # Half a second, which a run without a paid model shall not spend.
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    try:
        found = calc_price(Tokens(), identity.name, provider_api_url=base_url)
    except LookupError:
        return None
    price: Any = found.model_price
    kinds = ("input_mtok", "output_mtok", "cache_read_mtok", "requests_kcount")
    prompt, reply, cached, each = (getattr(price, kind, None) for kind in kinds)
    rates: list[Any] = [prompt, reply, prompt if cached is None else cached]
    if each is None and all(isinstance(rate, Decimal) for rate in rates):
        return TokenPrice(*map(float, rates))
    return ListPrice(base_url, identity.name)


def _is_own(base_url: str) -> bool:
    """Whether the address is of this machine or this network, which no price list has."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


def _dollars(value: object, place: str, per: str) -> float:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not fits or not math.isfinite(value) or value < 0:  # type: ignore[arg-type, operator]
        raise UsageError(f"{place}={value!r:.60}: expected US dollars {per}, a number of 0 or more")
    return float(value)  # type: ignore[arg-type]
