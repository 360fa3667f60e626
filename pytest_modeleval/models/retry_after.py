"""How long a server wants to be left alone.

https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number or a date; None where the server said nothing that makes sense.

    A date is compared with the server's own clock where it told that, not with ours.
    `retry-after-ms` is what OpenAI and Azure say beside it. The names are in no particular case:
    give a mapping that does not mind.
    """
    said = headers.get("Retry-After")
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    seconds = _number(said)
    if seconds is not None:
        return seconds
    until, now = _date(said), _date(headers.get("Date")) or datetime.now(timezone.utc)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
