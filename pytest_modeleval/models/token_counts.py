"""How many tokens a text is, where no server has counted them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from pytest_modeleval.models.answer import AnyRequest
from pytest_modeleval.models.messages import Message
from pytest_modeleval.models.protocol import Generation, LoglikelihoodRequest, Usage

BYTES_PER_TOKEN = 4
"""Of UTF-8, in the vocabularies of today: English has a little more, other languages less."""

PER_MESSAGE = 4
"""Tokens that a chat template puts round each message."""


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """`count` gives the tokens of a text, `how` says how."""

    count: Callable[[str], int]
    how: str


def rough_count(text: str) -> int:
    """The tokens of a text, by its length."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def estimated_usage(request: AnyRequest, value: Any, told: Usage) -> Usage:
    """What the server told, with what it did not tell estimated by length."""
    if told.prompt_tokens is not None and told.completion_tokens is not None:
        return told
    said = rough_count(value.text) if isinstance(value, Generation) else 0
    prompt, completion = told.prompt_tokens, told.completion_tokens
    return Usage(
        sum(map(rough_count, texts(request))) if prompt is None else prompt,
        said if completion is None else completion,
        told.cached_tokens,
        told.reasoning_tokens,
    )


def expected_usage(request: AnyRequest, tokenizer: Tokenizer) -> Usage:
    """What a request takes at most: its prompt, and the longest reply that it allows."""
    read = texts(request)
    prompt = sum(map(tokenizer.count, read))
    if isinstance(request, LoglikelihoodRequest):
        return Usage(prompt, 0)
    if request.messages is not None:
        prompt += PER_MESSAGE * len(read)
    return Usage(prompt, request.sampling.max_tokens)


def tokenizer_of(backend: str, name: str) -> Tokenizer:
    """The model's own tokenizer where it is at hand, else the rough count. Nothing is fetched."""
    found = _tiktoken(name) if backend == "openai" else _of_checkpoint(name)
    return found or Tokenizer(rough_count, f"estimated, {BYTES_PER_TOKEN} bytes a token")


def _of_checkpoint(name: str) -> Tokenizer | None:
    """`tokenizer.json` of a folder, or of a model that was fetched from the Hugging Face hub."""
    file: Any = Path(name) / "tokenizer.json"
    if not file.is_file() and find_spec("huggingface_hub"):
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            file = try_to_load_from_cache(name, "tokenizer.json")
        except HFValidationError:
            return None
    if not isinstance(file, str | Path) or not Path(file).is_file() or not find_spec("tokenizers"):
        return None
    from tokenizers import Tokenizer as Vocabulary

    vocabulary = Vocabulary.from_file(str(file))
    return Tokenizer(lambda text: len(vocabulary.encode(text).ids), "counted by its tokenizer")


def _tiktoken(name: str) -> Tokenizer | None:
    """OpenAI's, if tiktoken knows the model and has fetched its vocabulary before."""
    if not find_spec("tiktoken"):
        return None
    import tiktoken

    try:
        encoding = tiktoken.encoding_name_for_model(name)
    except KeyError:
        return None
    address = f"https://openaipublic.blob.core.windows.net/encodings/{encoding}.tiktoken"
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    cache = Path(folder) if folder else Path(gettempdir()) / "data-gym-cache"
    if not (cache / sha1(address.encode()).hexdigest()).is_file():
        return None
    vocabulary = tiktoken.get_encoding(encoding)
    return Tokenizer(
        lambda text: len(vocabulary.encode(text, disallowed_special=())),
        f"counted with tiktoken's {encoding}",
    )


def texts(request: AnyRequest) -> list[str]:
    """What a model has to read, piece by piece."""
    if isinstance(request, LoglikelihoodRequest):
        return [(request.context or "") + continuation for continuation in request.continuations]
    if request.messages is None:
        return [request.prompt or ""]
    return [_text(message) for message in request.messages]


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(part.text or "" for part in message.content)
