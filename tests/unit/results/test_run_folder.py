"""Where a run writes, and what is said when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results.run_folder import (
    RunFolder,
    new_run_id,
    run_path,
    slug,
    write_atomically,
)


def begun(root: Path, folder: Path | None = None) -> RunFolder:
    """The folder of a run that has ended, as far as locks go."""
    run = RunFolder.create(root, new_run_id(), folder)
    run.begin()
    run.lock.release()
    return run


def test_a_run_has_a_folder_of_its_own_and_latest_points_to_it(tmp_path: Path) -> None:
    first = begun(tmp_path)
    second = begun(tmp_path)
    latest = tmp_path / ".modeleval" / "runs" / "latest"
    assert first.path != second.path
    assert latest.resolve() == second.path.resolve()
    assert second.path == tmp_path / ".modeleval" / "runs" / second.run_id
    assert {each.name for each in latest.parent.iterdir()} == {
        first.run_id,
        second.run_id,
        "latest",
    }


def test_git_ignores_the_runs(tmp_path: Path) -> None:
    begun(tmp_path)
    assert (tmp_path / ".modeleval" / ".gitignore").read_text() == "*\n"


def test_latest_is_a_file_where_links_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("a required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    run = begun(tmp_path)
    latest = tmp_path / ".modeleval" / "runs" / "latest"
    assert latest.is_file()
    assert run_path(latest) == run.path
    assert run_path(run.path) == run.path


def test_a_named_folder_is_used_as_it_is(tmp_path: Path) -> None:
    run = begun(tmp_path, tmp_path / "some" / "out")
    assert run.path == tmp_path / "some" / "out"
    assert run.path.is_dir()
    assert not (tmp_path / ".modeleval").exists()


def test_an_earlier_runs_files_make_room_and_nothing_else_does(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begun(tmp_path, out)
    (out / "details").mkdir()
    for name in ("results.json", "details/a.parquet", "mine.txt"):
        (out / name).write_text("x")
    begun(tmp_path, out)
    assert sorted(each.name for each in out.iterdir()) == [".lock", ".run-id", "mine.txt"]


def test_a_details_folder_that_no_run_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "details").mkdir()
    (tmp_path / "details" / "thesis.parquet").write_text("x")
    with pytest.raises(ModelevalError, match=r"details is there already.*--modeleval-out"):
        begun(tmp_path, tmp_path)
    assert (tmp_path / "details" / "thesis.parquet").read_text() == "x"


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelevalError, match=r"cannot write .*out: not a directory: name another"):
        begun(tmp_path, tmp_path / "file" / "out")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    write_atomically(path, "old")
    (tmp_path / ".summary.md.tmp").symlink_to("/dev/full")
    with pytest.raises(ModelevalError, match=r"summary.md: the disk is full: free some space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["summary.md"]


def test_a_slug_is_readable() -> None:
    assert slug("benchmarks/gsm8k/test_gsm8k.py::test_gsm8k") == (
        "benchmarks.gsm8k.test_gsm8k.test_gsm8k"
    )


def test_slugs_differ_wherever_names_do() -> None:
    names = [
        "a/b.py::test",
        "a.b.py::test",
        "a/B.py::test",
        "a-b.py::test",
        "a/b.py::Test::test",
        "a/b.py::test[x]",
        "a/b.py::test[X]",
        "a/b.py::test[x/y]",
        "a/b.py::test[x:y]",
        "a/b.py::test[\ud800]",
        "../b.py::test",
        "a/b.py::test" + "t" * 300,
        "a/b.py::test" + "t" * 301,
    ]
    slugs = [slug(name) for name in names]
    assert len({each.lower() for each in slugs}) == len(names)
    for each in slugs:
        assert len(each) < 150
        assert not each.startswith(".")
        assert set(each) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_a_folder_belongs_to_one_living_run(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path, new_run_id(), tmp_path / "out")
    with pytest.raises(ModelevalError, match=r"out belongs to a run that is still alive: wait"):
        RunFolder.create(tmp_path, new_run_id(), tmp_path / "out")
    first.lock.release()
    begun(tmp_path, tmp_path / "out")


def test_a_run_that_did_not_begin_leaves_nothing_and_takes_nothing(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, new_run_id()).abandon()
    assert list(tmp_path.iterdir()) == []
    out = tmp_path / "out"
    begun(tmp_path, out)
    (out / "results.json").write_text("x")
    RunFolder.create(tmp_path, new_run_id(), out).abandon()
    assert (out / "results.json").read_text() == "x"
    before = begun(tmp_path)
    RunFolder.create(tmp_path, new_run_id()).abandon()
    assert (tmp_path / ".modeleval" / "runs" / "latest").resolve() == before.path.resolve()
