"""`roman:` is a model that writes numerals as on a clock: 4 is IIII."""

import re
from collections.abc import Sequence

from pytest_modeleval.errors import CapabilityError, UsageError
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
)

SIGNS = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}


class RomanBackend:
    """Answers a chat with the last number of the last message. It takes no arguments."""

    concurrency = 8

    def __init__(self, name: str = "", **arguments: object) -> None:
        if arguments:
            raise UsageError(
                f"roman:{name} takes no arguments, but was given {', '.join(arguments)}"
            )
        self.capabilities = Capabilities(chat=True)
        self.identity = Identity(backend="roman", name=name or "clock", revision="1")

    async def start(self) -> None:
        """A real one loads its weights here, or looks whether its server answers."""

    async def generate(self, request: Request) -> Generation:
        assert request.messages is not None  # it is not asked for what it cannot do
        numbers = re.findall(r"\d+", str(request.messages[-1].content))
        number, text = int(numbers[-1] if numbers else 0), ""
        for sign, value in SIGNS.items():
            text += sign * (number // value)
            number %= value
        return Generation(text, finish_reason="stop")

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        raise CapabilityError("roman: has no log-likelihoods")

    async def aclose(self) -> None:
        """Nothing to give back."""
