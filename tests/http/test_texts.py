"""Encoding, headers, JSON and XML: the pure functions of the package."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libstore.errors import InvalidOptionError, ServiceError
from libstore.http import encoding, headers, xml
from libstore.http.json import parse_json
from libstore.values import Span

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone.utc)


@given(st.text())
def test_encoded_name_decodes_to_itself(name: str) -> None:
    for encoded, kept in ((encoding.encode(name), ""), (encoding.encode_path(name), "/")):
        assert unquote(encoded, errors="strict") == name
        assert encoded.isascii()
        bare = encoded.replace("%", "").translate(str.maketrans("", "", "-._~" + kept))
        assert bare.isalnum() or not bare


def test_unreserved_characters_are_not_encoded() -> None:
    letters = "ABCXYZabcxyz0189-._~"
    assert encoding.encode(letters) == letters
    assert encoding.encode("/%2e +ä") == "%2F%252e%20%2B%C3%A4"
    assert encoding.encode_path("../a//.") == "../a//."
    assert encoding.encode_query({"b": "1 2", "a": ""}) == "b=1%202&a="
    assert encoding.encode_query({"a/": "?&"}) == "a%2F=%3F%26"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.test", "a.test"),
        ("http://a.test:80/", "a.test"),
        ("https://a.test:443", "a.test"),
        ("https://a.test:80", "a.test:80"),
        ("http://[::1]:9000", "[::1]:9000"),
        ("HTTP://A.test", "a.test"),
    ],
)
def test_host_header_omits_the_default_port(url: str, host: str) -> None:
    assert encoding.host_header(url) == host


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", MOMENT),
        ("Sunday, 06-Nov-94 08:49:37 GMT", MOMENT),
        ("Sun Nov  6 08:49:37 1994", MOMENT),
        ("Sun, 06 Nov 1994 09:49:37 +0100", MOMENT),
        ("Sun, 06 Foo 1994 08:49:37 GMT", None),
        ("Sun, 36 Nov 1994 08:49:37 GMT", None),
        ("yesterday", None),
        ("Sun, 06 Nov +994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1_94 08:49:37 GMT", None),
        ("Sun, 06 Nov \u0661994 08:49:37 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +9999999999", None),
        (5, None),
        (["Sun, 06 Nov 1994 08:49:37 GMT"], None),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None),
        ("", None),
        (None, None),
    ],
)
def test_date_is_parsed(text: object, moment: datetime | None) -> None:
    assert headers.parse_date(text) == moment


@given(st.integers(0, 4_000_000_000))
def test_formatted_date_is_parsed_again(moment: int) -> None:
    parsed = headers.parse_date(headers.http_date(moment))
    assert parsed is not None
    assert parsed.timestamp() == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1994-11-06T08:49:37.000Z", MOMENT),
        ("1994-11-06T08:49:37Z", MOMENT),
        ("1994-11-06T08:49:37.0000000Z", MOMENT),
        ("1994-11-06T08:49:37", MOMENT),
        ("1994-11-06T09:49:37+01:00", MOMENT),
        ("1994-11-06T08:49:37.5Z", MOMENT.replace(microsecond=500_000)),
        ("now", None),
        ("10000-01-01T00:00:00Z", None),
        ("1994-11-06T08:49:37.xZ", None),
        ("\u0661994-11-06T08:49:37Z", None),
        (784111777, None),
        ({}, None),
        ("0001-01-01T00:00:00+01:00", None),
        ("", None),
        (None, None),
    ],
)
def test_timestamp_is_parsed(text: object, moment: datetime | None) -> None:
    assert headers.parse_timestamp(text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("784111777", MOMENT),
        ("784111777.00000", MOMENT),
        ("784111777.5", MOMENT.replace(microsecond=500_000)),
        ("-1", None),
        ("1e9", None),
        ("1_000", None),
        ("nan", None),
        ("inf", None),
        ("\u0661", None),
        ("999999999999999", None),
        ("9" * 5_000, None),
        ("", None),
        (None, None),
    ],
)
def test_seconds_since_1970_are_parsed(text: str | None, moment: datetime | None) -> None:
    assert headers.parse_epoch(text) == moment


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("0", 0), ("007", 7), (7, 7), (2**63 - 1, 2**63 - 1), (2**63, None),
        ("-1", None), (-1, None), ("+1", None),
        ("1_0", None), (" 1", None), ("\u0661", None), ("\xb2", None), ("1.0", None), (1.0, None),
        ("9" * 5_000, None), (10**4_000, None), (True, None), ([], None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_size_is_parsed(value: object, size: int | None) -> None:
    assert headers.parse_size(value) == size


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1, "b": "x"}', {"a": 1, "b": "x"}),
        ("[NaN, Infinity, -Infinity, 1]", [None, None, None, 1]),
        ("[" + "9" * 5_000 + ", 1]", [None, 1]),
        ('"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_json_is_parsed(text: str, found: object) -> None:
    assert parse_json(text) == found
    assert parse_json(text.encode()) == found


@pytest.mark.parametrize("text", ['{"a": "%s"}', '[{"a": ["%s"]}]', '{"a": "%s", "n": 1%s}'])
def test_traceback_shows_no_json(text: str) -> None:
    """A service may repeat a request in its response, with the credentials."""
    found = parse_json(text.replace("%s", "0" * 5_000))
    assert "000" not in repr(found)
    assert "a" in repr(found)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud83d"', b'"\\uDE00x"', b"\xef\xbb\xbf[", b"'a'"],
)
def test_invalid_json_is_rejected(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(data)


@pytest.mark.parametrize(
    "declared",
    [
        'encoding="WTF-8"', 'encoding="utf-7"', 'encoding="utf-32"', 'encoding="utf-16"',
        'encoding="hex"', 'encoding="rot13"', 'encoding="idna"', 'encoding="punycode"',
        'encoding="unicode_escape"', 'encoding="undefined"', 'encoding="mbcs"', 'encoding="zlib"',
        'encoding="big5"', 'encoding="x"', 'encoding=""', 'encoding="a b"', 'standalone="maybe"',
    ],
)  # fmt: skip
def test_unknown_xml_encoding_is_rejected(declared: str) -> None:
    with pytest.raises(ServiceError):
        xml.read_listing(f'<?xml version="1.0" {declared}?><a><b>text</b></a>'.encode(), ())


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "UTF-8"), ("utf-16", "UTF-16"), ("latin-1", "ISO-8859-1"), ("ascii", "us-ascii"),
        ("cp1252", "windows-1252"),
    ],
)  # fmt: skip
def test_known_xml_encoding_is_read(encoding: str, name: str) -> None:
    document = f'<?xml version="1.0" encoding="{name}"?><a><b>text</b></a>'.encode(encoding)
    assert xml.read_listing(document, ()).head == {"b": "text"}


@pytest.mark.parametrize(
    ("text", "etag"),
    [('"a"', "a"), ('W/"a"', "a"), ("a", "a"), ('""', None), ('"', '"'), ("", None), (None, None)],
)
def test_etag_is_cleaned(text: str | None, etag: str | None) -> None:
    assert headers.clean_etag(text) == etag


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("bytes 0-4/10", (Span(0, 5), 10)),
        ("bytes 0-4/*", (Span(0, 5), None)),
        ("bytes */10", (None, 10)),
        ("bytes 5-4/10", None),
        ("bytes 5-10/10", None),
        ("bytes 5-/10", None),
        ("items 0-4/10", None),
        ("bytes 0-4/10\n", None),
        ("bytes \u0660-\u0664/10", None),
        ("", None),
        (None, None),
    ],
)
def test_content_range_is_parsed(text: str | None, parsed: Any) -> None:
    assert headers.parse_content_range(text) == parsed


LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>b</Name> <Prefix/> <IsTruncated>false</IsTruncated>
  <Contents>
    <Key>a&amp;b&#13;</Key><Size>1</Size>
    <Owner><ID>me</ID><DisplayName></DisplayName></Owner><Last>x</Last>
  </Contents>
  <Contents/>
  <CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>
  <Outer><Inner>i</Inner></Outer>
</ListBucketResult>"""
ROWS = {"Contents", "CommonPrefixes"}


