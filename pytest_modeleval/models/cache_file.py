"""The SQLite file of the response cache: opened, made, set aside, looked over.

Write-ahead logging lets any number of processes read while one writes. The newest replies survive
a process that is killed; the file survives a machine that stops.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_modeleval.errors import ModelevalError

APPLICATION_ID = 0x6D6C6576
VERSION = 1
PATIENCE_S = 30.0
"""How long to wait for another process that writes."""

PAGES = 1000
"""Pages that are given back at a time, so that nobody waits long to write."""

_SCHEMA = """
CREATE TABLE replies (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    model TEXT NOT NULL,
    used INTEGER NOT NULL,
    size INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    reply BLOB NOT NULL
);
CREATE INDEX by_use ON replies (used, size);
"""


class Unusable(ModelevalError):
    """There is a cache file, or could be one, but not for us: one sentence says why."""


class Foreign(Exception):
    """What lies there is no cache file of this version. The text says what it is."""


@dataclass(frozen=True, slots=True)
class ModelShare:
    """What the cache holds of one model; `bytes` are those of the replies, `used` is since 1970."""

    model: str
    replies: int
    bytes: int
    used: int


def open_for_writing(file: Path) -> tuple[sqlite3.Connection, str | None]:
    """Open the cache, and make it where there is none.

    What is there and is no cache is renamed first; the second value is then a sentence about it.
    Raises Unusable.
    """
    try:
        if not file.parent.exists():
            file.parent.mkdir(parents=True)
            (file.parent / ".gitignore").write_text("*\n")
        with suppress(Foreign):
            connection = _connect(file)
            if _is_made(connection):
                return connection, None
            connection.close()
        with _alone(file):
            return _make(file)
    except (OSError, sqlite3.Error) as error:
        raise Unusable(f"{file} cannot be used as the response cache: {_reason(error)}") from None


def open_for_reading(file: Path) -> sqlite3.Connection:
    """Open a cache that is there. Raises Unusable."""
    if not file.is_file():
        raise Unusable(f"there is no response cache at {file}")
    try:
        # Without the right to write beside the file there can be no log, nor anyone who writes it.
        frozen = not os.access(file.parent, os.W_OK)
        connection = _connect(file, "?immutable=1" if frozen else "?mode=ro")
        if not _is_made(connection):
            connection.close()
            raise Foreign("is empty")
        return connection
    except Foreign as what:
        raise Unusable(f"{file} {what}: a run that may write sets it aside") from None
    except sqlite3.Error as error:
        raise Unusable(f"{file} cannot be read: {_reason(error)}") from None


def set_aside_opened(file: Path, inode: int) -> None:
    """Rename a file that has proved damaged, unless that has been done already. Raises OSError and
    sqlite3.Error."""
    with _alone(file):
        if file.stat().st_ino == inode:
            _set_aside(file)


def checksum(key: bytes, reply: bytes) -> int:
    """Tells a reply that is damaged, or not this key's."""
    return zlib.crc32(reply, zlib.crc32(key))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def used_bytes(connection: sqlite3.Connection) -> int:
    """The file's size without what is free in it."""
    pages, free, size = _pages(connection)
    return (pages - free) * size


def shrink(connection: sqlite3.Connection, limit: int) -> None:
    """Cut the file to `limit` bytes, as far as there is free space in it."""
    while True:
        pages, free, size = _pages(connection)
        cut = min(pages - limit // size, free, PAGES)
        if cut <= 0:
            return
        connection.execute(f"PRAGMA incremental_vacuum({cut})").fetchall()


def shares(connection: sqlite3.Connection) -> list[ModelShare]:
    """What the cache holds of each model."""
    rows = connection.execute(
        "SELECT model, count(*), sum(size), max(used) FROM replies GROUP BY model ORDER BY model"
    )
    return [ModelShare(*row) for row in rows]


def damaged(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many replies there are, and how many of them are not what was stored. Raises Unusable
    for a file whose structure is broken."""
    try:
        (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if state != "ok":
            raise Unusable(f"the file's structure is broken: {state}")
        count = wrong = 0
        for key, reply, check in connection.execute("SELECT key, reply, checksum FROM replies"):
            count += 1
            wrong += checksum(key, reply) != check
        return count, wrong
    except sqlite3.Error as error:
        raise Unusable(f"the file's structure is broken: {error}") from None


def clear(connection: sqlite3.Connection, model: str | None) -> int:
    """Remove the replies of one model, or all, and give the space back. Returns how many."""
    where, values = ("WHERE model = ?", [model]) if model is not None else ("", [])
    removed = connection.execute(f"DELETE FROM replies {where}", values).rowcount
    connection.execute("VACUUM")
    return removed


def _pages(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """How many pages the file has, how many of them are free, and the size of one."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return pages, free, size


def _connect(file: Path, query: str = "") -> sqlite3.Connection:
    # Of one connection each thread has its turn: the loop's, or that which closes it.
    return sqlite3.connect(
        file.absolute().as_uri() + query,
        uri=True,
        timeout=PATIENCE_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _is_made(connection: sqlite3.Connection) -> bool:
    """Whether this is a cache, False for an empty file. Raises Foreign for anything else."""
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if (application, version) == (APPLICATION_ID, VERSION) and {"replies", "by_use"} <= names:
            connection.execute("PRAGMA synchronous = NORMAL")
            return True
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Foreign(f"is damaged or no response cache ({error})") from None
    if not names:
        return False
    connection.close()
    if application == APPLICATION_ID:
        raise Foreign("is the response cache of another version of pytest-modeleval")
    raise Foreign("is a database of something else")


def _make(file: Path) -> tuple[sqlite3.Connection, str | None]:
    """As `open_for_writing`, by the one process that may do so now."""
    notice = None
    try:
        connection = _connect(file)
        if _is_made(connection):
            return connection, None
    except Foreign as what:
        aside = _set_aside(file)
        notice = f"{file} {what}: it is now {aside.name}, and a new one takes its place"
        connection = _connect(file)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(
        f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
        f"PRAGMA user_version = {VERSION}; COMMIT; PRAGMA synchronous = NORMAL;"
    )
    return connection, notice


def _set_aside(file: Path) -> Path:
    """Rename the file, and its log with it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = file.with_name(f"{file.name}.aside-{stamp}-{os.getpid()}")
    os.replace(file, aside)
    for end in ("-wal", "-shm"):
        with suppress(OSError):
            os.replace(f"{file}{end}", f"{aside}{end}")
    return aside


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep every other process out that wants to make the file or to set it aside."""
    with closing(sqlite3.connect(f"{file}.lock", timeout=PATIENCE_S, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
