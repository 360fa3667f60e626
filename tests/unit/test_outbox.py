from __future__ import annotations

import threading
from typing import Any

import pytest

from pytest_modeleval import outbox
from pytest_modeleval.outbox import Outbox, unpacked


class Channel:
    """What was sent, with every batch taken apart."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.messages = 0
        self.sent = threading.Event()

    def __call__(self, name: str, **event: Any) -> None:
        self.messages += 1
        if name == "unscheduled" and "events" in event["indices"]:
            self.names += [each for each, _ in unpacked(event["indices"]["events"])]
        else:
            self.names.append(name)
        self.sent.set()


def report(outcome: str, **more: Any) -> dict[str, Any]:
    return {"data": {"outcome": outcome, **more}}


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def patient(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """It sends nothing because of the time."""
    monkeypatch.setattr(outbox, "LATEST", 1000.0)
    return Outbox(channel)


def test_many_events_are_one_message_and_nothing_overtakes(
    patient: Outbox, channel: Channel
) -> None:
    patient.send("logstart", nodeid="a")
    patient.send("testreport", **report("passed"))
    assert channel.messages == 0
    patient.send("workerfinished")
    assert channel.names == ["logstart", "testreport", "workerfinished"]
    assert channel.messages == 2


def test_a_failure_is_told_at_once(patient: Outbox, channel: Channel) -> None:
    patient.send("logstart", nodeid="a")
    patient.send("testreport", **report("failed"))
    assert channel.names == ["logstart", "testreport"]


def test_a_batch_is_bounded(patient: Outbox, channel: Channel) -> None:
    for _ in range(outbox.MOST):
        patient.send("logstart", nodeid="a")
    assert (channel.messages, len(channel.names)) == (1, outbox.MOST)


def test_what_cannot_be_packed_is_left_to_xdist(patient: Outbox, channel: Channel) -> None:
    patient.send("logstart", nodeid="a")
    patient.send("testreport", **report("passed", user_properties=[("x", object())]))
    assert channel.names == ["logstart", "testreport"]
    assert channel.messages == 2


def test_nothing_waits_for_long(channel: Channel) -> None:
    for _ in range(2):
        channel.sent.clear()
        box = Outbox(channel)
        box.send("logstart", nodeid="a")
        assert channel.sent.wait(10)
    assert channel.names == ["logstart", "logstart"]


def test_values_come_through_as_they_are() -> None:
    event = {"nodeid": "\ud800", "location": ("a", None, "b"), "list": [1.5, True, {"k": b"x"}]}
    packed = outbox._packed("logstart", event)
    assert packed is not None
    assert list(unpacked([packed])) == [("logstart", event)]
