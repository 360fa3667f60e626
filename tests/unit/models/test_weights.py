"""What proves which weights answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.models import weights


def test_every_byte_counts(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"abc")
    before = weights.revision([file])
    file.write_bytes(b"abd")

    assert before.startswith("sha256:")
    assert weights.revision([file]) != before


def test_the_order_and_the_folder_do_not_count(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a.safetensors", "b.safetensors", "notes.md"):
            (tmp_path / folder / name).write_text(name if name != "notes.md" else folder)

    one, two = (weights.checkpoint_files(tmp_path / folder) for folder in ("one", "two"))

    assert weights.revision(one) == weights.revision(reversed(two))


def test_a_large_file_counts_to_its_last_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "BLOCK", 100)
    monkeypatch.setattr(weights, "_PIECE", 10)
    file = tmp_path / "model.gguf"
    seen = set()
    for place in (None, 0, 99, 100, 549, 999, 1004):
        content = bytearray(1005)
        if place is not None:
            content[place] = 1
        file.write_bytes(content)
        seen.add(weights.revision([file]))
    assert len(seen) == 7


def test_a_block_may_not_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "BLOCK", 10)
    monkeypatch.setattr(weights, "_PIECE", 10)
    file = tmp_path / "model.gguf"
    file.write_bytes(b"a" * 10 + b"b" * 10)
    before = weights.revision([file])
    file.write_bytes(b"b" * 10 + b"a" * 10)
    assert weights.revision([file]) != before


def test_a_split_model_is_all_of_its_files(tmp_path: Path) -> None:
    first = tmp_path / "big-00001-of-00003.gguf"
    assert [file.name for file in weights.gguf_files(first)] == [
        "big-00001-of-00003.gguf",
        "big-00002-of-00003.gguf",
        "big-00003-of-00003.gguf",
    ]
    assert weights.gguf_files(tmp_path / "small.gguf") == [tmp_path / "small.gguf"]


def test_settings_hold_the_files_that_they_name(tmp_path: Path) -> None:
    template = tmp_path / "template.jinja"
    template.write_text("one")
    given = {"n_batch": 8, "rope": [1, 0.5], "chat_template": str(template), "odd": object}
    before = weights.settings(given)
    assert before["n_batch"] == "8"
    assert before["rope"] == "[1, 0.5]"
    assert weights.settings(given) == before
    template.write_text("two")
    assert weights.settings(given) != before
    assert weights.settings({**given, "n_batch": 16})["n_batch"] == "16"
