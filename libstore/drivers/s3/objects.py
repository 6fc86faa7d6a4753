"""What the hooks of single objects ask of S3."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from typing_extensions import override

from ...errors import (
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...http.headers import parse_date
from ...http.xml import can_write
from ...rest.client import XMLResponse
from ...rest.confirming import KnownObjects, Protection, StoredObject, Written
from ...rest.dialect import condition_headers, with_token
from ...rest.driver import RestDriver
from ...rest.operation import Operation
from ...rest.reading import read_headers, sent_span, size_of_head
from ...transfer.payload import Payload
from ...values import (
    Conditions,
    CopyOptions,
    DeleteOutcome,
    MiB,
    ObjectInfo,
    Reading,
    SigningOptions,
    Span,
    Undecided,
    WriteOptions,
)
from . import dialect, operations
from .client import S3Client
from .copying import Copier
from .errors import error_document
from .options import tag_headers
from .services import AWS, Service
from .settings import Settings
from .unverified_conditions import Doubts
from .uploads import Uploads
from .xml import MAX_PAGE, delete_body

# Up to this size any digest is cheap.
_SMALL = MiB


class ObjectHooks(RestDriver[S3Client, Settings]):
    """
    The hooks of single objects, and what all hooks build on.

    Attributes:
        service: The record of the service; an endpoint that is not Amazon's has another than the
            class.
    """

    service: Service = AWS
    _copier: Copier
    _uploads: Uploads
    _doubts: Doubts
    _known: KnownObjects
    _reads: Mapping[str, str]

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        return self._look(container, name, version, self._reads)

    def _look(
        self, container: str, name: str, version: str | None, reads: Mapping[str, str]
    ) -> ObjectInfo:
        """
        Return all that the service knows of one object.

        Args:
            reads: The headers of reads; an upload with a key of its own is read with that key.
        """
        try:
            return self._peek(container, name, version, reads)
        except ObjectNotFoundError as error:
            if error.code is None:  # an answer to HEAD cannot tell what it is that is missing
                self._require_container(container)
            raise

    def _require_container(self, container: str) -> None:
        """Raise `ContainerNotFoundError` if the service says that there is no such bucket."""
        try:
            self._head_container(container)
        except ContainerNotFoundError:
            raise
        except StorageError:  # who may not look at the bucket can still learn of the object
            pass

    def _peek(
        self, container: str, name: str, version: str | None, reads: Mapping[str, str]
    ) -> ObjectInfo:
        """Do the same with one request, for whom it does not matter what it is that is missing."""
        query = {"versionId": version} if version else None
        response = self._client.send(
            operations.HEAD_OBJECT, container, name, query=query, headers=reads
        )
        size = size_of_head(response)
        info = dialect.object_info(name, response.headers, size, self.service)
        return self._known.note(container, info)

    def _protection(self, container: str, name: str, conditions: Conditions) -> Protection:
        """Return what keeps a conditional request from changing another object."""
        return Protection(
            self._doubts.looks_first(conditions), self._known.find(container, name, conditions)
        )

    def _look_again(self, container: str, name: str, reads: Mapping[str, str]) -> StoredObject:
        """Look at what an object has become, after a response was lost."""
        response = self._client.send(operations.HEAD_OBJECT, container, name, headers=reads)
        size = size_of_head(response)
        info = dialect.object_info(name, response.headers, size, self.service)
        now = parse_date(response.headers.get("date"))
        written = info.last_modified
        age = None if now is None or written is None else (now - written).total_seconds()
        return StoredObject(info, age)

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        response = self._client.send(
            operations.GET_OBJECT, container, name,
            query={"versionId": version} if version else None,
            headers={**self._reads, **read_headers(span, conditions)},
        )  # fmt: skip
        sent, size = sent_span(response)
        info = dialect.object_info(name, response.headers, size, self.service)
        self._known.note(container, info)
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: the response with a
        # range does not have the checksum of the whole object, which a large download needs.
        threshold = self.transfer.multipart_threshold
        if (
            self.service.whole_crc32
            and not info.checksums
            and conditions.if_match is None
            and span == Span(0, threshold)
            and (info.size or 0) > threshold
        ):
            info = self._with_digests(container, info, version)
        return Reading(info, sent, response, response.close)

    def _with_digests(self, container: str, info: ObjectInfo, version: str | None) -> ObjectInfo:
        try:
            known = self._head_object(container, info.name, version)
        except StorageError:  # the object is readable without its digest
            return info
        if known.etag != info.etag:
            return info
        return replace(info, checksums=known.checksums, extra={**info.extra, **known.extra})

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        conditions = options.conditions
        bound = conditions != Conditions()
        settings = self._settings.overridden(options.extra) if options.extra else self._settings
        headers = {**self._write_headers(options, settings), **self._digest_headers(payload)}
        if bound:
            self._doubts.look_before_put(container, name, conditions)
            headers |= condition_headers(conditions)
        token = headers.get(dialect.TOKEN)

        def put() -> ObjectInfo:
            response = self._client.send(
                operations.PUT_OBJECT, container, name,
                headers=headers, content=payload, idempotent=not bound,
            )  # fmt: skip
            response.close()
            info = dialect.written_info(name, response.headers, self.service)
            return info if token is None else replace(info, write_token=token)

        info = self._client.confirmer.write(
            put,
            lambda: self._look_again(container, name, settings.reads),
            Written(content=payload, algorithms=("md5", "crc32")).matches,
            conditions, token,
            self._protection(container, name, conditions),
        )  # fmt: skip
        if bound and payload.size <= _SMALL:
            info = self._doubts.settle(put, info, conditions)
        self._compare(payload, info, "content")
        return self._known.note(container, info)

    def _write_headers(self, options: WriteOptions, settings: Settings) -> dict[str, str]:
        """Return the headers of what is kept with an object and how."""
        headers = {**dialect.HEADERS.write_headers(options), **settings.kept}
        if options.extra:
            headers |= tag_headers(options.extra.get("tags"))
        if options.conditions.token is None:
            return headers
        limit = self.service.limits.max_metadata
        return with_token(headers, options.conditions, dialect.META, limit)

    def _digest_headers(self, payload: Payload) -> dict[str, str]:
        """Return the header by which the service checks what arrives."""
        return dialect.checksum_headers(self.service, payload.digest(self.service.digest))

    def _compare(self, payload: Payload, info: ObjectInfo, what: str) -> None:
        """
        Compare what the service says that it has stored with what was sent.

        Of what is large, only those digests are computed that are needed or cost next to nothing.
        """
        for algorithm, told in info.checksums.items():
            if not (algorithm in {*self.digests, "crc32"} or payload.size <= _SMALL):
                continue
            digest = payload.digest(algorithm)
            if told != digest:
                raise IntegrityError(
                    f"the service has stored another {what} than was sent: its {algorithm}"
                    f" should be {digest}, but is {told}"
                )

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self._doubts.look(container, name, conditions)
        query = {"versionId": version} if version else None
        headers = {**self._settings.payer, **condition_headers(conditions)}
        self._client.confirmer.delete(
            lambda: self._client.send(
                operations.DELETE_OBJECT, container, name,
                query=query, headers=headers, idempotent=conditions.if_match is None,
            ).close(),
            lambda: self._look_again(container, name, self._reads),
            conditions,
            self._protection(container, name, conditions),
        )  # fmt: skip

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        return self._delete_batch(container, [(name, None) for name in names])

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        return self._delete_batch(container, [(info.name, info.version) for info in versions])

    def _delete_batch(
        self, container: str, targets: Sequence[tuple[str, str | None]]
    ) -> Sequence[DeleteOutcome]:
        """Delete objects, given as name and version, with one request."""
        # XML cannot carry every name: some would arrive as the name of another object.
        batch = [one for one in targets if self.service.batches and can_write(one[0])]
        try:
            errors = self._send_batch(container, batch) if batch else {}
        except NotSupportedError:  # an endpoint without DeleteObjects
            return [Undecided()] * len(targets)
        sent = set(batch)
        return [errors.get(one[0]) if one in sent else Undecided() for one in targets]

    def _send_batch(
        self, container: str, targets: Sequence[tuple[str, str | None]]
    ) -> dict[str, StorageError]:
        """Return the errors of the names that were not deleted."""
        body = delete_body(targets)
        headers = {**self._settings.payer, **dialect.body_headers(body)}
        response = self._client.send_xml(
            operations.DELETE_OBJECTS, container,
            root="DeleteResult", rows=("Error",),
            query={"delete": ""}, headers=headers, content=body,
        )  # fmt: skip
        found: dict[str, StorageError] = {}
        for _, fields in response.rows:
            error = self._client.errors.embedded(error_document(fields), None, response.headers)
            if not isinstance(error, ObjectNotFoundError):
                found[fields.get("Key", "")] = error
        if found.keys() - {name for name, _ in targets}:
            raise ServiceError("the response names objects that the request did not")
        return found

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        self._doubts.look(container, name, options.conditions)
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
        return self._copier.replace_metadata(container, info, metadata, content_type, conditions)

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        if self._client.credentials is None:
            raise NotSupportedError("an anonymous driver has nothing to sign URLs with")
        expires = max(1, int(options.expires))
        query = {**self._settings.payer, **dialect.response_query(options.response_headers)}
        headers = dialect.signed_headers(options.headers)
        return self._client.signed_url(options.method, container, name, expires, query, headers)

    # ------------------------------------------------------------------ beneath the hooks

    def _page(
        self,
        operation: Operation,
        bucket: str,
        root: str | tuple[str, ...],
        rows: Collection[str],
        query: Mapping[str, str] | None,
        name: str = "",
    ) -> XMLResponse:
        """Return one page of a listing."""
        return self._client.send_xml(
            operation, bucket, name,
            root=root, rows=rows, limit=MAX_PAGE, query=query, headers=self._settings.payer,
        )  # fmt: skip
