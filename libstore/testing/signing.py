"""Signed URLs: one kind of request for one object, for a while."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

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

#: Sends a request with a method to a URL and returns the body of the answer.
_Redeem = Callable[[str, str], bytes]


class Signatures(Topic):
    """sign_url."""

    @pytest.fixture
    def redeem(self) -> _Redeem:
        """Return what sends a request to a signed URL, and raises PermissionError if refused."""

        def send(url: str, method: str) -> bytes:
            with requests.Session() as session:
                session.trust_env = False  # no credentials from a netrc file
                answer = session.request(method, url, timeout=60.0)
            if answer.status_code >= 300:
                raise PermissionError(f"the answer is {answer.status_code} {answer.reason}")
            return answer.content

        return send

    @pytest.fixture
    def signs(self, driver: StorageDriver) -> None:
        """Skip a test on a service without signed URLs."""
        if not driver.supports("sign_url"):
            pytest.skip("the service has no signed URLs")

    def test_a_service_without_signed_urls_says_so(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Without signed URLs, sign_url is NotSupportedError."""
        if driver.supports("sign_url"):
            pytest.skip("the service has signed URLs")
        with pytest.raises(NotSupportedError):
            container.object("a").sign_url()

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("name", ["a", "folder/a b", "100%", "a+b?c#d&e", "ä/日本/😀", "%2F"])
    def test_a_signed_url_gives_the_object(
        self, container: Container, redeem: _Redeem, name: str
    ) -> None:
        """Whoever has the URL can read the object, whatever its name."""
        obj = container.upload_object(CONTENT, name)
        assert CONTENT == redeem(obj.sign_url(), "GET")

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("name", AWKWARD, ids=ascii)
    def test_a_signed_url_leads_to_the_object_or_is_refused(
        self, container: Container, redeem: _Redeem, name: str
    ) -> None:
        """What clients would change in a URL makes none; every other name is fetched."""
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
    def test_no_url_is_signed_that_clients_change(
        self, driver: StorageDriver, method: str
    ) -> None:
        """A segment of dots would be resolved, and the URL allow it for another object."""
        for name in ("..", "../other/secret", "a/../b", "a/.", "./a", "a/.."):
            try:
                obj = driver.object("libstore-missing", name)
            except InvalidNameError:
                continue
            with pytest.raises(NotSupportedError):
                obj.sign_url(method=method)

    @pytest.mark.usefixtures("signs")
    def test_signed_headers_are_refused_where_the_service_has_none(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """What a service cannot sign is an error, never left out in silence."""
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
    def test_a_signed_url_deletes_the_object(self, container: Container, redeem: _Redeem) -> None:
        """A URL for DELETE deletes."""
        obj = container.upload_object(CONTENT, "a")
        redeem(obj.sign_url(method="DELETE"), "DELETE")
        assert not container.object_exists("a")

    @pytest.mark.usefixtures("signs")
    def test_a_signed_url_is_for_one_method(self, container: Container, redeem: _Redeem) -> None:
        """A URL for GET does not delete."""
        obj = container.upload_object(CONTENT, "a")
        with pytest.raises(PermissionError):
            redeem(obj.sign_url(method="GET"), "DELETE")
        assert container.object_exists("a")

    @pytest.mark.usefixtures("signs")
    def test_a_signed_url_is_for_one_object(self, container: Container, redeem: _Redeem) -> None:
        """A URL that was changed to mean another object is refused."""
        mine = container.upload_object(CONTENT, "object-one")
        container.upload_object(b"secret", "object-two")
        with pytest.raises(PermissionError):
            redeem(mine.sign_url().replace("object-one", "object-two"), "GET")

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_signing_asks_for_nothing(self, driver: StorageDriver, method: str) -> None:
        """A URL is signed for an object that is not there, in a container that is not there."""
        url = driver.object("libstore-missing", "a").sign_url(method=method)
        assert isinstance(url, SignedURL)
        assert isinstance(url, str)
        assert "libstore-missing" in url

    @pytest.mark.usefixtures("signs")
    def test_its_repr_hides_what_is_secret(self, driver: StorageDriver) -> None:
        """The query of a signed URL, which is a permission, is not in its repr."""
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
    @pytest.mark.parametrize("expires", [0, -1, float("nan"), float("inf")])
    def test_a_time_that_cannot_be_is_refused(self, driver: StorageDriver, expires: float) -> None:
        """A URL lives for more than 0 seconds, and for no longer than the limits tell."""
        obj = driver.object("libstore-missing", "a")
        with pytest.raises(InvalidOptionError):
            obj.sign_url(expires=expires)
        with pytest.raises(InvalidOptionError):
            obj.sign_url(expires=driver.limits.max_expires + 1)

    @pytest.mark.usefixtures("signs")
    @pytest.mark.parametrize("expires", ["60", None, True], ids=ascii)
    def test_a_time_of_another_type_is_refused(self, driver: StorageDriver, expires: Any) -> None:
        """The life of a URL is a number of seconds."""
        with pytest.raises(InvalidTypeError):
            driver.object("libstore-missing", "a").sign_url(expires=expires)
