"""Datasets of the hub: their addresses, and what is said when they are not at hand."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_modeleval.datasets.hub import HubAddress
from pytest_modeleval.datasets.source import open_dataset
from pytest_modeleval.errors import DatasetError, DatasetMissing

ROOT = Path(__file__).parents[3]


def installed() -> bool:
    package = importlib.util.find_spec("datasets")
    return package is not None and package.origin is not None


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("hf:openai/gsm8k:main[test]", HubAddress("openai/gsm8k", "main", "test")),
        ("hf:openai/gsm8k:main", HubAddress("openai/gsm8k", "main", "test")),
        ("hf:a.b/c-d_e[train]", HubAddress("a.b/c-d_e", None, "train")),
        ("hf:squad", HubAddress("squad", None, "test")),
        ("hf:a/b:c-d.e[test[:100]]", HubAddress("a/b", "c-d.e", "test[:100]")),
    ],
)
def test_an_address_is_read(source, address):
    assert HubAddress.parse(source) == address


@pytest.mark.parametrize("source", ["hf:", "hf:a/b/c", "hf:a/b[]", "hf:a/b[test", "hf:../../etc/x"])
def test_an_address_that_does_not_read(source):
    with pytest.raises(DatasetError) as error:
        open_dataset(source)
    assert str(error.value) == f"{source!r} does not read as 'hf:org/name:config[split]'"


@pytest.mark.skipif(installed(), reason="the package datasets is installed")
def test_without_the_package(tmp_path, monkeypatch):
    (tmp_path / "datasets").mkdir()  # a folder of that name is no package
    monkeypatch.syspath_prepend(tmp_path)
    needs = "needs the package 'datasets': pip install 'pytest-modeleval[hf]'"
    with pytest.raises(DatasetMissing) as error:
        open_dataset("hf:a/b")
    assert str(error.value).startswith(f"hf:a/b[test] {needs}")
    with pytest.raises(DatasetMissing) as error:
        open_dataset("gsm8k", folders=[tmp_path])
    assert str(error.value) == (
        f"dataset gsm8k is not at hand: there is no {tmp_path}/gsm8k/test.jsonl, "
        f"{tmp_path}/gsm8k/main/test-00000-of-00001.parquet; hf:openai/gsm8k:main[test] {needs}; "
        "get it with 'hf download openai/gsm8k --repo-type dataset --local-dir DIR/gsm8k' "
        "and name the folder: --modeleval-data DIR"
    )


# --- with the package --------------------------------------------------------------------------

CODE = """
import sys
from pytest_modeleval.datasets.source import open_samples
from pytest_modeleval.errors import ModelevalError
for source in sys.argv[1:]:
    try:
        samples = open_samples(source)
        print(len(samples), samples.sample(1).input, samples.where(1), samples.dataset.fingerprint)
    except ModelevalError as error:
        print(type(error).__name__, str(error).replace("\\n", " "))
"""

needs_package = pytest.mark.skipif(not installed(), reason="the package datasets is not installed")


def opened(*sources: str, home: Path, **environment: str) -> list[str]:
    """What a new process says of each source; the package reads its environment at import."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *sources],
        env={**inherited, "PYTHONPATH": str(ROOT), "HF_HOME": str(home), **environment},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Retrying" not in done.stderr
    return done.stdout.splitlines()


@needs_package
def test_a_hub_that_cannot_be_reached(tmp_path):
    """A closed port on loopback: the client of the hub alone would try for half a minute."""
    assert opened("hf:a/b", home=tmp_path, HF_ENDPOINT="http://127.0.0.1:9") == [
        "DatasetMissing hf:a/b[test] is not in the local cache of the hub, and the hub does not "
        "give it: Couldn't reach 'a/b' on the Hub (OfflineModeIsEnabled); run once with a network, "
        "and it stays in the cache"
    ]


@pytest.fixture
def cached(tmp_path):
    """A home folder whose cache holds someone/numbers:small, with one split, test."""
    import datasets

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.jsonl").write_text('{"question": "first"}\n{"question": "second"}\n')
    datasets.load_dataset(
        "json",
        "small",
        data_files={"test": str(tmp_path / "data" / "test.jsonl")},
        cache_dir=str(tmp_path / "built"),
    )
    (info,) = (tmp_path / "built").rglob("dataset_info.json")
    place = tmp_path / "datasets" / "someone___numbers" / "small" / "0.0.0" / "0123abcd"
    shutil.copytree(info.parent, place)
    (place / "json-test.arrow").rename(place / "numbers-test.arrow")
    text = (place / "dataset_info.json").read_text()
    config = info.parts[-4]
    (place / "dataset_info.json").write_text(
        text.replace(f'"{config}"', '"small"').replace('"json"', '"numbers"')
    )
    return tmp_path


@needs_package
def test_what_is_in_the_cache_is_read_without_a_network(cached):
    small, default, split, config = opened(
        "hf:someone/numbers:small[test]",
        "hf:someone/numbers",
        "hf:someone/numbers:small[train]",
        "hf:someone/numbers:large",
        home=cached,
        HF_HUB_OFFLINE="1",
    )
    count_and_input, fingerprint = small.rsplit(maxsplit=1)
    assert count_and_input == "2 second hf:someone/numbers:small[test] row 2"
    assert default == f"2 second hf:someone/numbers[test] row 2 {fingerprint}"
    assert split.startswith('DatasetError hf:someone/numbers:small[train]: Unknown split "train"')
    assert config.startswith(
        "DatasetMissing hf:someone/numbers:large[test] is not in the local cache of the hub"
    )
