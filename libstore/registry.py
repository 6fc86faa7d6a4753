"""
Drivers by name.

The registry holds strings. A driver's module is imported when `get_driver` first returns it, so
that a program loads only the drivers that it uses. Another package can add a driver by an entry
point of the group ``libstore.drivers``: its name is the driver's name, and its value is
``"module:Class"``.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, overload

from . import arguments
from .errors import InvalidOptionError, InvalidTypeError, UnknownDriverError

if TYPE_CHECKING:
    from .driver import StorageDriver
    from .drivers.azure import AzureDriver
    from .drivers.gcs import GCSDriver
    from .drivers.local import LocalDriver
    from .drivers.memory import MemoryDriver
    from .drivers.s3 import S3Driver
    from .drivers.swift import SwiftDriver

# URLs begin with the name.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*", re.ASCII)

ENTRY_POINT_GROUP = "libstore.drivers"

#: Services with the S3 API. Each is a class made of its record in drivers/s3/services.py.
S3Service: TypeAlias = Literal[
    "alibaba", "b2", "ceph", "garage", "gcs-s3", "hetzner", "huawei", "ibm", "linode", "minio",
    "oracle", "ovh", "r2", "rclone", "scaleway", "seaweedfs", "spaces", "storj", "swift-s3",
    "tencent", "wasabi",
]  # fmt: skip


def _class_name(service: str) -> str:
    return "".join(piece.capitalize() for piece in service.split("-")) + "Driver"


_BUILTIN = {
    "azure": "libstore.drivers.azure:AzureDriver",
    "gcs": "libstore.drivers.gcs:GCSDriver",
    "local": "libstore.drivers.local:LocalDriver",
    "memory": "libstore.drivers.memory:MemoryDriver",
    "s3": "libstore.drivers.s3:S3Driver",
    "swift": "libstore.drivers.swift:SwiftDriver",
}
# Names that other libraries and programs have for the services.
_OTHER_NAMES = {
    "abfs": "azure", "abfss": "azure", "adl": "azure", "adls": "azure", "aliyun_oss": "alibaba",
    "amazon": "s3", "amazon_s3": "s3", "aws": "s3", "aws_s3": "s3", "az": "azure",
    "azure_blob": "azure", "azure_blobs": "azure", "backblaze": "b2", "backblaze_b2": "b2",
    "cloudfiles": "swift", "cloudfiles_swift": "swift", "cloudfiles_uk": "swift",
    "cloudfiles_us": "swift", "cloudflare": "r2", "cloudflare_r2": "r2",
    "cos": "tencent", "digitalocean": "spaces", "digitalocean_spaces": "spaces", "do": "spaces",
    "dummy": "memory", "file": "local", "filesystem": "local", "fs": "local", "gcp": "gcs",
    "google": "gcs", "google_cloud_storage": "gcs", "google_storage": "gcs", "gs": "gcs",
    "mem": "memory", "obs": "huawei", "openstack": "swift", "openstack_swift": "swift",
    "oss": "alibaba", "rgw": "ceph", "s3_rgw": "ceph", "s3a": "s3", "s3n": "s3", "wasb": "azure",
    "wasbs": "azure",
}  # fmt: skip
# Apache Libcloud has a driver for each region of Amazon's, with and without "_" before a digit:
# https://libcloud.readthedocs.io/en/stable/storage/supported_providers.html
_REGIONS = {
    "s3_ap_northeast": "ap-northeast-1", "s3_ap_northeast1": "ap-northeast-1",
    "s3_ap_northeast2": "ap-northeast-2", "s3_ap_south": "ap-south-1",
    "s3_ap_southeast": "ap-southeast-1", "s3_ap_southeast2": "ap-southeast-2",
    "s3_ca_central": "ca-central-1", "s3_cn_north": "cn-north-1",
    "s3_cn_northwest": "cn-northwest-1", "s3_eu_central": "eu-central-1",
    "s3_eu_north1": "eu-north-1", "s3_eu_west": "eu-west-1", "s3_eu_west2": "eu-west-2",
    "s3_eu_west3": "eu-west-3", "s3_sa_east": "sa-east-1", "s3_us_east": "us-east-1",
    "s3_us_east2": "us-east-2", "s3_us_gov_west": "us-gov-west-1",
    "s3_us_standard": "us-east-1", "s3_us_west": "us-west-1", "s3_us_west_oregon": "us-west-2",
}  # fmt: skip
# Other schemes and drivers that are an S3 API at an address.
_AT_ADDRESSES = {"http", "https", "s3_rgw_outscale"}
_SERVICES = {name: f"libstore.drivers.s3:{_class_name(name)}" for name in get_args(S3Service)}
_registered: dict[str, str] = {}


@overload
def get_driver(name: Literal["azure"]) -> type[AzureDriver]: ...
@overload
def get_driver(name: Literal["gcs"]) -> type[GCSDriver]: ...
@overload
def get_driver(name: Literal["local"]) -> type[LocalDriver]: ...
@overload
def get_driver(name: Literal["memory"]) -> type[MemoryDriver]: ...
@overload
def get_driver(name: Literal["s3"]) -> type[S3Driver]: ...
@overload
def get_driver(name: Literal["swift"]) -> type[SwiftDriver]: ...
@overload
def get_driver(name: S3Service) -> type[S3Driver]: ...
@overload
def get_driver(name: str) -> type[Any]: ...
def get_driver(name: str) -> type[Any]:
    """
    Return the class of a driver.

    Args:
        name: Such as ``"local"``; `list_drivers` returns all names.

    Returns:
        A subclass of `StorageDriver`. Its page lists the arguments of its constructor.

    Raises:
        UnknownDriverError: There is no driver of this name.
    """
    arguments.text(name, "the name of a driver")
    target = (
        _registered.get(name)
        or _BUILTIN.get(name)
        or _SERVICES.get(name)
        or _entry_points().get(name)
    )
    if target is None:
        raise UnknownDriverError(_unknown(name))
    return _load(name, target)


def register_driver(name: str, target: str) -> None:
    """
    Add a driver to the registry of this process, or replace one.

    Args:
        name: The name for `get_driver`.
        target: The class, as ``"module:Class"``. It is imported on first use.

    Raises:
        InvalidOptionError: `target` does not have this form.
    """
    arguments.text(name, "the name of a driver")
    if isinstance(target, type):
        raise InvalidTypeError(
            f"register_driver takes the class as text: {target.__module__}:{target.__qualname__}"
        )
    arguments.text(target, "the target of a driver")
    module, colon, attribute = target.partition(":")
    if not (name and module and colon and attribute):
        raise InvalidOptionError(
            f"cannot register {name!r} as {target!r}; pass a name and 'module:Class'"
        )
    if not _NAME.fullmatch(name):
        raise InvalidOptionError(
            f"cannot register {name!r}: URLs begin with the name, so it may contain only ASCII"
            " letters, digits and + . _ -, and begins with a letter"
        )
    _registered[name] = target


def list_drivers() -> list[str]:
    """Return the names of all drivers, sorted."""
    return sorted({*_BUILTIN, *_SERVICES, *_registered, *_entry_points()})


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points  # slow to import, and seldom needed

    return {entry.name: entry.value for entry in entry_points(group=ENTRY_POINT_GROUP)}


def _load(name: str, target: str) -> type[StorageDriver]:
    module, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UnknownDriverError(
            f"the driver {name!r} is registered as {target!r}, which cannot be loaded: {error}"
        ) from error
    from .driver import StorageDriver

    if not (isinstance(found, type) and issubclass(found, StorageDriver)):
        raise UnknownDriverError(
            f"the driver {name!r} is registered as {target!r}, which is not a subclass of"
            " StorageDriver"
        )
    return found


def _unknown(name: str) -> str:
    known = ", ".join(list_drivers())
    return f"no driver has the name {name!r}.{_hint(name)} The drivers are: {known}"


def _hint(name: str) -> str:
    plain = name.lower().replace("-", "_")
    if region := _REGIONS.get(re.sub(r"_(?=\d)", "", plain)):
        return f" Use 's3' with region={region!r}."
    if plain in _AT_ADDRESSES:
        return " Use the name of the service with endpoint=, such as 's3'."
    if plain in _OTHER_NAMES:
        return f" Use {_OTHER_NAMES[plain]!r}."
    nearest = arguments.nearest(name, list_drivers())
    return f" Did you mean {nearest!r}?" if nearest else ""
