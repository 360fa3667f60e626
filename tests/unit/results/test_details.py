"""Details files: what goes in comes out, in order, whatever happened in between."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pyarrow import parquet

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results import details, details_parts
from pytest_modeleval.results.details import DetailsWriter, details_files, read_details
from pytest_modeleval.results.details_schema import DETAILS_SCHEMA
from pytest_modeleval.results.record import Call, SampleResult

MakeResult = Callable[..., SampleResult]
SmallDisk = Callable[[int], AbstractContextManager[None]]
FILE = "benchmarks.gsm8k.test_gsm8k.test_gsm8k.parquet"
PARTS = "benchmarks.gsm8k.test_gsm8k.test_gsm8k.parts"


def written(folder: Path, *results: SampleResult) -> list[dict[str, object]]:
    """The rows that a reader finds after these were written."""
    writer = DetailsWriter(folder)
    for result in results:
        writer.add([result])
    writer.close()
    return read_details(folder).to_pylist()


def test_a_row_holds_all_that_is_known(make_result: MakeResult, tmp_path: Path) -> None:
    result = make_result(
        values={"predicted": ["ü", 1]},
        error="no reply",
        explanation="assert '18' == '17'",
        cluster="c1",
        worker="gw3",
        gpus="0,1",
        digests={"inputs": "0a", "outputs": "ff"},
        epoch=2,
    )
    (row,) = written(tmp_path, result)
    assert row == {
        "benchmark": "benchmarks/gsm8k/test_gsm8k.py::test_gsm8k",
        "model": "tiny",
        "id": "gsm8k-0000",
        "epoch": 2,
        "input": "question of gsm8k-0000",
        "target": "18",
        "metadata": '{"subject": "eggs"}',
        "outcome": "right",
        "scores": [("accuracy", 1.0)],
        "values": '{"predicted": ["ü", 1]}',
        "error": "no reply",
        "explanation": "assert '18' == '17'",
        "seed": 0,
        "cluster": "c1",
        "worker": "gw3",
        "gpus": "0,1",
        "digests": {"inputs": "0a", "few_shot": None, "prompts": None, "outputs": "ff"},
        "calls": [
            {
                "role": "model",
                "model": "tiny",
                "kind": "chat",
                "messages": [
                    {
                        "role": "user",
                        "content": "question of gsm8k-0000",
                        "parts": [],
                        "tool_calls": [],
                        "tool_call_id": None,
                    }
                ],
                "reply": "18",
                "tool_calls": [],
                "loglikelihoods": [],
                "sampling": {
                    "temperature": 0.0,
                    "max_tokens": 1024,
                    "stop": ["\n\n"],
                    "seed": 7,
                    "top_p": None,
                    "top_k": None,
                    "logprobs": None,
                    "extra": None,
                },
                "usage": {
                    "prompt_tokens": 12,
                    "completion_tokens": 3,
                    "cached_tokens": None,
                    "reasoning_tokens": None,
                },
                "cost": None,
                "ttft_s": None,
                "tpot_s": None,
                "latency_s": 0.25,
                "queue_s": None,
                "attempts": 1,
                "cached": False,
                "saved": None,
                "step": None,
                "endpoint": None,
            }
        ],
    }


def test_calls_of_every_kind_keep_their_own_lists(make_result: MakeResult, tmp_path: Path) -> None:
    image = {"type": "image", "url": "data:image/png;base64,AA=="}
    tool_call = {"id": "1", "name": "add", "arguments": '{"a": 1}'}
    dialogue = Call(
        role="model",
        model="tiny",
        kind="chat",
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "look"}, image]},
            {"role": "assistant", "content": "", "tool_calls": [tool_call]},
            {"role": "tool", "content": "2", "tool_call_id": "1"},
        ],
        tool_calls=[tool_call, tool_call],
        sampling={"extra": {"min_p": 0.1}, "unheard_of": [1]},
    )
    judged = Call(
        role="judge",
        model="large",
        kind="loglikelihood",
        messages=[{"role": "prompt", "content": "2+2="}],
        loglikelihoods=[{"continuation": "4", "sum": -0.5, "tokens": 1, "is_greedy": True}],
    )
    rows = written(
        tmp_path,
        make_result("a", calls=[]),
        make_result("b", calls=[dialogue, judged]),
        make_result("c"),
    )
    assert [len(row["calls"]) for row in rows] == [0, 2, 1]
    first, second = rows[1]["calls"]
    contents = [message["content"] for message in first["messages"]]
    assert contents == [None, "", "2"]
    assert first["messages"][0]["parts"] == [
        {"type": "text", "text": "look", "url": None, "media_type": None},
        {"text": None, "media_type": None, **image},
    ]
    assert [message["tool_calls"] for message in first["messages"]] == [[], [tool_call], []]
    assert first["messages"][2]["tool_call_id"] == "1"
    assert first["tool_calls"] == [tool_call, tool_call]
    assert json.loads(first["sampling"]["extra"]) == {"min_p": 0.1, "unheard_of": [1]}
    assert second["loglikelihoods"] == judged.loglikelihoods
    assert rows[2]["calls"][0]["messages"][0]["content"] == "question of c"


@pytest.mark.parametrize(
    ("text", "read"),
    [("a\x00b", "a\x00b"), ("a\ud800b", "a\\ud800b"), ("x" * 10_000_000,) * 2, ("", "")],
    ids=["NUL", "surrogate", "10 MB", "empty"],
)
def test_hostile_text_is_kept(
    make_result: MakeResult, tmp_path: Path, text: str, read: str
) -> None:
    (row,) = written(
        tmp_path,
        make_result(reply=text, input=text, target=text, error=text, scores={f"m{text[:9]}": 1.0}),
    )
    assert row["input"] == row["target"] == row["error"] == row["calls"][0]["reply"] == read
    assert row["scores"] == [(f"m{read[:9]}" if len(read) > 20 else f"m{read}", 1.0)]


def test_metadata_is_json_whatever_it_holds(make_result: MakeResult, tmp_path: Path) -> None:
    metadata = {"text": "\ud800", "nan": float("nan"), "path": Path("x"), 3: {"deep": [None, 1.5]}}
    (row,) = written(tmp_path, make_result(metadata=metadata))
    assert json.loads(row["metadata"]) == {
        "text": "\ud800",
        "nan": None,
        "path": "x",
        "3": {"deep": [None, 1.5]},
    }


def test_scores_may_be_nan_or_infinite(make_result: MakeResult, tmp_path: Path) -> None:
    (row,) = written(tmp_path, make_result(scores={"a": float("nan"), "b": float("inf")}))
    assert str(row["scores"]) == "[('a', nan), ('b', inf)]"


def test_every_file_has_the_one_schema(make_result: MakeResult, tmp_path: Path) -> None:
    written(tmp_path, make_result(calls=[], scores={}), make_result(benchmark="b.py::test_b"))
    files = details_files(tmp_path)
    assert [file.name for file in files] == ["b.test_b.parquet", FILE]
    for file in files:
        assert parquet.read_schema(file).equals(DETAILS_SCHEMA)


@pytest.fixture(params=["in order", "shuffled", "two workers"])
def arrival(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The order in which a hundred samples arrive, with parts and windows that are small."""
    monkeypatch.setattr(details, "PART_ROWS", 7)
    monkeypatch.setattr(details_parts, "MERGED_BYTES", 20_000)
    numbers = list(range(100))
    if request.param == "shuffled":
        random.Random(1).shuffle(numbers)
    if request.param == "two workers":
        numbers = [number for pair in zip(numbers[:50], numbers[50:]) for number in pair]
    return numbers


