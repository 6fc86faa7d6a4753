"""
Application Default Credentials: files by google-auth, and without it the part that is found here.

The metadata server is found here in any case: google-auth waits for it much longer on a machine
that is not at Google.

https://cloud.google.com/docs/authentication/application-default-credentials
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import CredentialsNotFoundError, StorageError
from ..forks import renew_after_fork
from ..http.transport import Transport
from .google import AuthRequest
from .google_accounts import INSTALL, read_file, service_account_credentials
from .google_metadata import MetadataCredentials, MetadataServer
from .searched import not_found, shown_path, variable_line

_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_FILE = "application_default_credentials.json"
_NO_SERVER = "NO_GCE_CHECK"
_ADVICE = (
    "Application Default Credentials were not found; pass key= and secret=, service_account=,"
    " credentials= or token=, set GOOGLE_APPLICATION_CREDENTIALS, log in with: gcloud auth"
    " application-default login, or pass anonymous=True for public data"
)


class DefaultCredentials:
    """
    Application Default Credentials, found when they are first needed.

    Attributes:
        source: The name for `StorageDriver.credentials_source`.

    Args:
        transport: The transport for requests to Google.
    """

    def __init__(self, transport: Transport, environ: Mapping[str, str]) -> None:
        self._transport = transport
        self._environ = environ
        self._path = environ.get(_VARIABLE) or None
        self._login = _login_file(environ)
        self._server = MetadataServer(environ)
        self._found: tuple[Any, str | None] | None = None
        self.source = f"Application Default Credentials: {self._place()}"
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent process may have held."""
        self._lock = threading.Lock()

    def credentials(self) -> Any:
        """Return the credentials, with the interface of google-auth's."""
        return self._find()[0]

    def project(self) -> str | None:
        """Return the project of the credentials, if it is known."""
        credentials, project = self._find()
        if project is None and isinstance(credentials, MetadataCredentials):
            project = self._server.project()
            self._found = credentials, project
        return project

    def _place(self) -> str:
        if self._path is not None:
            return f"{shown_path(self._path)} ({_VARIABLE})"
        if os.path.exists(self._login):
            return shown_path(self._login)
        return self._server.name

    def _find(self) -> tuple[Any, str | None]:
        with self._lock:
            if self._found is None:
                has_file = self._path is not None or os.path.exists(self._login)
                by_package = has_file and is_installed()
                self._found = self._by_google_auth() if by_package else self._by_library()
            return self._found

    def _by_google_auth(self) -> tuple[Any, str | None]:
        try:
            # Credentials that require scopes get them later.
            credentials, project = import_module("google.auth").default(
                request=AuthRequest(self._transport)
            )
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - its text may repeat a secret
            line = f"google-auth: refused the file ({type(error).__name__})"
        else:
            return credentials, project
        raise self._not_found(line)

    def _by_library(self) -> tuple[Any, str | None]:
        """Return the credentials that need no package."""
        if self._path is not None:
            if _kind(self._path) != "of a service account":
                raise self._not_found(*self._not_used)
            made = service_account_credentials(self._path, _VARIABLE)
            return made, made.project_id
        if os.path.exists(self._login):
            raise self._not_found(*self._not_used)
        if self._environ.get(_NO_SERVER, "").lower() == "true":
            raise self._not_found(f"{self._server.name}: {_NO_SERVER} is true")
        return MetadataCredentials(self._server, self._not_found), None

    @property
    def _not_used(self) -> tuple[str, ...]:
        return (f"google-auth, which reads other files: not installed; {INSTALL}",)

    def _not_found(self, *lines: str) -> CredentialsNotFoundError:
        """Return the error that lists where credentials were searched."""
        variable = variable_line(self._environ, _VARIABLE)
        if self._path is not None:
            variable = f"{_VARIABLE}: {shown_path(self._path)}, {_state(self._path)}"
        places = [variable]
        if self._path is None:
            places.append(f"{shown_path(self._login)}: {_state(self._login)}")
        return not_found(_ADVICE, [*places, *lines])


def is_installed() -> bool:
    """Return whether google-auth can be imported."""
    try:
        return find_spec("google.auth") is not None
    except ImportError:  # there is no package google
        return False


def _login_file(environ: Mapping[str, str]) -> str:
    """Return the path of the file that gcloud writes."""
    # https://cloud.google.com/docs/authentication/application-default-credentials#personal
    folder = environ.get("CLOUDSDK_CONFIG")
    if not folder and os.name == "nt":
        folder = os.path.join(environ.get("APPDATA", ""), "gcloud")
    folder = folder or os.path.join(os.path.expanduser("~"), ".config", "gcloud")
    return os.path.join(folder, _FILE)


def _kind(path: str) -> str:
    """Return what kind of credentials a file has, or why it has none."""
    try:
        kind = read_file(path).get("type")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"that cannot be read ({type(error).__name__})"
    if kind == "service_account":
        return "of a service account"
    known = {"authorized_user", "external_account", "impersonated_service_account"}
    return f"of the type {kind!s}" if kind in known else "of no known type"


def _state(path: str) -> str:
    kind = _kind(path)
    return f"a file {kind}" if kind else "no such file"
