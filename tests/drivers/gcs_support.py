"""What tests of Google Cloud Storage share: a service account, and who signs for it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest


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
