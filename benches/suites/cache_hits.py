"""CPU-µs of the cache layer for each request, as JSON: 300-token questions, 100-token replies."""

import asyncio
import json
import tempfile
import time
from pathlib import Path

from pytest_modeleval.models.answer import Answer
from pytest_modeleval.models.cache import Cached
from pytest_modeleval.models.messages import Message
from pytest_modeleval.models.protocol import Generation, Identity, Origin, Request, Sampling, Usage
from pytest_modeleval.models.request_key import RequestKeys
from pytest_modeleval.models.response_cache import ResponseCache

COUNT = 20_000
QUESTION = "Think step by step, and say what you do. " * 30
REPLY = Generation("So it goes, and so on. " * 16, "stop", usage=Usage(300, 100), latency_s=1.0)


class Model:
    async def answer(self, request):
        return Answer(REPLY, 1.0)


def spent(file: Path, requests: list[Request]) -> float:
    cache = ResponseCache(file, mode="on", limit=1 << 40, warn=print)
    cache.open()
    layer = Cached(Model(), cache, RequestKeys(Identity("bench", "model", "1"), "run"))

    async def ask_all() -> None:
        for request in requests:
            await layer.answer(request)

    started = time.process_time()
    asyncio.run(ask_all())
    cache.close()
    return (time.process_time() - started) / COUNT * 1e6


requests = [
    Request(
        Sampling(seed=number),
        (Message("user", f"{number}. {QUESTION}"),),
        origin=Origin("bench", str(number)),
    )
    for number in range(COUNT)
]
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "cache.sqlite")
    kept, found = spent(file, requests), spent(file, requests)
print(json.dumps({"a reply that is found": found, "a reply that is kept": kept}))
