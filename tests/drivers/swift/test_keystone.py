"""The Swift driver with tokens of a real Keystone."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import pytest
from drivers.s3_faults import Faulty
from drivers.swift.support import CONTENT, LARGE, PART, RACES, lent, let_sign, listening

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    InvalidOptionError,
    StorageDriver,
    TransferOptions,
    get_driver,
)
from libstore.drivers.swift import SwiftDriver
from libstore.testing import DriverConformance
from servers.keystone import KeystoneServer
from servers.openstack import SwiftServer

Swift = get_driver("swift")


@pytest.fixture(scope="module")
def keystone_driver(keystone_server: KeystoneServer) -> Iterator[SwiftDriver]:
    server = keystone_server
    with Swift(
        server.user, server.secret, auth_url=server.auth_url, project=server.project
    ) as driver:
        let_sign(driver)
        yield driver


class TestKeystone(Faulty, DriverConformance):
    """All that the driver does, with tokens of Keystone."""

    sometimes: ClassVar[Mapping[str, str]] = RACES

    @pytest.fixture
    def driver(self, keystone_driver: SwiftDriver) -> SwiftDriver:
        """Return the driver that all tests share."""
        return keystone_driver


def names(driver: StorageDriver) -> list[str]:
    """Return the names of an account's containers."""
    return [container.name for container in driver.list_containers()]


