"""What the processes of one run share: sums and token buckets, in an SQLite file in its folder.

Every call is one transaction, so that a killed process leaves nothing half done, and a run that is
resumed in its folder goes on with what was spent before.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pytest_modeleval.errors import StopRun

PATIENCE_S = 30.0
"""How long a call may wait for the other processes; each holds the file for microseconds."""

_TABLES = """
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets
    (name TEXT PRIMARY KEY, full_at REAL NOT NULL, seen_at REAL NOT NULL) WITHOUT ROWID;
"""


class SharedState:
    """Opened with the first call: by then the run's folder is there. Calls belong to one thread at
    a time, take some 20 µs and raise StopRun where the file cannot be read or written."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    def add(self, amounts: Mapping[str, float]) -> dict[str, float]:
        """Add to the sums of these names, and give all sums as they are then."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO totals VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                amounts.items(),
            )
            return _totals(connection)

    def totals(self) -> dict[str, float]:
        """All sums, by name; a name that nothing was added to is not there."""
        with self._reading() as connection:
            return _totals(connection)

    def take(
        self, bucket: str, amount: float, *, per_minute: float, burst: float | None = None
    ) -> float:
        """Take `amount` from a bucket that fills at `per_minute`, and give the seconds that the
        caller must wait before it uses what it took.

        Whoever comes first is served first, in whatever process; nobody asks twice. The bucket
        holds `burst` (left out: what it gains in a second, at least 1). A negative amount gives
        back what was taken and not used.
        """
        rate = per_minute / 60
        holds = (max(1.0, rate) if burst is None else burst) / rate
        with self._transaction() as connection:
            now = self._clock()
            row = connection.execute(
                "SELECT full_at, seen_at FROM buckets WHERE name = ?", (bucket,)
            ).fetchone()
            # A clock that stands before the last call has been started anew, with the machine.
            full_at = row[0] if row is not None and row[1] <= now else now
            full_at = max(full_at, now) + amount / rate
            connection.execute("REPLACE INTO buckets VALUES (?, ?, ?)", (bucket, full_at, now))
        return max(0.0, full_at - now - holds)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = self._open()
            yield self._connection
        except sqlite3.Error as error:
            raise StopRun(
                f"cannot keep account of the run in {self.path}: {error}: nothing more is sent, "
                "since the limits of the run could not be held"
            ) from error

    def _open(self) -> sqlite3.Connection:
        """SQLite's own patience does not cover the change to its write-ahead log, nor the recovery
        of one that a killed process left: another process that does the same is waited for here."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._connect()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _connect(self) -> sqlite3.Connection:
        # Models are closed by another thread than the one that asks them.
        connection = sqlite3.connect(
            self.path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_TABLES)
        except BaseException:
            connection.close()
            raise
        return connection


def _totals(connection: sqlite3.Connection) -> dict[str, float]:
    return dict(connection.execute("SELECT name, value FROM totals").fetchall())
