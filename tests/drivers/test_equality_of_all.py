"""Which drivers and handles are equal, and which share connections."""

from __future__ import annotations

import base64
import copy
import gc
import os
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from scripted import Server, respond

from libstore import InvalidOptionError, Object, RetryPolicy, StorageDriver, get_driver
from libstore.drivers.memory import MemoryDriver
from libstore.rest.pickling import restored

SECRET = "thisisasecretthatnobodysees"
KEY = base64.b64encode(SECRET.encode()).decode()
CONNECTION = f"AccountName=account;AccountKey={KEY}"
S3 = "https://s3.example"
SWIFT = "https://swift.example/v3"


class Credential:
    """A credential that does not compare, as those of azure-identity do not."""

    def get_token(self, *scopes: str, **_: Any) -> object:
        raise NotImplementedError


def s3(*given: Any, **options: Any) -> StorageDriver:
    key, secret = given or ("AKID", SECRET)
    return get_driver("s3")(key, secret, **{"endpoint": S3, **options})


def azure(account: str | None = "account", key: str | None = KEY, **options: Any) -> StorageDriver:
    return get_driver("azure")(account, key, **options)


def gcs(**options: Any) -> StorageDriver:
    return get_driver("gcs")(token=SECRET, project="project", **options)


def hmac(key: str = "key", secret: str = SECRET, **options: Any) -> StorageDriver:
    return get_driver("gcs")(key, secret, **options)


def swift(user: str = "user", secret: str = SECRET, **options: Any) -> StorageDriver:
    return get_driver("swift")(user, secret, **{"auth_url": SWIFT, **options})


EQUAL: dict[str, tuple[Callable[[], StorageDriver], Callable[[], StorageDriver]]] = {
    "s3": (s3, s3),
    "s3, other settings": (s3, lambda: s3(timeout=1, retry=RetryPolicy(2), kms_key=None)),
    "s3, other spelling": (s3, lambda: s3(endpoint="HTTPS://S3.example:443/")),
    "s3, other secret": (s3, lambda: s3("AKID", "another")),
    "azure": (azure, azure),
    "azure, connection string": (
        azure, lambda: get_driver("azure")(connection_string=CONNECTION),
    ),
    "azure, credential": (
        lambda: azure(key=None, credential=Credential()),
        lambda: azure(key=None, credential=Credential()),
    ),
    "azure, endpoint": (azure, lambda: azure(endpoint="https://account.blob.core.windows.net/")),
    "gcs": (gcs, gcs),
    "gcs (HMAC)": (hmac, hmac),
    "gcs, anonymous": (
        lambda: get_driver("gcs")(anonymous=True), lambda: get_driver("gcs")(anonymous=True),
    ),
    "swift": (swift, swift),
    "swift, other spelling": (swift, lambda: swift(auth_url="https://SWIFT.example:443/v3/")),
    "local": (lambda: get_driver("local")("."), lambda: get_driver("local")(os.getcwd())),
}  # fmt: skip

