"""What proves which weights answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pytest_modeleval.errors import ModelError

WHOLE = 1 << 30
BLOCK = 1 << 20
BLOCKS = 64
_PARTS_OF_A_MODEL = (".safetensors", ".bin", ".json", ".model", ".jinja", ".txt")


def revision(files: Iterable[Path]) -> str:
    """A hash of the files' names and contents.

    `sha256:…` covers every byte. Hashing a large model takes longer than loading it, so a file
    over 1 GiB gives its size and 64 evenly spaced blocks of 1 MiB (the first and the last among
    them), and the result says so: `sha256-sampled:…`. Another training run or another quantization
    changes every block; an edit of one tensor by hand can escape.
    """
    digest = hashlib.sha256()
    sampled = False
    for file in sorted(files):
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode("utf-8", "surrogateescape"))
        with file.open("rb") as stream:
            if size <= WHOLE:
                while block := stream.read(BLOCK):
                    digest.update(block)
            else:
                sampled = True
                for number in range(BLOCKS):
                    stream.seek((size - BLOCK) * number // (BLOCKS - 1))
                    digest.update(stream.read(BLOCK))
    return f"sha256{'-sampled' if sampled else ''}:{digest.hexdigest()}"


def checkpoint_files(folder: Path) -> list[Path]:
    """The files of a Hugging Face checkpoint that can change an answer: weights, configuration,
    tokenizer and templates."""
    return [path for path in folder.iterdir() if path.suffix in _PARTS_OF_A_MODEL]


def checkpoint_folder(backend: str, name: str) -> Path | None:
    """The folder of a local checkpoint; None where `name` can only be a name on the hub.

    Raises ModelError for a path that is no checkpoint.
    """
    path = Path(name).expanduser()
    if (path / "config.json").is_file():
        return path
    if path.exists():
        raise ModelError(
            f"{backend}: {name} is no checkpoint: expected a folder with a config.json"
        )
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ModelError(f"{backend}: {name} does not exist: expected the folder of a checkpoint")
    return None
