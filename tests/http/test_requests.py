"""Requests: exact bytes, rejected injections, bodies of all kinds, early responses."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from scripted import Connect, Get, Play, Serve, respond

from libstore.errors import IntegrityError, InvalidOptionError, ServiceError, TransportError
from libstore.http.encoding import encode_path
from libstore.http.message import Request
from libstore.retry import RetryPolicy
from libstore.transfer.payload import BufferPayload, FilePayload
from libstore.version import __version__

BIG = bytes(range(256)) * 40_000  # more than the sockets' buffers take
OK = b"HTTP/1.1 200 OK\r\n"


class Parts:
    """Content whose announced size is wrong."""

    def __init__(self, size: int, *parts: bytes) -> None:
        self.size = size
        self.parts = parts

    def blocks(self, block_size: int = 0, /) -> Iterator[memoryview]:
        return (memoryview(part) for part in self.parts)


@pytest.mark.parametrize(
    "name",
    ["..", ".", "../../other/x", "a//b", "//a", "a/", "/", "%2e%2E", "a b+c", "ä/日本/🎉",
     "?#&=;", "\x01\x7f\n", "a\\b", "~user", "*'()!@:,$", "x" * 1024],
)  # fmt: skip
def test_target_is_sent_unchanged(serve: Serve, get: Get, name: str) -> None:
    server = serve()
    target = f"/bucket/{encode_path(name)}?versionId=%2e%2E&x="
    get(server, target=target)
    assert server.seen[0].line == f"GET {target} HTTP/1.1"
    from urllib.parse import unquote

    assert unquote(server.seen[0].target.partition("?")[0]) == f"/bucket/{name}"


def test_head_has_the_headers_of_the_request_and_four_more(serve: Serve, get: Get) -> None:
    server = serve()
    get(server, method="PUT", headers={"x-b": "1", "x-a": "ä\t"}, content=b"12")
    assert server.seen[0].headers == [
        ("host", f"127.0.0.1:{server.port}"),
        ("user-agent", f"libstore/{__version__}"),
        ("accept-encoding", "identity"),
        ("x-b", "1"),
        ("x-a", "Ã¤\t"),  # UTF-8, each byte as one character
        ("content-length", "2"),
    ]


def test_header_of_the_request_replaces_the_default(serve: Serve, get: Get) -> None:
    server = serve()
    get(server, headers={"host": "bucket.test", "user-agent": "me"})
    names = [name for name, _ in server.seen[0].headers]
    assert sorted(names) == ["accept-encoding", "host", "user-agent"]
    assert dict(server.seen[0].headers)["host"] == "bucket.test"


@pytest.mark.parametrize(
    ("method", "content", "length"),
    [("GET", None, None), ("DELETE", None, None), ("PUT", None, "0"), ("POST", b"", "0"),
     ("PUT", BufferPayload([]), "0"), ("DELETE", b"x", "1")],
)  # fmt: skip
def test_content_length_is_sent_where_required(
    serve: Serve, get: Get, method: str, content: Any, length: str | None
) -> None:
    server = serve()
    get(server, method=method, content=content)
    assert dict(server.seen[0].headers).get("content-length") == length


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "b\r\nx-evil: 1"),
        ("x-a", "b\nx-evil: 1"),
        ("x-a", "b\rc"),
        ("x-a", "b\0c"),
        ("x-a", "b\x7fc"),
        ("x-a", "\ud800"),
        ("x-a\r\nx-evil", "1"),
        ("x a", "1"),
        ("x-a:", "1"),
        ("x,a", "1"),
        ("", "1"),
        ("ä", "1"),
        ("content-length", "1"),
        ("transfer-encoding", "chunked"),
    ],
)
def test_header_injection_is_rejected(serve: Serve, get: Get, name: str, value: str) -> None:
    server = serve()
    with pytest.raises(InvalidOptionError):
        get(server, headers={name: value})
    assert server.seen == []


@pytest.mark.parametrize("target", ["x", "", "/a b", "/a\r\nx: y", "/ä", "/a\x7f", "http://x/"])
def test_unencoded_target_is_rejected(serve: Serve, get: Get, target: str) -> None:
    server = serve()
    with pytest.raises(InvalidOptionError, match="target"):
        get(server, target=target)
    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    ["http://a@b", "http://a/b", "http://a?b", "http://a#b", "ftp://a", "http://", "a",
     "http://a b", "http://a:b", "http://a:99999", "http://ä", "http://a\\b", "http://a\r\nx"],
)  # fmt: skip
def test_invalid_origin_is_rejected(connect: Connect, url: str) -> None:
    with pytest.raises(InvalidOptionError, match="URL") as raised:
        connect().request(Request("GET", url, "/"))
    assert "a@b" not in str(raised.value)


def content_of_all_kinds(tmp_path: Path) -> tuple[BinaryIO, list[tuple[Any, bytes]]]:
    path = tmp_path / "big"
    path.write_bytes(b"before" + BIG)
    file = path.open("rb")
    return file, [
        (b"small", b"small"),
        (BIG, BIG),
        (BIG[:70_000], BIG[:70_000]),
        (BufferPayload([memoryview(BIG[:9]), memoryview(BIG[9:])]), BIG),
        (FilePayload(file.fileno(), 6, len(BIG)), BIG),
        (Parts(6, b"abc", b"", b"def"), b"abcdef"),
    ]


@pytest.mark.parametrize("secure", [False, True])
def test_body_arrives_completely(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, bundle: str, tmp_path: Path, secure: bool
) -> None:
    server = serve(tls=tls if secure else None)
    client = connect(verify=bundle)
    file, contents = content_of_all_kinds(tmp_path)
    with file:
        for content, expected in contents:
            client.request(Request("PUT", server.url, "/x", content=content)).close()
            assert server.seen[-1].body == expected
    assert server.connections == 1


@pytest.mark.parametrize("secure", [False, True])
def test_retry_sends_the_body_from_its_beginning(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, bundle: str, secure: bool
) -> None:
    server = serve(Play(b"", "reset"), respond(b"x", 500), tls=tls if secure else None)
    content = BufferPayload([memoryview(BIG)])
    connect(verify=bundle).request(Request("PUT", server.url, "/x", content=content))
    assert [seen.body == BIG for seen in server.seen] == [True] * 3


@pytest.mark.parametrize("parts", [[b"ab"], [b"abcd"], [b"ab", b"cd"], []])
def test_content_of_wrong_length_is_an_error(
    serve: Serve, connect: Connect, parts: list[bytes]
) -> None:
    server, client = serve(), connect()
    with pytest.raises(IntegrityError, match="the content was announced with 3 bytes"):
        client.request(Request("PUT", server.url, "/x", content=Parts(3, *parts)))
    assert client.request(Request("GET", server.url, "/")).read(9) == b"ok"
    assert all(len(seen.body) < 3 for seen in server.seen)  # no incomplete body is sent


def test_exception_of_the_content_is_raised(serve: Serve, connect: Connect) -> None:
    class Failing(Parts):
        def blocks(self, block_size: int = 0, /) -> Iterator[memoryview]:
            yield memoryview(b"ab")
            raise KeyboardInterrupt

    server, client = serve(), connect(pool_size=1)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            client.request(Request("PUT", server.url, "/x", content=Failing(4)))
    assert client.request(Request("GET", server.url, "/")).read(9) == b"ok"


@pytest.mark.parametrize("then", ["close", "stall"])
@pytest.mark.parametrize("secure", [False, True])
def test_early_response_is_read(
    serve: Serve, connect: Connect, tls: ssl.SSLContext, bundle: str, then: str, secure: bool
) -> None:
    early = respond(b"TooLarge", 413, then, early=True)
    server = serve(early, tls=tls if secure else None)
    client = connect(verify=bundle, retry=RetryPolicy(attempts=1), read_timeout=1.0)
    with pytest.raises((ServiceError, TransportError)) as raised:
        client.request(Request("PUT", server.url, "/x", content=BufferPayload([memoryview(BIG)])))
    if then == "stall":  # the other one may lose its response to the reset that follows it
        assert raised.value.status == 413
        assert raised.value.code == "TooLarge"
    assert client.request(Request("GET", server.url, "/")).read(9) == b"ok"
    assert server.connections == 2


def test_interim_response_does_not_stop_the_body(serve: Serve, connect: Connect) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    server = serve(Play(interim, early=True, after=respond(b"done").data))
    client = connect()
    response = client.request(Request("PUT", server.url, "/x", content=BIG))
    assert response.read(9) == b"done"
    assert server.seen[0].body == BIG
