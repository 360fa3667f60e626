"""Sample ids that are safe inside a pytest node id, a shell line and a file."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

from pytest_modeleval.errors import DatasetError

MAX_LENGTH = 80

# "gate:" is the mark of a gate among a benchmark's node ids, "::" parts them.
_SAFE = re.compile(r"(?!gate:)(?!.*::)[\w.,:/+=@#~%()-]+")
_UNSAFE = re.compile(r"[^\w.,/+=@#~%()-]")


def safe_id(text: str) -> str:
    """A text as a sample id: itself where it is safe, else cleaned and made unique by a hash.

    Safe are letters and digits of any script and `_ . , : / + = @ # ~ % ( ) -`, up to 80 of them.
    """
    if len(text) <= MAX_LENGTH and _SAFE.fullmatch(text):
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{_UNSAFE.sub('_', text)[: MAX_LENGTH - 9]}-{digest}"


def id_text(value: Any) -> str:
    """The id in a record's id field: a text or a whole number; "" where there is none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DatasetError(f"an id must be a text or a whole number, not {value!r:.60}")


def row_width(rows: int) -> int:
    """Digits of a row number in an id: four, or more where there are more rows."""
    return max(4, len(str(rows - 1)))
