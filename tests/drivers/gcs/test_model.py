"""The driver of Google Cloud Storage on a model of its documentation, in each of its ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.gcs.support import account, credentials
from drivers.s3_faults import Faulty, Raised

from libstore import InvalidNameError, get_driver
from libstore.drivers.gcs import GCSDriver
from libstore.testing import DriverConformance
from libstore.testing.concurrency import Concurrency
from libstore.testing.conditions import Conditionals
from libstore.testing.integrity import Integrity
from libstore.testing.metadata import MetadataPairs
from libstore.testing.uploads import Uploads
from libstore.testing.writers import Writers
from servers.gcs_json import respond
from servers.gcs_model import KEY, SECRET, Model, serve

_LINE_FEED = "Google takes no line feeds in names, so the driver refuses them"
_NO_CONDITIONS = (
    "Google's uploads in parts take no conditions with an HMAC key; the driver says so"
)


def verified(who: str, text: bytes, signature: bytes) -> bool:
    """Return whether the tests' account has signed a text."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = serialization.load_pem_private_key(account()["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    try:
        key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return who == account()["client_email"]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    made = Model()
    made.tokens = {"a-token"}
    made.verify = verified
    with serve(made, respond):
        yield made


class _Shared(Faulty, DriverConformance):
    faults: ClassVar[Mapping[str, str]] = {
        r"test_different_names_are_different_objects['a\n'-'a\r\n']": _LINE_FEED,
        r"test_a_name_is_not_found_under_another['a\n'-'a\r\n']": _LINE_FEED,
    }
    raising: ClassVar[Mapping[str, Raised]] = {_LINE_FEED: InvalidNameError}

    @pytest.fixture
    def storage_class(self) -> str:
        return "NEARLINE"


@pytest.fixture(scope="module")
def resumable_driver(model: Model) -> Iterator[GCSDriver]:
    with get_driver("gcs")(credentials=credentials(), endpoint=model.url, project="p") as driver:
        yield driver


class TestResumable(_Shared):
    """OAuth, with one stream for large uploads."""

    @pytest.fixture
    def driver(self, resumable_driver: GCSDriver) -> GCSDriver:
        return resumable_driver


@pytest.fixture(scope="module")
def parallel_driver(model: Model) -> Iterator[GCSDriver]:
    with get_driver("gcs")(
        credentials=credentials(), endpoint=model.url, project="p", parallel_uploads=True
    ) as driver:
        yield driver


class TestParallel(
    Faulty,
    Uploads,
    Writers,
    Conditionals,
    Integrity,
    MetadataPairs,
    Concurrency,
):
    """OAuth, with parts side by side."""

    @pytest.fixture
    def driver(self, parallel_driver: GCSDriver) -> GCSDriver:
        return parallel_driver

    @pytest.fixture
    def storage_class(self) -> str:
        return "NEARLINE"


@pytest.fixture(scope="module")
def hmac_driver(model: Model) -> Iterator[GCSDriver]:
    with get_driver("gcs")(KEY, SECRET, endpoint=model.url, project="p") as driver:
        yield driver


class TestHMAC(_Shared):
    """An HMAC key, with the XML API for everything."""

    @pytest.fixture
    def driver(self, hmac_driver: GCSDriver) -> GCSDriver:
        return hmac_driver
