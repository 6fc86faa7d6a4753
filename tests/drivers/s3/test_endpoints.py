"""The endpoints and regions of the S3 driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from libstore import (
    InvalidNameError,
    InvalidOptionError,
    NotSupportedError,
    StorageError,
    get_driver,
)
from libstore.drivers.s3 import S3Driver
from libstore.drivers.s3.endpoints import ServiceEndpoint, Variants
from libstore.drivers.s3.services import AWS, OTHER, SERVICES

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "a-secret-that-nobody-sees", "a-token-that-nobody-sees"


def url(bucket: str, region: str = "eu-west-1", **options: Any) -> str:
    """Return what an object's URL begins with."""
    service = options.pop("service", AWS)
    variants = Variants(
        *(options.pop(name, False) for name in ("dualstack", "fips", "accelerate"))
    )
    given = {"given": None, "account": None, "path_style": None, "insecure": False, **options}
    place = ServiceEndpoint(service=service, variants=variants, **given).place(bucket, region)
    return place.url + place.prefix


@pytest.mark.parametrize(
    ("expected", "bucket", "options"),
    [
        ("https://photos.s3.eu-west-1.amazonaws.com/", "photos", {}),
        ("https://s3.eu-west-1.amazonaws.com/photos/", "photos", {"path_style": True}),
        ("https://s3.eu-west-1.amazonaws.com/my.photos/", "my.photos", {}),
        ("https://s3.eu-west-1.amazonaws.com/My_photos/", "My_photos", {}),
        ("https://photos.s3.cn-north-1.amazonaws.com.cn/", "photos", {"region": "cn-north-1"}),
        ("https://photos.s3.dualstack.eu-west-1.amazonaws.com/", "photos", {"dualstack": True}),
        (
            "https://photos.s3-fips.us-east-1.amazonaws.com/",
            "photos",
            {"fips": True, "region": "us-east-1"},
        ),
        (
            "https://photos.s3-fips.dualstack.us-east-1.amazonaws.com/",
            "photos",
            {"fips": True, "dualstack": True, "region": "us-east-1"},
        ),
        ("https://photos.s3-accelerate.amazonaws.com/", "photos", {"accelerate": True}),
        (
            "https://photos.s3-accelerate.dualstack.amazonaws.com/",
            "photos",
            {"accelerate": True, "dualstack": True},
        ),
        ("http://127.0.0.1:9000/photos/", "photos", {"given": "http://127.0.0.1:9000"}),
        ("https://host.example/photos/", "photos", {"given": "https://host.example:443/"}),
        (
            "https://host.example/storage/v1/s3/photos/",
            "photos",
            {"given": "https://host.example/storage/v1/s3/"},
        ),
        (
            "https://photos.host.example/",
            "photos",
            {"given": "https://host.example", "path_style": False},
        ),
        (
            "http://host.example/photos/",
            "photos",
            {"given": "http://host.example", "insecure": True},
        ),
        (
            "https://abc.r2.cloudflarestorage.com/photos/",
            "photos",
            {"service": SERVICES["r2"], "account": "abc", "region": "auto"},
        ),
        (
            "https://photos.nyc3.digitaloceanspaces.com/",
            "photos",
            {"service": SERVICES["spaces"], "region": "nyc3"},
        ),
    ],
)  # fmt: skip
def test_location_of_a_bucket(expected: str, bucket: str, options: dict[str, Any]) -> None:
    assert expected == url(bucket, **options)


@pytest.mark.parametrize("endpoint", ["", "http://host.example", "http://127.0.0.1.example"])
def test_insecure_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidOptionError):
        S3Driver(KEY, SECRET, endpoint=endpoint)


@pytest.mark.parametrize(
    "region",
    [
        "",
        "EU",
        "eu west",
        "eu-west-1\n",
        "us-east-1.evil.example",
        "x@evil:443/#",
        "us-east-\u0661",
        "-a",
    ],
)
def test_invalid_region_is_refused(region: str) -> None:
    with pytest.raises(InvalidOptionError):
        S3Driver(KEY, SECRET, region=region)


@pytest.mark.parametrize("name", ["ab", "a" * 300, "-a-", "bu cket", "bücket", "a:b", "..", "a\n"])
def test_invalid_bucket_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidNameError):
        S3Driver(KEY, SECRET).list_objects(name)


