"""Distributions that bring backends, datasets and scorers, as a project meets them."""

from __future__ import annotations

import json

import pytest

from tests.installing import install
from tests.integration.conftest import Project

ACME = """
from pytest_modeleval import Sample
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.models.catalog import BackendEntry

def polite(text, target):
    return "please" in text

def pytest_modeleval_backends():
    return {"acme": BackendEntry("pytest_modeleval.models.echo:EchoBackend")}

def pytest_modeleval_datasets():
    return [
        RegisteredDataset(
            name="acme-sums",
            split="test",
            files={"test": [__file__.replace("acme_evals.py", "sums.jsonl")]},
            to_sample=lambda record: Sample(input=record["sum"], target=record["sum"]),
        )
    ]

def pytest_modeleval_scorers():
    return {"polite": polite}
"""

SUMS = """
from pytest_modeleval import benchmark

@benchmark("acme-sums")
async def test_sums(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""


@pytest.fixture
def acme(project: Project) -> Project:
    """A project into which the distribution acme-evals is installed, and a plugin of pytest."""
    install(
        project.path,
        "acme-report",
        "0.3",
        entry_points={"pytest11": {"acme_report": "acme_report"}},
    )
    project.file("def pytest_modeleval_finished(): pass", "acme_report")
    install(
        project.path,
        "acme-evals",
        "1.2.0",
        entry_points={
            "modeleval.plugins": {"acme": "acme_evals"},
            "modeleval.packs": {"acme": "acme_packs"},
        },
    )
    project.file(ACME, "acme_evals")
    (project.path / "acme_packs").mkdir()
    (project.path / "acme_packs/polite.pack.toml").write_text(
        '[pack]\nname = "politeness"\nversion = "1.0.0"'
    )
    (project.path / "sums.jsonl").write_text('{"sum": "1+1"}\n{"sum": "2+2"}\n')
    project.file(SUMS)
    return project


def test_what_it_brings_is_used_and_recorded(
    acme: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    result = acme.run_subprocess(
        "-n2", "-p", "no:randomly", "--modeleval-out=run", model="acme:any"
    )
    assert result.ret == 0
    written = json.loads((acme.path / "run/results.json").read_text("utf-8"))
    assert written["benchmarks"][0]["samples"]["right"] == 2
    assert written["plugins"] == [
        {
            "name": "acme-evals",
            "version": "1.2.0",
            "provides": {
                "backends": ["acme"],
                "datasets": ["acme-sums"],
                "scorers": ["polite"],
                "packs": ["politeness"],
            },
        },
        {"name": "acme-report", "version": "0.3", "provides": {"writers": ["acme_report"]}},
    ]


def test_one_that_is_named_is_recorded_as_well(acme: Project) -> None:
    result = acme.run("-p", "acme_evals")
    assert result.ret == 0
    (plugin,) = acme.results["plugins"]
    assert plugin["version"] == "1.2.0"


class TestSwitchedOff:
    def test_as_pytests_own(self, acme: Project) -> None:
        result = acme.run()
        result.stdout.fnmatch_lines(["*no dataset is registered as 'acme-sums'*"])

    def test_by_name(self, acme: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
        result = acme.run_subprocess("-p", "no:acme")
        result.stdout.fnmatch_lines(["*no dataset is registered as 'acme-sums'*"])


class TestOneThatIsBroken:
    @pytest.fixture(autouse=True)
    def autoload(self, acme: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")

    def test_at_import_is_one_sentence_before_workers_start(self, acme: Project) -> None:
        acme.file("import acme_core", "acme_evals")
        result = acme.run_subprocess("-n2")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                "ERROR: the plugin acme-evals 1.2.0 cannot be imported: ModuleNotFoundError: No "
                "module named 'acme_core' (*acme_evals.py, line 1): install what it lacks, "
                "uninstall it, or leave it out with -p no:acme"
            ]
        )
        result.stdout.no_fnmatch_line("*workers*")
        assert "Traceback" not in result.stderr.str() + result.stdout.str()

    def test_made_for_another_version_of_us(self, acme: Project) -> None:
        metadata = acme.path / "acme_evals-1.2.0.dist-info/METADATA"
        metadata.write_text(metadata.read_text() + "Requires-Dist: pytest-modeleval>=7,<8\n")
        result = acme.run_subprocess()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                "ERROR: the plugin acme-evals 1.2.0 needs pytest-modeleval<8,>=7, but 0.* is "
                'installed: pip install "pytest-modeleval<8,>=7", or leave it out with -p no:acme'
            ]
        )

    def test_costs_a_session_without_benchmarks_nothing(self, acme: Project) -> None:
        acme.file("raise SystemExit('acme is not for everyone')", "acme_evals")
        acme.file("def test_plain(): pass")
        result = acme.run_subprocess(model=None)
        result.assert_outcomes(passed=1)

    def test_a_hook_that_there_is_not(self, acme: Project) -> None:
        acme.file("def pytest_modeleval_scorer(): return {}", "acme_evals")
        result = acme.run_subprocess()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                "ERROR: the plugin acme-evals 1.2.0 is not made for this version of "
                "pytest-modeleval: unknown hook 'pytest_modeleval_scorer'*"
            ]
        )


class TestHooks:
    """In plugins that are named, and in a conftest."""

    @pytest.mark.parametrize(
        ("hook", "told"),
        [
            (
                "def pytest_modeleval_scorers(): return {}['polite']",
                "acme-evals 1.2.0: pytest_modeleval_scorers raised KeyError: 'polite' "
                "(*acme_evals.py, line 1)",
            ),
            (
                "def pytest_modeleval_scorers(): return [len]",
                "acme-evals 1.2.0: pytest_modeleval_scorers must return a dict of functions by "
                "name, not ?<built-in function len>?",
            ),
            (
                "def pytest_modeleval_backends(): return {'acme': 'acme:Backend'}",
                "acme-evals 1.2.0: pytest_modeleval_backends must return a dict of BackendEntry by "
                "name, not {'acme': 'acme:Backend'}",
            ),
            (
                "def pytest_modeleval_scorers(): return {'f1': len}",
                "the scorer 'f1' is brought twice, by pytest-modeleval and by acme-evals 1.2.0: "
                "uninstall one, leave it out with -p no:NAME of its entry point, or have it use "
                "another name",
            ),
        ],
    )
    def test_that_cannot_be_used(self, acme: Project, hook: str, told: str) -> None:
        acme.file(hook, "acme_evals")
        result = acme.run("-p", "acme_evals")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {told}"])

    @pytest.mark.parametrize(
        ("factory", "told"),
        [
            ("acme_core:Backend", "ModuleNotFoundError: No module named 'acme_core'"),
            ("acme_evals:Backends", "AttributeError: module 'acme_evals' has no attribute *"),
            ("acme_evals:Backend", "KeyError: 'ACME_KEY' (*acme_evals.py, line 4)"),
        ],
    )
    def test_a_backend_that_cannot_be_made(self, acme: Project, factory: str, told: str) -> None:
        acme.file(
            f"""
