"""Copies that Google makes in more than one request."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from drivers.gcs.support import (
    made,
    noise,
)
from scripted import Play, Server, respond

from libstore import (
    ServiceError,
    TransferCancelledError,
)
from libstore.drivers.gcs import GCSDriver
from servers.gcs_model import Model


def test_large_copy_is_continued_until_done(model: Model, driver: GCSDriver) -> None:
    model.write("box", "a", noise(9 * 1024 * 1024), {"metadata": {"k": "v"}}, {})
    copied = driver.object("box", "a").copy("box", "b")
    assert 3 == sum("rewriteTo" in line for line in model.seen)
    assert {"k": "v"} == dict(copied.metadata)


def test_copy_continues_while_it_advances() -> None:
    """The token of all its calls may be the same, as in Google's own storage-testbench."""

    def rewritten(done: bool, size: int) -> Play:
        body = {"done": done, "rewriteToken": "T", "totalBytesRewritten": str(size)}
        body |= {"resource": {"name": "b", "size": "3", "generation": "1"}} if done else {}
        return respond(json.dumps(body).encode(), Content_Type="application/json")

    server = Server(
        rewritten(False, 1), rewritten(False, 2), rewritten(True, 3), default=rewritten(False, 7)
    )
    with made(server) as driver:
        assert 3 == driver.object("box", "a").copy("box", "b").size
        with pytest.raises(ServiceError, match="stopped making progress"):
            driver.object("box", "a").copy("box", "b")
    assert 3 + 2 == len(server.seen)
    server.steps.append(rewritten(False, 1))
    cancelled = iter([False, True])
    flag = SimpleNamespace(is_set=lambda: next(cancelled))
    with made(server) as driver, pytest.raises(TransferCancelledError):
        driver.copy_object(driver.object("box", "a"), "box", "b", cancel=flag)
    assert 3 + 2 + 1 == len(server.seen)
    server.close()
