"""Public containers and objects, and options of one service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from libstore import (
    Container,
    ContainerNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    ObjectNotFoundError,
    StorageDriver,
)

from .base import CONTENT, Topic, fresh_name
from .names import AWKWARD, has_dots

#: Sends a GET without credentials to a URL and returns the body of the response.
_Fetch = Callable[[str], bytes]


class Publishing(Topic):
    """Test enable_cdn, get_cdn_url, and extra."""

    @pytest.fixture
    def fetch(self) -> _Fetch:
        """Return a function that requests a public URL as a browser does."""

        def get(url: str) -> bytes:
            with requests.Session() as session:
                session.trust_env = False  # no credentials from a netrc file
                response = session.get(url, timeout=60.0)
            response.raise_for_status()
            return response.content

        return get

    @pytest.fixture
    def publishes(self, driver: StorageDriver) -> None:
        """Skip a test if the service has no public URLs."""
        if not driver.supports("enable_container_cdn"):
            pytest.skip("the service has no public URLs")

    @pytest.mark.usefixtures("publishes")
    @pytest.mark.parametrize("name", ["a", "folder/a b", "100%", "a+b?c#d&e", "ä/日本/😀", "%2F"])
    def test_public_object_is_readable_without_credentials(
        self, container: Container, fetch: _Fetch, name: str
    ) -> None:
        """The rule holds for any name."""
        obj = container.upload_object(CONTENT, name)
        if not container.driver.supports("enable_object_cdn"):
            pytest.skip("the service makes only containers public")
        assert CONTENT == fetch(obj.enable_cdn())

    @pytest.mark.usefixtures("publishes")
    def test_objects_of_a_public_container_are_readable_without_credentials(
        self, driver: StorageDriver, fetch: _Fetch
    ) -> None:
        """Objects that are uploaded later are public too."""
        box = driver.create_container(fresh_name())
        try:
            before = box.upload_object(CONTENT, "before")
            address = box.enable_cdn()
            after = box.upload_object(CONTENT, "after/a b?c#d%20ä")
            assert address == box.get_cdn_url() == box.enable_cdn()
            assert [CONTENT, CONTENT] == [fetch(obj.get_cdn_url()) for obj in (before, after)]
        finally:
            box.delete()

    @pytest.mark.usefixtures("publishes")
    def test_a_public_url_leads_to_the_object_or_is_refused(
        self, driver: StorageDriver, fetch: _Fetch
    ) -> None:
        """A name that clients change in a URL is refused; every other name can be requested."""
        box = driver.create_container(fresh_name())
        try:
            box.enable_cdn()
            for name in AWKWARD:
                try:
                    url = box.upload_object(name.encode(), name).get_cdn_url()
                except (InvalidNameError, NotSupportedError):
                    continue
                assert not has_dots(name)
                assert name.encode() == fetch(url), name
        finally:
            box.delete()

    def test_public_url_with_dot_segments_is_refused(self, driver: StorageDriver) -> None:
        """Clients resolve the segment, and request another object or container."""
        for container, name in (
            ("libstore-missing", "../other/secret"),
            ("libstore-missing", "a/.."),
            ("libstore-missing", "./a"),
            ("..", "a"),
            (".", "a"),
        ):
            try:
                obj = driver.object(container, name)
            except InvalidNameError:
                continue
            for call in (obj.get_cdn_url, obj.enable_cdn):
                with pytest.raises(NotSupportedError):
                    call()

    @pytest.mark.usefixtures("publishes")
    def test_publishing_a_missing_container_or_object_raises(
        self, driver: StorageDriver, container: Container
    ) -> None:
        if driver.supports("enable_object_cdn"):
            with pytest.raises(ObjectNotFoundError):
                container.object("missing").enable_cdn()
        with pytest.raises(ContainerNotFoundError):
            driver.enable_container_cdn(fresh_name())

    def test_unsupported_public_urls_raise(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Without public URLs and cdn, all four operations raise NotSupportedError."""
        if driver.supports("enable_container_cdn") or driver.cdn is not None:
            pytest.skip("the service has public URLs")
        obj = container.object("a")
        for call in (container.enable_cdn, container.get_cdn_url, obj.enable_cdn, obj.get_cdn_url):
            with pytest.raises(NotSupportedError):
                call()

    @pytest.mark.parametrize("extra", [{"no such option": 1}, {1: 2}], ids=ascii)
    def test_an_unknown_extra_option_is_refused(
        self, driver: StorageDriver, container: Container, extra: Any
    ) -> None:
        """A misspelt option is an error in every operation."""
        obj = container.object("a")
        for call in (
            lambda: container.upload_object(b"", "a", extra=extra),
            lambda: container.open("a", "wb", extra=extra),
            lambda: obj.copy(container, "b", extra=extra),
            lambda: driver.create_container(fresh_name(), extra=extra),
        ):
            with pytest.raises(InvalidOptionError):
                call()
        assert [] == list(container.list_objects())

    def test_extra_options_are_a_mapping(self, container: Container) -> None:
        """A list is refused."""
        given: Any = [("a", "b")]
        with pytest.raises(InvalidTypeError):
            container.upload_object(b"", "a", extra=given)
