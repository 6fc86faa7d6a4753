"""Settings of the Azure driver: endpoint, credentials and pickles."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import pytest

from libstore import (
    CredentialsNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    NotSupportedError,
    RetryPolicy,
    TransferOptions,
    get_driver,
)
from libstore.auth.entra import SOURCE
from libstore.drivers.azure import AzureDriver
from libstore.drivers.azure.endpoints import account_at, check_blob_name, check_container_name

KEY = base64.b64encode(b"a key that nobody sees").decode()
SAS = "sv=2021-12-02&ss=b&srt=sco&sp=r&se=2030-01-01T00%3A00%3A00Z&sig=bm9ib2R5IHNlZXM%3D"
VARIABLES = (
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CONNECTION_STRING",
)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


class Credential:
    """What azure-identity's credentials look like."""

    def get_token(self, *scopes: str) -> Any:
        raise NotImplementedError


def address(**options: Any) -> tuple[str, str]:
    endpoint = AzureDriver(**options)._client.access.endpoint
    return endpoint.url, endpoint.prefix


# ---------------------------------------------------------------------- where


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"account": "mine"}, ("https://mine.blob.core.windows.net", "/")),
        (
            {"account": "mine", "endpoint_suffix": "core.chinacloudapi.cn"},
            ("https://mine.blob.core.chinacloudapi.cn", "/"),
        ),
        (
            {"account": "mine", "endpoint": "https://data.example.com"},
            ("https://data.example.com", "/"),
        ),
        (
            {"account": "mine", "endpoint": "http://127.0.0.1:10000/mine/"},
            ("http://127.0.0.1:10000", "/mine/"),
        ),
        ({"endpoint": "http://localhost:10000/mine"}, ("http://localhost:10000", "/mine/")),
        (
            {"endpoint": "https://mine.z12.blob.storage.azure.net"},
            ("https://mine.z12.blob.storage.azure.net", "/"),
        ),
        (
            {"account": "mine", "endpoint": "http://azurite:10000/mine", "insecure": True},
            ("http://azurite:10000", "/mine/"),
        ),
        ({"account": "mine-secondary"}, ("https://mine-secondary.blob.core.windows.net", "/")),
    ],
)
def test_endpoint_of_an_account(options: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected == address(key=KEY, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"account": "UPPER"},
        {"account": "a/../b"},
        {"account": ""},
        {"account": "mine", "endpoint_suffix": "evil.example/#"},
        {"account": "mine", "endpoint": "http://storage.example.com"},
        {"account": "mine", "endpoint": "https://user:password@example.com"},
        {"account": "mine", "endpoint": "https://example.com/?sig=a"},
        {"account": "mine", "endpoint": "https://mine.blob.core.windows.net/container"},
        {"account": "mine", "endpoint": "https://mine.dfs.core.windows.net"},
        {"account": "mine", "endpoint": "https://mine.z6.web.core.windows.net"},
        {"account": "mine", "endpoint": "https://mine.z12.queue.storage.azure.net"},
        {"account": "mine", "endpoint": "ftp://example.com"},
        {"account": "mine", "endpoint": "example.com"},
        {"account": "mine", "key": "no base64!"},
        {"account": "mine", "key": "text", "sas_token": SAS},
        {"account": "mine", "anonymous": True, "key": KEY},
        {"account": "mine", "key": None, "sas_token": "nothing"},
        {"account": "mine", "key": None, "sas_token": "sig=with blank"},
        {
            "account": "mine",
            "key": None,
            "sas_token": f"https://mine.blob.core.windows.net/?{SAS}",
        },
        {"account": "mine", "key": None, "credential": "a token"},
        {"account": "mine", "customer_key": b"short"},
        {"account": "mine", "customer_key": bytes(32), "encryption_scope": "scope"},
        {"account": "mine", "timeout": 0},
        {"key": None, "connection_string": "AccountName=mine"},
        {"key": None, "connection_string": "no string"},
    ],
    ids=str,
)
def test_invalid_settings_are_refused(options: dict[str, Any]) -> None:
    """Nothing is sent, and no secret is in the message."""
    with pytest.raises(InvalidOptionError) as caught:
        AzureDriver(**{"key": KEY, **options})
    for secret in (KEY, "password", "bm9ib2R5"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"KEY": KEY}, "no account is given; pass account="),
        ({"KEY": KEY, "ACCOUNT": "My Account"}, "AZURE_STORAGE_ACCOUNT must be the name of"),
        ({"KEY": "no", "ACCOUNT": "mine"}, "AZURE_STORAGE_KEY must be the account's key"),
        ({"CONNECTION_STRING": "mine"}, "AZURE_STORAGE_CONNECTION_STRING must be Name=value"),
        (
            {"CONNECTION_STRING": f"AccountKey={KEY}"},
            "AZURE_STORAGE_CONNECTION_STRING has neither AccountName nor BlobEndpoint",
        ),
        (
            {"CONNECTION_STRING": "AccountName=mine"},
            "AZURE_STORAGE_CONNECTION_STRING has neither AccountKey nor SharedAccessSignature",
        ),
        (
            {"CONNECTION_STRING": "AccountName=mine;AccountKey=no"},
            "AccountKey in AZURE_STORAGE_CONNECTION_STRING must be the account's key",
        ),
        (
            {"CONNECTION_STRING": "AccountName=mine;SharedAccessSignature=no"},
            "SharedAccessSignature in AZURE_STORAGE_CONNECTION_STRING must be a shared access",
        ),
    ],
)
def test_invalid_variable_is_named(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"AZURE_STORAGE_{name}", value)

    with pytest.raises(InvalidOptionError, match=f"^{message}"):
        AzureDriver()


