"""Multipart objects of S3, which are verified by the checksums of their parts."""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty import _Flipped
from scripted import Play, Server, respond

from libstore import (
    AccessDeniedError,
    Container,
    IntegrityError,
    RetryPolicy,
    TransferOptions,
    get_driver,
)
from libstore.drivers.s3 import S3Driver, driver_class
from libstore.drivers.s3.services import AWS, OTHER, SERVICES
from libstore.s3api import dialect
from libstore.s3api.part_checksums import _sizes
from libstore.transfer.digests import Digests
from servers.s3 import S3Server

PART = 5 * 1024 * 1024
LARGE = bytes(range(256)) * (11 * 1024 * 4) + b"tail"
CONTENT = b"content of an object"


def digest_of(algorithm: str, content: bytes) -> str:
    digests = Digests([algorithm])
    digests.update(memoryview(content))
    return digests.hexdigests()[algorithm]


def combined(algorithm: str, content: bytes, sizes: Sequence[int]) -> str:
    raw, start = b"", 0
    for size in sizes:
        raw += bytes.fromhex(digest_of(algorithm, content[start : start + size]))
        start += size
    return digest_of(algorithm, raw)


# ---------------------------------------------------------------------- on real servers

# By server, the driver that knows it; and one that takes SeaweedFS for Amazon's own, which keeps
# checksums of objects in parts.
DRIVERS = {
    "seaweedfs": SERVICES["seaweedfs"],
    "swift": SERVICES["swift-s3"],
    "amazon-like": replace(AWS, name="amazon-like", path_style=True),
}
# What boto3 has the service keep, and what we verify it by: an ETag is an MD5 of MD5s.
KEPT = {
    (None, None): "md5",
    ("SHA1", None): "sha1",
    ("SHA256", None): "sha256",
    ("CRC32", "COMPOSITE"): "md5",
    ("CRC32C", "COMPOSITE"): "md5",
    ("CRC32", "FULL_OBJECT"): "crc32",
    ("CRC32C", "FULL_OBJECT"): "crc32c",
    ("CRC64NVME", "FULL_OBJECT"): "crc64nvme",
}


def _server_of(record: str) -> str:
    return "swift" if record == "swift" else "seaweedfs"


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.server, pytest.mark.xdist_group(_server_of(name))])
        for name in DRIVERS
    ]
)
def record(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(request: pytest.FixtureRequest, record: str) -> S3Server:
    found: S3Server = request.getfixturevalue(f"{_server_of(record)}_server")
    return found


@pytest.fixture
def driver(server: S3Server, record: str) -> Iterator[S3Driver]:
    cls = driver_class(DRIVERS[record])
    with cls(server.key, server.secret, endpoint=server.endpoint) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        yield driver


@pytest.fixture
def container(driver: S3Driver) -> Iterator[Container]:
    container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
    yield container
    container.delete()


@pytest.fixture
def client(server: S3Server) -> Any:
    config = pytest.importorskip("botocore.config").Config(
        s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
    )
    return pytest.importorskip("boto3").client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name=server.region,
        config=config,
    )


def upload_by_boto3(
    client: Any, bucket: str, sizes: Sequence[int], algorithm: str | None, kind: str | None
) -> None:
    target = {"Bucket": bucket, "Key": "theirs"}
    how = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    more = {"ChecksumType": kind} if kind else {}
    upload = client.create_multipart_upload(**target, **how, **more)["UploadId"]
    parts, start = [], 0
    for number, size in enumerate(sizes, 1):
        sent = client.upload_part(
            **target, **how, UploadId=upload, PartNumber=number, Body=LARGE[start : start + size]
        )
        kept = {name: value for name, value in sent.items() if name.startswith("Checksum")}
        kept.pop("ChecksumType", None)
        parts.append({"PartNumber": number, "ETag": sent["ETag"], **kept})
        start += size
    client.complete_multipart_upload(
        **target, **more, UploadId=upload, MultipartUpload={"Parts": parts}
    )


def flip(monkeypatch: pytest.MonkeyPatch, driver: S3Driver, position: int) -> None:
    real = driver._get_object

    def get(*arguments: Any) -> Any:
        reading = real(*arguments)
        return replace(reading, body=_Flipped(reading, position))

    monkeypatch.setattr(driver, "_get_object", get)


