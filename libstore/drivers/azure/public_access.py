"""Containers that everybody may read."""

from __future__ import annotations

from ...http.message import Response
from . import operations
from .client import MAX_ANSWER, AzureClient

_ACL = {"comp": "acl", "restype": "container"}


def make_public(client: AzureClient, container: str) -> None:
    """Let everybody read the blobs of a container, and leave its access policies as they are."""
    # https://learn.microsoft.com/en-us/rest/api/storageservices/set-container-acl: policies that
    # are not sent along are removed.
    response = client.send(operations.GET_CONTAINER_ACL, container, query=_ACL)
    policies = response.read(MAX_ANSWER)
    if _is_public(response):
        return
    headers = {"content-type": "application/xml", "x-ms-blob-public-access": "blob"}

    def send() -> bool:
        client.send(
            operations.SET_CONTAINER_ACL, container, query=_ACL, headers=headers, content=policies
        ).close()
        return True

    def look() -> bool | None:
        response = client.send(operations.GET_CONTAINER_ACL, container, query=_ACL)
        response.close()
        return _is_public(response) or None

    client.confirmer.prove(send, look)


def _is_public(response: Response) -> bool:
    return response.headers.get("x-ms-blob-public-access") in {"blob", "container"}
