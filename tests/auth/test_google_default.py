"""Application Default Credentials and the metadata server, with and without google-auth."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from drivers.gcs.support import account

from libstore.auth.google import IAM_SCOPE, SCOPE, GoogleCredential
from libstore.auth.google_accounts import ServiceAccountCredentials
from libstore.auth.google_default import DefaultCredentials
from libstore.auth.google_metadata import MetadataCredentials
from libstore.errors import (
    CredentialsNotFoundError,
    InvalidOptionError,
    ServiceError,
    ServiceUnavailableError,
    TransportError,
)
from libstore.http.transport import Transport
from servers.google_metadata import EMAIL, FakeMetadata

TOKEN = "/instance/service-accounts/default/token"


@pytest.fixture
def fake() -> Iterator[FakeMetadata]:
    with FakeMetadata() as found:
        yield found


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide google-auth."""
    monkeypatch.setitem(sys.modules, "google.auth", None)


def default(environ: Mapping[str, str], folder: Path) -> DefaultCredentials:
    return DefaultCredentials(Transport(), {"CLOUDSDK_CONFIG": str(folder), **environ})


# ---------------------------------------------------------------------- the metadata server


@pytest.mark.usefixtures("alone")
def test_token_of_the_metadata_server(fake: FakeMetadata, tmp_path: Path) -> None:
    found = default({"GCE_METADATA_HOST": fake.host}, tmp_path)
    assert found.source == f"Application Default Credentials: metadata server at {fake.host}"
    assert fake.seen == []
    source = GoogleCredential(found.credentials, Transport())
    assert source.get_token().token == "metadata-token-1"
    assert source.get_token().token == "metadata-token-2"
    assert fake.scopes == [SCOPE, SCOPE]
    assert found.project() == found.project() == "metadata-project"
    assert fake.seen == [TOKEN, TOKEN, "/project/project-id"]


@pytest.mark.usefixtures("alone")
def test_account_of_the_metadata_server_is_requested_for_iam(
    fake: FakeMetadata, tmp_path: Path
) -> None:
    made = default({"GCE_METADATA_HOST": fake.host}, tmp_path).credentials()
    signing = made.with_scopes([IAM_SCOPE])
    assert signing.service_account_email == "default"
    GoogleCredential(lambda: signing, Transport()).get_token()
    assert signing.service_account_email == EMAIL


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("fault", "flavor", "line"),
    [
        ((404, "no"), "Google", "the machine has no service account"),
        ((404, "no"), None, "unexpected response of the metadata server"),
        ((200, "<html>Log in</html>"), None, "unexpected response of the metadata server"),
        ((200, "<html>Log in</html>"), "Google", "unexpected response of the metadata server"),
        ((200, '{"access_token": "t"}'), "Google", "unexpected response of the metadata server"),
        ((403, "no"), "Google", "unexpected response of the metadata server"),
    ],
)
def test_other_responses_are_no_token(
    fake: FakeMetadata, tmp_path: Path, fault: tuple[int, str], flavor: str | None, line: str
) -> None:
    fake.flavor = flavor
    fake.faults.append(fault)
    source = default({"GCE_METADATA_HOST": fake.host}, tmp_path).credentials()
    with pytest.raises(CredentialsNotFoundError) as caught:
        source.refresh(None)
    assert f"\n  metadata server at {fake.host}: {line}" in caught.value.message
    assert f"\n  {tmp_path}/application_default_credentials.json: no such file" in str(
        caught.value
    )
    assert "\n  GOOGLE_APPLICATION_CREDENTIALS: not set" in str(caught.value)


@pytest.mark.usefixtures("alone")
def test_busy_metadata_server_is_asked_again(fake: FakeMetadata, tmp_path: Path) -> None:
    fake.faults += [(503, ""), (429, "")]
    found = default({"GCE_METADATA_HOST": fake.host}, tmp_path)
    assert GoogleCredential(found.credentials, Transport()).get_token().token


@pytest.mark.usefixtures("alone")
def test_missing_metadata_server(tmp_path: Path) -> None:
    made = default({"GCE_METADATA_HOST": "127.0.0.1:1"}, tmp_path).credentials()
    with pytest.raises(CredentialsNotFoundError, match=r"127\.0\.0\.1:1: not reachable"):
        made.refresh(None)
    with pytest.raises(CredentialsNotFoundError, match="NO_GCE_CHECK is true"):
        default({"NO_GCE_CHECK": "True"}, tmp_path).credentials()
    assert made._server.project() is None


