"""LightEval's tasks as a user names them: what is collected, what is told of mistakes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("lighteval", reason="needs lighteval: tox -e engines")

from pytest_modeleval.errors import UsageError
from pytest_modeleval.integrations.lighteval import lighteval_tasks
from pytest_modeleval.integrations.lighteval.aggregation import aggregate
from tests.integration.conftest import Project
from tests.with_lighteval.harness import OWN_TASKS, Ours, run_ours, theirs


@pytest.fixture(scope="module")
def ours(project: Project, data: Path) -> Ours:
    specs = ["kinds:moody|0", "kinds:two_splits|0", "kinds:samples|0", "kinds:f1_macro|0"]
    gates = [
        "--gate=kinds:f1_macro|0: f1 >= 0.01",
        "--gate=kinds:two_splits|0: em <= 1",
        "--gate=kinds:moody|0: mood >= 0.5",
    ]
    return run_ours(project, data, specs, *gates, model="oracle:")


class TestSamples:
    def test_a_metric_that_raises_makes_its_sample_an_error(self, ours: Ours) -> None:
        benchmark = ours.benchmarks["kinds:moody|0"]
        assert {name: count for name, count in benchmark["samples"].items() if count} == {
            **{"planned": 12, "right": 11, "error": 1}
        }
        (error,) = benchmark["errors"]
        assert error["id"] == "0008"
        assert error["error"] == "LightEval's metric mood raised KeyError: 'this one'"

    def test_documents_of_several_splits(self, ours: Ours) -> None:
        ids = sorted(ours.details["kinds:two_splits|0"])
        assert ids == [f"{split}-{row:04}" for split in ("test", "train") for row in range(12)]

    def test_several_samples_of_a_greedy_model_are_refused(self, ours: Ours) -> None:
        (first, *_) = ours.benchmarks["kinds:samples|0"]["errors"]
        assert first["error"] == (
            "LightEval task kinds:samples|0 takes 4 samples of each document, and at temperature 0 "
            "all are the same: say --model-arg temperature=0.7, or another temperature"
        )

    def test_right_is_full_marks(self, ours: Ours) -> None:
        benchmark = ours.benchmarks["kinds:two_splits|0"]
        assert benchmark["metrics"]["accuracy"]["value"] == benchmark["metrics"]["em"]["value"]
        wrong = [line for line in ours.result.outlines if "em is 0: replied" in line]
        assert not wrong  # it is told with -rw only

    def test_metrics_of_documents_and_of_all_are_gated(self, ours: Ours) -> None:
        verdicts = {
            name: [gate["verdict"] for gate in each["gates"]]
            for name, each in ours.benchmarks.items()
        }
        assert verdicts["kinds:f1_macro|0"] == ["passed"]
        assert verdicts["kinds:two_splits|0"] == ["passed"]
        assert verdicts["kinds:moody|0"] == ["undecided"]


def test_the_first_documents_are_the_same(
    project: Project, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = run_ours(project, data, ["gsm8k|3"], "--max-samples=3", model="oracle:three")
    expected = theirs("gsm8k|3", data, tmp_path, monkeypatch, max_samples=3)
    assert {int(each) for each in ours.details["gsm8k|3"]} == set(map(int, expected.samples))
    assert sum(ours.asked["gsm8k|3"].values()) == 3
    hashes = ours.benchmarks["gsm8k|3"]["hashes"]
    assert None not in hashes.values(), "its examples are known as any others"


class TestNames:
    def test_a_superset_is_all_of_its_tasks(self) -> None:
        found = lighteval_tasks("mmlu|5")
        assert len(found) == 57
        assert found[1].spec == "mmlu:anatomy|5"
        assert found[1].name_within("mmlu") == "mmlu_anatomy"
        assert found[1].name_within("mmlu|5") == "mmlu:anatomy|5"

    def test_what_is_named_takes_the_place_of_what_the_spec_says(self) -> None:
        (found,) = lighteval_tasks(
            "kinds:parameters@k=3|1", few_shot=2, parameters={"n": 5}, custom_tasks=OWN_TASKS
        )
        assert found.spec == "kinds:parameters|2"
        assert found.definition.metrics == ("pass_k_k_1",)

    @pytest.mark.parametrize(
        ("spec", "told"),
        [
            ("gsm8c|5", "has no task 'gsm8c': did you mean gsm8k"),
            ("gsm8k|five", "expected task|few_shot, such as gsm8k|5"),
            ("|5", "expected task|few_shot"),
            ("gsm8k@k|5", "'k' is no parameter=value"),
            ("gsm8k@k=open('x')|5", "is no parameter=value"),
            ("gsm8k@k=2|5", "none of its metrics has a parameter 'k'"),
            ("lcb:codegeneration|0", "runs programs that the model wrote"),
            ("tiny:arc|0", "download a pickle, which is code"),
        ],
    )
    def test_what_cannot_be_run(self, spec: str, told: str) -> None:
        with pytest.raises(UsageError) as raised:
            lighteval_tasks(spec)
        assert told in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_a_folder_of_the_name_is_no_list_of_tasks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "gsm8k").mkdir()
        monkeypatch.chdir(tmp_path)
        assert [each.spec for each in lighteval_tasks("gsm8k")] == ["gsm8k|0"]

    def test_an_item_is_named_as_any_other(self, project: Project, data: Path) -> None:
        options = ["--lighteval=gsm8k|3,mgsm:de|0", f"--modeleval-data={data}"]
        result = project.run(*options, "lighteval::gsm8k|3[0001]", model="oracle:")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "*_ gsm8k|3[[]0001[]] _*",
                "extractive_match is 0: replied *, expected *#### 4*",
                "*- prompt to oracle -*",
                "  0 right, 1 wrong, 0 error of 1, 7 deselected *",
            ]
        )
        result = project.run(*options, "lighteval::gsm8k|5[0001]", model="oracle:")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["*lighteval::gsm8k|5[[]0001[]]: --lighteval names no such task; it names gsm8k|3, *"]
        )

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("TASKS_TABLE = [", "cannot be imported: SyntaxError"),
            ("TABLE = []", "has no TASKS_TABLE"),
        ],
    )
    def test_a_file_of_tasks_that_is_none(self, text: str, told: str, tmp_path: Path) -> None:
        (tmp_path / "own.py").write_text(text)
        with pytest.raises(UsageError, match=told):
            lighteval_tasks("own|0", custom_tasks=tmp_path / "own.py")

    def test_it_is_told_at_collection(self, project: Project) -> None:
        result = project.run("--lighteval=gsm8c|5", model="oracle:")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(
            ["lighteval: task 1 (gsm8c|5): LightEval has no task 'gsm8c': did you mean gsm8k*"]
        )


class TestDatasets:
    def test_one_that_is_not_at_hand_leaves_its_task_undecided(
        self, project: Project, data: Path
    ) -> None:
        result = project.run("--lighteval=piqa|0", f"--modeleval-data={data}", model="oracle:")
        assert result.ret == 1
        (benchmark,) = project.results["benchmarks"]
        assert f"there is no {data}/piqa/" in benchmark["refusal"]
        assert "hf download" in benchmark["refusal"]

    def test_one_whose_fields_do_not_match(self, project: Project, tmp_path: Path) -> None:
        (tmp_path / "gsm8k").mkdir()
        (tmp_path / "gsm8k" / "test.jsonl").write_text('{"query": "?"}\n')
        result = project.run("--lighteval=gsm8k|0", f"--modeleval-data={tmp_path}", model="oracle:")
        result.stdout.fnmatch_lines(
            ["*gsm8k|0 cannot make documents of openai/gsm8k: KeyError: 'question'*"]
        )

    def test_the_files_that_the_authors_publish(self, tmp_path: Path) -> None:
        (tmp_path / "mgsm").mkdir()
        (tmp_path / "mgsm" / "mgsm_de.tsv").write_text("Was ist 1+2?\t3\nUnd 1000+1?\t1,001\n")
        (found,) = lighteval_tasks("mgsm:de|0", folders=[tmp_path])
        documents = found.definition.dataset()  # type: ignore[operator]
        samples = {each["id"]: documents.to_sample(each) for each in map(documents.record, (0, 1))}
        assert samples["0001"].target == "1001"
        assert samples["0000"].input.startswith("Frage: Was ist 1+2?\nSchritt-für-Schritt")


def test_a_pack_names_tasks(project: Project, data: Path) -> None:
    project.path.joinpath("own.pack.toml").write_text(
        f"""
