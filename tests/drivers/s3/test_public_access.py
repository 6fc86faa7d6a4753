"""Buckets and objects that are readable without credentials."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from scripted import Play, Server, respond

from libstore import (
    AccessDeniedError,
    Container,
    ContainerNotFoundError,
    NotSupportedError,
    RetryPolicy,
    ServiceError,
    ServiceUnavailableError,
    get_driver,
)
from libstore.drivers.s3 import S3Driver
from libstore.s3api import operations
from servers.s3 import S3Server, client_of, server_among

CONTENT = b"content"
NAME = "a b/ü+%&=?#"
READ = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": ["s3:GetObject"],
    "Resource": ["arn:aws:s3:::bucket/*"],
}


def driver_of(server: S3Server) -> S3Driver:
    driver: S3Driver = get_driver("s3")(server.key, server.secret, endpoint=server.endpoint)
    return driver


def status_of(url: str) -> int:
    return requests.get(url, timeout=10).status_code


# ---------------------------------------------------------------------- on servers


s3_server = server_among("seaweedfs", "moto")


@pytest.fixture
def container(s3_server: S3Server) -> Iterator[Container]:
    with driver_of(s3_server) as driver:
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield container
        container.delete()


def test_a_public_bucket_is_read_without_credentials(container: Container) -> None:
    """Objects of before and of later, whatever their names; to write still takes credentials."""
    before = container.upload_object(CONTENT, NAME)
    assert status_of(before.get_cdn_url()) == 403
    address = container.enable_cdn()
    after = container.upload_object(CONTENT, "after")
    assert address == container.get_cdn_url() == container.enable_cdn()
    assert [CONTENT, CONTENT] == [
        requests.get(obj.get_cdn_url(), timeout=10).content for obj in (before, after)
    ]


def test_other_statements_of_a_policy_are_kept(container: Container) -> None:
    """One statement is added to those that are there, once."""
    driver = container.driver
    own = {
        "Sid": "Mine",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{container.name}/secret/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [own]}).encode()
    driver._client.send(
        operations.PUT_BUCKET_POLICY, container.name, query={"policy": ""}, content=policy
    ).close()
    container.enable_cdn()
    container.enable_cdn()
    statements = driver._public_access._policy_of(container.name)["Statement"]
    assert [own["Sid"], None] == [statement.get("Sid") for statement in statements]
    assert status_of(container.upload_object(CONTENT, "a").get_cdn_url()) == 200


def test_one_public_object_leaves_the_others_private(moto_server: S3Server) -> None:
    with driver_of(moto_server) as driver:
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        public, private = (container.upload_object(CONTENT, name) for name in (NAME, "b"))
        url = public.enable_cdn()
        assert url == public.get_cdn_url() == public.enable_cdn()
        assert CONTENT == requests.get(url, timeout=10).content
        assert status_of(private.get_cdn_url()) == 403
        container.delete()


def test_only_the_block_of_public_policies_is_lifted(moto_server: S3Server) -> None:
    """What blocks ACLs stays."""
    client = client_of(moto_server)
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    with driver_of(moto_server) as driver:
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        client.put_public_access_block(
            Bucket=container.name, PublicAccessBlockConfiguration=dict.fromkeys(names, True)
        )
        container.enable_cdn()
        block = client.get_public_access_block(Bucket=container.name)
        assert [True, True, False, False] == [
            block["PublicAccessBlockConfiguration"][name] for name in names
        ]
        container.delete()


def test_a_server_without_acls_does_not_lose_the_object(rclone_server: S3Server) -> None:
    """Rclone takes PutObjectAcl for a PUT of the object, which would be empty then."""
    with driver_of(rclone_server) as driver:
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        obj = container.upload_object(CONTENT, "a")
        with pytest.raises(NotSupportedError):
            obj.enable_cdn()
        with pytest.raises(NotSupportedError):
            container.enable_cdn()
        assert CONTENT == obj.read()
        container.delete()


# ---------------------------------------------------------------------- responses


@pytest.fixture
def driver(server: Server) -> Iterator[S3Driver]:
    retry = RetryPolicy(2, base=0.0)
    with get_driver("s3")("KEY", "SECRET", endpoint=server.url, retry=retry) as driver:
        yield driver


def refused(code: str, status: int) -> Any:
    return respond(f"<Error><Code>{code}</Code></Error>".encode(), status=status)


UNBLOCKED = refused("NoSuchPublicAccessBlockConfiguration", 404)
#: The response to a change that was made.
DONE = respond(x_amz_request_id="REQUEST1")
NO_POLICY = refused("NoSuchBucketPolicy", 404)


def grants(*uris: str) -> Any:
    inside = "".join(
        f"<Grant><Grantee><URI>{uri}</URI></Grantee><Permission>READ</Permission></Grant>"
        for uri in uris
    )
    text = f"<AccessControlPolicy><AccessControlList>{inside}</AccessControlList>"
    return respond(f"{text}</AccessControlPolicy>".encode())


def test_account_that_forbids_public_access_is_reported(server: Server, driver: S3Driver) -> None:
    server.steps.extend([UNBLOCKED, NO_POLICY, refused("AccessDenied", 403)])
    with pytest.raises(AccessDeniedError, match="Block Public Access") as caught:
        driver.enable_container_cdn("bucket")
    assert ("AccessDenied", 403, "enable_container_cdn") == (
        caught.value.code, caught.value.status, caught.value.operation,
    )  # fmt: skip
    assert {"Version": "2012-10-17", "Statement": [READ]} == json.loads(server.seen[2].body)


@pytest.mark.parametrize(
    "statement",
    [
        READ,
        {**READ, "Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": READ["Resource"][0]},
        {**READ, "Principal": {"AWS": ["*"]}, "Sid": "Mine"},
    ],
)
def test_policy_that_allows_reading_is_not_changed(
    server: Server, driver: S3Driver, statement: object
) -> None:
    policy = json.dumps({"Statement": statement}).encode()
    server.steps.extend([UNBLOCKED, respond(policy)])
    driver.enable_container_cdn("bucket")
    assert 2 == len(server.seen)


@pytest.mark.parametrize(
    "statement",
    [
        {**READ, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.1"}}},
        {**READ, "Effect": "Deny"},
        {**READ, "Principal": {"AWS": "arn:aws:iam::1:root"}},
        {**READ, "Action": "s3:PutObject"},
        {**READ, "Resource": "arn:aws:s3:::bucket/public/*"},
        "nonsense",
    ],
)
def test_policy_is_extended_to_allow_reading(
    server: Server, driver: S3Driver, statement: object
) -> None:
    policy = {"Id": "kept", "Statement": [statement]}
    server.steps.extend([UNBLOCKED, respond(json.dumps(policy).encode()), respond(status=204)])
    driver.enable_container_cdn("bucket")
    assert {"Id": "kept", "Statement": [statement, READ]} == json.loads(server.seen[2].body)


def test_missing_bucket_is_reported(server: Server, driver: S3Driver) -> None:
    server.default = refused("NoSuchBucket", 404)
    with pytest.raises(ContainerNotFoundError):
        driver.enable_container_cdn("bucket")


def test_unavailable_service_changes_nothing(server: Server, driver: S3Driver) -> None:
    """Whether public policies are blocked must be known."""
    with pytest.raises(ServiceUnavailableError):
        driver.enable_container_cdn("bucket")
    assert {"GET"} == {seen.line.split(" ")[0] for seen in server.seen}


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([grants(), refused("AccessControlListNotSupported", 400)], NotSupportedError),
        ([grants(), refused("AccessDenied", 403)], AccessDeniedError),
        ([refused("AccessDenied", 403)], AccessDeniedError),
        ([grants(), DONE, grants("http://example.com/others")], NotSupportedError),
        ([respond(b"")], NotSupportedError),
        ([respond(CONTENT)], NotSupportedError),
    ],
)
def test_object_that_cannot_be_public_is_reported(
    server: Server, driver: S3Driver, steps: list[Any], kind: type[Exception]
) -> None:
    server.steps.extend(steps)
    with pytest.raises(kind, match="enable_container_cdn"):
        driver.object("bucket", "a").enable_cdn()
    assert len(steps) == len(server.seen)


@pytest.mark.parametrize("fault", [Play(then="close"), refused("InternalError", 500)])
def test_request_for_an_acl_is_repeated(server: Server, driver: S3Driver, fault: Any) -> None:
    server.steps.extend([fault, grants("http://acs.amazonaws.com/groups/global/AllUsers")])
    driver.object("bucket", "a").enable_cdn()
    assert ["GET", "GET"] == [seen.line.split(" ")[0] for seen in server.seen]


@pytest.mark.parametrize("error", [b"<Error><Message>No.</Message></Error>", b"<Error><Code>Acc"])
def test_unreadable_error_in_a_success_is_no_success(
    server: Server, driver: S3Driver, error: bytes
) -> None:
    server.steps.extend([grants(), respond(error, x_amz_request_id="REQUEST1"), grants()])
    with pytest.raises(ServiceError, match="does not prove"):
        driver.object("bucket", "a").enable_cdn()
    assert 3 == len(server.seen)


# ---------------------------------------------------------------------- other services


def test_public_urls_are_those_of_the_service() -> None:
    amazon = S3Driver("KEY", "SECRET", region="eu-west-3")
    assert "https://bucket.s3.eu-west-3.amazonaws.com/a%20b" == amazon.get_object_cdn_url(
        amazon.object("bucket", "a b")
    )
    assert "https://s3.eu-west-3.amazonaws.com/b.c" == amazon.get_container_cdn_url("b.c")
    assert "arn:aws" == amazon._public_access._partition("bucket")
    china = S3Driver("KEY", "SECRET", region="cn-north-1")
    assert "arn:aws-cn" == china._public_access._partition("bucket")


def test_service_without_public_buckets_needs_a_cdn_url() -> None:
    """R2 serves public objects from URLs that cannot be derived."""
    driver = get_driver("r2")("KEY", "SECRET", account="0123456789abcdef")
    assert not driver.supports("enable_container_cdn")
    with pytest.raises(NotSupportedError, match="cdn"):
        driver.get_container_cdn_url("bucket")
    driver = get_driver("r2")(
        "KEY", "SECRET", account="0123456789abcdef", cdn="https://pub.example.com/{name}"
    )
    assert "https://pub.example.com/a%20b" == driver.enable_object_cdn(
        driver.object("bucket", "a b")
    )


def test_the_acl_of_a_bucket_makes_it_public_where_there_is_no_policy(server: Server) -> None:
    with get_driver("b2")("KEY", "SECRET", region="a", endpoint=server.url) as driver:
        server.steps.append(DONE)
        driver.enable_container_cdn("bucket")
    assert "PUT /bucket?acl= HTTP/1.1" == server.seen[0].line
    assert ("x-amz-acl", "public-read") in server.seen[0].headers
