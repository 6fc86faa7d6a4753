"""Requests to OpenStack's identity services, and their responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from libstore import InvalidOptionError, NotSupportedError, ServiceError
from libstore.auth.keystone import (
    Identity,
    auth_version,
    missing_storage,
    read_v1,
    read_v3,
    v1_headers,
    v3_body,
)

DEFAULT = {"id": "default"}


@pytest.mark.parametrize(
    ("path", "version"),
    [("", 3), ("/", 3), ("/v3", 3), ("/identity/v3/", 3), ("/identity", 3), ("/v3/auth/tokens", 3),
     ("/auth/v1.0", 1), ("/auth/v1", 1), ("/auth", 1), ("/swift/auth/", 1), ("/auth/1.0", 1)],
)  # fmt: skip
def test_version_is_read_from_the_path(path: str, version: int) -> None:
    assert version == auth_version(path)


@pytest.mark.parametrize("path", ["/v2.0", "/v2.0/", "/identity/v2"])
def test_obsolete_version_is_rejected(path: str) -> None:
    with pytest.raises(NotSupportedError, match="v3"):
        auth_version(path)


def test_v1_login_sends_two_headers() -> None:
    expected = {"x-auth-user": "a:u", "x-auth-key": "s"}
    assert expected == v1_headers(Identity("a:u", "s"))


# https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (
            Identity("u", "s", project="p"),
            {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": "u", "domain": DEFAULT, "password": "s"}},
                },
                "scope": {"project": {"name": "p", "domain": DEFAULT}},
            },
        ),
        (
            Identity("u", "s", user_domain="D", project="p"),
            {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": "u", "domain": {"name": "D"}, "password": "s"}},
                },
                "scope": {"project": {"name": "p", "domain": {"name": "D"}}},
            },
        ),
        (
            Identity("u", "s", user_domain_id="d", project="p", project_domain="E"),
            {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": "u", "domain": {"id": "d"}, "password": "s"}},
                },
                "scope": {"project": {"name": "p", "domain": {"name": "E"}}},
            },
        ),
        (
            Identity(None, "s", user_id="i", project_id="q"),
            {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"id": "i", "password": "s"}},
                },
                "scope": {"project": {"id": "q"}},
            },
        ),
        (
            Identity(None, "s", application_credential="c", project="ignored"),
            {
                "identity": {
                    "methods": ["application_credential"],
                    "application_credential": {"secret": "s", "id": "c"},
                }
            },
        ),
        (
            Identity("u", "s", application_credential="n"),
            {
                "identity": {
                    "methods": ["application_credential"],
                    "application_credential": {
                        "secret": "s",
                        "name": "n",
                        "user": {"name": "u", "domain": DEFAULT},
                    },
                }
            },
        ),
        (
            Identity(token="t", project_id="q"),
            {
                "identity": {"methods": ["token"], "token": {"id": "t"}},
                "scope": {"project": {"id": "q"}},
            },
        ),
    ],
)
def test_v3_login_sends_the_expected_document(
    identity: Identity, expected: dict[str, Any]
) -> None:
    assert {"auth": expected} == json.loads(v3_body(identity))


def test_repr_has_no_secrets() -> None:
    assert "hidden" not in repr(Identity("u", "hidden", token="hidden"))
    assert "hidden" not in repr(read_v1({"x-auth-token": "hidden"}, 0.0))


def test_v1_login_response_is_parsed() -> None:
    headers = {"x-auth-token": "t", "x-storage-url": "u", "x-auth-token-expires": "60"}
    access = read_v1(headers, 1000.0)
    assert ("t", 1060, "u") == (access.token, access.expires_on, access.storage_url)
    assert 4600 == read_v1({"x-storage-token": "t"}, 1000.0).expires_on
    with pytest.raises(ServiceError, match="no token"):
        read_v1({}, 0.0)


def body(*endpoints: tuple[str, str, str]) -> bytes:
    found = [
        {"interface": interface, "region_id": region, "region": region, "url": url}
        for interface, region, url in endpoints
    ]
    catalog = [
        {"type": "compute", "endpoints": [{"interface": "public", "url": "wrong"}]},
        {"type": "object-store", "endpoints": found},
    ]
    document = {"expires_at": "1970-01-01T01:00:00.000000Z", "catalog": catalog}
    return json.dumps({"token": document}).encode()


TWO = body(("internal", "one", "a"), ("public", "one", "b"), ("public", "two", "c"))


@pytest.mark.parametrize(
    ("identity", "url"),
    [
        (Identity(), "b"),
        (Identity(region="two"), "c"),
        (Identity(interface="internal"), "a"),
        (Identity(region="three"), None),
        (Identity(interface="admin"), None),
    ],
)
def test_v3_login_response_is_parsed(identity: Identity, url: str | None) -> None:
    access = read_v3({"x-subject-token": "t"}, TWO, identity, 0.0)
    assert ("t", 3600, url) == (access.token, access.expires_on, access.storage_url)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"token": 5}', b"<html>", b'{"token": []}'])
def test_response_that_is_not_from_keystone_is_an_error(text: bytes) -> None:
    with pytest.raises(ServiceError, match="auth_url"):
        read_v3({"x-subject-token": "t"}, text, Identity(), 0.0)
    with pytest.raises(ServiceError, match="auth_url"):
        read_v3({}, TWO, Identity(), 0.0)


def test_missing_credentials_are_named() -> None:
    assert "storage_url" in missing_storage(Identity(), 1).message
    found = missing_storage(Identity("u", "s"), 3)
    assert isinstance(found, InvalidOptionError)
    assert "project=" in found.message
    assert "'r'" in missing_storage(Identity(project="p", region="r"), 3).message
