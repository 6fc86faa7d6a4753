"""A driver of each service, for a scripted server, and the operations that tests run on it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from libstore import StorageDriver, get_driver

SECRET = "thisisasecretthatnobodysees"


# ---------------------------------------------------------------------- drivers


def _s3(url: str, **options: Any) -> StorageDriver:
    return get_driver("s3")("AKID", SECRET, endpoint=url, **options)


def _azure(url: str, **options: Any) -> StorageDriver:
    key = base64.b64encode(SECRET.encode()).decode()
    return get_driver("azure")("account", key, endpoint=f"{url}/account", **options)


def _gcs(url: str, **options: Any) -> StorageDriver:
    return get_driver("gcs")(token=SECRET, endpoint=url, project="project", **options)


def _gcs_hmac(url: str, **options: Any) -> StorageDriver:
    return get_driver("gcs")("GOOGKEY", SECRET, endpoint=url, **options)


def _swift(url: str, **options: Any) -> StorageDriver:
    return get_driver("swift")(token=SECRET, storage_url=f"{url}/v1/AUTH_test", **options)


DRIVERS: Mapping[str, Callable[..., StorageDriver]] = {
    "s3": _s3,
    "azure": _azure,
    "gcs": _gcs,
    "gcs-hmac": _gcs_hmac,
    "swift": _swift,
}


OPERATIONS: Mapping[str, Callable[[StorageDriver], Any]] = {
    "read_object": lambda driver: driver.object("bucket", "name").read(),
    "get_object": lambda driver: driver.get_object("bucket", "name"),
    "object_exists": lambda driver: driver.object_exists("bucket", "name"),
    "upload_object": lambda driver: driver.upload_object(b"content", "bucket", "name"),
    "delete_object": lambda driver: driver.object("bucket", "name").delete(),
    "list_objects": lambda driver: list(driver.list_objects("bucket")),
    "get_container": lambda driver: driver.get_container("bucket"),
    "create_container": lambda driver: driver.create_container("bucket"),
    "list_containers": lambda driver: list(driver.list_containers()),
}