@pytest.mark.parametrize(("algorithm", "kind"), KEPT)
def test_multipart_objects_of_boto3_are_verified(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    driver: S3Driver,
    container: Container,
    client: Any,
    record: str,
    algorithm: str | None,
    kind: str | None,
) -> None:
    """Read at once, or in ranges; one changed bit is noticed by what the service keeps."""
    if record == "swift" and algorithm:
        pytest.skip("Swift keeps no checksums")
    upload_by_boto3(client, container.name, [PART, PART, len(LARGE) - 2 * PART], algorithm, kind)
    obj = container.object("theirs")
    assert LARGE == obj.read()
    assert LARGE == obj.download(tmp_path / "a").read_bytes()
    by = KEPT[algorithm, kind]
    assert (kind == "FULL_OBJECT") == (by in obj.checksums)

    flip(monkeypatch, driver, 6_000_000)
    with pytest.raises(IntegrityError, match=f"expected {by}"):
        obj.read()
    # A response to a range without a checksum is verified by the ETag, unless it is Amazon's.
    by = by if record == "amazon-like" else "md5"
    with pytest.raises(IntegrityError, match=f"expected {by}"):
        obj.download(tmp_path / "b")
    assert [tmp_path / "a"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "sizes",
    [[len(LARGE)], [PART + 9, len(LARGE) - PART - 9], [PART, PART + 9, len(LARGE) - 2 * PART - 9]],
)
def test_parts_of_any_sizes_are_verified(
    monkeypatch: pytest.MonkeyPatch,
    driver: S3Driver,
    container: Container,
    client: Any,
    sizes: list[int],
) -> None:
    """One part, two, or some that differ."""
    upload_by_boto3(client, container.name, sizes, None, None)
    obj = container.object("theirs")
    assert LARGE == obj.read()

    flip(monkeypatch, driver, PART)
    with pytest.raises(IntegrityError, match="the digests of the parts"):
        obj.read()


def test_multipart_objects_of_libstore_are_verified(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, driver: S3Driver, container: Container
) -> None:
    obj = container.upload_object(LARGE, "ours")
    assert LARGE == obj.read()

    flip(monkeypatch, driver, len(LARGE) - 1)
    with pytest.raises(IntegrityError):
        obj.download(tmp_path / "a")


# ---------------------------------------------------------------------- scripted responses

ETAG = f"{combined('md5', CONTENT, [8, 8, 4])}-3"


@pytest.fixture
def obj(played: Server) -> Iterator[Any]:
    with get_driver("seaweedfs")(
        "AKID", "secret", endpoint=played.url, retry=RetryPolicy(2, base=0.0)
    ) as driver:
        yield driver.object("bucket", "name")


def part(size: int, etag: str = ETAG, **headers: str) -> Play:
    """Return the response to HEAD of a part."""
    lines = ["HTTP/1.1 206 Partial", f"Content-Length: {size}", f'ETag: "{etag}"']
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Play("\r\n".join([*lines, "", ""]).encode())


def requested(server: Server) -> list[str]:
    return [seen.line.removesuffix(" HTTP/1.1") for seen in server.seen]


@pytest.mark.parametrize("wrong", [False, True])
def test_part_sizes_are_found_by_the_first_and_last_part(
    played: Server, obj: Any, wrong: bool
) -> None:
    sent = CONTENT.replace(b"t", b"u") if wrong else CONTENT
    played.steps.extend([respond(sent, ETag=f'"{ETAG}"'), part(8), part(4)])
    if wrong:
        with pytest.raises(IntegrityError, match="the digests of the parts of the bytes"):
            obj.read()
    else:
        assert sent == obj.read()
    assert requested(played)[:3] == [
        "GET /bucket/name",
        "HEAD /bucket/name?partNumber=1",
        "HEAD /bucket/name?partNumber=3",
    ]
    assert (3 if not wrong else 4) <= len(requested(played))  # what is damaged is read once more


def test_a_version_has_its_own_parts(played: Server, obj: Any) -> None:
    headers = {"ETag": f'"{ETAG}"', "x_amz_version_id": "v/1"}
    played.steps.extend([respond(CONTENT, **headers), part(8), part(4)])
    assert CONTENT == obj.read()
    assert "HEAD /bucket/name?partNumber=1&versionId=v%2F1" == requested(played)[1]


def test_part_size_is_read_from_a_range(played: Server, obj: Any) -> None:
    """Some send the whole object's length with it."""
    steps = [part(20, Content_Range="bytes 0-7/20"), part(20, Content_Range="bytes 16-19/20")]
    played.steps.extend([respond(CONTENT, ETag=f'"{ETAG}"'), *steps])
    assert CONTENT == obj.read()
    assert 3 == len(played.seen)