@pytest.mark.parametrize("name", ["Upper", "under_score", "192.168.1.1", "a..b", "abc-"])
def test_new_bucket_name_follows_the_current_rules(name: str) -> None:
    with pytest.raises(InvalidNameError):
        S3Driver(KEY, SECRET).create_container(name)


# ---------------------------------------------------------------------- services


def test_service_has_its_documented_location() -> None:
    """The error names the argument that a service needs."""
    assert "abc.r2.cloudflarestorage.com" in repr(get_driver("r2")(KEY, SECRET, account="abc"))
    with pytest.raises(InvalidOptionError, match="account"):
        get_driver("r2")(KEY, SECRET)
    with pytest.raises(InvalidOptionError, match="region"):
        get_driver("b2")(KEY, SECRET)
    with pytest.raises(InvalidOptionError, match="endpoint"):
        get_driver("minio")(KEY, SECRET)


def test_amazon_is_recognized_by_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = S3Driver(KEY, SECRET, endpoint="https://s3.eu-central-1.amazonaws.com")
    assert driver.service is AWS
    assert driver._client.region == "eu-central-1"
    assert S3Driver(KEY, SECRET, endpoint="https://amazonaws.com.evil.example").service is OTHER


# ---------------------------------------------------------------------- endpoints of buckets


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://photos.s3.eu-west-1.amazonaws.com",
        "https://my.photos.s3.amazonaws.com/",
        "https://photos.nyc3.digitaloceanspaces.com",
        "https://photos.oss-cn-hangzhou.aliyuncs.com",
        "https://s3-accelerate.amazonaws.com",
    ],
)
def test_url_of_a_bucket_is_not_an_endpoint(endpoint: str) -> None:
    """Or all names would begin with the bucket's."""
    with pytest.raises(InvalidOptionError):
        S3Driver("key", "secret", endpoint=endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://0123.eu.r2.cloudflarestorage.com",
        "https://gateway.us1.storjshare.io",
        "https://photos.vpce-1a2b-5678.s3.us-east-1.vpce.amazonaws.com",
        "https://photos.example.com",
    ],
)
def test_endpoint_that_resembles_a_bucket_url_is_accepted(endpoint: str) -> None:
    with S3Driver("key", "secret", endpoint=endpoint) as driver:
        assert driver._client.endpoint.place("photos", "us-east-1").url == endpoint


@pytest.mark.parametrize("host", ["oss-cn-beijing", "s3.oss-cn-beijing"])
def test_alibaba_is_used_by_its_s3_endpoint(host: str) -> None:
    with S3Driver("key", "secret", endpoint=f"https://{host}.aliyuncs.com") as driver:
        place = driver._client.endpoint.place("photos", driver._client.region)
    assert place.url == "https://photos.s3.oss-cn-beijing.aliyuncs.com"
    assert place.region == "cn-beijing"


def test_an_endpoint_that_ends_with_the_bucket_is_refused() -> None:
    endpoint = "https://0123.r2.cloudflarestorage.com/photos"
    with S3Driver("key", "secret", endpoint=endpoint) as driver:
        with pytest.raises(InvalidOptionError, match="leave it out") as caught:
            driver.upload_object(b"", "photos", "a")
        assert caught.value.container == "photos"
        assert driver._client.endpoint.place("others", "auto").prefix == "/photos/others/"
    with S3Driver("key", "secret", endpoint=endpoint, path_style=True) as driver:
        assert driver._client.endpoint.place("photos", "auto").prefix == "/photos/photos/"


# ---------------------------------------------------------------------- signed URLs


def test_presigned_url_needs_no_request() -> None:
    driver = S3Driver(KEY, SECRET, token=TOKEN, region="eu-west-1", requester_pays=True)
    signed = driver.object("photos", "a b/..c/ü").sign_url(expires=60)
    parts = urlsplit(str(signed))
    assert (parts.netloc, unquote(parts.path)) == (
        "photos.s3.eu-west-1.amazonaws.com", "/a b/..c/ü",
    )  # fmt: skip
    assert "X-Amz-Expires=60" in parts.query
    assert "x-amz-request-payer=requester" in parts.query
    assert f"X-Amz-Security-Token={TOKEN}" in parts.query
    assert TOKEN not in repr(signed)
    with pytest.raises(InvalidOptionError):
        driver.object("photos", "a").sign_url(expires=8 * 86_400)
    with pytest.raises(NotSupportedError):
        S3Driver(anonymous=True).object("photos", "a").sign_url()