@pytest.mark.usefixtures("alone")
def test_failure_after_a_token_is_reported_as_it_is(fake: FakeMetadata, tmp_path: Path) -> None:
    """A machine that had a token has a metadata server."""
    made = default({"GCE_METADATA_HOST": fake.host}, tmp_path).credentials()
    assert isinstance(made, MetadataCredentials)
    made.refresh(None)  # type: ignore[arg-type]
    fake.faults += [(503, "")] * 3
    with pytest.raises(ServiceUnavailableError):
        made.refresh(None)  # type: ignore[arg-type]
    fake.faults.append((400, ""))
    with pytest.raises(ServiceError, match="unexpected response"):
        made.refresh(None)  # type: ignore[arg-type]
    made._server.host = "127.0.0.1:1"
    with pytest.raises(TransportError):
        made.refresh(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "evil.example", "metadata.google.internal/a?", "user@127.0.0.1", "a b"]
)
def test_metadata_server_of_another_machine_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="GCE_METADATA_HOST must be"):
        default({"GCE_METADATA_HOST": host}, tmp_path)


@pytest.mark.parametrize(
    "host", ["metadata.google.internal", "169.254.169.252:988", "localhost:80", "[::1]:8"]
)
def test_metadata_server_of_this_machine_is_accepted(host: str, tmp_path: Path) -> None:
    assert default({"GCE_METADATA_ROOT": host}, tmp_path).source.endswith(host)
    assert default({}, tmp_path).source.endswith("metadata server at metadata.google.internal")


# ---------------------------------------------------------------------- files


@pytest.mark.usefixtures("alone")
def test_service_account_file_needs_no_google_auth(fake: FakeMetadata, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({**account(), "token_uri": f"{fake.url}/token"}))
    found = default({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}, tmp_path)
    assert found.source.endswith(f"{path} (GOOGLE_APPLICATION_CREDENTIALS)")
    assert isinstance(found.credentials(), ServiceAccountCredentials)
    assert found.project() == "test-project"
    source = GoogleCredential(found.credentials, Transport())
    assert source.get_token().token == "metadata-token-1"


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("content", "state"),
    [
        (None, "no such file"),
        ("", "a file of no known type"),
        ('{"type": "a-secret-value"}', "a file of no known type"),
        ('{"type": "external_account"}', "a file of the type external_account"),
        ('{"type": "authorized_user"}', "a file of the type authorized_user"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_other_files_need_google_auth(
    tmp_path: Path, content: str | None, state: str, named: bool
) -> None:
    path = tmp_path / "application_default_credentials.json"
    if content is not None:
        path.write_text(content)
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)} if named else {"NO_GCE_CHECK": "true"}
    with pytest.raises(CredentialsNotFoundError) as caught:
        default(environ, tmp_path).credentials()
    text = str(caught.value)
    assert f"{path}{',' if named else ':'} {state}\n" in text
    assert ("pip install 'libstore[gcs]'" in text) == (named or content is not None)
    assert "a-secret-value" not in text


def test_metadata_server_is_not_left_to_google_auth(fake: FakeMetadata, tmp_path: Path) -> None:
    """It would wait for minutes on a machine that is not at Google, and raise another error."""
    pytest.importorskip("google.auth")
    found = default({"GCE_METADATA_HOST": fake.host}, tmp_path)
    assert isinstance(found.credentials(), MetadataCredentials)
    assert GoogleCredential(found.credentials, Transport()).get_token().token
    nowhere = default({"GCE_METADATA_HOST": "127.0.0.1:1"}, tmp_path)
    with pytest.raises(CredentialsNotFoundError, match="not reachable"):
        GoogleCredential(nowhere.credentials, Transport()).get_token()


def test_file_that_google_auth_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    path = tmp_path / "key.json"
    path.write_text('{"type": "service_account", "private_key": "s3cret-of-the-file"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(CredentialsNotFoundError) as caught:
        default({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}, tmp_path).credentials()
    assert f"{path}, a file of a service account\n  google-auth: refused the file (" in str(
        caught.value
    )
    assert "s3cret" not in str(caught.value)
