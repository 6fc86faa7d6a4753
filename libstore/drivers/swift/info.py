"""
The features and limits of a cluster, from its ``/info``.

https://docs.openstack.org/swift/latest/api/discoverability.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...values import Limits

#: The digests and methods of signed URLs; the first digest that a cluster accepts is used.
TEMP_URL_DIGESTS = ("sha256", "sha512", "sha1")
_TEMP_URL_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
# The sections and names of the numbers in /info.
_NUMBERS: Mapping[str, tuple[str, str]] = {
    "bulk_delete": ("bulk_delete", "max_deletes_per_request"),
    "max_file": ("swift", "max_file_size"),
    "max_meta_count": ("swift", "max_meta_count"),
    "max_meta_name": ("swift", "max_meta_name_length"),
    "max_meta_value": ("swift", "max_meta_value_length"),
    "max_segments": ("slo", "max_manifest_segments"),
    "min_segment": ("slo", "min_segment_size"),
}


@dataclass(frozen=True, slots=True)
class Info:
    """The features and limits of a cluster; those that it does not report are Swift's defaults."""

    # https://docs.openstack.org/swift/latest/api/object_api_v1_overview.html and
    # https://docs.openstack.org/swift/latest/api/large_objects.html have the defaults.
    features: Collection[str] | None = None
    page_size: int = 10_000
    bulk_delete: int = 1_000
    max_file: int = 5_368_709_122
    max_meta_count: int = 90
    max_meta_name: int = 128
    max_meta_value: int = 256
    max_segments: int = 1_000
    min_segment: int = 1
    temp_url_digests: Collection[str] = TEMP_URL_DIGESTS
    temp_url_methods: Collection[str] = _TEMP_URL_METHODS

    def has(self, feature: str) -> bool:
        """Return whether the cluster has a feature, or may have it."""
        return self.features is None or feature in self.features

    def limits(self, before: Limits) -> Limits:
        """Return limits that are within those of the cluster."""
        return replace(
            before,
            min_part=max(before.min_part, self.min_segment),
            max_part=min(before.max_part, self.max_file),
            max_parts=min(before.max_parts, self.max_segments),
            max_put=min(before.max_put, self.max_file),
            page_size=min(before.page_size, self.page_size),
        )


_SWIFT = Info()
#: The limits of a driver until it has requested those of the cluster.
DEFAULTS = Limits(
    max_part=_SWIFT.max_file,
    max_parts=_SWIFT.max_segments,
    max_put=_SWIFT.max_file,
    page_size=_SWIFT.page_size,
    batch_size=_SWIFT.bulk_delete,
    max_name=1_024,
    max_metadata=4_096 - 256,  # without the header that is stored with large objects
    max_expires=366 * 86_400.0 * 10,
)


def parse_info(document: object) -> Info:
    """Return the content of ``/info``; Swift's defaults if it is not a JSON object."""
    if not isinstance(document, Mapping) or not document:
        return Info()

    def field(section: str, name: str) -> Any:
        fields = document.get(section)
        return fields.get(name) if isinstance(fields, Mapping) else None

    found: dict[str, Any] = {
        attribute: value
        for attribute, (section, name) in _NUMBERS.items()
        if isinstance(value := field(section, name), int) and value > 0
    }
    pages = (field("swift", f"{kind}_listing_limit") for kind in ("container", "account"))
    sizes = [size for size in pages if isinstance(size, int) and size > 0]
    found["page_size"] = min([_SWIFT.page_size, *sizes])
    # A cluster that does not report digests is from the time when there was only SHA-1:
    # https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html
    digests, methods = field("tempurl", "allowed_digests"), field("tempurl", "methods")
    found["temp_url_digests"] = digests if isinstance(digests, list) else ("sha1",)
    if isinstance(methods, list):
        found["temp_url_methods"] = methods
    return Info(features=frozenset(document), **found)
