"""The credentials and addresses of the Swift driver, on a real server."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from drivers.swift.support import (
    listening,
    methods,
)

from libstore import (
    AuthenticationError,
    Container,
    get_driver,
)
from libstore.drivers.swift import SwiftDriver
from servers.openstack import SwiftServer

Swift = get_driver("swift")


@pytest.mark.parametrize("changes", [{"secret": "a wrong one"}, {"user": "test:nobody"}])
def test_wrong_login_is_reported(swift_server: SwiftServer, changes: dict[str, Any]) -> None:
    arguments = {"user": swift_server.key, "secret": swift_server.secret, **changes}
    with Swift(auth_url=swift_server.auth_url, **arguments) as driver:
        with pytest.raises(AuthenticationError, match="login was rejected") as caught:
            list(driver.list_containers())
        assert 401 == caught.value.status
        assert caught.value.request_id
        assert arguments["secret"] not in str(caught.value)


def test_old_environment_variables_are_supported(
    swift_server: SwiftServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ST_AUTH", swift_server.auth_url)
    monkeypatch.setenv("ST_USER", swift_server.key)
    monkeypatch.setenv("ST_KEY", swift_server.secret)
    with Swift() as driver:
        again = pickle.loads(pickle.dumps(driver))
        assert isinstance(list(again.list_containers()), list)
        again.close()


def test_storage_url_overrides_that_of_the_login(
    swift_server: SwiftServer, swift_driver: SwiftDriver, container: Container
) -> None:
    place = swift_driver._client.endpoint
    url = (place.url + place.path).replace("127.0.0.1", "localhost")
    with (
        Swift(
            swift_server.key, swift_server.secret, auth_url=swift_server.auth_url, storage_url=url
        ) as driver,
        listening(driver) as seen,
    ):
        assert driver.get_container(container.name).get_cdn_url().startswith("http://localhost")
        assert ["GET", "HEAD"] == methods(seen)
