"""
The likeliest mistakes: with every driver the same error, which says what to do.

No server listens where the drivers would send requests, and none is sent: mistakes are found
out before.
"""

from __future__ import annotations

import base64
import inspect
import io
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from libstore import (
    Container,
    CredentialsNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    LocalFileNotFoundError,
    NotSupportedError,
    RetryPolicy,
    StorageDriver,
    StorageError,
    get_driver,
)

NOWHERE = "http://127.0.0.1:9"
SECRET = "thisisasecretthatnobodysees"

Maker = Callable[..., StorageDriver]


def s3(**options: Any) -> StorageDriver:
    return get_driver("s3")(**{"key": "key", "secret": SECRET, "endpoint": NOWHERE, **options})


def r2(**options: Any) -> StorageDriver:
    return get_driver("r2")(**{"key": "key", "secret": SECRET, "account": "01ab", **options})


def azure(**options: Any) -> StorageDriver:
    key = base64.b64encode(SECRET.encode()).decode()
    return get_driver("azure")(**{"account": "account", "key": key, **options})


def gcs(**options: Any) -> StorageDriver:
    return get_driver("gcs")(**{"token": SECRET, "project": "p", "endpoint": NOWHERE, **options})


def gcs_hmac(**options: Any) -> StorageDriver:
    return get_driver("gcs")(**{"key": "GOOG1", "secret": SECRET, "endpoint": NOWHERE, **options})


def swift(**options: Any) -> StorageDriver:
    return get_driver("swift")(
        **{"user": "user", "secret": SECRET, "auth_url": f"{NOWHERE}/v3", **options}
    )


MAKERS: Mapping[str, Maker] = {
    "s3": s3, "r2": r2, "azure": azure, "gcs": gcs, "gcs-hmac": gcs_hmac, "swift": swift,
}  # fmt: skip


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Maker:
    found: Maker = MAKERS[request.param]
    return found


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away what the environment may know."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (
        "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION",
        "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING", "STORAGE_EMULATOR_HOST",
        "OS_USERNAME", "OS_USER_ID", "OS_TOKEN", "OS_APPLICATION_CREDENTIAL_ID",
        "OS_APPLICATION_CREDENTIAL_NAME", "ST_USER",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def container(make: Maker) -> Iterator[Container]:
    with make(retry=RetryPolicy(1)) as driver:
        yield driver.object("a-container", "a").container


# ---------------------------------------------------------------------- making a driver


BAD: tuple[object, ...] = (
    123, 1.5, -1, True, None, b"bytes", "", "nonsense", "ü\n", [], (0,), {"a": 1}, object(),
    10**4_000, -(10**4_000), math.nan, math.inf, "\0", "\ud800", "http://[", "https://a:99999",
    "https://[::1", "a" * 100_000, {"http": "http://["}, {"all": "http://a:x"}, (math.inf, 1e300),
)  # fmt: skip


