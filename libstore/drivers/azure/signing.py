"""Signed URLs, with the account's key or with one that the service gives to a user."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from ...auth.sas import (
    DelegationKey,
    Grant,
    delegation_key,
    delegation_sas,
    service_sas,
    timestamp,
)
from ...errors import AuthenticationError, NotSupportedError, ServiceError
from ...http.xml import write
from ...values import Limits, SigningOptions
from . import operations
from .client import VERSION, AzureClient

# To create a blob is one permission, to replace one another.
_PERMISSIONS = {"GET": "r", "HEAD": "r", "PUT": "cw", "DELETE": "d"}
# https://learn.microsoft.com/en-us/rest/api/storageservices/get-user-delegation-key
_LONGEST_KEY = 7 * 86_400.0
# A key is asked for so long, so that it serves many URLs.
_KEY_LIFE = 86_400.0
# Clocks of different machines may differ by so much.
_EARLIER = 300.0


class Signatures:
    """Signs URLs of one account."""

    def __init__(self, client: AzureClient) -> None:
        self._client = client
        self._key: tuple[float, DelegationKey] | None = None

    def limited(self, limits: Limits) -> Limits:
        """Return the limits where URLs are signed with a user's key, which lives for 7 days."""
        return replace(limits, max_expires=_LONGEST_KEY - _EARLIER)

    def url(self, container: str, name: str, options: SigningOptions) -> str:
        """Return a URL that allows one kind of request for one blob."""
        skew = self._client.skew()
        try:
            return self._url(container, name, options)
        except AuthenticationError:
            if self._client.skew() == skew:
                raise
        # The service told its time when it refused, and all times in a URL are other ones by that.
        return self._url(container, name, options)

    def _url(self, container: str, name: str, options: SigningOptions) -> str:
        access = self._client.access
        unknown = options.response_headers.keys() - {
            "cache-control",
            "content-disposition",
            "content-encoding",
            "content-language",
            "content-type",
        }
        if unknown:
            raise NotSupportedError(f"Azure cannot have a URL set the header {min(unknown)}")
        expiry = self._client.service_time() + max(1.0, options.expires)
        grant = Grant(
            access.account,
            container,
            name,
            _PERMISSIONS[options.method],
            expiry,
            VERSION,
            protocol="https" if access.place.secure else "",
            overrides=options.response_headers,
        )
        if access.key is not None:
            query = service_sas(grant, access.key)
        elif access.tokens is not None:
            query = delegation_sas(grant, self._delegation_key(expiry))
        else:
            raise NotSupportedError(
                "only the account's key, or a credential, can sign URLs; this driver has neither"
            )
        return f"{access.place.url}{access.place.path(container, name)}?{query}"

    def _delegation_key(self, expiry: float) -> DelegationKey:
        """Return a key that lives until then; one is asked for only if there is none."""
        known = self._key
        if known is not None and known[0] >= expiry:
            return known[1]
        now = self._client.service_time()
        end = min(max(expiry, now + _KEY_LIFE), now + _LONGEST_KEY - _EARLIER / 2)
        span = [("Start", timestamp(now - _EARLIER / 2)), ("Expiry", timestamp(end + 1))]
        response = self._client.send_xml(
            operations.GET_USER_DELEGATION_KEY,
            root="UserDelegationKey",
            query={"comp": "userdelegationkey", "restype": "service"},
            headers={"content-type": "application/xml"}, content=write("KeyInfo", span),
        )  # fmt: skip
        try:
            key = delegation_key(response.fields)
        except (KeyError, ValueError) as error:
            raise ServiceError(f"the service gives no key to sign with: {error!r}") from None
        self._key = (_moment(key.expiry, end), key)
        return key


def _moment(text: str, default: float) -> float:
    try:
        when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return default
    return when.timestamp()