@pytest.mark.parametrize("prefix", [b"", b"s3:"])
def test_listing_is_flattened_to_rows(prefix: bytes) -> None:
    data = (
        LISTING.replace(b"</", b"\1").replace(b"<", b"<" + prefix).replace(b"\1", b"</" + prefix)
    )
    listing = xml.read_listing(data.replace(b"<" + prefix + b"?", b"<?"), ROWS)
    assert listing.tag == "ListBucketResult"
    assert listing.head == {
        "Name": "b", "Prefix": "", "IsTruncated": "false", "Outer/Inner": "i",
    }  # fmt: skip
    assert list(listing.rows) == [
        (
            "Contents",
            {"Key": "a&b\r", "Size": "1", "Owner/ID": "me", "Owner/DisplayName": "", "Last": "x"},
        ),
        ("Contents", {}),
        ("CommonPrefixes", {"Prefix": "p/"}),
    ]


# Rows and what may be in, between and around them.
_PIECES = (
    "<Row><A>1</A><B>x</B></Row>", "<Row><A>2</A><B></B></Row>", "<Row><A>3</A><B/></Row>",
    "<Row><A>4</A></Row>", "<Row>\n <A>5</A>\n <B>y</B>\n</Row>", "<Row ><A>1</A><B>x</B></Row>",
    "<Row><A>6</A>t<B>z</B></Row>", "<Row><B>x</B><A>7</A></Row>", "<Row><A>8</A><A>9</A></Row>",
    "<Row><A>&amp;lt;</A><B>&gt;</B></Row>", "<Row><A>&quot;&apos;</A><B>&#65;</B></Row>",
    "<Row><A><B>deep</B><C/></A></Row>", "<Row/>", "<Row></Row>", "<Row>text</Row>",
    '<Row><A k="v">1</A><B>x</B></Row>', "<Row><A>1</B><B>x</A></Row>", "<Row><A>1</A><B>x</B>",
    "<Row><A>1</A></B/><B>x</B></Row>", "<n:Row><n:A>1</n:A></n:Row>",
    "<Row><A>&x;</A><B>y</B></Row>",
    "<Row><A>\x01</A><B>y</B></Row>", "<Row><A>a\r\nb</A><B>\u00e9\u20ac</B></Row>", "<P/>",
    "<P><Name>p</Name></P>", "<P><Name>q</Name></P>", "<!-- <Row><A>1</A><B>x</B></Row> -->",
    "<![CDATA[<Row><A>1</A><B>x</B></Row>]]>", "<?pi x?>", "text", "\n  ", "<Name>n</Name>",
    "<Outer>", "</Outer>", "<!--", "-->", "<Row", "&", ">", "]]>",
)  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=8), st.sampled_from(["", "utf-8", "latin-1"]))
def test_rows_are_read_as_the_parser_reads_them(pieces: list[str], encoding: str) -> None:
    start = f'<?xml version="1.0" encoding="{encoding}"?>' if encoding else ""
    text = f"{start}<R>{''.join(pieces)}</R>"
    data = memoryview(text.encode(encoding or "utf-8", "xmlcharrefreplace"))
    tags, keys = frozenset({"Row", "P"}), ("A", "Name", "A/B")

    def read(reader: Callable[[memoryview], xml.Listing]) -> tuple[object, ...]:
        try:
            listing = reader(data)
        except ServiceError as error:
            return (str(error),)
        selected = [list(xml.columns(listing.rows, tag, keys)) for tag in sorted(tags)]
        return listing.tag, listing.head, list(listing.rows), selected

    assert read(lambda data: xml.read_listing(data, tags)) == read(xml._ListingReader(tags).read)


