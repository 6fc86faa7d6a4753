"""The headers of presigned URLs, on all drivers of services."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from libstore import NotSupportedError, StorageDriver, get_driver

KEY = bytes(range(32))
AZURE_KEY = base64.b64encode(b"the key of an account").decode()
KMS = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
MAKERS: Mapping[str, Callable[..., StorageDriver]] = {
    "s3": lambda **options: get_driver("s3")("key", "secret", region="eu-west-1", **options),
    "gcs": lambda **options: get_driver("gcs")("GOOGKEY", "secret", project="p", **options),
    "azure": lambda **options: get_driver("azure")("account", AZURE_KEY, **options),
    "swift": lambda **options: get_driver("swift")(
        storage_url="https://host/v1/AUTH_a", token="token", temp_url_key="key",
        temp_url_digest="sha256", **options
    ),
}  # fmt: skip
#: The header with the customer's key, by driver.
KEY_HEADERS = {
    "s3": "x-amz-server-side-encryption-customer-key",
    "gcs": "x-goog-encryption-key",
    "azure": "x-ms-encryption-key",
}


class Required(NamedTuple):
    """The headers that settings of a driver require of a PUT."""

    driver: str
    options: dict[str, Any]
    headers: dict[str, str]


REQUIRED = [
    Required("s3", {}, {}),
    Required("s3", {"encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
    Required(
        "s3", {"encryption": "aws:kms", "kms_key": "k", "acl": "private"},
        {"x-amz-server-side-encryption": "aws:kms",
         "x-amz-server-side-encryption-aws-kms-key-id": "k", "x-amz-acl": "private"},
    ),
    Required("gcs", {}, {}),
    Required("gcs", {"kms_key": KMS}, {"x-goog-encryption-kms-key-name": KMS}),
    Required("azure", {}, {"x-ms-blob-type": "BlockBlob"}),
    Required("azure", {"encryption_scope": "scope"}, {"x-ms-blob-type": "BlockBlob"}),
    Required("swift", {}, {}),
]  # fmt: skip


@pytest.mark.parametrize("required", REQUIRED, ids=str)
def test_url_for_put_has_the_headers_of_the_drivers_settings(required: Required) -> None:
    """Otherwise the object would be stored with another encryption than all others."""
    obj = MAKERS[required.driver](**required.options).object("bucket", "a")

    assert required.headers == obj.sign_url(method="PUT").headers
    assert [{}] * 3 == [
        obj.sign_url(method=method).headers for method in ("GET", "HEAD", "DELETE")
    ]


@pytest.mark.parametrize(
    ("label", "options", "given"),
    [
        (
            "s3",
            {"encryption": "aws:kms", "kms_key": "k"},
            {"x-amz-server-side-encryption": "AES256"},
        ),
        ("gcs", {"kms_key": "k"}, {"x-goog-encryption-kms-key-name": "other"}),
    ],
)
def test_given_encryption_replaces_that_of_the_driver(
    label: str, options: dict[str, Any], given: dict[str, str]
) -> None:
    url = MAKERS[label](**options).object("bucket", "a").sign_url(method="PUT", headers=given)

    assert given == url.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
@pytest.mark.parametrize("label", KEY_HEADERS)
def test_url_without_the_customers_key_is_refused(label: str, method: str) -> None:
    """The key is a secret that no program should hand out by accident."""
    obj = MAKERS[label](customer_key=KEY).object("bucket", "a")
    with pytest.raises(NotSupportedError, match=f"customer_key.*{KEY_HEADERS[label]}"):
        obj.sign_url(method=method)
    given = {KEY_HEADERS[label]: base64.b64encode(KEY).decode()}
    url = obj.sign_url(method=method, headers=given, enforce_headers=False)

    assert given.items() <= url.headers.items()


@pytest.mark.parametrize("label", KEY_HEADERS)
def test_url_for_delete_needs_no_customers_key(label: str) -> None:
    assert (
        {}
        == MAKERS[label](customer_key=KEY).object("bucket", "a").sign_url(method="DELETE").headers
    )


@pytest.mark.parametrize("label", ["azure", "swift"])
def test_headers_that_are_not_enforced_are_in_the_url_object(label: str) -> None:
    obj = MAKERS[label]().object("bucket", "a")
    given = {"Content-Type": "image/png"}
    with pytest.raises(NotSupportedError, match=r"sign_headers.*enforce_headers=False"):
        obj.sign_url(method="PUT", headers=given)
    url = obj.sign_url(method="PUT", headers=given, enforce_headers=False)

    assert "image/png" == url.headers["content-type"]


def test_azure_gets_the_disposition_under_its_own_name() -> None:
    """Put Blob ignores Content-Disposition itself."""
    url = MAKERS["azure"]().object("bucket", "a").sign_url(
        method="PUT", headers={"content-disposition": "inline"}, enforce_headers=False
    )  # fmt: skip

    assert {"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-disposition": "inline"} == (
        url.headers
    )


def test_azure_signs_the_encryption_scope_of_a_put() -> None:
    obj = MAKERS["azure"](encryption_scope="scope").object("bucket", "a")
    queries = {
        method: parse_qs(urlsplit(obj.sign_url(method=method)).query)
        for method in ("GET", "PUT", "DELETE")
    }

    assert {"GET": None, "PUT": ["scope"], "DELETE": None} == {
        method: query.get("ses") for method, query in queries.items()
    }
