"""Listings of versions, delete markers, unfinished uploads and parts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from scripted import Server, respond

from libstore import (
    AccessDeniedError,
    ContainerNotFoundError,
    NotSupportedError,
    ObjectNotFoundError,
    RetryPolicy,
    ServiceError,
    Upload,
    get_driver,
)
from libstore.drivers.s3 import S3Driver
from servers.s3 import S3Server, client_of, server_among

MIB = 1024 * 1024


server = server_among("seaweedfs", "moto")


@pytest.fixture
def client(server: S3Server) -> Any:
    return client_of(server)


@pytest.fixture
def driver(server: S3Server) -> Iterator[S3Driver]:
    with get_driver("s3")(server.key, server.secret, endpoint=server.endpoint) as driver:
        yield driver


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"libstore-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name


# ---------------------------------------------------------------------- versions


def test_bucket_deletion_includes_versions_markers_and_uploads(
    driver: S3Driver, client: Any, bucket: str
) -> None:
    """They are listed on two pages, and a page is deleted after the next one was requested."""
    driver.limits = replace(driver.limits, page_size=7)
    client.put_object(Bucket=bucket, Key="before", Body=b"version null")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(6):
        for _ in range(2):
            client.put_object(Bucket=bucket, Key=f"{number} a+b%20&ü", Body=b"x")
        client.delete_object(Bucket=bucket, Key=f"{number} a+b%20&ü")
    client.create_multipart_upload(Bucket=bucket, Key="unfinished")
    versions = client.list_object_versions(Bucket=bucket)
    assert (13, 6) == (len(versions["Versions"]), len(versions["DeleteMarkers"]))

    driver.delete_container(bucket)

    with pytest.raises(ContainerNotFoundError):
        driver.get_container(bucket)


def test_bucket_without_versions_is_deleted(driver: S3Driver, client: Any, bucket: str) -> None:
    for number in range(3):
        client.put_object(Bucket=bucket, Key=f"{number} a+b%20&ü", Body=b"x")
    driver.delete_container(bucket)
    with pytest.raises(ContainerNotFoundError):
        driver.get_container(bucket)


# ---------------------------------------------------------------------- parts


def test_parts_of_an_upload_are_listed(driver: S3Driver, client: Any, bucket: str) -> None:
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="a b")["UploadId"]
    sizes = {1: 5 * MIB, 3: 5 * MIB + 1, 7: 9}
    tags = [
        client.upload_part(
            Bucket=bucket, Key="a b", UploadId=upload_id, PartNumber=number, Body=bytes(size)
        )["ETag"].strip('"')
        for number, size in sizes.items()
    ]
    (upload,) = driver.list_uploads(bucket)
    parts = list(driver.list_parts(upload))
    assert [(1, 0, 5 * MIB), (3, 5 * MIB, 5 * MIB + 1), (7, 10 * MIB + 1, 9)] == [
        (part.number, part.offset, part.size) for part in parts
    ]
    assert tags == [part.token for part in parts]
    driver.abort_upload(upload)
    with pytest.raises(ObjectNotFoundError):
        list(driver.list_parts(upload))


# ---------------------------------------------------------------------- unusual responses


@pytest.fixture
def playing(played: Server) -> Iterator[S3Driver]:
    retry = RetryPolicy(2, base=0.0)
    with get_driver("s3")("KEY", "SECRET", endpoint=played.url, retry=retry) as driver:
        yield driver


def document(root: str, inside: str = "", status: int = 200) -> Any:
    return respond(f"<{root}>{inside}</{root}>".encode(), status=status)


def refused(code: str, status: int) -> Any:
    return document("Error", f"<Code>{code}</Code>", status)


LISTED = document("ListBucketResult", "<Contents><Key>a</Key></Contents>")


@pytest.mark.parametrize(
    "refusal",
    [
        refused("NotImplemented", 501),
        refused("MethodNotAllowed", 405),
        refused("AccessDenied", 403),
        LISTED,
    ],
    ids=["501", "405", "403", "passed over"],
)
def test_objects_are_deleted_where_versions_are_not_listed(
    played: Server, playing: S3Driver, refusal: Any
) -> None:
    """A server that passes over what it does not know lists objects in place of versions."""
    played.steps.extend(
        [refusal, LISTED, document("DeleteResult"), document("ListMultipartUploadsResult"),
         respond(status=204)]
    )  # fmt: skip
    playing.delete_container("bucket")
    lines = [seen.line.split(" ")[:2] for seen in played.seen]
    assert ["GET", "GET", "POST", "GET", "DELETE"] == [line[0] for line in lines]
    assert "versions=" in lines[0][1]
    assert "list-type=2" in lines[1][1]
    assert b"VersionId" not in played.seen[2].body


def test_versions_that_cannot_be_deleted_are_reported(played: Server, playing: S3Driver) -> None:
    """Such as one that is locked."""
    version = "<Version><Key>a</Key><VersionId>1</VersionId></Version>"
    failure = "<Error><Key>a</Key><VersionId>1</VersionId><Code>AccessDenied</Code></Error>"
    played.steps.extend(
        [document("ListVersionsResult", version), document("DeleteResult", failure)]
    )
    with pytest.raises(AccessDeniedError) as caught:
        playing.delete_container("bucket")
    assert ("delete_container", "bucket", "a") == (
        caught.value.operation, caught.value.container, caught.value.object,
    )  # fmt: skip
    assert b"<Key>a</Key><VersionId>1</VersionId>" in played.seen[1].body


def test_versions_with_names_invalid_in_xml_are_deleted_one_by_one(
    played: Server, playing: S3Driver
) -> None:
    versions = "".join(
        f"<Version><Key>a%0{number}</Key><VersionId>{number}</VersionId></Version>"
        for number in (1, 2)
    )
    played.steps.append(
        document("ListVersionsResult", f"<EncodingType>url</EncodingType>{versions}")
    )
    played.default = respond(status=204)
    played.steps.extend(
        [respond(status=204), respond(status=204), document("ListMultipartUploadsResult")]
    )
    playing.delete_container("bucket")
    assert {"/bucket/a%01?versionId=1", "/bucket/a%02?versionId=2"} == {
        seen.target for seen in played.seen[1:3]
    }


def test_offsets_of_parts_continue_on_the_next_page(played: Server, playing: S3Driver) -> None:
    """The second page begins where the first one ends, in number and in bytes."""
    first, second = (
        f"<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ETag>&quot;e&quot;</ETag>"
        "<ChecksumCRC32>AAAAAQ==</ChecksumCRC32></Part>"
        for number, size in ((1, 10), (2, 5))
    )
    played.steps.extend(
        [
            document("ListPartsResult", f"<IsTruncated>true</IsTruncated>{first}"),
            document("ListPartsResult", second),
        ]
    )
    parts = list(playing.list_parts(Upload("bucket", "name", "an id")))
    assert [(1, 0, 10), (2, 10, 5)] == [(part.number, part.offset, part.size) for part in parts]
    assert {"crc32": "00000001"} == parts[0].checksums
    assert "part-number-marker=1&uploadId=an%20id" in played.seen[1].target


@pytest.mark.parametrize(
    "inside",
    ["<IsTruncated>true</IsTruncated>", "<Part><PartNumber>1</PartNumber></Part>"],
)
def test_malformed_list_of_parts_is_an_error(
    played: Server, playing: S3Driver, inside: str
) -> None:
    played.steps.append(document("ListPartsResult", inside))
    with pytest.raises(ServiceError):
        list(playing.list_parts(Upload("bucket", "name", "an id")))


def test_a_service_without_parts_lists_none() -> None:
    from libstore.drivers.s3 import Service, driver_class

    cls = driver_class(Service("partless", "Partless", parts=False))
    driver = cls("KEY", "SECRET", endpoint="http://localhost:1")
    assert not driver.supports("list_parts")
    with pytest.raises(NotSupportedError):
        driver.list_parts(Upload("bucket", "name", "id"))