def test_wrong_types_raise_errors_of_the_library(make: Maker) -> None:
    driver = make()
    text = ""
    for name in inspect.signature(type(driver)).parameters:
        for value in BAD:
            try:
                make(**{name: value}).close()
            except StorageError as error:
                text += str(error)
    assert "must be" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "given",
    [
        {"timeout": "5"}, {"timeout": [None, 5]}, {"verify": b"ca.pem"}, {"verify": None},
        {"proxies": "http://proxy"}, {"insecure": "yes"}, {"anonymous": 1}, {"retry": 3},
        {"transfer": {"part_size": 1}}, {"cdn": b"https://cdn.example"}, {"pickle_secret": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_type_is_named_with_the_argument(make: Maker, given: dict[str, object]) -> None:
    with pytest.raises(InvalidTypeError, match=next(iter(given))):
        make(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"timeout": 0}, {"timeout": (5,)}, {"cdn": "cdn.example.com"},
        {"proxies": {"https://": "http://proxy"}}, {"proxies": {"HTTPS": "http://proxy"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_cannot_work_is_named_with_the_argument(
    make: Maker, given: dict[str, object]
) -> None:
    with pytest.raises(InvalidOptionError, match=next(iter(given))):
        make(**given)


def test_certificate_authorities_that_are_not_there_are_named(make: Maker) -> None:
    with pytest.raises(LocalFileNotFoundError, match=r"/no/such/ca\.pem"):
        make(verify="/no/such/ca.pem")


@pytest.mark.parametrize(
    ("address", "hint"),
    [("store.example.com", "https://"), ("http://store.example.com/v3", "insecure=True")],
)
def test_an_address_says_how_it_has_to_begin(make: Maker, address: str, hint: str) -> None:
    argument = "auth_url" if make is swift else "endpoint"
    with pytest.raises(InvalidOptionError, match=f"^{argument} .*{hint}"):
        make(**{argument: address})


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("s3", {}), ("s3", {"key": "k"}), ("s3", {"secret": "s"}), ("r2", {"account": "01ab"}),
        ("azure", {}), ("gcs", {"key": "k"}),
        ("gcs", {"secret": "s"}), ("swift", {}), ("swift", {"user": "u"}),
        ("swift", {"user": "u", "secret": "s"}),
    ],
    ids=str,
)  # fmt: skip
def test_missing_credentials_name_the_arguments(name: str, given: dict[str, str]) -> None:
    with pytest.raises(CredentialsNotFoundError, match="pass"):
        get_driver(name)(**given)


def test_misspelt_driver_gets_a_suggestion() -> None:
    for misspelt, meant in (("S3", "s3"), ("gsc", "gcs"), ("Azure", "azure"), ("swfit", "swift")):
        with pytest.raises(LookupError, match=f"Did you mean '{meant}'"):
            get_driver(misspelt)


def test_misspelt_argument_gets_a_suggestion(make: Maker) -> None:
    for misspelt, meant in (("proxys", "proxies"), ("timeot", "timeout"), ("verfy", "verify")):
        with pytest.raises(TypeError, match=f"no argument '{misspelt}'; did you mean '{meant}'"):
            make(**{misspelt: None})


def test_argument_that_resembles_no_other_gets_the_list() -> None:
    with pytest.raises(TypeError, match="no argument 'bucket'; it has key, secret"):
        get_driver("s3")(bucket="photos")


@pytest.mark.parametrize(
    ("driver", "given", "meant"),
    [
        ("s3", "endpoint_url", "endpoint"), ("s3", "host", "endpoint"),
        ("s3", "aws_access_key_id", "key"), ("s3", "access_key", "key"),
        ("s3", "access_key_id", "key"), ("s3", "username", "key"),
        ("s3", "aws_secret_access_key", "secret"), ("s3", "password", "secret"),
        ("s3", "aws_session_token", "token"), ("s3", "session_token", "token"),
        ("s3", "region_name", "region"), ("s3", "use_ssl", "insecure"),
        ("s3", "Addressing-Style", "path_style"), ("r2", "endpoint_url", "endpoint"),
        ("azure", "account_name", "account"), ("azure", "username", "account"),
        ("azure", "account_key", "key"), ("azure", "account_url", "endpoint"),
        ("azure", "sas", "sas_token"), ("azure", "credentials", "credential"),
        ("azure", "conn_str", "connection_string"), ("azure", "verify_ssl", "verify"),
        ("gcs", "credential", "credentials"), ("gcs", "project_id", "project"),
        ("gcs", "keyfile", "service_account"), ("gcs", "secure", "insecure"),
        ("swift", "username", "user"), ("swift", "password", "secret"), ("swift", "key", "secret"),
        ("swift", "authurl", "auth_url"), ("swift", "host", "auth_url"),
        ("swift", "tenant_id", "project_id"), ("swift", "project_name", "project"),
        ("swift", "preauthurl", "storage_url"), ("swift", "auth_token", "token"),
        ("local", "path", "root"), ("local", "location", "root"),
        ("s3", "session", "credentials"), ("s3", "port", "endpoint"), ("s3", "Key", "key"),
        ("s3", "client_kwargs", "endpoint"), ("gcs", "client_options", "endpoint"),
    ],
)  # fmt: skip
def test_argument_of_another_library_gets_a_suggestion(
    driver: str, given: str, meant: str
) -> None:
    with pytest.raises(TypeError, match=f"no argument '{given}'; did you mean '{meant}'"):
        get_driver(driver)(**{given: SECRET})


def test_switch_of_another_library_with_the_opposite_meaning() -> None:
    with pytest.raises(TypeError, match=r"did you mean 'insecure'\? It means the opposite"):
        get_driver("s3")(secure=False)


@pytest.mark.parametrize(
    ("driver", "given", "meant"),
    [
        ("azure", {"account": "myaccount", "credential": "a key"}, "key=, and .* as sas_token="),
        ("azure", {"account": "myaccount", "key": "sv=2021-12-02&sig=x"}, "as sas_token="),
        ("azure", {"account": "https://a.blob.core.windows.net", "key": "aaaa"}, "endpoint="),
        ("azure", {"account": "AccountName=a;AccountKey=aaaa"}, "as connection_string="),
        ("gcs", {"key": "my-project"}, "as project="),
        ("gcs", {"credentials": "key.json"}, "as service_account="),
    ],
)
def test_value_for_another_argument_is_refused_with_its_name(
    driver: str, given: dict[str, str], meant: str
) -> None:
    """As the SDKs of the services accept them, by position or in one argument."""
    with pytest.raises(StorageError, match=meant):
        get_driver(driver)(**given)


def test_suggestion_is_an_option_that_the_driver_has() -> None:
    with pytest.raises(TypeError) as raised:
        get_driver("memory")(endpoint_url="https://store.example")

    assert "'endpoint'" not in str(raised.value)


@pytest.fixture
def secure(make: Maker, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the arguments of a driver whose requests go to https://, and take away proxies."""
    for name in ("HTTP", "HTTPS", "ALL", "NO"):
        monkeypatch.delenv(f"{name}_PROXY", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".lower(), raising=False)
    if make is swift:
        return {"auth_url": "https://keystone.example/v3"}
    return {} if make is r2 else {"endpoint": "https://store.example"}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_malformed_proxy_of_the_environment_is_named_by_its_variable(
    make: Maker, secure: dict[str, str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://user:{SECRET}@proxy.example:port")
    with pytest.raises(InvalidOptionError, match=f"^{variable} must be") as caught:
        make(**secure)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("variable", "value"), [("HTTP_PROXY", "http://"), ("NO_PROXY", "*")])
def test_a_malformed_proxy_that_is_not_used_is_no_error(
    make: Maker,
    secure: dict[str, str],
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "" if variable == "HTTP_PROXY" else "http://")
    monkeypatch.setenv(variable, value)
    make(**secure).close()


# ---------------------------------------------------------------------- using it


def test_text_as_content_is_a_path(container: Container) -> None:
    with pytest.raises(LocalFileNotFoundError, match="a path; pass content as bytes") as caught:
        container.upload_object("hello world", "a")
    assert "hello world" == caught.value.filename
    with pytest.raises(StorageError) as caught_long:
        container.upload_object("long " * 10_000, "a")
    assert len(str(caught_long.value)) < 500


@pytest.mark.parametrize("source", [None, 5, io.StringIO("text")], ids=["none", "int", "file"])
def test_source_without_bytes_is_refused(container: Container, source: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"bytes|binary"):
        container.upload_object(source, "a")


@pytest.mark.parametrize("name", ["", "n" * 5_000, "\ud800"], ids=["empty", "long", "surrogate"])
def test_invalid_name_is_refused(container: Container, name: str) -> None:
    with pytest.raises(InvalidNameError):
        container.upload_object(b"", name)
    with pytest.raises(InvalidNameError):
        container.read_object(name)


@pytest.mark.parametrize("name", ["", "a/b"])
def test_invalid_container_name_is_refused(make: Maker, name: str) -> None:
    with pytest.raises(InvalidNameError):
        make().create_container(name)


def test_misspelt_option_gets_the_valid_ones(container: Container) -> None:
    driver = container.driver
    with pytest.raises(InvalidOptionError, match=min(driver.upload_extras)):
        container.upload_object(b"", "a", extra={"tgas": {}})
    with pytest.raises(InvalidOptionError, match=min(driver.container_extras)):
        driver.create_container("a-container", extra={"regoin": "here"})


def test_a_header_that_a_signed_url_cannot_have_is_not_supported(make: Maker) -> None:
    obj = make().object("a-container", "a")
    if make in {s3, r2}:
        assert "never" in obj.sign_url(response_headers={"expires": "never"})
    else:
        with pytest.raises(NotSupportedError):
            obj.sign_url(response_headers={"expires": "never"})


def test_too_long_expiry_names_the_maximum(container: Container) -> None:
    most = f"{container.driver.limits.max_expires:.0f} seconds"
    with pytest.raises(InvalidOptionError, match=most):
        container.object("a").sign_url(expires=1e12)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("s3", {}), ("r2", {"account": "01ab"}), ("azure", {"account": "account"}), ("gcs", {}),
        ("swift", {"storage_url": f"{NOWHERE}/v1/AUTH_a"}),
    ],
)  # fmt: skip
def test_anonymous_drivers_sign_no_urls(name: str, given: dict[str, str]) -> None:
    driver = get_driver(name)(anonymous=True, **given)
    with pytest.raises(NotSupportedError, match="sign"):
        driver.object("a-container", "a").sign_url()


def test_refused_pickle_says_how_to_allow_it(make: Maker) -> None:
    with pytest.raises(NotSupportedError, match="pickle_secret=True"):
        pickle.dumps(make())
