"""Test options of one service, signed headers, and parts of unfinished uploads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

import pytest
from faulty import PublicDriver, small_parts, stored

from libstore import (
    Container,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    ObjectNotFoundError,
    Part,
    SigningOptions,
    Upload,
    get_driver,
)
from libstore.drivers.memory import MemoryDriver


@pytest.fixture
def driver() -> PublicDriver:
    driver = PublicDriver()
    stored(driver, b"content")
    return driver


def _given(driver: PublicDriver, hook: str, position: int) -> Any:
    (arguments,) = driver.requested(hook)
    return arguments[position].extra


def test_extra_option_reaches_every_hook_that_writes(driver: PublicDriver) -> None:
    driver.calls.clear()
    extra = {"colour": "red"}
    container = driver.create_container("d", extra={"place": "here"})
    obj = container.upload_object(b"x", "x", extra=extra)
    obj.copy("c", extra=extra, storage_class="COLD")
    driver.transfer = small_parts()
    container.upload_object(iter([bytes(100_000)]), "large", extra=extra)

    assert {"place": "here"} == driver.requested("_create_container")[0][1]
    assert extra == _given(driver, "_put_object", 3)
    assert extra == _given(driver, "_copy_object", 4)
    assert "COLD" == driver.requested("_copy_object")[0][4].storage_class
    assert extra == _given(driver, "_start_upload", 2)


def test_extra_option_applies_to_file_objects_and_copies_between_services(
    driver: PublicDriver,
) -> None:
    driver.calls.clear()
    with driver.open_object("c", "file", "wb", extra={"colour": "red"}) as file:
        file.write(b"x")
    assert {"colour": "red"} == _given(driver, "_put_object", 3)

    driver.calls.clear()
    other = MemoryDriver()
    there = other.create_container("c").upload_object(b"x", "x")
    there.copy(driver.get_container("c"), extra={"colour": "blue"}, storage_class="COLD")
    assert {"colour": "blue"} == _given(driver, "_put_object", 3)
    assert "COLD" == driver.get_object("c", "x").storage_class


@pytest.mark.parametrize(
    "call",
    [
        lambda container, extra: container.upload_object(b"", "b", extra=extra),
        lambda container, extra: container.open("b", "wb", extra=extra),
        lambda container, extra: container.object("a").copy("c", "b", extra=extra),
        lambda container, extra: container.driver.create_container("e", extra=extra),
    ],
    ids=["upload", "open", "copy", "create"],
)
@pytest.mark.parametrize(
    ("extra", "error", "message"),
    [
        ({"smell": "x"}, InvalidOptionError, "no extra option 'smell'; use one of"),
        ({"colour": 1, "place": 1}, Exception, "must be a str|no extra option"),
        ([("colour", "red")], InvalidTypeError, "extra must be a mapping, not list"),
    ],
)
def test_wrong_extra_option_is_refused_before_anything_is_sent(
    driver: PublicDriver,
    call: Callable[[Container, Any], object],
    extra: Any,
    error: type[Exception],
    message: str,
) -> None:
    container = driver.get_container("c")
    driver.calls.clear()
    with pytest.raises(error, match=message):
        call(container, extra)
    assert [] == driver.calls


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ContentType", "pass content_type= beside"), ("meta_data", "pass metadata= beside"),
        ("StorageClass", "pass storage_class= beside"), ("Tagging", "did you mean 'tags'"),
        ("ServerSideEncryption", "did you mean 'encryption'"), ("SSEKMSKeyId", "'kms_key'"),
    ],
)  # fmt: skip
def test_extra_option_of_another_library_gets_a_suggestion(given: str, meant: str) -> None:
    container = get_driver("s3")("key", "secret").container("photos")
    with pytest.raises(InvalidOptionError, match=meant):
        container.upload_object(b"", "a", extra={given: "x"})
    with pytest.raises(InvalidOptionError, match=meant):
        container.object("a").copy(container, "b", extra={given: "x"})


def test_argument_that_copies_do_not_have_is_not_suggested() -> None:
    obj = MemoryDriver().create_container("c").upload_object(b"", "a")
    with pytest.raises(InvalidOptionError, match="it has none"):
        obj.copy("c", "b", extra={"CacheControl": "x"})


def test_extra_option_is_refused_by_a_service_without_any() -> None:
    with pytest.raises(InvalidOptionError, match="it has none"):
        MemoryDriver().create_container("c", extra={"region": "x"})


def test_opening_for_reading_refuses_extra(driver: PublicDriver) -> None:
    with pytest.raises(InvalidOptionError, match="an option for writing"):
        cast("Any", driver).open_object("c", "a", "rb", extra={"colour": "red"})


def test_signed_headers_reach_the_driver_in_lower_case(driver: PublicDriver) -> None:
    obj = driver.object("c", "a")
    obj.sign_url(method="PUT", expires=5, headers={"Content-Type": "a/b"})
    obj.sign_url(response_headers={"Content-Disposition": "attachment"})

    assert [
        SigningOptions("PUT", 5.0, {"content-type": "a/b"}, {}),
        SigningOptions("GET", 3600.0, {}, {"content-disposition": "attachment"}),
    ] == [arguments[2] for arguments in driver.requested("_sign_url")]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"headers": {"bad name": "x"}}, InvalidOptionError),
        ({"headers": {"a": "new\nline"}}, InvalidOptionError),
        ({"headers": {1: "x"}}, InvalidTypeError),
        ({"headers": {"a": 1}}, InvalidTypeError),
        ({"headers": "a: b"}, InvalidTypeError),
        ({"response_headers": {"server": "x"}}, InvalidOptionError),
        ({"method": "PUT", "response_headers": {"expires": "x"}}, InvalidOptionError),
    ],
)
def test_wrong_headers_are_refused(
    driver: PublicDriver, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        driver.object("c", "a").sign_url(**options)


class NoHeadersDriver(MemoryDriver):
    """A driver of a service whose signed URLs have no headers."""

    name: ClassVar[str] = "plain"
    options: ClassVar[frozenset[str]] = frozenset()


def test_headers_that_a_service_cannot_sign_are_refused() -> None:
    obj = NoHeadersDriver().object("c", "a")
    for options in ({"headers": {"a": "b"}}, {"response_headers": {"expires": "x"}}):
        with pytest.raises(NotSupportedError, match="does not support sign_"):
            obj.sign_url(**options)


def test_parts_of_an_unfinished_upload_are_listed() -> None:
    """The test lists them during the upload, after its last part."""
    driver = PublicDriver()
    driver.transfer = small_parts(part_size=10, threshold=10)
    driver.create_container("c")
    seen: list[Part] = []

    def check(finish: Callable[..., Any], upload: Upload, *arguments: Any) -> Any:
        seen.extend(driver.list_parts(upload))
        return finish(upload, *arguments)

    driver.around("_finish_upload", check)
    driver.upload_object(bytes(25), "c", "a")

    assert [(1, 0, 10), (2, 10, 10), (3, 20, 5)] == [
        (part.number, part.offset, part.size) for part in seen
    ]


def test_listing_parts_of_an_unknown_upload_raises() -> None:
    with pytest.raises(ObjectNotFoundError, match="does not exist"):
        len(MemoryDriver().list_parts(Upload("c", "a", "id")))


def test_list_parts_requires_an_upload() -> None:
    with pytest.raises(InvalidTypeError, match="upload must be an Upload"):
        MemoryDriver().list_parts(cast("Any", "id"))


def test_parts_are_sent_in_order_if_the_service_requires_it() -> None:
    driver = PublicDriver()
    driver.transfer = small_parts(part_size=10, threshold=10)
    driver.limits = driver.limits.__class__(ordered_parts=True)
    driver.create_container("c").upload_object(iter([bytes(200)]), "a")

    assert list(range(1, 21)) == [arguments[1] for arguments in driver.requested("_put_part")]
