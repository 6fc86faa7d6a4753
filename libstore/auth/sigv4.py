"""
AWS Signature Version 4 for S3, in headers and in query strings.

Unlike other AWS services, S3 requires that a path is signed as it is sent: encoded once, and not
normalised. Pass paths and queries percent-encoded; they are not encoded again.

The procedure is AWS's "Authenticating Requests (AWS Signature Version 4)":
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeAlias
from urllib.parse import quote

from ..http.encoding import host_header
from ..http.message import Request
from ..redaction import Hidden
from .renewal import Renewing


@dataclass(frozen=True, slots=True)
class Scheme:
    """
    The names that a variant of the signature uses.

    Attributes:
        name: The prefix of the names of algorithm and keys.
        vendor: The part of the names of headers and parameters after ``x-``.
    """

    name: str = "AWS4"
    vendor: str = "amz"

    @property
    def algorithm(self) -> str:
        """The name of the algorithm."""
        return f"{self.name}-HMAC-SHA256"

    @property
    def terminator(self) -> str:
        """The end of the scope of a signature."""
        return f"{self.name.lower()}_request"


AMAZON = Scheme()
#: Google's variant: https://cloud.google.com/storage/docs/authentication/signatures
GOOGLE = Scheme("GOOG4", "goog")
ALGORITHM = AMAZON.algorithm

#: The replacement of a body's digest if the body is not signed; TLS protects it then.
UNSIGNED = "UNSIGNED-PAYLOAD"

#: The digest of an empty body.
EMPTY_SHA256 = sha256(b"").hexdigest()

PAYLOAD_HEADER = "x-amz-content-sha256"

# The bytes that HMAC combines with each byte of a key, for both digests: RFC 2104 section 2.
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    An access key.

    Attributes:
        key: The access key id, which is not a secret.
        token: The session token of temporary credentials.
    """

    key: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # The token becomes a header, and headers are in many variables that tracebacks show.
        object.__setattr__(self, "secret", Hidden(self.secret))
        if self.token is not None:
            object.__setattr__(self, "token", Hidden(self.token))


#: An access key, or the source of keys that expire.
Keys: TypeAlias = "Credentials | Renewing[Credentials]"


def canonical_request(
    method: str, target: str, headers: Mapping[str, str], payload_hash: str
) -> tuple[str, str]:
    """
    Return the canonical form of a request, and the names of its signed headers.

    Args:
        target: Path and query as they are sent.
        headers: All signed headers, including `host`, by lower-case name.
        payload_hash: The body's SHA-256 in hexadecimal, or its replacement.
    """
    path, _, query = target.partition("?")
    names = sorted(headers)
    lines = ""
    for name in names:
        lines += f"{name}:{headers[name]}\n"
    if " " in lines and ("  " in lines or ": " in lines or " \n" in lines):
        lines = "".join(f"{name}:{_trimmed(headers[name])}\n" for name in names)
    if query and ("&" in query or "=" not in query):
        query = _canonical_query(query)
    signed = ";".join(names)
    return f"{method}\n{path}\n{query}\n{lines}\n{signed}\n{payload_hash}", signed


def _trimmed(value: str) -> str:
    return " ".join(piece for piece in value.split(" ") if piece)


def _canonical_query(query: str) -> str:
    """Return the parameters sorted by name and value, each with an equals sign."""
    pairs = [piece.partition("=") for piece in query.split("&")]
    return "&".join([f"{name}={value}" for name, _, value in sorted(pairs)])


def signing_key(
    secret: str, date: str, region: str, service: str, scheme: Scheme = AMAZON
) -> bytes:
    """Return the key of one day, region and service; `date` is like ``"20130524"``."""
    key = hmac.digest(f"{scheme.name}{secret}".encode(), date.encode(), "sha256")
    for piece in (region, service, scheme.terminator):
        key = hmac.digest(key, piece.encode(), "sha256")
    return key


