"""Responses: framing, truncated and slow bodies, malformed heads, and released connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from scripted import Connect, Get, Play, Serve, chunked, respond

from libstore.errors import ServiceError, TransportError, TransportTimeoutError
from libstore.http.connection import Channel
from libstore.http.message import Request, Response
from libstore.http.network_errors import Peer, TooSlowError, receiving
from libstore.retry import RetryPolicy

BIG = bytes(range(256)) * 4096
OK = b"HTTP/1.1 200 OK\r\n"


def read_all(response: Response, step: int = 1 << 20) -> bytes:
    buffer = memoryview(bytearray(step))
    parts = []
    while count := response.readinto(buffer):
        parts.append(bytes(buffer[:count]))
    return b"".join(parts)


def test_small_body_is_read(serve: Serve, get: Get) -> None:
    response = get(serve(respond(b"hello", ETag='"e"', X_Odd="a: b")))
    assert (response.status, response.size) == (200, 5)
    assert (response.headers["etag"], response.headers["x-odd"]) == ('"e"', "a: b")
    assert response.read(5) == b"hello"
    assert response.read(5) == b""
    assert response.readinto(memoryview(bytearray(9))) == 0


@pytest.mark.parametrize("step", [1 << 20, 65_536, 1_000])
@pytest.mark.parametrize(
    "play",
    [respond(BIG), chunked(BIG), chunked(*[BIG[i : i + 999] for i in range(0, len(BIG), 999)])],
)
def test_large_body_is_read_in_pieces(serve: Serve, get: Get, play: Play, step: int) -> None:
    assert read_all(get(serve(play)), step) == BIG


@pytest.mark.parametrize("play", [respond(BIG), chunked(BIG[:7], BIG[7:])])
def test_large_body_is_read_at_once(serve: Serve, connect: Connect, get: Get, play: Play) -> None:
    server, client = serve(play), connect()
    assert get(server, client=client).read(len(BIG)) == BIG
    assert get(server, client=client).read(9) == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize("play", [respond(BIG), chunked(BIG), Play(OK + b"\r\n" + BIG, "close")])
def test_body_above_the_limit_is_rejected(serve: Serve, get: Get, play: Play) -> None:
    response = get(serve(play))
    with pytest.raises(ServiceError, match="more than 1000 bytes"):
        response.read(1000)
    response.close()


def test_body_without_length_ends_with_the_connection(
    serve: Serve, connect: Connect, get: Get
) -> None:
    server, client = serve(Play(OK + b"\r\n" + BIG, "close")), connect()
    response = get(server, client=client)
    assert response.size is None
    assert read_all(response) == BIG
    assert get(server, client=client).read(9) == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize(
    "play",
    [
        Play(OK + b"Content-Length: 0\r\n\r\n"),
        Play(b"HTTP/1.1 204 No Content\r\n\r\n"),
        Play(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
    ],
)
def test_response_without_body_is_empty(
    serve: Serve, connect: Connect, get: Get, play: Play
) -> None:
    server, client = serve(play), connect()
    response = get(server, client=client, expected=frozenset({200, 204, 304}))
    assert (response.size, response.read(9)) == (0, b"")
    assert get(server, client=client).read(9) == b"ok"
    assert server.connections == 1


def test_response_to_head_has_length_but_no_body(serve: Serve, connect: Connect, get: Get) -> None:
    server = serve(Play(OK + b"Content-Length: 5000\r\n\r\n"))
    client = connect()
    response = get(server, method="HEAD", client=client)
    assert (response.headers["content-length"], response.read(9)) == ("5000", b"")
    assert get(server, client=client).read(9) == b"ok"
    assert server.connections == 1


def test_interim_responses_are_skipped(serve: Serve, get: Get) -> None:
    play = respond(b"real")
    play.data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + play.data
    assert get(serve(play)).read(9) == b"real"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "does not begin with HTTP/1"),
        (b"HTTP/1.1 2OO OK\r\n\r\n", "not a status line"),
        (b"HTTP/2 200\r\n\r\n", "not a status line"),
        (
            OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            "two different content-length headers",
        ),
        (
            OK + b"Content-Length: 2, 3\r\n\r\nok",
            "two different content-length headers",
        ),
        (
            OK + b"Content-Length: 2, 2,\r\n\r\nok",
            "two different content-length headers",
        ),
        (OK + b"Content-Length: 9999999999999999999\r\n\r\nok", "length is not a number"),
        (OK + b"Content-Length: -2\r\n\r\nok", "length is not a number"),
        (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "both a length and"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "transfer encoding is not supported"),
        (OK + b"Content-Length : 2\r\n\r\nok", "is not a header"),
        (OK + b"nonsense\r\n\r\n", "is not a header"),
        (OK + b": 1\r\n\r\n", "is not a header"),
        (OK + b"A: b\nContent-Length: 2\r\n\r\nok", "control characters"),
        (OK + b"A: b\0\r\n\r\n", "control characters"),
        (OK + b"A: " + b"b" * 70_000, "longer than 65536 bytes"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "that was not requested"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "16 interim responses"),
    ],
)
def test_malformed_head_is_rejected(serve: Serve, get: Get, data: bytes, text: str) -> None:
    with pytest.raises(TransportError, match=text):
        get(serve(Play(data, "stall")))


def test_folded_header_line_is_joined(serve: Serve, get: Get) -> None:
    response = get(serve(Play(OK + b"A: b\r\n  c\r\nContent-Length: 0\r\n\r\n")))
    assert response.headers["a"] == "b c"


def test_repeated_header_is_joined(serve: Serve, get: Get) -> None:
    response = get(serve(Play(OK + b"A: b\r\na: c\r\nContent-Length: 0\r\n\r\n")))
    assert response.headers["a"] == "b, c"


_ONCE = {
    "Content-Length": ("2", "02"),
    "ETag": ('"a,b"', '"a-1"'),
    "Content-MD5": ("4QrcOUm6Wau+VuBX8g+IPg==", "AAAAAAAAAAAAAAAAAAAAAA=="),
    "Content-Range": ("bytes 0-1/2", "bytes 0-1/3"),
    "x-amz-checksum-crc32": ("AAAAAA==", "BAAAAA=="),
    "x-amz-checksum-type": ("FULL_OBJECT", "COMPOSITE"),
    "x-ms-blob-content-md5": ("4QrcOUm6Wau+VuBX8g+IPg==", "AAAAAAAAAAAAAAAAAAAAAA=="),
    "x-goog-generation": ("17", "18"),
    "x-goog-hash": ("crc32c=AAAAAA==", "crc32c=BAAAAA=="),
}


@pytest.mark.parametrize("joined", [False, True], ids=["two lines", "one line"])
@pytest.mark.parametrize("name", _ONCE)
def test_equal_values_of_single_header_are_merged(
    serve: Serve, get: Get, name: str, joined: bool
) -> None:
    """A proxy may repeat a line, or join two."""
    value = _ONCE[name][0]
    lines = f"{name}: {value}, {value}\r\n" if joined else f"{name}: {value}\r\n" * 2
    length = "" if name == "Content-Length" else "Content-Length: 2\r\n"
    response = get(serve(Play(OK + f"{lines}{length}\r\nok".encode())))

    assert b"ok" == response.read(2)
    if name != "x-goog-hash":  # its values are a list anyway
        assert value == response.headers[name.lower()]


@pytest.mark.parametrize("joined", [False, True], ids=["two lines", "one line"])
@pytest.mark.parametrize("name", [name for name in _ONCE if name != "Content-Length"])
def test_different_values_of_single_header_are_an_error(
    serve: Serve, get: Get, name: str, joined: bool
) -> None:
    """The content could not be verified."""
    one, other = _ONCE[name]
    lines = f"{name}: {one}, {other}" if joined else f"{name}: {one}\r\n{name}: {other}"
    server = serve(Play(OK + f"{lines}\r\nContent-Length: 2\r\n\r\nok".encode()))
    with pytest.raises(ServiceError, match=f"different values of the header {name.lower()}"):
        get(server)


@pytest.mark.parametrize("etag", ['"a,b"', '"a, b"', 'W/"a"', "abc", '""'])
def test_etag_with_comma_is_kept(serve: Serve, get: Get, etag: str) -> None:
    response = get(serve(respond(b"", ETag=etag)))
    assert etag == response.headers["etag"]


def test_weak_and_strong_form_of_etag_are_equal(serve: Serve, get: Get) -> None:
    response = get(serve(respond(b"", ETag='W/"a", "a", a')))
    assert 'W/"a"' == response.headers["etag"]


def test_hashes_of_different_algorithms_do_not_conflict(serve: Serve, get: Get) -> None:
    """Google sends one on each line, or all on one."""
    lines = "x-goog-hash: crc32c=AAAAAA==\r\nx-goog-hash: md5=AAAA,crc32c=AAAAAA==\r\n"
    response = get(serve(Play(OK + f"{lines}Content-Length: 0\r\n\r\n".encode())))
    assert "crc32c=AAAAAA==, md5=AAAA,crc32c=AAAAAA==" == response.headers["x-goog-hash"]


def test_error_response_with_conflicting_headers_is_reported(serve: Serve, get: Get) -> None:
    """The headers of an error verify nothing."""
    lines = b"ETag: a\r\nETag: b\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(ServiceError, match="refused"):
        get(serve(Play(b"HTTP/1.1 404 No\r\n" + lines)))


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("sent", [0, 10, 300_000])
def test_truncated_body_is_a_transport_error(serve: Serve, get: Get, sent: int, then: str) -> None:
    play = respond(BIG, then=then)
    play.data = play.data[: len(play.data) - len(BIG) + sent]
    response = get(serve(play))
    with pytest.raises(TransportError, match="is incomplete"):
        read_all(response)
    with pytest.raises(TransportError):  # and not an end that looks like one
        response.readinto(memoryview(bytearray(1)))


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (b"", "is incomplete"),
        (b"5\r\nab", "is incomplete"),
        (b"5\r\nabcdeXX", "is incomplete"),
        (b"0\r\nX: y\r\n", "is incomplete"),
        (b"5\r\nabcdeXX\r\n0\r\n\r\n", "a chunk is longer than its announced size"),
        (b"zz\r\n", "size of a chunk is not a number"),
        (b"\r\n", "size of a chunk is not a number"),
        (b"-1\r\n", "size of a chunk is not a number"),
        (b"1" * 16 + b"\r\n", "size of a chunk is not a number"),
        (b"9" * 5000, "a line is longer than 4096 bytes"),
        (b"0\r\n" + b"X: y\r\n" * 101, "trailer has more than"),
    ],
)
def test_truncated_or_invalid_chunks_are_a_transport_error(
    serve: Serve, get: Get, end: bytes, text: str
) -> None:
    response = get(serve(chunked(b"abc", end=end, then="close")))
    with pytest.raises(TransportError, match=text):
        read_all(response)


def test_trailers_are_skipped(serve: Serve, connect: Connect, get: Get) -> None:
    server, client = serve(chunked(b"abc", end=b"0\r\nX-Sum: 1\r\n\r\n")), connect()
    assert read_all(get(server, client=client)) == b"abc"
    get(server, client=client).close()
    assert server.connections == 1


def test_stalled_body_times_out(serve: Serve, get: Get, connect: Connect) -> None:
    client = connect(retry=RetryPolicy(attempts=1), read_timeout=0.1)
    with pytest.raises(TransportTimeoutError, match="sent no more of"):
        get(serve(Play(b"HTTP/1.1 20", "stall")), client=client)
    play = respond(BIG, then="stall")
    play.data = play.data[:5000]
    response = get(serve(play), client=client)
    with pytest.raises(TransportTimeoutError, match=r"after \d+ of 1048576 bytes"):
        read_all(response)


def test_surplus_bytes_are_not_taken_for_the_next_response(
    serve: Serve, connect: Connect, get: Get
) -> None:
    extra = respond(b"right")
    extra.data += b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    server, client = serve(extra, respond(b"again")), connect()
    assert get(server, client=client).read(9) == b"right"
    assert get(server, client=client).read(9) == b"again"
    assert server.connections == 2


@pytest.mark.parametrize(("size", "connections"), [(100, 1), (1 << 20, 2)])
def test_close_keeps_connection_only_if_little_of_the_body_is_left(
    serve: Serve, connect: Connect, get: Get, size: int, connections: int
) -> None:
    server, client = serve(respond(BIG[:size])), connect()
    get(server, client=client).close()
    get(server, client=client).close()
    assert server.connections == connections


def test_reading_a_closed_response_is_an_error(serve: Serve, get: Get) -> None:
    response = get(serve(respond(BIG)))
    response.close()
    response.close()
    with pytest.raises(TransportError, match="was closed"):
        response.readinto(memoryview(bytearray(9)))
    with pytest.raises(TransportError, match="was closed"):
        response.read(1 << 30)


def test_garbage_collected_response_releases_its_connection(
    serve: Serve, connect: Connect, get: Get
) -> None:
    server, client = serve(default=respond(BIG)), connect(pool_size=1)
    for _ in range(3):
        get(server, client=client)


@pytest.mark.parametrize("line", ["Connection: close", "Connection: foo, Close"])
def test_connection_close_header_closes_the_connection(
    serve: Serve, connect: Connect, get: Get, line: str
) -> None:
    server = serve(Play(OK + f"{line}\r\nContent-Length: 0\r\n\r\n".encode(), "close"))
    client = connect()
    get(server, client=client)
    get(server, client=client).close()
    assert server.connections == 2


def test_http_1_0_connection_is_not_kept(serve: Serve, connect: Connect, get: Get) -> None:
    server = serve(Play(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "close"))
    client = connect()
    assert get(server, client=client).read(9) == b"ok"
    assert client.request(Request("GET", server.url, "/")).read(9) == b"ok"
    assert server.connections == 2


class Ticks:
    """A clock that advances by a fixed time whenever it is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
        self.now, self.step = 0.0, step
        monkeypatch.setattr("libstore.http.connection.monotonic", self)

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_single_bytes_are_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is received within the socket's timeout, after ten seconds."""
    Ticks(monkeypatch, 10.0)
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here, 60.0)
        there.sendall(b"x" * 100)
        view = memoryview(bytearray(1))
        assert [channel.take(view) for _ in range(6)] == [1] * 6
        with pytest.raises(TimeoutError):
            channel.take(view)


