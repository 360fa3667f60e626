"""What makes two requests the same: a hash of everything that an answer depends on."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from pytest_modeleval.models.protocol import Identity, LoglikelihoodRequest, Origin, Request
from pytest_modeleval.plain_text import shown

FORMAT = 1
"""Part of every key: a new number where the same JSON means another question."""


class RequestKeys:
    """Keys of the requests to one model.

    In a key are the model's whole identity, the whole request, and the sample, epoch and number of
    the call that it comes from: two calls of one body are two draws, however alike they are. Not
    in it are the benchmark's name, the model's alias and its role. Where no revision is known the
    run's id is: another run may meet another model under the same name. `model` is for people.
    """

    def __init__(self, identity: Identity, run_id: str) -> None:
        scope = None if identity.revision else run_id
        self.model = shown(f"{identity.backend}:{identity.name}")
        self._identity = sha256(_canonical([FORMAT, identity, scope]))

    def key(self, request: Request | LoglikelihoodRequest) -> bytes | None:
        """32 bytes; None for a request from outside of a sample, which cannot be told from its
        like. Raises TypeError for one that JSON cannot say."""
        if request.origin is None:
            return None
        digest = self._identity.copy()
        digest.update(_canonical(request))
        return digest.digest()


def _canonical(value: object) -> bytes:
    """JSON in the order in which things were said, since a server may read them in that order."""
    return _ENCODER.encode(value).encode()


def _plain(value: Any) -> object:
    """What JSON does not know: our own values as their fields, under their name."""
    if isinstance(value, Mapping):
        return dict(value)
    kind: type = type(value)
    return [kind.__name__, *_fields(kind)(value)]


_ENCODER = json.JSONEncoder(default=_plain, separators=(",", ":"))


@functools.cache
def _fields(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind.__name__} has no form in JSON")
    names = [field.name for field in dataclasses.fields(kind)]
    if kind is Origin:
        names.remove("benchmark")  # one that is renamed still asks the same
        names.remove("deadline")
    return lambda value: tuple([getattr(value, name) for name in names])
