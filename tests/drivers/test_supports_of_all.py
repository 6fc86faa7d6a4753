"""What `supports` returns depends on how a driver was made."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

import pytest
from scripted import Server, respond

from libstore import NotSupportedError, StorageDriver, get_driver

KEY = base64.b64encode(b"thisisasecretthatnobodysees").decode()
SAS = "sv=2021-12-02&sp=r&sig=abc"
PLACE = "https://swift.example/v1/AUTH_test"


class Token:
    """A credential of Azure, or credentials of Google that belong to a person."""

    token = "token"
    valid = True

    def get_token(self, *scopes: str, **_: Any) -> object:
        raise NotImplementedError

    def refresh(self, request: object) -> None:
        raise NotImplementedError


class ServiceAccount(Token):
    """Credentials of Google that belong to a service account, whose key is elsewhere."""

    service_account_email = "account@project.iam.gserviceaccount.com"


def azure(*given: str, **options: Any) -> StorageDriver:
    return get_driver("azure")(*given, **options)


def gcs(*given: str, **options: Any) -> StorageDriver:
    return get_driver("gcs")(*given, **options)


def swift(**options: Any) -> StorageDriver:
    return get_driver("swift")(storage_url=PLACE, **options)


SIGNING: dict[str, Callable[[], StorageDriver]] = {
    "memory": get_driver("memory"),
    "local, key": lambda: get_driver("local")(
        ".", base_url="http://localhost:8000", signing_key="a key of 16 bytes"
    ),
    "s3": lambda: get_driver("s3")("AKID", "secret"),
    "azure, key": lambda: azure("account", KEY),
    "azure, connection string": lambda: azure(
        connection_string=f"AccountName=account;AccountKey={KEY}"
    ),
    "azure, credential": lambda: azure("account", credential=Token()),
    "gcs, HMAC": lambda: gcs("key", "secret"),
    "gcs, token and account": lambda: gcs(token="token", signing_account="a@b"),
    "gcs, service account": lambda: gcs(credentials=ServiceAccount()),
    "swift, key": lambda: swift(token="token", temp_url_key="key"),
    "swift, anonymous with a key": lambda: swift(anonymous=True, temp_url_key="key"),
}
NOT_SIGNING: dict[str, Callable[[], StorageDriver]] = {
    "local": lambda: get_driver("local")("."),
    "s3, anonymous": lambda: get_driver("s3")(anonymous=True),
    "azure, anonymous": lambda: azure("account", anonymous=True),
    "azure, SAS": lambda: azure("account", sas_token=SAS),
    "azure, connection string with a SAS": lambda: azure(
        connection_string=f"BlobEndpoint=https://a.example;SharedAccessSignature={SAS}"
    ),
    "gcs, anonymous": lambda: gcs(anonymous=True),
    "gcs, token": lambda: gcs(token="token"),
    "gcs, credentials of a person": lambda: gcs(credentials=Token()),
    "swift, anonymous": lambda: swift(anonymous=True),
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "OS_", "ST_", "STORAGE_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("case", SIGNING)
def test_driver_with_a_signing_key_signs(case: str) -> None:
    assert SIGNING[case]().supports("sign_url")


@pytest.mark.parametrize("case", NOT_SIGNING)
def test_driver_without_a_signing_key_does_not_sign(case: str) -> None:
    driver = NOT_SIGNING[case]()

    assert not driver.supports("sign_url")
    with pytest.raises(NotSupportedError):
        driver.object("bucket", "a").sign_url()


@pytest.mark.parametrize("case", [*SIGNING, *NOT_SIGNING])
def test_other_features_are_supported_without_a_signing_key(case: str) -> None:
    driver = {**SIGNING, **NOT_SIGNING}[case]()

    assert driver.supports("copy_object")
    assert driver.supports("list_objects")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X_Account_Meta_Temp_URL_Key": "key"}, True),
        ({"X_Account_Meta_Temp_URL_Key_2": "key"}, True),
        ({"X_Account_Object_Count": "0"}, False),
    ],
)
def test_swift_requests_the_key_of_the_account(headers: dict[str, str], expected: bool) -> None:
    server = Server()
    server.default = respond(b"", status=204, X_Trans_Id="t", X_Timestamp="1", **headers)
    try:
        with get_driver("swift")(token="token", storage_url=f"{server.url}/v1/AUTH_a") as driver:
            assert expected is driver.supports("sign_url")
            assert ["HEAD /v1/AUTH_a HTTP/1.1"] == [seen.line for seen in server.seen]
    finally:
        server.close()
