"""A line of events is written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_modeleval.results.events import VERSION, EventLog, PhaseBegan, now


def event(run_id: str = "r1") -> PhaseBegan:
    return PhaseBegan(schema_version=VERSION, time=now(), run_id=run_id, phase="initializing")


def test_a_line_that_does_not_fit_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "events.jsonl"
    log = EventLog.open(str(file))
    assert log.write(event()) is None
    whole = file.read_text()
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:20]))
    assert log.write(event()) == "the disk is full"
    assert file.read_text() == whole
    monkeypatch.undo()
    assert log.write(event()) is None, "it is told once"
    assert file.read_text() == whole


def test_a_pipe_that_nobody_reads() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = EventLog(writer)
    assert log.write(event()) == "broken pipe"
    log.close()


def test_any_text_makes_a_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    log = EventLog.open(str(file))
    log.write(event("line\nbreak \ud800 \0"))
    log.close()
    (line,) = file.read_text("utf-8").splitlines()
    assert json.loads(line)["run_id"] == "line\nbreak \ud800 \0"