from pytest_modeleval.models.catalog import BackendEntry
def pytest_modeleval_backends(): return {{"acme": BackendEntry("{factory}")}}
class Backend:
    def __init__(self, name): {{}}["ACME_KEY"]
""",
            "acme_evals",
        )
        acme.file(SUMS.replace('"acme-sums"', '[{"input": "1", "target": "1"}]'))
        result = acme.run("-p", "acme_evals", model="acme:x")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: model acme:x: {factory} raised {told}"])

    def test_two_distributions_of_one_mind(self, acme: Project) -> None:
        install(
            acme.path, "other", "3.0", entry_points={"modeleval.plugins": {"other": "other_evals"}}
        )
        acme.file(ACME, "other_evals")
        result = acme.run("-p", "acme_evals", "-p", "other_evals")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: the * is brought twice, by acme-evals 1.2.0 and by other 3.0: *"]
        )

    def test_a_project_has_the_last_word(self, acme: Project) -> None:
        acme.conftest(
            """
def pytest_modeleval_datasets():
    from pytest_modeleval import Sample
    from pytest_modeleval.datasets.registered import RegisteredDataset
    return [
        RegisteredDataset(
            name="acme-sums",
            split="test",
            files={"test": [__file__.replace("conftest.py", "own.jsonl")]},
            to_sample=lambda record: Sample(input=record["sum"], target=record["sum"]),
        )
    ]
