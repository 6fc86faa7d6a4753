"""The requests that the Azure driver sends."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from drivers.azure.fake import FakeAzure, fake_azure
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from libstore import Container, InvalidNameError, TransferOptions, get_driver
from libstore.drivers.azure import dialect
from libstore.drivers.azure.multipart import UNCOMMITTED, upload_of

KEY = base64.b64encode(b"a key that nobody knows").decode()
CONTENT = b"content"
PART = 64 * 1024


@pytest.fixture
def service() -> Iterator[FakeAzure]:
    with fake_azure() as service:
        yield service


@pytest.fixture
def container(service: FakeAzure) -> Iterator[Container]:
    with get_driver("azure")(key=KEY, endpoint=service.url) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        yield driver.object("box", "any").container


def requested(service: FakeAzure) -> list[str]:
    """Return the requests since the last call."""
    seen = [f"{sent.method} {sent.query.get('comp', '')}".strip() for sent in service.seen]
    service.seen.clear()
    return seen


def test_operations_send_no_extra_requests(service: FakeAzure, container: Container) -> None:
    container.upload_object(CONTENT, "a")
    assert requested(service) == ["PUT"]
    assert container.read_object("a") == CONTENT
    assert requested(service) == ["GET"]
    with container.open("a", "rb") as file:
        assert file.read(1) == CONTENT[:1]
    assert requested(service) == ["GET"]
    container.object("a").copy(container, "b")
    assert requested(service) == ["PUT"]
    container.object("a").sign_url()
    container.get_cdn_url()
    assert requested(service) == []
    container.delete_object("a")
    assert requested(service) == ["DELETE"]
    container.upload_object(bytes(3 * PART - 1), "large")
    assert sorted(requested(service)) == ["PUT block"] * 3 + ["PUT blocklist"]


def test_requests_have_a_version_and_no_secret(service: FakeAzure, container: Container) -> None:
    container.upload_object(CONTENT, "a")
    container.read_object("a")
    for sent in service.seen:
        assert sent.headers["x-ms-version"] == "2021-12-02"
        assert sent.headers["authorization"].startswith("SharedKey account:")
        assert KEY not in str(sent)


def test_part_sizes_follow_the_limits_of_the_service() -> None:
    """50,000 blocks of up to 4,000 MiB: the largest blob there is, and no byte more."""
    from libstore import NotSupportedError
    from libstore.drivers.azure import AzureDriver
    from libstore.transfer.part_sizes import part_sizes

    limits, mib = AzureDriver.limits, 1024 * 1024
    largest = 50_000 * 4_000 * mib
    for size in (1, 10**12, largest):
        sizes = list(part_sizes(size, TransferOptions(), limits))
        assert len(sizes) <= 50_000
        assert sum(sizes[:-1]) < size <= sum(sizes)
    with pytest.raises(NotSupportedError):
        list(part_sizes(largest + 1, TransferOptions(), limits))


def test_space_in_a_tag_is_percent_encoded(service: FakeAzure, container: Container) -> None:
    container.upload_object(CONTENT, "a", extra={"tags": {"a b": "c+d/e"}})
    assert service.seen[0].headers["x-ms-tags"] == "a%20b=c%2Bd%2Fe"


# ---------------------------------------------------------------------- which bytes

_AWKWARD = (
    "../x", "a/../b", "//", "/a", "a/", "%2e%2e", "%2F", "a+b c", "a?b=c#d&e", "a;b", "😀",
    "ä/日本", "~", "'\"<>&;:@$,!*()[]{}|^`", "e\u0301", "\u00a0",
)  # fmt: skip


def check_name(service: FakeAzure, container: Container, name: str) -> None:
    """Check that a name is sent byte for byte, or refused."""
    service.seen.clear()
    try:
        container.upload_object(CONTENT, name)
    except InvalidNameError:
        assert not service.seen
        return
    container.read_object(name)
    container.get_object(name)
    container.object(name).copy(container, "copy")
    container.delete_object(name)
    path = f"/account/box/{name}"
    assert [path, path, path, "/account/box/copy", path] == [sent.path for sent in service.seen]
    assert service.seen[3].headers["x-ms-copy-source"].endswith(quote(path, safe="/"))
    signed = container.object(name).sign_url()
    assert f"{service.url}/box/{quote(name, safe='/')}" == signed.partition("?")[0]


@pytest.mark.parametrize("name", _AWKWARD)
def test_awkward_name_is_encoded_exactly(
    service: FakeAzure, container: Container, name: str
) -> None:
    check_name(service, container, name)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_any_name_is_encoded_exactly(service: FakeAzure, container: Container, name: str) -> None:
    assume(name != "copy")
    check_name(service, container, name)


# ---------------------------------------------------------------------- metadata

_keys = st.from_regex(r"[a-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True)


@settings(max_examples=300, deadline=None)
@given(key=_keys)
def test_any_metadata_key_is_returned_unchanged(key: str) -> None:
    """What Azure takes is sent as it is; all else as an identifier that means it."""
    sent = dialect.encode_key(key)
    assert sent.isidentifier()
    assert key == dialect.decode_key(sent)
    assert key == dialect.decode_key(sent.upper())
    if key.isidentifier() and not key.startswith("libstore_"):
        assert key == sent


@given(first=_keys, second=_keys)
def test_different_metadata_keys_stay_different(first: str, second: str) -> None:
    assume(first != second)
    assert dialect.encode_key(first) != dialect.encode_key(second)


def test_similar_metadata_key_of_another_client_is_kept() -> None:
    for key in ("libstore_", "libstore_a_", "libstore_a_zz", "libstore_é"):
        assert key == dialect.decode_key(key)


@pytest.mark.parametrize("text", ["short", "!!", "", base64.b64encode(b"ls" + b"g" * 24).decode()])
def test_block_of_another_client_is_recognized(text: str) -> None:
    assert (UNCOMMITTED, 0) == upload_of(text)
