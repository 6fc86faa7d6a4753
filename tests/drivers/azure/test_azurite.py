"""The Azure driver on Azurite: the conformance suite, tags, tiers, tokens, public containers."""

from __future__ import annotations

import base64
import json
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import urlopen

import pytest
import trustme
from drivers.s3_faults import Faulty, Raised

from libstore import (
    AuthenticationError,
    Container,
    ContainerNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    NotSupportedError,
    RetryPolicy,
    ServiceError,
    StorageError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.azure import AzureDriver
from libstore.testing import DriverConformance
from servers.azurite import AzureServer, azurite

_BACKSLASH = "Azure makes slashes of backslashes, so the driver refuses them"
_CONTROL = "Azure takes no control characters, so the driver refuses them"


@pytest.fixture(scope="module")
def shared_driver(azurite_server: AzureServer) -> Iterator[AzureDriver]:
    """Return a driver that knows the server."""
    server = azurite_server
    with get_driver("azure")(
        server.account, server.key, endpoint=server.endpoint, pickle_secret=True
    ) as driver:
        yield driver


class TestAzurite(Faulty, DriverConformance):
    """All that the driver does, on the emulator."""

    faults: ClassVar[Mapping[str, str]] = {
        r"test_an_ordinary_name_comes_back_unchanged['back\\slash']": _BACKSLASH,
        r"test_an_ordinary_name_comes_back_unchanged['back\\..\\slash']": _BACKSLASH,
        r"test_different_names_are_different_objects['a\n'-'a\r\n']": _CONTROL,
        r"test_a_name_is_not_found_under_another['a\n'-'a\r\n']": _CONTROL,
    }

    raising: ClassVar[Mapping[str, Raised]] = {
        _BACKSLASH: InvalidNameError,
        _CONTROL: InvalidNameError,
    }

    @pytest.fixture
    def driver(self, shared_driver: AzureDriver) -> AzureDriver:
        """Return the driver that all tests share."""
        return shared_driver

    @pytest.fixture
    def storage_class(self) -> str:
        """Return a class that is not the default one."""
        return "Cool"


# ---------------------------------------------------------------------- features


CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
PART = 64 * 1024
LARGE = bytes(range(256)) * 1024


@pytest.fixture
def driver(azurite_server: AzureServer) -> Iterator[AzureDriver]:
    server = azurite_server
    with get_driver("azure")(server.account, server.key, endpoint=server.endpoint) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        yield driver


@pytest.fixture
def container(driver: AzureDriver) -> Iterator[Container]:
    container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
    yield container
    container.delete()


# ---------------------------------------------------------------------- options


@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["at once", "in blocks"])
def test_tags_and_tier_are_kept(container: Container, content: bytes) -> None:
    extra = {"tags": {"project": "a b", "year": "2026"}, "access_tier": "Cool"}
    container.upload_object(content, "a", extra=extra)
    found = container.get_object("a")
    assert ("Cool", "2") == (found.storage_class, found.extra["tag_count"])


def test_a_storage_class_is_a_tier(container: Container) -> None:
    container.upload_object(CONTENT, "a", storage_class="Cool")
    assert container.list_objects()[0].storage_class == "Cool"
    with pytest.raises(InvalidOptionError):
        container.upload_object(CONTENT, "b", storage_class="Cool", extra={"access_tier": "Hot"})


@pytest.mark.parametrize(
    "extra",
    [
        {"tags": {str(number): "v" for number in range(11)}},
        {"tags": {"": "v"}},
        {"tags": ["a"]},
        {"tags": {"ä": "v"}},
        {"tags": {"a": "b;c"}},
        {"access_tier": "Kühl"},
        {"customer_key": b"short"},
        {"customer_key": "text"},
        {"customer_key": bytes(32), "encryption_scope": "scope"},
        {"unheard_of": 1},
    ],
    ids=str,
)
def test_invalid_option_is_refused(container: Container, extra: Any) -> None:
    with pytest.raises(InvalidOptionError):
        container.upload_object(CONTENT, "a", extra=extra)
    assert not container.object_exists("a")


def test_a_copy_can_have_a_tier_and_tags(container: Container) -> None:
    obj = container.upload_object(CONTENT, "a", metadata={"owner": "me"})
    copy = container.driver.copy_object(
        obj, container, "b", storage_class="Cool", extra={"tags": {"a": "b"}}
    )
    found = container.get_object(copy.name)
    assert ("Cool", {"owner": "me"}) == (found.storage_class, dict(found.metadata))


def test_second_of_two_uploads_to_one_name_fails(container: Container) -> None:
    """When the first one ends, Azure drops the blocks of the other: nothing is ever mixed."""
    # One at a time, so that some of them have arrived when the last one is handed over.
    options = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    container.driver.transfer = options
    first, second = container.open("a", "wb"), container.open("a", "wb")
    first.write(LARGE)
    second.write(LARGE[::-1])
    first.close()
    with pytest.raises(ServiceError, match="parts are missing"):
        second.close()
    assert LARGE == container.read_object("a")


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["$root", "$web"])
def test_special_containers_are_containers(driver: AzureDriver, name: str) -> None:
    container = driver.create_container(name)
    try:
        container.upload_object(CONTENT, "index.html")
        assert CONTENT == container.read_object("index.html")
        assert name in [found.name for found in driver.list_containers()]
    finally:
        container.delete()


