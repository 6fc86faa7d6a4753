"""Presigned URLs of the S3 driver, compared with those of botocore, and used on servers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from libstore import Container, InvalidOptionError, NotSupportedError, get_driver
from libstore.drivers.s3 import S3Driver
from servers.s3 import S3Server, server_among

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "a-secret/that+nobody=sees", "a/token+="
CONTENT = b"content"
NAME = "a b/ü+%&=?#"
RESPONSE = {
    "cache-control": "ResponseCacheControl",
    "content-disposition": "ResponseContentDisposition",
    "content-encoding": "ResponseContentEncoding",
    "content-language": "ResponseContentLanguage",
    "content-type": "ResponseContentType",
    "expires": "ResponseExpires",
}
HEADERS = {
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "content-type": "ContentType",
    "x-amz-acl": "ACL",
    "x-amz-storage-class": "StorageClass",
    "x-amz-tagging": "Tagging",
}

# ---------------------------------------------------------------------- botocore, side by side

_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: not name.isspace()
)
_values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
_words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=10)
_cases = st.one_of(
    st.tuples(
        st.sampled_from(["GET", "HEAD"]),
        st.just({}),
        st.dictionaries(st.sampled_from(sorted(set(RESPONSE) - {"expires"})), _values, max_size=4),
    ),
    st.tuples(
        st.just("PUT"),
        st.dictionaries(
            st.one_of(st.sampled_from(sorted(HEADERS)), _words.map("x-amz-meta-{}".format)),
            _values,
            max_size=4,
        ),
        st.just({}),
    ),
    st.tuples(st.just("DELETE"), st.just({}), st.just({})),
)


def clients(token: str | None, region: str, path: bool) -> tuple[S3Driver, Any]:
    """Return a driver and a client of botocore that are made alike."""
    boto3 = pytest.importorskip("boto3")
    from botocore.config import Config

    style = {"addressing_style": "path" if path else "virtual"}
    config = Config(
        s3=style, signature_version="s3v4", request_checksum_calculation="when_required"
    )
    client = boto3.client(
        "s3",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        aws_session_token=token,
        region_name=region,
        config=config,
        endpoint_url=f"https://s3.{region}.amazonaws.com",
    )
    driver = S3Driver(KEY, SECRET, token=token, region=region, path_style=path)
    return driver, client


PAIRS: dict[tuple[str | None, str, bool], tuple[S3Driver, Any]] = {}


def pair(token: str | None, region: str, path: bool) -> tuple[S3Driver, Any]:
    """Return the same for the same again, for botocore's are made slowly."""
    made = PAIRS.get((token, region, path))
    if made is None:
        made = PAIRS[token, region, path] = clients(token, region, path)
    return made


@settings(deadline=None, max_examples=200)
@given(
    name=_names,
    case=_cases,
    token=st.sampled_from([None, TOKEN]),
    region=st.sampled_from(["us-east-1", "eu-west-3"]),
    path=st.booleans(),
    expires=st.integers(1, 604_800),
)
def test_presigned_url_equals_that_of_botocore(
    name: str,
    case: tuple[str, dict[str, str], dict[str, str]],
    token: str | None,
    region: str,
    path: bool,
    expires: int,
) -> None:
    """All that goes into it being the same, so is the URL, but for its parameters' order."""
    assume({".", ".."}.isdisjoint(name.split("/")))  # those have no URL
    method, headers, response = case
    driver, client = pair(token, region, path)
    parameters: dict[str, Any] = {RESPONSE[key]: value for key, value in response.items()}
    for key, value in headers.items():
        if key in HEADERS:
            parameters[HEADERS[key]] = value
        else:
            own = parameters.setdefault("Metadata", {})
            own[key.removeprefix("x-amz-meta-")] = value
    theirs = client.generate_presigned_url(
        f"{method.lower()}_object",
        {"Bucket": "a-bucket", "Key": name, **parameters},
        ExpiresIn=expires,
    )
    query = parse_qs(urlsplit(theirs).query)
    moment = datetime.strptime(f"{query['X-Amz-Date'][0]}+0000", "%Y%m%dT%H%M%SZ%z")
    driver._client.client_at(driver._client.locate("", "")).clock = moment.timestamp
    signed = driver.object("a-bucket", name).sign_url(
        method=method, expires=expires, headers=headers, response_headers=response
    )
    assert urlsplit(signed)[:3] == urlsplit(theirs)[:3]
    assert sorted(parse_qsl(urlsplit(signed).query)) == sorted(parse_qsl(urlsplit(theirs).query))


