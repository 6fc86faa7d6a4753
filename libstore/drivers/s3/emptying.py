"""Emptying a bucket of all that keeps it from being deleted: old versions and markers too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from typing_extensions import override

from ...errors import AccessDeniedError, NotSupportedError
from ...http.xml import can_write
from ...listing import iterate_pages
from ...transfer.workers import map_concurrently
from ...values import Conditions, Page
from . import listings, operations
from .multipart import PartHooks

#: A name and a version.
_Version: TypeAlias = "tuple[str, str | None]"

# The second one is what servers say that pass over ?versions in silence.
_ROOTS = ("ListVersionsResult", "ListVersionResult", "ListBucketResult")
_ROWS = frozenset({"Version", "DeleteMarker"})


class EmptyingHooks(PartHooks):
    """The hook that empties a bucket."""

    @override
    def _empty_container(self, name: str) -> None:
        page = self._versions_page(name, None) if self.service.versions else None
        if page is None:
            # What the service shows without versions, or as much as these credentials may see.
            super()._empty_container(name)
            return
        first = page

        def fetch(token: str | None) -> Page[_Version]:
            return first if token is None else self._versions_page(name, token) or Page([])

        pages = iterate_pages(fetch, f"versions in {name!r}")
        following = next(pages, None)
        while following is not None:
            versions = following.items
            # Asked for while the version that it begins behind is still there.
            following = next(pages, None)
            self._delete_versions(name, versions)
        if self.takes_parts:
            self._abort_all(name)

    def _versions_page(self, container: str, token: str | None) -> Page[_Version] | None:
        """Return one page of versions and delete markers; `None` if the service has none."""
        query = {"max-keys": str(self.limits.page_size), "versions": ""}
        if token is not None:
            query |= listings.version_query(token)
        if self.service.encoded_lists:
            query["encoding-type"] = "url"
        try:
            answer = self._page(
                operations.LIST_OBJECT_VERSIONS,
                container,
                _ROOTS,
                _ROWS,
                dict(sorted(query.items())),
            )
        except (AccessDeniedError, NotSupportedError):
            if token is not None:
                raise
            return None
        if "Contents/Key" in answer.fields:
            return None
        return listings.version_page(answer)

    def _delete_versions(self, container: str, versions: Sequence[_Version]) -> None:
        """Delete versions of objects, each for good."""
        together = [one for one in versions if self.service.batches and can_write(one[0])]
        try:
            for start in range(0, len(together), self.limits.batch_size):
                batch = together[start : start + self.limits.batch_size]
                for name, error in self._delete_together(container, batch).items():
                    error.object = name
                    raise error
        except NotSupportedError:
            together = []

        def delete(one: _Version) -> None:
            self._delete_object(container, one[0], Conditions(), one[1])

        map_concurrently(delete, sorted(set(versions) - set(together)), self.transfer.concurrency)

    def _abort_all(self, container: str) -> None:
        pages = iterate_pages(
            lambda token: self._list_uploads(container, token),
            f"unfinished uploads in {container!r}",
        )
        while True:
            try:
                page = next(pages, None)
            except NotSupportedError:
                return
            if page is None:
                return
            for upload in page.items:
                self._abort_upload(upload)