def test_rows_may_be_nested() -> None:
    data = b"<R><Blobs><Blob><Name>a</Name></Blob><Blob><Name>b</Name></Blob></Blobs><N>x</N></R>"
    listing = xml.read_listing(data, {"Blob"})
    assert list(listing.rows) == [("Blob", {"Name": "a"}), ("Blob", {"Name": "b"})]
    assert listing.head == {"N": "x"}


def test_document_without_rows_is_flattened() -> None:
    document = xml.read_listing(LISTING, ())
    assert document.head["Contents/Owner/ID"] == "me"
    assert document.head["Contents"] == ""  # the last one
    assert (document.head["Name"], list(document.rows)) == ("b", [])


BOMB = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'
_BROKEN = "sent invalid XML"
_DEEP = "nested more than 50 levels deep"
_DOCTYPE = "has a document type"
HOSTILE = [
    (BOMB, _DOCTYPE),
    (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x"><a/>', _DOCTYPE),
    (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', _DOCTYPE),
    (BOMB.decode().encode("utf-16"), _DOCTYPE),
    (b"<a>&x;</a>", _BROKEN),
    (b"<a>" * 51 + b"</a>" * 51, _DEEP),
    (b"<a>" * 1_000_000, _DEEP),
    (b"<R>" + b"<Contents>" * 50 + b"</Contents>" * 50 + b"</R>", _DEEP),
    (b"<R><Contents>" + b"<a>" * 49 + b"</a>" * 49 + b"</Contents></R>", _DEEP),
    (b"", _BROKEN),
    (b"<a>", _BROKEN),
    (b"<a></b>", _BROKEN),
    (b"<a/><b/>", _BROKEN),
    (b"\xff\xfe", _BROKEN),
    (b"<a>\x01</a>", _BROKEN),
    (b"<html><body><p>Bad gateway</body></html>", _BROKEN),
    (b"{}", _BROKEN),
    (b"<a>" + b"x" * (33 << 20) + b"</a>", "more than 33554432 bytes"),
]


@pytest.mark.parametrize(("data", "why"), HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("rows", [(), ROWS], ids=["small", "long"])
def test_hostile_document_is_rejected(data: bytes, why: str, rows: Collection[str]) -> None:
    began = time.process_time()
    with pytest.raises(ServiceError, match=why):
        xml.read_listing(data, rows)
    assert time.process_time() - began < 1


def test_document_of_maximum_depth_is_read() -> None:
    data = b"<a>" * 50 + b"x" + b"</a>" * 50
    assert xml.read_listing(data, ()).tag == "a"
    assert xml.read_listing(data, {"b"}).head == {"/".join("a" * 49): "x"}
    row = b"<R><b>" + b"<a>" * 48 + b"x" + b"</a>" * 48 + b"</b></R>"
    assert list(xml.read_listing(row, {"b"}).rows) == [("b", {"/".join("a" * 48): "x"})]


@given(st.text())
def test_written_document_is_read_again(text: str) -> None:
    tree = [("Object", [("Key", text)]), ("Quiet", "true")]
    if not xml.is_xml_text(text):
        with pytest.raises(InvalidOptionError, match="XML cannot represent"):
            xml.write("Delete", tree)
        return
    document = xml.write("Delete", tree, 'http://x/"&')
    assert xml.read_listing(document, ()).head == {"Object/Key": text, "Quiet": "true"}
    assert b"<Delete xmlns='http://x/\"&amp;'>" in document
