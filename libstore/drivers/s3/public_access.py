"""Letting everybody read: a policy for a whole bucket, an ACL for one object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import override

from ...errors import (
    AccessDeniedError,
    ContainerNotFoundError,
    NotSupportedError,
    ServiceError,
    StorageError,
)
from ...http.encoding import encode_path
from ...http.json import parse_json
from ...rest.operation import Operation
from . import dialect, operations
from .multipart import PartHooks
from .xml import MAX_ANSWER, public_access_body

_PUBLIC_READ = {"x-amz-acl": "public-read"}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee
_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
# The second one is Ceph's, the third what servers say that pass over ?publicAccessBlock.
_BLOCKED = (
    "PublicAccessBlockConfiguration",
    "BlockPublicAccessBlockConfiguration",
    "ListBucketResult",
)
_READS = frozenset({"s3:GetObject", "s3:Get*", "s3:*", "*"})
_NO_POLICY = (
    "the bucket's Block Public Access settings, the account's or the organisation's forbid public"
    " policies, or these credentials may not change them"
)
_NO_ACL = (
    "the bucket or the account does not let single objects be public; enable_container_cdn() makes"
    " all objects of a bucket public where that is allowed"
)


class PublicHooks(PartHooks):
    """The hooks of public reading."""

    @override
    def _enable_container_cdn(self, container: str) -> None:
        try:
            if self.service.public == "acl":
                self._put(
                    container, operations.PUT_BUCKET_ACL, "acl", _PUBLIC_READ,
                    look=lambda: self._is_public(container),
                )  # fmt: skip
            else:
                self._allow_everybody(container)
        except AccessDeniedError as error:
            raise _explained(error, _NO_POLICY) from None

    @override
    def _enable_object_cdn(self, container: str, name: str) -> None:
        # Looked at before, for servers that know no ACLs take such a PUT for one of the object
        # itself, and it would be empty; and after, for others do nothing and say that all is well.
        try:
            if not self._is_public(container, name):
                self._put(
                    container, operations.PUT_OBJECT_ACL, "acl", _PUBLIC_READ, name=name,
                    look=lambda: self._is_public(container, name),
                )  # fmt: skip
                self._require_public(container, name)
        except (AccessDeniedError, NotSupportedError) as error:
            raise _explained(error, _NO_ACL) from None

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        place = self._client.endpoint.place(container, self._client.known_region(container))
        return f"{place.url}{place.prefix}".rstrip("/")

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return f"{self._get_container_cdn_url(container)}/{encode_path(name)}"

    # ------------------------------------------------------------------ policies

    def _allow_everybody(self, container: str) -> None:
        """Add to the bucket's policy that everybody may read objects."""
        self._unblock(container)
        policy, statements = self._statements(container)
        arn = f"{self._partition(container)}:s3:::{container}/*"
        if any(_lets_everybody_read(statement, arn) for statement in statements):
            return
        allowed = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject"],
            "Resource": [arn],
        }
        text = json.dumps({**policy, "Statement": [*statements, allowed]}).encode()
        headers = dialect.body_headers(text, "application/json")

        def look() -> bool:
            return any(_lets_everybody_read(one, arn) for one in self._statements(container)[1])

        self._put(container, operations.PUT_BUCKET_POLICY, "policy", headers, text, look=look)

    def _statements(self, container: str) -> tuple[Mapping[str, Any], list[Any]]:
        """Return the policy that the bucket has, and its statements."""
        policy = self._policy_of(container)
        found = policy.get("Statement", [])
        return policy, found if isinstance(found, list) else [found]

    def _unblock(self, container: str) -> None:
        """
        Let the bucket have a public policy; ACLs stay as blocked as they are.

        New buckets of Amazon's have all of it blocked:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
        """
        try:
            blocked = self._blocks_of(container)
        except ContainerNotFoundError:
            raise
        except StorageError as error:
            if error.retryable:
                raise
            return  # nothing is blocked, or the service knows no such thing, or does not tell
        if _blocks_policies(blocked):
            body = public_access_body(
                blocked | {"BlockPublicPolicy": False, "RestrictPublicBuckets": False}
            )
            self._put(
                container, operations.PUT_PUBLIC_ACCESS_BLOCK, "publicAccessBlock",
                dialect.body_headers(body), body,
                look=lambda: not _blocks_policies(self._blocks_of(container)),
            )  # fmt: skip

    def _blocks_of(self, container: str) -> dict[str, bool]:
        """Return which kinds of public access the bucket blocks."""
        answer = self._client.send_xml(
            operations.GET_PUBLIC_ACCESS_BLOCK, container,
            root=_BLOCKED,
            query={"publicAccessBlock": ""}, headers=self._settings.payer,
        )  # fmt: skip
        return {name: answer.fields.get(name, "").lower() == "true" for name in _BLOCKS}

    def _policy_of(self, container: str) -> Mapping[str, Any]:
        """Return the policy that the bucket has."""
        try:
            response = self._client.send(
                operations.GET_BUCKET_POLICY, container, query={"policy": ""}
            )
            policy = parse_json(response.read(MAX_ANSWER))
        except StorageError as error:
            if error.code != "NoSuchBucketPolicy":
                raise
            return {"Version": "2012-10-17"}
        except ValueError:
            policy = None
        if not isinstance(policy, dict):
            raise NotSupportedError(f"{self.service.title} does not tell the policy of a bucket")
        return policy

    def _partition(self, container: str) -> str:
        """Return what the names of a bucket's resources begin with."""
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
        region = self._client.known_region(container)
        if self.service.endpoint.endswith("amazonaws.com"):
            for start, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
                if region.startswith(start):
                    return f"arn:{partition}"
        return "arn:aws"

    # ------------------------------------------------------------------ ACLs

    def _require_public(self, container: str, name: str) -> None:
        """Raise `NotSupportedError` where an ACL that was set is not there."""
        try:
            public = self._is_public(container, name)
        except NotSupportedError:
            raise
        except StorageError:  # the service has said that it has set it
            return
        if not public:
            raise NotSupportedError("the service passes over ACLs of objects")

    def _is_public(self, container: str, name: str = "") -> bool:
        try:
            # A service that ignores the query sends the object, which is no reason to try again.
            response = self._client.send(
                operations.GET_OBJECT_ACL, container, name,
                query={"acl": ""}, headers=self._settings.payer,
            )  # fmt: skip
            answer = self._client.read_xml(
                operations.GET_OBJECT_ACL, response, "AccessControlPolicy", ("Grant",)
            )
        except ServiceError as error:
            if error.code is None and error.status == 200:
                raise NotSupportedError("the service knows no ACLs of objects") from None
            raise
        return any(
            row.get("Grantee/URI") == _EVERYBODY
            and row.get("Permission") in {"READ", "FULL_CONTROL"}
            for _, row in answer.rows
        )

    def _put(
        self,
        container: str,
        operation: Operation,
        what: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        name: str = "",
        *,
        look: Callable[[], bool],
    ) -> None:
        """
        Change a setting.

        Args:
            look: Returns whether the change is there, for a response that does not show it.
        """
        sent = {**self._settings.payer, **headers}

        def send() -> bool:
            self._client.send(
                operation, container, name, query={what: ""}, headers=sent, content=content
            ).close()
            return True

        self._client.confirmer.prove(send, lambda: look() or None)


def _blocks_policies(blocked: Mapping[str, bool]) -> bool:
    """Return whether a bucket may have no policy that makes it public."""
    return blocked["BlockPublicPolicy"] or blocked["RestrictPublicBuckets"]


def _lets_everybody_read(statement: object, arn: str) -> bool:
    """Return whether a statement of a policy allows all objects to be read, whoever asks."""
    if not isinstance(statement, dict) or "Condition" in statement:
        return False
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = principal.get("AWS")
    return (
        statement.get("Effect") == "Allow"
        and "*" in _several(principal)
        and not _READS.isdisjoint(_several(statement.get("Action")))
        and arn in _several(statement.get("Resource"))
    )


def _several(value: object) -> list[str]:
    """Return what a policy writes as one text or as a list of them."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, str)]


def _explained(error: StorageError, advice: str) -> StorageError:
    """Return an error with the advice in front of what it says already."""
    return type(error)(
        f"{advice}: {error.message}",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
