"""Requests to one S3 service, which follow buckets to their regions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import ClassVar

from typing_extensions import override

from ..auth.renewal import Renewing
from ..auth.sigv4 import EMPTY_SHA256, PAYLOAD_HEADER, UNSIGNED, Keys, SigV4, header_signer
from ..errors import StorageError
from ..http.client import Client, Unsigned
from ..http.encoding import encode_path, encode_query, host_header
from ..http.message import Content, Response, Signer
from ..http.transport import Transport
from ..redaction import Hidden
from ..rest.client import Location, MovedError, ServiceClient
from ..rest.operation import NONE, Operation, ServiceRequest, unproven
from ..retry import RetryPolicy
from ..transfer.payload import Payload
from ..values import SigningOptions
from . import dialect, operations
from .endpoints import Endpoint, Place, is_region
from .errors import REQUEST_ID, WrongRegionError, error_mapper

# The response of Swift's S3 API if a newer write has replaced the object in the meantime:
# https://github.com/openstack/swift/blob/master/swift/common/middleware/s3api/s3response.py
_SUPERSEDED = b"<h1>Accepted</h1>"
# The beginning of `Operation.proof` where the status is enough, or an ETag besides.
_ETAG_PROVES = ((), ("etag",))
# How many buckets' regions are remembered.
_MAX_PLACES = 4_096


class S3Client(ServiceClient):
    """
    Sends requests to one service, and follows buckets to their regions.

    Args:
        region: The region of buckets whose region is not known.
        fixed: Requests for no bucket go to no other region.
    """

    used_up: ClassVar[frozenset[str]] = frozenset({"NoSuchUpload"})

    def __init__(
        self,
        endpoint: Endpoint,
        transport: Transport,
        credentials: Keys | None,
        region: str,
        *,
        fixed: bool,
        retry: Callable[[], RetryPolicy],
    ) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        self.region = region
        self._fixed = fixed
        self._secure = endpoint.secure
        self._places: dict[str, Place] = {}
        # Whether the service has accepted a request.
        self._accepted = False
        super().__init__(transport, error_mapper(), retry)

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        known = self.credentials
        if isinstance(known, Renewing):
            known = known.known
        return tuple(secret for secret in (known.secret, known.token) if secret) if known else ()

    # ------------------------------------------------------------------ one request

    @override
    def locate(self, container: str, name: str) -> Location:
        place = self._places.get(container) or self.note_region(container, self.region)
        path = place.prefix + encode_path(name) if name else place.top
        return Location(place.url, path, place.region)

    @override
    def signer(self, location: Location) -> Signer:
        if self.credentials is None:
            return Unsigned()
        return header_signer(self.credentials, location.key)

    @override
    def complete_headers(
        self, headers: Mapping[str, str] | None, content: bytes | Content | None
    ) -> Mapping[str, str]:
        if self._secure:
            digest = UNSIGNED
        elif headers and "content-md5" in headers and not isinstance(content, bytes):
            # The MD5 is signed and checked, so a second digest of the same bytes adds nothing.
            digest = UNSIGNED
        elif content is None:
            digest = EMPTY_SHA256
        elif isinstance(content, bytes):
            digest = hashlib.sha256(content).hexdigest()
        else:
            assert isinstance(content, Payload)
            digest = content.digest("sha256")
        return {**(headers or {}), PAYLOAD_HEADER: digest}

    @override
    def check(self, operation: Operation, response: Response) -> Response:
        self._accepted = True
        size = response.size
        if "etag" in response.headers:  # only the service sends it
            if response.status in operation.success and operation.proof[:1] in _ETAG_PROVES:
                return response
        elif size != 0 and operation.response is NONE and operation.method != "HEAD":
            body = self._read_body(response)
            if _SUPERSEDED in body and REQUEST_ID in response.headers:
                return response
            size = len(body)
        self.errors.check_genuine(operation, response, size)
        return response

    def _read_body(self, response: Response) -> bytes:
        """Read the body of a response without a document; raise the error that it may be."""
        try:
            body = response.read(self.max_document)
        except StorageError as error:
            error.status = error.status or response.status
            raise
        found = self.errors.error_in(body, response)
        if found is None and b"<Error" in body[:1024]:  # one without a code, or cut off
            found = unproven(response.status)
        if found is not None:
            raise found
        return body

    # ------------------------------------------------------------------ regions

    def known_region(self, bucket: str) -> str:
        """Return the region of a bucket as far as it is known, without a request."""
        place = self._places.get(bucket)
        return place.region if place else self.region

    def note_region(self, bucket: str, region: str) -> Place:
        """Remember a bucket's region."""
        if len(self._places) >= _MAX_PLACES:
            self._places.clear()
        place = self._places[bucket] = self.endpoint.place(bucket or None, region)
        return place

    def forget(self, bucket: str) -> None:
        """Forget the region of a bucket that does not exist any more."""
        self._places.pop(bucket, None)

    @override
    def follow(
        self, operation: Operation, container: str, location: Location, moved: MovedError
    ) -> bool:
        """
        Note the region of a bucket that is in another one; return whether it was unknown.

        Only the name of a region is taken from a response, never a host.
        """
        if operation is operations.CREATE_BUCKET or not isinstance(moved, WrongRegionError):
            return False
        if not container and self._fixed:
            return False
        hint = moved.hint
        if hint is None and operation.method == "HEAD":
            if moved.error.status == 403 and self._accepted:
                return False  # neither the credentials nor the clock can be the reason
            client = self.client_at(location)
            skew = client.skew
            hint = self._request_region(container, client, moved.error.status)
            if hint is None:
                return skew != client.skew
        if hint == "EU":  # https://docs.aws.amazon.com/general/latest/gr/s3.html: the old name
            hint = "eu-west-1"
        if hint is None or not is_region(hint) or hint == location.key:
            return False
        self.note_region(container, hint)
        return True

    def _request_region(self, bucket: str, client: Client, status: int | None) -> str | None:
        """
        Return the region of a bucket, after a HEAD request that was refused.

        The response to HEAD has no body that says why, so a GET request is sent. It also corrects
        the clock, if that is the reason. If it is refused in the same way, its error is raised.
        """
        kind = operations.GET_BUCKET_LOCATION
        place = self.locate(bucket, "")
        request = ServiceRequest(
            kind.method, place.url, f"{place.path}?location=", {PAYLOAD_HEADER: EMPTY_SHA256},
            operation=kind.name, kind=kind,
        )  # fmt: skip
        try:
            client.request(request).close()
        except WrongRegionError as moved:
            if moved.hint is None and moved.error.status == status:
                raise moved.error from None
            return moved.hint
        except StorageError as error:
            if error.status == status:
                raise
        return None

    # ------------------------------------------------------------------ signed URLs

    def sign_url(
        self, bucket: str, name: str, options: SigningOptions, payer: Mapping[str, str]
    ) -> str:
        """Return a URL that works without credentials."""
        keys = self.credentials
        assert keys is not None
        place = self.endpoint.place(bucket, self.known_region(bucket))
        query = {**payer, **dialect.response_query(options.response_headers)}
        headers = dialect.signed_headers(options.headers)
        target = place.prefix + encode_path(name) + (f"?{encode_query(query)}" if query else "")
        expires = max(1, int(options.expires))
        now = self.client_at(self.locate(bucket, "")).now_there()
        sigv4 = SigV4(keys.get() if isinstance(keys, Renewing) else keys, place.region)
        host = host_header(place.url)
        signed = sigv4.sign_query(options.method, host, target, headers, expires, now)
        return Hidden(place.url + signed)
