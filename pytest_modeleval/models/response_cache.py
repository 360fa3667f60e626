"""Replies in one file, for all processes of a run and for all runs."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from queue import Empty, SimpleQueue

from pytest_modeleval.models import cache_file
from pytest_modeleval.models.cache_file import transaction

GATHER_S = 0.002
"""How long a reply waits for others to be written with it: what a kill can cost."""

RECENT_S = 60
"""A reply that was used so recently is not noted as used again."""

ROOM = 0.9
"""The share of the limit that is left when the least recently used replies have gone."""

ROWS = 500
"""Replies that are removed at a time, so that nobody waits long to write."""

_Write = tuple[bytes, str, bytes]


class ResponseCache:
    """Look up with `get`, keep with `put`; other processes may do the same at the same time.

    `mode` is "on", "read" (nothing is ever written) or "refresh" (nothing is looked up, and every
    reply takes the place of the one before). `limit` is in bytes: past it the least recently used
    replies go. A file that cannot be used, or a disk that is full, ends the cache and never the
    run: `warn` is then called with one sentence, from any thread.
    """

    def __init__(self, file: Path, *, mode: str, limit: int, warn: Callable[[str], None]) -> None:
        self.file = file
        self._mode = mode
        self._limit = limit
        self._warn = warn
        self._told: set[str] = set()
        self._reader: sqlite3.Connection | None = None
        self._writer: threading.Thread | None = None
        self._writes: SimpleQueue[_Write | None] = SimpleQueue()
        self._used: list[tuple[int, int]] = []
        self._opened = self._closing = False
        self._inode = 0

    def open(self) -> None:
        """Open the file, once; what is wrong with it is told."""
        if self._opened:
            return
        self._opened = True
        try:
            if self._mode == "read":
                self._reader = cache_file.open_for_reading(self.file)
                return
            writer, notice = cache_file.open_for_writing(self.file)
            self._reader, _ = cache_file.open_for_writing(self.file)
            self._inode = self.file.stat().st_ino
        except (cache_file.Unusable, OSError) as error:
            self.tell_once(f"response cache: {error}; this run goes on without it")
            return
        if notice:
            self.tell_once(f"response cache: {notice}")
        self._writer = threading.Thread(
            target=self._write_all, args=(writer,), name="modeleval-cache", daemon=True
        )
        self._writer.start()

    def get(self, key: bytes) -> bytes | None:
        """The reply that was kept under `key`."""
        if self._reader is None or self._mode == "refresh":
            return None
        try:
            row = self._reader.execute(
                "SELECT reply, checksum, id, used FROM replies WHERE key = ?", (key,)
            ).fetchone()
        except sqlite3.Error as error:
            self._reader = None
            self._give_up(error, "this run goes on without it")
            return None
        if row is None or cache_file.checksum(key, row[0]) != row[1]:
            return None
        if self._writer is not None:
            self._note_use(row[2], row[3])
        reply: bytes = row[0]
        return reply

    def put(self, key: bytes, model: str, reply: bytes) -> None:
        """Keep a reply; it is on disk some milliseconds later."""
        if self._writer is not None:
            self._writes.put((key, model, reply))

    def tell_once(self, sentence: str) -> None:
        """Warn, but not of the same again."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._warn(sentence)

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._writer is not None:
            self._closing = True
            self._writes.put(None)
            self._writer.join()
            self._writer = None
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _note_use(self, row: int, used: int) -> None:
        now = int(time.time())
        if abs(now - used) > RECENT_S:
            self._used.append((now, row))
            if len(self._used) == ROWS:
                self._writes.put(None)

    def _give_up(self, error: sqlite3.Error, what: str) -> None:
        """Tell what becomes of the cache; a file that is damaged makes room for the next run's."""
        if type(error) is sqlite3.DatabaseError:
            with suppress(OSError, sqlite3.Error):
                cache_file.set_aside_opened(self.file, self._inode)
        self.tell_once(f"response cache: {self.file}: {error}; {what}")

    # ---------------------------------------------------------------- the thread that writes

    def _write_all(self, connection: sqlite3.Connection) -> None:
        try:
            while not self._closing or not self._writes.empty():
                writes = [self._writes.get()]
                if not self._closing:
                    time.sleep(GATHER_S)
                with suppress(Empty):
                    while True:
                        writes.append(self._writes.get_nowait())
                self._write(connection, [each for each in writes if each is not None])
        except sqlite3.Error as error:
            self._writer = None
            self._give_up(error, "nothing more is kept in it")
        finally:
            connection.close()

    def _write(self, connection: sqlite3.Connection, writes: Sequence[_Write]) -> None:
        used, self._used = self._used, []
        now = int(time.time())
        rows = [
            (key, model, now, len(reply), cache_file.checksum(key, reply), reply)
            for key, model, reply in writes
        ]
        with transaction(connection):
            connection.executemany(
                "REPLACE INTO replies (key, model, used, size, checksum, reply) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.executemany("UPDATE replies SET used = ? WHERE id = ?", used)
        if cache_file.used_bytes(connection) > self._limit:
            self._make_room(connection)

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Remove the least recently used replies, and cut the file to the limit."""
        while (excess := cache_file.used_bytes(connection) - ROOM * self._limit) > 0:
            oldest = connection.execute(
                "SELECT id, size FROM replies ORDER BY used LIMIT ?", (ROWS,)
            ).fetchall()
            before = accumulate((size for _, size in oldest), initial=0)
            going = [(row,) for (row, _), freed in zip(oldest, before) if freed < excess]
            if not going:
                break
            with transaction(connection):
                connection.executemany("DELETE FROM replies WHERE id = ?", going)
        cache_file.shrink(connection, self._limit)
