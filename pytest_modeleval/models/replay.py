"""`replay:PATH`: replies that were recorded, in place of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.arguments import Arguments
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
)
from pytest_modeleval.models.recordings import Recording, open_recording


class ReplayBackend:
    """Recorded replies: of a JSONL file, or of an earlier run's folder.

    `LinesRecording` and `RunRecording` say what is found how. A run's log-likelihoods and tool
    calls are replayed too. Sampling is not looked at. Tokens and times are not reported, since
    nobody counted or waited.

    Arguments: `alias` (which model of a run of several), `concurrency` (64).
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        taken = Arguments("replay", arguments)
        self.concurrency = taken.count("concurrency", 64)
        self._alias = taken.text("alias")
        taken.finish()
        if not name:
            raise UsageError("replay: the path is missing: replay:PATH")
        self._path = Path(name).expanduser()
        self._recording: Recording
        self.identity = Identity("replay", name)
        self.capabilities = Capabilities()

    async def start(self) -> None:
        """Read and check the recording. Raises ModelError, with file and line."""
        self._recording = await asyncio.to_thread(open_recording, self._path, self._alias)
        self.identity = Identity("replay", self.identity.name, self._recording.fingerprint)
        self.capabilities = Capabilities(
            chat=True,
            completion=True,
            loglikelihood=self._recording.has_loglikelihoods,
            tools=True,
            images=True,
        )

    async def generate(self, request: Request) -> Generation:
        return self._recording.reply(request)

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        return self._recording.loglikelihood(context, continuations)

    async def aclose(self) -> None:
        """Forget the recording."""
        if hasattr(self, "_recording"):
            del self._recording