@pytest.mark.parametrize(
    "response",
    [
        part(20),  # it knows no parts
        part(8, "0" * 32),  # the ETag of the part, or of another object
        Play(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
        Play(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n"),
        Play(b"HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n"),
        Play(f'HTTP/1.1 200 OK\r\nETag: "{ETAG}"\r\n\r\n'.encode(), then="close"),
    ],
)
def test_object_without_part_sizes_is_not_verified(
    played: Server, obj: Any, response: Play
) -> None:
    sent = CONTENT.replace(b"t", b"u")
    played.steps.extend([respond(sent, ETag=f'"{ETAG}"'), response])
    assert sent == obj.read()
    assert 2 == len(played.seen)


def test_temporary_error_does_not_disable_verification(played: Server, obj: Any) -> None:
    played.steps.extend(
        [
            respond(CONTENT, ETag=f'"{ETAG}"'),
            Play(b"HTTP/1.1 503 Slow\r\nContent-Length: 0\r\n\r\n"),
            part(8),
            Play(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
        ]
    )
    with pytest.raises(AccessDeniedError):
        obj.read()


# ---------------------------------------------------------------------- part sizes from responses


@pytest.mark.parametrize(
    ("parts", "found", "requests"),
    [
        ([7], True, 0),
        ([5, 2], True, 1),
        ([2, 5], True, 1),
        ([5, 5, 5], True, 2),
        ([5] * 9_999 + [1], True, 2),
        ([5, 6, 4], True, 4),
        ([1, 6, 4, 5], True, 4),
        ([9, *[1] * 99], True, 100),
        ([9, *[1] * 100], False, 1),
        ([5, 0, 5], True, 3),
    ],
)
def test_sizes_are_found_with_few_requests(parts: list[int], found: bool, requests: int) -> None:
    numbers: list[int] = []

    def size_of(number: int) -> int:
        numbers.append(number)
        return parts[number - 1]

    sizes = _sizes(size_of, sum(parts), len(parts), 2)
    assert (parts if found else []) == list(sizes)
    assert requests == len(numbers)


@pytest.mark.parametrize(
    "sizes", [{1: 0}, {1: 20}, {1: 30}, {1: 5, 2: 0, 3: 9}, {1: 5, 2: 9, 3: 9}]
)
def test_inconsistent_part_sizes_are_ignored(sizes: dict[int, int]) -> None:
    assert () == _sizes(lambda number: sizes[number], 20, 3, 1)


B64 = b64encode(bytes(range(32))).decode()
HEX = bytes(range(32)).hex()
MD5 = hashlib.md5().hexdigest()


@pytest.mark.parametrize(
    ("service", "headers", "whole", "composite"),
    [
        (AWS, {"etag": f'"{MD5}"'}, {"md5": MD5}, None),
        (AWS, {"etag": f'"{MD5}-2"'}, {}, {"md5": f"{MD5}-2"}),
        (AWS, {"etag": f'"{MD5}-0"'}, {}, None),
        (OTHER, {"etag": f'"{MD5}-2"'}, {}, None),
        (AWS, {"etag": f'"{MD5}-2"', "x-amz-server-side-encryption": "aws:kms"}, {}, None),
        (
            AWS,
            {
                "etag": f'"{MD5}-2"',
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-checksum-sha256": f"{B64}-2",
                "x-amz-checksum-type": "COMPOSITE",
            },
            {},
            {"sha256": f"{HEX}-2"},
        ),
        (
            OTHER,
            {"etag": f'"{MD5}-2"', "x-amz-checksum-crc32c": "AAAAAQ==-2"},
            {},
            {"crc32c": "00000001-2"},
        ),
        (
            AWS,
            {
                "etag": f'"{MD5}-2"',
                "x-amz-checksum-crc64nvme": "AAAAAAAAAAE=",
                "x-amz-checksum-type": "FULL_OBJECT",
            },
            {"crc64nvme": "0000000000000001"},
            {"md5": f"{MD5}-2"},
        ),
        # moto sends the digest of digests in this form on HEAD.
        (AWS, {"etag": f'"{MD5}-2"', "x-amz-checksum-sha256": B64}, {}, {"md5": f"{MD5}-2"}),
        (OTHER, {"etag": '"a"', "x-amz-checksum-sha256": f"{B64}-x"}, {}, None),
        (OTHER, {"etag": '"a"', "x-amz-checksum-sha256": "AAAA-2"}, {}, None),
    ],
)
def test_part_checksums_in_headers(
    service: Any, headers: dict[str, str], whole: dict[str, str], composite: Any
) -> None:
    info = dialect.object_info("name", headers, 5, service)
    assert whole == info.checksums
    assert composite == info.extra.get("composite")
