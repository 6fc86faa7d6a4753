"""Tokens of the machine: the metadata server, and the file that a variable names."""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from drivers.gcs.support import BIG, account, made, noise
from scripted import Server, respond

from libstore import CredentialsNotFoundError, TransferOptions, get_driver
from libstore.auth.google import AccountSigner
from libstore.auth.google_default import DefaultCredentials
from libstore.http.environment import Environment
from libstore.http.transport import Transport
from servers.gcs_model import KEY, SECRET, Model, Request
from servers.google_metadata import EMAIL, FakeMetadata


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide google-auth, and the files of this machine."""
    monkeypatch.setitem(sys.modules, "google.auth", None)
    monkeypatch.delenv("NO_GCE_CHECK", raising=False)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMetadata]:
    with FakeMetadata() as found:
        monkeypatch.setenv("GCE_METADATA_HOST", found.host)
        yield found


@pytest.mark.parametrize("ahead", [3600 - 200, 3600 + 60], ids=["in the window", "expired"])
def test_upload_of_twenty_parts_goes_on_with_one_new_token(
    model: Model, fake: FakeMetadata, ahead: float
) -> None:
    now = [0.0]
    ends: dict[str, float] = {}

    def clock() -> float:
        return time.time() + now[0]

    def issue() -> None:
        ends[f"metadata-token-{fake.issued + 1}"] = clock() + fake.life
        model.tokens = {token for token, end in ends.items() if end > clock()}

    fake.before = issue
    machine = DefaultCredentials(Transport(), Environment()).credentials()
    machine._clock = clock
    with made(model, token=None, credentials=machine, parallel_uploads=True) as driver:
        tokens = driver._access.tokens
        assert tokens is not None
        tokens._clock = clock
        driver.create_container("box")
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG, concurrency=8)
        counter = iter(range(1_000_000))

        def advance(request: Request) -> None:
            if next(counter) == 9:
                now[0] = ahead
                model.tokens = {token for token, end in ends.items() if end > clock()}

        model.before = advance
        content = noise(20 * BIG)
        driver.upload_object(content, "box", "big")
        model.before = lambda request: None
        assert content == driver.object("box", "big").read()
    assert fake.issued == 2
    sent = {one.get("authorization") for one in model.headers}
    assert {"Bearer metadata-token-1", "Bearer metadata-token-2"} <= sent


def test_nothing_is_requested_before_the_first_token(fake: FakeMetadata) -> None:
    with get_driver("gcs")() as driver:
        name = f"metadata server at {fake.host}"
        assert driver.credentials_source == f"Application Default Credentials: {name}"
        assert fake.seen == []
        data = pickle.dumps(driver)
        assert driver._access.tokens.get() == "metadata-token-1"
        assert driver._access.project() == "metadata-project"
        again = pickle.loads(data)
        assert again._access.tokens.get() == "metadata-token-2"
        assert b"metadata-token" not in pickle.dumps(driver)


def test_machine_signs_urls_by_iam(fake: FakeMetadata) -> None:
    server = Server(default=respond(b'{"signedBlob": "AAAA"}', Content_Type="application/json"))
    with get_driver("gcs")() as driver:
        signer = driver._access.url_signer
        assert isinstance(signer, AccountSigner)
        signer._iam = server.url
        url = str(driver.object("box", "name").sign_url())
    query = parse_qs(urlsplit(url).query)
    assert query["X-Goog-Credential"][0].startswith(f"{EMAIL}/")
    assert f"/serviceAccounts/{EMAIL}:signBlob" in server.seen[0].head.decode()
    server.close()


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    with get_driver("gcs")() as driver, pytest.raises(CredentialsNotFoundError) as caught:
        driver.get_container("box")
    places = caught.value.message.partition("These places were searched:\n")[2].split("\n")
    assert places[0] == "  GOOGLE_APPLICATION_CREDENTIALS: not set"
    assert places[1].endswith("application_default_credentials.json: no such file")
    assert places[2] == "  metadata server at 127.0.0.1:1: not reachable"


def test_source_of_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gcs = get_driver("gcs")
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account()))
    assert gcs(token="t").credentials_source == "argument token"
    assert gcs(service_account=path).credentials_source == "argument service_account"
    pair = account()["client_email"], account()["private_key"]
    assert gcs(*pair).credentials_source == "argument key"
    assert gcs(KEY, SECRET).credentials_source == "argument key"
    assert gcs(anonymous=True).credentials_source is None
    assert gcs(endpoint="http://localhost:1").credentials_source is None
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    name = f"Application Default Credentials: {path} (GOOGLE_APPLICATION_CREDENTIALS)"
    assert gcs().credentials_source == name
