"""
The toolkit for drivers of HTTP services.

A driver declares its arguments in `RestSettings`, its requests as `Operation` constants, its
errors in an `ErrorMapper`, and the headers of objects in a `HeaderDialect`. Its `ServiceClient`
addresses and signs the requests, and its `RestDriver` implements the hooks with them. See
docs/writing-a-driver.md. Names that are not in ``__all__`` may change in any version.
"""

from __future__ import annotations

from ..auth.bearer import BearerSigner, Token, TokenCache, TokenCredential
from ..http.client import HeaderSigner, Unsigned
from ..http.encoding import encode, encode_path
from ..http.headers import clean_etag, parse_date, parse_epoch, parse_size, parse_timestamp
from ..http.message import Request, Response, Signer
from ..http.xml import is_xml_text
from ..options import Option, constructor, option
from ..redaction import Hidden
from .checksums import base64_of, hex_digest
from .client import Location, RequestOptions, ServiceClient, XMLResponse
from .confirming import Confirmer, Protection, Written
from .dialect import HeaderDialect, condition_headers, sorted_page, with_token
from .driver import RestDriver
from .errors import (
    BUSY,
    CHANGED,
    CLOCK,
    DAMAGED,
    EXISTS,
    FULL,
    LACKING,
    NO_BUCKET,
    NO_CONTAINER,
    NO_OBJECT,
    QUOTA,
    REFUSED,
    SLOWER,
    Entry,
    ErrorDocument,
    ErrorMapper,
    ErrorResponse,
    Meaning,
    json_errors,
    not_found,
    precondition_failed,
    rejects_malformed,
)
from .operation import (
    ACCOUNT,
    CONTAINER,
    CONTENT,
    JSON,
    NONE,
    OBJECT,
    UPLOAD,
    XML,
    Operation,
    ResponseKind,
    Subject,
)
from .options import credential, one_of
from .reading import read_headers, sent_span, size_of_head
from .settings import RestSettings, split_endpoint

__all__ = [
    "ACCOUNT",
    "BUSY",
    "CHANGED",
    "CLOCK",
    "CONTAINER",
    "CONTENT",
    "DAMAGED",
    "EXISTS",
    "FULL",
    "JSON",
    "LACKING",
    "NONE",
    "NO_BUCKET",
    "NO_CONTAINER",
    "NO_OBJECT",
    "OBJECT",
    "QUOTA",
    "REFUSED",
    "SLOWER",
    "UPLOAD",
    "XML",
    "BearerSigner",
    "Confirmer",
    "Entry",
    "ErrorDocument",
    "ErrorMapper",
    "ErrorResponse",
    "HeaderDialect",
    "HeaderSigner",
    "Hidden",
    "Location",
    "Meaning",
    "Operation",
    "Option",
    "Protection",
    "Request",
    "RequestOptions",
    "Response",
    "ResponseKind",
    "RestDriver",
    "RestSettings",
    "ServiceClient",
    "Signer",
    "Subject",
    "Token",
    "TokenCache",
    "TokenCredential",
    "Unsigned",
    "Written",
    "XMLResponse",
    "base64_of",
    "clean_etag",
    "condition_headers",
    "constructor",
    "credential",
    "encode",
    "encode_path",
    "hex_digest",
    "is_xml_text",
    "json_errors",
    "not_found",
    "one_of",
    "option",
    "parse_date",
    "parse_epoch",
    "parse_size",
    "parse_timestamp",
    "precondition_failed",
    "read_headers",
    "rejects_malformed",
    "sent_span",
    "size_of_head",
    "sorted_page",
    "split_endpoint",
    "with_token",
]
