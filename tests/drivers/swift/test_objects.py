"""Objects of Swift and the number of requests about them, on a real server."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from drivers.swift.support import (
    CONTENT,
    lent,
    listening,
    methods,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libstore import (
    AccessDeniedError,
    Container,
    InvalidOptionError,
    get_driver,
)
from libstore.drivers.swift import SwiftDriver, operations
from servers.openstack import SwiftServer

Swift = get_driver("swift")

SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def test_operations_send_no_extra_requests(
    swift_driver: SwiftDriver, container: Container
) -> None:
    container.upload_object(CONTENT, "warm")
    with listening(swift_driver) as seen:
        container.upload_object(CONTENT, "a")
        assert ["PUT"] == methods(seen)
        seen.clear()
        container.read_object("a")
        assert ["GET"] == methods(seen)
        seen.clear()
        assert 2 == len(container.list_objects()[:20])
        assert ["GET"] * 2 == methods(seen)  # an empty page alone is the end of a listing
        assert "limit=20" in seen[0]
        seen.clear()
        with container.open("a", "rb") as file:
            file.read(1)
        assert ["GET"] == methods(seen)
        seen.clear()
        container.delete_object("a")
        assert ["HEAD", "DELETE"] == methods(seen)


def test_a_batch_is_two_requests(swift_driver: SwiftDriver, container: Container) -> None:
    """One of them finds the objects that have segments."""
    assert swift_driver._client.info.bulk_delete
    names = [f"name {number}/ä+%" for number in range(100)]
    for name in names[:3]:
        container.upload_object(CONTENT, name)
    with listening(swift_driver) as seen:
        results = container.delete_objects(names)
    assert ["GET", "POST"] == methods(seen)
    assert all(result.ok for result in results)
    assert [] == list(container.list_objects())


def test_info_is_requested_once(swift_server: SwiftServer) -> None:
    with (
        Swift(swift_server.key, swift_server.secret, auth_url=swift_server.auth_url) as driver,
        listening(driver) as seen,
        lent(driver) as container,
    ):
        container.upload_object(CONTENT, "a")
        assert not [line for line in seen if "/info" in line]
        container.delete_objects(["a", "b"])
        container.delete_objects(["a", "b"])
        assert 1 == len([line for line in seen if "/info" in line])


_KEYS = st.text("abcxyz019-_.!#$%&'*+^`|~", min_size=1, max_size=20)

_VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x7f",
                  min_codepoint=0x20),
    max_size=40,
)  # fmt: skip


@SLOW
@given(pairs=st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_any_metadata_is_returned_unchanged(container: Container, pairs: dict[str, str]) -> None:
    container.upload_object(b"", "a", metadata=pairs)
    assert pairs == dict(container.get_object("a").metadata)
    container.object("a").update_metadata({**pairs, "more": "x"})
    assert {**pairs, "more": "x"} == dict(container.get_object("a").metadata)


@pytest.mark.parametrize("value", ["à", "Å", "à ", "", " ", "\u00a0x", "x\u0085y", "=?ü?="])
def test_metadata_with_bytes_that_are_blanks_in_latin_1(container: Container, value: str) -> None:
    container.upload_object(b"", "a", metadata={"note": value})
    assert {"note": value} == dict(container.get_object("a").metadata)


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@SLOW
@given(name=_NAMES)
def test_any_object_name_is_returned_unchanged(container: Container, name: str) -> None:
    obj = container.upload_object(CONTENT, name)
    assert CONTENT == container.read_object(name)
    assert [name] == [found.name for found in container.list_objects()]
    assert CONTENT == obj.copy(container, f"{name}!").read()
    results = container.delete_objects([name, f"{name}!"])
    assert all(result.ok for result in results)
    assert [] == list(container.list_objects())


def test_too_many_pairs_are_refused(container: Container) -> None:
    """Nothing is sent that exceeds the limits of the cluster."""
    for pairs in ({"k" * 129: "v"}, {"k": "v" * 257}, {f"k{n}": "v" for n in range(91)}):
        with pytest.raises(InvalidOptionError):
            container.upload_object(CONTENT, "a", metadata=pairs)
    with pytest.raises(InvalidOptionError):
        container.upload_object(CONTENT, "a", metadata={"libstore-md5": "x"})
    container.upload_object(CONTENT, "a", metadata={"k": "v" * 256})


def test_an_object_expires(container: Container) -> None:
    moment = datetime.now(timezone.utc) + timedelta(hours=1)
    obj = container.upload_object(CONTENT, "a", extra={"delete_at": moment})
    ends = container.get_object("a").extra["delete_at"]
    assert abs(ends - moment) <= timedelta(seconds=1)
    obj.update_metadata({"owner": "me"})
    assert ends == container.get_object("a").extra["delete_at"]
    assert ends == obj.copy(container, "b").refresh().extra["delete_at"]
    container.upload_object(CONTENT, "c", extra={"delete_after": 1})
    deadline = time.monotonic() + 20
    while container.object_exists("c") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not container.object_exists("c")


@pytest.mark.parametrize(
    "extra",
    [{"delete_at": 0}, {"delete_after": -1}, {"delete_at": "soon"}, {"delete_at": True},
     {"delete_at": datetime.fromisoformat("2040-01-01")}, {"other": 1}],
    ids=ascii,
)  # fmt: skip
def test_invalid_option_is_refused(container: Container, extra: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptionError):
        container.upload_object(CONTENT, "a", extra=extra)


def test_change_of_one_header_keeps_the_others(container: Container) -> None:
    """Swift itself drops what a request to change metadata does not name."""
    container.upload_object(
        CONTENT, "a", content_type="text/x-a", metadata={"owner": "me"},
        content_encoding="identity", content_disposition="inline", content_language="de",
        cache_control="no-store", extra={"delete_after": 3600},
    )  # fmt: skip
    before = container.get_object("a")
    container.object("a").update_metadata({"other": "pair"})
    found = container.get_object("a")
    assert before.extra == found.extra
    assert ("text/x-a", {"other": "pair"}) == (found.content_type, dict(found.metadata))
    container.object("a").update_metadata(content_type="text/x-b")
    found = container.get_object("a")
    assert ("text/x-b", {"other": "pair"}) == (found.content_type, dict(found.metadata))
    assert before.extra == found.extra


def test_writer_without_the_right_to_read_can_replace_and_delete(
    swift_server: SwiftServer, swift_driver: SwiftDriver, container: Container
) -> None:
    """The replaced object is not requested."""
    headers = {"x-container-write": "test:tester3"}
    swift_driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
    container.upload_object(CONTENT, "a")
    with Swift("test:tester3", "testing3", auth_url=swift_server.auth_url) as other:
        other.upload_object(b"new", container.name, "a")
        assert b"new" == container.read_object("a")
        with pytest.raises(AccessDeniedError):
            other.object(container.name, "a").read()
        other.delete_object(other.object(container.name, "a"))
        assert not container.object_exists("a")


def test_a_request_of_many_names_is_read_line_by_line(container: Container) -> None:
    """A name with a line's end in it is one name."""
    names = ["a\nb", "a", "b", "a%0Ab"]
    for name in names:
        container.upload_object(CONTENT, name)
    container.delete_objects(["a\nb", "nothing"])
    assert sorted(names[1:]) == [found.name for found in container.list_objects()]
