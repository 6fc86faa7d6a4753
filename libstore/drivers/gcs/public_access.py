"""
Buckets and objects that anyone may read.

https://cloud.google.com/storage/docs/access-control/making-data-public
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ...errors import ObjectChangedError, ServiceUnavailableError
from ...rest.operation import Operation, unproven
from . import operations
from .client import GCSClient

_ROLE = "roles/storage.objectViewer"
_EVERYONE = "allUsers"
# How often a policy is read and changed, if other clients change it meanwhile.
_ROUNDS = 5


def publish_bucket(client: GCSClient, bucket: str) -> None:
    """Let anyone read the objects of a bucket; keep the rest of its IAM policy."""
    path = f"{client.endpoint.path(bucket)}/iam"

    def get() -> dict[str, Any]:
        policy: dict[str, Any] = client.send_json(
            operations.GET_POLICY, path=path, query={"optionsRequestedPolicyVersion": "3"}
        )
        return policy

    def put(policy: dict[str, Any]) -> bool:
        # The response is the policy as it is now.
        if _add(client.send_json(operations.SET_POLICY, path=path, body=policy)):
            raise unproven(200)
        return True

    for attempt in range(_ROUNDS):
        policy = get()
        if not _add(policy):
            return
        try:
            # The policy has an etag, with which Google refuses it if another client changed it.
            client.confirmer.prove(partial(put, policy), lambda: not _add(get()) or None)
        except (ObjectChangedError, ServiceUnavailableError):
            if attempt == _ROUNDS - 1:
                raise
        else:
            return


def _add(policy: dict[str, Any]) -> bool:
    """Add the permission to a policy; return whether it was missing."""
    bindings = policy.setdefault("bindings", [])
    for binding in bindings:
        if binding.get("role") == _ROLE and not binding.get("condition"):
            members = binding.setdefault("members", [])
            if _EVERYONE in members:
                return False
            members.append(_EVERYONE)
            return True
    bindings.append({"role": _ROLE, "members": [_EVERYONE]})
    return True


def publish_object(client: GCSClient, bucket: str, name: str) -> None:
    """Let anyone read one object, whose bucket must have ACLs."""
    path = f"{client.endpoint.path(bucket, name)}/acl"

    def require(operation: Operation, path: str, body: object = None) -> bool:
        entry = client.send_json(operation, bucket, path=path, body=body)
        if entry.get("entity") != _EVERYONE:
            raise unproven(200)
        return True

    grant = {"entity": _EVERYONE, "role": "READER"}
    client.confirmer.prove(
        lambda: require(operations.PUBLISH_OBJECT, path, grant),
        lambda: require(operations.GET_PUBLISHED, f"{path}/{_EVERYONE}"),
    )
