"""The clouds of clouds.yaml, as openstacksdk reads them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from libstore.auth.clouds import files, find_cloud
from libstore.errors import CredentialsNotFoundError, InvalidOptionError

CLOUDS = """
clouds:
  prod:
    region_name: R1
    auth:
      auth_url: https://keystone.example:5000/v3
      username: me
      project_name: photos
      user_domain_name: Default
      project_domain_id: 12345
  regions:
    regions: [R1, {name: R2, values: {object_store_endpoint_override: "https://two/v1/a"}}]
    interface: internal
    verify: false
    auth: {auth_url: "https://k.example/v3", user_id: abc, password: p, project_id: def}
  app:
    auth_type: v3applicationcredential
    cacert: /etc/authorities.pem
    cert: /etc/client.pem
    key: /etc/client.key
    auth:
      auth_url: https://k.example/v3
      username: me
      application_credential_id: ID
      application_credential_secret: s3cret-of-the-cloud
  named:
    auth_type: v3applicationcredential
    auth:
      auth_url: https://k.example/v3
      username: me
      application_credential_name: robot
      application_credential_secret: s3cret-of-the-cloud
  token: {auth_type: v3token, auth: {auth_url: "https://k.example/v3", token: t0ken}}
  oidc: {auth_type: v3oidcpassword, auth: {auth_url: "https://k.example/v3"}}
"""
SECURE = 'clouds: {prod: {auth: {password: "s3cret{of}the%file"}}}'


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    pytest.importorskip("openstack.config")
    (tmp_path / "clouds.yaml").write_text(CLOUDS)
    (tmp_path / "secure.yaml").write_text(SECURE)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    return tmp_path


def values(name: str, region: str | None = None) -> dict[str, object]:
    return dict(find_cloud(name, "cloud", region).values)


def test_password_is_in_the_secure_file(folder: Path) -> None:
    found = find_cloud("prod", "cloud", None)
    assert found.source == f"cloud 'prod' of {folder / 'clouds.yaml'}"
    assert dict(found.values) == {
        "auth_url": "https://keystone.example:5000/v3", "user": "me", "project": "photos",
        "user_domain": "Default", "project_domain_id": "12345", "secret": "s3cret{of}the%file",
        "region": "R1", "interface": "public",
    }  # fmt: skip
    assert "s3cret" not in repr(found)


def test_file_is_in_the_directory_that_is_current_at_the_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values("prod")  # imports openstacksdk in another directory
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    monkeypatch.delenv("OS_CLIENT_SECURE_FILE")
    monkeypatch.chdir(folder)

    found = find_cloud("prod", "cloud", None)

    assert found.source == f"cloud 'prod' of {folder / 'clouds.yaml'}"
    assert found.values["secret"] == "s3cret{of}the%file"


def test_region_of_a_cloud_has_settings_of_its_own() -> None:
    first, second = values("regions"), values("regions", "R2")
    assert ("R1", None) == (first["region"], first.get("storage_url"))
    assert ("R2", "https://two/v1/a") == (second["region"], second["storage_url"])
    assert {"user_id": "abc", "project_id": "def", "verify": False, "interface": "internal"} == {
        name: second[name] for name in ("user_id", "project_id", "verify", "interface")
    }
    with pytest.raises(InvalidOptionError, match="is invalid"):
        values("regions", "R3")
    assert "R1" == values("prod", "R9")["region"]  # the argument takes its place later


def test_login_may_be_beside_auth_as_in_old_files(folder: Path) -> None:
    (folder / "clouds.yaml").write_text(
        "clouds: {old: {auth_url: https://k.example/v3, username: me, password: s3cret,"
        " auth: {project_name: photos}}}"
    )
    (folder / "secure.yaml").unlink()
    found = find_cloud("old", "cloud", None).values
    expected = {"user": "me", "secret": "s3cret", "project": "photos"}
    assert expected == {name: found[name] for name in expected}
    assert found["auth_url"] == "https://k.example/v3"
    assert "s3cret" not in repr(found)


def test_application_credential() -> None:
    found = values("app")
    assert ("ID", "s3cret-of-the-cloud") == (found["application_credential"], found["secret"])
    assert "user" not in found
    assert "/etc/authorities.pem" == found["verify"]
    assert ("/etc/client.pem", "/etc/client.key") == found["cert"]
    found = values("named")
    assert ("robot", "me") == (found["application_credential"], found["user"])


def test_token() -> None:
    assert values("token")["token"] == "t0ken"


def test_login_that_is_not_supported() -> None:
    with pytest.raises(InvalidOptionError, match="auth_type 'v3oidcpassword' is not supported"):
        values("oidc")


def test_missing_cloud_is_reported_with_those_that_exist(folder: Path) -> None:
    with pytest.raises(CredentialsNotFoundError) as caught:
        find_cloud("missing", "OS_CLOUD", None)
    assert str(caught.value) == (
        f"OS_CLOUD is 'missing', but there is no such cloud; {folder / 'clouds.yaml'} has the"
        " clouds app, named, oidc, prod, regions, token"
    )


def test_file_that_is_not_yaml_is_not_repeated(folder: Path) -> None:
    (folder / "clouds.yaml").write_text("clouds: {prod: {auth: {password: s3cret: x]")
    with pytest.raises(
        CredentialsNotFoundError, match=r"clouds\.yaml has no clouds; check that it is valid"
    ) as caught:
        values("prod")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openstack.config", None)
    with pytest.raises(CredentialsNotFoundError, match=r"pip install 'libstore\[openstack\]'"):
        values("prod")


def test_files_are_listed(folder: Path) -> None:
    (line,) = files({"OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml")})
    assert line.startswith(f"{folder / 'clouds.yaml'}: there is a file, but no cloud is given")
    assert not list(files({"OS_CLIENT_CONFIG_FILE": str(folder / "none.yaml")}))
