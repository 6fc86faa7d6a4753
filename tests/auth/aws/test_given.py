"""Keys from a function, or from a session of boto3 or botocore."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from libstore import AuthenticationError, CredentialsNotFoundError, InvalidOptionError
from libstore.auth.aws.given import given_source
from libstore.auth.aws.sessions import check_given

NOW = 1_800_000_000.0
WHEN = datetime.fromtimestamp(NOW + 60, timezone.utc)
PARTS = {"AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t"}


def source(value: object) -> Any:
    return given_source(check_given(value, "credentials"), lambda: NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "found",
    [
        {"key": "A", "secret": "s", "token": "t", "expiry": NOW + 60},
        {"access_key": "A", "secret_key": "s", "token": "t", "expiry_time": WHEN.isoformat()},
        {**PARTS, "Expiration": WHEN},
        {"Credentials": {**PARTS, "Expiration": WHEN}, "AssumedRoleUser": {}},
        {**PARTS, "Expiration": "2027-01-15T08:01:00Z"},
        {**PARTS, "Expiration": "2027-01-15T03:01:00-05:00"},
        {**PARTS, "Expiration": WHEN.astimezone(timezone(timedelta(hours=2)))},
        ("A", "s", "t", WHEN),
        ["A", "s", "t", NOW + 60],
        SimpleNamespace(key="A", secret="s", token="t", expiry=int(NOW + 60)),
        SimpleNamespace(access_key="A", secret_key="s", token="t", expiry_time=WHEN),
    ],
)
def test_function_returns_a_key_by_the_names_of_this_library_or_of_the_sdk(found: object) -> None:
    made = source(lambda: found)
    key = made()
    assert (key.value.key, str(key.value.secret), str(key.value.token)) == ("A", "s", "t")
    assert key.expires == NOW + 60
    assert made.name == "argument credentials"


@pytest.mark.parametrize("found", [{"key": "A", "secret": "s"}, ("A", "s"), ("A", "s", None)])
def test_key_of_a_function_may_have_no_end(found: object) -> None:
    key = source(lambda: found)()
    assert key.value.token is None
    assert key.expires == float("inf")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"key": "A"}, "must return a mapping"),
        ({"key": 1, "secret": "s3cret"}, "must return a mapping"),
        (None, "not NoneType"),
        (("A",), "not tuple"),
        (("A", "s3cret", None, None, 1), "not tuple"),
        ({"key": "A", "secret": "s3cret", "token": 3}, "must be a str, not int"),
        (("A\n", "s3cret"), "the key that .* must be printable ASCII"),
        (("A", "s3cret\n"), "the secret that .* must be printable ASCII"),
        (("A", "s3cret", "\u00e9"), "the token that .* must be printable ASCII"),
        (("A", "s3cret", None, float("nan")), "aware datetime"),
        (("A", "s3cret", None, "2030-01-01T00:00:00"), "aware datetime"),
        ({"key": "A", "secret": "s3cret", "expiry": datetime(2030, 1, 1)}, "aware datetime"),  # noqa: DTZ001
        ({"key": "A", "secret": "s3cret", "expiry": "2030-01-01T00:00:00"}, "aware datetime"),
        ({"key": "A", "secret": "s3cret", "expiry": True}, "aware datetime"),
        ({"key": "A", "secret": "s3cret", "expiry": NOW}, "has expired"),
    ],
)
def test_wrong_result_of_a_function_is_an_error_in_words(found: object, message: str) -> None:
    with pytest.raises(AuthenticationError, match=message) as caught:
        source(lambda: found)()
    assert "s3cret" not in str(caught.value)


def test_error_of_a_function_is_not_repeated() -> None:
    def fail() -> Mapping[str, str]:
        raise OSError("with a s3cret")

    with pytest.raises(AuthenticationError, match=r"provide a key \(OSError\)") as caught:
        source(fail)()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", ["A", {"key": "A"}, 1])
def test_other_values_are_rejected(value: object) -> None:
    with pytest.raises(InvalidOptionError, match="must be a function that returns") as caught:
        check_given(value, "credentials")
    assert type(value).__name__ in caught.value.message


class Credentials:
    """As botocore's: it renews itself when it is used."""

    def __init__(self) -> None:
        self.calls = 0

    def get_frozen_credentials(self) -> SimpleNamespace:
        self.calls += 1
        return SimpleNamespace(access_key=f"A{self.calls}", secret_key="s", token="")


def test_credentials_that_renew_themselves_are_used_again_each_minute() -> None:
    made = source(Credentials())
    assert made().value.key == "A1"
    assert made().value.key == "A2"
    assert made().value.token is None
    assert made().expires == NOW + 60
    assert made.name == "argument credentials (tests.Credentials)"


def test_credentials_of_a_session_are_requested_once() -> None:
    credentials = Credentials()
    calls = []

    class Session:
        def get_credentials(self) -> Credentials | None:
            calls.append(1)
            return credentials

    made = source(Session())
    assert ["A1", "A2"] == [made().value.key, made().value.key]
    assert calls == [1]


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        (None, "has no complete key"),
        (SimpleNamespace(access_key="A"), "has no complete key"),
        (SimpleNamespace(access_key=None, secret_key=None, token=None), "has no complete key"),
        (SimpleNamespace(access_key="A", secret_key="s\n", token=None), "printable ASCII"),
    ],
)
def test_wrong_key_of_credentials_is_an_error_in_words(frozen: object, message: str) -> None:
    class Wrong:
        def get_frozen_credentials(self) -> object:
            return frozen

    with pytest.raises(AuthenticationError, match=message):
        source(Wrong())()


def test_session_with_credentials_of_another_kind_is_an_error_in_words() -> None:
    class Session:
        def get_credentials(self) -> str:
            return "s3cret"

    with pytest.raises(AuthenticationError, match="are of the type str") as caught:
        source(Session())()
    assert "s3cret" not in str(caught.value)


def test_session_without_credentials_is_an_error() -> None:
    class Session:
        def get_credentials(self) -> None:
            return None

    with pytest.raises(CredentialsNotFoundError, match="has no credentials"):
        source(Session())()


def test_sessions_of_boto3_and_botocore() -> None:
    boto3 = pytest.importorskip("boto3")
    session = boto3.Session("A", "s", "t", "eu-west-1")
    for value in (session, session._session, session.get_credentials()):
        key = source(value)().value
        assert (key.key, str(key.secret), str(key.token)) == ("A", "s", "t")
    assert source(session).name == "argument credentials (boto3.Session)"
