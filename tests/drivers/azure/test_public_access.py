"""Containers that are readable without credentials."""

from __future__ import annotations

import pytest
from drivers.azure.support import (
    error,
    stored,
)
from scripted import Server, respond

from libstore import (
    AccessDeniedError,
)
from libstore.drivers.azure import AzureDriver


def test_a_container_keeps_its_policies_when_it_is_made_public(
    server: Server, driver: AzureDriver
) -> None:
    policies = b"<SignedIdentifiers><SignedIdentifier/></SignedIdentifiers>"
    server.steps.extend([respond(policies), stored(status=200)])
    driver.enable_container_cdn("box")
    assert server.seen[1].body == policies
    assert ("x-ms-blob-public-access", "blob") in server.seen[1].headers


def test_account_that_forbids_public_access_is_reported(
    server: Server, driver: AzureDriver
) -> None:
    server.steps.extend([respond(b"<SignedIdentifiers/>")])
    server.default = error("PublicAccessNotPermitted", 409)
    with pytest.raises(AccessDeniedError, match="allowBlobPublicAccess"):
        driver.enable_container_cdn("box")
    with pytest.raises(AccessDeniedError, match="allowBlobPublicAccess"):
        driver.create_container("box", extra={"public_access": "blob"})
