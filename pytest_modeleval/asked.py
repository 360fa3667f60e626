"""What the command line asks for by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.stash import NAMED_ITEMS


class Asked:
    """The items that the command line names by their full node ids."""

    def __init__(self, config: pytest.Config) -> None:
        self._parts: dict[tuple[Path, str], set[str]] = {}
        self._whole: list[Path] = []
        self.count = 0
        for argument in [*config.args, *config.stash.get(NAMED_ITEMS, ())]:
            path, _, names = argument.partition("::")
            name, bracket, part = names.partition("[")
            place = (config.invocation_params.dir / path).resolve()
            if bracket:
                self.count += 1
                self._parts.setdefault((place, name), set()).add(part.removesuffix("]"))
            else:
                self._whole.append(place)

    def names(self, path: Path, name: str) -> bool:
        """Whether an item with brackets was named by its full node id."""
        function, _, part = name.partition("[")
        return part.removesuffix("]") in self._parts.get((path, function), ())

    def named(self, template: pytest.Function) -> set[str] | None:
        """What stands in brackets for this function; None where it is wanted whole."""
        path = next(node.path for node in template.listchain() if isinstance(node, pytest.File))
        names = template.nodeid.partition("[")[0].partition("::")[2]
        if any(path == whole or whole in path.parents for whole in self._whole):
            return None
        return self._parts.get((path, names))