def test_a_connection_string_is_read() -> None:
    text = f"AccountName=mine;AccountKey={KEY};EndpointSuffix=core.usgovcloudapi.net;"
    driver = AzureDriver(connection_string=text)
    access = driver._client.access
    assert access.endpoint.url == "https://mine.blob.core.usgovcloudapi.net"
    assert (access.account, access.key) == ("mine", base64.b64decode(KEY))
    text = f"BlobEndpoint=https://mine.blob.core.windows.net;SharedAccessSignature={SAS}"
    access = AzureDriver(connection_string=text)._client.access
    assert (access.account, access.sas) == ("mine", SAS)
    assert address(connection_string="UseDevelopmentStorage=true") == (
        "http://127.0.0.1:10000",
        "/devstoreaccount1/",
    )


def test_a_connection_string_has_names_in_any_case() -> None:
    """As for Microsoft's own clients."""
    text = f"blobendpoint=http://127.0.0.1:1/mine;ACCOUNTNAME=mine;accountkey={KEY}"
    access = AzureDriver(connection_string=text)._client.access
    assert ("mine", base64.b64decode(KEY), "/mine/") == (
        access.account, access.key, access.endpoint.prefix,
    )  # fmt: skip


def test_an_emulator_may_be_behind_a_proxy() -> None:
    text = "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite"
    with pytest.raises(InvalidOptionError, match="insecure"):
        AzureDriver(connection_string=text)
    found = address(connection_string=text, insecure=True)
    assert found == ("http://azurite:10000", "/devstoreaccount1/")


@pytest.mark.parametrize(
    "options",
    [
        {"account": "mine-secondary"},
        {"endpoint": "https://mine-secondary.blob.core.windows.net"},
        {"endpoint": "http://127.0.0.1:10000/mine-secondary"},
    ],
    ids=str,
)
def test_secondary_location_is_signed_for_the_account(options: dict[str, Any]) -> None:
    driver = AzureDriver(key=KEY, **options)
    assert driver._client.access.account == "mine"
    assert "mine-secondary" in driver.object("box", "a").sign_url()


def test_account_is_read_from_the_endpoint() -> None:
    driver = AzureDriver(sas_token=SAS, endpoint="https://mine.blob.core.windows.net")
    assert driver._client.access.account == "mine"
    assert account_at(driver._client.access.endpoint) == "mine"


def test_repr_shows_the_endpoint_and_no_secret() -> None:
    driver = AzureDriver("mine", KEY)
    assert repr(driver) == "<AzureDriver https://mine.blob.core.windows.net>"
    for shown in (driver._settings, driver._client.access, driver._client.access.signer):
        assert KEY not in repr(shown)


