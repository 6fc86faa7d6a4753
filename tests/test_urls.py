"""Drivers, containers and objects by URL."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libstore import (
    Container,
    CredentialsNotFoundError,
    InvalidOptionError,
    InvalidTypeError,
    Object,
    StorageDriver,
    UnknownDriverError,
    driver_from_url,
    get_driver,
    list_drivers,
    open_url,
    registry,
)
from libstore.storage_url import StorageURL

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ACCOUNT_KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="

#: Arguments of a driver with which it can be created, and its URL without them.
DRIVERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "s3": (
        {"key": KEY, "secret": SECRET},
        {"region": "eu-west-1", "path_style": True, "requester_pays": True},
        "s3://?region=eu-west-1&path_style=true&requester_pays=true",
    ),
    "minio": (
        {"key": KEY, "secret": SECRET},
        {"endpoint": "http://store.example:9000", "insecure": True, "timeout": 2.5},
        "minio://?endpoint=http://store.example:9000&insecure=true&timeout=2.5",
    ),
    "azure": (
        {"key": ACCOUNT_KEY},
        {"account": "photos", "endpoint_suffix": "core.chinacloudapi.cn"},
        "azure://?account=photos&endpoint_suffix=core.chinacloudapi.cn",
    ),
    "gcs": (
        {"token": "ya29.token"},
        {"project": "my-project", "parallel_uploads": False},
        "gcs://?project=my-project&parallel_uploads=false",
    ),
    "swift": (
        {"secret": SECRET},
        {"user": "ada", "auth_url": "https://cloud.example/v3", "project": "ä b"},
        "swift://?user=ada&auth_url=https://cloud.example/v3&project=%C3%A4%20b",
    ),
}


@pytest.mark.parametrize("name", DRIVERS)
def test_url_of_a_driver_has_its_options_without_credentials(name: str) -> None:
    credentials, options, url = DRIVERS[name]
    driver = get_driver(name)(**credentials, **options)

    assert url == driver.url
    found = driver_from_url(url, **credentials)
    assert driver == found
    assert type(driver) is type(found)
    assert url == found.url


@pytest.mark.parametrize("name", DRIVERS)
def test_url_of_an_object_opens_an_equal_object(name: str) -> None:
    credentials, options, _ = DRIVERS[name]
    obj = get_driver(name)(**credentials, **options).object("photos", "2026/a b#c?d%20.jpg")

    for handle in (obj, obj.container):
        assert handle == open_url(handle.url, **credentials)
    assert obj.url.startswith(f"{name}://photos/2026/a%20b%23c%3Fd%2520.jpg?")


def test_every_driver_has_its_name_as_a_scheme() -> None:
    for name in list_drivers():
        assert name == StorageURL.parse(f"{name}://").scheme == get_driver(name).name


@given(container=st.text(min_size=1), name=st.text(min_size=1))
def test_names_come_back_from_a_url(container: str, name: str) -> None:
    try:
        f"{container}{name}".encode()
    except UnicodeEncodeError:
        return
    url = str(StorageURL("memory", container, name, {"store": name, "ä&=": ""}))

    assert url.isascii()
    assert not {".", ".."} & {*url.partition("?")[0].split("/")}
    found = StorageURL.parse(url)
    assert (container, name) == (found.container, found.name)
    assert {"store": name, "ä&=": ""} == found.options


@pytest.mark.parametrize(
    ("url", "kind", "names"),
    [
        ("memory://", StorageDriver, ()),
        ("memory://?store=a", StorageDriver, ()),
        ("memory://photos", Container, ("photos",)),
        ("MEMORY://Photos/", Container, ("Photos",)),
        ("memory://photos/a", Object, ("photos", "a")),
        ("memory://photos//a/", Object, ("photos", "/a/")),
        ("memory://photos/a#b", Object, ("photos", "a#b")),
        ("memory://a%20b%40c/%2e%2E/d", Object, ("a b@c", "../d")),
    ],
)
def test_url_opens_what_it_names(url: str, kind: type, names: tuple[str, ...]) -> None:
    found = open_url(url)
    assert isinstance(found, kind)
    if isinstance(found, Object):
        assert names == (found.container.name, found.name)
    elif isinstance(found, Container):
        assert names == (found.name,)


@pytest.mark.parametrize(
    ("url", "driver", "names"),
    [
        ("gs://photos/a", "gcs://", ("photos", "a")),
        ("s3a://photos/a", "s3://", ("photos", "a")),
        ("az://photos/a?account=acc", "azure://?account=acc", ("photos", "a")),
        ("abfs://photos/a?account=acc", "azure://?account=acc", ("photos", "a")),
        ("abfss://photos@acc.dfs.core.windows.net/a/b", "azure://?account=acc", ("photos", "a/b")),
        (
            "abfss://photos@acc.blob.core.chinacloudapi.cn/a",
            "azure://?account=acc&endpoint_suffix=core.chinacloudapi.cn",
            ("photos", "a"),
        ),
    ],
)
def test_schemes_of_other_programs(url: str, driver: str, names: tuple[str, str]) -> None:
    found = open_url(url, anonymous=True)
    assert isinstance(found, Object)
    assert names == (found.container.name, found.name)
    assert driver == found.driver.url.replace("?anonymous=true", "").replace(
        "anonymous=true&", ""
    ).replace("&anonymous=true", "")


def test_one_variable_configures_a_program(tmp_path: Path) -> None:
    """The same lines run on each driver; only the URL differs."""
    for url in (f"local://media?root={tmp_path}", f"{tmp_path.as_uri()}/media/", "memory://media"):
        media = open_url(url)
        assert isinstance(media, Container)
        media.driver.create_container(media.name, exist_ok=True)
        written = media.upload_object(b"x", "a/b.txt")

        again = open_url(written.url)
        assert isinstance(again, Object)
        assert b"x" == again.read()


def test_file_url_of_a_directory_is_a_container(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a b.txt").write_bytes(b"content")

    photos, same = open_url(f"file://{tmp_path}/photos"), open_url(f"file://{tmp_path}/photos/")
    assert isinstance(photos, Container)
    assert photos == same
    assert (get_driver("local")(tmp_path), "photos") == (photos.driver, photos.name)
    obj = open_url(f"file://localhost{tmp_path}/photos/a%20b.txt")
    assert isinstance(obj, Object)
    assert b"content" == obj.read()
    assert f"local://photos/a%20b.txt?root={tmp_path}" == obj.url
    assert photos.driver == driver_from_url(f"file://{tmp_path}/photos")


def test_urls_of_memory_without_a_store_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libstore.drivers.memory._stores", {})
    driver = driver_from_url("memory://")
    driver.create_container("photos").upload_object(b"x", "a")

    assert driver == driver_from_url("memory://")
    assert b"x" == driver_from_url("memory://").read_object(driver.object("photos", "a"))
    assert [] == list(driver_from_url("memory://?store=other").list_containers())
    own = get_driver("memory")()
    assert own == driver_from_url(own.url)
    assert own != get_driver("memory")()


def test_url_of_a_deleted_memory_driver_is_refused() -> None:
    url = get_driver("memory")().url
    with pytest.raises(InvalidOptionError, match="in another process; give the store a name"):
        open_url(url)


def test_arguments_replace_those_of_the_url() -> None:
    driver = driver_from_url("s3://?region=eu-west-1", region="us-west-2", anonymous=True)
    assert "us-west-2" == driver._settings.region  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("photos/a.jpg", "url must begin with the name of a driver and ://"),
        ("C:\\photos", "url must begin with the name of a driver"),
        ("s3://photos/a\n", "url has white space at its beginning or end"),
        (" s3://photos/a", "url has white space"),
        ("local://photos?root=~/store", "root begins with '~', which is not expanded"),
        ("s3:///a", "an object but no container; write s3://container/name"),
        ("s3://photos?region=a&region=b", "the option 'region' twice"),
        ("s3://photos?customer_key=abc", "customer_key in the URL must be passed as an argument"),
        ("s3://photos?path_style=maybe", "path_style in the URL must be true or false"),
        ("s3://photos?timeout=soon", "timeout in the URL must be a number"),
        ("s3://photos?retry=3", "retry in the URL must be passed as an argument"),
        ("local://user@photos?root=/tmp", "local takes no credentials before @"),
        ("file://host/photos/a", "a file URL has no host"),
        ("file:///photos/a?root=/tmp", "cannot have the option root"),
        ("file:///no-such-file", "a file in the root directory"),
        ("abfss://photos@acc.example/a", "must be the address of the account"),
        ("file://", "a file URL must have a path"),
        ("memory://photos:latest/a", "':' before its first '/'"),
        ("memory://photos/%ff", "not UTF-8"),
        ("memory://photos?store=%ff", "not UTF-8"),
    ],
)
def test_bad_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(InvalidOptionError, match=message):
        open_url(url)


def test_url_must_be_text(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match="url must be a str, not PosixPath"):
        open_url(tmp_path)  # type: ignore[arg-type]


def test_missing_variable_is_a_likely_reason() -> None:
    with pytest.raises(InvalidTypeError, match=r"not NoneType; is the variable .* set"):
        open_url(None)  # type: ignore[arg-type]


def test_unknown_option_of_a_url_suggests_a_similar_one() -> None:
    with pytest.raises(InvalidTypeError, match="no argument 'regoin'; did you mean 'region'"):
        open_url("s3://photos?regoin=eu-west-1")


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        (
            "https://photos.s3.eu-west-1.amazonaws.com/2026/a%20b.jpg?X-Amz-Signature=5ec2e7",
            "write s3://photos/2026/a%20b.jpg?region=eu-west-1",
        ),
        ("https://a.b.s3.amazonaws.com/c", "write s3://a.b/c"),
        ("https://s3.dualstack.us-gov-west-1.amazonaws.com/photos/a", "?region=us-gov-west-1"),
        ("https://s3-us-west-2.amazonaws.com/photos/", "write s3://photos?region=us-west-2"),
        ("https://storage.googleapis.com/photos/2026/a.jpg", "write gs://photos/2026/a.jpg"),
        ("https://photos.storage.googleapis.com/a", "write gs://photos/a"),
        ("https://mine.blob.core.windows.net/photos/a?sig=5ec2e7", "az://photos/a?account=mine"),
        ("http://me:5ec2e7@localhost:9000/photos/a", "name?endpoint=http://localhost:9000"),
        ("HTTPS://example.com", "such as s3://container/name?endpoint=HTTPS://example.com"),
    ],
)
def test_address_of_a_server_is_answered_with_the_url(address: str, hint: str) -> None:
    """Consoles and browsers show addresses, which name no driver."""
    with pytest.raises(UnknownDriverError) as caught:
        open_url(address)
    assert str(caught.value).endswith(hint)
    assert "5ec2e7" not in str(caught.value)


def test_unknown_scheme_names_the_driver() -> None:
    with pytest.raises(UnknownDriverError, match=r"'aws'\. Use 's3'"):
        open_url("aws://photos")


@pytest.mark.parametrize(
    "url",
    [
        f"s3://{KEY}:{SECRET.replace('/', '%2F')}@photos/a",
        f"s3://photos/a?key={KEY}&secret={SECRET}",
        f"azure://photos:{ACCOUNT_KEY}@photos/a",
        "gcs://photos/a?token=ya29.token",
    ],
)
def test_credentials_in_a_url_work_with_a_warning_and_stay_hidden(url: str) -> None:
    with pytest.warns(UserWarning, match="the URL contains the credentials") as caught:
        found = open_url(url)
    assert __file__ == caught[0].filename
    assert isinstance(found, Object)

    shown = [found.url, repr(found), repr(found.driver), str(caught[0].message)]
    shown.append(repr(found.driver._settings))  # type: ignore[attr-defined]
    for secret in (SECRET, ACCOUNT_KEY, "ya29.token", KEY):
        assert not any(secret in text for text in shown)


def test_plus_in_a_query_stands_for_itself() -> None:
    with pytest.warns(UserWarning, match="credentials secret"):
        driver = driver_from_url(f"s3://?key={KEY}&secret=abc+def/ghi%2Bj==")
    assert "abc+def/ghi+j==" == driver._settings.secret  # type: ignore[attr-defined]


def test_driver_with_capital_letters_in_its_name_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_registered", {"MyStore": registry._BUILTIN["memory"]})
    assert isinstance(open_url("MyStore://photos/a"), Object)


def test_path_of_a_key_file_in_a_url_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(CredentialsNotFoundError, match="FileNotFoundError"):
        driver_from_url(f"gcs://?service_account={tmp_path}/key.json")


@pytest.mark.parametrize(
    "url",
    [
        f"s3://{KEY}:{SECRET.replace('/', '%2F')}@photos/a?regoin=x",
        f"s3://photos?secret={SECRET}&secret=2",
        f"s3://photos/a?secret={SECRET}&path_style=maybe",
        f"s3//photos/a?secret={SECRET}",
        f"nosuch://{KEY}:{SECRET.replace('/', '%2F')}@photos/a",
        f"s3://{KEY}:{SECRET}@photos/a",
        f"s3://{KEY}:{SECRET.replace('/', '?')}@photos/a",
        f"s3://{KEY}:{SECRET.replace('/', '%ff')}@photos/a",
        f"https://{KEY}:{SECRET}@photos/a",
        f"https://{KEY}:{SECRET.replace('/', '%2F')}@photos/a",
        f"https://photos.s3.amazonaws.com/a?X-Amz-Signature={SECRET}",
    ],
)
@pytest.mark.filterwarnings("ignore:the URL contains the credentials")
def test_tracebacks_of_bad_urls_show_no_secret(url: str) -> None:
    with pytest.raises((InvalidOptionError, InvalidTypeError, UnknownDriverError)) as caught:
        open_url(url)
    frames = caught.tb.tb_next  # this test's own frame has the URL
    assert frames is not None
    shown = traceback.TracebackException(caught.type, caught.value, frames, capture_locals=True)
    text = "".join(shown.format())
    assert SECRET not in text
    assert not any(part in text for part in SECRET.split("/"))
