"""
Tokens and signatures of a service account, by its private key.

https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

from .. import arguments
from ..errors import CredentialsNotFoundError
from ..http.json import parse_json
from ..redaction import Hidden, HiddenDict, hide, without_frames
from .google import SCOPE, AuthRequest

#: How to install the packages for Google.
INSTALL = "pip install 'libstore[gcs]'"

_ENDPOINT = "https://oauth2.googleapis.com/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# The longest lifetime that Google accepts.
_LIFETIME = 3600
_SIZE = 1 << 20


class RefusedTokenError(Exception):
    """Google issued no token; the text is Google's."""


class ServiceAccountCredentials:
    """
    The credentials of a service account, with the interface of google-auth's.

    Attributes:
        signer_email: The account.
        project_id: Its project, if it is known.
        valid: False, because the caller keeps a token for as long as it is valid.

    Args:
        sign: Signs bytes with RSA and SHA-256.
    """

    valid = False

    def __init__(
        self,
        fields: Mapping[str, Any],
        sign: Callable[[bytes], bytes],
        scopes: Sequence[str] = (SCOPE,),
    ) -> None:
        self.signer_email = str(fields["client_email"])
        project = fields.get("project_id")
        self.project_id = project if isinstance(project, str) else None
        self.token: str | None = None
        self.expiry: datetime | None = None
        self.sign_bytes = sign
        self._fields = fields
        self._scopes = tuple(scopes)

    def with_scopes(self, scopes: Sequence[str]) -> ServiceAccountCredentials:
        """Return the credentials with other scopes."""
        return ServiceAccountCredentials(self._fields, self.sign_bytes, scopes)

    def refresh(self, request: AuthRequest) -> None:
        """
        Request a token.

        Raises:
            RefusedTokenError: Google issued none.
        """
        address, now = str(self._fields["token_uri"]), time.time()
        body = urlencode({"grant_type": _GRANT, "assertion": self._assertion(address, int(now))})
        kind = {"content-type": "application/x-www-form-urlencoded"}
        response = request(address, "POST", Hidden(body), kind)
        found = json_object(response.data)
        token, life = found.get("access_token"), found.get("expires_in")
        if response.status != 200 or not isinstance(token, str) or not token:
            text = found.get("error_description") or found.get("error")
            raise RefusedTokenError(str(text or "there is no token in the response"))
        self.token = Hidden(token)
        end = now + (life if isinstance(life, (int, float)) else _LIFETIME)
        self.expiry = datetime.fromtimestamp(end, timezone.utc)

    def _assertion(self, address: str, now: int) -> str:
        """Return a signed JWT that requests a token."""
        header = {"alg": "RS256", "typ": "JWT"}
        if self._fields.get("private_key_id"):
            header["kid"] = str(self._fields["private_key_id"])
        claims = {
            "iss": self.signer_email, "scope": " ".join(self._scopes), "aud": address,
            "iat": now, "exp": now + _LIFETIME,
        }  # fmt: skip
        text = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        return Hidden(f"{text}.{_base64(self.sign_bytes(text.encode()))}")


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def json_object(body: bytes | str) -> HiddenDict[str, Any]:
    """Return a JSON object with its values hidden; an empty one if the text is none."""
    try:
        found = hide(parse_json(Hidden(body) if isinstance(body, str) else body))
    except ValueError:
        return HiddenDict()
    return found if isinstance(found, HiddenDict) else HiddenDict()


def read_file(path: str | os.PathLike[str]) -> HiddenDict[str, Any]:
    """
    Return the JSON object in a file of credentials; an empty one if it has none.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        return json_object(file.read(_SIZE))


def service_account_credentials(
    account: str | os.PathLike[str] | Mapping[str, str], label: str = "service_account"
) -> ServiceAccountCredentials:
    """
    Return the credentials of a service account.

    Args:
        account: The path of its JSON file, or the content; only ``client_email`` and
            ``private_key`` are required.
        label: What names the file or contains the content.

    Raises:
        CredentialsNotFoundError: There is no valid key, or no package that can sign with it.
    """
    given: object = hide(account) if isinstance(account, Mapping) else account
    if isinstance(account, str) and account.lstrip().startswith("{"):
        account = given = ""  # so that no traceback has it
        raise CredentialsNotFoundError(
            f"{label} is the text of a JSON key file in place of its path; pass json.loads(text)"
        )
    if isinstance(account, (str, os.PathLike)):
        try:
            given = read_file(account)
        except OSError as error:
            raise CredentialsNotFoundError(
                f"the file that {label} names cannot be read ({type(error).__name__}); it must be"
                " the JSON key file of a service account"
            ) from None
    if not isinstance(given, Mapping) or not {"client_email", "private_key"} <= given.keys():
        raise CredentialsNotFoundError(
            f"{label} must contain client_email and private_key, as a JSON key file does"
        )
    fields = hide({"token_uri": _ENDPOINT, **given})
    arguments.address(fields["token_uri"], "token_uri of the service account")
    return ServiceAccountCredentials(fields, _signer(fields["private_key"], label))


def _signer(key: object, label: str) -> Callable[[bytes], bytes]:
    """Return a function that signs with a private key, by whichever package is installed."""
    for make in (_by_cryptography, _by_google_auth):
        try:
            return make(str(key))
        except ImportError:
            continue
        except Exception as error:  # noqa: BLE001 - its classes are those of optional packages
            without_frames(error)
            # Its message may repeat the key.
            raise CredentialsNotFoundError(
                f"private_key of {label} is invalid ({type(error).__name__}); it must be an RSA"
                " key in PEM, including its line breaks"
            ) from None
    raise CredentialsNotFoundError(
        "signing with the private key of a service account requires the package cryptography or"
        f" google-auth; install both with: {INSTALL}"
    )


def _by_cryptography(key: str) -> Callable[[bytes], bytes]:
    primitives = "cryptography.hazmat.primitives"
    rsa = import_module(f"{primitives}.asymmetric.rsa")
    padding = import_module(f"{primitives}.asymmetric.padding").PKCS1v15()
    digest = import_module(f"{primitives}.hashes").SHA256()
    data = hide(key.encode())
    private = import_module(f"{primitives}.serialization").load_pem_private_key(data, None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")

    def sign(text: bytes) -> bytes:
        signature: bytes = private.sign(text, padding, digest)
        return signature

    return sign


def _by_google_auth(key: str) -> Callable[[bytes], bytes]:
    crypt = import_module("google.auth.crypt")
    sign: Callable[[bytes], bytes] = crypt.RSASigner.from_string(key).sign
    return sign
