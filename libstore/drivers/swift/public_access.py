"""Presigned URLs, and containers that are public."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from email.message import Message

from ... import rest
from ...auth.tempurl import sign_path
from ...errors import AccessDeniedError, ContainerNotFoundError, NotSupportedError, StorageError
from ...redaction import Hidden, hide
from ...values import SigningOptions
from . import operations
from .client import SwiftClient
from .info import TEMP_URL_DIGESTS
from .large_objects import segments_container
from .settings import Settings

_KEYS = ("x-account-meta-temp-url-key", "x-account-meta-temp-url-key-2")
_CONTAINER_KEYS = ("x-container-meta-temp-url-key", "x-container-meta-temp-url-key-2")
# https://docs.openstack.org/swift/latest/overview_acl.html#container-acls
_ANYONE = ".r:*"
_LISTINGS = ".rlistings"


class PublicAccess:
    """Signs URLs for the objects of one account, and makes its containers public."""

    def __init__(self, client: SwiftClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._found_key: str | None = None

    def sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        """Return a URL that allows one kind of request for one object."""
        extra = _response_parameters(options.response_headers)
        if self._settings.anonymous and self._settings.temp_url_key is None:
            raise NotSupportedError("an anonymous driver cannot sign URLs; pass temp_url_key=")
        key = self._account_key() or self._first(
            _CONTAINER_KEYS, operations.HEAD_CONTAINER, container
        )
        if key is None:
            raise NotSupportedError(
                "neither the account nor the container has a key for signed URLs that this user"
                " can read; set X-Account-Meta-Temp-URL-Key, or pass temp_url_key="
            )
        if not name.strip("/"):
            raise NotSupportedError(
                "Swift does not accept presigned URLs for names of slashes only"
            )
        digest = self._settings.temp_url_digest or self._digest(options.method)
        url, root, _ = self._client.endpoint
        expires = int(self._client.service_time() + max(1.0, options.expires))
        path = sign_path(
            root, f"{container}/{name}", options.method, key, expires, digest=digest, extra=extra
        )
        return Hidden(url + path)

    def has_key(self) -> bool:
        """Return whether there is a key for all containers that this driver can read."""
        try:
            return self._account_key() is not None
        except StorageError:
            return False

    def _account_key(self) -> str | None:
        """Return the given key or the account's, which is requested until there is one."""
        if self._settings.temp_url_key is not None or self._settings.anonymous:
            return self._settings.temp_url_key
        if self._found_key is None:
            self._found_key = self._first(_KEYS, operations.HEAD_ACCOUNT)
        return self._found_key

    def _first(
        self, names: tuple[str, ...], operation: rest.Operation, container: str = ""
    ) -> str | None:
        """Return the value of the first header that the account or a container has."""
        try:
            headers = self._client.send(operation, container).headers
        except (AccessDeniedError, ContainerNotFoundError):
            return None
        return hide(next((headers[name] for name in names if headers.get(name)), None))

    def _digest(self, method: str) -> str:
        """Return a digest that the cluster accepts, if it has signed URLs for this method."""
        info = self._client.info
        digest = next((name for name in TEMP_URL_DIGESTS if name in info.temp_url_digests), None)
        if digest is None or not info.has("tempurl"):
            raise NotSupportedError("this cluster has no signed URLs")
        if method not in info.temp_url_methods:
            raise NotSupportedError(f"this cluster accepts no signed URLs for {method}")
        return digest

    def enable(self, container: str) -> None:
        """Allow anonymous reads and listings of a container."""
        before = self._client.head_container(container)
        rules = [rule.strip() for rule in before.get("x-container-read", "").split(",")]
        allowed = dict.fromkeys([*filter(None, rules), _ANYONE, _LISTINGS])
        headers = {"x-container-read": ",".join(allowed)}
        # https://docs.openstack.org/swift/latest/middleware.html#staticweb
        if self._client.info.has("staticweb") and not before.get("x-container-meta-web-index"):
            headers["x-container-meta-web-index"] = "index.html"

        def is_public() -> bool:
            return _ANYONE in self._client.head_container(container).get("x-container-read", "")

        self._client.send_proved(is_public, operations.POST_CONTAINER, container, headers=headers)
        # The segments of large objects are read with the access rights of their container.
        with suppress(ContainerNotFoundError):
            place, headers = segments_container(container), {"x-container-read": _ANYONE}
            self._client.send(operations.POST_CONTAINER, place, headers=headers).close()


def _response_parameters(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a signed URL that set the header Content-Disposition."""
    if set(headers) - {"content-disposition"}:
        raise NotSupportedError(
            "Swift's signed URLs can set only the response header Content-Disposition"
        )
    if not headers:
        return {}
    message = Message()
    message["content-disposition"] = headers["content-disposition"]
    kind, filename = message.get_content_disposition(), message.get_filename()
    if kind not in {"inline", "attachment"}:
        raise NotSupportedError("Content-Disposition must begin with 'inline' or 'attachment'")
    parameters = {"filename": filename} if filename else {}
    return {**parameters, "inline": ""} if kind == "inline" else parameters
