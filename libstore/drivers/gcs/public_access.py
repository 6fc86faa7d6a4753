"""Buckets and objects that everybody may read."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...errors import ObjectChangedError, ServiceUnavailableError
from ...rest.operation import unproven
from . import operations
from .client import GCSClient

_ROLE = "roles/storage.objectViewer"
_EVERYBODY = "allUsers"
_ROUNDS = 5


def publish_bucket(client: GCSClient, bucket: str) -> None:
    """
    Let everybody read the objects of a bucket, beside what its policy has already.

    https://cloud.google.com/storage/docs/access-control/making-data-public
    """
    path = f"{client.place.bucket(bucket)}/iam"
    for attempt in range(_ROUNDS):
        policy = _policy(client, path)
        if not _add(policy):
            return
        try:
            # The policy's etag, which is in it, keeps what others change meanwhile.
            client.confirmer.prove(
                partial(_set, client, path, policy), partial(_is_set, client, path)
            )
        except (ObjectChangedError, ServiceUnavailableError):
            if attempt == _ROUNDS - 1:
                raise
        else:
            return


def _policy(client: GCSClient, path: str) -> dict[str, Any]:
    policy: dict[str, Any] = client.send_json(
        operations.GET_POLICY, path=path, query={"optionsRequestedPolicyVersion": "3"}
    )
    return policy


def _set(client: GCSClient, path: str, policy: dict[str, Any]) -> bool:
    """Set a policy, which is what Google answers with."""
    if _add(client.send_json(operations.SET_POLICY, path=path, body=policy)):
        raise unproven(200)
    return True


def _is_set(client: GCSClient, path: str) -> bool | None:
    return not _add(_policy(client, path)) or None


def _add(policy: dict[str, Any]) -> bool:
    """Add the permission to a policy; return whether it was not there."""
    bindings = policy.setdefault("bindings", [])
    for binding in bindings:
        if binding.get("role") == _ROLE and not binding.get("condition"):
            if _EVERYBODY in binding.get("members", []):
                return False
            binding.setdefault("members", []).append(_EVERYBODY)
            return True
    bindings.append({"role": _ROLE, "members": [_EVERYBODY]})
    return True


def publish_object(client: GCSClient, bucket: str, name: str) -> None:
    """Let everybody read one object, whose bucket must have ACLs."""
    path = f"{client.place.object(bucket, name)}/acl"
    entry = {"entity": _EVERYBODY, "role": "READER"}

    def require(told: dict[str, Any]) -> bool:
        if told.get("entity") != _EVERYBODY:
            raise unproven(200)
        return True

    client.confirmer.prove(
        lambda: require(
            client.send_json(operations.PUBLISH_OBJECT, bucket, path=path, body=entry)
        ),
        lambda: require(
            client.send_json(operations.GET_PUBLISHED, bucket, path=f"{path}/{_EVERYBODY}")
        ),
    )
