"""The command line as results may hold it: they are shared."""

from __future__ import annotations

import re
from collections.abc import Sequence

# A name such as key, api_key or hf-token, but not max_tokens, nor api_key_env with a variable.
_NAME = r"(?:[^\"'\s]*[\W_])?(?:key|token|secret|password)"
_OPTION = re.compile(f"-{_NAME}", re.I)
_HIDDEN = (
    (re.compile(f"({_NAME}=).*", re.I | re.S), r"\1[hidden]"),
    (re.compile(rf"([\"']{_NAME}[\"']\s*:\s*)[\"'][^\"']*[\"']", re.I), r'\1"[hidden]"'),
    (re.compile(r"://[^/@\s]*@"), "://[hidden]@"),
)


def without_secrets(command: Sequence[str]) -> list[str]:
    """The arguments, with the values of what is named like a secret and the credentials of
    addresses hidden."""
    shown = []
    for before, text in zip(["", *command], command):
        if _OPTION.fullmatch(before):
            text = "[hidden]"
        for secret, instead in _HIDDEN:
            text = secret.sub(instead, text)
        shown.append(text)
    return shown
