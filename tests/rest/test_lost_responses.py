"""Conditional requests whose response is lost, or that are refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.atomic_drivers import NAMES, Service, serving
from drivers.faulty_proxy import DROPPED, LOST, Fault, Sent, is_conditional_write, status

from libstore import (
    AccessDeniedError,
    Container,
    InvalidOptionError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    OutcomeUnknownError,
    RateLimitedError,
    StorageError,
    TransportError,
    get_driver,
)
from libstore.values import TOKEN_KEY

CONTENT = b"locked by whoever is first"


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with serving(request.param) as service:
        service.driver(direct=True).upload_object(CONTENT, "box", "source", metadata={"a": "b"})
        yield service


@pytest.fixture
def matched(service: Service) -> Service:
    """Skip a test where writes have no `if_match`."""
    if service.name == "swift":
        pytest.skip("Swift has no if_match")
    return service


def large(service: Service) -> bytes:
    return CONTENT + bytes(service.part)


def _open(box: Container, content: bytes, **condition: Any) -> object:
    with box.open("a", "wb", **condition) as file:
        file.write(content)
    return box.get_object("a")


#: Each writes the object ``a`` on a condition: in one request, in parts, by a writer, by a copy.
WRITES: dict[str, Callable[[Service, Container], Any]] = {
    "put": lambda service, box: box.upload_object(CONTENT, "a", if_absent=True),
    "parts": lambda service, box: box.upload_object(large(service), "a", if_absent=True),
    "writer": lambda service, box: _open(box, CONTENT, if_absent=True),
    "writer-parts": lambda service, box: _open(box, large(service), if_absent=True),
    "copy": lambda service, box: box.object("source").copy(box, "a", if_absent=True),
}
every_write = pytest.mark.parametrize("write", WRITES)


def disturb(service: Service, *faults: Fault | Callable[[], Fault | None]) -> None:
    """Have the next conditional writes fail, each in its way; a function finds the way out."""
    left = list(faults)

    def judge(sent: Sent) -> Fault | None:
        if not left or not is_conditional_write(sent):
            return None
        fault = left.pop(0)
        return fault if isinstance(fault, Fault) else fault()

    service.relay.judge = judge
    service.relay.seen.clear()


def checks(service: Service) -> int:
    """Return how many requests read the object between the conditional writes."""
    seen = service.relay.seen
    writes = [number for number, sent in enumerate(seen) if is_conditional_write(sent)]
    # What follows the last one cleans up: an upload that failed is aborted.
    between = seen[
        writes[0] : [number for number in writes if seen[number].method != "DELETE"][-1]
    ]
    return sum(sent.method in {"GET", "HEAD"} and "source" not in sent.target for sent in between)


def rival(service: Service, content: bytes = CONTENT, **condition: Any) -> Any:
    """Write as another client does, whose requests reach the service."""
    return service.box(direct=True).upload_object(content, "a", **condition)


def after(fault: Fault | None, act: Callable[[], object]) -> Callable[[], Fault | None]:
    """Return a fault before which something else happens."""

    def find() -> Fault | None:
        act()
        return fault

    return find


PASSED = {
    "lost": LOST,
    "500": status(500, passed=True),
    "503": status(503, passed=True),
    "cut": Fault(True, b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n", ends=True),
}


# ---------------------------------------------------------------------- if_absent


@every_write
@pytest.mark.parametrize("fault", PASSED)
def test_write_with_lost_response_is_recognized_by_its_token(
    service: Service, write: str, fault: str
) -> None:
    disturb(service, PASSED[fault])
    obj = WRITES[write](service, service.box())
    stored = service.box(direct=True).get_object("a")
    expected = large(service) if "parts" in write else CONTENT
    assert (obj.etag, expected) == (stored.etag, stored.read())
    if write == "put":  # it is sent twice at most, and then the object is checked once
        methods = [sent.method for sent in service.relay.seen]
        assert len(methods) <= 3
        assert 1 >= sum(method in {"GET", "HEAD"} for method in methods)
    assert ({"a": "b"} if write == "copy" else {}) == dict(stored.metadata) == dict(obj.metadata)


@every_write
@pytest.mark.parametrize("fault", [DROPPED, status(500), status(502)], ids=["reset", "500", "502"])
@pytest.mark.parametrize("condition", [{}, {"if_absent": True}], ids=["plain", "token"])
def test_write_of_equal_bytes_by_another_client_is_a_conflict(
    service: Service, write: str, fault: Fault, condition: dict[str, bool]
) -> None:
    """Two writers of equal bytes must never both win."""
    content = large(service) if "parts" in write else CONTENT
    disturb(service, after(fault, lambda: rival(service, content, **condition)))
    with pytest.raises(ObjectAlreadyExistsError):
        WRITES[write](service, service.box())


@every_write
@pytest.mark.parametrize("code", [409, 429, 503])
def test_refused_write_is_not_checked(service: Service, write: str, code: int) -> None:
    """Nothing was written, so that what is there is another client's, whatever it contains."""
    bodies = {
        "s3": {409: "ConditionalRequestConflict", 503: "SlowDown"},
        "gcs-hmac": {503: "SlowDown"},
        "azure": {503: "ServerBusy"},
    }
    document = bodies.get(service.name, {}).get(code)
    if code != 429 and document is None and not (service.name == "gcs" and code == 409):
        pytest.skip("the service does not refuse so")
    if write == "copy" and service.name == "swift":
        pytest.skip("Swift's copies have no conditions; the driver looks before the first attempt")
    if "parts" in write and service.name == "gcs-hmac" and code == 503:
        pytest.skip("sessions are refused as by the JSON API")
    body = f"<Error><Code>{document}</Code></Error>" if document else ""
    refused = (
        status(code, body=body, x_ms_error_code=document or "x") if document else status(code)
    )
    content = large(service) if "parts" in write else CONTENT
    disturb(service, after(refused, lambda: rival(service, content, if_absent=True)))
    with pytest.raises(ObjectAlreadyExistsError):
        WRITES[write](service, service.box())
    assert 0 == checks(service)


