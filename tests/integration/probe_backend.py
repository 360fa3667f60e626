"""A model for the projects under test: it answers with what it was asked, and tells what it saw.

    class Backend(Probe):
        async def reply(self, text, number):
            await self.until(lambda: self.in_flight == 8)
            return text

What it saw is in `probe.json` once the run is over.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_modeleval.models.messages import last_user_text
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
)

PATIENCE = 10.0
"""Seconds after which what never comes true is an error instead of a hang."""


class Probe:
    """Override `reply`; `number` counts the requests from 0."""

    concurrency = 64

    def __init__(self, name: str = "", **arguments: Any) -> None:
        self.identity = Identity("probe", name or "probe")
        self.capabilities = Capabilities(chat=True, completion=True, loglikelihood=True)
        self.in_flight = 0
        self.peak = 0
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.notes: dict[str, Any] = {}
        self.folder = Path.cwd()

    async def start(self) -> None:
        """Nothing to load."""

    async def reply(self, text: str, number: int) -> str:
        return text

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for other requests; RuntimeError where they never come."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeError("waited in vain")
            await asyncio.sleep(0.001)

    async def generate(self, request: Request) -> Generation:
        text = request.prompt if request.messages is None else last_user_text(request.messages)
        number = len(self.asked)
        self.asked.append(text or "")
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            return Generation(await self.reply(text or "", number), finish_reason="stop")
        finally:
            self.in_flight -= 1
            self.answered.append(text or "")

    async def loglikelihood(
        self, context: str, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        return [LogLikelihood(-float(len(text)), len(text)) for text in continuations]

    async def aclose(self) -> None:
        seen = {
            "peak": self.peak,
            "asked": self.asked,
            "answered": self.answered,
            **self.notes,
        }
        (self.folder / "probe.json").write_text(json.dumps(seen), encoding="utf-8")
