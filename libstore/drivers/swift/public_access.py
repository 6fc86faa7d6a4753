"""What the hooks of signed URLs and of public reading ask of Swift."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message

from typing_extensions import override

from ...auth.tempurl import sign_path
from ...errors import AccessDeniedError, ContainerNotFoundError, NotSupportedError, StorageError
from ...redaction import Hidden, hide
from ...rest.operation import Operation
from ...values import SigningOptions
from . import operations
from .client import target_of
from .copying import CopyHooks
from .info import TEMP_URL_DIGESTS
from .large_objects import segments_container

_KEYS = ("x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2")
_CONTAINER_KEYS = ("x-container-meta-temp-url-key", "x-container-meta-temp-url-key-2")
_EVERYBODY = ".r:*"
_LISTINGS = ".rlistings"


class SharingHooks(CopyHooks):
    """The hooks of signed URLs and of public reading."""

    _temp_url_key: str | None = None

    # ------------------------------------------------------------------ signed URLs

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        if options.headers:
            raise NotSupportedError("Swift signs no headers of requests")
        extra = _answer_options(options.response_headers)
        if self._settings.anonymous and self._settings.temp_url_key is None:
            raise NotSupportedError(
                "an anonymous driver has nothing to sign URLs with; give temp_url_key="
            )
        key = self._settings.temp_url_key or self._found_key(container)
        if not name.strip("/"):
            raise NotSupportedError("Swift takes no signed URL for a name of slashes alone")
        digest = self._settings.temp_url_digest or self._found_digest(options.method)
        place = self._client.place
        expires = int(self._client.service_time() + max(1.0, options.expires))
        return Hidden(
            place.url
            + sign_path(
                place.path, f"{container}/{name}", options.method, key, expires,
                digest=digest, extra=extra,
            )
        )  # fmt: skip

    def _found_key(self, container: str) -> str:
        """Return the account's key, or else the container's."""
        key = self._account_key()
        if key is not None:
            return key
        told = self._told(operations.HEAD_CONTAINER, container)
        key = hide(_first(told, _CONTAINER_KEYS))
        if key is None:
            raise NotSupportedError(
                "neither the account nor the container has a key for signed URLs that this user"
                " may see; set X-Account-Meta-Temp-URL-Key, or pass temp_url_key="
            )
        return key

    def _account_key(self) -> str | None:
        """Return the account's key, which is asked for until there is one."""
        if self._temp_url_key is None:
            self._temp_url_key = hide(_first(self._told(operations.HEAD_ACCOUNT, ""), _KEYS))
        return self._temp_url_key

    def _has_temp_url_key(self) -> bool:
        """Return whether there is a key for all containers that this driver may see."""
        if self._settings.temp_url_key is not None:
            return True
        try:
            return not self._settings.anonymous and self._account_key() is not None
        except StorageError:
            return False

    def _found_digest(self, method: str) -> str:
        """Return a digest that the cluster takes, if it signs URLs for this method."""
        info = self._client.info
        allowed = info.temp_url_digests
        digest = next((name for name in TEMP_URL_DIGESTS if name in allowed), None)
        if digest is None:
            raise NotSupportedError("this cluster has no signed URLs")
        if method not in info.temp_url_methods:
            raise NotSupportedError(f"this cluster takes no signed URLs for {method}")
        return digest

    def _told(self, operation: Operation, container: str) -> Mapping[str, str]:
        """Return the headers of the account or a container, if this user may see any."""
        try:
            return self._client.send(operation, container).headers
        except (AccessDeniedError, ContainerNotFoundError):
            return {}

    # ------------------------------------------------------------------ public reading

    @override
    def _enable_container_cdn(self, container: str) -> None:
        # https://docs.openstack.org/swift/latest/overview_acl.html#container-acls
        told = self._client.send(operations.HEAD_CONTAINER, container).headers
        headers = {"x-container-read": _with_everybody(told.get("x-container-read", ""))}
        # https://docs.openstack.org/swift/latest/middleware.html#staticweb
        if self._client.info.has("staticweb") and not told.get("x-container-meta-web-index"):
            headers["x-container-meta-web-index"] = "index.html"

        def send() -> bool:
            self._client.send(operations.POST_CONTAINER, container, headers=headers).close()
            return True

        def look() -> bool | None:
            told = self._client.send(operations.HEAD_CONTAINER, container).headers
            return _EVERYBODY in told.get("x-container-read", "") or None

        try:
            self._client.confirmer.prove(send, look)
            self._share_segments(container)
        except AccessDeniedError as error:
            raise AccessDeniedError(
                "this user may not change who reads the container: it takes the account's owner",
                status=error.status, request_id=error.request_id,
            ) from None  # fmt: skip

    def _share_segments(self, container: str) -> None:
        """Let everybody read the segments too, of which large objects are made."""
        place = segments_container(container)
        headers = {"x-container-read": _EVERYBODY}
        try:
            self._client.send(operations.POST_CONTAINER, place, headers=headers).close()
        except ContainerNotFoundError:
            pass

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        place = self._client.place
        return place.url + place.path + target_of(container)

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        place = self._client.place
        return place.url + place.path + target_of(container, name)


def _first(told: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((told[name] for name in names if told.get(name)), None)


def _with_everybody(acl: str) -> str:
    """Return an ACL that everybody may read and list by, besides those that it had."""
    items = [item.strip() for item in acl.split(",") if item.strip()]
    items += [item for item in (_EVERYBODY, _LISTINGS) if item not in items]
    return ",".join(items)


def _answer_options(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what of an answer a signed URL can decide: how the file is called, and shown."""
    if set(headers) - {"content-disposition"}:
        raise NotSupportedError(
            "Swift's signed URLs decide over Content-Disposition of the answer, and nothing else"
        )
    value = headers.get("content-disposition")
    if value is None:
        return {}
    message = Message()
    message["content-disposition"] = value
    extra = {}
    filename = message.get_filename()
    if filename:
        extra["filename"] = filename
    kind = message.get_content_disposition()
    if kind == "inline":
        extra["inline"] = ""
    elif kind != "attachment":
        raise NotSupportedError("Content-Disposition must begin with 'inline' or 'attachment'")
    return extra
