"""The driver: how it is made, and what the hooks of buckets ask of Google."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from inspect import Signature, signature
from typing import Any, ClassVar, cast

from typing_extensions import Self, override

from ...auth.google import URLSigner, signed_target
from ...errors import NotSupportedError
from ...hooks import OPTIONS
from ...http.encoding import host_header
from ...http.environment import Environment
from ...options import constructor
from ...values import (
    ContainerInfo,
    DeleteOutcome,
    GiB,
    Limits,
    ListQuery,
    MiB,
    ObjectInfo,
    Page,
    Prefix,
    SigningOptions,
    TiB,
)
from . import dialect, operations, public_access
from .batches import MOST, Batches
from .client import GCSClient
from .endpoints import PUBLIC_URL, check_bucket_name, check_object_name
from .multipart import PartHooks
from .options import CONTAINER, UPLOAD
from .resumable import QUANTUM, Resumable
from .settings import Settings, is_account
from .xml_uploads import Multipart

# https://cloud.google.com/storage/quotas
_LIMITS = Limits(
    min_part=5 * MiB,
    max_part=5 * GiB,
    max_parts=10_000,
    max_put=5 * GiB,
    page_size=1_000,
    batch_size=MOST,
    max_name=1_024,
    max_metadata=dialect.MAX_METADATA,
    max_expires=7 * 86_400.0,
)
# A session takes 5 TiB in any number of parts.
_ORDERED = replace(
    _LIMITS, min_part=QUANTUM, max_part=5 * TiB, max_parts=1_000_000, ordered_parts=True
)
# https://cloud.google.com/storage/docs/xml-api/get-object-download
_OVERRIDES = frozenset({"content-type", "content-disposition"})


class GCSDriver(PartHooks):
    """
    Google Cloud Storage.

    Without any credentials, those are taken that Google's own programs use: Application Default
    Credentials, which need ``libstore[gcs]``.

    Raises:
        CredentialsNotFoundError: There are no credentials, and `anonymous` was not asked for.
        InvalidOptionError: An option cannot work, or does not go with another.
    """

    name: ClassVar[str] = "gcs"
    options: ClassVar[frozenset[str]] = OPTIONS
    upload_extras = UPLOAD
    container_extras = CONTAINER
    limits = _LIMITS

    #: What takes the place of this class if there is an HMAC key; the package sets it.
    _with_hmac: ClassVar[type[GCSDriver] | None] = None

    def __new__(cls, *given: Any, **options: Any) -> Self:
        """Return a driver of the interface that the credentials are for."""
        pair = [*given, *(options.get(name) for name in ("key", "secret")[len(given) :])]
        key, secret = pair[0], pair[1]
        if cls is GCSDriver and key is not None and not is_account(key, secret):
            return cast("Self", object.__new__(cls._with_hmac or cls))
        return object.__new__(cls)

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.completed(Environment()))
        self._connect()

    # The signature of __init__, because __new__ accepts anything.
    __signature__ = Signature(list(signature(__init__).parameters.values())[1:])

    def _connect(self) -> None:
        """Make ready what speaks to the service."""
        settings = self._settings
        transport = settings.transport(self.transfer.concurrency, settings.place().url)
        self._access = access = settings.access(transport)
        self._client = GCSClient(
            access.place, transport, access.signer, settings.user_project,
            lambda: (*settings.secrets, *access.secrets()), lambda: self.retry,
        )  # fmt: skip
        self._resumable = Resumable(self._client)
        self._batches = Batches(self._client)
        parallel = settings.parallel_uploads
        if parallel is None:
            parallel = access.place.url == PUBLIC_URL and access.tokens is not None
        self._multipart = Multipart(self._client) if parallel else None
        if not parallel:
            self.limits = _ORDERED
        elif is_there("google_crc32c"):
            # The only digest that Google keeps of an object that came in parts.
            self.digests = ("md5", "crc32c")

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "_client"):  # its arguments were refused
            return super().__repr__()
        place = self._client.place
        return f"<GCSDriver {place.url}{place.prefix}>"

    # ------------------------------------------------------------------ which store it is

    @override
    def _identity(self) -> tuple[str | None, ...]:
        place, settings = self._client.place, self._settings
        return place.url, place.prefix, settings.project, *settings.who

    @override
    def _store_id(self) -> str | None:
        return "google" if self._client.place.url == PUBLIC_URL else None

    @override
    def _is_configured_for(self, operation: str) -> bool:
        signer = self._access.url_signer
        return operation != "sign_url" or (signer is not None and signer.is_ready())

    # ------------------------------------------------------------------ names

    @override
    def _check_container_name(self, name: str) -> None:
        check_bucket_name(name)

    @override
    def _check_object_name(self, name: str) -> None:
        check_object_name(name)

    # ------------------------------------------------------------------ buckets

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        project = dialect.require_project(self._access.project())

        def create() -> ContainerInfo:
            told = self._client.send_json(
                operations.CREATE_BUCKET,
                body=dialect.new_bucket(name, extra), query={"project": project},
            )  # fmt: skip
            dialect.require_name(told, name)
            return dialect.bucket_info(told)

        return self._client.confirmer.create_container(create, lambda: self._head_container(name))

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        return dialect.bucket_info(self._client.send_json(operations.GET_BUCKET, name))

    @override
    def _delete_container(self, name: str) -> None:
        self._client.confirmer.delete_container(
            lambda: self._client.send(operations.DELETE_BUCKET, name).close(),
            lambda: self._head_container(name),
        )

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = {"project": dialect.require_project(self._access.project())}
        if token is not None:
            query["pageToken"] = token
        told = self._client.send_json(operations.LIST_BUCKETS, query=query)
        found = [dialect.bucket_info(one) for one in dialect.listed(told, "items")]
        found.sort(key=lambda info: info.name)
        return Page(found, dialect.next_token(told))

    # ------------------------------------------------------------------ many objects

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        told = self._client.send_json(
            operations.LIST_OBJECTS, container,
            path=f"{self._client.place.bucket(container)}/o",
            query=dialect.list_query(query, token, limit),
        )  # fmt: skip
        return dialect.list_page(told, query)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        fields = {
            "maxResults": str(limit), "pageToken": token, "prefix": prefix, "versions": "true",
        }  # fmt: skip
        document = self._client.send_json(
            operations.LIST_OBJECTS, container,
            path=f"{self._client.place.bucket(container)}/o",
            query={name: value for name, value in fields.items() if value},
        )  # fmt: skip
        found = [dialect.object_info(one) for one in dialect.listed(document, "items")]
        return Page(found, dialect.next_token(document))

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        return self._batches.delete(container, [(name, None) for name in names])

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        return self._batches.delete(container, [(info.name, info.version) for info in versions])

    # ------------------------------------------------------------------ for others

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        signer = self._access.url_signer
        if signer is None:
            raise NotSupportedError(
                "an anonymous driver has nothing to sign URLs with; give service_account=, or the"
                " key and secret of an HMAC key"
            )
        return self._signed(signer, container, name, options)

    def _signed(
        self, signer: URLSigner, container: str, name: str, options: SigningOptions
    ) -> str:
        unknown = options.response_headers.keys() - _OVERRIDES
        if unknown:
            raise NotSupportedError(
                f"Google cannot have a URL set the header {min(unknown)}; it can set"
                f" {' and '.join(sorted(_OVERRIDES))}"
            )
        query = {f"response-{label}": text for label, text in options.response_headers.items()}
        if self._settings.user_project is not None:
            query["userProject"] = self._settings.user_project
        place = self._client.place
        return place.url + signed_target(
            signer, options.method, host_header(place.url), place.public(container, name), query,
            options.headers, max(1.0, options.expires), self._now(),
        )  # fmt: skip

    def _now(self) -> float:
        """Return Google's time, as far as it was told."""
        return self._client.service_time()

    @override
    def _enable_container_cdn(self, container: str) -> None:
        public_access.publish_bucket(self._client, container)

    @override
    def _enable_object_cdn(self, container: str, name: str) -> None:
        public_access.publish_object(self._client, container, name)

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        return self._client.place.url + self._client.place.public(container)

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return self._client.place.url + self._client.place.public(container, name)


def is_there(package: str) -> bool:
    """Return whether a package can be imported."""
    try:
        return find_spec(package) is not None
    except ImportError:  # somebody forbids to import it
        return False
