"""Addresses that a user gives: every driver takes and refuses the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from libstore import InvalidOptionError, StorageDriver, get_driver

ENVIRONMENT = (
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST", "OS_AUTH_URL",
    "OS_STORAGE_URL", "ST_AUTH", "OS_USERNAME", "OS_PASSWORD", "OS_TOKEN",
)  # fmt: skip


def s3(**options: Any) -> StorageDriver:
    return get_driver("s3")("AKID", "secret", region="us-east-1", **options)


def azure(connection_string: str | None = None, **options: Any) -> StorageDriver:
    if connection_string is not None:
        return get_driver("azure")(connection_string=connection_string, **options)
    return get_driver("azure")("account", "a2V5", **options)


def gcs(**options: Any) -> StorageDriver:
    return get_driver("gcs")(token="token", **options)


def gcs_hmac(**options: Any) -> StorageDriver:
    return get_driver("gcs")("key", "secret", **options)


def swift(**options: Any) -> StorageDriver:
    given = {"auth_url": "https://swift.example/v3", **options}
    return get_driver("swift")("user", "secret", **given)


DRIVERS = {"s3": s3, "azure": azure, "gcs": gcs, "gcs (HMAC)": gcs_hmac, "swift": swift}

#: Where an address is given, and what makes a driver with one.
ARGUMENTS: dict[str, Callable[[str], StorageDriver]] = {
    "s3 endpoint": lambda url: s3(endpoint=url),
    "minio endpoint": lambda url: get_driver("minio")("key", "secret", endpoint=url),
    "azure endpoint": lambda url: azure(endpoint=url),
    "azure BlobEndpoint": lambda url: azure(
        f"BlobEndpoint={url};AccountName=account;AccountKey=a2V5"
    ),
    "gcs endpoint": lambda url: gcs(endpoint=url),
    "gcs (HMAC) endpoint": lambda url: gcs_hmac(endpoint=url),
    "swift auth_url": lambda url: swift(auth_url=url),
    "swift storage_url": lambda url: swift(storage_url=url),
}
#: Variables that name an address, and what makes a driver that reads them.
VARIABLES: dict[str, Callable[[], StorageDriver]] = {
    "AWS_ENDPOINT_URL": s3,
    "AWS_ENDPOINT_URL_S3": s3,
    "STORAGE_EMULATOR_HOST": gcs,
    "OS_AUTH_URL": lambda: get_driver("swift")("user", "secret"),
    "ST_AUTH": lambda: get_driver("swift")("user", "secret"),
    "OS_STORAGE_URL": lambda: get_driver("swift")(token="token"),
}
WRONG = (
    "https://host.example:0", "http://127.0.0.1:0", "https://host.example:65536",
    "https://host.example:99999", "https://host.example:", "https://host.example:8o",
    "https://host.example:-1", "https://host.example:+80", "https://host.example:8_0",
    "https://host.example\r\n", "https://host.example/\r\n", "https://host.example\n",
    "https://host.example/a\r\nb", "https://host.example\t/v1", " https://host.example",
    "https://host.example/a b", "https://host.example/..", "https://host.example/../v1",
    "https://host.example/v1/./x", "https://host.example/v1/..", "https://host.example/%2e%2E/x",
    "https://host.example/.%2e", "https://user@host.example", "https://u:hidden@host.example",
    "https://u:hidden@host.example/v1", "https://host.example?x=hidden", "https://host.example/?",
    "https://host.example/#hidden", "https://host.example:hidden", "https://host.example/a\\b",
    "https:\\\\host.example", "https://",
    "https:///path", "https://.host", "https://host..example", "https://[::1", "https://[1:2]",
    "https://[::1]x", "https://h\u00f6st.example", "https://host.example/\u00e4",
    "https://host.example/%", "https://host.example/%zz", "ftp://host.example", "host.example:443",
)  # fmt: skip
RIGHT = (
    "https://host.example", "https://host.example/", "HTTPS://Host.Example:8443",
    "https://host.example:443/a/b/", "http://127.0.0.1:1", "http://[::1]:65535/v1/AUTH_a",
    "https://my_host/..a/b..", "https://host.example/a%20b",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("wrong", WRONG, ids=ascii)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_invalid_url_is_refused_by_every_argument(argument: str, wrong: str) -> None:
    if argument == "azure BlobEndpoint" and wrong.strip() in RIGHT:
        return  # blanks around the pieces of a connection string are not part of them
    with pytest.raises(InvalidOptionError) as caught:
        ARGUMENTS[argument](wrong)

    assert argument.rpartition(" ")[2] in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("right", RIGHT)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_valid_url_is_accepted_by_every_argument(argument: str, right: str) -> None:
    ARGUMENTS[argument](right).close()


@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG if "://" in wrong], ids=ascii)
@pytest.mark.parametrize("variable", VARIABLES)
def test_a_wrong_address_in_the_environment_names_its_variable(
    variable: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, wrong)
    if variable == "OS_STORAGE_URL":
        monkeypatch.setenv("OS_AUTH_URL", "https://swift.example/v3")

    with pytest.raises(InvalidOptionError, match=rf"^{variable} must"):
        VARIABLES[variable]()


@pytest.mark.parametrize("variable", VARIABLES)
def test_plain_http_in_the_environment_names_its_variable(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://host.example")
    if variable == "OS_STORAGE_URL":
        monkeypatch.setenv("OS_AUTH_URL", "https://swift.example/v3")
    if variable == "STORAGE_EMULATOR_HOST":  # an emulator is meant to be spoken to in clear
        get_driver("gcs")().close()
        return

    with pytest.raises(InvalidOptionError, match=rf"^{variable} is http://.*insecure=True"):
        VARIABLES[variable]()


@pytest.mark.parametrize("label", DRIVERS)
@pytest.mark.parametrize(
    "proxy",
    [
        "http://proxy.example:0", "http://proxy.example:65536", "proxy.example:0", "http://",
        "http://proxy.example:3128/path", "http://proxy.example\r\n", "socks5://proxy.example:1080",
        "ftp://proxy.example", "http://u:hidden@proxy.example/x", "http://u:hid\nden@proxy.example",
        "http://u:hidden@", "http://proxy.example?x", "http://pr oxy.example",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_wrong_proxy_is_refused_at_once(label: str, proxy: str) -> None:
    with pytest.raises(InvalidOptionError, match=r"proxies\['https'\] must") as caught:
        DRIVERS[label](proxies={"https": proxy})

    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("label", DRIVERS)
@pytest.mark.parametrize(
    "proxies",
    [
        {}, {"https": "http://proxy.example:3128"}, {"all": "https://proxy.example"},
        {"http": "proxy.example:3128"}, {"https": "http://user:p%40ss@[::1]:3128/"}, {"https": ""},
    ],
)  # fmt: skip
def test_valid_proxy_is_accepted(label: str, proxies: dict[str, str]) -> None:
    DRIVERS[label](proxies=proxies).close()


@pytest.mark.parametrize("suffix", ["core..net", ".core.net", "core.net.", "core.net:0", "a/b"])
def test_a_wrong_endpoint_suffix_is_refused(suffix: str) -> None:
    with pytest.raises(InvalidOptionError, match="endpoint_suffix must"):
        azure(endpoint_suffix=suffix)


@pytest.mark.parametrize("proxy", ["http://host:0", "http://..", "ftp://host", "http://u:p@host"])
def test_a_wrong_emulator_address_is_refused(proxy: str) -> None:
    with pytest.raises(InvalidOptionError, match="DevelopmentStorageProxyUri"):
        azure(f"UseDevelopmentStorage=true;DevelopmentStorageProxyUri={proxy}")
