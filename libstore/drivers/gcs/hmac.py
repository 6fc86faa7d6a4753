"""
The driver with an HMAC key, which Google's XML API takes: the S3 dialect with Google's names.

https://cloud.google.com/storage/docs/authentication/hmackeys
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from typing_extensions import override

from ...auth.google import HMACSigner
from ...auth.sigv4 import GOOGLE, signing_key
from ...errors import (
    AccessDeniedError,
    InvalidOptionError,
    NotSupportedError,
    ObjectNotFoundError,
    StorageError,
)
from ...http.headers import parse_size, parse_timestamp
from ...listing import iterate_pages
from ...registry import get_driver
from ...rest.settings import RestSettings
from ...transfer.payload import Payload
from ...values import (
    Conditions,
    ContainerInfo,
    CopyOptions,
    DeleteOutcome,
    ListQuery,
    MiB,
    ObjectInfo,
    Page,
    Part,
    Prefix,
    Reading,
    Span,
    Undecided,
    Upload,
    WriteOptions,
)
from . import dialect, operations
from .driver import GCSDriver, is_installed
from .resumable import PREFIX
from .xml_uploads import write_headers

_VERSION_LISTS = ("ListBucketResult", "ListVersionsResult")
_VERSIONS = frozenset({"Contents", "Version"})
_MAX_PAGE = 16 * MiB


class HMACDriver(GCSDriver):
    """
    `GCSDriver` with an HMAC key.

    What it asks goes to the driver of the S3 dialect, whose record ``"gcs-s3"`` says what is
    different at Google.
    """

    _inner: Any

    @override
    def _connect(self) -> None:
        super()._connect()
        settings = self._settings
        key, secret = settings.key, settings.secret
        assert key is not None
        assert secret is not None
        given: dict[str, Any] = {
            **{name: getattr(settings, name) for name in RestSettings.table},
            "account": settings.project,
            "requester_pays": settings.user_project is not None,
            "endpoint": settings.endpoint,
            "insecure": settings.insecure or settings.emulated,
            "customer_key": settings.customer_key,
            "kms_key": settings.kms_key,
            "encryption": "aws:kms" if settings.kms_key else None,
        }
        self._inner = get_driver("gcs-s3")(key, secret, **given)
        self._inner._client.retrier.bucket = self._client.retrier.bucket
        self._inner._client.payer = settings.user_project
        self.limits = self._inner.limits
        if is_installed("google_crc32c"):
            # What came in parts is known again by nothing else, once an answer was lost.
            self._inner.digests = ("md5", "crc32c")
        self.digests = self._inner.digests
        signer = HMACSigner(key, lambda day: signing_key(secret, day, "auto", "storage", GOOGLE))
        self._access = replace(self._access, url_signer=signer)

    def _driver(self) -> Any:
        """Return who speaks to the service, by the policies that are set now."""
        inner = self._inner
        inner.retry, inner.transfer, inner.limits = self.retry, self.transfer, self.limits
        return inner

    @override
    def close(self) -> None:
        self._inner.close()
        super().close()

    # ------------------------------------------------------------------ buckets

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        unknown = extra.keys() - {"location"}
        if unknown:
            raise NotSupportedError(f"an HMAC key cannot make a bucket with {min(unknown)}")
        location = extra.get("location")
        asked = {"region": str(location).lower()} if location is not None else {}
        info: ContainerInfo = self._driver()._create_container(name, asked)
        return info

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        info: ContainerInfo = self._driver()._head_container(name)
        return replace(info, extra={})

    @override
    def _delete_container(self, name: str) -> None:
        self._driver()._delete_container(name)

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        page: Page[ContainerInfo] = self._driver()._list_containers(token)
        return page

    @override
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        page: Page[ObjectInfo | Prefix] = self._driver()._list_objects(
            container, query, token, limit
        )
        return page

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        # https://cloud.google.com/storage/docs/xml-api/get-bucket-list
        generation, _, marker = (token or "").partition("\n")
        fields = {
            "encoding-type": "url", "generation-marker": generation, "marker": marker,
            "max-keys": str(limit), "prefix": prefix,
        }  # fmt: skip
        query = {name: value for name, value in fields.items() if value} | {"versions": ""}
        client = self._driver()._client
        page = client.send_xml(
            operations.LIST_VERSIONS, container,
            root=_VERSION_LISTS, rows=_VERSIONS, limit=_MAX_PAGE, query=query,
        )  # fmt: skip
        found = [_version(row) for _, row in page.rows]
        if page.fields.get("IsTruncated", "").lower() != "true" or not found:
            return Page(found)
        marker = _decoded(page.fields.get("NextMarker", "")) or found[-1].name
        generation = page.fields.get("NextGenerationMarker", "")
        return Page(found, f"{generation}\n{marker}")

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        return [Undecided()] * len(versions)  # batches of the XML API have no generations

    # ------------------------------------------------------------------ objects

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        info: ObjectInfo = self._driver()._head_object(container, name, version)
        return info

    @override
    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        reading: Reading = self._driver()._get_object(container, name, span, conditions, version)
        return reading

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        info: ObjectInfo = self._driver()._put_object(
            container, name, payload, replace(options, extra=_extra(options.extra))
        )
        return info

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self._driver()._delete_object(container, name, conditions, version)

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        outcomes: Sequence[DeleteOutcome] = self._driver()._delete_objects(container, names)
        return outcomes

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        info: ObjectInfo = self._driver()._copy_object(
            source_container, source, container, name,
            replace(options, extra=_extra(options.extra)),
        )  # fmt: skip
        return self._described(container, info, options.extra)

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        info: ObjectInfo = self._driver()._set_metadata(
            container, name, metadata, content_type, conditions
        )
        return self._described(container, info)

    def _described(
        self, container: str, info: ObjectInfo, extra: Mapping[str, object] | None = None
    ) -> ObjectInfo:
        """
        Return the info with the generation, which not every answer of the XML API tells.

        Args:
            extra: Options of the write, which may have had a key of its own.
        """
        if info.etag is not None and info.etag.isdigit():
            return info
        inner = self._driver()
        reads = inner._settings.overridden(_extra(extra or {})).reads
        try:
            found: ObjectInfo = inner._look(container, info.name, None, reads)
        except StorageError:  # an Object Creator may not read it
            return replace(info, etag=None)
        return found

    # ------------------------------------------------------------------ uploads in parts

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        if options.conditions != Conditions():
            return self._start_session(container, name, options)
        started: str = self._driver()._start_upload(
            container, name, replace(options, extra=_extra(options.extra))
        )
        return started

    def _start_session(self, container: str, name: str, options: WriteOptions) -> str:
        """Begin a resumable upload, which has conditions; its address is all that it needs."""
        # https://cloud.google.com/storage/docs/xml-api/post-object-resumable
        kept = write_headers(options)
        extra = options.extra
        kms = extra.get("kms_key", self._settings.kms_key)
        if kms is not None and "customer_key" not in extra:
            kept["x-goog-encryption-kms-key-name"] = str(kms)
        sent = {**kept, "x-goog-resumable": "start", **_generation(options.conditions)}
        key = self._encryption.headers(extra)
        response = self._driver()._client.send(
            operations.START_UPLOAD, container, name, headers={**sent, **key}
        )
        return self._uploads.resumable.add(container, name, response, key)

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        if upload.id.startswith(PREFIX):
            return self._uploads.resumable.put(upload, number, offset, payload)
        part: Part = self._driver()._put_part(upload, number, offset, payload)
        return part

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        if upload.id.startswith(PREFIX):
            info = super()._finish_upload(upload, parts, options, checksums)
            return self._described(upload.container, info, options.extra)
        info = self._driver()._finish_upload(
            upload, parts, replace(options, extra=_extra(options.extra)), checksums
        )
        return self._described(upload.container, info, options.extra)

    @override
    def _abort_upload(self, upload: Upload) -> None:
        if upload.id.startswith(PREFIX):
            self._uploads.resumable.abort(upload)
        else:
            self._driver()._abort_upload(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        page: Page[Upload] = self._driver()._list_uploads(container, token)
        ours = [] if token else self._uploads.resumable.open_sessions(container)
        return replace(page, items=[*ours, *page.items])

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        if upload.id.startswith(PREFIX):
            return super()._list_parts(upload, token)
        page: Page[Part] = self._driver()._list_parts(upload, token)
        return page

    # ------------------------------------------------------------------ for others

    @override
    def _service_time(self) -> float:
        now: float = self._driver()._client.service_time()
        return now

    @override
    def _enable_container_cdn(self, container: str) -> None:
        # Objects that come later have the default ACL; the bucket's own only lets list.
        # https://cloud.google.com/storage/docs/xml-api/put-bucket-acls
        self._publish(container, "", "defaultObjectAcl")
        for name in self._names(container):
            self._publish(container, name, "acl")

    def _names(self, container: str) -> Sequence[str]:
        pages = iterate_pages(
            lambda token: self._list_objects(container, ListQuery(), token, self.limits.page_size),
            f"objects in {container!r}",
        )
        return [item.name for page in pages for item in page.items]

    @override
    def _enable_object_cdn(self, container: str, name: str) -> None:
        self._publish(container, name, "acl")

    def _publish(self, container: str, name: str, what: str) -> None:
        try:
            self._driver()._client.send(
                operations.PUT_ACL, container, name,
                query={what: ""}, headers={"x-amz-acl": "public-read"},
            ).close()  # fmt: skip
        except ObjectNotFoundError:
            raise
        except (AccessDeniedError, InvalidOptionError, StorageError) as error:
            if error.status not in {400, 403, 412}:
                raise
            raise AccessDeniedError(
                f"{error.message}; with uniform access or public access prevention an HMAC key"
                " cannot make anything public: use a service account, or the console",
                status=error.status, code=error.code, request_id=error.request_id,
            ) from None  # fmt: skip


def _version(row: Mapping[str, str]) -> ObjectInfo:
    """Return one generation of an object, from a row of a listing."""
    return ObjectInfo(
        _decoded(row.get("Key", "")),
        size=parse_size(row.get("Size")),
        etag=row.get("Generation"),
        last_modified=parse_timestamp(row.get("LastModified")),
        version=row.get("Generation"),
    )


def _decoded(text: str) -> str:
    return unquote(text.replace("+", " "))


def _generation(conditions: Conditions) -> dict[str, str]:
    """Return the header that asks for the conditions."""
    asked = dialect.conditions(conditions)
    number = asked.get("ifGenerationMatch")
    return {} if number is None else {"x-goog-if-generation-match": number}


def _extra(extra: Mapping[str, object]) -> dict[str, object]:
    """Return the options of one upload as the S3 dialect calls them."""
    found = dict(extra)
    if "custom_time" in found:
        raise NotSupportedError("an HMAC key cannot set custom_time; use a service account")
    if "kms_key" in found:
        found["encryption"] = "aws:kms"
    return found
