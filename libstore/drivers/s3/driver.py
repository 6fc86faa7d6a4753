"""The driver of Amazon S3 and of the services that are compatible with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from ...auth.renewal import Renewing
from ...auth.sigv4 import Keys
from ...driver import StorageDriver
from ...hooks import CDN_HOOKS, MULTIPART_HOOKS
from ...http.environment import Environment
from ...http.transport import Transport
from ...options import Check, constructor, document
from ...s3api.client import S3Client
from ...s3api.driver import S3APIDriver
from ...s3api.google_headers import GoogleClient
from ...s3api.service import Service
from ...values import ContainerInfo
from .endpoints import check_bucket_name, check_new_bucket_name
from .options import CONTAINER, UPLOAD, bucket_headers
from .public_access import PublicAccess
from .services import AWS
from .settings import Settings

if TYPE_CHECKING:
    from ...auth.aws.keys import Source
    from .configuration import Configuration


class S3Driver(S3APIDriver[Settings]):
    """
    Amazon S3, or the service at an endpoint that you name.

    Raises:
        CredentialsNotFoundError: There is no key, and `anonymous` is false.
        InvalidOptionError: An option is invalid, or cannot be combined with another.
    """

    name: ClassVar[str] = "s3"
    options: ClassVar[frozenset[str]] = AWS.options
    upload_extras: ClassVar[Mapping[str, Check]] = UPLOAD
    container_extras: ClassVar[Mapping[str, Check]] = CONTAINER
    service: Service = AWS

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        settings.check(self.service)
        shared: Configuration | None = None
        if self.service.name == "s3":
            from .configuration import configuration

            shared = configuration(settings.profile, Environment())
            settings = shared.complete(settings)
        super().__init__(settings)
        service, endpoint, region = settings.address(self.service)
        self._endpoint = endpoint
        url = endpoint.place(None, region).url
        transport = settings.transport(self.transfer.concurrency, url)
        make = partial(GoogleClient, project=settings.account) if service.google else S3Client
        client = make(
            endpoint,
            transport,
            self._keys(shared, transport),
            region,
            fixed=settings.region is not None,
            retry=partial(getattr, self, "retry"),
        )
        objects = settings.object_settings()
        self._connect(service, client, objects)
        self._public_access = PublicAccess(client, service, objects.payer)

    def _keys(self, shared: Configuration | None, transport: Transport) -> Keys | None:
        """Return the key that requests are signed with, or the source of keys that expire."""
        settings = self._settings
        source: Source | None = None
        if settings.credentials is not None:
            from ...auth.aws.given import given_source

            source = given_source(settings.credentials)
        elif shared is not None and settings.key is None and not settings.anonymous:
            self._settings, source = shared.source(settings, transport)
        self._source = "" if source is None else source.name
        return self._settings.access_key() if source is None else Renewing(source)

    @property
    @override
    def credentials_source(self) -> str | None:
        return self._source or super().credentials_source

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "_client"):  # the constructor has failed
            return super().__repr__()
        place = self._endpoint.place(None, self._client.region)
        return f"<{type(self).__name__} {place.url}{place.prefix.rstrip('/')}>"

    # ------------------------------------------------------------------ identity and names

    @override
    def _identity(self) -> tuple[str | None, ...]:
        place = self._endpoint.place(None, self._client.region)
        settings = self._settings
        given = "" if settings.credentials is None else f" {id(settings.credentials)}"
        return place.url, place.prefix, settings.key, self._source + given

    @override
    def _store_id(self) -> str | None:
        return self._endpoint.store_id(self._client.region)

    @override
    def _check_container_name(self, name: str) -> None:
        check_bucket_name(name)

    # ------------------------------------------------------------------ buckets

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        check_new_bucket_name(name)
        region = extra.get("region")
        return self._create_bucket(
            name, region if isinstance(region, str) else None, bucket_headers(extra)
        )

    # ------------------------------------------------------------------ public access

    @override
    def _enable_container_cdn(self, container: str) -> None:
        self._public_access.publish_bucket(container)

    @override
    def _enable_object_cdn(self, container: str, name: str) -> None:
        self._public_access.publish_object(container, name)

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        return self._public_access.url(container)

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return self._public_access.url(container, name)


def driver_class(service: Service, name: str | None = None) -> type[S3Driver]:
    """
    Return the driver of a service.

    Args:
        service: Its record; one of your own works like those of this library.
        name: The name of the class.
    """
    lacking = (
        *(() if service.batches else ("_delete_objects",)),
        *(() if service.versions else ("_list_versions", "_enable_versioning")),
        *(() if service.parts else (*MULTIPART_HOOKS, "_list_parts")),
        *(() if service.public else CDN_HOOKS),
        *(() if service.public and service.object_acls else ("_enable_object_cdn",)),
    )
    label = name or "".join(map(str.capitalize, service.name.split("-"))) + "Driver"
    members: dict[str, Any] = {
        "__module__": __package__,
        "__doc__": f"{service.title}, with the arguments of `S3Driver`.",
        "name": service.name,
        "options": service.options,
        "upload_extras": _among(UPLOAD, service.extras),
        "container_extras": _among(CONTAINER, service.extras | {"region"}),
        "service": service,
        **{hook: getattr(StorageDriver, hook) for hook in lacking},
    }
    cls = type(label, (S3Driver,), members)
    document(cls, environment=False)  # only the driver of Amazon S3 reads it
    return cls


def _among(known: Mapping[str, Check], names: Collection[str]) -> dict[str, Check]:
    return {name: check for name, check in known.items() if name in names}
