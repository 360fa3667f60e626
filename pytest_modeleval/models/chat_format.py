"""Messages and tools in the form that chat templates and OpenAI-compatible servers read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_modeleval.errors import CapabilityError
from pytest_modeleval.models.messages import Message, Tool


def text_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The messages as dicts of role and content, for an engine that reads only text.

    Raises CapabilityError for a part that is no text.
    """
    return [_text_message(message) for message in messages]


def tool_definitions(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """The tools as OpenAI's function definitions."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters) or {"type": "object", "properties": {}},
            },
        }
        for tool in tools
    ]


def without_first_token(tokenizer: Any, text: str) -> str:
    """A text that a chat template has begun with the token that `tokenizer` puts before every text,
    without it."""
    first: str | None = tokenizer.bos_token
    puts = tokenizer.encode("")[:1] == [tokenizer.bos_token_id]
    return text.removeprefix(first) if first and puts else text


def tool_calls(message: Message) -> list[dict[str, Any]]:
    """The tool calls of an assistant's turn."""
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in message.tool_calls
    ]


def _text_message(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": _text(message)}
    if message.tool_calls:
        written["tool_calls"] = tool_calls(message)
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    return written


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    for part in message.content:
        if part.type != "text":
            raise CapabilityError(
                f"this engine reads only text, but a message holds a part of type {part.type!r}: "
                "use a backend that takes it, such as openai"
            )
    return "".join(part.text or "" for part in message.content)