def test_the_root_container_has_no_folders(driver: AzureDriver) -> None:
    with pytest.raises(InvalidNameError, match="slash"):
        driver.upload_object(CONTENT, "$root", "a/b")
    with pytest.raises(InvalidNameError, match="slash"):
        driver.upload_object(LARGE, "$root", "a/b")


# ---------------------------------------------------------------------- everybody


@dataclass
class Fetched:
    status: int
    body: bytes


def fetch(url: str) -> bytes:
    with urlopen(url, timeout=30) as response:
        return bytes(response.read())


def test_a_container_is_made_public(container: Container) -> None:
    """A public blob is read by its URL without credentials, and a private one is not."""
    obj = container.upload_object(CONTENT, "folder/a b")
    url = obj.get_cdn_url()
    assert url.startswith(container.get_cdn_url())
    with pytest.raises(OSError):
        fetch(url)
    container.enable_cdn()
    container.enable_cdn()
    assert CONTENT == fetch(url)
    assert container.driver.get_container(container.name).extra["public_access"] == "blob"
    with pytest.raises(NotSupportedError, match="public"):
        obj.enable_cdn()


def test_a_container_can_be_public_from_the_beginning(
    driver: AzureDriver, azurite_server: AzureServer
) -> None:
    name = f"libstore-{uuid.uuid4().hex}"
    container = driver.create_container(name, extra={"public_access": "container"})
    try:
        container.upload_object(CONTENT, "a")
        anonymous = get_driver("azure")(anonymous=True, endpoint=azurite_server.endpoint)
        with anonymous:
            assert ["a"] == [found.name for found in anonymous.list_objects(name)]
            assert CONTENT == anonymous.object(name, "a").read()
            with pytest.raises(StorageError):
                anonymous.upload_object(CONTENT, name, "b")
    finally:
        container.delete()
    with pytest.raises(InvalidOptionError):
        driver.create_container(name, extra={"public_access": "everything"})


# ---------------------------------------------------------------------- signed


def test_response_headers_of_a_presigned_url(container: Container) -> None:
    container.upload_object(CONTENT, "a")
    wanted = {
        "content-type": "text/x-b",
        "content-disposition": 'attachment; filename="a b.txt"',
        "cache-control": "no-store",
        "content-language": "de",
    }
    url = container.object("a").sign_url(response_headers=wanted)
    with urlopen(url, timeout=30) as response:
        assert wanted == {name: response.headers[name] for name in wanted}
    with pytest.raises(NotSupportedError, match="expires"):
        container.object("a").sign_url(response_headers={"expires": "tomorrow"})


def account_signature(server: AzureServer) -> str:
    blob = pytest.importorskip("azure.storage.blob")
    from datetime import datetime, timedelta, timezone

    return str(
        blob.generate_account_sas(
            server.account,
            server.key,
            blob.ResourceTypes(service=True, container=True, object=True),
            "rwdlacx",
            datetime.now(timezone.utc) + timedelta(hours=1),
        )
    )


@pytest.mark.parametrize("mark", ["", "?"])
def test_shared_access_signature_authenticates(
    container: Container, azurite_server: AzureServer, mark: str
) -> None:
    """All that the driver does goes with a signature in the query."""
    token = account_signature(azurite_server)
    driver = get_driver("azure")(sas_token=mark + token, endpoint=azurite_server.endpoint)
    with driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        mine = driver.get_container(container.name)
        mine.upload_object(LARGE, "a", metadata={"owner": "me"})
        copy = mine.object("a").copy(mine, "b")
        assert LARGE == copy.read()
        assert ["a", "b"] == [found.name for found in mine.list_objects()]
        assert all(result.ok for result in mine.delete_objects(["a", "b"]))
        with pytest.raises(NotSupportedError):
            mine.object("a").sign_url()
        assert token not in f"{driver!r}"
        assert "sig=" not in f"{driver!r}{mine!r}"


def test_connection_string_configures_the_driver(
    container: Container, azurite_server: AzureServer
) -> None:
    text = azurite_server.connection_string
    with get_driver("azure")(connection_string=text) as driver:
        assert [] == list(driver.list_objects(container.name))
        assert azurite_server.key not in repr(driver)


# ---------------------------------------------------------------------- errors


def test_wrong_key_is_reported(azurite_server: AzureServer) -> None:
    server = azurite_server
    key = base64.b64encode(b"another key").decode()
    with get_driver("azure")(server.account, key, endpoint=server.endpoint) as driver:
        with pytest.raises(AuthenticationError, match="key") as caught:
            list(driver.list_containers())
    assert caught.value.status == 403
    assert caught.value.request_id
    assert key not in f"{caught.value} {caught.value!r}"