def test_throttling_of_every_attempt_is_an_error(service: Service) -> None:
    refused = status(429)
    disturb(service, after(refused, lambda: rival(service, if_absent=True)), *[refused] * 9)
    with pytest.raises(RateLimitedError):
        WRITES["put"](service, service.box())
    assert 0 == checks(service)


def test_a_connection_that_cannot_be_made_sends_nothing(service: Service) -> None:
    box = service.box()
    service.relay.close()
    with pytest.raises(TransportError) as caught:
        WRITES["put"](service, box)
    assert caught.value.sent is False


@every_write
def test_write_that_never_arrives_raises_its_own_error(service: Service, write: str) -> None:
    disturb(service, *[DROPPED] * 99)
    with pytest.raises(TransportError) as caught:
        WRITES[write](service, service.box())
    assert caught.value.sent
    assert not service.box(direct=True).driver.object_exists("box", "a")


@every_write
def test_lost_write_is_checked_after_the_last_attempt(service: Service, write: str) -> None:
    """The first attempt was carried out, and no later one reaches the service."""
    disturb(service, LOST, *[DROPPED] * 99)
    obj = WRITES[write](service, service.box())
    assert obj.etag == service.box(direct=True).get_object("a").etag


def test_outcome_that_cannot_be_checked_is_unknown(service: Service) -> None:
    box = service.box()
    lost = [LOST]

    def judge(sent: Sent) -> Fault | None:
        if is_conditional_write(sent) and lost:
            return lost.pop()
        return None if lost or sent.method not in {"GET", "HEAD"} else status(403)

    service.relay.judge = judge
    with pytest.raises(OutcomeUnknownError) as caught:
        WRITES["put"](service, box)
    error = caught.value
    again = pickle.loads(pickle.dumps(error))
    assert (False, "box", "a", "upload_object") == (
        again.retryable, again.container, again.object, again.operation,
    )  # fmt: skip
    assert isinstance(error.__cause__, StorageError)
    assert not isinstance(error.__cause__, AccessDeniedError)
    assert "compare its content and ETag" in again.message


# ---------------------------------------------------------------------- without a token


@every_write
def test_without_tokens_a_lost_write_is_unknown(service: Service, write: str) -> None:
    box = service.box(write_tokens=False)
    session = service.name.startswith("gcs") and "parts" in write
    disturb(service, LOST)
    if session:  # which reports that it has published the object
        WRITES[write](service, box)
    else:
        with pytest.raises(OutcomeUnknownError, match="token"):
            WRITES[write](service, box)
    assert not any(TOKEN_KEY in name for sent in service.relay.seen for name in sent.headers)
    info = service.driver(direct=True)._head_object("box", "a", None)
    assert info.write_token is None


def test_refused_or_undelivered_write_without_tokens_is_reported(service: Service) -> None:
    box = service.box(write_tokens=False)
    disturb(service, status(429), DROPPED)
    assert CONTENT == WRITES["put"](service, box).read()
    disturb(service)
    with pytest.raises(ObjectAlreadyExistsError):
        WRITES["put"](service, box)


