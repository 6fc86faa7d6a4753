"""
Starts of uploads whose response was lost, and the uploads that they have left open.

A service that has begun an upload keeps it until somebody finishes or aborts it. Where the
response to the request that begins it is lost, nobody knows its id. The request is sent again,
and when the operation is over, the uploads of that name are listed, and those that the lost
requests have begun are aborted.

An upload in a listing does not say whose it is: another process may have begun one of the same
name at the same moment. Only uploads are aborted that

- the service has begun while a request of ours was under way whose response was lost,
- have no parts,
- this driver does not know as begun by another call.

If there are more of them than requests were lost, at least one belongs to somebody else, and all
are left alone. They are judged when the operation has ended, so that another live upload has
parts by then; only if the operation fails at its start, or is interrupted there, at once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TypeAlias

from ..errors import RateLimitedError, ServiceError, StorageError, TransportError
from ..http.headers import parse_date
from ..values import Upload
from .client import ServiceClient
from .confirming import is_lost

_log = logging.getLogger("libstore")

#: Lists the open uploads of a container and a name; also returns the headers of the response.
Find: TypeAlias = "Callable[[str, str], tuple[Sequence[Upload], Mapping[str, str]]]"

# The times of a service may be cut to seconds.
_COARSE = 2.0
# A request that was broken off may still be on its way through the service.
_LOOKS = (0.0, 0.3, 1.0)
# When the test server moto says that each of its uploads was begun.
_ANY_TIME = datetime(2010, 11, 10, 20, 48, 33, tzinfo=timezone.utc)


class Starts:
    """
    Begins the uploads of one driver.

    Args:
        has_parts: Returns whether an upload has any parts.
        abort: Drops an upload; that it is gone is no error.
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
            send: Sends a request that the wire does not send again by itself.
        """
        lost: list[tuple[float, float]] = []
        began = self._client.now()
        place = (container, name)
        self._starting[place] += 1
        try:
            upload_id = self._persist(send, lost)
            self._open[upload_id] = lost
        except BaseException as error:
            if not (lost or isinstance(error, StorageError)):  # interrupted behind the response
                lost.append((began, self._client.now()))
            if lost:
                # A request that was not answered may be carried out a little later.
                answered = isinstance(error, ServiceError)
                self._starting[place] -= 1
                try:
                    self._clean_up(place, lost, _LOOKS[:1] if answered else _LOOKS)
                finally:
                    self._starting[place] += 1
            raise
        finally:
            self._starting[place] -= 1
            if not self._starting[place]:
                del self._starting[place]
        return upload_id

    def end(self, upload: Upload) -> None:
        """Abort what lost starts of an upload have left, now that it has ended itself."""
        lost = self._open.pop(upload.id, None)
        if lost:
            self._clean_up((upload.container, upload.name), lost, _LOOKS[:1])

    def _persist(self, send: Callable[[], str], lost: list[tuple[float, float]]) -> str:
        with self._client.retrier.budget() as budget:
            while True:
                sent = self._client.now()
                try:
                    return send()
                except (ServiceError, TransportError) as error:
                    if may_have_begun(error):
                        lost.append((sent, self._client.now()))
                    # The wire has tried again already what the service has only put off.
                    put_off = isinstance(error, RateLimitedError)
                    if put_off or not error.retryable or not budget.retry(error):
                        raise
                except StorageError:
                    raise
                except BaseException:
                    lost.append((sent, self._client.now()))
                    raise

    def _clean_up(
        self,
        place: tuple[str, str],
        lost: Sequence[tuple[float, float]],
        looks: Sequence[float],
    ) -> None:
        """Abort the uploads that lost starts have begun; what goes wrong is logged."""
        found: list[Upload] = []
        try:
            with self._client.brief_budget():
                for delay in looks:
                    if delay:
                        self._client.sleep(delay)
                    found = self._begun(place, lost)
                    if len(found) >= len(lost):
                        break
                if len(found) > len(lost) or self._starting.get(place):
                    _log.warning(
                        "uploads of %r in %r may have been left open by requests whose response"
                        " was lost, or belong to others: %s",
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
        # By the service's clock: ours may be another.
        date = parse_date(headers.get("date"))
        ahead = date.timestamp() - self._client.now() if date is not None else 0.0

        def fits(started: datetime | None) -> bool:
            if started is None or started == _ANY_TIME:
                return started is not None
            moment = started.timestamp() - ahead
            return any(sent - _COARSE <= moment <= broke + _COARSE for sent, broke in lost)

        return [
            upload
            for upload in uploads
            if upload.name == place[1] and upload.id not in self._open and fits(upload.started)
        ]


def may_have_begun(error: BaseException) -> bool:
    """Return whether a request that failed like this may have begun an upload."""
    return not isinstance(error, StorageError) or is_lost(error)