DIFFERENT: dict[str, tuple[Callable[[], StorageDriver], Callable[[], StorageDriver]]] = {
    "s3, address": (s3, lambda: s3(endpoint="https://other.example")),
    "s3, port": (s3, lambda: s3(endpoint="https://s3.example:8443")),
    "s3, path": (s3, lambda: s3(endpoint="https://s3.example/path")),
    "s3, key": (s3, lambda: s3("OTHER", SECRET)),
    "s3, anonymous": (s3, lambda: s3(None, None, anonymous=True)),
    "s3, class": (s3, lambda: get_driver("minio")("AKID", SECRET, endpoint=S3)),
    "s3, region": (
        lambda: get_driver("s3")("AKID", SECRET, region="eu-west-1"),
        lambda: get_driver("s3")("AKID", SECRET, region="eu-west-2"),
    ),
    "azure, account": (azure, lambda: azure("another")),
    "azure, cloud": (azure, lambda: azure(endpoint_suffix="core.chinacloudapi.cn")),
    "azure, anonymous": (azure, lambda: azure(key=None, anonymous=True)),
    "azure, SAS": (azure, lambda: azure(key=None, sas_token="sv=1&sig=abc")),
    "gcs, project": (gcs, lambda: get_driver("gcs")(token=SECRET, project="other")),
    "gcs, interface": (gcs, hmac),
    "gcs, key": (hmac, lambda: hmac("another")),
    "gcs, anonymous": (gcs, lambda: get_driver("gcs")(anonymous=True, project="project")),
    "swift, user": (swift, lambda: swift("another")),
    "swift, project": (swift, lambda: swift(project="project")),
    "swift, address": (swift, lambda: swift(auth_url="https://other.example/v3")),
    "swift, storage": (swift, lambda: swift(storage_url="https://other.example/v1/AUTH_a")),
    "local, root": (lambda: get_driver("local")("."), lambda: get_driver("local")("..")),
    "memory": (MemoryDriver, MemoryDriver),
    "service": (s3, azure),
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "OS_", "ST_", "STORAGE_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("case", EQUAL)
def test_two_drivers_of_one_account_are_equal(case: str) -> None:
    one, other = (make() for make in EQUAL[case])

    assert one is not other
    assert one == other
    assert hash(one) == hash(other)
    assert {one.object("bucket", "a")} == {other.object("bucket", "a")}
    assert one.object("bucket", "a") != other.object("bucket", "b")
    assert one.object("bucket", "a").container == other.object("bucket", "b").container


@pytest.mark.parametrize("case", DIFFERENT)
def test_drivers_of_different_accounts_differ(case: str) -> None:
    one, other = (make() for make in DIFFERENT[case])

    assert one != other
    assert one.object("bucket", "a") != other.object("bucket", "a")
    with pytest.raises(InvalidOptionError, match="belongs to another driver"):
        one.delete_object(other.object("bucket", "a"))


@pytest.mark.parametrize("case", EQUAL)
def test_comparison_key_has_no_secret(case: str) -> None:
    driver = EQUAL[case][0]()

    shown = f"{driver._identity()!r} {driver!r} {driver.object('bucket', 'a')!r}"

    assert SECRET not in shown
    assert KEY not in shown


@pytest.mark.parametrize("case", EQUAL)
def test_a_copy_is_the_driver_itself_whatever_its_secrets(case: str) -> None:
    """Connections and locks are not copied; handles can be."""
    driver = EQUAL[case][0]()
    obj = driver.object("bucket", "a")

    assert driver is copy.copy(driver) is copy.deepcopy(driver)
    for again in (copy.copy(obj), copy.deepcopy(obj), copy.deepcopy({"a": [obj]})["a"][0]):
        assert again is not obj
        assert again == obj
        assert again.driver is driver


# ---------------------------------------------------------------------- pickles

PICKLED: dict[str, Callable[..., StorageDriver]] = {
    "s3": lambda **more: s3(pickle_secret=True, **more),
    "azure": lambda **more: azure(pickle_secret=True, **more),
    "azure, credential": lambda **more: azure(
        key=None, credential=Credential(), pickle_secret=True, **more
    ),
    "gcs": lambda **more: gcs(pickle_secret=True, **more),
    "gcs (HMAC)": lambda **more: hmac(pickle_secret=True, **more),
    "swift": lambda **more: swift(pickle_secret=True, **more),
}


def unpickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("label", PICKLED)
def test_handles_unpickled_one_by_one_share_a_driver(label: str) -> None:
    made = PICKLED[label](retry=RetryPolicy(3), cdn="https://cdn.example")
    objects: list[Object] = [unpickled(made.object("bucket", str(n))) for n in range(100)]

    assert 1 == len({id(obj.driver) for obj in objects})
    assert objects[0].driver == made
    assert {unpickled(made.object("bucket", "7"))} == {objects[7]} == {made.object("bucket", "7")}


@pytest.mark.parametrize("label", PICKLED)
def test_different_drivers_are_not_shared(label: str) -> None:
    made = PICKLED[label]()
    first = unpickled(made)
    first.retry = RetryPolicy(attempts=1)

    for other in (
        unpickled(made),  # the retry of the first is not the pickle's any more
        unpickled(PICKLED[label](timeout=3)),
        unpickled(PICKLED[label](retry=RetryPolicy(2))),
        unpickled(PICKLED[label](cdn="https://cdn.example")),
    ):
        assert other is not first
        assert other == first
    assert made.retry == unpickled(made).retry != first.retry


def test_unused_driver_is_not_kept() -> None:
    made = s3(pickle_secret=True)
    first = unpickled(made)
    first.marked = True
    del first
    gc.collect()

    assert not hasattr(unpickled(made), "marked")


def test_other_credentials_in_the_environment_make_another_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    made = get_driver("s3")(endpoint=S3)
    first, second = unpickled(made), unpickled(made)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "rotated")
    third = unpickled(made)

    assert first is second
    assert third is not first
    assert third._settings.secret == "rotated"


def test_threads_that_unpickle_at_once_share_a_driver() -> None:
    text = pickle.dumps(s3(pickle_secret=True).object("bucket", "a"))
    start, found = threading.Barrier(8), []

    def load() -> None:
        start.wait()
        found.append(pickle.loads(text))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8 == len(found)
    assert 1 == len({id(obj.driver) for obj in found})


def test_unpickled_handles_use_one_connection() -> None:
    server = Server()
    server.default = respond(b"content", ETag='"e"')
    try:
        made = get_driver("s3")("AKID", SECRET, endpoint=server.url, pickle_secret=True)
        objects = [unpickled(made.object("bucket", str(n))) for n in range(100)]
        for obj in objects:
            assert b"content" == obj.read()
        assert 100 == len(server.seen)
        assert 1 == server.connections
        objects[0].driver.close()
    finally:
        server.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_unpickles_while_a_thread_of_its_parent_does() -> None:
    text = pickle.dumps(s3(pickle_secret=True))
    with restored._lock:
        child = os.fork()
        if not child:
            pickle.loads(text)
            os._exit(0)
        assert 0 == os.waitpid(child, 0)[1]
