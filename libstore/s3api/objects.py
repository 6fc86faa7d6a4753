"""The requests about single objects, and batches of deletions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ..errors import (
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ..http.message import Response
from ..http.xml import is_xml_text
from ..rest.checksums import require_digest
from ..rest.client import StartedRequest
from ..rest.confirming import UNPROTECTED, Protection, Written
from ..rest.copying import find_missing, require_etag
from ..rest.dialect import condition_headers, with_token
from ..rest.reading import read_headers, sent_span, size_of_head
from ..transfer.payload import Payload
from ..values import (
    LARGEST,
    UNCONDITIONAL,
    WHOLE,
    Conditions,
    DeleteOutcome,
    MiB,
    ObjectInfo,
    Reading,
    Span,
    Undecided,
    WriteOptions,
)
from . import dialect, operations
from .client import S3Client
from .errors import error_document
from .known_objects import KnownObject, KnownObjects, is_young
from .options import ObjectSettings, tag_headers
from .service import Service
from .xml import delete_body

# Up to this size any digest is cheap.
_SMALL = MiB


class Objects:
    """
    The objects of one driver.

    Attributes:
        digests: The names of the digests that the driver computes of what it sends.
        known: The objects that responses have described.
    """

    def __init__(
        self,
        client: S3Client,
        service: Service,
        settings: ObjectSettings,
        digests: Sequence[str],
        head_container: Callable[[str], object],
    ) -> None:
        self.client = client
        self.service = service
        self.settings = settings
        self.digests = digests
        self.known = KnownObjects()
        self._head_container = head_container
        self._reads = settings.reads

    # ------------------------------------------------------------------ reading

    def head(
        self,
        container: str,
        name: str,
        version: str | None = None,
        reads: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """
        Return all that the service returns about an object.

        Args:
            reads: The headers of reads; a write with a key of its own is read with that key.
        """
        reads = self._reads if reads is None else reads
        try:
            info = self.head_stored(container, name, reads, version)
        except ObjectNotFoundError as error:
            if error.code is None:  # the response to HEAD does not say what is missing
                missing = find_missing([container], self._head_container)
                if missing is not None:
                    raise missing from None
            raise
        return self.known.note(container, info)

    def head_stored(
        self, container: str, name: str, reads: Mapping[str, str], version: str | None = None
    ) -> ObjectInfo:
        """Send one HEAD request, without checking whether the bucket exists."""
        response = self.client.send(
            operations.HEAD_OBJECT, container, name,
            query={"versionId": version} if version else None, headers=reads,
        )  # fmt: skip
        return dialect.object_info(name, response.headers, size_of_head(response), self.service)

    def start(self, container: str, name: str, version: str | None) -> StartedRequest | None:
        """Send the request of `open` for the whole object."""
        return self.client.start(
            operations.GET_OBJECT, container, name,
            query={"versionId": version} if version else None, headers=self._reads,
        )  # fmt: skip

    def open(
        self,
        container: str,
        name: str,
        span: Span,
        conditions: Conditions,
        version: str | None,
        threshold: int = LARGEST,
        started: StartedRequest | None = None,
    ) -> Reading:
        """
        Open an object for reading.

        Args:
            threshold: The span of the first request of a large download.
            started: The result of `start`, for the whole object without conditions.
        """
        headers = self._reads
        if conditions is not UNCONDITIONAL or span is not WHOLE:
            headers = {**headers, **read_headers(span, conditions)}
        response = self.client.send(
            operations.GET_OBJECT, container, name,
            query={"versionId": version} if version else None, headers=headers, started=started,
        )  # fmt: skip
        sent, size = sent_span(response)
        info = dialect.object_info(name, response.headers, size, self.service)
        self.known.note(container, info)
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: the response with a
        # range does not have the checksum of the whole object, which a large download needs.
        if (
            self.service.whole_crc32
            and not info.checksums
            and conditions.if_match is None
            and (info.size or 0) > threshold
            and span == Span(0, threshold)
        ):
            info = self._with_checksums(container, info, version)
        return Reading(info, sent, response, response.close)

    def _with_checksums(self, container: str, info: ObjectInfo, version: str | None) -> ObjectInfo:
        try:
            known = self.head(container, info.name, version)
        except StorageError:  # the object is readable without its checksum
            return info
        if known.etag != info.etag:
            return info
        return replace(info, checksums=known.checksums, extra={**info.extra, **known.extra})

    # ------------------------------------------------------------------ writing

    def put(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        """Write an object with one request."""
        settings = self.settings.overridden(options.extra) if options.extra else self.settings
        headers = self.write_headers(options, settings)
        if options.conditions:
            self.check_conditions(container, name, options.conditions)
        return self.put_content(container, name, payload, headers, settings, options.conditions)

    def put_content(
        self,
        container: str,
        name: str,
        payload: Payload,
        headers: Mapping[str, str],
        settings: ObjectSettings,
        conditions: Conditions,
    ) -> ObjectInfo:
        """Write an object whose attributes are in the headers."""
        service, token = self.service, headers.get(dialect.TOKEN)
        checksum = dialect.checksum_headers(service, payload.digest(service.digest))
        sent = {**headers, **checksum}
        protection = UNPROTECTED
        if conditions:
            sent |= condition_headers(conditions)
            protection = self._protection(container, name, conditions)

        def read(response: Response) -> ObjectInfo:
            info = dialect.written_info(name, response.headers, service)
            return info if token is None else replace(info, write_token=token)

        info = self.client.write(
            operations.PUT_OBJECT, container, name, read,
            lambda: self.head_stored(container, name, settings.reads),
            lambda info: Written(content=payload, algorithms=("md5", "crc32")).matches(info),
            conditions, token, protection, headers=sent, content=payload,
        )  # fmt: skip
        compare(payload, info, "content", self.digests)
        return self.known.note(container, info)

    def write_headers(self, options: WriteOptions, settings: ObjectSettings) -> dict[str, str]:
        """Return the headers with an object's metadata, options and storage settings."""
        headers = {**dialect.HEADERS.write_headers(options), **settings.writes}
        if options.extra:
            headers |= tag_headers(options.extra.get("tags"))
        if options.conditions.token is None:
            return headers
        limit = self.service.limits.max_metadata
        return with_token(headers, options.conditions, dialect.META, limit)

    def check_conditions(self, container: str, name: str, conditions: Conditions) -> None:
        """
        Raise the error of a condition that does not hold, if the service may ignore conditions.

        Such a service would replace an object where it should refuse the write.
        """
        if not self.service.guarded or not conditions:
            return
        try:
            info = self.known.note(container, self.head_stored(container, name, self._reads))
        except ObjectNotFoundError:
            if conditions.if_match is not None:
                raise ObjectChangedError("the object does not exist") from None
            return
        if conditions.if_absent:
            raise ObjectAlreadyExistsError("an object of this name already exists")
        require_etag(info, conditions.if_match)

    def _protection(
        self, container: str, name: str, conditions: Conditions, known_token: str | None = None
    ) -> Protection:
        """
        Return the protection of a conditional request from changing another object.

        Args:
            known_token: The token of the object of `if_match`, if the caller knows it.
        """
        client = self.client
        known = self.known.find(container, name, conditions)
        if known_token is not None:
            known = KnownObject(known_token)
        began = client.now()

        def may_be_another(info: ObjectInfo) -> bool:
            if known is not None:
                return not known.may_be(info)
            there = client.client_at(client.locate(container, "")).now_there(0.0)
            return is_young(info, there - (client.now() - began))

        # Equal contents have equal ETags, except Google's generations:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
        ambiguous = conditions.if_match is not None and not self.service.google
        return Protection(ambiguous or self.service.guarded, may_be_another)

    def write(
        self,
        send: Callable[[], ObjectInfo],
        container: str,
        name: str,
        settings: ObjectSettings,
        matches: Callable[[ObjectInfo], bool],
        conditions: Conditions,
        token: str | None,
        *,
        once: bool,
    ) -> ObjectInfo:
        """Send the last request of a write until its outcome is known; see `Confirmer.write`."""
        return self.client.confirmer.write(
            send,
            lambda: self.head_stored(container, name, settings.reads),
            matches, conditions, token, self._protection(container, name, conditions),
            once=once,
        )  # fmt: skip

    # ------------------------------------------------------------------ deleting

    def delete(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        """Delete an object, or one version of it."""
        self.check_conditions(container, name, conditions)
        query = {"versionId": version} if version else None
        headers = {**self.settings.payer, **condition_headers(conditions)}
        self.client.delete(
            operations.DELETE_OBJECT, container, name,
            lambda: self.head_stored(container, name, self._reads),
            conditions, self._protection(container, name, conditions, conditions.token),
            query=query, headers=headers,
        )  # fmt: skip

    def delete_batch(
        self, container: str, targets: Sequence[tuple[str, str | None]]
    ) -> Sequence[DeleteOutcome]:
        """Delete objects, given as name and version, with one request."""
        if not self.service.batches:
            return [Undecided()] * len(targets)
        batch, left = targets, frozenset[tuple[str, str | None]]()
        # XML cannot carry every name: some would arrive as the name of another object.
        if not is_xml_text("".join([name for name, _ in targets])):
            left = frozenset(one for one in targets if not is_xml_text(one[0]))
            batch = [one for one in targets if one not in left]
        try:
            errors = self._send_batch(container, batch) if batch else {}
        except NotSupportedError:  # an endpoint without DeleteObjects
            return [Undecided()] * len(targets)
        return [Undecided() if one in left else errors.get(one[0]) for one in targets]

    def _send_batch(
        self, container: str, targets: Sequence[tuple[str, str | None]]
    ) -> dict[str, StorageError]:
        """Return the errors of the names that were not deleted."""
        body = delete_body(targets)
        document = self.client.send_xml(
            operations.DELETE_OBJECTS, container,
            root="DeleteResult", rows=("Error",), query={"delete": ""},
            headers={**self.settings.payer, **dialect.body_headers(body)}, content=body,
        )  # fmt: skip
        found: dict[str, StorageError] = {}
        for _, row in document.rows:
            error = self.client.errors.embedded(error_document(row), None, document.headers)
            if not isinstance(error, ObjectNotFoundError):
                found[row.get("Key", "")] = error
        if found and found.keys() - {name for name, _ in targets}:
            raise ServiceError(
                "the response to DeleteObjects names objects that the request did not name"
            )
        return found


def compare(payload: Payload, info: ObjectInfo, label: str, digests: Collection[str]) -> None:
    """
    Raise `IntegrityError` if the service stored different content than was sent.

    Args:
        digests: The digests to compare of a large payload, with CRC-32, which is fast.
    """
    for algorithm, stored in info.checksums.items():
        if algorithm in digests or algorithm == "crc32" or payload.size <= _SMALL:
            what = f"the service stored a different {label} than was sent: its {algorithm}"
            require_digest(payload.digest(algorithm), stored, what)
