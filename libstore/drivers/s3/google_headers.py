"""
The S3 dialect as Google Cloud Storage speaks it.

Its XML API is that of S3, with names of headers of its own, and with generations in place of
ETags: numbers that every write changes, which conditions and versions are about.
https://cloud.google.com/storage/docs/xml-api/reference-headers
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from typing_extensions import override

from ...auth.sigv4 import GOOGLE, PAYLOAD_HEADER, Credentials, HeaderSigner, SigV4
from ...http.message import Request, Response, Signer
from ...redaction import HiddenDict
from ...rest.client import Location, XMLResponse
from ...rest.operation import Operation
from ...rest.reading import require_stored_form
from . import operations
from .client import S3Client

_CUSTOMER = "x-amz-server-side-encryption-customer-"
_SOURCE_CUSTOMER = "x-amz-copy-source-server-side-encryption-customer-"
_SENT = {
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
#: What says nothing to Google: keys have SHA-256s there, and digests come unasked.
_DROPPED = frozenset(
    {f"{_CUSTOMER}key-md5", f"{_SOURCE_CUSTOMER}key-md5", "x-amz-checksum-mode",
     "x-amz-server-side-encryption"}
)  # fmt: skip
_META = "x-amz-meta-"
_TOLD = {
    "x-goog-storage-class": "x-amz-storage-class",
    "x-goog-encryption-kms-key-name": "x-amz-server-side-encryption-aws-kms-key-id",
    "x-goog-encryption-algorithm": f"{_CUSTOMER}algorithm",
    "x-guploader-uploadid": "x-amz-request-id",
    "x-goog-generation": "etag",
}
_QUERY = {"versionId": "generation"}
#: Requests that are about a project.
_OF_PROJECTS = frozenset({"CreateBucket", "ListBuckets"})


class GoogleSigner(HeaderSigner):
    """
    Signs requests as Google wants them, under Google's names of their headers.

    Args:
        project: Whose buckets are made and listed.
        payer: The project that pays for everything. Without it, `project` pays where a request
            asks for that.
    """

    def __init__(
        self, credentials: Credentials, project: str | None, payer: str | None = None
    ) -> None:
        super().__init__(SigV4(credentials, "auto", "storage", GOOGLE))
        self._project = project
        self._payer = payer

    @override
    def sign(self, request: Request, now: float) -> Mapping[str, str]:
        """Return the headers to send in place of the request's."""
        headers = sent(request, self._project, self._payer)
        return self.sign_as(request, headers, now)


def sent(request: Request, project: str | None, payer: str | None) -> dict[str, str]:
    """Return a request's headers under Google's names."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if name in _SENT:
            headers[_SENT[name]] = value
        elif name.startswith(_META):
            headers[f"x-goog-meta-{name[len(_META) :]}"] = value
        elif name not in _DROPPED:
            headers[name] = value
    for source in ("", "copy-source-"):
        key = headers.get(f"x-goog-{source}encryption-key")
        if key is not None:
            digest = hashlib.sha256(base64.b64decode(key)).digest()
            headers[f"x-goog-{source}encryption-key-sha256"] = base64.b64encode(digest).decode()
    _generations(headers)
    if headers.pop("x-amz-request-payer", None) is not None:
        payer = payer or project
    # https://cloud.google.com/storage/docs/requester-pays: whatever is asked of a bucket is paid.
    named = {"x-goog-user-project": payer}
    if request.operation in _OF_PROJECTS:
        named["x-goog-project-id"] = project
    headers.update({name: value for name, value in named.items() if value is not None})
    if request.operation in {"GetObject", "HeadObject"}:
        # https://cloud.google.com/storage/docs/transcoding: as it is stored, or not at all.
        headers["accept-encoding"] = "gzip"
    return headers


def _generations(headers: dict[str, str]) -> None:
    # https://cloud.google.com/storage/docs/request-preconditions
    if headers.pop("if-none-match", None) is not None:
        headers["x-goog-if-generation-match"] = "0"
    for ours, theirs in (
        ("if-match", "x-goog-if-generation-match"),
        ("x-amz-copy-source-if-match", "x-goog-copy-source-if-generation-match"),
    ):
        etag = headers.pop(ours, "").strip('"')
        if etag:
            # One that is none of Google's matches no object: generations begin at 1.
            headers[theirs] = etag if etag.isascii() and etag.isdigit() else "1"


class GoogleClient(S3Client):
    """
    Sends requests to Google's XML API.

    Attributes:
        payer: The project that pays for requests to buckets of others, if it is another one.

    Args:
        project: The project whose buckets are created and listed.
    """

    payer: str | None = None

    def __init__(self, *args: Any, project: str | None, **options: Any) -> None:
        self._project = project
        super().__init__(*args, **options)

    @override
    def signer(self, location: Location) -> Signer:
        if self.credentials is None:
            return super().signer(location)
        return GoogleSigner(self.credentials, self._project, self.payer)

    @override
    def target(self, path: str, query: Mapping[str, str] | None) -> str:
        if query and "versionId" in query:
            query = {_QUERY.get(name, name): value for name, value in query.items()}
        return super().target(path, query)

    @override
    def check(self, operation: Operation, response: Response) -> Response:
        if operation is operations.GET_OBJECT:
            require_stored_form(response)
        return super().check(operation, Told(response))

    @override
    def send_xml(
        self, operation: Operation, container: str = "", name: str = "", **options: Any
    ) -> XMLResponse:
        answer = super().send_xml(operation, container, name, **options)
        return replace(answer, rows=[(tag, _row(fields)) for tag, fields in answer.rows])


def _row(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return a row of a listing, with the generation where the ETag is."""
    return {**fields, "ETag": fields["Generation"]} if "Generation" in fields else fields


class Told:
    """An answer under the names of S3; see `libstore.http.message.Response`."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.status = response.status
        self.size = response.size
        self.headers: Mapping[str, str] = _told(response.headers)

    def readinto(self, buffer: memoryview, /) -> int:
        """Read the next bytes of the body."""
        return self._response.readinto(buffer)

    def read(self, limit: int) -> bytes:
        """Return the whole body."""
        return self._response.read(limit)

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    found: HiddenDict[str, str] = HiddenDict()
    for name, value in headers.items():
        if name.startswith("x-goog-meta-"):
            found[_META + name[12:]] = value
        elif name == "x-goog-hash":
            for piece in value.split(","):
                algorithm, _, digest = piece.strip().partition("=")
                found[f"x-amz-checksum-{algorithm}"] = digest
        elif name not in _TOLD:
            found[name] = value
    # Last, for what Google calls an ETag is no generation.
    found.update({ours: headers[theirs] for theirs, ours in _TOLD.items() if theirs in headers})
    if "x-goog-generation" in headers:
        found["x-amz-version-id"] = headers["x-goog-generation"]
    return found
