"""Files of other versions: older ones are brought up to date step by step, newer ones refused.

Everything that reads a pack, a job, or a file of a run goes through `up_to_date` first.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_modeleval.errors import ModelevalError

Notice = Callable[[str], None]
"""Told one sentence where a file is older than this version of the package."""


def print_notice(sentence: str) -> None:
    print(sentence, file=sys.stderr)


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    `version` is what this version of the package writes and reads, *major* or *major.minor*: a
    minor version only adds what readers of the old one pass over. `steps` bring a document to the
    next major version, by the one that they start from. `advice` says what to do about a file that
    cannot be read.
    """

    name: str
    version: str
    advice: str
    steps: Mapping[int, Callable[[Any], Any]] = field(default_factory=dict)


def up_to_date(
    form: Format, version: object, document: Any, place: str, notice: Notice = print_notice
) -> Any:
    """The document as this version of the package knows it.

    Args:
        form: what kind of file it is.
        version: of the format that it was written in, as it says itself.
        document: what was read, in JSON's own types; of the details a table.
        place: the file, as the user knows it.
        notice: is told where the document was older.

    Raises:
        ModelevalError: it is newer, so old that no step starts from it, or has no version.
    """
    found = re.fullmatch(r"(\d{1,9})(\.\d{1,9})?", str(version))
    if isinstance(version, bool) or found is None:
        raise ModelevalError(
            f"{place}: schema_version={version!r:.40}: expected a version of {form.name} such as "
            f"{form.version}"
        )
    major, now = int(found[1]), _major(form.version)
    if major > now or (major < now and major not in form.steps):
        raise ModelevalError(
            f"{place} has schema version {version}, and this version of pytest-modeleval reads "
            f"{form.version}: {form.advice}"
        )
    for each in range(major, now):
        document = form.steps[each](document)
    if major < now:
        notice(f"{place} is of schema version {version}: it was read as {form.version}")
    return document


def _major(version: str) -> int:
    return int(version.partition(".")[0])
