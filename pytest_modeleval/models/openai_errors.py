"""What can go wrong at an OpenAI-compatible server, each as one sentence."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from pytest_modeleval.models.openai_replies import excerpt

_TOO_LONG = ("context_length", "context length", "context size", "maximum context", "too long")
_FILTERED = (
    "content_filter",
    "content_policy",
    "content management policy",
    "moderation",
    "flagged",
)
_SPENT = ("insufficient_quota", "insufficient balance", "insufficient credit", "billing")


@dataclass(frozen=True, slots=True)
class Server:
    """The server as a sentence may name it: `url` is without credentials. The key is not here."""

    url: str
    model: str
    key_variable: str
    has_key: bool

    def refusal(self, status: int, raw: bytes) -> str:
        """Why a request was answered with `status`, from the body of the answer."""
        reason = server_message(raw)
        said = f"({status}: {reason})"
        if status == 401:
            if self.has_key:
                return (
                    f"{self.url} refuses the key in {self.key_variable} (401): set "
                    f"{self.key_variable} to a key that is valid there"
                )
            return (
                f"{self.url} asks for a key (401): set the environment variable "
                f"{self.key_variable}, or name another one with api_key_env"
            )
        lower = reason.lower()
        if any(each in lower for each in _FILTERED):
            return f"the content filter of {self.url} refused the request {said}"
        if is_final(status, raw) and status in (402, 429):
            return f"the account at {self.url} is spent {said}: see to its billing"
        if status == 403:
            return (
                f"{self.url} forbids this {said}: the key in {self.key_variable} may not use "
                f"{self.model}"
            )
        if status == 404:
            return (
                f"{self.url} does not know this request {said}: check base_url, which usually "
                "ends in /v1"
            )
        if status == 429:
            return (
                f"{self.url} takes no more requests for now {said}: lower --concurrency, or look "
                "at the account's limits"
            )
        if 300 <= status < 400:
            return f"{self.url} redirects elsewhere ({status}): give the final address as base_url"
        if any(each in lower for each in _TOO_LONG):
            return (
                f"the request is too long for {self.model} {said}: shorten the prompt or lower "
                "max_tokens"
            )
        if "chat template" in lower:
            return f"{self.model} has no chat template {said}: use model.complete(prompt)"
        if status >= 500:
            return f"{self.url} failed {said}"
        return f"{self.url} refused the request {said}"

    def lists_model(self, names: Sequence[str]) -> bool:
        """Is the model among these? Ollama adds a tag to names, Google a folder."""
        return any(
            self.model in (name, name.removesuffix(":latest"), name.removeprefix("models/"))
            for name in names
        )

    def unknown_model(self, names: Sequence[str]) -> str:
        """There is no such model; the nearest names of those that there are come first."""
        near = difflib.get_close_matches(self.model, names, n=3, cutoff=0.4)
        shown = [*near, *(name for name in sorted(names) if name not in near)][:5]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        return f"{self.url} has no model {self.model!r}; it has {', '.join(map(repr, shown))}{more}"

    def malformed(self, why: object) -> str:
        """The reply came, and is not what it should be."""
        return f"{self.url} sent a reply that {why}; is it an OpenAI-compatible API?"

    def no_loglikelihoods(self, why: str) -> str:
        """The server does not say how likely a given text is."""
        return (
            f"{self.url} gives no log-likelihoods of {self.model} (it needs completions with echo "
            f"and logprobs, as vLLM has them): {why}"
        )

    def too_slow(self, error: BaseException) -> str:
        """No answer came in time."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"cannot reach {self.url}: no connection in time; check base_url"
        return f"{self.url} did not finish its reply in time: raise timeout, or lower --concurrency"

    def unreachable(self, error: BaseException) -> str:
        """Why no answer came, from an exception of aiohttp or of a socket."""
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return f"cannot reach {self.url}: the name {error.host!r} is not known; check base_url"
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.strerror or str(error.os_error)
            return f"cannot reach {self.url}: {reason}; is the server running?"
        if isinstance(error, aiohttp.ClientSSLError):
            return f"cannot reach {self.url}: no secure connection ({type(error).__name__})"
        if isinstance(error, aiohttp.ServerDisconnectedError):
            return f"{self.url} closed the connection without a reply"
        if isinstance(error, aiohttp.ClientPayloadError):
            return f"{self.url} broke off in the middle of its reply"
        if isinstance(error, aiohttp.ClientResponseError):
            said = excerpt(error.message.encode())
            return f"{self.url} does not answer as a web server does: {said}"
        if isinstance(error, OSError):
            return f"the connection to {self.url} broke: {error.strerror or type(error).__name__}"
        return f"the request to {self.url} failed: {type(error).__name__}"


def is_final(status: int, raw: bytes) -> bool:
    """Whether any other request would be refused as well: a wrong key, no right to the model, or
    an account without money. A 403 is the API's own only as JSON: a firewall's is HTML."""
    lower = server_message(raw).lower()
    if status == 403:
        return raw.lstrip().startswith(b"{") and not any(each in lower for each in _FILTERED)
    if status == 429:
        return any(each in lower for each in _SPENT)
    return status in (401, 402)


def server_message(raw: bytes) -> str:
    """What the body of an error says, and its code: on one line, without control characters."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return excerpt(raw)
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        parts = [error.get("message") or error.get("detail") or "", error.get("code") or ""]
        error = " ".join(str(part) for part in parts if isinstance(part, str) and part) or error
    text = error if isinstance(error, str) else json.dumps(error)
    text = "".join(each if each.isprintable() else " " for each in text[:2000])
    return " ".join(text.split())[:300]
