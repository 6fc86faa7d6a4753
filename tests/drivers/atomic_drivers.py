"""Drivers of services that carry out each request as a whole, with something faulty between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from drivers import atomic_stores
from drivers.azure.fake import fake_azure
from drivers.faulty_proxy import FaultyRelay
from drivers.gcs.support import TOKEN

from libstore import Container, RetryPolicy, StorageDriver, TransferOptions, get_driver
from libstore.drivers.s3.driver import driver_class
from libstore.drivers.s3.services import AWS
from servers import gcs_json
from servers.gcs_model import KEY, SECRET, Model, serve

KiB, MiB = 1024, 1024 * 1024
_S3 = driver_class(replace(AWS, name="plain-s3", path_style=True))


@dataclass
class Service:
    """
    A service behind a relay.

    Attributes:
        relay: Where faults happen.
        make: Makes a driver of an address.
        part: The smallest part of an upload, in bytes.
    """

    name: str
    url: str
    relay: FaultyRelay
    make: Callable[..., StorageDriver]
    part: int

    def driver(self, *, direct: bool = False, **options: Any) -> StorageDriver:
        """Return a driver that tries again at once, past the relay if it is `direct`."""
        options = {"retry": RetryPolicy(4, base=0.0), **options}
        driver = self.make(self.url if direct else self.relay.url, **options)
        driver.transfer = TransferOptions(self.part, self.part, concurrency=2)
        return driver

    def box(self, *, direct: bool = False, **options: Any) -> Container:
        """Return the container ``box`` of a new driver."""
        return self.driver(direct=direct, **options).object("box", "a").container


def _make_gcs(url: str, **options: Any) -> StorageDriver:
    return get_driver("gcs")(**{"token": TOKEN, "endpoint": url, "project": "p", **options})


def _make_azure(url: str, **options: Any) -> StorageDriver:
    # The account's name is in the path of the address.
    return get_driver("azure")("account", "a2V5", endpoint=url, **options)


def _make_swift(url: str, **options: Any) -> StorageDriver:
    return get_driver("swift")(token="a-token", storage_url=f"{url}/v1/AUTH_t", **options)


@contextmanager
def _google() -> Iterator[Model]:
    model = Model()

    def respond(request: Any) -> Any:
        with model.lock:
            return gcs_json.respond(request)

    with serve(model, respond) as served:
        yield served


@contextmanager
def serving(name: str) -> Iterator[Service]:
    """Run a service with a container ``box``."""
    services: dict[str, tuple[Any, Callable[..., StorageDriver], int]] = {
        "s3": (
            lambda: atomic_stores.serve(atomic_stores.respond_s3),
            lambda url, **options: _S3("KEY", "SECRET", endpoint=url, **options),
            5 * MiB,
        ),
        "azure": (fake_azure, _make_azure, 64 * KiB),
        "gcs": (_google, _make_gcs, 256 * KiB),
        "gcs-hmac": (
            _google,
            lambda url, **options: _make_gcs(
                url, **{"token": None, "key": KEY, "secret": SECRET, **options}
            ),
            5 * MiB,
        ),
        "swift": (
            lambda: atomic_stores.serve(atomic_stores.respond_swift),
            _make_swift,
            64 * KiB,
        ),
    }
    serve_it, make, part = services[name]
    with serve_it() as served, FaultyRelay(served.url) as relay:
        service = Service(name, served.url, relay, make, part)
        if name.startswith("gcs"):
            service.driver(direct=True).create_container("box")
        yield service


NAMES = ("s3", "azure", "gcs", "gcs-hmac", "swift")
