"""Where the driver of Swift finds credentials: variables and the clouds of OpenStack's files."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted import Server, respond

from libstore import CredentialsNotFoundError, InvalidOptionError, get_driver, open_url
from libstore.drivers.swift import SwiftDriver

SECRET = "s3cret-of-the-cloud"


@pytest.fixture
def server() -> Iterator[Server]:
    """Return Keystone, which also serves an account without containers."""
    found = Server()
    catalog = {"token": {"expires_at": "2099-01-01T00:00:00Z", "catalog": [{
        "type": "object-store",
        "endpoints": [{"interface": "public", "region": "R", "url": f"{found.url}/v1/AUTH_a"}],
    }]}}  # fmt: skip
    found.steps.append(respond(json.dumps(catalog).encode(), 201, X_Subject_Token="t0ken"))
    found.default = respond(b"[]", X_Trans_Id="1", Content_Type="application/json")
    yield found
    found.close()


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server) -> Path:
    path = tmp_path / "clouds.yaml"
    auth = {"auth_url": f"{server.url}/v3", "username": "me", "password": SECRET,
            "project_name": "photos", "user_domain_name": "D"}  # fmt: skip
    path.write_text(json.dumps({"clouds": {"prod": {"auth": auth, "region_name": "R"}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return path


def test_cloud_logs_in(server: Server, file: Path) -> None:
    pytest.importorskip("openstack.config")
    with SwiftDriver(cloud="prod") as driver:
        assert driver.credentials_source == f"cloud 'prod' of {file}"
        assert not server.seen
        assert [] == list(driver.list_containers())
    login = json.loads(server.seen[0].body)["auth"]
    assert login["identity"]["password"]["user"] == {
        "name": "me", "domain": {"name": "D"}, "password": SECRET
    }  # fmt: skip
    assert login["scope"] == {"project": {"name": "photos", "domain": {"name": "D"}}}
    assert dict(server.seen[1].headers)["x-auth-token"] == "t0ken"


def test_variable_names_the_cloud(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    pytest.importorskip("openstack.config")
    monkeypatch.setenv("OS_CLOUD", "prod")
    monkeypatch.setenv("OS_USERNAME", "another")
    monkeypatch.setenv("OS_PASSWORD", "another")
    driver = SwiftDriver()
    assert driver._settings.identity.user == "me"
    given = SwiftDriver("user", "secret", auth_url="https://k.example/v3")
    assert given._settings.cloud is None
    monkeypatch.setenv("OS_CLOUD", "missing")
    with pytest.raises(CredentialsNotFoundError, match="OS_CLOUD is 'missing', but there is no"):
        SwiftDriver()


def test_arguments_take_the_place_of_settings_of_the_cloud(file: Path) -> None:
    pytest.importorskip("openstack.config")
    driver = SwiftDriver(cloud="prod", region="R2", interface="internal", project="other")
    identity = driver._settings.identity
    assert ("R2", "internal", "other") == (identity.region, identity.interface, identity.project)
    for more in ({"user": "u", "secret": "s"}, {"token": "t"}, {"anonymous": True}):
        with pytest.raises(InvalidOptionError, match="cloud and credentials or anonymous exclude"):
            SwiftDriver(cloud="prod", **more)  # type: ignore[arg-type]


def test_pickle_and_url_have_the_name_of_the_cloud_alone(file: Path) -> None:
    pytest.importorskip("openstack.config")
    driver = SwiftDriver(cloud="prod", interface="internal")
    data = pickle.dumps(driver)
    assert SECRET.encode() not in data
    assert b"photos" not in data
    assert driver.url == "swift://?cloud=prod&interface=internal"
    file.write_text(file.read_text().replace('"me"', '"new"'))
    for again in (pickle.loads(data), open_url(driver.url)):
        assert isinstance(again, SwiftDriver)
        assert ("new", "internal") == (
            again._settings.identity.user, again._settings.identity.interface,
        )  # fmt: skip


def test_pickle_without_the_argument_uses_the_variable_where_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    pytest.importorskip("openstack.config")
    monkeypatch.setenv("OS_CLOUD", "prod")
    data = pickle.dumps(SwiftDriver())
    assert b"prod" not in data
    monkeypatch.delenv("OS_CLOUD")
    with pytest.raises(CredentialsNotFoundError, match="OS_CLOUD: not set"):
        pickle.loads(data)


def test_cloud_without_credentials(file: Path) -> None:
    pytest.importorskip("openstack.config")
    file.write_text('{"clouds": {"prod": {"auth": {"auth_url": "https://k.example/v3"}}}}')
    with pytest.raises(CredentialsNotFoundError, match="that cloud has no user with a password"):
        SwiftDriver(cloud="prod")


def test_error_lists_where_credentials_were_searched(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setenv("OS_USERNAME", "me")
    monkeypatch.setenv("ST_KEY", SECRET)
    with pytest.raises(CredentialsNotFoundError) as caught:
        get_driver("swift")()
    assert caught.value.message.partition("These places were searched:\n")[2] == (
        "  OS_CLOUD: not set\n"
        "  OS_USERNAME: set, but OS_PASSWORD is not\n"
        "  OS_USER_ID: not set\n"
        "  OS_PASSWORD: not set\n"
        "  OS_APPLICATION_CREDENTIAL_ID: not set\n"
        "  OS_TOKEN: not set\n"
        "  ST_USER: not set\n"
        "  ST_KEY: set, but ST_USER is not\n"
        f"  {file}: there is a file, but no cloud is given; pass cloud= or set OS_CLOUD"
    )


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({"OS_USERNAME": "u", "OS_PASSWORD": "p"}, "environment variable OS_USERNAME"),
        (
            {"OS_APPLICATION_CREDENTIAL_ID": "i", "OS_APPLICATION_CREDENTIAL_SECRET": "s"},
            "environment variable OS_APPLICATION_CREDENTIAL_SECRET",
        ),
        ({"OS_TOKEN": "t"}, "environment variable OS_TOKEN"),
        ({"ST_USER": "u", "ST_KEY": "p"}, "environment variable ST_USER"),
    ],
)
def test_source_of_variables(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], source: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert SwiftDriver(auth_url="https://k.example/v3").credentials_source == source
