"""A document of LightEval asked of our model: its prompt, and the replies as its metrics read them.

`LightevalTask`, `Doc` and `ModelResponse` are LightEval's own types.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_modeleval.errors import CapabilityError, UsageError
from pytest_modeleval.models.messages import Message
from pytest_modeleval.models.model import Model

METHODS = ("GENERATIVE", "LOGPROBS", "PERPLEXITY")
"""LightEval's ways of asking, in the order in which a document is asked."""

ENDS_BY_ITSELF = frozenset({"llamacpp", "transformers", "vllm"})
"""Backends where LightEval leaves a chat's end to the model, and sends no stop sequences."""

REASONING_TAGS = [("<think>", "</think>")]
"""What is between is not part of an answer."""


async def ask(
    model: Model,
    task: Any,
    doc: Any,
    method: str,
    *,
    with_unconditioned: bool,
) -> Any:
    """The `ModelResponse` to a document.

    Raises CapabilityError for images, UsageError for several samples of a greedy model.
    """
    if doc.images:
        raise CapabilityError(
            f"LightEval task {task.full_name} shows images, which is not supported here"
        )
    if method == "GENERATIVE":
        return await _generated(model, task, doc)
    if method == "LOGPROBS":
        return await _likelihoods(model, doc, with_unconditioned)
    return await _perplexity(model, doc)


def plain_prompt(doc: Any) -> str:
    """LightEval's prompt without a chat template: instruction, examples, question."""
    from lighteval.tasks.prompt_manager import PromptManager

    return str(PromptManager(use_chat_template=False).prepare_prompt(doc))


def context_of(model: Model, doc: Any) -> str:
    """What stands before a choice: the dialogue in the model's chat template, where this process
    knows it, as LightEval's own engines have it, else the plain prompt."""
    chat = model.chat_context(messages_of(doc)) if model.capabilities.chat else None
    return plain_prompt(doc) if chat is None else chat


def messages_of(doc: Any) -> tuple[Message, ...]:
    """LightEval's dialogue: each example a turn of the user and one of the assistant."""
    from lighteval.tasks.prompt_manager import PromptManager

    turns: Any = PromptManager(use_chat_template=True).prepare_prompt_api(doc)
    return tuple(Message(turn["role"], turn["content"]) for turn in turns)


async def _generated(model: Model, task: Any, doc: Any) -> Any:
    from lighteval.models.model_output import ModelResponse
    from lighteval.utils.utils import remove_reasoning_tags

    chat = model.capabilities.chat
    settings: dict[str, Any] = {}
    if doc.generation_size is not None and doc.generation_size > 0:
        settings["max_tokens"] = doc.generation_size
    if doc.stop_sequences and not (chat and model.identity.backend in ENDS_BY_ITSELF):
        settings["stop"] = tuple(doc.stop_sequences)
    if doc.num_samples > 1 and not model.settled.get("temperature"):
        raise UsageError(
            f"LightEval task {task.full_name} takes {doc.num_samples} samples of each document, "
            "and at temperature 0 all are the same: say --model-arg temperature=0.7, or another "
            "temperature"
        )
    asked: Any = messages_of(doc) if chat else plain_prompt(doc)
    ask_once = model.chat if chat else model.complete
    replies = (
        [await ask_once(asked, **settings)]
        if doc.num_samples == 1
        else await asyncio.gather(*(ask_once(asked, **settings) for _ in range(doc.num_samples)))
    )
    texts = [reply.text or "" for reply in replies]
    return ModelResponse(
        input=[{"role": turn.role, "content": turn.content} for turn in asked] if chat else asked,
        text=texts,
        text_post_processed=[remove_reasoning_tags(text, REASONING_TAGS) for text in texts],
        reasonings=[reply.reasoning for reply in replies],
    )


async def _likelihoods(model: Model, doc: Any, with_unconditioned: bool) -> Any:
    """A sum for each choice, then, where a metric asks for it, one for each choice without the
    question. The tokens themselves are not known, only how many there are."""
    from lighteval.models.model_output import ModelResponse

    context = context_of(model, doc)
    found = await model.loglikelihood(context, doc.choices)
    if with_unconditioned and doc.unconditioned_query is not None:
        found = [*found, *await model.loglikelihood(doc.unconditioned_query, doc.choices)]
    return ModelResponse(
        input=context,
        logprobs=[each.sum for each in found],
        argmax_logits_eq_gold=[bool(each.is_greedy) for each in found],
        output_tokens=[[0] * each.tokens for each in found],
    )


async def _perplexity(model: Model, doc: Any) -> Any:
    from lighteval.models.model_output import ModelResponse

    text = context_of(model, doc)
    found = await model.perplexity(text)
    return ModelResponse(input=text, logprobs=[found.sum], output_tokens=[[0] * found.tokens])
