"""The credentials and options of the S3 driver, and its pickles."""

from __future__ import annotations

from typing import Any

import pytest

from libstore import (
    CredentialsNotFoundError,
    InvalidOptionError,
    NotSupportedError,
    get_driver,
)
from libstore.drivers.s3 import S3Driver

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "a-secret-that-nobody-sees", "a-token-that-nobody-sees"


@pytest.mark.parametrize(
    "options",
    [
        {"account": "abc/def"},
        {"account": "abc.example"},
        {"endpoint": "https://host.example", "dualstack": True},
        {"encryption": "ROT13"},
        {"kms_key": "k"},
        {"customer_key": b"short"},
        {"customer_key": b"k" * 32, "encryption": "AES256"},
        {"anonymous": True},
        {"timeout": 0},
    ],
)
def test_invalid_driver_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptionError):
        S3Driver(KEY, SECRET, **options)


def test_credentials_come_from_arguments_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CredentialsNotFoundError):
        S3Driver()
    with pytest.raises(CredentialsNotFoundError):
        S3Driver(KEY)
    assert S3Driver(anonymous=True)._client.credentials is None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:9000")
    driver = S3Driver()
    credentials = driver._client.credentials
    assert credentials is not None
    assert (KEY, SECRET, TOKEN) == (credentials.key, credentials.secret, credentials.token)
    assert repr(driver) == "<S3Driver http://localhost:9000>"
    with pytest.raises(CredentialsNotFoundError):  # Amazon's key is not sent to another company
        get_driver("wasabi")()


def test_pickle_contains_a_secret_only_if_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pickle

    with pytest.raises(NotSupportedError, match="pickle_secret"):
        pickle.dumps(S3Driver(KEY, SECRET))
    allowed = S3Driver(KEY, SECRET, region="eu-west-2", pickle_secret=True)
    assert pickle.loads(pickle.dumps(allowed))._client.credentials.secret == SECRET
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    found = pickle.dumps(S3Driver(region="eu-west-2"))
    assert SECRET.encode() not in found
    assert pickle.loads(found)._client.region == "eu-west-2"
    open_to_all = S3Driver(anonymous=True)
    assert pickle.loads(pickle.dumps(open_to_all))._client.credentials is None


def test_repr_shows_no_secret() -> None:
    driver = S3Driver(KEY, SECRET, token=TOKEN, customer_key=b"k" * 32)
    shown = f"{driver!r} {driver._settings!r} {driver._client.credentials!r}"
    assert SECRET not in shown
    assert TOKEN not in shown
    assert "kkk" not in shown