def amz_date(now: float) -> str:
    """Format a time for a signature, such as ``"20130524T000000Z"``."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


class _Moment:
    """The parts of a signature that depend on the time only, for one second."""

    __slots__ = ("_inner", "_outer", "credential", "date", "second", "to_sign")

    def __init__(
        self, credentials: Credentials, region: str, service: str, second: int, scheme: Scheme
    ) -> None:
        self.second = second
        self.date = amz_date(second)
        day = self.date[:8]
        scope = f"{day}/{region}/{service}/{scheme.terminator}"
        self.credential = f"{credentials.key}/{scope}"
        self.to_sign = f"{scheme.algorithm}\n{self.date}\n{scope}\n"
        # An HMAC consists of two digests that begin with the key (RFC 2104 section 2). Copying
        # digests that include it takes a third of the time of creating them.
        block = signing_key(credentials.secret, day, region, service, scheme).ljust(64, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def signature(self, canonical: str) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{self.to_sign}{sha256(canonical.encode()).hexdigest()}".encode())
        outer.update(inner.digest())
        return outer.hexdigest()


class SigV4:
    """
    Compute signatures with one access key, for one region and service.

    It is safe to use from more than one thread.
    """

    def __init__(
        self,
        credentials: Credentials,
        region: str,
        service: str = "s3",
        scheme: Scheme = AMAZON,
    ) -> None:
        self.credentials = credentials
        self.region = region
        self.service = service
        self.scheme = scheme
        self._date_header = f"x-{scheme.vendor}-date"
        self._payload_header = f"x-{scheme.vendor}-content-sha256"
        self._authorization = f"{scheme.algorithm} Credential="
        self._moment = _Moment(credentials, region, service, 0, scheme)

    def _renew(self, second: int) -> _Moment:
        moment = _Moment(self.credentials, self.region, self.service, second, self.scheme)
        self._moment = moment
        return moment

    def sign_headers(
        self, method: str, host: str, target: str, headers: Mapping[str, str], now: float
    ) -> dict[str, str]:
        """
        Return the headers of a signed request: the given ones, the date and the signature.

        All given headers are signed, and so is `host`, which is not returned.

        Args:
            target: Path and query as they are sent, percent-encoded.
            headers: The request's headers by lower-case name. ``x-amz-content-sha256`` is the
                digest of the body or its replacement; without it, the body must be empty.
            now: Seconds since 1970.
        """
        moment, second = self._moment, int(now)
        if moment.second != second:
            moment = self._renew(second)
        signed = {**headers, "host": host, self._date_header: moment.date}
        if self.credentials.token is not None:
            signed["x-amz-security-token"] = self.credentials.token
        payload_hash = headers.get(self._payload_header, EMPTY_SHA256)
        canonical, names = canonical_request(method, target, signed, payload_hash)
        del signed["host"]
        signed["authorization"] = Hidden(
            f"{self._authorization}{moment.credential}, SignedHeaders={names},"
            f" Signature={moment.signature(canonical)}"
        )
        return signed

    def sign_query(
        self,
        method: str,
        host: str,
        target: str,
        headers: Mapping[str, str],
        expires: int,
        now: float,
        payload_hash: str = UNSIGNED,
    ) -> str:
        """
        Return the target of a presigned URL.

        Args:
            target: Path and query, percent-encoded.
            headers: Headers that requests with the URL must send unchanged; may be empty.
            expires: Seconds from `now` until the signature expires.
        """
        moment, second = self._moment, int(now)
        if moment.second != second:
            moment = self._renew(second)
        path, _, query = target.partition("?")
        signed = {**headers, "host": host}
        added = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": moment.credential,
            "X-Amz-Date": moment.date,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": ";".join(sorted(signed)),
        }
        if self.credentials.token is not None:
            added["X-Amz-Security-Token"] = self.credentials.token
        pieces = [f"{name}={quote(value, safe='~')}" for name, value in added.items()]
        query = _canonical_query("&".join([query, *pieces] if query else pieces))
        target = f"{path}?{query}"
        canonical, _ = canonical_request(method, target, signed, payload_hash)
        return Hidden(f"{target}&X-Amz-Signature={moment.signature(canonical)}")


class HeaderSigner:
    """A signer that signs the headers of each attempt."""

    def __init__(self, sigv4: SigV4) -> None:
        self._sigv4 = sigv4

    def sign(self, request: Request, now: float) -> Mapping[str, str]:
        """Return the headers to send in place of the request's."""
        host = host_header(request.url)
        return self._sigv4.sign_headers(request.method, host, request.target, request.headers, now)

    def sign_as(self, request: Request, headers: Mapping[str, str], now: float) -> dict[str, str]:
        """Return the given headers instead of the request's, with a signature."""
        host = host_header(request.url)
        return self._sigv4.sign_headers(request.method, host, request.target, headers, now)

    def renew(self, request: Request) -> bool:
        """Return `False`: there are no other credentials."""
        return False


class RenewingSigner:
    """A signer that signs the headers of each attempt with the present key of a source."""

    def __init__(
        self, keys: Renewing[Credentials], region: str, service: str, scheme: Scheme
    ) -> None:
        self._keys = keys
        self._scope = region, service, scheme
        self._sigv4: SigV4 | None = None
        self._used = threading.local()

    def sign(self, request: Request, now: float) -> Mapping[str, str]:
        """Return the headers to send in place of the request's."""
        return self.sign_as(request, request.headers, now)

    def sign_as(self, request: Request, headers: Mapping[str, str], now: float) -> dict[str, str]:
        """Return the given headers instead of the request's, with a signature."""
        credentials, sigv4 = self._keys.get(), self._sigv4
        if sigv4 is None or sigv4.credentials is not credentials:
            sigv4 = self._sigv4 = SigV4(credentials, *self._scope)
        self._used.credentials = credentials
        host = host_header(request.url)
        return sigv4.sign_headers(request.method, host, request.target, headers, now)

    def renew(self, request: Request) -> bool:
        """Replace the key that this thread used last; return whether there is another one."""
        return self._keys.replace(self._used.credentials)


def header_signer(
    keys: Keys, region: str, service: str = "s3", scheme: Scheme = AMAZON
) -> HeaderSigner | RenewingSigner:
    """Return a signer of requests in one region."""
    if isinstance(keys, Credentials):
        return HeaderSigner(SigV4(keys, region, service, scheme))
    return RenewingSigner(keys, region, service, scheme)
