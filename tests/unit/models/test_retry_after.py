"""How long a server wants to be left alone."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from pytest_modeleval.models.retry_after import retry_after

NOON = "Sun, 06 Nov 1994 12:00:00 GMT"
LATER = "Sun, 06 Nov 1994 12:00:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "7", "retry-after-ms": "6500"}, 6.5),
        ({"Retry-After": LATER, "Date": NOON}, 30.0),
        ({"Retry-After": NOON, "Date": LATER}, 0.0),
        ({"Retry-After": NOON}, 0.0),
        *(({"Retry-After": text}, None) for text in ("", "soon", "-1", "nan", "inf", "1e999")),
    ],
)
def test_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_without_the_servers_clock() -> None:
    seconds = retry_after({"Retry-After": formatdate(time.time() + 60, usegmt=True)})
    assert seconds is not None
    assert 55 < seconds <= 60
