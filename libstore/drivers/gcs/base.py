"""The base class of both drivers: the one with the JSON API and the one with an HMAC key."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic

from typing_extensions import override

from ...auth.google import URLSigner, signed_target
from ...errors import NotSupportedError
from ...http.encoding import host_header
from ...options import Check
from ...rest.checksums import check_key_is_sent
from ...rest.driver import C, RestDriver
from ...values import SigningOptions
from .endpoints import PUBLIC_URL, Endpoint, check_bucket_name, check_object_name
from .options import CONTAINER, UPLOAD
from .settings import Settings

# https://cloud.google.com/storage/docs/xml-api/get-object-download
_OVERRIDES = frozenset({"content-type", "content-disposition"})


class GoogleDriver(RestDriver[C, Settings], Generic[C]):
    """A driver of Google Cloud Storage; a subclass implements the requests."""

    name: ClassVar[str] = "gcs"
    upload_extras: ClassVar[Mapping[str, Check]] = UPLOAD
    container_extras: ClassVar[Mapping[str, Check]] = CONTAINER
    _endpoint: Endpoint
    _url_signer: URLSigner | None

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "_endpoint"):  # the constructor has failed
            return super().__repr__()
        return f"<GCSDriver {self._endpoint.url}{self._endpoint.prefix}>"

    @override
    def _identity(self) -> tuple[str | None, ...]:
        endpoint, settings = self._endpoint, self._settings
        return endpoint.url, endpoint.prefix, settings.project, *settings.account

    @override
    def _store_id(self) -> str | None:
        return "google" if self._endpoint.url == PUBLIC_URL else None

    @override
    def _is_configured_for(self, operation: str) -> bool:
        signer = self._url_signer
        return operation != "sign_url" or (signer is not None and signer.is_ready())

    @override
    def _check_container_name(self, name: str) -> None:
        check_bucket_name(name)

    @override
    def _check_object_name(self, name: str) -> None:
        check_object_name(name)

    @override
    def _signed_headers(self, method: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        if method == "DELETE":
            return headers
        check_key_is_sent(self._settings.customer_key, "x-goog-encryption-key", headers)
        kms = self._settings.kms_key
        own = any(name.startswith("x-goog-encryption-") for name in headers)
        if method != "PUT" or kms is None or own:
            return headers
        # https://cloud.google.com/storage/docs/xml-api/reference-headers#xgoogencryptionkmskeyname
        return {"x-goog-encryption-kms-key-name": kms, **headers}

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        if self._url_signer is None:
            raise NotSupportedError(
                "an anonymous driver cannot sign URLs; pass service_account=, or the key and"
                " secret of an HMAC key"
            )
        unsupported = options.response_headers.keys() - _OVERRIDES
        if unsupported:
            raise NotSupportedError(
                "a presigned URL of Google cannot set the response header"
                f" {min(unsupported)}, only {' and '.join(sorted(_OVERRIDES))}"
            )
        query = {f"response-{name}": value for name, value in options.response_headers.items()}
        if self._settings.user_project is not None:
            query["userProject"] = self._settings.user_project
        url = self._endpoint.url
        return url + signed_target(
            self._url_signer, options.method, host_header(url),
            self._endpoint.public(container, name), query, options.headers,
            max(1.0, options.expires), self._client.service_time(),
        )  # fmt: skip

    @abstractmethod
    @override
    def _enable_container_cdn(self, container: str) -> None: ...

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        return self._endpoint.url + self._endpoint.public(container)

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return self._endpoint.url + self._endpoint.public(container, name)
