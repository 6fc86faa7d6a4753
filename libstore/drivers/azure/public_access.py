"""Containers with anonymous read access."""

from __future__ import annotations

from ...http.message import Response
from . import operations
from .client import MAX_DOCUMENT, AzureClient

_ACL = {"comp": "acl", "restype": "container"}


def make_public(client: AzureClient, container: str) -> None:
    """Allow anonymous reads of the blobs of a container, and keep its access policies."""
    # https://learn.microsoft.com/en-us/rest/api/storageservices/set-container-acl: policies that
    # the request does not contain are removed.
    response = client.send(operations.GET_CONTAINER_ACL, container, query=_ACL)
    policies = response.read(MAX_DOCUMENT)
    if _is_public(response):
        return
    headers = {"content-type": "application/xml", "x-ms-blob-public-access": "blob"}

    def is_public() -> bool:
        response = client.send(operations.GET_CONTAINER_ACL, container, query=_ACL)
        response.close()
        return _is_public(response)

    client.send_proved(
        is_public, operations.SET_CONTAINER_ACL, container,
        query=_ACL, headers=headers, content=policies,
    )  # fmt: skip


def _is_public(response: Response) -> bool:
    return response.headers.get("x-ms-blob-public-access") in {"blob", "container"}