"""
        )
        (acme.path / "own.jsonl").write_text('{"sum": "3+3"}\n')
        assert acme.run("-p", "acme_evals").ret == 0
        assert acme.samples == {"planned": 1, "right": 1}


class TestAskedForByAPack:
    PACK = """
[pack]
name = "sums"
version = "1.0.0"

[[task]]
benchmark = "test_it.py::test_sums"

[[plugin]]
package = "acme-evals"
version = "RANGE"
"""

    def pack(self, acme: Project, versions: str, package: str = "acme-evals") -> None:
        text = self.PACK.replace("RANGE", versions).replace("acme-evals", package)
        (acme.path / "sums.pack.toml").write_text(text)

    def test_a_mere_library_is_recorded(self, acme: Project) -> None:
        acme.file(SUMS.replace('"acme-sums"', '[{"input": "1", "target": "1"}]'))
        install(acme.path, "acme-library", "2.1")
        self.pack(acme, ">=1", package="acme_library")
        assert acme.run("sums.pack.toml").ret == 0
        assert acme.results["plugins"] == [
            {"name": "acme-library", "version": "2.1", "provides": {}}
        ]

    def test_who_brought_the_pack_is_recorded(self, acme: Project) -> None:
        (acme.path / "acme_packs/records.jsonl").write_text('{"input": "1", "target": "1"}')
        with (acme.path / "acme_packs/polite.pack.toml").open("a") as file:
            file.write('\n[[task]]\nname = "one"\ndataset = "records.jsonl"\n')
        assert acme.run("--pack", "politeness").ret == 0
        assert acme.results["plugins"] == [
            {"name": "acme-evals", "version": "1.2.0", "provides": {"packs": ["politeness"]}}
        ]

    @pytest.mark.parametrize("workers", [(), ("-n2",)])
    def test_out_of_range_nothing_runs(self, acme: Project, workers: tuple[str, ...]) -> None:
        acme.plugins.append("xdist")
        self.pack(acme, ">=2,<3")
        result = acme.run("-p", "acme_evals", "sums.pack.toml", *workers)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                "ERROR: sums.pack.toml needs the plugin acme-evals>=2,<3, but 1.2.0 is installed: "
                'pip install "acme-evals>=2,<3", or correct the range in the pack'
            ]
        )
        result.stdout.no_fnmatch_line("*workers*")

    def test_without_a_model_before_the_benchmark_is_imported(self, acme: Project) -> None:
        acme.file("import not_there\n" + SUMS)
        self.pack(acme, ">=2", package="not-there")
        result = acme.run("--collect-only", "sums.pack.toml", model=None)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                "ERROR: sums.pack.toml needs the plugin not-there>=2, which is not installed: "
                'pip install "not-there>=2"'
            ]
        )

    def test_switched_off(self, acme: Project) -> None:
        self.pack(acme, "")
        result = acme.run("sums.pack.toml")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                "ERROR: sums.pack.toml needs the plugin acme-evals, which is installed but left "
                "out, by -p no:acme or PYTEST_DISABLE_PLUGIN_AUTOLOAD: name its module, "
                "-p acme_evals"
            ]
        )
