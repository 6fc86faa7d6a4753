"""The examples of docs/guides/own-requests.md, with real servers."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from libstore import ServiceError, get_driver
from servers.azurite import AzureServer
from servers.gcs import GCSServer
from servers.openstack import SwiftServer
from servers.s3 import S3Server

LIFECYCLE = b"""<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status>
<Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>30</Days></Expiration></Rule>
</LifecycleConfiguration>"""


def test_versioning_and_lifecycle_of_a_bucket(moto_server: S3Server) -> None:
    driver = get_driver("s3")(moto_server.key, moto_server.secret, endpoint=moto_server.endpoint)
    photos = driver.create_container("own-requests")
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"

    photos.request("PUT", query={"versioning": ""}, content=enabled).close()
    photos.request("PUT", query={"lifecycle": ""}, content=LIFECYCLE).close()

    assert b"Enabled" in photos.request("GET", query={"versioning": ""}).read()
    assert b"logs/" in photos.request("GET", query={"lifecycle": ""}).read()
    photos.delete()


def test_tags_and_versions_of_an_object(moto_server: S3Server) -> None:
    driver = get_driver("s3")(moto_server.key, moto_server.secret, endpoint=moto_server.endpoint)
    photos = driver.create_container("own-requests")
    with pytest.raises(ServiceError) as raised:
        photos.request("GET", query={"lifecycle": ""})
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    photos.request("PUT", query={"versioning": ""}, content=enabled).close()
    photos.upload_object(b"meow", "cat.jpg")
    new = photos.upload_object(b"purr", "cat.jpg", extra={"tags": {"kind": "cat"}})

    found = photos.request("GET", "cat.jpg", query={"tagging": ""}).read()
    document = ET.fromstring(found)
    tags = {
        tag.findtext("{*}Key"): tag.findtext("{*}Value") for tag in document.iterfind(".//{*}Tag")
    }
    page = photos.request("GET", query={"versions": "", "prefix": "cat.jpg"}).read()
    versions = [
        (version.findtext("{*}VersionId"), version.findtext("{*}IsLatest"))
        for version in ET.fromstring(page).iterfind("{*}Version")
    ]

    assert "NoSuchLifecycleConfiguration" == raised.value.code
    assert {"kind": "cat"} == tags
    assert (new.version, "true") == versions[0]
    assert 2 == len(versions)
    photos.delete()


def test_tags_of_a_blob(azurite_server: AzureServer) -> None:
    server = azurite_server
    driver = get_driver("azure")(server.account, server.key, endpoint=server.endpoint)
    photos = driver.create_container("own-requests")
    photos.upload_object(b"meow", "cat.jpg")
    tags = b"<Tags><TagSet><Tag><Key>kind</Key><Value>cat</Value></Tag></TagSet></Tags>"

    photos.request("PUT", "cat.jpg", query={"comp": "tags"}, content=tags).close()

    assert b"<Value>cat</Value>" in photos.request("GET", "cat.jpg", query={"comp": "tags"}).read()
    photos.delete()


def test_labels_of_a_bucket(gcs_emulator_server: GCSServer) -> None:
    server = gcs_emulator_server
    driver = get_driver("gcs")(token="t", endpoint=server.endpoint, project=server.project)
    photos = driver.create_container("own-requests")
    body = json.dumps({"labels": {"team": "cats"}}).encode()

    photos.request("PATCH", headers={"content-type": "application/json"}, content=body).close()

    assert photos.request("GET").json()["labels"] == {"team": "cats"}
    photos.delete()


def test_facts_of_an_account(swift_server: SwiftServer) -> None:
    server = swift_server
    driver = get_driver("swift")(server.key, server.secret, auth_url=server.auth_url)

    found = driver.request("HEAD").headers

    assert found["x-account-container-count"].isdecimal()
