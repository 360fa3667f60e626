"""pytest's entry point: each hook hands over in a line or two.

Nothing is imported here that a project without benchmarks would pay for; the first benchmark that
is collected, or the first `--model`, brings in the rest.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modeleval.stash import RUN, SETTINGS

if TYPE_CHECKING:
    from pytest_modeleval.models.model import Model
    from pytest_modeleval.run import Run


def pytest_addoption(parser: pytest.Parser) -> None:
    from pytest_modeleval.options import add_options

    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_modeleval import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("modeleval_model"):
        active(config)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if hasattr(metafunc.function, "__modeleval__"):
        run = active(metafunc.config)
        if "sample" in metafunc.fixturenames:
            metafunc.parametrize("sample", [None], ids=[pytest.HIDDEN_PARAM])
        if len(run.specs) > 1 and "modeleval_alias" in metafunc.fixturenames:
            metafunc.parametrize("modeleval_alias", list(run.specs), scope="session", indirect=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Collector, name: str, obj: object
) -> Generator[None, Any, Any]:
    made = yield
    definition = getattr(obj, "__modeleval__", None)
    if definition is None or isinstance(obj, type) or not isinstance(made, list):
        return made
    from pytest_modeleval.collection import expand

    run = active(collector.config)
    return expand(run, made, definition)


@pytest.fixture(scope="session")
def modeleval_alias(request: pytest.FixtureRequest) -> str:
    """The alias of the model under test; one run of each benchmark for every `--model`."""
    run = active(request.config)
    return str(getattr(request, "param", next(iter(run.specs), "")))


@pytest.fixture(scope="session")
def models(request: pytest.FixtureRequest, modeleval_alias: str) -> Generator[Any, None, None]:
    """The models by role: models["model"] is the one under test, --role names the others."""
    run = active(request.config)
    yield run.models(modeleval_alias)
    run.close_engine(modeleval_alias)


@pytest.fixture(scope="session")
def model(models: Any) -> Model:
    """The model under test, named with --model: await model.chat(…), model.complete(…),
    model.choose(…), model.loglikelihood(…). A plain `def` calls the same without await."""
    return models["model"]  # type: ignore[no-any-return]


def active(config: pytest.Config) -> Run:
    """The evaluation that this pytest session has turned out to be."""
    if RUN not in config.stash:
        from pytest_modeleval.errors import ModelevalError
        from pytest_modeleval.options import load
        from pytest_modeleval.run import Run
        from pytest_modeleval.session import Session

        try:
            settings = config.stash[SETTINGS] = load(config.getoption, config.rootpath)
            config.stash[RUN] = Run(config, settings)
        except ModelevalError as error:
            raise pytest.UsageError(str(error)) from None
        config.pluginmanager.register(Session(config), "modeleval-session")
    return config.stash[RUN]
