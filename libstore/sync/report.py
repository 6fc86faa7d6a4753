"""The actions of a sync, and the report on them."""

from __future__ import annotations

import json
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from typing_extensions import override

from ..errors import StorageError

#: What a sync does with one name.
ActionKind: TypeAlias = Literal["upload", "download", "copy", "delete", "skip", "refuse"]

# The most errors that stay in memory; the texts of all of them are on disk.
_KEPT = 1_000
# The plan of a small tree stays in memory.
_IN_MEMORY = 1 << 20


@dataclass(frozen=True, slots=True)
class SyncAction:
    """
    What a sync does with one name, or would do.

    Attributes:
        kind: ``"upload"``, ``"download"``, ``"copy"`` or ``"delete"``; ``"skip"`` for what is left
            out by choice, such as a symbolic link; ``"refuse"`` for what cannot be done.
        name: The name below the directory or the prefix.
        size: The number of bytes, if it is known.
        reason: Why it is done, skipped or refused.
        error: The message of the error, if the action failed.
    """

    kind: ActionKind
    name: str
    size: int | None = None
    reason: str = ""
    error: str | None = None

    def to_json(self) -> str:
        """Return the action as one line of JSON, without the line feed."""
        return json.dumps(asdict(self))


class SyncReport:
    """
    What a sync did, or would do.

    Attributes:
        dry_run: Whether nothing was done.
        uploaded: The number of uploads.
        downloaded: The number of downloads.
        copied: The number of copies.
        deleted: The number of deletions.
        unchanged: The number of files and objects that are equal on both sides.
        skipped: The number of those that were left out by choice, such as symbolic links.
        refused: The number of names that the target cannot hold, or that lead out of it.
        failed: The number of actions that failed.
        bytes: The number of bytes that were transferred or copied.
        errors: The first 1,000 errors; `actions` has the messages of all of them.
    """

    def __init__(self, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.uploaded = self.downloaded = self.copied = self.deleted = 0
        self.unchanged = self.skipped = self.refused = self.failed = self.bytes = 0
        self.errors: list[StorageError] = []
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+b")
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing was refused."""
        return not self.failed and not self.refused

    @property
    def transferred(self) -> int:
        """The number of uploads, downloads and copies."""
        return self.uploaded + self.downloaded + self.copied

    def actions(self) -> Iterator[SyncAction]:
        """
        Yield all actions in the order of their ends; of a dry run, in the order of the plan.

        Files and objects that are equal on both sides are not among them. The actions are read
        from a temporary file, so that their number is not limited by memory.
        """
        offset = 0
        while True:
            with self._lock:
                self._file.seek(offset)
                line = self._file.readline()
                offset += len(line)
            if not line:
                return
            yield SyncAction(**json.loads(line))

    def raise_for_errors(self) -> None:
        """
        Raise the first error, if anything failed or was refused.

        Raises:
            StorageError: An action failed, or a name was refused.
        """
        if self.errors:
            raise self.errors[0]

    def add(self, action: SyncAction, error: StorageError | None = None) -> None:
        """Count an action that was done or has failed, or that a dry run would do."""
        if error is not None and len(self.errors) < _KEPT:
            self.errors.append(error)
        self._count(action)
        with self._lock:
            self._file.seek(0, 2)
            self._file.write(action.to_json().encode() + b"\n")

    def _count(self, action: SyncAction) -> None:
        if action.kind == "refuse":
            self.refused += 1
        elif action.error is not None:
            self.failed += 1
        elif action.kind == "skip":
            self.skipped += 1
        elif action.kind == "delete":
            self.deleted += 1
        else:
            self.bytes += action.size or 0
            counter = {"upload": "uploaded", "download": "downloaded", "copy": "copied"}
            name = counter[action.kind]
            setattr(self, name, getattr(self, name) + 1)

    @override
    def __repr__(self) -> str:
        counts = ", ".join(
            f"{count} {name}"
            for name in (
                "uploaded", "downloaded", "copied", "deleted", "unchanged", "skipped", "refused",
                "failed",
            )
            if (count := getattr(self, name))
        )  # fmt: skip
        return f"<SyncReport {'of a dry run: ' if self.dry_run else ''}{counts or 'nothing'}>"
