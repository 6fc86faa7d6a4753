"""What each of several processes does that contend for one object; see `test_contests`."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from libstore import (
    Container,
    Object,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryPolicy,
    ServiceUnavailableError,
    StorageDriver,
    TransportError,
    get_driver,
)
from libstore.drivers.s3.driver import driver_class
from libstore.drivers.s3.services import AWS

MANY = 8
BODY = b"locked"
WON, LOST, UNKNOWN, FAILED = "won", "lost", "unknown", "failed"

_CONFLICTS = (ObjectAlreadyExistsError, ObjectChangedError)
# What is left where all attempts were refused, or never arrived.
_OUTAGES = (RateLimitedError, ServiceUnavailableError, TransportError)


@cache
def connect(line: str) -> StorageDriver:
    """Return the driver that a line of JSON describes: its name, its arguments and options."""
    name, arguments, options = json.loads(line)
    if name in {"azure", "gcs", "swift", "seaweedfs", "plain-s3"}:
        options["retry"] = RetryPolicy(10, base=0.002, cap=0.02)
    if name == "plain-s3":
        from dataclasses import replace

        made = driver_class(replace(AWS, name="plain-s3", path_style=True))
        return made(*arguments, **options)
    driver: StorageDriver = get_driver(name)(*arguments, **options)
    return driver


def outcome(act: Callable[[], object]) -> str:
    """Return the outcome of a conditional request."""
    try:
        act()
    except _CONFLICTS:
        return LOST
    except OutcomeUnknownError:
        return UNKNOWN
    except _OUTAGES:
        return FAILED
    return WON


def _box(line: str, container: str) -> Container:
    return connect(line).object(container, "any").container


def _meet(folder: str) -> None:
    """Wait in a directory until all of them are there."""
    Path(folder, uuid.uuid4().hex).touch()
    while len(os.listdir(folder)) < MANY:
        time.sleep(0.001)


def lock(line: str, container: str, folder: str, rounds: int) -> list[str]:
    """Try to create one object after the other, each with the same bytes as everybody else."""
    box = _box(line, container)
    _meet(folder)
    return [
        outcome(lambda name=f"lock{number}": box.upload_object(BODY, name, if_absent=True))
        for number in range(rounds)
    ]


def change(line: str, container: str, folder: str, rounds: int) -> list[str]:
    """Try to replace one object after the other by the same bytes as everybody else."""
    box = _box(line, container)
    seen = [box.get_object(f"change{number}") for number in range(rounds)]
    _meet(folder)
    return [
        outcome(lambda obj=obj: box.upload_object(BODY, obj.name, if_match=obj.etag))
        for obj in seen
    ]


def lease(line: str, container: str, folder: str, rounds: int) -> list[str]:
    """Try to delete one object after the other."""
    box = _box(line, container)
    seen = [box.get_object(f"lease{number}") for number in range(rounds)]
    _meet(folder)
    return [outcome(lambda obj=obj: obj.delete(if_match=obj.etag)) for obj in seen]


def count(line: str, container: str, folder: str, rounds: int) -> list[str]:
    """Append lines of this process's own to an object, each if no other process did meanwhile."""
    box = _box(line, container)
    _meet(folder)
    found = []
    for number in range(rounds):
        mark = f"{os.getpid()}-{threading.get_ident()}-{number}"
        obj = box.get_object("counter")
        text = obj.read() + f"{mark}\n".encode()
        found.append(f"{outcome(_replacing(box, text, obj))} {mark}")
    return found


def _replacing(box: Container, text: bytes, obj: Object) -> Callable[[], object]:
    return lambda: box.upload_object(text, "counter", if_match=obj.etag)


def cycle(line: str, container: str, folder: str, rounds: int, inside: str) -> list[str]:
    """
    Take one lock and give it back again, over and over, with equal bytes each time.

    Args:
        inside: A file that may exist once: the owner of the lock creates and deletes it.
    """
    box = _box(line, container)
    found: list[str] = []
    _meet(folder)
    while found.count(WON) < rounds:
        held = _take(box)
        if held is None:
            found.append(LOST)
            continue
        try:
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return [*found, "two have the lock"]
        Path(inside).unlink()
        _give_back(box, held)
        found.append(WON)
    return found


def _take(box: Container) -> Object | None:
    try:
        return box.upload_object(BODY, "cycle", if_absent=True)
    except (*_CONFLICTS, *_OUTAGES, OutcomeUnknownError):
        return None


def _give_back(box: Container, held: Object) -> None:
    """Delete the lock that this process has, and no other one."""
    while True:
        try:
            held.delete(if_match=held.etag)
        except _OUTAGES:
            continue
        except OutcomeUnknownError:
            if not _is_there(box, held):
                return
            continue
        return


def _is_there(box: Container, held: Object) -> bool:
    """Return whether the lock is still the one of this process; the library's token shows it."""
    try:
        found: Any = box.get_object("cycle")
    except ObjectNotFoundError:
        return False
    return bool(found._info.write_token == held._info.write_token)
