"""
Find and abort uploads that were left open by starts whose response was lost.

A service keeps an upload that was begun until it is completed or aborted. Where the response to
the request that begins it is lost, its id is unknown. The request is sent again, and when the
operation is over, the uploads of that name are listed, and those that the lost requests have begun
are aborted.

A listing does not say which client began an upload: another process may have begun one of the same
name at the same moment. Only uploads are aborted that

- the service has begun while a request of this driver was under way whose response was lost,
- have no parts,
- are not known to this driver as begun by another call.

If there are more of them than requests were lost, at least one belongs to another client, and none
is aborted. They are listed when the operation has ended, so that another live upload has parts by
then; if the operation fails at its start, or is interrupted there, they are listed at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from ..errors import ServiceError, StorageError
from ..http.headers import parse_date
from ..rest.client import ServiceClient
from ..rest.confirming import is_lost
from ..values import Upload

_log = logging.getLogger("libstore")

#: Lists the open uploads of a container and a name; also returns the headers of the response.
Find: TypeAlias = "Callable[[str, str], tuple[Sequence[Upload], Mapping[str, str]]]"
#: When requests were sent whose response was lost, and when that showed.
Lost: TypeAlias = "list[tuple[float, float]]"

# The timestamps of a service may be rounded to seconds.
_TOLERANCE = 2.0
# A request whose connection broke may still be on its way through the service.
_DELAYS = (0.0, 0.3, 1.0)


class Starts:
    """
    Begins the uploads of one driver.

    Args:
        find: Lists the open uploads of a name.
        has_parts: Returns whether an upload has any parts.
        abort: Aborts an upload; a missing one is not an error.
    """

    def __init__(
        self,
        client: ServiceClient,
        find: Find,
        has_parts: Callable[[Upload], bool],
        abort: Callable[[Upload], object],
    ) -> None:
        self._client = client
        self._find = find
        self._has_parts = has_parts
        self._abort = abort
        # Ids of uploads that go on.
        self._open: dict[str, Lost] = {}
        self._starting: list[tuple[str, str]] = []

    def begin(self, container: str, name: str, send: Callable[[], str]) -> str:
        """
        Begin an upload and return its id.

        Args:
            send: Sends a request that nothing else sends again.
        """
        place = (container, name)
        lost: Lost = []
        try:
            return self._begin(place, send, lost)
        except BaseException as error:
            if lost:
                # A request without a response may be carried out a little later.
                delays = _DELAYS[:1] if isinstance(error, ServiceError) else _DELAYS
                self._clean_up(place, lost, delays)
            raise

    def _begin(self, place: tuple[str, str], send: Callable[[], str], lost: Lost) -> str:
        def send_once() -> str:
            sent = self._client.now()
            try:
                return send()
            except BaseException as error:
                if not isinstance(error, StorageError) or is_lost(error):
                    lost.append((sent, self._client.now()))
                raise

        self._starting.append(place)
        try:
            upload_id = self._client.confirmer.run(send_once)
            self._open[upload_id] = lost
        finally:
            self._starting.remove(place)
        return upload_id

    def end(self, upload: Upload) -> None:
        """Abort the uploads that lost starts of this one have left, now that it has ended."""
        lost = self._open.pop(upload.id, None)
        if lost:
            self._clean_up((upload.container, upload.name), lost, _DELAYS[:1])

    def _clean_up(self, place: tuple[str, str], lost: Lost, delays: Sequence[float]) -> None:
        """Abort the uploads that lost starts have begun; failures are logged."""
        found: list[Upload] = []
        try:
            with self._client.cleanup_budget():
                for delay in delays:
                    if delay:
                        self._client.sleep(delay)
                    found = self._begun(place, lost)
                    if len(found) >= len(lost):
                        break
                if len(found) > len(lost) or place in self._starting:
                    _log.warning(
                        "uploads of %r in %r may have been left open by requests whose response"
                        " was lost, or belong to other clients: %s",
                        place[1], place[0], ", ".join(upload.id for upload in found),
                    )  # fmt: skip
                    return
                for upload in found:
                    if not self._has_parts(upload):
                        self._abort(upload)
        except StorageError as error:
            _log.warning(
                "an upload of %r in %r may have been left open by a request whose response was"
                " lost; list_uploads() shows it: %s", place[1], place[0], error,
            )  # fmt: skip

    def _begun(self, place: tuple[str, str], lost: Lost) -> list[Upload]:
        """Return the uploads that the service has begun while a request was lost."""
        uploads, headers = self._find(*place)
        # By the service's clock, which may differ from this machine's.
        date = parse_date(headers.get("date"))
        ahead = date.timestamp() - self._client.now() if date is not None else 0.0
        spans = [(sent + ahead - _TOLERANCE, broke + ahead + _TOLERANCE) for sent, broke in lost]
        return [
            upload
            for upload in uploads
            if upload.name == place[1]
            and upload.id not in self._open
            and upload.started is not None
            and any(sent <= upload.started.timestamp() <= broke for sent, broke in spans)
        ]
