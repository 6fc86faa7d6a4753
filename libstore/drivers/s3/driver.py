"""The driver: what each hook asks of S3."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from typing_extensions import override

from ...base import StorageDriver
from ...errors import (
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...hooks import MULTIPART_HOOKS, DriverHooks
from ...http.headers import parse_content_range, parse_size
from ...http.message import Response
from ...http.xml import can_write
from ...retry import RetryPolicy
from ...transfer.options import TransferOptions
from ...transfer.payload import Payload
from ...values import (
    Conditions,
    ContainerInfo,
    CopyOptions,
    ListQuery,
    ObjectInfo,
    Page,
    Part,
    Prefix,
    Reading,
    Span,
    Upload,
    WriteOptions,
)
from . import dialect
from .calls import Answer, Calls
from .copies import Copier
from .endpoints import check_bucket_name, check_new_bucket_name
from .markup import MAX_PAGE, complete_body, delete_body, location_body
from .services import AWS, Service
from .settings import Settings

_LISTED = frozenset({"Contents", "CommonPrefixes"})


class S3Driver(StorageDriver):
    """
    Amazon S3, or the service at an endpoint that you name.

    Args:
        key: The access key's id. Without it, the environment's ``AWS_ACCESS_KEY_ID``,
            ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN`` are taken.
        secret: The secret access key.
        token: The session token of temporary credentials.
        region: Where new buckets are made, and where others are looked for first. The region of
            a bucket that is elsewhere is found by itself.
        account: Your account's id, for services whose endpoint has it.
        endpoint: Where the service is, as ``https://host[:port]``.
        anonymous: Send requests without credentials, for what everybody may read.
        path_style: Name buckets in the path of URLs (true) or in their host (false); by default
            whichever the endpoint and the bucket's name allow.
        insecure: Allow ``http://`` to hosts other than this machine.
        dualstack: Use Amazon's endpoints for IPv6 and IPv4.
        fips: Use Amazon's endpoints with FIPS 140 cryptography.
        accelerate: Use Amazon's endpoint for transfers over long distances.
        requester_pays: Pay for requests to buckets of others that ask for it.
        encryption: How the service encrypts what is written: ``"AES256"``, ``"aws:kms"`` or
            ``"aws:kms:dsse"``; the bucket's own setting by default.
        kms_key: The key for ``"aws:kms"``.
        customer_key: A key of 32 bytes that encrypts what is written, and that what is read was
            encrypted with. The service does not keep it.
        acl: A canned ACL for what is written, such as ``"public-read"``.
        verify: Whether the service's certificate is checked, or a file of authorities.
        timeout: Seconds for a connection, and for each answer to go on; or a pair of both.
        proxies: URLs of proxies by scheme, in place of those that the environment names.
        pickle_secret: Let pickles of the driver carry a secret that was given literally.
        retry: When to try again after a failure that may pass.
        transfer: How large transfers are cut up, and how many parts travel at once.

    Raises:
        CredentialsNotFoundError: There is no key, and `anonymous` was not asked for.
        InvalidOptionError: An option cannot work, or does not go with another.
    """

    name: ClassVar[str] = "s3"
    options: ClassVar[frozenset[str]] = AWS.options
    #: The record of the service; an endpoint that is not Amazon's has another than the class.
    service: Service = AWS

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        *,
        token: str | None = None,
        region: str | None = None,
        account: str | None = None,
        endpoint: str | None = None,
        anonymous: bool = False,
        path_style: bool | None = None,
        insecure: bool = False,
        dualstack: bool = False,
        fips: bool = False,
        accelerate: bool = False,
        requester_pays: bool = False,
        encryption: str | None = None,
        kms_key: str | None = None,
        customer_key: bytes | None = None,
        acl: str | None = None,
        verify: bool | str = True,
        timeout: float | tuple[float, float] | None = None,
        proxies: Mapping[str, str] | None = None,
        pickle_secret: bool = False,
        retry: RetryPolicy | None = None,
        transfer: TransferOptions | None = None,
    ) -> None:
        super().__init__(retry=retry, transfer=transfer)
        given = Settings(
            key, secret, token, region, account, endpoint, anonymous, path_style, insecure,
            dualstack, fips, accelerate, requester_pays, encryption, kms_key, customer_key, acl,
            verify, timeout, proxies, pickle_secret,
        )  # fmt: skip
        self._settings = settings = given.completed(self.service, os.environ)
        self.service = service = settings.service_of(self.service)
        self.limits = service.limits
        self.digests = ("crc32",) if service.digest == "crc32" else ("md5",)
        self._calls = Calls(
            settings.endpoint_of(service),
            settings.transport(self.transfer.concurrency),
            settings.credentials,
            settings.first_region(service),
            fixed=settings.region is not None,
            retry=lambda: self.retry,
        )
        self._reads = {**settings.access, "x-amz-checksum-mode": "ENABLED"}
        self._copier = Copier(self._calls, service, settings, self._head_object)

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        options = {**self._settings.pickled(), "retry": self.retry, "transfer": self.transfer}
        return _restore, (type(self), options)

    @override
    def __repr__(self) -> str:
        place = self._calls.endpoint.place(None, self._calls.region)
        return f"<{type(self).__name__} {place.url}{place.prefix.rstrip('/')}>"

    @override
    def close(self) -> None:
        self._calls.close()

    # ------------------------------------------------------------------ names

    @override
    def _check_container_name(self, name: str) -> None:
        check_bucket_name(name)

    @override
    def _check_object_name(self, name: str) -> None:
        if self.service.names == "tree":
            dialect.check_tree_name(name)

    # ------------------------------------------------------------------ buckets

    @override
    def _create_container(self, name: str) -> ContainerInfo:
        check_new_bucket_name(name)
        region = self._calls.region
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: in us-east-1 a
        # bucket that one has already is answered as if it had been made, and its ACLs are reset.
        if self.service.recreates or region == "us-east-1":
            self._require_absent(name)
        located = self.service.location and region != "us-east-1"
        headers = {"content-type": "application/xml"} if located else {}
        self._calls.forget(name)
        self._ask(
            "PUT", "CreateBucket", name,
            headers=headers, content=location_body(region) if located else None,
        ).close()  # fmt: skip
        self._calls.settle(name, region)
        return ContainerInfo(name, extra={"region": region})

    def _require_absent(self, name: str) -> None:
        try:
            self._head_container(name)
        except ContainerNotFoundError:
            return
        raise ContainerAlreadyExistsError("you have a bucket of this name already")

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        response = self._missing_is_bucket("HEAD", "HeadBucket", name)
        response.close()
        region = response.headers.get("x-amz-bucket-region", self._calls.known_region(name))
        return ContainerInfo(name, extra={"region": region}, complete=True)

    @override
    def _delete_container(self, name: str) -> None:
        self._missing_is_bucket("DELETE", "DeleteBucket", name).close()
        self._calls.forget(name)

    def _missing_is_bucket(self, method: str, operation: str, name: str) -> Response:
        try:
            return self._ask(method, operation, name)
        except ObjectNotFoundError as error:  # status 404 without a code
            raise ContainerNotFoundError(
                "there is no such bucket", status=error.status, request_id=error.request_id
            ) from None

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = {"continuation-token": token} if token else None
        page = self._page("ListBuckets", None, "ListAllMyBucketsResult", ("Bucket",), query)
        return dialect.bucket_page(page)

    # ------------------------------------------------------------------ listing

    @override
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        asked = dialect.list_query(query, token, limit, self.service)
        operation = "ListObjectsV2" if self.service.list_version == 2 else "ListObjects"
        page = self._page(operation, container, "ListBucketResult", _LISTED, asked)
        return dialect.list_page(page, self.service)

    # ------------------------------------------------------------------ one object

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        query = {"versionId": version} if version else None
        try:
            response = self._ask(
                "HEAD", "HeadObject", container, name, query=query, headers=self._reads
            )
        except ObjectNotFoundError as error:
            if error.code is None:  # an answer to HEAD cannot tell what it is that is missing
                self._head_container(container)
            raise
        response.close()
        told = response.headers
        return dialect.object_info(
            name, told, parse_size(told.get("content-length")), self.service
        )

    @override
    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        headers = {**self._reads}
        whole = span.start == 0 and span.stop is None
        if not whole:
            last = "" if span.stop is None else span.stop - 1
            headers["range"] = f"bytes={span.start}-{last}"
        if conditions.if_match is not None:
            headers |= dialect.condition_headers(conditions)
        query = {"versionId": version} if version else None
        try:
            response = self._ask("GET", "GetObject", container, name, query=query, headers=headers)
        except StorageError as error:
            if error.status != 416:
                raise
            return self._past_the_end(container, name, conditions, version)
        sent, size = _sent(response)
        info = dialect.object_info(name, response.headers, size, self.service)
        if self._wants_whole_digest(span, conditions, info):
            info = replace(info, checksums=self._digests_of(container, name, info.etag, version))
        return Reading(info, sent, response.body, response.close)

    def _past_the_end(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> Reading:
        info = self._head_object(container, name, version)
        if conditions.if_match not in {None, info.etag}:
            raise ObjectChangedError("the object has another ETag")
        size = info.size or 0
        return Reading(info, Span(size, size), _Nothing())

    def _wants_whole_digest(self, span: Span, conditions: Conditions, info: ObjectInfo) -> bool:
        """Return whether a large download begins here, whose ranges are told no digest."""
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: the checksum of a
        # whole object does not come with a range of it.
        return (
            self.service.whole_crc32
            and not info.checksums
            and conditions.if_match is None
            and span == Span(0, self.transfer.multipart_threshold)
            and (info.size or 0) > self.transfer.multipart_threshold
        )

    def _digests_of(
        self, container: str, name: str, etag: str | None, version: str | None
    ) -> Mapping[str, str]:
        info = self._head_object(container, name, version)
        return info.checksums if info.etag == etag else {}

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        conditions = options.conditions
        self._look_before(container, name, conditions)
        headers = {**dialect.write_headers(options), **self._settings.kept}
        headers |= self._digest_headers(payload)
        headers |= dialect.condition_headers(conditions)
        bound = conditions != Conditions()

        def put() -> ObjectInfo:
            response = self._ask(
                "PUT", "PutObject", container, name,
                headers=headers, content=payload, idempotent=not bound,
            )  # fmt: skip
            response.close()
            return dialect.written_info(name, response.headers, self.service)

        def look() -> ObjectInfo | None:
            return self._ours(
                container, name, payload.size, {"md5": payload.digest("md5"),
                                                "crc32": payload.digest("crc32")}, None,
            )  # fmt: skip

        return self._calls.persist_once(put, look) if bound else put()

    def _look_before(self, container: str, name: str, conditions: Conditions) -> None:
        """Look whether conditions hold, if nobody knows whether the service does."""
        if not self.service.guarded or conditions == Conditions():
            return
        try:
            etag = self._head_object(container, name, None).etag
        except ObjectNotFoundError:
            if conditions.if_match is not None:
                raise ObjectChangedError("there is no such object") from None
            return
        if conditions.if_absent:
            raise ObjectAlreadyExistsError("there is an object of this name already")
        if etag != conditions.if_match:
            raise ObjectChangedError(f"the object has another ETag, {etag}")

    def _ours(
        self,
        container: str,
        name: str,
        size: int,
        checksums: Mapping[str, str],
        etag: str | None,
    ) -> ObjectInfo | None:
        """Return what the service has, if it is what we sent."""
        try:
            info = self._head_object(container, name, None)
        except StorageError:
            return None
        if info.size != size:
            return None
        known = [digest for digest in info.checksums if digest in checksums]
        same = known and all(info.checksums[digest] == checksums[digest] for digest in known)
        return info if same or (etag is not None and info.etag == etag) else None

    def _digest_headers(self, payload: Payload) -> dict[str, str]:
        """Return the header by which the service checks what arrives."""
        if self.service.digest == "crc32":
            return {"x-amz-checksum-crc32": dialect.base64_of(payload.digest("crc32"))}
        return {"content-md5": dialect.base64_of(payload.digest("md5"))}

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self._look_before(container, name, conditions)
        query = {"versionId": version} if version else None
        headers = {**self._settings.payer, **dialect.condition_headers(conditions)}
        bound = conditions.if_match is not None

        def delete() -> bool:
            self._ask(
                "DELETE", "DeleteObject", container, name,
                query=query, headers=headers, idempotent=not bound,
            ).close()  # fmt: skip
            return True

        def look() -> bool | None:
            try:
                self._head_object(container, name, version)
            except ObjectNotFoundError:
                return True
            return None

        try:
            _ = self._calls.persist_once(delete, look) if bound else delete()
        except ObjectNotFoundError:
            if bound:
                raise ObjectChangedError("there is no such object") from None

    @override
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        results: dict[str, StorageError | None] = dict.fromkeys(names)
        # What XML cannot carry goes by itself: its name would arrive as another one.
        odd = [name for name in results if not can_write(name)]
        together = [name for name in results if can_write(name)]
        if together:
            results |= self._delete_together(container, together)
        if odd:
            results.update(zip(odd, super()._delete_objects(container, odd), strict=True))
        return [results[name] for name in names]

    def _delete_together(
        self, container: str, names: Sequence[str]
    ) -> dict[str, StorageError | None]:
        body = delete_body(names)
        headers = {**self._settings.payer, **dialect.body_headers(body)}
        answer = self._calls.persist(
            lambda: self._calls.ask_xml(
                "POST", "DeleteObjects", container,
                expected=("DeleteResult",), rows=("Error",),
                query={"delete": ""}, headers=headers, content=body,
            )
        )  # fmt: skip
        found: dict[str, StorageError | None] = {}
        for _, told in answer.rows:
            error = self._calls.errors.inside(told, None, answer.headers.get("x-amz-request-id"))
            if not isinstance(error, ObjectNotFoundError):
                found[told.get("Key", "")] = error
        strangers = found.keys() - set(names)
        if strangers:
            raise ServiceError("the service tells of objects that it was not asked to delete")
        return found

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        self._look_before(container, name, options.conditions)
        return self._copier.copy((source_container, source), (container, name), options)

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        info = self._head_object(container, name, None)
        if conditions.if_match not in {None, info.etag}:
            raise ObjectChangedError(f"the object has another ETag, {info.etag}")
        return self._copier.replace_metadata(container, info, metadata, content_type)

    @override
    def _sign_url(self, container: str, name: str, method: str, expires: float) -> str:
        if self._calls.credentials is None:
            raise NotSupportedError("an anonymous driver has nothing to sign URLs with")
        payer = {"x-amz-request-payer": "requester"} if self._settings.payer else {}
        return self._calls.signed_url(method, container, name, max(1, int(expires)), payer)

    # ------------------------------------------------------------------ uploads in parts

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        headers = {**dialect.write_headers(options), **self._settings.kept}
        if self.service.whole_crc32:
            headers |= dialect.WHOLE_CRC32
        return self._copier.start(container, name, headers)

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        headers = self._settings.access
        headers |= self._digest_headers(payload)
        response = self._ask(
            "PUT", "UploadPart", upload.container, upload.name,
            query={"partNumber": str(number), "uploadId": upload.id},
            headers=headers, content=payload,
        )  # fmt: skip
        response.close()
        info = dialect.written_info(upload.name, response.headers, self.service)
        if info.etag is None:
            raise ServiceError("the service tells no ETag of a part", retryable=True)
        for algorithm in self.digests:
            told, digest = info.checksums.get(algorithm), payload.digest(algorithm)
            if told is not None and told != digest:
                raise IntegrityError(
                    f"the service has stored another part {number} than was sent: its"
                    f" {algorithm} should be {digest}, but is {told}"
                )
        known = {algorithm: payload.digest(algorithm) for algorithm in self.digests}
        return Part(number, offset, payload.size, info.etag, known)

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        container, name = upload.container, upload.name
        self._look_before(container, name, options.conditions)
        crc = self.service.whole_crc32
        body = complete_body(
            (part.number, part.token, dialect.base64_of(part.checksums["crc32"]) if crc else None)
            for part in parts
        )
        headers = self._settings.access
        headers |= dialect.condition_headers(options.conditions)
        if crc:
            headers |= dialect.whole_crc32(checksums["crc32"])
        etag = dialect.composite_etag([part.token for part in parts])
        size = sum(part.size for part in parts)
        info = self._calls.persist_once(
            lambda: self._copier.complete(upload, body, headers),
            lambda: self._ours(container, name, size, checksums, etag),
        )
        if (
            self.service.composite_etags
            and etag is not None
            and dialect.is_composite(info.etag)
            and info.etag != etag
        ):
            raise IntegrityError(
                f"the service has put together other parts than were sent: the ETag should be"
                f" {etag}, but is {info.etag}"
            )
        return info

    @override
    def _abort_upload(self, upload: Upload) -> None:
        self._copier.abort(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        query = {"max-uploads": "1000", "uploads": ""}
        if self.service.encoded_lists:
            query["encoding-type"] = "url"
        if token is not None:
            query["upload-id-marker"], _, query["key-marker"] = token.partition("\n")
        query = dict(sorted(query.items()))
        try:
            page = self._page(
                "ListMultipartUploads", container, "ListMultipartUploadsResult", ("Upload",), query
            )
        except ServiceError as error:
            if error.code != "NoSuchUpload":  # what gofakes3 says where there are none
                raise
            return Page([])
        return dialect.upload_page(page, container)

    # ------------------------------------------------------------------ beneath the hooks

    def _page(
        self,
        operation: str,
        bucket: str | None,
        expected: str,
        rows: Collection[str],
        query: Mapping[str, str] | None,
    ) -> Answer:
        """Return one page of a listing."""
        return self._calls.persist(
            lambda: self._calls.ask_xml(
                "GET",
                operation,
                bucket,
                expected=(expected,),
                rows=rows,
                limit=MAX_PAGE,
                query=query,
                headers=self._settings.payer,
            )
        )

    def _ask(
        self,
        method: str,
        operation: str,
        bucket: str | None,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | Payload | None = None,
        idempotent: bool = True,
    ) -> Response:
        return self._calls.ask(
            method, operation, bucket, name,
            query=query, headers=headers, content=content, idempotent=idempotent,
        )  # fmt: skip


class _Nothing:
    """The body of an answer that has none."""

    def readinto(self, buffer: memoryview, /) -> int:
        return 0


def _sent(response: Response) -> tuple[Span, int | None]:
    """Return which bytes an answer has, and the size of the whole object."""
    told = parse_content_range(response.headers.get("content-range"))
    if told is not None and told[0] is not None:  # whatever the status is: some say 200
        return told[0], told[1]
    if response.status == 206:
        response.close()
        raise ServiceError("the service sends a range and does not say which", status=206)
    return Span(0, response.size), response.size


def driver_class(service: Service, name: str | None = None) -> type[S3Driver]:
    """
    Return the driver of a service.

    Args:
        service: Its record; one of your own works like those of this library.
        name: What the class is called.
    """
    lacking: dict[str, Any] = {}
    hooks = (() if service.batches else ("_delete_objects",)) + (
        () if service.parts else MULTIPART_HOOKS
    )
    for hook in hooks:
        lacking[hook] = getattr(DriverHooks, hook)
    label = name or "".join(map(str.capitalize, service.name.split("-"))) + "Driver"
    members = {
        "__module__": __package__,
        "__doc__": f"{service.title}. {S3Driver.__doc__}",
        "name": service.name,
        "options": service.options,
        "service": service,
        **lacking,
    }
    return type(label, (S3Driver,), members)


def _restore(cls: type[S3Driver], options: dict[str, Any]) -> S3Driver:
    return cls(**options)
