"""
The XML API of Google Cloud Storage: the S3 API with other names of headers.

In place of ETags it has generations: numbers that every write changes, to which conditions and
versions refer. https://cloud.google.com/storage/docs/xml-api/reference-headers
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from typing_extensions import override

from ..auth.sigv4 import GOOGLE, PAYLOAD_HEADER, Keys, header_signer
from ..http.message import Request, Response, Signer
from ..redaction import HiddenDict
from ..rest.client import Location, XMLResponse
from ..rest.operation import CONTENT, Operation
from ..rest.reading import require_stored_form
from . import operations
from .client import S3Client
from .service import PLAIN, Service

# https://cloud.google.com/storage/docs/interoperability; multipart uploads have no conditions:
# https://cloud.google.com/storage/docs/request-preconditions
SERVICE = Service(
    "gcs-s3",
    "Google Cloud Storage (S3)",
    "https://storage.googleapis.com",
    region="auto",
    path_style=True,
    options=PLAIN | {"delete_if_match"},
    md5_etags=False,
    composite_etags=False,
    copy_condition="",
    part_copies=False,
    public="",
    recreates=False,
    google=True,
)

_META = "x-amz-meta-"
_CUSTOMER = "x-amz-server-side-encryption-customer-"
_SOURCE_CUSTOMER = "x-amz-copy-source-server-side-encryption-customer-"
_REQUEST_NAMES = {
    PAYLOAD_HEADER: "x-goog-content-sha256",
    "x-amz-acl": "x-goog-acl",
    "x-amz-copy-source": "x-goog-copy-source",
    "x-amz-metadata-directive": "x-goog-metadata-directive",
    "x-amz-server-side-encryption-aws-kms-key-id": "x-goog-encryption-kms-key-name",
    "x-amz-storage-class": "x-goog-storage-class",
    f"{_CUSTOMER}algorithm": "x-goog-encryption-algorithm",
    f"{_CUSTOMER}key": "x-goog-encryption-key",
    f"{_SOURCE_CUSTOMER}algorithm": "x-goog-copy-source-encryption-algorithm",
    f"{_SOURCE_CUSTOMER}key": "x-goog-copy-source-encryption-key",
}
# Headers without a counterpart: keys have SHA-256s at Google, and responses always have digests.
_DROPPED = frozenset(
    {f"{_CUSTOMER}key-md5", f"{_SOURCE_CUSTOMER}key-md5", "x-amz-checksum-mode",
     "x-amz-server-side-encryption"}
)  # fmt: skip
_RESPONSE_NAMES = {
    "x-goog-storage-class": "x-amz-storage-class",
    "x-goog-encryption-kms-key-name": "x-amz-server-side-encryption-aws-kms-key-id",
    "x-goog-encryption-algorithm": f"{_CUSTOMER}algorithm",
    "x-guploader-uploadid": "x-amz-request-id",
    "x-goog-generation": "etag",
}
# https://cloud.google.com/storage/docs/xml-api/get-bucket-list
_QUERY = {
    "versionId": "generation", "key-marker": "marker", "version-id-marker": "generation-marker",
}  # fmt: skip
_FIELDS = {"NextMarker": "NextKeyMarker", "NextGenerationMarker": "NextVersionIdMarker"}
_OF_PROJECTS = frozenset({"CreateBucket", "ListBuckets"})


class GoogleClient(S3Client):
    """
    Sends requests to Google's XML API.

    Args:
        project: The project whose buckets are created and listed.
        payer: The project that pays for all requests. Without it, `project` pays for requests
            with the header of requester-pays buckets.
    """

    def __init__(
        self, *args: Any, project: str | None, payer: str | None = None, **options: Any
    ) -> None:
        self._project = project
        self._payer = payer
        super().__init__(*args, **options)

    @override
    def signer(self, location: Location) -> Signer:
        if self.credentials is None:
            return super().signer(location)
        return GoogleSigner(self.credentials, self._project, self._payer)

    @override
    def target(self, path: str, query: Mapping[str, str] | None) -> str:
        if query and not query.keys().isdisjoint({"versionId", "versions"}):
            query = dict(sorted((_QUERY.get(name, name), query[name]) for name in query))
        return super().target(path, query)

    @override
    def check(self, operation: Operation, response: Response) -> Response:
        if operation is operations.GET_OBJECT:
            require_stored_form(response)
        checked = super().check(operation, GoogleResponse(response))
        own = operation.response is CONTENT and operation is not operations.GET_OBJECT
        return response if own else checked  # a program's own request gets the names of Google

    @override
    def send_xml(
        self, operation: Operation, container: str = "", name: str = "", **options: Any
    ) -> XMLResponse:
        document = super().send_xml(operation, container, name, **options)
        markers = {new: document.fields.get(old, "") for old, new in _FIELDS.items()}
        rows = [(tag, _row(fields)) for tag, fields in document.rows]
        return replace(document, fields={**markers, **document.fields}, rows=rows)


class GoogleSigner:
    """Signs requests after giving their headers Google's names; see `GoogleClient`."""

    def __init__(self, keys: Keys, project: str | None, payer: str | None) -> None:
        self._signer = header_signer(keys, "auto", "storage", GOOGLE)
        self._project = project
        self._payer = payer

    def sign(self, request: Request, now: float) -> Mapping[str, str]:
        """Return the headers to send in place of the request's."""
        headers = request_headers(request, self._project, self._payer)
        return self._signer.sign_as(request, headers, now)

    def renew(self, request: Request) -> bool:
        """Replace the key that was rejected; return whether there is another one."""
        return self._signer.renew(request)