def test_rows_are_sorted_however_they_came(
    make_result: MakeResult, tmp_path: Path, arrival: list[int]
) -> None:
    rows = written(
        tmp_path,
        *(
            make_result(
                f"s-{number:03}",
                model=model,
                epoch=epoch,
                worker=f"gw{number // 50}",
                reply=f"{model} {number} {epoch}",
            )
            for model in ("b", "a")
            for number in arrival
            for epoch in (0, 1)
        ),
    )
    keys = [(row["model"], row["id"], row["epoch"]) for row in rows]
    assert keys == [(m, f"s-{n:03}", e) for m in ("a", "b") for n in range(100) for e in (0, 1)]
    for row in rows:
        number = int(row["id"][2:])
        assert row["calls"][0]["reply"] == f"{row['model']} {number} {row['epoch']}"
        assert row["worker"] == f"gw{number // 50}"
    assert sorted(path.name for path in (tmp_path / "details").iterdir()) == [FILE]


@pytest.mark.parametrize("arrival", ["shuffled"], indirect=True)
def test_rows_out_of_order_are_sorted_a_window_at_a_time(
    make_result: MakeResult, tmp_path: Path, arrival: list[int]
) -> None:
    written(tmp_path, *(make_result(f"s-{number:03}", reply="x" * 2000) for number in arrival))
    file = parquet.read_metadata(tmp_path / "details" / FILE)
    groups = [file.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert sum(groups) == 100
    assert max(groups) <= 10


def test_benchmarks_do_not_mix(make_result: MakeResult, tmp_path: Path) -> None:
    written(
        tmp_path,
        *(make_result(f"s{n}", benchmark=f"{name}.py::test") for n in range(3) for name in "ba"),
    )
    one = read_details(tmp_path, "a.py::test")
    assert one["benchmark"].to_pylist() == ["a.py::test"] * 3
    assert read_details(tmp_path, columns=["id"]).column_names == ["id"]
    assert read_details(tmp_path).num_rows == 6


def test_what_was_written_survives_a_crash(make_result: MakeResult, tmp_path: Path) -> None:
    writer = DetailsWriter(tmp_path)
    writer.add([make_result("a")])
    writer.flush()
    writer.add([make_result("b")])
    writer.flush()
    writer.add([make_result("c")])
    del writer
    assert read_details(tmp_path)["id"].to_pylist() == ["a", "b"]
    assert len(details_files(tmp_path, make_result().benchmark)) == 1


def test_a_row_does_not_wait_for_its_part_to_be_full(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details, "FLUSH_AFTER", 0.02)
    monkeypatch.setattr(details, "LEISURE", 0)
    writer = DetailsWriter(tmp_path)
    for count, name in enumerate("abc", 1):
        writer.add([make_result(name)])
        deadline = time.monotonic() + 10
        while not (files := details_files(tmp_path)) or read_details(tmp_path).num_rows < count:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert len(files) == 1
    writer.close()


def test_a_disk_that_fills_up_is_told_before_the_part_is_full(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details, "FLUSH_AFTER", 0.02)
    (tmp_path / "details").write_text("in the way")
    writer = DetailsWriter(tmp_path)
    refused = pytest.raises(ModelevalError, match="cannot write")
    with refused:
        for number in range(300):
            writer.add([make_result(f"s-{number}")])
            time.sleep(0.005)
    (tmp_path / "details").unlink()
    writer.close()
    assert read_details(tmp_path).num_rows == number + 1


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("arrival", ["in order", "shuffled"], indirect=True)
def test_a_run_that_goes_on_adds_to_its_rows_and_the_later_ones_count(
    make_result: MakeResult, tmp_path: Path, arrival: list[int], merged: bool
) -> None:
    before = DetailsWriter(tmp_path)
    for number in arrival[:70]:
        rows = [make_result(f"s-{number:03}", epoch=epoch, outcome="error") for epoch in (0, 1)]
        before.add(rows[: 1 + number % 2])
    before.close() if merged else before.flush()
    (tmp_path / "details" / ".left").mkdir()

    again = DetailsWriter(tmp_path)
    for number in arrival[50:]:
        again.add([make_result(f"s-{number:03}", outcome="right", worker="gw0")])
    again.flush()

    def kept() -> list[tuple[str, int, str]]:
        found = read_details(tmp_path).to_pylist()
        return sorted((row["id"], row["epoch"], row["outcome"]) for row in found)

    unmerged = kept()
    assert again.close() == [tmp_path / "details" / FILE]
    assert (
        unmerged
        == kept()
        == sorted(
            [
                *((f"s-{n:03}", e, "error") for n in arrival[:50] for e in range(1 + n % 2)),
                *((f"s-{n:03}", 0, "right") for n in arrival[50:]),
            ]
        )
    )
    assert [path.name for path in (tmp_path / "details").iterdir()] == [FILE]


def test_a_merged_file_counts_once_though_its_parts_are_still_there(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details.shutil, "rmtree", lambda *_, **__: None)
    rows = written(tmp_path, make_result("a"), make_result("b"))
    assert (tmp_path / "details" / PARTS).is_dir()
    assert [row["id"] for row in rows] == ["a", "b"]


def test_a_part_is_written_when_much_text_waits(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details, "PART_CHARACTERS", 1000)
    writer = DetailsWriter(tmp_path)
    writer.add([make_result("a", reply="x" * 400)])
    assert not (tmp_path / "details").exists()
    writer.add([make_result("b", reply="x" * 600)])
    assert read_details(tmp_path)["id"].to_pylist() == ["a", "b"]


def test_a_run_without_samples_has_no_details(tmp_path: Path) -> None:
    assert DetailsWriter(tmp_path).close() == []
    assert not (tmp_path / "details").exists()
    with pytest.raises(ModelevalError, match=r"holds no details: name the folder of a run"):
        read_details(tmp_path)
    with pytest.raises(ModelevalError, match=r"holds no details of a\.py::test"):
        read_details(tmp_path, "a.py::test")


def test_a_broken_file_is_named(make_result: MakeResult, tmp_path: Path) -> None:
    written(tmp_path, make_result())
    (tmp_path / "details" / FILE).write_bytes(b"PAR1")
    with pytest.raises(ModelevalError, match=rf"{FILE} cannot be read as a details file"):
        read_details(tmp_path)


def test_a_full_disk_loses_nothing(make_result: MakeResult, tmp_path: Path) -> None:
    writer = DetailsWriter(tmp_path)
    writer.add([make_result("a")])
    writer.flush()
    writer.add([make_result("b")])
    full = tmp_path / "details" / PARTS / ".00000.parquet.tmp"
    full.symlink_to("/dev/full")
    with pytest.raises(ModelevalError, match=r"cannot write .*00000.parquet: the disk is full"):
        writer.flush()
    assert read_details(tmp_path)["id"].to_pylist() == ["a"]
    writer.close()
    assert read_details(tmp_path)["id"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("arrival", ["in order", "shuffled"], indirect=True)
def test_a_disk_that_fills_up_while_merging_leaves_the_parts(
    make_result: MakeResult, tmp_path: Path, arrival: list[int], small_disk: SmallDisk
) -> None:
    writer = DetailsWriter(tmp_path)
    for number in arrival:
        reply = random.Random(number).randbytes(500).hex()
        writer.add([make_result(f"s-{number:03}", reply=reply)])
    writer.flush()
    refused = pytest.raises(ModelevalError, match=r"cannot write .*file too large: name another")
    with small_disk(12_000), refused:
        writer.close()
    assert sorted(path.name for path in (tmp_path / "details").iterdir()) == [PARTS]
    assert read_details(tmp_path).num_rows == 100
    writer.close()
    assert read_details(tmp_path)["id"].to_pylist() == [f"s-{n:03}" for n in range(100)]


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(
    make_result: MakeResult, tmp_path: Path
) -> None:
    (tmp_path / "details").write_text("in the way")
    writer = DetailsWriter(tmp_path)
    writer.add([make_result()])
    with pytest.raises(ModelevalError, match=r"cannot write .*: not a directory: name another"):
        writer.flush()


def test_pyarrow_is_imported_with_the_first_part(tmp_path: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from pytest_modeleval.results.details import DetailsWriter
        from pytest_modeleval.results.record import SampleResult
        writer = DetailsWriter(Path(sys.argv[1]))
        writer.add([SampleResult("b.py::test", "m", "a", 0, "right")])
        before = "pyarrow" in sys.modules
        writer.close()
        print(before, "pyarrow" in sys.modules, "numpy" in sys.modules)
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split()[:2] == ["False", "True"]
