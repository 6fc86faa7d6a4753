"""The records of services: their endpoints and their missing features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest
from scripted import Play, Server, respond

from libstore import InvalidOptionError, NotSupportedError, StorageDriver, get_driver, list_drivers
from libstore.drivers.s3 import S3Driver, Service, driver_class
from libstore.drivers.s3.services import EXTRAS, OTHER, SERVICES
from servers.s3_recorder import CONTENT, Recorder

ACCOUNT, REGION = "0123456789abcdef", "eu-west-1"
OPTIONS: dict[str, object] = {"acl": "private", "customer_key": bytes(32), "tags": {"a": "b"}}
#: Name, arguments, and where the bucket is then.
PLACES: tuple[tuple[str, dict[str, str], str], ...] = (
    ("r2", {"account": ACCOUNT}, f"https://{ACCOUNT}.r2.cloudflarestorage.com/bucket/"),
    ("b2", {"region": "us-west-002"}, "https://bucket.s3.us-west-002.backblazeb2.com/"),
    ("spaces", {"region": "nyc3"}, "https://bucket.nyc3.digitaloceanspaces.com/"),
    ("wasabi", {}, "https://bucket.s3.us-east-1.wasabisys.com/"),
    ("scaleway", {}, "https://bucket.s3.fr-par.scw.cloud/"),
    ("ovh", {}, "https://bucket.s3.gra.io.cloud.ovh.net/"),
    ("ovh", {"region": "us-east-va"}, "https://bucket.s3.us-east-va.io.cloud.ovh.us/"),
    ("hetzner", {}, "https://bucket.fsn1.your-objectstorage.com/"),
    ("linode", {"region": "fr-par-1"}, "https://bucket.fr-par-1.linodeobjects.com/"),
    ("ibm", {}, "https://s3.us-south.cloud-object-storage.appdomain.cloud/bucket/"),
    (
        "oracle",
        {"account": "tenant", "region": "us-ashburn-1"},
        "https://tenant.compat.objectstorage.us-ashburn-1.oraclecloud.com/bucket/",
    ),
    ("alibaba", {}, "https://bucket.s3.oss-cn-hangzhou.aliyuncs.com/"),
    ("tencent", {}, "https://bucket.cos.ap-guangzhou.myqcloud.com/"),
    ("huawei", {"region": "cn-north-4"}, "https://bucket.obs.cn-north-4.myhuaweicloud.com/"),
    ("storj", {}, "https://gateway.storjshare.io/bucket/"),
)


@pytest.mark.parametrize(("name", "options", "expected"), PLACES)
def test_service_has_its_documented_endpoint(
    name: str, options: dict[str, str], expected: str
) -> None:
    driver = get_driver(name)("KEY", "SECRET", **options)
    place = driver._client.endpoint.place("bucket", driver._client.region)
    assert expected == place.url + place.prefix


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_supported_features_of_a_service(name: str, recorder: Recorder) -> None:
    """All it takes is sent; the rest is refused before anything is."""
    with get_driver(name)("KEY", "SECRET", region=REGION, endpoint=recorder.url) as driver:
        record = SERVICES[name]
        assert record.extras <= EXTRAS
        for option, value in OPTIONS.items():
            if option in record.extras:
                driver.upload_object(CONTENT, "bucket", "a", extra={option: value})
                continue
            recorder.seen.clear()
            with pytest.raises(InvalidOptionError, match=option):
                driver.upload_object(CONTENT, "bucket", "a", extra={option: value})
            assert not recorder.seen
        assert bool(record.public) == driver.supports("enable_container_cdn")
        assert (bool(record.public) and record.object_acls) == driver.supports("enable_object_cdn")


def document(text: str) -> Any:
    return respond(text.encode())


Make: TypeAlias = Callable[[str], StorageDriver]


@pytest.fixture
def make(server: Server) -> Iterator[Make]:
    """Return what makes the driver of a service that is at the server's address."""
    with ExitStack() as stack:

        def make(name: str) -> StorageDriver:
            cls = get_driver(name)
            return stack.enter_context(cls("KEY", "SECRET", region=REGION, endpoint=server.url))

        yield make


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tencent", "encoding-type=url&max-keys=1000"),
        ("huawei", "max-keys=1000"),
        ("ibm", "max-keys=1000"),
        ("spaces", "list-type=2&max-keys=1000"),
        ("wasabi", "encoding-type=url&list-type=2&max-keys=1000"),
    ],
)
def test_listing_parameters_of_a_service(
    server: Server, make: Make, name: str, expected: str
) -> None:
    server.steps.append(document("<ListBucketResult/>"))
    assert [] == list(make(name).list_objects("bucket"))
    assert f"/bucket?{expected}" == server.seen[0].target


