"""The file of the response cache: shared, bounded, and never the reason that a run ends."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_modeleval.models import cache_file, response_cache
from pytest_modeleval.models.response_cache import ResponseCache

Open = Callable[..., ResponseCache]
BIG = 1 << 40


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache.sqlite"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def opened(file: Path, told: list[str]) -> Iterator[Open]:
    caches: list[ResponseCache] = []

    def open_one(mode: str = "on", limit: int = BIG) -> ResponseCache:
        cache = ResponseCache(file, mode=mode, limit=limit, warn=told.append)
        caches.append(cache)
        cache.open()
        return cache

    yield open_one
    for cache in caches:
        cache.close()


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def rows(file: Path) -> dict[int, tuple[int, bytes]]:
    """When each reply was used, and what it is."""
    with sqlite3.connect(file) as connection:
        found = connection.execute("SELECT key, used, reply FROM replies").fetchall()
    return {int.from_bytes(name, "big"): (used, reply) for name, used, reply in found}


def test_what_one_puts_in_another_finds_while_both_run(opened: Open) -> None:
    one, two = opened(), opened()
    assert two.get(key(1)) is None
    one.put(key(1), "m", b"a")
    until(lambda: two.get(key(1)) == b"a")


def test_all_is_written_when_it_closes(opened: Open, file: Path) -> None:
    cache = opened()
    for number in range(1000):
        cache.put(key(number), "m", b"%d" % number)
    cache.close()
    assert {number: reply for number, (_, reply) in rows(file).items()} == {
        number: b"%d" % number for number in range(1000)
    }
    assert cache.get(key(1)) is None
    cache.put(key(1), "m", b"late")
    cache.close()


def test_read_writes_nothing_at_all(opened: Open, file: Path) -> None:
    cache = opened()
    cache.put(key(1), "m", b"a")
    cache.close()
    before = file.read_bytes()
    reading = opened("read")
    assert reading.get(key(1)) == b"a"
    reading.put(key(2), "m", b"b")
    reading.close()
    assert file.read_bytes() == before
    assert set(rows(file)) == {1}


def test_read_works_where_nothing_can_be_written(
    opened: Open, file: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = opened()
    cache.put(key(1), "m", b"a")
    cache.close()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert opened("read").get(key(1)) == b"a"
    assert told == []


def test_read_without_a_file_says_so(opened: Open, file: Path, told: list[str]) -> None:
    cache = opened("read")
    assert cache.get(key(1)) is None
    assert told == [
        f"response cache: there is no response cache at {file}; this run goes on without it"
    ]
    assert not file.parent.exists()


def test_refresh_finds_nothing_and_replaces(opened: Open) -> None:
    cache = opened()
    cache.put(key(1), "m", b"a")
    cache.close()
    fresh = opened("refresh")
    assert fresh.get(key(1)) is None
    fresh.put(key(1), "m", b"b")
    fresh.close()
    assert opened().get(key(1)) == b"b"


def test_the_least_recently_used_go_first(
    opened: Open, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(response_cache.time, "time", lambda: now)
    reply = bytes(10_000)
    cache = opened()
    for number in range(50):
        now += 100
        cache.put(key(number), "m", reply)
        until(lambda number=number: cache.get(key(number)) is not None)
    now += 100
    assert cache.get(key(0)) == reply
    cache.close()

    small = opened(limit=300_000)
    now += 100
    small.put(key(99), "m", reply)
    small.close()
    left = set(rows(file))
    assert {0, 99, 49, 48} <= left
    assert len(left) < 30
    assert left - {0, 99} == set(range(52 - len(left), 50))
    assert file.stat().st_size <= 300_000


def test_a_limit_below_one_reply_does_no_harm(opened: Open, told: list[str]) -> None:
    cache = opened(limit=0)
    for number in range(10):
        cache.put(key(number), "m", bytes(1000))
    cache.close()
    assert told == []


def test_a_use_is_noted_seldom(opened: Open, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(response_cache.time, "time", lambda: now)
    cache = opened()
    cache.put(key(1), "m", b"a")
    until(lambda: cache.get(key(1)) is not None)
    now += response_cache.RECENT_S
    cache.get(key(1))
    cache.close()
    assert rows(file)[1][0] == 1_000_000
    now += 1
    cache = opened()
    cache.get(key(1))
    cache.close()
    assert rows(file)[1][0] == now


def test_many_uses_are_noted_while_it_runs(
    opened: Open, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(response_cache.time, "time", lambda: now)
    cache = opened()
    for number in range(response_cache.ROWS):
        cache.put(key(number), "m", b"a")
    until(lambda: cache.get(key(response_cache.ROWS - 1)) is not None)
    now += 1000
    for number in range(response_cache.ROWS):
        cache.get(key(number))
    until(lambda: all(used == now for used, _ in rows(file).values()))


@pytest.mark.parametrize(
    "content, what",
    [
        (b"not a database at all" * 100, "is damaged or no response cache"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "is damaged or no response cache"),
    ],
)
def test_a_damaged_file_is_set_aside(
    opened: Open, file: Path, told: list[str], content: bytes, what: str
) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    cache = opened()
    cache.put(key(1), "m", b"a")
    cache.close()
    (notice,) = told
    assert notice.startswith(f"response cache: {file} {what}")
    (aside,) = file.parent.glob("cache.sqlite.aside-*")
    assert aside.name in notice
    assert aside.read_bytes() == content
    assert set(rows(file)) == {1}


@pytest.mark.parametrize(
    "script, what",
    [
        ("CREATE TABLE precious (a)", "is a database of something else"),
        (
            f"CREATE TABLE replies (a); PRAGMA application_id = {cache_file.APPLICATION_ID}; "
            "PRAGMA user_version = 99",
            "is the response cache of another version",
        ),
        (
            f"CREATE TABLE x (a); PRAGMA application_id = {cache_file.APPLICATION_ID}; "
            f"PRAGMA user_version = {cache_file.VERSION}",
            "is the response cache of another version",
        ),
    ],
)
def test_another_database_is_set_aside(
    opened: Open, file: Path, told: list[str], script: str, what: str
) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.executescript(script)
    connection.close()
    before = file.read_bytes()
    opened().put(key(1), "m", b"a")
    assert what in told[0]
    (aside,) = file.parent.glob("cache.sqlite.aside-*")
    assert aside.read_bytes() == before


def test_an_empty_file_is_filled(opened: Open, file: Path, told: list[str]) -> None:
    file.parent.mkdir()
    file.touch()
    opened().put(key(1), "m", b"a")
    assert told == []


def test_a_reply_that_changed_on_disk_is_not_used(opened: Open, file: Path) -> None:
    cache = opened()
    for number in (1, 2, 3):
        cache.put(key(number), "m", b"right")
    cache.close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE replies SET reply = ? WHERE key = ?", (b"wrong", key(1)))
        connection.execute("UPDATE replies SET key = ? WHERE key = ?", (key(9), key(2)))
    connection.close()
    cache = opened()
    assert [cache.get(key(number)) for number in (1, 9, 3)] == [None, None, b"right"]
    cache.put(key(1), "m", b"again")
    cache.close()
    assert opened().get(key(1)) == b"again"


def test_pages_that_are_damaged_make_room_for_the_next_run(
    opened: Open, file: Path, told: list[str]
) -> None:
    cache = opened()
    for number in range(2000):
        cache.put(key(number), "m", bytes(100))
    cache.close()
    content = bytearray(file.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file.write_bytes(content)
    broken = opened()
    for number in range(2000):
        assert broken.get(key(number)) is None
    broken.put(key(1), "m", b"a")
    broken.close()
    assert {notice.rpartition("; ")[2] for notice in told} <= {
        "this run goes on without it",
        "nothing more is kept in it",
    }
    assert told
    told.clear()
    cache = opened()
    cache.put(key(1), "m", b"a")
    cache.close()
    assert told == []
    assert opened().get(key(1)) == b"a"


def test_a_place_that_cannot_be_written_is_told_once(
    opened: Open, file: Path, told: list[str]
) -> None:
    file.parent.write_text("a file in the way")
    cache = opened()
    cache.open()
    cache.put(key(1), "m", b"a")
    assert cache.get(key(1)) is None
    cache.close()
    (notice,) = told
    assert notice.endswith("this run goes on without it")
    assert str(file) in notice


def test_a_full_disk_ends_the_writing_and_not_the_reading(
    opened: Open, file: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    really = cache_file.open_for_writing

    def on_a_small_disk(path: Path) -> tuple[sqlite3.Connection, str | None]:
        connection, notice = really(path)
        connection.execute("PRAGMA max_page_count = 50")
        return connection, notice

    monkeypatch.setattr(cache_file, "open_for_writing", on_a_small_disk)
    cache = opened()
    cache.put(key(1), "m", b"a")
    until(lambda: cache.get(key(1)) == b"a")
    cache.put(key(2), "m", bytes(1_000_000))
    until(lambda: bool(told))
    cache.put(key(3), "m", b"c")
    assert cache.get(key(1)) == b"a"
    cache.close()
    assert told == [f"response cache: {file}: database or disk is full; nothing more is kept in it"]
    monkeypatch.undo()
    cache = opened()
    cache.put(key(2), "m", b"b")
    cache.close()
    assert set(rows(file)) == {1, 2}


WRITER = """
import sys
from pathlib import Path
from pytest_modeleval.models.response_cache import ResponseCache

