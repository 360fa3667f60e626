"""Which distributions a process has imported."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import packages_distributions, version

from pytest_modeleval.results.packages import canonical

LOOK = """
import json, sys
import pytest, pyarrow, aiohttp, jinja2
from pytest_modeleval.results.packages import imported_packages
tops = [name for name in sys.modules if "." not in name and hasattr(sys.modules[name], "__file__")]
print(json.dumps([imported_packages(), tops]))
"""


def test_they_are_those_that_the_standard_library_finds() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    found, modules = json.loads(done.stdout)
    assert found == {canonical(name): version(name) for name in found}
    of = packages_distributions()
    expected = {canonical(name) for each in modules for name in of.get(each, ())}
    assert expected <= set(found)
    if sys.version_info >= (3, 11):  # before, that knows only what has a top_level.txt
        assert set(found) - expected <= {"pytest-modeleval"}  # which may be installed as a link
    assert {"attrs", "jinja2", "pytest"} <= set(found)
