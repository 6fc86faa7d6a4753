"""Presigned URLs, which both drivers of Google Cloud Storage sign alike."""

from __future__ import annotations

from ...auth.google import URLSigner, signed_target
from ...errors import NotSupportedError
from ...http.encoding import host_header
from ...values import SigningOptions
from .endpoints import Endpoint

# https://cloud.google.com/storage/docs/xml-api/get-object-download
_OVERRIDES = frozenset({"content-type", "content-disposition"})


def sign_url(
    signer: URLSigner,
    endpoint: Endpoint,
    container: str,
    name: str,
    options: SigningOptions,
    *,
    payer: str | None,
    now: float,
) -> str:
    """
    Return a URL that works without credentials.

    Args:
        payer: The project that pays for requests to requester-pays buckets.
        now: The time by Google's clock, in seconds since 1970.
    """
    unsupported = options.response_headers.keys() - _OVERRIDES
    if unsupported:
        raise NotSupportedError(
            f"a presigned URL of Google cannot set the response header {min(unsupported)}, only"
            f" {' and '.join(sorted(_OVERRIDES))}"
        )
    query = {f"response-{name}": value for name, value in options.response_headers.items()}
    if payer is not None:
        query["userProject"] = payer
    return endpoint.url + signed_target(
        signer, options.method, host_header(endpoint.url), endpoint.public(container, name), query,
        options.headers, max(1.0, options.expires), now,
    )  # fmt: skip
