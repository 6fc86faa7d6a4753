"""Presigned URLs: one kind of request for one object, for a limited time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, cast

import pytest
import requests

from libstore import (
    Container,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    SignedURL,
    StorageDriver,
)

from .base import CONTENT, Topic
from .names import AWKWARD, has_dots


class _Redeem(Protocol):
    """Sends a request to a URL and returns the body of the response."""

    def __call__(
        self, url: str, method: str, headers: Mapping[str, str] = ..., content: bytes = ...
    ) -> bytes: ...


class Signatures(Topic):
    """Test sign_url."""

    @pytest.fixture
    def redeem(self) -> _Redeem:
        """Return a function that sends a request to a URL; a refusal raises PermissionError."""

        def send(
            url: str, method: str, headers: Mapping[str, str] | None = None, content: bytes = b""
        ) -> bytes:
            with requests.Session() as session:
                session.trust_env = False  # no credentials from a netrc file
                response = session.request(
                    method, url, headers=headers, data=content, timeout=60.0
                )
            if response.status_code >= 300:
                raise PermissionError(f"the status is {response.status_code} {response.reason}")
            return response.content

        return send

    @pytest.fixture
    def signs(self, driver: StorageDriver) -> None:
        """Skip a test if the service has no presigned URLs."""
        if not driver.supports("sign_url"):
            pytest.skip("the service has no presigned URLs")

    def test_unsupported_sign_url_raises(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Without presigned URLs, sign_url raises NotSupportedError."""
        if driver.supports("sign_url"):
            pytest.skip("the service has presigned URLs")
        with pytest.raises(NotSupportedError):
            container.object("a").sign_url()

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("name", ["a", "folder/a b", "100%", "a+b?c#d&e", "ä/日本/😀", "%2F"])
    def test_a_signed_url_gives_the_object(
        self, container: Container, redeem: _Redeem, name: str
    ) -> None:
        """The URL reads the object without credentials, for any name."""
        obj = container.upload_object(CONTENT, name)
        assert CONTENT == redeem(obj.sign_url(), "GET")

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("name", AWKWARD, ids=ascii)
    def test_a_signed_url_leads_to_the_object_or_is_refused(
        self, container: Container, redeem: _Redeem, name: str
    ) -> None:
        """A name that clients change in a URL is refused; every other name can be requested."""
        try:
            obj = container.upload_object(CONTENT, name)
        except InvalidNameError:
            pytest.skip("the service refuses the name")
        try:
            url = obj.sign_url()
        except NotSupportedError:
            return
        assert not has_dots(name)
        assert CONTENT == redeem(url, "GET")

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_signed_url_with_dot_segments_is_refused(
        self, driver: StorageDriver, method: str
    ) -> None:
        """Clients resolve the segment, and the URL would permit access to another object."""
        for name in ("..", "../other/secret", "a/../b", "a/.", "./a", "a/.."):
            try:
                obj = driver.object("libstore-missing", name)
            except InvalidNameError:
                continue
            with pytest.raises(NotSupportedError):
                obj.sign_url(method=method)

    @pytest.mark.usefixtures("signs")
    def test_unsupported_signed_headers_are_refused(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """They are never ignored."""
        obj = container.object("a")
        for option, given in (
            ("sign_headers", {"headers": {"content-type": "image/png"}}),
            ("sign_response_headers", {"response_headers": {"content-disposition": "attachment"}}),
        ):
            call = partial(obj.sign_url, **cast("Any", given))
            if driver.supports(option):
                assert isinstance(call(), SignedURL)
            else:
                with pytest.raises(NotSupportedError):
                    call()

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("content", [CONTENT, b""], ids=["some", "empty"])
    def test_a_signed_url_uploads_the_object(
        self, container: Container, redeem: _Redeem, content: bytes
    ) -> None:
        """A PUT with the headers of its URL, and no others, writes and replaces the object."""
        url = container.object("folder/a b").sign_url(method="PUT")
        redeem(url, url.method, url.headers, b"replaced")
        redeem(url, url.method, url.headers, content)
        assert content == container.read_object("folder/a b")

    @pytest.mark.usefixtures("signs")
    def test_headers_that_need_not_be_enforced_are_sent_and_stored(
        self, container: Container, redeem: _Redeem
    ) -> None:
        """Also a service that cannot sign headers stores what a client sends."""
        url = container.object("a").sign_url(
            method="PUT", headers={"Content-Type": "image/png"}, enforce_headers=False
        )
        redeem(url, url.method, url.headers, CONTENT)
        assert "image/png" == url.headers["content-type"]
        assert "image/png" == container.get_object("a").content_type
        assert CONTENT == container.read_object("a")

    @pytest.mark.usefixtures("signs")
    def test_signed_content_type_is_stored(
        self, driver: StorageDriver, container: Container, redeem: _Redeem
    ) -> None:
        """The headers of the URL include the content type that was signed."""
        if not driver.supports("sign_headers"):
            pytest.skip("the service does not sign headers")
        url = container.object("a").sign_url(method="PUT", headers={"Content-Type": "image/png"})
        redeem(url, url.method, url.headers, CONTENT)
        assert "image/png" == url.headers["content-type"]
        assert "image/png" == container.get_object("a").content_type

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize(
        "headers", [{}, {"content-type": "text/plain"}], ids=["none", "other"]
    )
    def test_request_without_signed_headers_is_refused(
        self,
        driver: StorageDriver,
        container: Container,
        redeem: _Redeem,
        headers: Mapping[str, str],
    ) -> None:
        """The service refuses a request without a signed header, or with another value."""
        if not driver.supports("sign_headers"):
            pytest.skip("the service does not sign headers")
        url = container.object("a").sign_url(method="PUT", headers={"content-type": "image/png"})
        with pytest.raises(PermissionError):
            redeem(url, url.method, headers, CONTENT)
        assert not container.object_exists("a")

    @pytest.mark.usefixtures("signs")
    def test_signed_length_limits_an_upload(
        self, driver: StorageDriver, container: Container, redeem: _Redeem
    ) -> None:
        """A signed Content-Length permits an upload of this size only."""
        if not driver.supports("sign_headers"):
            pytest.skip("the service does not sign headers")
        length = {"content-length": str(len(CONTENT))}
        url = container.object("a").sign_url(method="PUT", headers=length)
        with pytest.raises(PermissionError):
            redeem(url, url.method, {}, CONTENT * 2)
        redeem(url, url.method, url.headers, CONTENT)
        assert CONTENT == container.read_object("a")

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("name", ["Host", "authorization", "Transfer-Encoding"])
    def test_header_of_the_connection_is_not_signed(self, container: Container, name: str) -> None:
        """It raises InvalidOptionError."""
        with pytest.raises(InvalidOptionError, match="cannot be signed"):
            container.object("a").sign_url(method="PUT", headers={name: "x"})

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
    def test_signed_url_has_its_method(
        self, container: Container, redeem: _Redeem, method: str
    ) -> None:
        """A URL has all that its request needs."""
        url = container.upload_object(CONTENT, "a").sign_url(method=method)
        body = redeem(url, url.method, url.headers)
        assert method == url.method
        assert method != "GET" or body == CONTENT
        assert container.object_exists("a") is (method != "DELETE")

    @pytest.mark.usefixtures("signs")
    def test_a_signed_url_is_for_one_method(self, container: Container, redeem: _Redeem) -> None:
        """A URL for GET does not delete."""
        obj = container.upload_object(CONTENT, "a")
        with pytest.raises(PermissionError):
            redeem(obj.sign_url(method="GET"), "DELETE")
        assert container.object_exists("a")

    @pytest.mark.usefixtures("signs")
    def test_a_signed_url_is_for_one_object(self, container: Container, redeem: _Redeem) -> None:
        """A URL that was changed to another object is refused."""
        mine = container.upload_object(CONTENT, "object-one")
        container.upload_object(b"secret", "object-two")
        with pytest.raises(PermissionError):
            redeem(mine.sign_url().replace("object-one", "object-two"), "GET")

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_sign_url_does_not_check_the_object(self, driver: StorageDriver, method: str) -> None:
        """A URL of a missing object in a missing container can be signed."""
        url = driver.object("libstore-missing", "a").sign_url(method=method)
        assert isinstance(url, SignedURL)
        assert isinstance(url, str)
        assert "libstore-missing" in url

    @pytest.mark.usefixtures("signs")
    def test_repr_of_a_signed_url_hides_the_query(self, driver: StorageDriver) -> None:
        url = driver.object("libstore-missing", "a").sign_url()
        query = url.partition("?")[2]
        assert query
        assert query not in repr(url)
        assert "libstore-missing" in repr(url)

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("method", ["POST", "get", "", "PATCH"])
    def test_a_method_that_cannot_be_signed_is_refused(
        self, driver: StorageDriver, method: str
    ) -> None:
        """GET, HEAD, PUT and DELETE can be signed, and nothing else."""
        with pytest.raises(InvalidOptionError):
            driver.object("libstore-missing", "a").sign_url(method=method)

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize(
        "expires",
        [0, -1, float("nan"), float("inf"), timedelta(), timedelta(seconds=-1), timedelta.max],
        ids=str,
    )
    def test_invalid_expiry_is_refused(
        self, driver: StorageDriver, expires: float | timedelta
    ) -> None:
        """A URL is valid for more than 0 seconds, up to the limit."""
        obj = driver.object("libstore-missing", "a")
        with pytest.raises(InvalidOptionError):
            obj.sign_url(expires=expires)
        with pytest.raises(InvalidOptionError):
            obj.sign_url(expires=driver.limits.max_expires + 1)
        longest = timedelta(seconds=driver.limits.max_expires)
        assert obj.sign_url(expires=longest).startswith(obj.sign_url().partition("?")[0])

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("expires", ["60", None, True], ids=ascii)
    def test_expiry_of_another_type_is_refused(self, driver: StorageDriver, expires: Any) -> None:
        """It is a number of seconds or a timedelta."""
        with pytest.raises(InvalidTypeError):
            driver.object("libstore-missing", "a").sign_url(expires=expires)