def logins(server: KeystoneServer) -> dict[str, dict[str, Any]]:
    """Return the arguments of each way to log in."""
    scope = {"project": server.project}
    return {
        "names": {"user": server.user, "secret": server.secret, **scope},
        "domains": {
            "user": server.user, "secret": server.secret, **scope,
            "user_domain": "Default", "project_domain": "Default",
        },
        "domain ids": {
            "user": server.user, "secret": server.secret, **scope,
            "user_domain_id": "default", "project_domain_id": "default",
        },
        "ids": {
            "user_id": server.user_id, "secret": server.secret, "project_id": server.project_id,
        },
        "application credential": {
            "application_credential": server.credential, "secret": server.credential_secret,
        },
        "its name": {
            "application_credential": server.credential_name, "secret": server.credential_secret,
            "user": server.user,
        },
        "region": {
            "user": server.user, "secret": server.secret, **scope,
            "region": server.region, "interface": "internal",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    "way",
    ["names", "domains", "domain ids", "ids", "application credential", "its name", "region"],
)
def test_each_way_to_log_in(keystone_server: KeystoneServer, way: str) -> None:
    server = keystone_server
    with (
        Swift(auth_url=server.auth_url, **logins(server)[way]) as driver,
        lent(driver) as container,
    ):
        container.upload_object(CONTENT, "a")
        assert CONTENT == container.read_object("a")
        assert server.project_id in driver.get_container_cdn_url(container)


def test_the_address_may_lack_its_version(
    keystone_server: KeystoneServer, keystone_driver: SwiftDriver
) -> None:
    server = keystone_server
    with lent(keystone_driver) as container:
        for ending in ("", "/"):
            url = server.auth_url.removesuffix("/v3") + ending
            with Swift(server.user, server.secret, auth_url=url, project="demo") as driver:
                assert container.name in names(driver)


def test_token_authenticates(
    keystone_server: KeystoneServer, keystone_driver: SwiftDriver
) -> None:
    """With the storage's address it is used unchanged; otherwise it is exchanged."""
    server = keystone_server
    token = keystone_driver._client._tokens.get()
    place = keystone_driver._client.endpoint
    with lent(keystone_driver) as container:
        with Swift(token=token, auth_url=server.auth_url, project=server.project) as driver:
            assert container.name in names(driver)
        with Swift(token=token, storage_url=place.url + place.path) as driver:
            with listening(driver) as seen:
                assert container.name == driver.get_container(container.name).name
            assert 1 == len(seen)
    with (
        Swift(token="no token", storage_url=place.url + place.path) as driver,
        pytest.raises(AuthenticationError) as caught,
    ):
        list(driver.list_containers())
    assert 401 == caught.value.status
    assert "no token" not in str(caught.value)


def test_the_login_is_one_request(keystone_server: KeystoneServer) -> None:
    server = keystone_server
    with Swift(server.user, server.secret, auth_url=server.auth_url, project="demo") as driver:
        with listening(driver) as seen, lent(driver) as container:
            container.upload_object(CONTENT, "a")
            assert ["POST", "PUT", "PUT"] == [line.partition(" ")[0] for line in seen]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"secret": "a wrong one"}, AuthenticationError, "login was rejected"),
        ({"user": "nobody"}, AuthenticationError, "login was rejected"),
        ({"project": "no project"}, AuthenticationError, "login was rejected"),
        ({"user_domain": "no domain"}, AuthenticationError, "login was rejected"),
        ({"project": None}, InvalidOptionError, "pass project="),
        ({"region": "Nowhere"}, InvalidOptionError, "region"),
        ({"region": "RegionTwo"}, InvalidOptionError, "region"),
        ({"interface": "admin"}, InvalidOptionError, "interface"),
        ({"user": "reader", "secret": "readerpass"}, AccessDeniedError, "not allowed"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_failed_login_says_why(
    keystone_server: KeystoneServer, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    server = keystone_server
    arguments = {
        "user": server.user,
        "secret": server.secret,
        "project": server.project,
        **changes,
    }
    with Swift(auth_url=server.auth_url, **arguments) as driver:
        with pytest.raises(error, match=words) as caught:
            driver.create_container("libstore-refused")
        assert arguments["secret"] not in str(caught.value) + repr(caught.value)
        assert arguments["secret"] not in repr(driver)


def test_environment_authenticates(
    keystone_server: KeystoneServer,
    keystone_driver: SwiftDriver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in all of OpenStack's tools; a pickle reads it again."""
    server = keystone_server
    for name, value in {
        "OS_AUTH_URL": server.auth_url, "OS_USERNAME": server.user, "OS_PASSWORD": server.secret,
        "OS_PROJECT_NAME": server.project, "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_ID": "default", "OS_REGION_NAME": server.region,
        "OS_ENDPOINT_TYPE": "publicURL",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with Swift() as driver:
        again: StorageDriver = pickle.loads(pickle.dumps(driver))
        assert server.secret.encode() not in pickle.dumps(driver)
        with lent(driver) as container:
            assert container.name in names(again)
        again.close()
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_ID", server.credential)
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_SECRET", server.credential_secret)
    with lent(keystone_driver) as container, Swift() as driver:
        assert container.name in names(driver)


def test_revoked_token_is_renewed_once_during_a_transfer(
    keystone_server: KeystoneServer, swift_server: SwiftServer, tmp_path: Path
) -> None:
    """Also when all that is left is the manifest, which Swift then refuses for each segment."""
    server = keystone_server
    content = bytes(20 * PART)
    with (
        Swift(
            server.user, server.secret, auth_url=server.auth_url, project=server.project,
            transfer=TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=2),
        ) as driver,
        lent(driver) as container,
    ):  # fmt: skip
        valid: list[tuple[int, str]] = []

        def revoke(done: int, total: int | None) -> None:
            if valid and done >= valid[0][0] * PART:
                token = valid.pop()[1]
                headers = {"X-Auth-Token": token, "X-Subject-Token": token}
                url = f"{server.auth_url}/auth/tokens"
                urlopen(Request(url, headers=headers, method="DELETE"), timeout=60).close()
                swift_server.forget_tokens()  # what was found of it, too

        for parts, transfer in (
            (20, lambda: container.upload_object(content, "a", progress=revoke)),
            (2, lambda: container.get_object("a").download(tmp_path / "a", progress=revoke)),
        ):
            valid.append((parts, driver._client._tokens.get()))
            with listening(driver) as seen:
                transfer()
            assert 1 == sum("/auth/tokens" in line for line in seen)
        assert content == (tmp_path / "a").read_bytes()


def test_large_objects_work_with_an_application_credential(
    keystone_server: KeystoneServer,
) -> None:
    server = keystone_server
    with (
        Swift(
            secret=server.credential_secret, application_credential=server.credential,
            auth_url=server.auth_url,
            transfer=TransferOptions(part_size=PART, multipart_threshold=PART),
        ) as driver,
        lent(driver) as container,
    ):  # fmt: skip
        container.upload_object(LARGE, "a")
        assert LARGE == container.read_object("a")
