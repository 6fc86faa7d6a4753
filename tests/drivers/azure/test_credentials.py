"""Where the driver of Azure finds credentials: SAS URLs, variables and azure-identity."""

from __future__ import annotations

import base64
import json
import pickle
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from scripted import Server, respond

from libstore import (
    CredentialsNotFoundError,
    InvalidOptionError,
    NotSupportedError,
    RetryPolicy,
    driver_from_url,
    open_url,
)
from libstore.auth.entra import SOURCE
from libstore.drivers.azure import AzureDriver

KEY = base64.b64encode(b"a key that nobody sees").decode()
SIGNATURE = "c2lnbmF0dXJlIHRoYXQgbm9ib2R5IHNlZXM%3D"
SAS = f"sv=2021-12-02&ss=b&srt=sco&sp=r&se=2030-01-01T00%3A00%3A00Z&sig={SIGNATURE}"
URL = "https://mine.blob.core.windows.net"
OTHER = (
    "not used for {}, which is not a URL of Azure; pass credential=DefaultAzureCredential() to use"
    " it"
)
PAGE = b'<?xml version="1.0"?><EnumerationResults><Containers/><NextMarker/></EnumerationResults>'


class AccessToken(NamedTuple):
    """As azure-core's is."""

    token: str
    expires_on: int


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return an account without containers, and a managed identity."""
    found = Server()
    token = {"access_token": "entra-token", "expires_on": str(int(time.time()) + 86_400),
             "resource": "https://storage.azure.com", "token_type": "Bearer"}  # fmt: skip
    found.steps.append(respond(json.dumps(token).encode(), Content_Type="application/json"))
    found.default = respond(PAGE, x_ms_request_id="1", x_ms_version="2021-12-02")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{found.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "the-header")
    yield found
    found.close()


def test_a_credential_signs_the_headers_of_a_request() -> None:
    """With a version of the API that has it, and only where there are headers to sign."""

    class Credential:
        def get_token(self, *scopes: str) -> AccessToken:
            return AccessToken("token", 2**40)

    key = (
        b'<?xml version="1.0"?><UserDelegationKey><SignedOid>o</SignedOid><SignedTid>t</SignedTid>'
        b"<SignedStart>2020-01-01T00:00:00Z</SignedStart><SignedExpiry>2099-01-01T00:00:00Z"
        b"</SignedExpiry><SignedService>b</SignedService><SignedVersion>2021-12-02</SignedVersion>"
        b"<Value>a2V5</Value></UserDelegationKey>"
    )
    with Server(respond(key, x_ms_request_id="1", x_ms_version="2021-12-02")) as server:
        driver = AzureDriver(
            "mine", credential=Credential(), endpoint=f"{server.url}/mine", insecure=True
        )
        obj = driver.object("box", "a")
        url = obj.sign_url(method="PUT", headers={"Content-Type": "image/png"})
        bound, plain = (parse_qs(urlsplit(one).query) for one in (url, obj.sign_url(method="PUT")))

    assert driver.supports("sign_headers")
    assert (["content-type"], ["2026-04-06"]) == (bound["srh"], bound["sv"])
    assert (None, ["2021-12-02"]) == (plain.get("srh"), plain["sv"])
    assert {"content-type": "image/png", "x-ms-blob-type": "BlockBlob"} == url.headers


# ---------------------------------------------------------------------- SAS URLs


@pytest.mark.parametrize("mark", ["?", "/?", "??"])
def test_query_of_the_endpoint_is_the_sas(mark: str) -> None:
    driver = AzureDriver(endpoint=f"{URL}{mark}{SAS}")
    access = driver._client.access
    assert (URL, "mine", SAS) == (access.endpoint.url, access.account, access.sas)
    assert driver.credentials_source == "argument endpoint"
    assert AzureDriver(endpoint=URL, sas_token=SAS) == driver


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ("EndpointSuffix=core.chinacloudapi.cn", "endpoint_suffix=core.chinacloudapi.cn"),
        ("BlobEndpoint=http://127.0.0.1:9/mine", "endpoint=http://127.0.0.1:9/mine"),
    ],
)  # fmt: skip
def test_url_has_the_address_of_a_connection_string(fields: str, option: str) -> None:
    """The URL does not have the key, but it leads to the same account."""
    key = "A" * 86 + "=="
    driver = AzureDriver(connection_string=f"AccountName=mine;AccountKey={key};{fields}")
    assert driver.url == f"azure://?account=mine&{option}"
    assert driver_from_url(driver.url, key=key) == driver


def test_sas_of_the_endpoint_is_hidden() -> None:
    driver = AzureDriver(endpoint=f"{URL}?{SAS}")
    shown = f"{driver!r} {driver.url} {driver._settings!r} {driver._client.access!r}"
    assert SIGNATURE not in shown
    assert driver.url == f"azure://?endpoint={URL}"
    with pytest.raises(NotSupportedError, match="pickle_secret") as caught:
        pickle.dumps(driver)
    assert SIGNATURE not in str(caught.value)
    allowed = AzureDriver(endpoint=f"{URL}?{SAS}", pickle_secret=True)
    assert pickle.loads(pickle.dumps(allowed))._client.access.sas == SAS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": KEY}, "so key cannot be passed too"),
        ({"sas_token": SAS}, "so sas_token cannot be passed too"),
        ({"anonymous": True}, "so anonymous cannot be passed too"),
    ],
)
def test_sas_url_beside_other_credentials_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidOptionError, match=message) as caught:
        AzureDriver(endpoint=f"{URL}?{SAS}", **options)
    assert SIGNATURE not in str(caught.value)


def test_query_that_is_no_sas_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match="the query of endpoint must be a shared access"):
        AzureDriver(endpoint=f"{URL}?sig=a b")
    with pytest.raises(InvalidOptionError, match="endpoint must be"):
        AzureDriver(endpoint=f"{URL}?comp=list")
    with pytest.raises(InvalidOptionError, match="URL of the account") as caught:
        AzureDriver(endpoint=f"{URL}/container?{SAS}")
    assert SIGNATURE not in str(caught.value)


# ---------------------------------------------------------------------- azure-identity


def test_default_credential_needs_an_account_alone(server: Server) -> None:
    pytest.importorskip("azure.identity")
    with AzureDriver("mine") as driver:
        assert driver.credentials_source == SOURCE
        assert not server.seen
    options: dict[str, Any] = {"insecure": True, "retry": RetryPolicy(1)}
    with AzureDriver(endpoint=f"{server.url}/mine", **options) as driver:
        assert [] == list(driver.list_containers())
    assert dict(server.seen[1].headers)["authorization"] == "Bearer entra-token"


def test_pickle_makes_a_default_credential_of_its_own() -> None:
    pytest.importorskip("azure.identity")
    driver = AzureDriver("mine")
    again = pickle.loads(pickle.dumps(driver))
    assert again.credentials_source == SOURCE
    assert again == driver
    assert again._settings.credential is not driver._settings.credential
    assert pickle.loads(pickle.dumps(driver)) is again  # one for all pickles, as of other drivers
    assert driver.url == "azure://?account=mine"
    found = open_url(driver.url)
    assert isinstance(found, AzureDriver)
    assert found.credentials_source == SOURCE


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "not used without an account; pass account= or set AZURE_STORAGE_ACCOUNT"),
        (
            {"endpoint": "https://data.example.com"},
            OTHER.format("https://data.example.com"),
        ),
        (
            {"account": "mine", "endpoint_suffix": "core.example.com"},
            OTHER.format("https://mine.blob.core.example.com"),
        ),
        (
            {"endpoint": "http://127.0.0.1:10000/mine"},
            OTHER.format("http://127.0.0.1:10000"),
        ),
    ],
)
def test_error_lists_where_credentials_were_searched(
    options: dict[str, Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CredentialsNotFoundError) as caught:
        AzureDriver(**options)
    assert caught.value.message.partition("These places were searched:\n")[2] == (
        "  AZURE_STORAGE_KEY: not set\n"
        "  AZURE_STORAGE_SAS_TOKEN: not set\n"
        "  AZURE_STORAGE_CONNECTION_STRING: not set\n"
        f"  azure-identity: {line}"
    )


def test_missing_package_is_named_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "other")
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=third;AccountKey={KEY}")
    with pytest.raises(CredentialsNotFoundError) as caught:
        AzureDriver("mine")
    assert caught.value.message.partition("These places were searched:\n")[2] == (
        "  AZURE_STORAGE_KEY: set, but for the account 'other'\n"
        "  AZURE_STORAGE_SAS_TOKEN: not set\n"
        "  AZURE_STORAGE_CONNECTION_STRING: set, but for the account 'third'\n"
        "  azure-identity: not installed; pip install 'libstore[azure]'"
    )
    assert KEY not in str(caught.value)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT")
    with pytest.raises(CredentialsNotFoundError, match="KEY: set, but AZURE_STORAGE_AC"):
        AzureDriver("mine")


def test_source_of_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"AccountName=mine;AccountKey={KEY}"
    assert AzureDriver("mine", KEY).credentials_source == "argument key"
    assert AzureDriver("mine", sas_token=SAS).credentials_source == "argument sas_token"
    assert AzureDriver(connection_string=text).credentials_source == "argument connection_string"
    assert AzureDriver("mine", anonymous=True).credentials_source is None
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    found = "environment variable AZURE_STORAGE_CONNECTION_STRING"
    assert AzureDriver().credentials_source == found
