"""
What a cluster can do, as its ``/info`` tells; what it does not tell is what Swift has by default.

https://docs.openstack.org/swift/latest/api/discoverability.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ...values import Limits

#: What one put can write: 5 GiB and 2 bytes, as Swift has it.
MAX_FILE = 5_368_709_122

#: Swift's own limits, for as long as nobody has asked for the cluster's:
#: https://docs.openstack.org/swift/latest/api/object_api_v1_overview.html
#: https://docs.openstack.org/swift/latest/api/large_objects.html
DEFAULTS = Limits(
    max_part=MAX_FILE,
    max_parts=1_000,
    max_put=MAX_FILE,
    page_size=10_000,
    batch_size=1_000,
    max_name=1_024,
    max_metadata=4_096 - 256,  # we keep a header of our own with large objects
    max_expires=366 * 86_400.0 * 10,
)


class Info:
    """
    The answer of ``/info``.

    Args:
        told: Empty where the cluster keeps it to itself.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def _number(self, section: str, name: str, default: int) -> int:
        value = self._section(section).get(name)
        return value if isinstance(value, int) and value > 0 else default

    def _section(self, name: str) -> Mapping[str, Any]:
        value = self._told.get(name)
        return value if isinstance(value, Mapping) else {}

    def has(self, feature: str) -> bool:
        """Return whether the cluster has a feature; of one that tells nothing we assume so."""
        return not self._told or feature in self._told

    @property
    def listing(self) -> int:
        """The most items on one page of a listing."""
        return min(
            self._number("swift", "container_listing_limit", DEFAULTS.page_size),
            self._number("swift", "account_listing_limit", DEFAULTS.page_size),
        )

    @property
    def bulk_delete(self) -> int:
        """The most objects that one request can delete; 0 if there is no such request."""
        if not self.has("bulk_delete"):
            return 0
        return self._number("bulk_delete", "max_deletes_per_request", DEFAULTS.batch_size)

    @property
    def max_segments(self) -> int:
        """The most segments that a large object may have."""
        return self._number("slo", "max_manifest_segments", DEFAULTS.max_parts)

    @property
    def max_file(self) -> int:
        """The most bytes that one put can write."""
        return self._number("swift", "max_file_size", MAX_FILE)

    @property
    def max_meta_value(self) -> int:
        """The most bytes of the value of one pair of metadata."""
        return self._number("swift", "max_meta_value_length", MAX_META_VALUE)

    @property
    def max_meta_name(self) -> int:
        """The most bytes of the key of one pair of metadata."""
        return self._number("swift", "max_meta_name_length", MAX_META_NAME)

    @property
    def max_meta_count(self) -> int:
        """The most pairs of metadata."""
        return self._number("swift", "max_meta_count", MAX_META_COUNT)

    @property
    def temp_url_digests(self) -> Collection[str]:
        """The digests that signed URLs can be made with."""
        if not self.has("tempurl"):
            return ()
        # A cluster that has signed URLs and names no digests is of the time of SHA-1 alone:
        # https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html
        told = self._section("tempurl").get("allowed_digests", ["sha1"] if self._told else None)
        return TEMP_URL_DIGESTS if told is None else tuple(told)

    @property
    def temp_url_methods(self) -> Collection[str]:
        """The methods that URLs can be signed for."""
        return tuple(self._section("tempurl").get("methods", TEMP_URL_METHODS))

    def limits(self, before: Limits) -> Limits:
        """Return limits that are no wider than what the cluster has."""
        return replace(
            before,
            min_part=max(before.min_part, self._number("slo", "min_segment_size", 1)),
            max_part=min(before.max_part, self.max_file),
            max_parts=min(before.max_parts, self.max_segments),
            max_put=min(before.max_put, self.max_file),
            page_size=min(before.page_size, self.listing),
        )


#: Of signed URLs; the digest that is named first is taken first.
TEMP_URL_DIGESTS = ("sha256", "sha512", "sha1")
TEMP_URL_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")

# https://docs.openstack.org/swift/latest/api/object_api_v1_overview.html
MAX_META_VALUE = 256
MAX_META_NAME = 128
MAX_META_COUNT = 90