@pytest.mark.parametrize(("rate", "ends"), [(1200, True), (4000, True), (4200, False)])
def test_body_below_the_minimum_rate_times_out(
    monkeypatch: pytest.MonkeyPatch, rate: int, ends: bool
) -> None:
    """It is 4 KiB per second, in each window of one timeout."""
    Ticks(monkeypatch, 1.0)
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here, 60.0)
        view = memoryview(bytearray(rate))
        taken = 0
        with suppress(TimeoutError):
            while taken < 300:
                there.sendall(bytes(rate))
                channel.take(view)
                taken += 1
        assert taken == (60 if ends else 300)


def test_body_that_becomes_slow_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = Ticks(monkeypatch, 1e-6)
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here, 60.0)
        view = memoryview(bytearray(65_536))
        for _ in range(20):
            there.sendall(bytes(65_536))
            channel.take(view)
        ticks.step = 1.0
        there.sendall(bytes(600))
        taken = 0
        with suppress(TimeoutError):
            while taken < 600:
                taken += channel.take(view[:1])
        assert taken < 122


def test_slow_reader_does_not_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the time spent waiting for the service counts."""
    ticks = Ticks(monkeypatch, 0.0)
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here, 60.0)
        there.sendall(bytes(1_000))
        for _ in range(1_000):
            ticks.now += 3_600.0
            assert channel.take(memoryview(bytearray(1))) == 1


@pytest.mark.parametrize(("method", "seconds"), [(b"GET", 60), (b"POST", 600)])
def test_white_space_before_a_response_is_accepted_for_a_while(
    monkeypatch: pytest.MonkeyPatch, method: bytes, seconds: int
) -> None:
    """S3 sends it while it completes a multipart upload."""
    ticks = Ticks(monkeypatch, 0.0)
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here, 60.0)
        channel.send(method + b" / HTTP/1.1\r\n\r\n", None)
        there.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        channel.receive_head()
        ticks.step = 1.0
        taken = 0
        with suppress(TimeoutError):
            while True:
                there.sendall(b" ")
                channel.take(memoryview(bytearray(1)))
                taken += 1
        assert taken == seconds


def test_wait_for_head_and_body_are_timed_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small response that is received late is not too slow."""
    Ticks(monkeypatch, 50.0)
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here, 60.0)
        channel.send(b"GET / HTTP/1.1\r\n\r\n", None)
        there.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        channel.receive_head()
        there.sendall(b"x")
        assert channel.take(memoryview(bytearray(1))) == 1