file, first, count, ending = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
cache = ResponseCache(file, mode="on", limit=1 << 40, warn=lambda notice: print(notice))
cache.open()
for number in range(first, first + count):
    cache.put(number.to_bytes(32, "big"), "m", b"%d" % number * 50)
    if ending == "killed":
        while cache.get(number.to_bytes(32, "big")) is None:
            pass
        print(number, flush=True)
cache.close()
"""


def writing(file: Path, first: int, count: int, ending: str = "closed") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file), str(first), str(count), ending],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_write_side_by_side(file: Path) -> None:
    processes = [writing(file, first, 2000) for first in range(0, 8000, 2000)]
    for process in processes:
        said, _ = process.communicate()
        assert (process.returncode, said) == (0, "")
    assert set(rows(file)) == set(range(8000))


def test_of_a_damaged_file_that_several_find_nothing_is_lost(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"damaged" * 1000)
    processes = [writing(file, first, 100) for first in range(0, 600, 100)]
    told = "".join(process.communicate()[0] for process in processes)
    assert told.count("it is now") == 1
    assert set(rows(file)) == set(range(600))
    assert len(list(file.parent.glob("*.aside-*"))) == 1


def test_what_could_be_read_outlives_a_kill(file: Path, opened: Open, told: list[str]) -> None:
    process = writing(file, 0, 1_000_000, "killed")
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    seen += [int(line) for line in process.stdout.read().splitlines()]
    process.wait()
    process.stdout.close()
    cache = opened()
    assert [cache.get(key(number)) for number in seen] == [b"%d" % n * 50 for n in seen]
    assert told == []
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
