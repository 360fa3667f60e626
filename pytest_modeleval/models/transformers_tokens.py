"""Texts as rows of tokens, many at once: each call gives up the interpreter, which costs more than
the tokens of a short text."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from pytest_modeleval.errors import RequestError

torch: Any = import_module("torch")


def encode(
    tokenizer: Any, texts: Sequence[str], *, special: bool = True
) -> list[list[int] | RequestError]:
    """The tokens of each text, or why it has none; `special` are those that the tokenizer itself
    puts round a text."""
    try:
        return _encoded(tokenizer, texts, special)
    except Exception as error:  # one text, such as half a surrogate pair, spoils all
        if len(texts) == 1:
            return [RequestError(f"transformers: the text cannot be encoded: {error}")]
    return [found for text in texts for found in encode(tokenizer, [text], special=special)]


def _encoded(tokenizer: Any, texts: Sequence[str], special: bool) -> list[list[int] | RequestError]:
    found: list[list[int] | RequestError] = tokenizer(
        list(texts),
        add_special_tokens=special,
        return_attention_mask=False,
        return_token_type_ids=False,
    )["input_ids"]
    return found


def pad_left(rows: Sequence[Sequence[int]], device: Any) -> tuple[Any, Any]:
    """Tokens and attention mask (row x position), zeros before shorter rows."""
    longest = max(map(len, rows))
    tokens = [[0] * (longest - len(row)) + list(row) for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)