@pytest.mark.parametrize("write_tokens", [True, False])
def test_pickles_keep_write_tokens(tmp_path: Path, write_tokens: bool) -> None:
    given: dict[str, Any] = {"write_tokens": write_tokens, "pickle_secret": True}
    for driver in (
        get_driver("s3")("KEY", "SECRET", **given),
        get_driver("azure")("account", "a2V5", **given),
        get_driver("gcs")("GOOGKEY", "SECRET", **given),
        get_driver("gcs")(token="a-token", **given),
        get_driver("swift")(token="a-token", storage_url="https://swift.example/v1/a", **given),
        get_driver("local")(tmp_path, write_tokens=write_tokens),
        get_driver("memory")(write_tokens=write_tokens),
    ):
        assert write_tokens is pickle.loads(pickle.dumps(driver)).write_tokens
    with pytest.raises(InvalidOptionError, match="write_tokens"):
        get_driver("memory")(write_tokens=1)


def test_token_is_omitted_when_metadata_is_full(service: Service) -> None:
    box = service.box()
    limit = 256 if service.name == "swift" else box.driver.limits.max_metadata - 8
    pairs = {f"key{number:04}": "v" * (limit - 7) for number in range(1)}
    if service.name == "swift":  # it counts the pairs
        pairs = {f"key{number:04}": "v" for number in range(90)}
    box.upload_object(CONTENT, "a", metadata=pairs, if_absent=True)
    assert pairs == dict(box.get_object("a").metadata)
    assert service.driver(direct=True)._head_object("box", "a", None).write_token is None
    box.delete_object("a")
    disturb(service, LOST)
    with pytest.raises(OutcomeUnknownError):
        box.upload_object(CONTENT, "a", metadata=pairs, if_absent=True)


# ---------------------------------------------------------------------- if_match


def _match(large_one: bool) -> Callable[[Service, Container, str], Any]:
    def write(service: Service, box: Container, etag: str) -> Any:
        content = large(service) if large_one else b"next"
        return box.upload_object(content, "a", if_match=etag)

    return write


CHANGES: dict[str, Callable[[Service, Container, str], Any]] = {
    "put": _match(False),
    "parts": _match(True),
    "writer": lambda service, box, etag: _open(box, b"next", if_match=etag),
    "metadata": lambda service, box, etag: box.object("a").update_metadata(
        {"c": "d"}, if_match=etag
    ),
}
every_change = pytest.mark.parametrize("change", CHANGES)


@every_change
@pytest.mark.parametrize("fault", ["lost", "500"])
def test_change_with_lost_response_is_recognized_by_its_token(
    matched: Service, change: str, fault: str
) -> None:
    etag = rival(matched, b"first").etag
    disturb(matched, PASSED[fault])
    obj = CHANGES[change](matched, matched.box(), etag)
    stored = matched.box(direct=True).get_object("a")
    assert obj.etag == stored.etag
    assert ({"c": "d"} if change == "metadata" else {}) == dict(stored.metadata)


@pytest.mark.parametrize("change", ["put", "parts", "writer"])
def test_change_to_equal_bytes_by_another_client_is_a_conflict(
    matched: Service, change: str
) -> None:
    etag = rival(matched, b"first").etag
    content = large(matched) if change == "parts" else b"next"
    disturb(matched, after(DROPPED, lambda: rival(matched, content, if_match=etag)))
    with pytest.raises(ObjectChangedError):
        CHANGES[change](matched, matched.box(), etag)


@pytest.mark.parametrize("change", ["put", "parts"])
def test_change_followed_by_another_change_is_unknown(matched: Service, change: str) -> None:
    """Of the object that the other client replaced nothing is left that shows whose it was."""
    etag = rival(matched, b"first").etag
    if change == "parts" and matched.name.startswith("gcs"):
        pytest.skip("the session reports that it has published the object")

    def follow() -> None:
        rival(matched, b"third", if_match=matched.box(direct=True).get_object("a").etag)

    def judge(sent: Sent) -> Fault | None:
        if not is_conditional_write(sent):
            # A check, or the next attempt: the other client has written meanwhile.
            return None
        first.append(sent)
        if len(first) == 1:
            return LOST
        return None

    first: list[Sent] = []

    class Sleep:
        """Act between two attempts, as another client does."""

        def __call__(self, seconds: float) -> None:
            if len(first) == 1:
                follow()

    box = matched.box()
    matched.relay.judge = judge
    between(box, Sleep())
    with pytest.raises(OutcomeUnknownError, match="more than once"):
        CHANGES[change](matched, box, etag)
    assert b"third" == matched.box(direct=True).read_object("a")


def between(box: Container, act: Callable[[float], None]) -> None:
    """Have something happen where a driver waits for its next attempt."""
    driver: Any = box.driver
    getattr(driver, "_inner", driver)._client.sleep = act
    driver._client.sleep = act


