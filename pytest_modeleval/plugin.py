"""pytest's entry point: each hook hands over in a line or two.

Nothing is imported here that a project without benchmarks would pay for; the first benchmark that
is collected, or the first `--model`, brings in the rest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.stash import ADDED_PACKS, DIST_CHOSEN, RUN, SETTINGS, WRONG

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_modeleval.models.model import Model
    from pytest_modeleval.run import Run
    from pytest_modeleval.session import Session
    from pytest_modeleval.settings import RunConfig
    from pytest_modeleval.status_events import StatusEvents


def pytest_addoption(parser: pytest.Parser) -> None:
    from pytest_modeleval.options import add_options

    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_modeleval import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Before pytest captures output."""
    said = early_config.known_args_namespace.modeleval_events
    if "-" in (said, os.environ.get("MODELEVAL_EVENTS") if said is None else None):
        from pytest_modeleval.status_events import set_stdout_apart

        set_stdout_apart(early_config)
    return (yield)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """For `-n auto`; None leaves it to xdist, which counts cores."""
    from pytest_modeleval.settings import load

    try:
        models = load(config.getoption, config.rootpath).models
        if not models or os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
            return None
        from pytest_modeleval.gpus import auto_workers

        run = active(config)
        return auto_workers(run.models.specs.values(), run.backends)
    except ModelevalError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    """Before xdist makes of `-n` a `--dist` of its own."""
    option = config.option
    config.stash[DIST_CHOSEN] = getattr(option, "distload", False) or (
        getattr(option, "dist", "no") != "no"
    )
    if getattr(option, "numprocesses", None) or config.stash[DIST_CHOSEN]:
        from pytest_modeleval.settings import load

        with suppress(ModelevalError):  # which is told later
            if load(config.getoption, config.rootpath).dry_run:  # this process asks nobody
                option.numprocesses, option.dist, option.distload, option.tx = 0, "no", False, []
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    job = config.getoption("modeleval_job") or os.environ.get("MODELEVAL_JOB")
    if job or config.getoption("modeleval_pack") or os.environ.get("MODELEVAL_PACK"):
        from pytest_modeleval.packs import add_named

        add_named(config)
    if config.getoption("modeleval_lighteval") or os.environ.get("MODELEVAL_LIGHTEVAL"):
        from pytest_modeleval.lighteval_option import add_tasks

        add_tasks(config)
    led = "modeleval_journal" in getattr(config, "workerinput", {})
    if led or job or config.getoption("modeleval_model") or _leads_workers(config):
        active(config)


def _leads_workers(config: pytest.Config) -> bool:
    """Whether this is xdist's controller, which collects nothing, of a run that names a model."""
    if config.getoption("dist", "no") == "no" or hasattr(config, "workerinput"):
        return False
    from pytest_modeleval.settings import load

    try:
        return bool(load(config.getoption, config.rootpath).models)
    except ModelevalError:
        return False  # the workers tell, if they find a benchmark


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if hasattr(metafunc.function, "__modeleval__"):
        run = active(metafunc.config)
        if "sample" in metafunc.fixturenames:
            metafunc.parametrize("sample", [None], ids=[pytest.HIDDEN_PARAM])
        if len(run.models.specs) > 1 and "modeleval_alias" in metafunc.fixturenames:
            metafunc.parametrize(
                "modeleval_alias", list(run.models.specs), scope="session", indirect=True
            )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    settings = parent.config.stash.get(SETTINGS, None)
    is_job = settings is not None and settings.job is not None and settings.job.path == file_path
    if not is_job and not file_path.name.endswith(".pack.toml"):
        return None
    from pytest_modeleval.packs import PackModule, is_named

    if not is_named(file_path, parent.config):
        return None
    active(parent.config)  # what the pack needs is there, or the run is refused
    return PackModule.of_path(file_path, parent)


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


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A mistake in a benchmark is one sentence, not a traceback."""
    report = yield
    if isinstance(collector, pytest.Session) and ADDED_PACKS in collector.config.stash:
        from pytest_modeleval.packs import added

        report.result = [*(report.result or ()), *added(collector)]
    call = getattr(report, "call", None)
    if call is None or call.excinfo is None:
        return report
    if WRONG in collector.config.stash:
        raise pytest.UsageError(collector.config.stash[WRONG])  # no benchmark's fault
    if isinstance(call.excinfo.value, ModelevalError):
        from pytest_modeleval.plain_text import shown

        report.longrepr = shown(str(call.excinfo.value))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    error = sys.exc_info()[1]
    output = getattr(session.config, "workeroutput", None)
    if output is not None and isinstance(error, pytest.UsageError):
        output["modeleval_usage_error"] = str(error)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker refuses, the run does: as one sentence, and not as a crashed worker."""
    text = getattr(node, "workeroutput", {}).get("modeleval_usage_error")
    if text:
        raise pytest.UsageError(text)


@pytest.fixture(scope="session")
def modeleval_alias(request: pytest.FixtureRequest) -> str:
    """The alias of the model under test; one run of each benchmark for every `--model`."""
    run = active(request.config)
    return str(getattr(request, "param", next(iter(run.models.specs), "")))


@pytest.fixture(scope="session")
def models(request: pytest.FixtureRequest, modeleval_alias: str) -> Generator[Any, None, None]:
    """The models by role: models["model"] is the one under test, --role names the others."""
    run = active(request.config)
    yield run.models.with_helpers(modeleval_alias)
    run.models.close_engine(modeleval_alias)


@pytest.fixture(scope="session")
def model(models: Any) -> Model:
    """The model under test, named with --model: await model.chat(…), model.complete(…),
    model.choose(…), model.loglikelihood(…), model.perplexity(…). A plain `def` calls the same
    without await."""
    return models["model"]  # type: ignore[no-any-return]


def active(config: pytest.Config) -> Run:
    """The evaluation that this pytest session has turned out to be."""
    if RUN not in config.stash:
        from pytest_modeleval.run import Run
        from pytest_modeleval.session import Session
        from pytest_modeleval.settings import load

        try:
            settings = config.stash[SETTINGS] = load(config.getoption, config.rootpath)
            run = Run(config, settings)
            if settings.job is not None:
                run.contributed.require(settings.job.own_tasks)
            if any(".pack.toml" in each for each in config.args):
                from pytest_modeleval.packs import named_packs

                for pack in named_packs(config):
                    run.contributed.require(pack)
            config.stash[RUN] = run
            session = Session(config)
            events = _events(config, settings, session)
        except ModelevalError as error:
            config.stash[WRONG] = str(error)
            raise pytest.UsageError(str(error)) from None
        config.pluginmanager.register(session, "modeleval-session")
        if events is not None:
            config.pluginmanager.register(events, "modeleval-events")
        if settings.dry_run:
            from pytest_modeleval.dry_run import DryRun

            config.pluginmanager.register(DryRun(config.stash[RUN]), "modeleval-dry-run")
        if hasattr(config, "workerinput"):
            from pytest_modeleval.worker import Worker

            config.pluginmanager.register(Worker(config), "modeleval-worker")
    return config.stash[RUN]


def _events(config: pytest.Config, settings: RunConfig, session: Session) -> StatusEvents | None:
    """Of a run, in the process that reports. Raises UsageError where they cannot be written."""
    runs = not (settings.dry_run or config.option.collectonly)
    if settings.events is None or hasattr(config, "workerinput") or not runs:
        return None
    from pytest_modeleval.status_events import StatusEvents

    return StatusEvents(config, session, settings.events)
