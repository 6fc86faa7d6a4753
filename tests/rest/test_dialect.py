"""The headers of objects, made and read by a dialect."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from libstore import Conditions, InvalidOptionError, ListQuery, ObjectInfo, Prefix, WriteOptions
from libstore.rest.dialect import (
    CONTENT_EXTRAS,
    HeaderDialect,
    ascii_value,
    condition_headers,
    parameters,
    sorted_page,
    with_token,
)
from libstore.values import TOKEN_KEY

MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"
DIALECT = HeaderDialect(
    "x-meta-",
    storage_class="x-class",
    default_class="HOT",
    version="x-version",
    extra={**CONTENT_EXTRAS, "x-note": "note"},
    kept={"note": "x-note"},
    encode_key=lambda key: key.replace("_", "-2d"),
    decode_key=lambda key: key.replace("-2d", "_"),
)


def test_write_headers_have_every_option() -> None:
    options = WriteOptions(
        "text/plain", {"a_b": "grüße"}, "COLD", "no-cache", "inline", "gzip", "de"
    )
    assert DIALECT.write_headers(options) == {
        "content-type": "text/plain",
        "cache-control": "no-cache",
        "content-disposition": "inline",
        "content-encoding": "gzip",
        "content-language": "de",
        "x-class": "COLD",
        "x-meta-a-2db": "=?UTF-8?B?Z3LDvMOfZQ==?=",
    }


@pytest.mark.parametrize(
    "options",
    [
        WriteOptions(content_type="text/ü"),
        WriteOptions(content_disposition="ü"),
        WriteOptions(storage_class="ü"),
    ],
)
def test_write_headers_beyond_ascii_are_refused(options: WriteOptions) -> None:
    with pytest.raises(InvalidOptionError, match="RFC 6266"):
        DIALECT.write_headers(options)


def test_object_info_has_all_headers() -> None:
    headers = {
        "last-modified": MODIFIED,
        "content-type": "text/plain",
        "cache-control": "no-cache",
        "x-note": "n",
        "x-class": "COLD",
        "x-version": "v1",
        "x-meta-a-2db": "=?UTF-8?B?Z3LDvMOfZQ==?=",
        "x-unknown": "left out",
    }
    info = DIALECT.object_info(
        "name", headers, 5, etag="e", checksums={"md5": "00"}, extra={"note": "more", "own": 1}
    )
    assert info == ObjectInfo(
        "name",
        5,
        "e",
        {"md5": "00"},
        datetime(2015, 10, 21, 7, 28, tzinfo=timezone.utc),
        "text/plain",
        {"a_b": "grüße"},
        "v1",
        "COLD",
        {"cache_control": "no-cache", "note": "more", "own": 1},
        complete=True,
    )


def test_object_info_without_headers_has_defaults() -> None:
    info = DIALECT.object_info(
        "name", {"last-modified": "never", "x-version": "null"}, None, etag=None, checksums={}
    )
    assert info == ObjectInfo("name", metadata={}, storage_class="HOT", complete=True)


def test_version_null_is_none() -> None:
    assert "2" == DIALECT.version_of({"x-version": "2"})
    assert DIALECT.version_of({"x-version": "null"}) is None
    assert DIALECT.version_of({}) is None


def test_kept_headers_repeat_values_that_are_not_replaced() -> None:
    info = ObjectInfo(
        "name",
        content_type="text/plain",
        metadata={"a": "b"},
        extra={"cache_control": "no-cache", "note": "n", "own": 1},
    )
    repeated = {"cache-control": "no-cache", "x-note": "n"}
    assert DIALECT.kept_headers(info, None, None) == {
        "content-type": "text/plain", "x-meta-a": "b", **repeated,
    }  # fmt: skip
    assert DIALECT.kept_headers(info, {"c": "d"}, "image/png") == {
        "content-type": "image/png", "x-meta-c": "d", **repeated,
    }  # fmt: skip
    assert DIALECT.kept_headers(ObjectInfo("name"), None, None) == {
        "content-type": "application/octet-stream"
    }


def test_content_type_beyond_ascii_is_refused_in_a_change() -> None:
    with pytest.raises(InvalidOptionError, match="content_type"):
        DIALECT.kept_headers(ObjectInfo("name"), None, "text/ü")


def test_written_headers_come_back_as_the_same_options() -> None:
    options = WriteOptions(
        "text/plain", {"a_b": " ü "}, "COLD", "no-cache", "inline", "gzip", "de"
    )
    headers = DIALECT.write_headers(options)
    info = DIALECT.object_info("name", headers, 1, etag="e", checksums={})
    kept = DIALECT.kept_headers(info, None, None)
    assert headers == {**kept, "x-class": info.storage_class}


def test_condition_headers() -> None:
    assert condition_headers(Conditions()) == {}
    assert condition_headers(Conditions(if_absent=True)) == {"if-none-match": "*"}
    assert condition_headers(Conditions(if_match="e"), "x-") == {"x-if-match": '"e"'}
    with pytest.raises(InvalidOptionError, match="if_match"):
        condition_headers(Conditions(if_match="ü"))


@pytest.mark.parametrize(("limit", "fits"), [(17, True), (16, False)])
def test_token_is_left_out_without_space(limit: int, fits: bool) -> None:
    headers = {"x-meta-a": "ü", "content-type": "text/plain"}
    conditions = Conditions(if_absent=True, token="t")
    found = with_token(headers, conditions, "x-meta-", limit)
    assert found == ({**headers, f"x-meta-{TOKEN_KEY}": "t"} if fits else headers)
    assert with_token(headers, Conditions(if_absent=True), "x-meta-", 9_999) == headers


def test_ascii_value_names_the_option() -> None:
    assert ascii_value("a", "option") == "a"
    with pytest.raises(InvalidOptionError, match=r"^some_option must be ASCII"):
        ascii_value("ä", "some_option")


def test_empty_parameters_are_left_out() -> None:
    assert parameters({"a": "1", "b": "", "c": None}) == {"a": "1"}


def test_page_is_sorted_and_begins_behind_its_start() -> None:
    names = ["b", "a/2", "a", "\U00010000", "\uffff", ""]
    items: list[ObjectInfo | Prefix] = [ObjectInfo(name) for name in names]
    items.append(Prefix("a/"))
    page = sorted_page(items, ListQuery(), "token")
    assert [item.name for item in page.items] == ["a", "a/", "a/2", "b", "\uffff", "\U00010000"]
    assert page.token == "token"
    page = sorted_page(items, ListQuery(start_after="a/"))
    assert [item.name for item in page.items] == ["a/2", "b", "\uffff", "\U00010000"]