@pytest.mark.parametrize(("rate", "fails"), [(1_200, True), (4_200, False)])
def test_request_received_below_the_minimum_rate_times_out(
    monkeypatch: pytest.MonkeyPatch, rate: int, fails: bool
) -> None:
    here, there = socket.socketpair()

    class Narrow(socket.socket):
        """A socket that takes a few bytes at a time."""

        def send(self, data: Any, flags: int = 0) -> int:
            sent = super().send(data[:rate], flags)
            there.recv(sent)
            return sent

    Ticks(monkeypatch, 1.0)
    with Narrow(fileno=here.detach()) as narrow, there:
        channel = Channel(narrow, 60.0)
        with pytest.raises(TimeoutError) if fails else nullcontext():
            assert channel.send(b"PUT / HTTP/1.1\r\n\r\n", bytes(600_000))


@pytest.mark.parametrize("sending", [False, True])
def test_message_of_slow_transfer_names_its_direction(sending: bool) -> None:
    peer = Peer("https://storage.example", None, 5.0, 60.0)
    error = receiving(TooSlowError(60.0, sending=sending), peer, "the body of the response")
    assert isinstance(error, TransportTimeoutError)
    assert error.retryable
    what = "received the request" if sending else "sent the body of the response"
    assert error.message == (
        f"https://storage.example is too slow: it {what} at less than 4 KiB per second for 60 s"
    )


