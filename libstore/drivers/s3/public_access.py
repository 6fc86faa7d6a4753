"""Making buckets and objects public: a policy for a whole bucket, an ACL for one object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import (
    AccessDeniedError,
    ContainerNotFoundError,
    NotSupportedError,
    ServiceError,
    StorageError,
)
from ...http.encoding import encode_path
from ...http.json import parse_json
from ...rest.client import XMLResponse
from ...rest.operation import Operation
from ...s3api import dialect, operations
from ...s3api.client import S3Client
from ...s3api.service import Service
from ...s3api.xml import public_access_body

_PUBLIC_READ = {"x-amz-acl": "public-read"}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee
_EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
# The second one is Ceph's; the third one is sent by servers that ignore ?publicAccessBlock.
_BLOCKED = (
    "PublicAccessBlockConfiguration",
    "BlockPublicAccessBlockConfiguration",
    "ListBucketResult",
)
_READS = frozenset({"s3:GetObject", "s3:Get*", "s3:*", "*"})
_NO_POLICY = (
    "public policies are forbidden by the Block Public Access settings of the bucket, the account"
    " or the organisation, or these credentials are not allowed to change them"
)
_NO_ACL = (
    "the bucket or the account does not allow public objects; enable_container_cdn() makes all"
    " objects of a bucket public where that is allowed"
)


class PublicAccess:
    """The public access to the buckets and objects of one driver."""

    def __init__(self, client: S3Client, service: Service, payer: Mapping[str, str]) -> None:
        self._client = client
        self._service = service
        self._payer = payer

    def publish_bucket(self, container: str) -> None:
        """Make all objects of a bucket public."""
        try:
            if self._service.public == "acl":
                self._put(
                    container, operations.PUT_BUCKET_ACL, "acl", _PUBLIC_READ,
                    check=lambda: self._is_public(container),
                )  # fmt: skip
            else:
                self._allow_reading(container)
        except AccessDeniedError as error:
            error.message = f"{_NO_POLICY}: {error.message}"
            raise

    def publish_object(self, container: str, name: str) -> None:
        """Make one object public."""
        # The ACL is requested first, because a server without ACLs takes PutObjectAcl for a write
        # of the object, which would become empty; and afterwards, because others ignore it.
        try:
            if not self._is_public(container, name):
                self._put(
                    container, operations.PUT_OBJECT_ACL, "acl", _PUBLIC_READ, name=name,
                    check=lambda: self._is_public(container, name),
                )  # fmt: skip
                self._require_public(container, name)
        except (AccessDeniedError, NotSupportedError) as error:
            error.message = f"{_NO_ACL}: {error.message}"
            raise

    def url(self, container: str, name: str = "") -> str:
        """Return the address of a bucket or an object."""
        place = self._client.endpoint.place(container, self._client.known_region(container))
        bucket = f"{place.url}{place.prefix}".rstrip("/")
        return f"{bucket}/{encode_path(name)}" if name else bucket

    # ------------------------------------------------------------------ policies

    def _allow_reading(self, container: str) -> None:
        """Add a statement to the bucket's policy that makes its objects public."""
        self._unblock(container)
        policy = self._policy_of(container)
        arn = f"{self._partition(container)}:s3:::{container}/*"
        if _allows_reading(policy, arn):
            return
        allowed = {
            "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [arn]
        }  # fmt: skip
        text = json.dumps({**policy, "Statement": [*_statements(policy), allowed]}).encode()
        self._put(
            container, operations.PUT_BUCKET_POLICY, "policy",
            dialect.body_headers(text, "application/json"), text,
            check=lambda: _allows_reading(self._policy_of(container), arn),
        )  # fmt: skip

    def _unblock(self, container: str) -> None:
        """
        Let the bucket have a public policy; public ACLs stay blocked.

        Amazon blocks both for new buckets:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
        """
        try:
            blocked = self._blocks_of(container)
        except ContainerNotFoundError:
            raise
        except StorageError as error:
            if error.retryable:
                raise
            return  # nothing is blocked, or the service does not have such a setting
        if _blocks_policies(blocked):
            body = public_access_body(
                blocked | {"BlockPublicPolicy": False, "RestrictPublicBuckets": False}
            )
            self._put(
                container, operations.PUT_PUBLIC_ACCESS_BLOCK, "publicAccessBlock",
                dialect.body_headers(body), body,
                check=lambda: not _blocks_policies(self._blocks_of(container)),
            )  # fmt: skip

    def _blocks_of(self, container: str) -> dict[str, bool]:
        """Return the kinds of public access that the bucket blocks."""
        document = self._client.send_xml(
            operations.GET_PUBLIC_ACCESS_BLOCK, container,
            root=_BLOCKED,
            query={"publicAccessBlock": ""}, headers=self._payer,
        )  # fmt: skip
        return {name: document.fields.get(name, "").lower() == "true" for name in _BLOCKS}

    def _policy_of(self, container: str) -> Mapping[str, Any]:
        """Return the policy of a bucket; a new one if it has none."""
        try:
            response = self._client.send(
                operations.GET_BUCKET_POLICY, container, query={"policy": ""}
            )
            policy = parse_json(response.read(self._client.max_document))
        except StorageError as error:
            if error.code != "NoSuchBucketPolicy":
                raise
            return {"Version": "2012-10-17"}
        except ValueError:
            policy = None
        if not isinstance(policy, dict):
            raise NotSupportedError(f"{self._service.title} has no bucket policies")
        return policy

    def _partition(self, container: str) -> str:
        """Return the beginning of the names of a bucket's resources."""
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
        region = self._client.known_region(container)
        if self._service.endpoint.endswith("amazonaws.com"):
            for start, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
                if region.startswith(start):
                    return f"arn:{partition}"
        return "arn:aws"

    # ------------------------------------------------------------------ ACLs

    def _require_public(self, container: str, name: str) -> None:
        """Raise `NotSupportedError` if an ACL that was set has no effect."""
        try:
            public = self._is_public(container, name)
        except NotSupportedError:
            raise
        except StorageError:  # the response to the write has shown success
            return
        if not public:
            raise NotSupportedError("the service ignores object ACLs")

    def _is_public(self, container: str, name: str = "") -> bool:
        def send() -> XMLResponse:
            try:
                return self._client.send_xml(
                    operations.GET_OBJECT_ACL, container, name,
                    root="AccessControlPolicy", rows=("Grant",),
                    query={"acl": ""}, headers=self._payer, idempotent=False,
                )  # fmt: skip
            except ServiceError as error:
                # A service that ignores the query sends the object: a reason not to repeat it.
                if error.code is None and error.status == 200:
                    raise NotSupportedError("the service has no object ACLs") from None
                raise

        document = self._client.confirmer.run(send)
        return any(
            row.get("Grantee/URI") == _EVERYONE
            and row.get("Permission") in {"READ", "FULL_CONTROL"}
            for _, row in document.rows
        )

    def _put(
        self,
        container: str,
        operation: Operation,
        setting: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        name: str = "",
        *,
        check: Callable[[], bool],
    ) -> None:
        """Change a setting; `check` is called if the response does not show that."""
        self._client.send_proved(
            check, operation, container, name,
            query={setting: ""}, headers={**self._payer, **headers}, content=content,
        )  # fmt: skip


def _blocks_policies(blocked: Mapping[str, bool]) -> bool:
    """Return whether a bucket cannot be public by a policy."""
    return blocked["BlockPublicPolicy"] or blocked["RestrictPublicBuckets"]


def _statements(policy: Mapping[str, Any]) -> list[Any]:
    found = policy.get("Statement", [])
    return found if isinstance(found, list) else [found]


def _allows_reading(policy: Mapping[str, Any], arn: str) -> bool:
    """Return whether a policy makes all objects public."""
    return any(_is_for_everyone(statement, arn) for statement in _statements(policy))


def _is_for_everyone(statement: object, arn: str) -> bool:
    if not isinstance(statement, dict) or "Condition" in statement:
        return False
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = principal.get("AWS")
    return (
        statement.get("Effect") == "Allow"
        and "*" in _texts(principal)
        and not _READS.isdisjoint(_texts(statement.get("Action")))
        and arn in _texts(statement.get("Resource"))
    )


def _texts(value: object) -> list[str]:
    """Return the items of a policy's field, which is a string or a list of strings."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]
