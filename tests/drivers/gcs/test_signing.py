"""Presigned URLs that IAM signs."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from drivers.gcs.support import (
    TOKEN,
    made,
)
from scripted import Play, Server, respond

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ServiceError,
    StorageError,
)
from libstore.auth.bearer import TokenCache
from libstore.auth.google import IAM_SCOPE, AccountSigner, GoogleCredential
from libstore.http.transport import Transport
from servers.gcs_model import Model

_SIGNED = respond(b'{"signedBlob": "c2lnbmVk"}')
_NO = respond(b'{"error": {"code": 403, "status": "PERMISSION_DENIED"}}', 403)


class _Machine:
    """Credentials of a machine at Google, which has a name once it has a token."""

    def __init__(self) -> None:
        self.token: str | None = None
        self.valid = True
        self.service_account_email = "default"
        self.quota_project_id: str | None = None
        self._lock = threading.Lock()

    def refresh(self, request: Any) -> None:
        self.token, self.service_account_email = TOKEN, "vm@p.iam.gserviceaccount.com"


def iam(*plays: Play, quota: str | None = None) -> tuple[str, list[str]]:
    """Return a signature, and what was sent for it."""
    server, transport, machine = Server(*plays), Transport(), _Machine()
    machine.quota_project_id = quota
    source = GoogleCredential(lambda: machine, transport)
    tokens = TokenCache(source, IAM_SCOPE)
    signer = AccountSigner(lambda: machine, None, tokens, transport, server.url)
    try:
        signature = signer.sign(b"text", "20260101")
        assert all(dict(one.headers).get("x-goog-user-project") == quota for one in server.seen)
        return signature, [one.target for one in server.seen]
    finally:
        transport.close()
        server.close()


def test_iam_signs_where_there_is_no_private_key(model: Model) -> None:
    from libstore.auth.google import AccountSigner

    server = Server(default=respond(b'{"signedBlob": "c2lnbmVk"}'))
    with made(model, signing_account="me@p.iam.gserviceaccount.com") as driver:
        signer = driver._access.url_signer
        assert isinstance(signer, AccountSigner)
        signer._iam = server.url
        url = driver.object("box", "a").sign_url()
    assert url.endswith("&X-Goog-Signature=" + b"signed".hex())
    (seen,) = server.seen
    assert "/v1/projects/-/serviceAccounts/me@p.iam.gserviceaccount.com:signBlob" == seen.target
    assert ("authorization", f"Bearer {TOKEN}") in seen.headers
    server.close()


def test_machine_credentials_sign_by_their_account() -> None:
    signature, requested = iam(_SIGNED)
    assert b"signed".hex() == signature
    assert ["/v1/projects/-/serviceAccounts/vm@p.iam.gserviceaccount.com:signBlob"] == requested


def test_temporary_error_of_iam_is_retried() -> None:
    _, requested = iam(respond(b"", 503), _SIGNED)
    assert 2 == len(requested)


def test_quota_project_is_sent_to_iam() -> None:
    """It does not take a person's token otherwise."""
    signature, _ = iam(_SIGNED, quota="some-project")
    assert b"signed".hex() == signature


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        (_NO, AccessDeniedError),
        (respond(b'{"error": {"code": 401}}', 401), AuthenticationError),
        (respond(b"<html></html>", 200), ServiceError),
        (respond(b"<html></html>", 403), ServiceError),
        (respond(b'{"signedBlob": 5}', 200), ServiceError),
    ],
    ids=["no role", "no token", "page", "denied page", "nonsense"],
)
def test_reason_of_a_refused_signature_is_reported(play: Play, kind: type[StorageError]) -> None:
    with pytest.raises(kind) as caught:
        iam(play, play)
    assert caught.value.status is not None
