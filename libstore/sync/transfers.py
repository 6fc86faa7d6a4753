"""The work of single actions, in threads or in other processes."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..errors import (
    InvalidNameError,
    LocalFileError,
    LocalFileExistsError,
    LocalFileNotFoundError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    StorageError,
)
from ..transfer.local_files import local_errors
from ..transfer.workers import CancelToken
from .planning import Step, kept_time
from .report import SyncAction
from .trees import LocalTree, NoTree, ObjectTree, Tree

# The errors of names that the target cannot hold.
_REFUSALS = (InvalidNameError, ObjectNameConflictError, LocalFileExistsError)


@dataclass(frozen=True)
class Ends:
    """Both sides of a sync. It can be pickled if the drivers can."""

    source: Tree | NoTree
    target: Tree
    preserve: bool


@dataclass(frozen=True)
class Outcome:
    """An action that was done, or has failed with an error."""

    action: SyncAction
    error: StorageError | None = None


def perform(ends: Ends, step: Step, cancel: CancelToken | None = None) -> Outcome:
    """Do one upload, download or copy; the outcome has its error."""
    try:
        _transfer(ends, step, cancel)
    except StorageError as error:
        return failed(step.action, error)
    except OSError as error:
        return failed(step.action, LocalFileError(f"{step.action.name!r}: {error}"))
    return Outcome(step.action)


def perform_pickled(ends: bytes, steps: Sequence[Step]) -> list[Outcome]:
    """Do several actions in another process."""
    loaded = _loaded(ends)
    return [perform(loaded, step) for step in steps]


@lru_cache(1)
def _loaded(ends: bytes) -> Ends:
    """Return both sides, whose connections serve all actions of a process."""
    loaded: Ends = pickle.loads(ends)  # noqa: S301 - the process that submits has pickled it
    return loaded


def failed(action: SyncAction, error: StorageError) -> Outcome:
    """Return the outcome of an action that failed, or that turned out to be impossible."""
    kind = "refuse" if isinstance(error, _REFUSALS) else action.kind
    return Outcome(replace(action, kind=kind, error=str(error)), error)


def _transfer(ends: Ends, step: Step, cancel: CancelToken | None) -> None:
    name = step.action.name
    if isinstance(ends.target, LocalTree):
        assert isinstance(ends.source, ObjectTree)
        _download(ends.source, ends.target, step, ends.preserve, cancel)
    elif isinstance(ends.source, LocalTree):
        path = ends.source.path(name)
        metadata = _attributes(path) if ends.preserve else None
        target = ends.target.container
        target.upload_object(path, ends.target.prefix + name, metadata=metadata, cancel=cancel)
    else:
        assert isinstance(ends.source, ObjectTree)
        assert step.source is not None
        assert step.source.info is not None
        obj = ends.source.handle(step.source.info)
        obj.copy(ends.target.container, ends.target.prefix + name, cancel=cancel)


def _attributes(path: str) -> dict[str, str]:
    """Return metadata of a file, in the form that rclone has, too."""
    with local_errors(path, "file"):
        status = os.stat(path)
    seconds, nanoseconds = divmod(status.st_mtime_ns, 10**9)
    return {"mtime": f"{seconds}.{nanoseconds:09d}", "mode": f"{status.st_mode:07o}"}


def _download(
    source: ObjectTree, target: LocalTree, step: Step, preserve: bool, cancel: CancelToken | None
) -> None:
    assert step.source is not None
    assert step.source.info is not None
    path = target.prepare(step.action.name)
    obj = source.handle(step.source.info)
    # A file that no listing had is one whose name differs in case, on most file systems of macOS
    # and Windows, or one that another program has just created.
    obj.download(path, overwrite=step.target is not None, cancel=cancel)
    modified = step.source.modified
    if preserve:
        kept = kept_time(obj.metadata)
        modified = modified if kept is None else kept
        mode = obj.metadata.get("mode")
        if mode is not None and mode.isdecimal() and not set(mode) & {"8", "9"}:
            with local_errors(path, "file"):
                os.chmod(path, int(mode, 8) & 0o777)
    if modified is not None:
        with local_errors(path, "file"):
            nanoseconds = round(modified * 1e6) * 1_000
            os.utime(path, ns=(nanoseconds, nanoseconds))


def delete(target: Tree, steps: Sequence[Step]) -> list[Outcome]:
    """Delete files or objects."""
    if isinstance(target, LocalTree):
        return [_delete_file(target, step.action) for step in steps]
    names = [target.prefix + step.action.name for step in steps]
    try:
        results = target.container.delete_objects(names)
    except StorageError as error:
        return [failed(step.action, error) for step in steps]
    return [
        Outcome(step.action)
        if result.error is None or isinstance(result.error, ObjectNotFoundError)
        else failed(step.action, result.error)
        for step, result in zip(steps, results, strict=True)
    ]


def _delete_file(tree: LocalTree, action: SyncAction) -> Outcome:
    try:
        tree.delete(action.name)
    except LocalFileNotFoundError:
        return Outcome(action)
    except StorageError as error:
        return failed(action, error)
    return Outcome(action)
