"""The files of a run, behind one door: rows go in as samples arrive, the rest at the end."""
from __future__ import annotations

from pathlib import Path
from typing import Any


class ResultFiles:
    def __init__(self, settings: Any, root: Path) -> None:
        self.run_id = "x"; self.folder = root; self.written: list[Path] = []
    def sample(self, report: Any, results: Any) -> None: ...
    def finish(self, result: Any) -> None: ...
