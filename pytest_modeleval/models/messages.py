"""What is said to a chat model and what it says back: messages, their parts, tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "developer", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ContentPart:
    """One part of a message: a text, or an image, an audio clip or a file.

    `text` holds the text of a text part. `url` holds where the rest lies: an http(s) or a `data:`
    URL with base64 content. `media_type` is its MIME type, where the URL does not tell.
    """

    type: Literal["text", "image", "audio", "file"]
    text: str | None = None
    url: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool. `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a model may call. `parameters` is a JSON Schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a dialogue. `tool_call_id` says which call a message of role "tool" answers."""

    role: Role
    content: str | tuple[ContentPart, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


def last_user_text(messages: Sequence[Message]) -> str:
    """The text of the last message of the user, "" when there is none."""
    for message in reversed(messages):
        if message.role == "user":
            if isinstance(message.content, str):
                return message.content
            return "".join(part.text or "" for part in message.content)
    return ""