def test_small_reads_of_buffered_bytes_are_not_too_slow() -> None:
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here, 60.0)
        there.sendall(b"x" * 5000)
        view = memoryview(bytearray(1))
        assert sum(channel.take(view) for _ in range(5000)) == 5000


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield Channel(here, 1.0), there


def test_peer_that_closed_before_the_request_leaves_it_untouched(
    pair: tuple[Channel, socket.socket],
) -> None:
    channel, there = pair
    there.sendall(respond(b"bye", 503).data)
    there.close()
    assert not channel.send(b"PUT / HTTP/1.1\r\n\r\n", None)
    assert channel.untouched
    assert channel.receive_head().status == 503


def test_response_of_a_peer_that_closed_is_received(pair: tuple[Channel, socket.socket]) -> None:
    channel, there = pair

    def blocks() -> Iterator[memoryview]:
        yield memoryview(bytes(100_000))
        there.sendall(respond(b"bye", 503).data)
        there.close()
        yield memoryview(bytes(100_000))

    assert not channel.send(b"PUT / HTTP/1.1\r\n\r\n", Blocks(200_000, blocks))
    assert not channel.untouched
    assert channel.receive_head().status == 503


def test_early_response_stops_sending(pair: tuple[Channel, socket.socket]) -> None:
    # It responds when the first bytes are there, and reads no more; nor does it close.
    channel, there = pair

    def speak() -> None:
        there.recv(10)
        there.sendall(respond(b"no", 413).data)

    speaker = threading.Thread(target=speak)
    speaker.start()
    assert not channel.send(b"PUT / HTTP/1.1\r\n\r\n", bytes(10_000_000))
    assert channel.receive_head().status == 413
    speaker.join()