# ---------------------------------------------------------------------- who


def test_missing_credentials_are_reported() -> None:
    with pytest.raises(CredentialsNotFoundError, match="AZURE_STORAGE_KEY"):
        AzureDriver()


@pytest.mark.parametrize(
    "environment",
    [
        {"AZURE_STORAGE_ACCOUNT": "mine", "AZURE_STORAGE_KEY": KEY},
        {"AZURE_STORAGE_ACCOUNT": "mine", "AZURE_STORAGE_SAS_TOKEN": SAS},
        {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=mine;AccountKey={KEY}"},
        {
            "AZURE_STORAGE_ACCOUNT": "mine",
            "AZURE_STORAGE_KEY": KEY,
            "AZURE_STORAGE_SAS_TOKEN": SAS,
            "AZURE_STORAGE_CONNECTION_STRING": f"AccountName=other;AccountKey={KEY}",
        },
    ],
    ids="+".join,
)
def test_credentials_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    pytest.importorskip("azure.identity")
    for driver in (AzureDriver(), AzureDriver("mine")):
        assert driver._client.access.account == "mine"
    assert AzureDriver("another").credentials_source == SOURCE
    assert AzureDriver("another", KEY)._client.access.account == "another"


# ---------------------------------------------------------------------- pickles


@pytest.mark.parametrize(
    "options",
    [
        {"key": KEY},
        {"sas_token": SAS},
        {"connection_string": f"AccountName=mine;AccountKey={KEY}"},
        {"anonymous": True, "customer_key": bytes(32)},
    ],
    ids="+".join,
)
def test_literal_secret_is_pickled_only_if_allowed(options: dict[str, Any]) -> None:
    with pytest.raises(NotSupportedError, match="pickle_secret"):
        pickle.dumps(AzureDriver("mine", **options))
    driver = AzureDriver("mine", pickle_secret=True, **options)
    again = pickle.loads(pickle.dumps(driver))
    assert again._settings == driver._settings


def test_unpickled_driver_reads_the_environment_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "mine")
    retry, transfer = RetryPolicy(2), TransferOptions(concurrency=2)
    driver = AzureDriver(retry=retry, transfer=transfer, cdn="https://cdn.example.com")
    data = pickle.dumps(driver)
    assert KEY.encode() not in data
    again = pickle.loads(data)
    assert (retry, transfer, driver.cdn) == (again.retry, again.transfer, again.cdn)
    assert again._client.access.key == base64.b64decode(KEY)


def test_credential_object_is_pickled_by_itself() -> None:
    with pytest.raises(NotSupportedError, match="pickle_secret"):
        pickle.dumps(AzureDriver("mine", credential=Credential()))
    driver = AzureDriver("mine", credential=Credential(), pickle_secret=True)
    again = pickle.loads(pickle.dumps(driver))
    assert isinstance(again._settings.credential, Credential)


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["abc", "a-b", "0-1-2", "a" * 63, "$root", "$web", "$logs"])
def test_valid_container_names(name: str) -> None:
    check_container_name(name)


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "A-B", "a--b", "-ab", "ab-", "a_b", "a.b", "ä-b", "$other", "a\n-b"]
)
def test_invalid_container_names(name: str) -> None:
    with pytest.raises(InvalidNameError):
        check_container_name(name)


@pytest.mark.parametrize(
    "name",
    [
        ".", "..", "a/..", "../a", "a/./b", "a.", "a./b", "a...", "a\\b", "a\0", "\x1f", "\x7f",
        "\x81", "\ufffe", "\uffff", "a" * 1025, "/".join("a" * 255),
    ],
    ids=ascii,
)  # fmt: skip
def test_values_that_azure_cannot_store_are_refused(name: str) -> None:
    with pytest.raises(InvalidNameError):
        check_blob_name(name)


@pytest.mark.parametrize(
    "name",
    ["日" * 1024, "/".join("a" * 254), "/a", "a/", "a//b", ".a", "a.b/..c", " a "],
    ids=ascii,
)
def test_values_that_azure_can_store_are_accepted(name: str) -> None:
    check_blob_name(name)


def test_driver_is_in_the_registry() -> None:
    assert get_driver("azure") is AzureDriver