def test_write_does_not_replace_a_newer_object_with_the_same_etag() -> None:
    """On S3 equal bytes have equal ETags: a lock that was freed may be another client's again."""
    with serving("s3") as service:
        box = service.box()
        first = box.upload_object(b"held", "a", if_absent=True)

        def take() -> None:
            rival(service, b"held", if_match=box.driver.get_object("box", "a").etag)

        lost = after(LOST, lambda: between(box, lambda seconds: take()))
        disturb(service, lost)
        with pytest.raises(OutcomeUnknownError):
            box.upload_object(b"free", "a", if_match=first.etag)
        assert b"held" == service.box(direct=True).read_object("a")


# ---------------------------------------------------------------------- deletes


@pytest.mark.parametrize("fault", ["lost", "500"])
@pytest.mark.parametrize("refused", [True, False], ids=["gone", "down"])
def test_conditional_delete_with_lost_response_is_unknown(
    matched: Service, fault: str, refused: bool
) -> None:
    """What is gone may have been deleted by another client: two must never both win."""
    obj = rival(matched)
    box = matched.box()
    disturb(matched, PASSED[fault], *([] if refused else [DROPPED] * 9))
    with pytest.raises(OutcomeUnknownError):
        box.delete_object("a", if_match=obj.etag)
    assert not matched.box(direct=True).driver.object_exists("box", "a")


def test_delete_that_never_arrives_raises_its_own_error(matched: Service) -> None:
    obj = rival(matched)
    obj = matched.driver().get_object("box", "a")
    disturb(matched, *[DROPPED] * 9)
    with pytest.raises(TransportError):
        obj.delete(if_match=obj.etag)
    assert CONTENT == matched.box(direct=True).read_object("a")


@pytest.mark.parametrize("condition", [{}, {"if_absent": True}], ids=["plain", "token"])
def test_undelivered_delete_is_retried(matched: Service, condition: dict[str, bool]) -> None:
    """The object is the same as before, by its token, or because it has none."""
    etag = rival(matched, **condition).etag
    obj = matched.driver().get_object("box", "a")
    disturb(matched, DROPPED)
    obj.delete(if_match=etag)
    assert not matched.box(direct=True).driver.object_exists("box", "a")


@pytest.mark.parametrize("change", ["put", "parts", "writer", "metadata"])
def test_undelivered_change_is_retried(matched: Service, change: str) -> None:
    etag = rival(matched, b"first", if_absent=True).etag
    box = matched.box()
    assert etag == box.get_object("a").etag
    disturb(matched, DROPPED)
    CHANGES[change](matched, box, etag)
    expected = {"c": "d"} if change == "metadata" else {}
    assert expected == dict(matched.box(direct=True).get_object("a").metadata)


@pytest.mark.parametrize("older", [0.0, 60.0])
def test_older_object_is_deleted_by_a_retried_delete(
    monkeypatch: pytest.MonkeyPatch, older: float
) -> None:
    """On S3, where a driver that has never seen the object cannot know whose it is."""
    with serving("s3") as service:
        etag = rival(service, if_absent=True).etag
        monkeypatch.setattr("drivers.atomic_stores.OLDER", older)
        disturb(service, DROPPED)
        if older:
            service.box().delete_object("a", if_match=etag)
        else:
            with pytest.raises(OutcomeUnknownError):
                service.box().delete_object("a", if_match=etag)
        assert bool(older) is not service.box(direct=True).driver.object_exists("box", "a")


@pytest.mark.parametrize("known", [True, False], ids=["token", "age"])
def test_delete_keeps_a_newer_object_of_another_client(matched: Service, known: bool) -> None:
    """The lock was given back, and another client has taken it with equal bytes."""
    rival(matched, if_absent=True)
    box = matched.box()
    obj = box.get_object("a") if known else box.object("a")
    etag = box.get_object("a").etag
    disturb(
        matched,
        after(LOST, lambda: between(box, lambda seconds: rival(matched, if_absent=True))),
    )
    with pytest.raises(OutcomeUnknownError):
        obj.delete(if_match=etag)
    assert CONTENT == matched.box(direct=True).read_object("a")


def test_unconditional_delete_is_retried(service: Service) -> None:
    rival(service)
    lost = [LOST]
    service.relay.judge = lambda sent: lost.pop() if lost and sent.method == "DELETE" else None
    service.box().delete_object("a")
    service.box().delete_object("a")
    assert not service.box(direct=True).driver.object_exists("box", "a")


@pytest.mark.parametrize("passed", [True, False], ids=["lost", "dropped"])
def test_a_move_is_complete_when_its_source_is_gone(service: Service, passed: bool) -> None:
    """The move is complete when the copy exists and the source does not."""
    faults = [LOST if passed else DROPPED]
    service.relay.judge = lambda sent: faults.pop() if faults and sent.method == "DELETE" else None
    box = service.box()
    moved = box.object("source").move(box, "a")
    assert CONTENT == moved.read()
    assert not box.driver.object_exists("box", "source")
