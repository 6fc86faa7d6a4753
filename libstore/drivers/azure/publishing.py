"""Containers that everybody may read."""

from __future__ import annotations

from .calls import MAX_ANSWER, Calls

_ACL = {"comp": "acl", "restype": "container"}


def make_public(calls: Calls, container: str) -> None:
    """Let everybody read the blobs of a container, and leave its access policies as they are."""
    # https://learn.microsoft.com/en-us/rest/api/storageservices/set-container-acl: policies that
    # are not sent along are removed.
    response = calls.ask("GET", "GetContainerACL", container, query=_ACL)
    policies = response.read(MAX_ANSWER)
    if response.headers.get("x-ms-blob-public-access") in {"blob", "container"}:
        return
    headers = {"content-type": "application/xml", "x-ms-blob-public-access": "blob"}
    calls.ask(
        "PUT", "SetContainerACL", container, query=_ACL, headers=headers, content=policies
    ).close()
