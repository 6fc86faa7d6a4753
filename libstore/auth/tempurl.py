"""
Swift's TempURL: presigned URLs.

https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import unquote

from ..http.encoding import encode_path, encode_query
from ..redaction import Hidden

_DIGESTS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}


def signature(
    path: str,
    method: str,
    key: str,
    expires: int,
    *,
    digest: str = "sha256",
    prefix: bool = False,
    ip_range: str | None = None,
) -> str:
    """
    Return the signature of a presigned URL.

    Args:
        path: ``/v1/account/container/object``, not percent-encoded.
        expires: The expiry in seconds since 1970.
        prefix: Whether the signature is valid for all objects whose path begins with `path`.
        ip_range: The IP addresses that may use the URL.
    """
    key = Hidden(key)
    lines = [method, str(expires), f"prefix:{path}" if prefix else path]
    if ip_range is not None:
        lines.insert(0, f"ip={ip_range}")
    mac = hmac.new(key.encode(), "\n".join(lines).encode(), _DIGESTS[digest])
    if digest == "sha512":
        return "sha512:" + base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")
    return mac.hexdigest()


def sign_path(
    root: str,
    name: str,
    method: str,
    key: str,
    expires: int,
    *,
    digest: str = "sha256",
    extra: Mapping[str, str] | None = None,
) -> str:
    """
    Return path and query of a presigned URL for one object.

    Args:
        root: ``/v1/account``, percent-encoded as in the response to the login.
        name: ``container/object``, not percent-encoded.
        extra: Further query parameters, which are not signed.
    """
    path = f"{unquote(root)}/{name}"
    query: dict[str, str] = {
        "temp_url_sig": signature(path, method, key, expires, digest=digest),
        "temp_url_expires": str(expires),
        **(extra or {}),
    }
    return Hidden(f"{root}/{encode_path(name)}?{encode_query(query)}")
