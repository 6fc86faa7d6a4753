"""No error of a source of AWS's keys shows a secret, even if a service repeats it."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from libstore import StorageError
from libstore.auth.aws.given import given_source
from libstore.auth.renewal import Renewing
from servers.aws_credentials import sts_error

SECRETS = (
    "s3cretKeyOfTheUser/NobodySees", "t0kenOfTheUser+NobodySees", "webIdentityT0kenNobodySees",
    "externalIdThatNobodySees", "ssoT0kenThatNobodySees", "authorizationT0kenNobodySees",
    "receivedS3cretThatNobodySees",
)  # fmt: skip
SECRET, TOKEN, WEB, EXTERNAL, SSO, AUTHORIZATION, RECEIVED = SECRETS
STATIC = f"aws_access_key_id = A\naws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n"
ROLE = "arn:aws:iam::123456789012:role/reader"
# Stands for the secrets that the service was sent.
ALL = "{secrets}"
# Documents that lack what they need, or have it in the wrong form.
PARTIAL = json.dumps({"SecretAccessKey": RECEIVED, "Token": RECEIVED, "Version": 1})
EXPIRED = {"AccessKeyId": "A", "SecretAccessKey": RECEIVED, "Expiration": "2001-01-01T00:00:00Z"}
RESPONSES = [
    (403, sts_error("AccessDenied", ALL)), (400, sts_error("ExpiredTokenException", ALL)),
    (500, ALL), (200, ALL), (200, PARTIAL), (200, json.dumps(EXPIRED)), (200, f"<a>{ALL}</a>"),
    (401, json.dumps({"message": ALL, "code": "Denied"})), (407, f"<html>{ALL}"),
    (200, json.dumps({"roleCredentials": {"secretAccessKey": RECEIVED, "expiration": 1}})),
    (200, json.dumps({"roleCredentials": {"accessKeyId": "A", "secretAccessKey": RECEIVED,
                                          "expiration": 1000}})),
]  # fmt: skip


def role(home: Any) -> None:
    home.config(
        f"[default]\nrole_arn = {ROLE}\nsource_profile = s\nexternal_id = {EXTERNAL}\n"
        f"[profile s]\n{STATIC}"
    )


def web_identity(home: Any) -> None:
    path = home.write("token", WEB)
    home.environ |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AWS_ROLE_ARN": ROLE}


def sso(home: Any) -> None:
    # The digest of "s", which names the file.
    name = "a0f1490a20d0211c997b44bc357e1972deab8ae3"
    token = {"accessToken": SSO, "expiresAt": "2999-01-01T00:00:00Z"}
    home.write(f".aws/sso/cache/{name}.json", json.dumps(token))
    home.config(
        "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
        "[sso-session s]\nsso_region = eu-west-1\n"
    )


def container(home: Any) -> None:
    home.environ |= {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": home.fake.url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": AUTHORIZATION,
    }


def instance(home: Any) -> None:
    home.fake.metadata_token = AUTHORIZATION


def process(home: Any) -> None:
    script = home.write("print.py", f"print('''{PARTIAL}''')")
    home.config(f"[default]\ncredential_process = {sys.executable} {script} {SECRET}\n")


def failing_process(home: Any) -> None:
    home.config(
        "[default]\ncredential_process ="
        f' {sys.executable} -c "import sys; sys.exit(sys.argv[1])" {SECRET}\n'
    )


def wrong_command(home: Any) -> None:
    home.config(f"[default]\ncredential_process = run '{SECRET}\n")


@pytest.mark.parametrize("response", RESPONSES, ids=range(len(RESPONSES)))
@pytest.mark.parametrize(
    ("prepare", "sent"),
    [
        (role, (SECRET, TOKEN, EXTERNAL)), (web_identity, (WEB,)), (sso, (SSO,)),
        (container, (AUTHORIZATION,)), (instance, (AUTHORIZATION,)),
    ],
)  # fmt: skip
def test_error_of_a_service_shows_no_secret(
    home: Any,
    prepare: Callable[[Any], None],
    sent: tuple[str, ...],
    response: tuple[int, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    prepare(home)
    status, body = response
    home.fake.faults += [(status, body.replace(ALL, " ".join(sent)))] * 9
    assert_hidden(home, caplog)


def wrong_token(home: Any) -> None:
    """Set a token with a line break, which cannot be sent."""
    container(home)
    home.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] += f"/?a={SECRET}"
    home.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] += "\n"


def address_with_a_secret(home: Any) -> None:
    container(home)
    home.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] += f"/?a={SECRET}"
    home.fake.authorization = "another"


def wrong_expiry(home: Any) -> None:
    home.environ |= {
        "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN,
        "AWS_CREDENTIAL_EXPIRATION": TOKEN,
    }  # fmt: skip


def expired_variables(home: Any) -> None:
    wrong_expiry(home)
    home.environ["AWS_CREDENTIAL_EXPIRATION"] = "2001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "prepare", [wrong_token, address_with_a_secret, wrong_expiry, expired_variables]
)
def test_error_of_a_variable_shows_no_secret(
    home: Any, prepare: Callable[[Any], None], caplog: pytest.LogCaptureFixture
) -> None:
    prepare(home)
    assert_hidden(home, caplog)


@pytest.mark.parametrize("prepare", [process, failing_process, wrong_command])
def test_error_of_a_command_shows_no_secret(
    home: Any, prepare: Callable[[Any], None], caplog: pytest.LogCaptureFixture
) -> None:
    prepare(home)
    assert_hidden(home, caplog)


@pytest.mark.parametrize(
    "found",
    [
        {"key": "A", "secret": SECRET, "expiry": "soon"},
        {"key": "A", "secret": SECRET, "token": 1},
        ("A", SECRET, TOKEN, "soon"),
        ("A", SECRET, TOKEN, None, None),
        {"secret": SECRET},
        {"key": "A", "secret": SECRET, "expiry": 1},
    ],
)
def test_error_of_a_function_shows_no_secret(found: object) -> None:
    with pytest.raises(StorageError) as caught:
        Renewing(given_source(lambda: found)).get()
    check(caught.value)


def assert_hidden(home: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(StorageError) as caught:
        Renewing(home.search().find(), clock=home.clock).get()
    check(caught.value)
    assert not [secret for secret in SECRETS if secret in caplog.text]


def check(error: BaseException) -> None:
    for text in shown(error):
        assert not [secret for secret in SECRETS if secret in text], text


def shown(error: BaseException) -> Iterator[str]:
    """Yield messages, and the variables of the frames of the library."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain: list[traceback.TracebackException | None] = [found]
    while chain:
        one = chain.pop()
        if one is None:
            continue
        yield "".join(one.format_exception_only())
        for frame in one.stack:
            if "/tests/" not in frame.filename:
                yield f"{frame.name}: {frame.locals}"
        chain += [one.__cause__, one.__context__]
