"""What proves which weights answered, and how they were set up."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from pytest_modeleval.errors import ModelError

BLOCK = 64 << 20
"""Bytes that one thread hashes at a time."""

THREADS = 16
_PIECE = 1 << 20
_PARTS_OF_A_MODEL = (
    *(".safetensors", ".bin", ".pt", ".pth", ".gguf"),
    *(".json", ".model", ".tiktoken", ".jinja", ".txt", ".py"),
)

SMALL = 16 << 20
"""Below this size (bytes) a processor's threads wait for each other longer than they compute."""


def revision(files: Iterable[Path]) -> str:
    """A hash of the files' names and of every byte in them: `sha256:…`.

    Blocks are hashed by several threads, each at more than 1 GB/s, so that this takes less time
    than loading the model does.
    """
    states = [(file, file.stat()) for file in sorted(files, key=lambda file: (file.name, file))]
    return _revision(tuple((file, state.st_size, state.st_mtime_ns) for file, state in states))


@lru_cache(maxsize=16)
def _revision(files: Sequence[tuple[Path, int, int]]) -> str:
    """Once for files that nobody has touched: it is asked for before loading, and after."""
    blocks = [(file, start) for file, size, _ in files for start in range(0, size, BLOCK)]
    digest = sha256()
    for file, size, _ in files:
        digest.update(f"{file.name}\0{size}\0".encode("utf-8", "surrogateescape"))
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for found in pool.map(_block_digest, *zip(*blocks)) if blocks else ():
            digest.update(found)
    return f"sha256:{digest.hexdigest()}"


def _block_digest(file: Path, start: int) -> bytes:
    digest = sha256()
    with file.open("rb") as stream:
        stream.seek(start)
        for _ in range(BLOCK // _PIECE):
            digest.update(stream.read(_PIECE))
    return digest.digest()


def settings(arguments: Mapping[str, Any]) -> dict[str, str]:
    """What an engine was told, for its identity: any of it may change an answer. Where an argument
    names a file or a folder, what is in there counts."""
    found = {}
    for name, value in arguments.items():
        found[name] = value if isinstance(value, str) else json.dumps(value, default=repr)
        path = Path(value).expanduser() if isinstance(value, str) and "\0" not in value else None
        if path is not None and len(os.fsencode(path)) < 4096 and path.exists():
            files = [path] if path.is_file() else checkpoint_files(path)
            found[name] += f" ({revision(files)})"
    return found


def gguf_files(path: Path) -> list[Path]:
    """The files of a GGUF model: more than one where it is split (`…-00001-of-00003.gguf`)."""
    split = re.fullmatch(r"(.*)-\d{5}-of-(\d{5})\.gguf", path.name)
    if split is None:
        return [path]
    count = int(split[2])
    return [
        path.with_name(f"{split[1]}-{number:05}-of-{split[2]}.gguf")
        for number in range(1, count + 1)
    ]


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