# ---------------------------------------------------------------------- regions


@dataclass
class FakeResponse:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __post_init__(self) -> None:
        self.size = len(self.body)
        self.left = self.body

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(self.left), buffer.nbytes)
        buffer[:count] = self.left[:count]
        self.left = self.left[count:]
        return count

    def read(self, limit: int) -> bytes:
        return self.body

    def close(self) -> None:
        return


@dataclass
class FakeTransport:
    """Stands for the network: hosts of Amazon's cannot be had on loopback."""

    responses: list[FakeResponse]
    seen: list[tuple[str, str]] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)

    def send(self, request: Any, headers: Mapping[str, str]) -> FakeResponse:
        self.seen.append((request.method, request.url + request.target))
        self.signed.append(headers.get("authorization", ""))
        return self.responses.pop(0)

    def close(self) -> None:
        return


def moved(status: int, region: str, code: str = "PermanentRedirect") -> FakeResponse:
    body = f"<Error><Code>{code}</Code><Region>{region}</Region></Error>".encode()
    return FakeResponse(
        status, {"x-amz-bucket-region": region, "location": "https://evil.example/"}, body
    )


def listing() -> FakeResponse:
    return FakeResponse(
        200, {}, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    )


@pytest.mark.parametrize(
    "response",
    [
        moved(301, "eu-west-3"),
        moved(307, "eu-west-3", "TemporaryRedirect"),
        moved(400, "eu-west-3", "AuthorizationHeaderMalformed"),
    ],
)
def test_the_region_of_a_bucket_is_found_once(response: FakeResponse) -> None:
    driver = S3Driver(KEY, SECRET, region="us-east-1")
    transport = FakeTransport([response, listing(), listing()])
    driver._client.transport = transport
    assert list(driver.list_objects("photos")) == []
    assert list(driver.list_objects("photos")) == []
    hosts = [urlsplit(address).netloc for _, address in transport.seen]
    assert hosts == [
        "photos.s3.us-east-1.amazonaws.com",
        "photos.s3.eu-west-3.amazonaws.com",
        "photos.s3.eu-west-3.amazonaws.com",
    ]
    assert "/eu-west-3/s3/aws4_request" in transport.signed[1]
    assert "photos.s3.eu-west-3." in driver.object("photos", "a").sign_url()


def test_region_is_requested_when_head_does_not_have_it() -> None:
    driver = S3Driver(KEY, SECRET, region="us-east-1")
    refusal = moved(400, "eu-west-3", "AuthorizationHeaderMalformed")
    refusal.headers = {}
    found = FakeResponse(200, {"content-length": "5", "etag": '"a"'})
    transport = FakeTransport([FakeResponse(400), refusal, found])
    driver._client.transport = transport
    assert driver.get_object("photos", "a").size == 5
    assert [method for method, _ in transport.seen] == ["HEAD", "GET", "HEAD"]


@pytest.mark.parametrize("region", ["evil.example/#", "x@evil:443", "us-east-1", "a" * 64, ""])
def test_invalid_region_in_a_response_is_not_followed(region: str) -> None:
    driver = S3Driver(KEY, SECRET, region="us-east-1")
    transport = FakeTransport([moved(301, region)])
    driver._client.transport = transport
    with pytest.raises(StorageError, match="region"):
        list(driver.list_objects("photos"))
    assert len(transport.seen) == 1


def test_circular_redirects_are_an_error() -> None:
    driver = S3Driver(KEY, SECRET, region="us-east-1")
    transport = FakeTransport([moved(301, f"eu-west-{number}") for number in range(9)])
    driver._client.transport = transport
    with pytest.raises(StorageError):
        list(driver.list_objects("photos"))
    assert len(transport.seen) == 4


def test_bucket_is_not_created_in_another_region() -> None:
    driver = S3Driver(KEY, SECRET, region="eu-west-1")
    elsewhere = moved(400, "eu-west-3", "IllegalLocationConstraintException")
    transport = FakeTransport([elsewhere])
    driver._client.transport = transport
    with pytest.raises(StorageError):
        driver.create_container("photos")
    assert [method for method, _ in transport.seen] == ["PUT"]
