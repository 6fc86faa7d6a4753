"""The base class of drivers without a service, whose presigned URLs another server carries out."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping

from typing_extensions import override

from .auth.hmac_url import URLSigner
from .driver import StorageDriver
from .error_context import ErrorContext
from .handles import Object
from .redaction import hide
from .values import SigningOptions


class SelfSigningDriver(StorageDriver):
    """A driver that signs URLs and verifies them itself."""

    @abstractmethod
    def _signing(self) -> tuple[str, URLSigner]:
        """
        Return what all presigned URLs begin with, and what signs them.

        Raises:
            NotSupportedError: The driver has no address or no key.
        """

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        address, signer = self._signing()
        return hide(f"{address}/{signer.sign(container, name, options, time.time())}")

    def verify_url(
        self, url: str, *, method: str, headers: Mapping[str, str] | None = None
    ) -> tuple[Object, SigningOptions]:
        """
        Check whether a presigned URL allows a request, for the server that carries it out.

        Args:
            url: The URL, or the part of it after `base_url`: path and query.
            method: The method of the request.
            headers: The headers of the request.

        Returns:
            The object, whose existence is not checked, and the options that the URL was signed
            with. Their `headers` and `expires` are those of the request and the seconds left.

        Raises:
            AccessDeniedError: The URL was changed, is for another method, has expired, or the
                request does not have the headers that were signed.
        """
        url = hide(url)
        with ErrorContext(self, "verify_url"):
            address, signer = self._signing()
            container, name, options = signer.verify(
                url, address, method, headers or {}, time.time()
            )
        return self.object(container, name), options
