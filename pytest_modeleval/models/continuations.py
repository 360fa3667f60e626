"""Where a continuation begins, in tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_modeleval.errors import RequestError


def split(
    encode: Callable[[str], Sequence[int]], context: str | None, continuations: Sequence[str]
) -> list[tuple[list[int], list[int]]]:
    """The tokens of the context, and those of the continuation after it, for each continuation.

    Both are encoded as one text and cut where the context alone ends, as lm-evaluation-harness
    does (`_encode_pair`): spaces at the end of the context count as the continuation's, since most
    tokenizers keep a space with the word that follows it. Raises RequestError when the context has
    no token for the first one of the continuation to follow. Without a context, the first token of
    the text takes its place, unless the tokenizer puts one of its own before.
    """
    before = len(encode("")) or 1 if context is None else len(encode(context.rstrip()))
    if not before:
        raise RequestError(
            "a log-likelihood needs a context of at least one token: this model's tokenizer adds "
            "none of its own, so start the context with a text"
        )
    wholes = [list(encode((context or "") + each)) for each in continuations]
    return [(whole[:before], whole[before:]) for whole in wholes]
