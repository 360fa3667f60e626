"""JSON Lines: one object a line, read from the file when it is asked for."""

from __future__ import annotations

import gzip
import mmap
from array import array
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any, NoReturn

from pytest_modeleval.datasets.dataset import Record
from pytest_modeleval.datasets.files import FileDataset, shown
from pytest_modeleval.errors import DatasetError

_BOM = b"\xef\xbb\xbf"


class JsonlDataset(FileDataset):
    """A `.jsonl` file, mapped into memory, or a `.jsonl.gz` file, unpacked into it.

    Only the offsets of the lines are kept. Values keep the type that JSON gives them: nothing is
    inferred from other lines. Blank lines are skipped. The file must not change while it is open.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._content = _content(path)
        self._starts = array("Q")
        start = len(_BOM) if self._content[:3] == _BOM else 0
        end = len(self._content)
        while start < end:
            stop = self._content.find(b"\n", start) + 1 or end
            if not self._content[start:stop].isspace():
                self._starts.append(start)
            start = stop

    def __len__(self) -> int:
        return len(self._starts)

    def record(self, row: int) -> Record:
        """The object on a line. Raises DatasetError when the line is not a JSON object."""
        start = self._starts[row]
        stop = self._content.find(b"\n", start)
        line = self._content[start:stop] if stop >= 0 else self._content[start:]
        try:
            value = _DECODER.decode(line.decode())
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{self.where(row)}: byte {error.start + 1} is not UTF-8; save the file as UTF-8"
            ) from error
        except JSONDecodeError as error:
            raise DatasetError(
                f"{self.where(row)}: malformed JSON at column {error.colno}: {error.msg}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{self.where(row)}: malformed JSON: {error}") from error
        if not isinstance(value, dict):
            raise DatasetError(
                f"{self.where(row)}: expected a JSON object, found {_json_type(value)}"
            )
        return value

    def where(self, row: int) -> str:
        """The file and the line, counted from 1 with the blank lines."""
        line = self._content[: self._starts[row]].count(b"\n") + 1
        return f"{shown(self.path)} line {line}"


def _content(path: Path) -> bytes | mmap.mmap:
    if path.suffix.lower() == ".gz":
        try:
            return gzip.decompress(path.read_bytes())
        except (OSError, EOFError) as error:
            raise DatasetError(f"{shown(path)} is not a whole gzip file: {error}") from error
    with path.open("rb") as file:
        if path.stat().st_size == 0:  # an empty file cannot be mapped
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value; write null or a text")


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    names = {list: "an array", str: "a text", bool: "a truth value"}
    return names.get(type(value), "a number")


_DECODER = JSONDecoder(parse_constant=_refuse_constant)
