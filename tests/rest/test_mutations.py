"""
Whatever becomes of a response on its way, a driver returns something proper or raises its own.

`tox -e fuzz` tries a hundred thousand responses; the suite takes a few hundred of them.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from drivers.mutations import ROUTES, Mutant
from drivers.test_secrets_of_all import SECRET, Credential, account

from libstore import RetryPolicy, StorageDriver, StorageError, TransferOptions, get_driver
from libstore.handles import Container, Object

RUNS = int(os.environ.get("LIBSTORE_FUZZ_RUNS", "1080"))
FIRST = int(os.environ.get("LIBSTORE_FUZZ_FIRST", "0"))
BIG = bytes(300 * 1024)

Maker = Callable[..., StorageDriver]
MAKERS: Mapping[str, Maker] = {
    "s3": lambda url, **more: get_driver("s3")("AKID", SECRET, endpoint=url, **more),
    "azure": lambda url, **more: get_driver("azure")(
        "account", "a2V5" * 10, endpoint=f"{url}/account", **more
    ),
    "azure-token": lambda url, **more: get_driver("azure")(
        "account", credential=Credential(), endpoint=f"{url}/account", insecure=True, **more
    ),
    "gcs-account": lambda url, **more: get_driver("gcs")(
        service_account=account(url), endpoint=url, **more
    ),
    "swift-v1": lambda url, **more: get_driver("swift")(
        "user", SECRET, auth_url=f"{url}/auth/v1.0", **more
    ),
    "swift-v3": lambda url, **more: get_driver("swift")(
        "user", SECRET, project="project", auth_url=f"{url}/v3", **more
    ),
    "gcs": lambda url, **more: get_driver("gcs")(
        token=SECRET, endpoint=url, project="project", **more
    ),
    "gcs-hmac": lambda url, **more: get_driver("gcs")("KEY", SECRET, endpoint=url, **more),
    "swift": lambda url, **more: get_driver("swift")(
        token=SECRET, storage_url=f"{url}/v1/AUTH_a", **more
    ),
}
OPERATIONS: Mapping[str, Callable[[StorageDriver], Any]] = {
    "list": lambda driver: list(driver.list_objects("bucket")),
    "fold": lambda driver: list(driver.list_objects("bucket", delimiter="/", start_after="a")),
    "containers": lambda driver: list(driver.list_containers()),
    "get": lambda driver: driver.get_object("bucket", "name"),
    "exists": lambda driver: driver.object_exists("bucket", "name"),
    "read": lambda driver: driver.object("bucket", "name").read(),
    "range": lambda driver: driver.object("bucket", "name").read(start=2, stop=9),
    "ranges": lambda driver: driver.read_ranges(
        driver.object("bucket", "name"), [(0, 5), (9, 12)]
    ),
    "file": lambda driver: driver.object("bucket", "name").as_file().read(),
    "put": lambda driver: driver.upload_object(b"content", "bucket", "name"),
    "put absent": lambda driver: driver.upload_object(b"1", "bucket", "name", if_absent=True),
    "put parts": lambda driver: driver.upload_object(BIG, "bucket", "name"),
    "copy": lambda driver: driver.object("bucket", "name").copy("bucket", "copy"),
    "metadata": lambda driver: driver.object("bucket", "name").update_metadata({"a": "b"}),
    "delete": lambda driver: driver.object("bucket", "name").delete(),
    "delete many": lambda driver: driver.delete_objects(
        [driver.object("bucket", name) for name in "abc"]
    ),
    "container": lambda driver: driver.get_container("bucket"),
    "create": lambda driver: driver.create_container("bucket"),
    "remove": lambda driver: driver.delete_container("bucket"),
    "uploads": lambda driver: list(driver.list_uploads("bucket")),
    "parts": lambda driver: [
        list(driver.list_parts(upload)) for upload in driver.list_uploads("bucket")
    ],
    "sign": lambda driver: driver.object("bucket", "name").sign_url(),
    "publish": lambda driver: driver.object("bucket", "name").enable_cdn(),
}


def check(found: Any) -> None:
    """Read every attribute of a result."""
    if isinstance(found, (list, tuple)):
        for one in found:
            check(one)
    elif isinstance(found, Object):
        info = found._info
        for text in (info.name, info.etag, info.content_type, info.version, info.storage_class):
            assert text is None or isinstance(text, str)
        assert info.size is None or (type(info.size) is int and info.size >= 0)
        assert info.last_modified is None or info.last_modified.timestamp() is not None
        assert all(isinstance(one, str) for pair in info.checksums.items() for one in pair)
        assert all(isinstance(one, str) for pair in (info.metadata or {}).items() for one in pair)
        repr(found), info.name.encode(), hash(info.name)
    elif isinstance(found, Container):
        info_ = found._info
        for number in (info_.object_count, info_.size):
            assert number is None or (type(number) is int and number >= 0)
        repr(found), found.name.encode()
    else:
        repr(found)


@contextlib.contextmanager
def collecting_between() -> Iterator[Callable[[], object]]:
    """
    Collect garbage only when the function is called that this yields.

    Otherwise it may be collected while a document is read that is nested too deep, and finalizers
    exceed the maximum depth of the stack.
    """
    gc.disable()
    try:
        yield partial(gc.collect, 1)
    finally:
        gc.enable()


@pytest.mark.parametrize("label", ROUTES)
@pytest.mark.parametrize("share", range(4))
def test_corrupted_response_ends_in_a_result_or_an_error(label: str, share: int) -> None:
    transfer = TransferOptions(part_size=256 * 1024, multipart_threshold=256 * 1024, concurrency=1)
    options: dict[str, Any] = {"retry": RetryPolicy(2, base=0.0), "transfer": transfer}
    names = list(OPERATIONS)
    failures: dict[str, str] = {}
    with contextlib.closing(Mutant(label)) as server, collecting_between() as collect:
        for seed in range(FIRST + share, FIRST + RUNS // len(ROUTES), 4):
            server.begin(seed)
            collect()
            name = names[seed // 4 % len(names)]
            try:
                # A new driver logs in anew, and has tokens for its retries.
                with MAKERS[label](server.url, timeout=2.0, **options) as driver:
                    check(OPERATIONS[name](driver))
            except StorageError as error:
                repr(error), pickle.dumps(error)
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                failures.setdefault(
                    f"{type(error).__name__} in {where.filename}:{where.lineno}: {error}"[:300],
                    f"seed {seed}, {name}: {[data[:3_000] for data in server.sent]}",
                )
    assert not failures, "\n".join(f"{what}\n    {how}" for what, how in failures.items())
