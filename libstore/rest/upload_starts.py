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
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TypeAlias

from ..errors import ServiceError, StorageError
from ..http.headers import parse_date
from ..values import Upload
from .client import ServiceClient
from .confirming import is_lost

_log = logging.getLogger("libstore")

#: Lists the open uploads of a container and a name; also returns the headers of the response.
Find: TypeAlias = "Callable[[str, str], tuple[Sequence[Upload], Mapping[str, str]]]"

# The timestamps of a service may be rounded to seconds.
_TOLERANCE = 2.0
# A request whose connection broke may still be on its way through the service.
_DELAYS = (0.0, 0.3, 1.0)
# The test server moto reports this time as the start of all uploads.
_ANY_TIME = datetime(2010, 11, 10, 20, 48, 33, tzinfo=timezone.utc)


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
        # Ids of uploads that go on, with the spans of time in which their starts were lost.
        self._open: dict[str, list[tuple[float, float]]] = {}
        self._starting: Counter[tuple[str, str]] = Counter()

    def begin(self, container: str, name: str, send: Callable[[], str]) -> str:
        """
        Begin an upload and return its id.

        Args:
            send: Sends a request that nothing else sends again.
        """
        place = (container, name)
        start = _Start(self._client.now, send)
        self._starting[place] += 1
        try:
            upload_id = self._client.confirmer.run(start.send)
            self._open[upload_id] = start.lost
        except BaseException as error:
            if not isinstance(error, StorageError):  # interrupted while or after it was sent
                start.note_lost()
            if start.lost:
                # A request without a response may be carried out a little later.
                delays = _DELAYS[:1] if isinstance(error, ServiceError) else _DELAYS
                self._starting[place] -= 1
                try:
                    self._clean_up(place, start.lost, delays)
                finally:
                    self._starting[place] += 1
            raise
        finally:
            self._starting[place] -= 1
            if not self._starting[place]:
                del self._starting[place]
        return upload_id

    def end(self, upload: Upload) -> None:
        """Abort the uploads that lost starts of this one have left, now that it has ended."""
        lost = self._open.pop(upload.id, None)
        if lost:
            self._clean_up((upload.container, upload.name), lost, _DELAYS[:1])

    def _clean_up(
        self,
        place: tuple[str, str],
        lost: Sequence[tuple[float, float]],
        delays: Sequence[float],
    ) -> None:
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
                if len(found) > len(lost) or self._starting.get(place):
                    _log.warning(
                        "uploads of %r in %r may have been left open by requests whose response"
                        " was lost, or belong to other clients: %s",
                        place[1], place[0], ", ".join(upload.id for upload in found),
                    )  # fmt: skip
                    found = []
                for upload in found:
                    if not self._has_parts(upload):
                        self._abort(upload)
        except StorageError as error:
            _log.warning(
                "an upload of %r in %r may have been left open by a request whose response was"
                " lost; list_uploads() shows it: %s", place[1], place[0], error,
            )  # fmt: skip

    def _begun(self, place: tuple[str, str], lost: Sequence[tuple[float, float]]) -> list[Upload]:
        """Return the uploads that the service has begun while a request was lost."""
        uploads, headers = self._find(*place)
        # By the service's clock, which may differ from this machine's.
        date = parse_date(headers.get("date"))
        ahead = date.timestamp() - self._client.now() if date is not None else 0.0

        def fits(started: datetime | None) -> bool:
            if started is None or started == _ANY_TIME:
                return started is not None
            moment = started.timestamp() - ahead
            return any(sent - _TOLERANCE <= moment <= broke + _TOLERANCE for sent, broke in lost)

        return [
            upload
            for upload in uploads
            if upload.name == place[1] and upload.id not in self._open and fits(upload.started)
        ]


class _Start:
    """
    One start of an upload.

    Attributes:
        lost: The spans of time of the requests that may have begun an upload.
    """

    def __init__(self, now: Callable[[], float], send: Callable[[], str]) -> None:
        self.lost: list[tuple[float, float]] = []
        self._now = now
        self._send = send
        self._sent: float | None = None

    def send(self) -> str:
        """Send the request."""
        self._sent = self._now()
        try:
            return self._send()
        except StorageError as error:
            if is_lost(error):
                self.note_lost()
            self._sent = None
            raise

    def note_lost(self) -> None:
        """Note that the request that was sent last may have begun an upload."""
        if self._sent is not None:
            self.lost.append((self._sent, self._now()))