def test_version_1_listing_continues_after_the_last_name(server: Server, make: Make) -> None:
    """They send no marker where there is no delimiter."""
    page = "<IsTruncated>true</IsTruncated><Contents><Key>a b</Key></Contents>"
    server.steps.append(document(f"<ListBucketResult>{page}</ListBucketResult>"))
    server.steps.append(document("<ListBucketResult/>"))
    assert 1 == len(make("huawei").list_objects("bucket"))
    assert "marker=a%20b" in server.seen[1].target


def test_service_without_part_copies_copies_with_one_request(server: Server, make: Make) -> None:
    """Storj copies an object of any size with one."""
    size = 6 * 1024**4
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nETag: "e"\r\n\r\n'
    server.steps.append(Play(head.encode()))
    server.steps.append(document("<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"))
    driver = make("storj")
    driver.object("bucket", "a").copy("bucket", "b", content_type="text/plain")
    assert ["HEAD", "PUT"] == [seen.line.split(" ")[0] for seen in server.seen]


def test_unsupported_condition_is_refused(server: Server, make: Make) -> None:
    driver = make("wasabi")
    with pytest.raises(NotSupportedError):
        driver.upload_object(CONTENT, "bucket", "a", if_absent=True)
    assert not server.seen


# ---------------------------------------------------------------------- found by the endpoint


@pytest.mark.parametrize(("name", "options", "expected"), PLACES)
def test_service_is_recognized_by_its_endpoint(
    name: str, options: dict[str, str], expected: str
) -> None:
    """Whether it is given with the name of the service or as any endpoint."""
    by_name = get_driver(name)("KEY", "SECRET", **options)
    endpoint = by_name._client.endpoint.place(None, by_name._client.region).url
    for driver in (
        get_driver("s3")("KEY", "SECRET", endpoint=endpoint),
        get_driver(name)("KEY", "SECRET", endpoint=f"{endpoint}/"),
    ):
        calls = driver._client
        place = calls.endpoint.place("bucket", calls.region)
        assert (expected, by_name._client.region) == (place.url + place.prefix, place.region)
        assert (name, SERVICES[name].limits) == (driver.service.name, driver.limits)
    assert get_driver("s3")("KEY", "SECRET", endpoint=endpoint).service.guarded


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://s3.us-west-002.backblazeb2.com:8443",
        "https://s3.us-west-002.backblazeb2.com/path",
        "https://s3.us-west-002.backblazeb2.com.evil.example",
        "https://s3.a.b.backblazeb2.com",
    ],
)
def test_similar_endpoint_is_not_recognized(endpoint: str) -> None:
    driver = get_driver("s3")("KEY", "SECRET", endpoint=endpoint)
    assert driver.service is OTHER
    assert driver._client.endpoint.place(None, "x").url == endpoint.removesuffix("/path")


def test_given_region_is_used() -> None:
    """One that does not go with the endpoint makes it an endpoint like any other."""
    endpoint = "https://s3.us-west-002.backblazeb2.com"
    driver = get_driver("s3")("KEY", "SECRET", endpoint=endpoint, region="us-east-1")
    assert driver.service is OTHER
    place = driver._client.endpoint.place("bucket", "us-east-1")
    assert f"{endpoint}/bucket/" == place.url + place.prefix


def test_every_service_is_in_the_registry() -> None:
    """The registry's names are those of the records, and each makes a class of its own."""
    names = set(list_drivers()) - {"local", "memory", "azure", "gcs", "swift"}
    assert names == {"s3", *SERVICES}
    classes = {get_driver(name) for name in names}
    assert len(classes) == len(names)
    for name in names:
        cls = get_driver(name)
        assert (name, name) == (cls.name, cls.service.name)
        assert issubclass(cls, S3Driver)


def test_missing_features_of_a_service_are_not_supported() -> None:
    """`supports` returns what the record says."""
    alibaba = get_driver("alibaba")("key", "secret")
    assert not alibaba.supports("delete_objects")
    assert alibaba.supports("copy_object")
    r2 = get_driver("r2")("key", "secret", account="abc")
    assert r2.supports("if_absent")
    assert not r2.supports("delete_if_match")
    with pytest.raises(NotSupportedError):
        r2.delete_object(r2.object("bucket", "name"), if_match="etag")


def test_custom_service_record_makes_a_driver() -> None:
    service = Service("mine", "Mine", "https://{region}.mine.example", parts=False)
    driver = driver_class(service)("key", "secret", region="here")
    assert repr(driver) == "<MineDriver https://here.mine.example>"
    assert not driver.takes_parts
