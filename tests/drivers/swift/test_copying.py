"""Copies of large objects, on a real server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from drivers.swift.support import (
    LARGE,
    PART,
    lent,
    segments_of,
)

from libstore import (
    Container,
    IntegrityError,
    TransferCancelledError,
    TransferOptions,
)
from libstore.drivers.swift import SwiftDriver, copying
from libstore.drivers.swift.copying import Copier
from libstore.drivers.swift.multipart import Uploads

MD5 = hashlib.md5(LARGE).hexdigest()


@pytest.fixture
def driver(swift_driver: SwiftDriver) -> Iterator[SwiftDriver]:
    before = swift_driver.transfer
    swift_driver.transfer = TransferOptions(part_size=PART * 4, multipart_threshold=PART * 4)
    yield swift_driver
    swift_driver.transfer = before


@pytest.fixture
def container(driver: SwiftDriver) -> Iterator[Container]:
    with lent(driver) as container:
        yield container


def test_a_copy_shares_no_segment(container: Container) -> None:
    """A copy lives on when its source goes."""
    source = container.upload_object(
        LARGE, "a", metadata={"owner": "me"}, cache_control="no-store"
    )
    copied = source.copy(container, "b")
    assert MD5 == copied.object_hash
    source.delete()
    found = container.get_object("b")
    assert LARGE == found.read()
    assert ({"owner": "me"}, "no-store") == (dict(found.metadata), found.extra["cache_control"])


@pytest.fixture
def small_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have copies go in parts that would be small enough for one request."""
    monkeypatch.setattr(copying, "_MAX_WHOLE", PART)
    monkeypatch.setattr("libstore.rest.copying.PART_SIZE", 5 * PART)


@pytest.mark.usefixtures("small_copies")
def test_a_copy_that_is_too_large_for_one_request_goes_in_parts(container: Container) -> None:
    source = container.upload_object(LARGE, "a", metadata={"owner": "me"}, content_type="text/x-a")
    copied = source.copy(container, "b", content_type="text/x-b")
    source.delete()
    found = container.get_object("b")
    assert MD5 == copied.object_hash == found.object_hash
    assert ("text/x-b", {"owner": "me"}) == (found.content_type, dict(found.metadata))
    assert LARGE == found.read()
    assert [] == list(container.list_uploads())
    found.delete()
    assert [] == segments_of(container)


@pytest.mark.usefixtures("small_copies")
def test_a_copy_in_parts_that_fails_leaves_no_segment(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = container.upload_object(LARGE, "a")
    before = segments_of(container)
    monkeypatch.setattr(Uploads, "finish", _refuse)
    with pytest.raises(IntegrityError):
        source.copy(container, "b")
    assert before == segments_of(container)


@pytest.mark.usefixtures("small_copies")
def test_a_copy_in_parts_that_is_cancelled_leaves_no_segment(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = container.upload_object(LARGE, "a")
    before = segments_of(container)
    cancel = threading.Event()
    copy_content = Copier._copy_content

    def last(*arguments: Any) -> str | None:
        cancel.set()
        return copy_content(*arguments)

    monkeypatch.setattr(Copier, "_copy_content", last)
    with pytest.raises(TransferCancelledError):
        container.driver.copy_object(source, container, "b", cancel=cancel)
    assert before == segments_of(container)
    assert not container.object_exists("b")


def _refuse(*arguments: object, **options: object) -> None:
    raise IntegrityError("refused")