def test_expired_signature_is_reported(azurite_server: AzureServer, container: Container) -> None:
    token = account_signature(azurite_server).replace("se=20", "se=19")
    with get_driver("azure")(sas_token=token, endpoint=azurite_server.endpoint) as driver:
        with pytest.raises(AuthenticationError) as caught:
            driver.object(container.name, "a").read()
    signature = token.partition("sig=")[2].partition("&")[0]
    assert signature not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("path", ["", "/another"])
def test_wrong_endpoint_is_reported(azurite_server: AzureServer, path: str) -> None:
    """One without the account, or with another one, is no list of nothing."""
    server = azurite_server
    endpoint = server.endpoint.removesuffix(f"/{server.account}") + path
    with get_driver("azure")(server.account, server.key, endpoint=endpoint) as driver:
        with pytest.raises(ServiceError, match="endpoint") as caught:
            list(driver.list_containers())
        with pytest.raises(StorageError):
            driver.object("container", "a").read()
    assert caught.value.status in {400, 404}


def test_missing_container_is_reported(driver: AzureDriver) -> None:
    missing = "libstore-missing"
    for attempt in (
        lambda: driver.upload_object(CONTENT, missing, "a"),
        lambda: driver.upload_object(LARGE, missing, "a"),
        lambda: driver.object(missing, "a").read(),
        lambda: driver.delete_objects([driver.object(missing, n) for n in "ab"])[0].error,
    ):
        try:
            found: Any = attempt()
        except ContainerNotFoundError as error:
            found = error
        assert isinstance(found, ContainerNotFoundError)


def test_many_blobs_are_deleted_in_one_request(container: Container) -> None:
    """A batch takes 256; names that are awkward, missing or given twice go with them."""
    names = [f"name {number}" for number in range(300)]
    for name in ("name 0", "name 299", "ä?b#c%20/d e"):
        container.upload_object(CONTENT, name)
    results = container.delete_objects([*names, "name 0", "ä?b#c%20/d e"])
    assert all(result.ok for result in results)
    assert len(results) == 302
    assert [] == list(container.list_objects())


# ---------------------------------------------------------------------- bearer tokens


def token_of(account: str, life: float = 3600.0) -> str:
    """Return a token that Azurite takes: it reads it, and checks no signature."""

    def encoded(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    now = int(time.time())
    tenant = "ab1f708d-50f6-404c-a006-d71b2ac7a606"
    claims = {
        "aud": "https://storage.azure.com",
        "iss": f"https://sts.windows.net/{tenant}/",
        "iat": now - 60, "nbf": now - 60, "exp": int(now + life),
        "oid": "23657296-5cd5-45b0-a809-d972a7f4dfe1", "tid": tenant,
    }  # fmt: skip
    return f"{encoded({'alg': 'RS256', 'typ': 'JWT'})}.{encoded(claims)}.c2ln"


@dataclass(frozen=True)
class Token:
    token: str
    expires_on: int


class Identity:
    """What azure-identity's credentials are, as far as the driver can see."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str) -> Token:
        self.scopes += scopes
        return Token(token_of("any"), int(time.time()) + 3600)


@pytest.fixture(scope="module")
def secure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    """Run Azurite with TLS, as it wants to for tokens."""
    folder = tmp_path_factory.mktemp("azurite-tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    chain = folder / "chain.pem"
    for piece in certificate.cert_chain_pems:
        piece.write_to_path(chain, append=True)
    with azurite(folder, tls=(chain, folder / "key.pem")) as server:
        yield AzureServer(server.endpoint, authority=str(folder / "authority.pem"))


def test_token_authenticates_and_signs(secure_server: AzureServer) -> None:
    """A user's own key signs URLs; one token serves all of it."""
    identity = Identity()
    with get_driver("azure")(
        credential=identity, endpoint=secure_server.endpoint, verify=secure_server.authority
    ) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        obj = container.upload_object(LARGE, "a b")
        assert LARGE == obj.read()
        trusted = ssl.create_default_context(cafile=secure_server.authority)
        for _ in range(2):
            url = obj.sign_url(response_headers={"content-type": "text/x-b"})
            with urlopen(url, timeout=30, context=trusted) as response:
                assert response.headers["content-type"] == "text/x-b"
                assert LARGE == response.read()
        assert "spr=https" in url
        assert all(result.ok for result in container.delete_objects(["a b", "c"]))
        with pytest.raises(InvalidOptionError):
            obj.sign_url(expires=7 * 86_400.0)
        container.delete()
    assert identity.scopes == ["https://storage.azure.com/.default"]


def test_token_is_not_sent_over_plain_http(azurite_server: AzureServer) -> None:
    with pytest.raises(InvalidOptionError, match="https"):
        get_driver("azure")(credential=Identity(), endpoint=azurite_server.endpoint)


def test_wrong_authority_is_reported(secure_server: AzureServer, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with get_driver("azure")(
        secure_server.account, secure_server.key, endpoint=secure_server.endpoint,
        verify=str(other), retry=RetryPolicy(1),
    ) as driver:  # fmt: skip
        with pytest.raises(StorageError, match="certificate"):
            list(driver.list_containers())
