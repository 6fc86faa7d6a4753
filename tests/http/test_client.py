"""What is tried again, how often and when."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import Connect, Play, Serve, Server, Time, respond

from libstore.errors import ServiceError, TransportError, TransportTimeoutError
from libstore.http.headers import http_date
from libstore.http.message import Fault, Request
from libstore.http.transport import MAX_AHEAD
from libstore.retry import RetryPolicy

NOTHING = Play(b"", "close")
DEAD_PORT = "http://127.0.0.1:1"


class Signer:
    """A signer that counts its signatures and records the time of each."""

    def __init__(self, renewals: list[bool] = (True,)) -> None:
        self.times = []
        self.renewals = list(renewals)

    def sign(self, request: Request, now: float) -> dict[str, str]:
        self.times.append(now)
        return {**request.headers, "x-signature": str(len(self.times))}

    def renew(self, request: Request) -> bool:
        return self.renewals.pop(0) if self.renewals else False


def put(server: Server, **fields: Any) -> Request:
    return Request("PUT", getattr(server, "url", server), "/x", content=b"body", **fields)


def test_each_attempt_is_signed_again(serve: Serve, connect: Connect, time: Time) -> None:
    server = serve(Play(b"", "reset"), respond(b"Busy", 503), respond(b"Oops", 500))
    client = connect(Signer())
    assert client.request(put(server)).status == 200
    assert [dict(seen.headers)["x-signature"] for seen in server.seen] == ["1", "2", "3", "4"]
    assert [seen.body for seen in server.seen] == [b"body"] * 4
    assert len(time.slept) == 3


def test_number_of_attempts_is_limited(serve: Serve, connect: Connect, time: Time) -> None:
    server = serve(default=respond(b"Oops", 500))
    client = connect(retry=RetryPolicy(attempts=4))
    with pytest.raises(ServiceError, match="refused") as raised:
        client.request(put(server))
    assert (len(server.seen), len(time.slept)) == (4, 3)
    assert raised.value.status == 500
    assert raised.value.__context__ is None or raised.value.__suppress_context__


def test_total_time_is_limited(serve: Serve, connect: Connect, time: Time) -> None:
    server = serve(default=respond(b"Busy", 503, Retry_After="40"))
    with pytest.raises(ServiceError):
        connect(retry=RetryPolicy(attempts=50, total=100.0)).request(put(server))
    assert sum(time.slept) <= 100.0
    assert len(server.seen) == 3


def test_delays_are_random_and_grow(
    serve: Serve, connect: Connect, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    server = serve(*[respond(b"Oops", 500)] * 4)
    connect(retry=RetryPolicy(attempts=5, base=0.1, cap=0.5)).request(put(server))
    assert time.slept == pytest.approx([0.1, 0.2, 0.4, 0.5])


def test_delay_after_throttling_is_longer(
    serve: Serve, connect: Connect, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    server = serve(respond(b"Busy", 503), respond(b"Busy", 429))
    connect().request(put(server))
    assert time.slept == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": http_date(1_800_000_009.0)}, 9.0),
        ({"Retry_After": "179"}, 179.0),
        ({"x_ms_retry_after_ms": "6500"}, 6.5),
        ({"x_amz_retry_after": "6500"}, 6.5),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
    ],
)
def test_retry_after_header_is_respected(
    serve: Serve, connect: Connect, time: Time, headers: dict[str, str], wait: float | None
) -> None:
    connect().request(put(serve(respond(b"Busy", 503, **headers))))
    if wait is None:
        assert time.slept[0] <= 1.0
    else:
        assert time.slept == pytest.approx([wait])


def test_delay_beyond_the_total_time_raises_at_once(
    serve: Serve, connect: Connect, time: Time
) -> None:
    server = serve(respond(b"Busy", 503), default=respond(b"Busy", 503, Retry_After="3600"))
    with pytest.raises(ServiceError) as raised:
        connect(retry=RetryPolicy(total=180.0)).request(put(server))
    assert (len(server.seen), len(time.slept)) == (2, 1)
    assert raised.value.retry_after == 3600.0


def test_permanent_error_is_not_retried(serve: Serve, connect: Connect, time: Time) -> None:
    server = serve(respond(b"NoSuchKey here", 404))
    with pytest.raises(ServiceError) as raised:
        connect().request(put(server))
    assert (raised.value.code, len(server.seen), time.slept) == ("NoSuchKey", 1, [])


@pytest.mark.parametrize("play", [NOTHING, Play(b"", "reset"), Play(b"HTTP/1.1 2", "close")])
@pytest.mark.parametrize(("idempotent", "tries"), [(True, 2), (False, 1)])
def test_lost_response_is_retried_if_idempotent(
    serve: Serve, connect: Connect, play: Play, idempotent: bool, tries: int
) -> None:
    server = serve(play)
    client = connect()
    if idempotent:
        client.request(put(server))
    else:
        with pytest.raises(TransportError, match="is incomplete"):
            client.request(put(server, idempotent=False))
    assert len(server.seen) == tries


def test_timeout_counts_as_sent(serve: Serve, connect: Connect) -> None:
    server = serve(Play(b"", "stall"))
    with pytest.raises(TransportTimeoutError):
        connect(read_timeout=0.1).request(put(server, idempotent=False))
    assert len(server.seen) == 1


@pytest.mark.parametrize("idempotent", [True, False])
def test_refused_connection_is_always_retried(
    connect: Connect, time: Time, idempotent: bool
) -> None:
    with pytest.raises(TransportError, match="refused the connection"):
        connect().request(put(DEAD_PORT, idempotent=idempotent))
    assert len(time.slept) == 4


@pytest.mark.parametrize(("status", "tries"), [(503, 2), (429, 2), (500, 1)])
def test_non_idempotent_request_is_retried_only_after_throttling(
    serve: Serve, connect: Connect, status: int, tries: int
) -> None:
    server = serve(respond(b"Oops", status))
    client = connect()
    if tries == 2:
        client.request(put(server, idempotent=False))
    else:
        with pytest.raises(ServiceError):
            client.request(put(server, idempotent=False))
    assert len(server.seen) == tries


@pytest.mark.parametrize("renewals", [[True], [False], [True, True]])
def test_credentials_are_renewed_once(
    serve: Serve, connect: Connect, time: Time, renewals: list[bool]
) -> None:
    server = serve(default=respond(b"Expired token", 401))
    with pytest.raises(ServiceError):
        connect(Signer(renewals)).request(put(server, idempotent=False))
    assert len(server.seen) == (2 if renewals[0] else 1)
    assert time.slept == []


def test_request_succeeds_with_renewed_credentials(serve: Serve, connect: Connect) -> None:
    server = serve(respond(b"Expired token", 403))
    assert connect(Signer()).request(put(server)).status == 200


def test_clock_skew_is_corrected_for_all_requests(
    serve: Serve, connect: Connect, time: Time
) -> None:
    ahead = time.now + 86_400
    server = serve(respond(b"Skewed", 403, Date=http_date(ahead)))
    signer = Signer()
    client = connect(signer)
    client.request(put(server, idempotent=False))
    client.request(put(server))
    assert signer.times == [time.now, ahead, ahead]
    assert client.now() == ahead
    assert time.slept == []


def test_correct_clock_does_not_cause_a_retry(serve: Serve, connect: Connect, time: Time) -> None:
    server = serve(default=respond(b"Skewed", 403, Date=http_date(time.now + 3)))
    with pytest.raises(ServiceError):
        connect().request(put(server))
    assert len(server.seen) == 1


def test_clock_skew_is_corrected_once_per_request(
    serve: Serve, connect: Connect, time: Time
) -> None:
    days = [respond(b"Skewed", 403, Date=http_date(time.now + day * 86_400)) for day in (1, 2, 3)]
    server = serve(*days[:2], default=days[2])
    with pytest.raises(ServiceError):
        connect().request(put(server))
    assert len(server.seen) == 2


def test_request_under_way_uses_the_skew_found_by_another_thread(
    serve: Serve, connect: Connect, time: Time
) -> None:
    # Its signature is from before the correction, so the correction is news to it.
    server = serve(respond(b"Skewed", 403, Date=http_date(time.now + 86_400)))
    client = connect()

    class Late(Signer):
        def sign(self, request: Request, now: float) -> dict[str, str]:
            client.skew = 86_400.0
            return super().sign(request, now)

    client.signer = Late()
    assert client.request(put(server)).status == 200


def test_error_body_is_read_up_to_a_limit(serve: Serve, connect: Connect) -> None:
    lengths = []

    def read(request: Request, status: int, headers: dict[str, str], body: bytes) -> Fault:
        lengths.append(len(body))
        return Fault(ServiceError("x"))

    half = respond(b"x" * 200, 404, then="close")
    half.data = half.data[:-100]
    server = serve(
        respond(b"x" * 1_000_000, 404), half, Play(b"HTTP/1.1 404 N\r\n\r\nxy", "close")
    )
    client = connect(read_error=read)
    for _ in range(3):
        with pytest.raises(ServiceError):
            client.request(put(server))
    assert lengths == [65_536, 100, 2]


def test_stale_connection_costs_no_attempt(serve: Serve, connect: Connect, time: Time) -> None:
    client = connect(retry=RetryPolicy(attempts=1))
    # The service reads the second request on the connection, and only then closes it.
    server = serve(respond(b"1"), NOTHING, respond(b"2"))
    assert client.request(put(server)).read(9) == b"1"
    assert client.request(put(server)).read(9) == b"2"
    assert (len(server.seen), time.slept) == (3, [])


def test_closed_connection_is_detected_before_use(serve: Serve, connect: Connect) -> None:
    client = connect(retry=RetryPolicy(attempts=1))
    server = serve()
    for _ in range(20):
        assert client.request(put(server, idempotent=False)).read(9) == b"ok"
        server.hang_up_all()
        pool = client.transport._origins[server.url].pool
        channel = next(c for c in pool._free if c is not None).channel
        while channel.idle():  # until the end of the connection has arrived here
            pass
    assert len(server.seen) == 20


def test_non_idempotent_request_is_not_repeated_after_a_stale_connection(
    serve: Serve, connect: Connect
) -> None:
    client = connect()
    server = serve(respond(b"1"), NOTHING)
    client.request(put(server)).read(9)
    with pytest.raises(TransportError):
        client.request(put(server, idempotent=False))
    assert len(server.seen) == 2


def test_failure_of_new_connection_is_not_stale(serve: Serve, connect: Connect) -> None:
    server = serve(NOTHING)
    with pytest.raises(TransportError):
        connect(retry=RetryPolicy(attempts=1)).request(put(server))
    assert len(server.seen) == 1


def test_log_of_retry_has_no_query(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(respond(b"Oops", 500))
    with caplog.at_level("DEBUG"):
        connect().request(
            Request("GET", server.url, "/x?X-Amz-Signature=abc", operation="GetObject")
        )
    lines = [record.getMessage() for record in caplog.records if record.name == "libstore.retry"]
    assert len(lines) == 1
    assert lines[0].startswith("GetObject: attempt 1 of 5 failed (status 500, code Oops)")
    assert "abc" not in caplog.text


def get(server: Server | str) -> Request:
    return Request("GET", getattr(server, "url", server), "/x")


def test_started_request_is_sent_once_and_its_connection_is_kept(
    serve: Serve, connect: Connect
) -> None:
    server = serve()
    client = connect(Signer())
    for _ in range(3):
        started = [client.start(get(server)) for _ in range(2)]
        for exchange in started:
            assert client.request(exchange.request, exchange).read(9) == b"ok"
    assert (len(server.seen), server.connections) == (6, 2)


def test_started_requests_leave_connections_to_others(serve: Serve, connect: Connect) -> None:
    server = serve()
    client = connect(pool_size=1)
    started = [client.start(get(server)) for _ in range(MAX_AHEAD)]
    assert client.start(get(server)) is None
    assert client.request(get(server)).read(9) == b"ok"
    for exchange in started:
        exchange.close()
        exchange.close()
    again = client.start(get(server))
    again.close()


def test_started_request_on_a_closed_connection_is_sent_again(
    serve: Serve, connect: Connect, time: Time
) -> None:
    server = serve(respond(b"one"), NOTHING, NOTHING, respond(b"two"))
    client = connect(retry=RetryPolicy(attempts=2))
    first = client.start(get(server))
    assert client.request(first.request, first).read(9) == b"one"
    stale = client.start(get(server))
    assert client.request(stale.request, stale).read(9) == b"two"
    assert len(time.slept) == 1  # the second connection was closed, too
    assert [seen.connection for seen in server.seen] == [1, 1, 2, 3]


def test_attempt_of_a_started_request_counts(serve: Serve, connect: Connect, time: Time) -> None:
    server = serve(NOTHING, NOTHING)
    client = connect(retry=RetryPolicy(attempts=2))
    exchange = client.start(get(server))
    with pytest.raises(TransportError):
        client.request(exchange.request, exchange)
    assert (len(server.seen), len(time.slept)) == (2, 1)


def test_started_request_without_a_connection_is_an_attempt(connect: Connect, time: Time) -> None:
    client = connect(retry=RetryPolicy(attempts=3))
    exchange = client.start(get(DEAD_PORT))
    with pytest.raises(TransportError):
        client.request(exchange.request, exchange)
    assert len(time.slept) == 2


def test_refused_started_request_is_signed_again(serve: Serve, connect: Connect) -> None:
    """The key may have been renewed since, for another request."""
    server = serve(respond(b"Expired", 403), respond(b"Expired", 403), respond(b"ok"))
    client = connect(Signer())
    exchange = client.start(get(server))
    assert client.request(exchange.request, exchange).read(9) == b"ok"
    assert [dict(seen.headers)["x-signature"] for seen in server.seen] == ["1", "2", "3"]