def request_headers(request: Request, project: str | None, payer: str | None) -> dict[str, str]:
    """Return a request's headers by Google's names."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if name in _REQUEST_NAMES:
            headers[_REQUEST_NAMES[name]] = value
        elif name.startswith(_META):
            headers[f"x-goog-meta-{name[len(_META) :]}"] = value
        elif name not in _DROPPED:
            headers[name] = value
    for source in ("", "copy-source-"):
        key = headers.get(f"x-goog-{source}encryption-key")
        if key is not None:
            digest = hashlib.sha256(base64.b64decode(key)).digest()
            headers[f"x-goog-{source}encryption-key-sha256"] = base64.b64encode(digest).decode()
    _set_generations(headers)
    # https://cloud.google.com/storage/docs/requester-pays: the payer is named in all requests.
    if headers.pop("x-amz-request-payer", None) is not None:
        payer = payer or project
    projects = {"x-goog-user-project": payer}
    if request.operation in _OF_PROJECTS:
        projects["x-goog-project-id"] = project
    headers.update({name: value for name, value in projects.items() if value is not None})
    if request.operation in {"GetObject", "HeadObject"}:
        # https://cloud.google.com/storage/docs/transcoding: without it Google decompresses.
        headers["accept-encoding"] = "gzip"
    return headers


def _set_generations(headers: dict[str, str]) -> None:
    """Replace the conditions with ETags by those with generations."""
    # https://cloud.google.com/storage/docs/request-preconditions
    if headers.pop("if-none-match", None) == "*":  # there is none for another generation
        headers["x-goog-if-generation-match"] = "0"
    for of_s3, of_google in (
        ("if-match", "x-goog-if-generation-match"),
        ("x-amz-copy-source-if-match", "x-goog-copy-source-if-generation-match"),
    ):
        etag = headers.pop(of_s3, "").strip('"')
        if etag:
            # An ETag of another service matches no object: generations begin at 1.
            headers[of_google] = etag if etag.isascii() and etag.isdigit() else "1"


class GoogleResponse:
    """A response with S3's names of its headers; see `libstore.http.message.Response`."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.status = response.status
        self.size = response.size
        self.headers: Mapping[str, str] = response_headers(response.headers)

    def readinto(self, buffer: memoryview, /) -> int:
        """Read the next bytes of the body."""
        return self._response.readinto(buffer)

    def read(self, limit: int) -> bytes:
        """Return the whole body."""
        return self._response.read(limit)

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()


def response_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a response's headers by S3's names, with the generation as the ETag."""
    found: HiddenDict[str, str] = HiddenDict()
    for name, value in headers.items():
        if name.startswith("x-goog-meta-"):
            found[_META + name[12:]] = value
        elif name == "x-goog-hash":
            for piece in value.split(","):
                algorithm, _, digest = piece.strip().partition("=")
                found[f"x-amz-checksum-{algorithm}"] = digest
        elif name not in _RESPONSE_NAMES:
            found[name] = value
    # Last, since these replace the header that Google calls ETag.
    for of_google, of_s3 in _RESPONSE_NAMES.items():
        if of_google in headers:
            found[of_s3] = headers[of_google]
    if "x-goog-generation" in headers:
        found["x-amz-version-id"] = headers["x-goog-generation"]
    return found


def _row(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return a row of a listing, with the generation as the ETag and the version."""
    if "Generation" not in fields:
        return fields
    return {**fields, "ETag": fields["Generation"], "VersionId": fields["Generation"]}
