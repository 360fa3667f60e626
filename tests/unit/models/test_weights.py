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


def test_of_a_large_file_blocks_are_read_and_the_result_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "WHOLE", 1000)
    monkeypatch.setattr(weights, "BLOCK", 10)
    monkeypatch.setattr(weights, "BLOCKS", 5)
    file = tmp_path / "model.gguf"
    content = bytearray(2000)
    file.write_bytes(content)
    before = weights.revision([file])
    assert before.startswith("sha256-sampled:")
    for place in (0, 1999):
        changed = bytearray(content)
        changed[place] = 1
        file.write_bytes(changed)
        assert weights.revision([file]) != before