def test_peer_that_stops_reading_times_out(pair: tuple[Channel, socket.socket]) -> None:
    here, there = socket.socketpair()
    with here, there, pytest.raises(TimeoutError):
        Channel(here, 0.1).send(b"PUT / HTTP/1.1\r\n\r\n", bytes(10_000_000))


def test_line_across_the_end_of_the_buffer_is_read(pair: tuple[Channel, socket.socket]) -> None:
    channel, there = pair
    lines = [b"%d" % number * 300 for number in range(400)]
    sender = threading.Thread(target=there.sendall, args=(b"\r\n".join(lines) + b"\r\n",))
    sender.start()
    assert [channel.line(4096) for _ in lines] == lines
    sender.join()


def test_head_across_the_end_of_the_buffer_is_read(pair: tuple[Channel, socket.socket]) -> None:
    channel, there = pair
    interim = b"HTTP/1.1 103 Early\r\nlink: " + b"x" * 30_000 + b"\r\n\r\n"
    data = interim * 5 + respond(b"real").data
    sender = threading.Thread(target=there.sendall, args=(data,))
    sender.start()
    assert channel.receive_head().size == 4
    sender.join()


def test_connection_blocks_again_after_a_body_was_discarded() -> None:
    """Bytes are discarded without blocking; the next response is received with blocking."""
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here, 0.05)
        there.sendall(b"the rest")
        assert channel.discard_available(8) == 8
        with pytest.raises(TimeoutError):
            channel.receive_head()


class Blocks:
    def __init__(self, size: int, blocks: Callable[[], Iterator[memoryview]]) -> None:
        self.size = size
        self._blocks = blocks

    def blocks(self, block_size: int = 0, /) -> Iterator[memoryview]:
        return self._blocks()


def test_connection_is_released_once(serve: Serve, connect: Connect, get: Get) -> None:
    server, client = serve(default=respond(BIG)), connect(pool_size=2)
    first = get(server, client=client)
    pool, connection, lease = first._pool, first._connection, first._lease
    # As when an interrupt arrives just as a response is made: both it and its maker give back.
    pool.give_back(connection, lease, keep=False)
    again = get(server, client=client)
    assert again._connection is connection
    with pytest.raises(TransportError):
        first.read(len(BIG))
    first.close()
    del first
    assert again.read(len(BIG)) == BIG
    assert len(pool._free) == 2
