"""Presigned URLs, signed with the account's key or with a user delegation key."""

from __future__ import annotations

from collections.abc import Mapping

from ...auth.sas import (
    BOUND_REQUESTS,
    OVERRIDES,
    DelegationKey,
    Grant,
    delegation_key,
    delegation_sas,
    service_sas,
    timestamp,
)
from ...errors import NotSupportedError, ServiceError
from ...http.xml import write
from ...rest.checksums import check_key_is_sent
from ...values import SigningOptions
from . import operations
from .client import VERSION, AzureClient

_BLOB_TYPE = "x-ms-blob-type"
# Put Blob ignores the header Content-Disposition itself.
_NAMES_OF_PUT = {"content-disposition": "x-ms-blob-content-disposition"}
# Creating a blob and replacing one are two permissions.
_PERMISSIONS = {"GET": "r", "HEAD": "r", "PUT": "cw", "DELETE": "d"}
# https://learn.microsoft.com/en-us/rest/api/storageservices/get-user-delegation-key
_MAX_KEY_LIFE = 7 * 86_400.0
# A key is requested for a day, so that it signs many URLs.
_KEY_LIFE = 86_400.0
# The clocks of different machines may differ by so many seconds.
_TOLERANCE = 300.0
#: A URL that is signed with a user delegation key is valid for at most so many seconds.
MAX_EXPIRES = _MAX_KEY_LIFE - _TOLERANCE


class URLSigner:
    """Signs URLs of one account."""

    def __init__(
        self, client: AzureClient, customer_key: bytes | None, encryption_scope: str | None
    ) -> None:
        self._client = client
        self._customer_key = customer_key
        self._encryption_scope = encryption_scope
        self._key: tuple[float, DelegationKey] | None = None

    def headers(self, method: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that a request with one method must have."""
        if method != "DELETE":
            check_key_is_sent(self._customer_key, "x-ms-encryption-key", headers)
        if method != "PUT":
            return dict(headers)
        # https://learn.microsoft.com/en-us/rest/api/storageservices/put-blob#request-headers-all-blob-types
        renamed = {_NAMES_OF_PUT.get(name, name): value for name, value in headers.items()}
        return {_BLOB_TYPE: "BlockBlob", **renamed}

    def url(self, container: str, name: str, options: SigningOptions) -> str:
        """Return a URL that allows requests with one method for one blob."""
        access = self._client.access
        unknown = options.response_headers.keys() - set(OVERRIDES.values())
        if unknown:
            raise NotSupportedError(
                f"a presigned URL of Azure cannot set the response header {min(unknown)}"
            )
        bound = {name: value for name, value in options.headers.items() if name != _BLOB_TYPE}
        expiry = self._client.service_time() + max(1.0, options.expires)
        grant = Grant(
            access.account,
            container,
            name,
            _PERMISSIONS[options.method],
            expiry,
            BOUND_REQUESTS if bound else VERSION,
            protocol="https" if access.endpoint.secure else "",
            overrides=options.response_headers,
            headers=bound,
            scope=self._scope(options),
        )
        if access.key is not None:
            query = service_sas(grant, access.key)
        elif access.tokens is not None:
            query = delegation_sas(grant, self._delegation_key(expiry))
        else:
            raise NotSupportedError(
                "presigned URLs require the account's key or a credential; pass key= or"
                " credential="
            )
        return f"{access.endpoint.url_of(container, name)}?{query}"

    def _scope(self, options: SigningOptions) -> str:
        """Return the encryption scope of what a PUT will write."""
        return (self._encryption_scope or "") if options.method == "PUT" else ""

    def _delegation_key(self, expiry: float) -> DelegationKey:
        """Return a key that is valid until then; request one if the last one is not."""
        known = self._key
        if known is not None and known[0] >= expiry:
            return known[1]
        now = self._client.service_time()
        end = min(max(expiry, now + _KEY_LIFE), now + _MAX_KEY_LIFE - _TOLERANCE / 2)
        span = [("Start", timestamp(now - _TOLERANCE / 2)), ("Expiry", timestamp(end + 1))]
        response = self._client.send_xml(
            operations.GET_USER_DELEGATION_KEY,
            root="UserDelegationKey",
            query={"comp": "userdelegationkey", "restype": "service"},
            headers={"content-type": "application/xml"}, content=write("KeyInfo", span),
        )  # fmt: skip
        try:
            key = delegation_key(response.fields)
        except (KeyError, ValueError) as error:
            raise ServiceError(
                f"the response does not contain a user delegation key: {error!r}"
            ) from None
        self._key = (end, key)
        return key