[pack]
name = "own"
version = "1.0.0"

[[task]]
lighteval = "arc:challenge|25"
few_shot = 2
gates = ["acc >= 0.9"]
max_samples = 4

[[task]]
lighteval = "kinds:parameters|0"
parameters = {{k = 2, n = 3}}
custom_tasks = '{OWN_TASKS}'
sampling = {{temperature = 0.5}}
"""
    )
    project.run("own.pack.toml", f"--modeleval-data={data}", model="oracle:")
    first, second = project.results["benchmarks"]
    assert first["name"] == "own.pack.toml::arc_challenge"
    assert first["samples"]["planned"] == 4
    assert [gate["verdict"] for gate in first["gates"]] == ["failed"]
    assert second["samples"]["error"] == 0
    assert second["usage"]["requests"] == 3 * 12


def test_metrics_of_all_documents_without_lighteval_in_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in the controller of several processes."""
    values = [{"f1": {"golds": ["a"], "preds": [each]}} for each in ("a", "b", "a")]
    arguments = {"spec": "kinds:f1_macro|0", "names": {"f1": "f1"}, "custom_tasks": str(OWN_TASKS)}
    here = aggregate(values, **arguments)
    monkeypatch.delitem(sys.modules, "lighteval")
    assert aggregate(values, **arguments) == here
    assert "lighteval" not in sys.modules
