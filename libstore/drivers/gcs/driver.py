"""The driver: how it is made, and what the hooks of buckets ask of Google."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from inspect import Signature, signature
from typing import Any, ClassVar, cast

from typing_extensions import Self, override

from ...auth.google import URLSigner, signed_target
from ...errors import NotSupportedError, StorageError
from ...hooks import OPTIONS
from ...http.encoding import host_header
from ...http.environment import Environment
from ...listing import iterate_pages
from ...redaction import hide, hide_address
from ...retry import RetryPolicy
from ...transfer.options import TransferOptions
from ...transfer.workers import map_concurrently
from ...values import (
    Conditions,
    ContainerInfo,
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
from .batches import MOST, Batches, worth_repeating
from .client import GCSClient
from .endpoints import PUBLIC_URL, check_bucket_name, check_object_name
from .extras import CONTAINER_EXTRAS, UPLOAD_EXTRAS
from .multipart import PartHooks
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

    Args:
        key: The id of an HMAC key; or the e-mail address of a service account.
        secret: The HMAC key's secret; or the service account's private key, in PEM.
        project: Whose buckets are made and listed. Without it, that of the credentials or of
            ``GOOGLE_CLOUD_PROJECT``.
        credentials: Credentials of google-auth.
        token: An access token, or a function that returns one, or one and the time of its end.
        service_account: The file of a service account's key, or what stands in it.
        signing_account: The service account for which IAM signs URLs, where the credentials have
            no private key.
        anonymous: Send requests without credentials, for what everybody may read.
        endpoint: Where the service is, as ``https://host[:port]``; ``STORAGE_EMULATOR_HOST``
            names it too.
        insecure: Allow ``http://`` to hosts other than this machine.
        user_project: The project that pays for requests to buckets of others that ask for it.
        kms_key: The key of Cloud KMS that encrypts what is written.
        customer_key: A key of 32 bytes that encrypts what is written, and that what is read was
            encrypted with. The service does not keep it.
        parallel_uploads: Whether large uploads travel in several parts at once, by the XML API;
            by default where that is Google's own. Otherwise they are one resumable stream.
        verify: Whether the service's certificate is checked, or a file of authorities.
        timeout: Seconds for a connection, and for each answer to go on; or a pair of both. A
            service that is slower than 4 KiB a second for a whole timeout has stalled.
        proxies: URLs of proxies by scheme, in place of those that the environment names.
        pickle_secret: Let pickles of the driver carry a secret that was given literally.
        retry: When to try again after a failure that may pass.
        transfer: How large transfers are cut up, and how many parts travel at once.
        cdn: The public address that containers are served at, such as
            ``"https://cdn.example.com/base"``.
        write_tokens: Store a random token in the metadata of each object that is written on a
            condition, to know later whether a write whose response was lost took effect.

    Raises:
        CredentialsNotFoundError: There are no credentials, and `anonymous` was not asked for.
        InvalidOptionError: An option cannot work, or does not go with another.
    """

    name: ClassVar[str] = "gcs"
    options: ClassVar[frozenset[str]] = OPTIONS
    upload_extras = UPLOAD_EXTRAS
    container_extras = CONTAINER_EXTRAS
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

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        *,
        project: str | None = None,
        credentials: Any = None,
        token: str | Callable[[], object] | None = None,
        service_account: str | os.PathLike[str] | Mapping[str, str] | None = None,
        signing_account: str | None = None,
        anonymous: bool = False,
        endpoint: str | None = None,
        insecure: bool = False,
        user_project: str | None = None,
        kms_key: str | None = None,
        customer_key: bytes | None = None,
        parallel_uploads: bool | None = None,
        verify: bool | str = True,
        timeout: float | tuple[float, float] | None = None,
        proxies: Mapping[str, str] | None = None,
        pickle_secret: bool = False,
        retry: RetryPolicy | None = None,
        transfer: TransferOptions | None = None,
        cdn: str | None = None,
        write_tokens: bool = True,
    ) -> None:
        # From here on no traceback shows them.
        secret, token, customer_key = hide(secret), hide(token), hide(customer_key)
        if isinstance(service_account, Mapping):
            service_account = hide(service_account)
        endpoint, proxies = hide_address(endpoint), hide(proxies)
        super().__init__(retry=retry, transfer=transfer, cdn=cdn, write_tokens=write_tokens)
        if isinstance(service_account, os.PathLike):
            service_account = os.fspath(service_account)
        given = Settings(
            key, secret, project, credentials, token, service_account, signing_account, anonymous,
            endpoint, insecure, user_project, kms_key, customer_key, parallel_uploads, verify,
            timeout, proxies, pickle_secret,
        )  # fmt: skip
        self._settings = given.completed(Environment())
        self._connect()

    # What __init__ takes, for __new__ takes anything.
    __signature__ = Signature(list(signature(__init__).parameters.values())[1:])

    def _connect(self) -> None:
        """Make ready what speaks to the service."""
        settings = self._settings
        transport = settings.transport(self.transfer.concurrency)
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
                operations.CREATE_BUCKET, self._client.place.buckets(),
                body=dialect.new_bucket(name, extra), query={"project": project},
            )  # fmt: skip
            dialect.require_name(told, name)
            return dialect.bucket_info(told)

        return self._client.create_container(create, lambda: self._head_container(name))

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        return dialect.bucket_info(
            self._client.send_json(operations.GET_BUCKET, self._client.place.bucket(name))
        )

    @override
    def _delete_container(self, name: str) -> None:
        self._client.delete_container(
            lambda: self._client.send(
                operations.DELETE_BUCKET, self._client.place.bucket(name)
            ).close(),
            lambda: self._head_container(name),
        )

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = {"project": dialect.require_project(self._access.project())}
        if token is not None:
            query["pageToken"] = token
        told = self._client.send_json(
            operations.LIST_BUCKETS, self._client.place.buckets(), query=query
        )
        found = [dialect.bucket_info(one) for one in dialect.listed(told, "items")]
        found.sort(key=lambda info: info.name)
        return Page(found, dialect.next_token(told))

    # ------------------------------------------------------------------ many objects

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        told = self._client.send_json(
            operations.LIST_OBJECTS, f"{self._client.place.bucket(container)}/o",
            query=dialect.list_query(query, token, limit),
        )  # fmt: skip
        return dialect.list_page(told, query)

    @override
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        unique = list(dict.fromkeys(names))
        found = dict(
            zip(unique, self._delete_many(container, [(name, None) for name in unique]),
                strict=True)
        )  # fmt: skip
        return [found[name] for name in names]

    def _delete_many(
        self, container: str, targets: Sequence[tuple[str, str | None]]
    ) -> Sequence[StorageError | None]:
        """Delete objects, given as name and version; one by one what a batch did not delete."""
        results = self._batches.delete(container, targets) if len(targets) > 1 else None
        again = [
            number
            for number in range(len(targets))
            if results is None or worth_repeating(results[number])
        ]

        def delete(number: int) -> StorageError | None:
            name, version = targets[number]
            try:
                self._delete_object(container, name, Conditions(), version)
            except StorageError as error:
                if error.status == 404:
                    raise
                return error
            return None

        alone = map_concurrently(delete, again, self.transfer.concurrency)
        done: list[StorageError | None] = [None] * len(targets) if results is None else results
        for number, error in zip(again, alone, strict=True):
            done[number] = error
        return done

    @override
    def _empty_container(self, name: str) -> None:
        super()._empty_container(name)
        # What a deletion leaves of an object in a bucket with versions keeps the bucket too.
        for batch in self._versions(name):
            for error in self._delete_many(name, batch):
                if error is not None:
                    raise error

    def _versions(self, container: str) -> Iterator[list[tuple[str, str | None]]]:
        def fetch(token: str | None) -> Page[tuple[str, str | None]]:
            query = {"versions": "true", "maxResults": str(self.limits.batch_size)}
            if token is not None:
                query["pageToken"] = token
            told = self._client.send_json(
                operations.LIST_OBJECTS, f"{self._client.place.bucket(container)}/o", query=query
            )
            found = [dialect.object_info(one) for one in dialect.listed(told, "items")]
            targets = [(info.name, info.version) for info in found]
            return Page(targets, dialect.next_token(told))

        for page in iterate_pages(fetch, f"versions in {container!r}"):
            if page.items:
                yield list(page.items)

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
        return self._client.client.now_there()

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
