"""What tests of Google Cloud Storage share: drivers of the model, faults, a service account."""

from __future__ import annotations

import hashlib
import re
import threading
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any, Protocol

import pytest

from libstore import RetryPolicy, TransferOptions, get_driver
from libstore.drivers.gcs import GCSDriver
from servers.gcs_model import KEY, SECRET, RefusedError, Request

PART = 256 * 1024
BIG = 5 * 1024 * 1024
#: The arguments of a driver with an HMAC key.
HMAC: dict[str, Any] = {"token": None, "key": KEY, "secret": SECRET}
TOKEN = "ya29.a-token-that-nobody-sees"


class Served(Protocol):
    """What is listening somewhere."""

    url: str


def made(model: Served, **options: Any) -> GCSDriver:
    """Return a driver of a server, which tries again at once."""
    given: dict[str, Any] = {"token": TOKEN, "endpoint": model.url, "project": "p", **options}
    driver = get_driver("gcs")(retry=RetryPolicy(4, base=0.0), **given)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=4)
    return driver


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


class Once:
    """Disturbs the first request that fits."""

    def __init__(self, pattern: str, fault: int | RefusedError = 0, *, times: int = 1) -> None:
        self._pattern = re.compile(pattern)
        self._fault = fault
        self._left = times
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> int | None:
        shown = f"{request.method} {request.target} {request.headers.get('content-range', '')}"
        with self._lock:
            if not self._left or not self._pattern.search(shown):
                return None
            self._left -= 1
        if isinstance(self._fault, RefusedError):
            raise self._fault
        return self._fault


BUSY = RefusedError(503, "backendError", "We encountered an internal error.")


@cache
def account() -> dict[str, str]:
    """Return a service account with a key that was made up for this run."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "test-project",
        "client_email": "tester@test-project.iam.gserviceaccount.com",
        "private_key": text.decode(),
        "private_key_id": "1",
        "token_uri": "http://127.0.0.1:9/token",
    }


def credentials(token: str = "a-token") -> Any:
    """Return google-auth's own credentials of the account, with a token for the next hour."""
    service_account = pytest.importorskip("google.oauth2.service_account")
    made = service_account.Credentials.from_service_account_info(account())
    made.token = token
    made.expiry = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(hours=1)
    return made
