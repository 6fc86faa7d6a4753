"""
A driver that stores objects in a SQLite file.

It implements the required hooks, and two that name the file; it passes the conformance suite.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import uuid
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from itertools import takewhile
from typing import Any, ClassVar

from typing_extensions import override

from libstore import (
    Conditions,
    ContainerAlreadyExistsError,
    ContainerInfo,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    Limits,
    ListQuery,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectInfo,
    ObjectNotFoundError,
    Page,
    Payload,
    Prefix,
    Reading,
    ServiceError,
    Span,
    StorageDriver,
    WriteOptions,
    fold_page,
)

_CONTAINERS = "CREATE TABLE IF NOT EXISTS containers (name TEXT PRIMARY KEY)"
_OBJECTS = (
    "CREATE TABLE IF NOT EXISTS objects (container TEXT, name TEXT, etag TEXT, sha256 TEXT,"
    " modified REAL, content_type TEXT, metadata TEXT, content BLOB,"
    " PRIMARY KEY (container, name))"
)
_SELECT = (
    "SELECT name, length(content), etag, sha256, modified, content_type, metadata FROM objects"
    " WHERE container = ?"
)


class SQLiteDriver(StorageDriver):
    """
    Objects in a SQLite file.

    Args:
        path: The file; it is created if it does not exist.
    """

    name: ClassVar[str] = "sqlite"
    options: ClassVar[frozenset[str]] = frozenset({"if_absent", "if_match", "delete_if_match"})
    # SQLite keeps at most 1,000,000,000 bytes in a row: https://sqlite.org/limits.html
    limits: Limits = Limits(max_put=900_000_000)
    digests: tuple[str, ...] = ("sha256",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._path = os.fspath(path)
        with self._transaction() as db:
            db.execute(_CONTAINERS)
            db.execute(_OBJECTS)

    @override
    def _identity(self) -> str:
        return os.path.abspath(self._path)

    @override
    def _url_options(self) -> Mapping[str, str]:
        return {"path": os.path.abspath(self._path)}

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        with self._transaction() as db:
            if not db.execute("INSERT OR IGNORE INTO containers VALUES (?)", [name]).rowcount:
                raise ContainerAlreadyExistsError("the container already exists")
        return ContainerInfo(name, complete=True)

    @override
    def _delete_container(self, name: str) -> None:
        with self._transaction(name) as db:
            if db.execute("SELECT 1 FROM objects WHERE container = ?", [name]).fetchone():
                raise ContainerNotEmptyError("the container is not empty")
            db.execute("DELETE FROM containers WHERE name = ?", [name])

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        with self._transaction() as db:
            rows = db.execute("SELECT name FROM containers ORDER BY name").fetchall()
        return Page([ContainerInfo(name, complete=True) for (name,) in rows])

    @override
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        first = max(query.prefix, query.start_after, token or "")
        with self._transaction(container) as db:
            rows = db.execute(f"{_SELECT} AND name >= ? ORDER BY name", [container, first])
            infos = takewhile(lambda info: info.name.startswith(query.prefix), map(_info, rows))
            return fold_page(infos, query, token, limit)

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        with self._transaction(container) as db:
            return _existing(_find(db, container, name))

    @override
    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        with self._transaction(container) as db:
            info = _existing(_find(db, container, name))
            _require(info, conditions)
            sent = span.clamp(info.size or 0)
            assert sent.stop is not None
            piece = "SELECT substr(content, ?, ?) FROM objects WHERE container = ? AND name = ?"
            place = [sent.start + 1, sent.stop - sent.start, container, name]
            (content,) = db.execute(piece, place).fetchone()
        return Reading(info, sent, io.BytesIO(content))

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        content = payload.read()
        row = (name, len(content), uuid.uuid4().hex, hashlib.sha256(content).hexdigest())
        now = datetime.now(timezone.utc).timestamp()
        kept = (now, options.content_type, json.dumps(dict(options.metadata)))
        with self._transaction(container) as db:
            _require(_find(db, container, name), options.conditions)
            db.execute(
                "REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [container, name, *row[2:], *kept, content],
            )
        return _info((*row, *kept))

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        with self._transaction(container) as db:
            _require(_find(db, container, name), conditions)
            db.execute("DELETE FROM objects WHERE container = ? AND name = ?", [container, name])

    @contextmanager
    def _transaction(
        self, container: str | None = None
    ) -> Generator[sqlite3.Connection, None, None]:
        """Open the file and begin a transaction, which is committed at the end of the block."""
        # A new connection for each call, so that threads and forked processes share nothing.
        try:
            with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                known = "SELECT 1 FROM containers WHERE name = ?"
                if container is not None and not db.execute(known, [container]).fetchone():
                    raise ContainerNotFoundError("the container does not exist")
                yield db
                db.execute("COMMIT")
        except sqlite3.Error as error:
            raise ServiceError(f"SQLite failed: {error}") from error


def _info(row: tuple[Any, ...]) -> ObjectInfo:
    name, size, etag, sha256, modified, content_type, metadata = row
    return ObjectInfo(
        name,
        size=size,
        etag=etag,
        checksums={"sha256": sha256},
        last_modified=datetime.fromtimestamp(modified, timezone.utc),
        content_type=content_type,
        metadata=json.loads(metadata),
        complete=True,
    )


def _find(db: sqlite3.Connection, container: str, name: str) -> ObjectInfo | None:
    row = db.execute(f"{_SELECT} AND name = ?", [container, name]).fetchone()
    return None if row is None else _info(row)


def _existing(info: ObjectInfo | None) -> ObjectInfo:
    if info is None:
        raise ObjectNotFoundError("the object does not exist")
    return info


def _require(info: ObjectInfo | None, conditions: Conditions) -> None:
    if conditions.if_absent and info is not None:
        raise ObjectAlreadyExistsError("the object already exists")
    wanted = conditions.if_match
    if wanted is not None and (info is None or info.etag != wanted):
        raise ObjectChangedError(f"the object's ETag is not {wanted!r}")
