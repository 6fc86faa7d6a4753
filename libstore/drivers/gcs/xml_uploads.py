"""
Multipart uploads by the XML API, with the tokens of the JSON API.

https://cloud.google.com/storage/docs/multipart-uploads
"""

from __future__ import annotations

from ...rest.dialect import HeaderDialect, with_token
from ...s3api.google_headers import SERVICE
from ...s3api.multipart import UploadRequests
from ...values import WriteOptions
from . import dialect
from .client import GCSClient

_META = "x-goog-meta-"
_HEADERS = HeaderDialect(_META, storage_class="x-goog-storage-class")


def xml_uploads(client: GCSClient) -> UploadRequests:
    """Return the multipart uploads of a driver."""
    return UploadRequests(client, SERVICE, ("md5",), {})


def write_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers of what is stored with an object."""
    headers = _HEADERS.write_headers(options)
    headers = with_token(headers, options.conditions, _META, dialect.MAX_METADATA)
    if "custom_time" in options.extra:
        headers["x-goog-custom-time"] = str(options.extra["custom_time"])
    if "acl" in options.extra:
        headers["x-goog-acl"] = str(options.extra["acl"])
    return headers
