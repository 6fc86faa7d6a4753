"""Emptying a bucket of all that keeps it from being deleted: old versions and markers too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from typing_extensions import override

from ...errors import AccessDeniedError, NotSupportedError
from ...http.xml import can_write
from ...transfer.crew import run_all
from ...values import Conditions
from . import dialect
from .calls import Answer
from .parts import PartHooks

#: A name and a version.
_Version: TypeAlias = "tuple[str, str | None]"

# The second one is what servers say that pass over ?versions in silence.
_ROOTS = ("ListVersionsResult", "ListVersionResult", "ListBucketResult")
_ROWS = frozenset({"Version", "DeleteMarker"})


class EmptyingHooks(PartHooks):
    """The hook that empties a bucket."""

    @override
    def _empty_container(self, name: str) -> None:
        page = self._versions_page(name, {}) if self.service.versions else None
        if page is None:
            # What the service shows without versions, or as much as these credentials may see.
            super()._empty_container(name)
            return
        while page is not None:
            answer, markers = page
            # Asked for while the version that it begins behind is still there.
            page = self._versions_page(name, markers) if markers else None
            self._delete_versions(name, dialect.versions(answer))
        if self.takes_parts:
            self._abort_all(name)

    def _versions_page(
        self, container: str, markers: dict[str, str]
    ) -> tuple[Answer, dict[str, str]] | None:
        """Return one page and where the next one begins; `None` if the service has no versions."""
        query = {"max-keys": str(self.limits.page_size), "versions": "", **markers}
        if self.service.encoded_lists:
            query["encoding-type"] = "url"
        try:
            answer = self._page(
                "ListObjectVersions", container, _ROOTS, _ROWS, dict(sorted(query.items()))
            )
        except (AccessDeniedError, NotSupportedError):
            if markers:
                raise
            return None
        if "Contents/Key" in answer.told:
            return None
        return answer, dialect.version_markers(answer)

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

        run_all(delete, sorted(set(versions) - set(together)), self.transfer.concurrency)

    def _abort_all(self, container: str) -> None:
        token: str | None = None
        while True:
            try:
                page = self._list_uploads(container, token)
            except NotSupportedError:
                return
            for upload in page.items:
                self._abort_upload(upload)
            token = page.token
            if token is None:
                return
