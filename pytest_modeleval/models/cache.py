"""The outermost layer: a question that was answered before is not asked again."""

from __future__ import annotations

from pytest_modeleval.models.answer import Answer, AnyRequest, Layer
from pytest_modeleval.models.request_key import RequestKeys
from pytest_modeleval.models.response_cache import ResponseCache
from pytest_modeleval.models.stored_reply import is_whole, pack, unpack


class Cached:
    """Answers from the cache, or asks and keeps the answer."""

    def __init__(self, inner: Layer, cache: ResponseCache, keys: RequestKeys) -> None:
        self._inner = inner
        self._cache = cache
        self._keys = keys

    async def answer(self, request: AnyRequest) -> Answer:
        try:
            key = self._keys.key(request)
        except TypeError as error:
            self._cache.tell_once(f"some replies of {self._keys.model} are not cached: {error}")
            key = None
        if key is None:
            return await self._inner.answer(request)
        stored = self._cache.get(key)
        answer = unpack(stored) if stored is not None else None
        if answer is None:
            answer = await self._inner.answer(request)
            if answer.endpoint is None and is_whole(request, answer.value):
                self._cache.put(key, self._keys.model, pack(answer))
        return answer