# ---------------------------------------------------------------------- used on servers


s3_server = server_among("seaweedfs", "moto", "rclone")


@pytest.fixture
def container(s3_server: S3Server) -> Iterator[Container]:
    with get_driver("s3")(s3_server.key, s3_server.secret, endpoint=s3_server.endpoint) as driver:
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield container
        container.delete()


def test_signed_headers_must_be_sent_with_a_url(
    container: Container, request: pytest.FixtureRequest
) -> None:
    """A PUT with these headers stores them; one with others is refused."""
    headers = {"content-type": "text/x-fox", "x-amz-meta-owner": "me", "cache-control": "no-cache"}
    url = container.object(NAME).sign_url(method="PUT", headers=headers)
    if "moto" not in request.node.name:  # moto verifies no signatures
        for wrong in ({}, {**headers, "x-amz-meta-owner": "you"}, {"content-type": "text/html"}):
            assert 403 == requests.put(url, data=b"wrong", headers=wrong, timeout=10).status_code
        assert not container.driver.object_exists(container, NAME)
    assert 200 == requests.put(url, data=CONTENT, headers=headers, timeout=10).status_code
    obj = container.get_object(NAME)
    assert ("text/x-fox", {"owner": "me"}) == (obj.content_type, obj.metadata)
    assert CONTENT == obj.read()


def test_response_has_the_headers_of_the_url(container: Container) -> None:
    container.upload_object(CONTENT, NAME, content_type="text/x-fox")
    requested = {
        "content-type": "image/x-fox",
        "content-disposition": 'attachment; filename="a fox.txt"',
        "cache-control": "max-age=1",
        "content-language": "de",
        "content-encoding": "fox",
        "expires": "Thu, 01 Dec 2033 16:00:00 GMT",
    }
    got = requests.get(
        container.object(NAME).sign_url(response_headers=requested),
        headers={"accept-encoding": "identity"},
        timeout=10,
    )
    assert (200, CONTENT) == (got.status_code, got.content)
    assert requested == {name: got.headers[name] for name in requested}


def test_head_and_delete_can_be_signed(container: Container) -> None:
    obj = container.upload_object(CONTENT, NAME)
    head = requests.head(obj.sign_url(method="HEAD"), timeout=10)
    assert (200, str(len(CONTENT))) == (head.status_code, head.headers["content-length"])
    assert requests.delete(obj.sign_url(method="DELETE"), timeout=10).status_code in {200, 204}
    assert not container.driver.object_exists(container, NAME)


# ---------------------------------------------------------------------- refused


@pytest.mark.parametrize("name", ["Host", "authorization", "Transfer-Encoding"])
def test_headers_of_the_url_itself_are_refused(name: str) -> None:
    driver = S3Driver(KEY, SECRET)
    with pytest.raises(InvalidOptionError, match=name.lower()):
        driver.object("bucket", "a").sign_url(headers={name: "x"})


def test_signed_header_must_be_ascii() -> None:
    with pytest.raises(InvalidOptionError, match="ASCII"):
        S3Driver(KEY, SECRET).object("bucket", "a").sign_url(headers={"x-amz-meta-a": "ü"})


def test_presigned_url_expires_within_seven_days() -> None:
    obj = S3Driver(KEY, SECRET).object("bucket", "a")
    assert "X-Amz-Expires=604800&" in obj.sign_url(expires=7 * 86_400)
    with pytest.raises(InvalidOptionError):
        obj.sign_url(expires=7 * 86_400 + 1)


def test_anonymous_driver_signs_no_url() -> None:
    with pytest.raises(NotSupportedError):
        S3Driver(anonymous=True).object("bucket", "a").sign_url()


def test_requester_pays_is_part_of_the_url() -> None:
    driver = S3Driver(KEY, SECRET, requester_pays=True)
    assert "x-amz-request-payer=requester" in driver.object("bucket", "a").sign_url()
