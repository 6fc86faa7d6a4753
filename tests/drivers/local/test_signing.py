"""Test presigned URLs of the local driver: its key and its address."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from drivers.local.support import local_driver

from libstore import (
    AccessDeniedError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    open_url,
)
from libstore.testing import serve_signed_urls

KEY = "a signing key of the tests"
BASE = "http://localhost:8000"


def test_drivers_with_one_key_accept_the_urls_of_each_other(tmp_path: Path) -> None:
    one = local_driver(tmp_path, signing_key=KEY)
    one.create_container("c").upload_object(b"meow", "a")
    with serve_signed_urls(one) as address:
        program = (
            "import sys; from libstore import get_driver;"
            "driver = get_driver('local')('.', base_url=sys.argv[1], signing_key=sys.argv[2]);"
            "print(driver.object('c', 'a').sign_url())"
        )
        url = subprocess.run(
            [sys.executable, "-c", program, address, KEY],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout.strip()

        assert b"meow" == requests.get(url, timeout=30).content


def test_driver_with_another_key_refuses_the_url(tmp_path: Path) -> None:
    one = local_driver(tmp_path, base_url=BASE, signing_key=KEY)
    other = local_driver(tmp_path, base_url=BASE, signing_key=b"another signing key")
    url = one.object("c", "a").sign_url()

    assert "a" == one.verify_url(url, method="GET")[0].name
    with pytest.raises(AccessDeniedError, match="another key"):
        other.verify_url(url, method="GET")


@pytest.mark.parametrize("options", [{}, {"base_url": "http://a"}, {"signing_key": KEY}])
def test_local_driver_needs_address_and_key(tmp_path: Path, options: dict[str, Any]) -> None:
    driver = local_driver(tmp_path, **options)

    assert not driver.supports("sign_url")
    for call in (
        driver.object("c", "a").sign_url,
        lambda: driver.verify_url("/c/a", method="GET"),
    ):
        with pytest.raises(NotSupportedError, match="base_url= and signing_key="):
            call()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"signing_key": "short"}, InvalidOptionError),
        ({"signing_key": 5}, InvalidTypeError),
        ({"base_url": "localhost:8000"}, InvalidOptionError),
        ({"base_url": "memory://a"}, InvalidOptionError),
    ],
)
def test_invalid_address_or_key_is_refused(
    tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=next(iter(options))):
        local_driver(tmp_path, **options)


def test_pickle_and_repr_do_not_have_the_key(tmp_path: Path) -> None:
    driver = local_driver(tmp_path, base_url=BASE, signing_key=KEY)
    again = pickle.loads(pickle.dumps(driver))

    assert KEY.encode() not in pickle.dumps(driver)
    assert KEY not in repr(vars(driver)) + repr(driver) + driver.url
    assert (driver, BASE, False) == (again, again.base_url, again.supports("sign_url"))
    assert driver.supports("sign_url")


def test_url_of_a_driver_has_the_present_address(tmp_path: Path) -> None:
    driver = local_driver(tmp_path, base_url=BASE, signing_key=KEY)
    driver.base_url = "http://localhost:9000"
    again = open_url(driver.url, signing_key=KEY)

    assert "http://localhost:9000" == again.base_url
    assert driver.object("c", "a").sign_url().startswith("http://localhost:9000/c/a?")
