"""The plan of a sync: a merge of two listings in the same order."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import InvalidOptionError, StorageError
from ..transfer.digests import new_hasher
from ..transfer.local_files import local_errors
from ..values import MiB
from .filters import NameFilter
from .report import ActionKind, SyncAction
from .trees import Entry, LocalTree, NoTree, ObjectTree, Tree

#: How it is decided whether a file or an object differs from the other one.
Compare: TypeAlias = Literal["size+mtime", "hash", "both"]

# The digests that a file can be compared by. CRCs are left out: equal ones prove little.
_HASHES = ("sha512", "sha256", "sha1", "md5")
# The time of a file is set to that of the object, which has microseconds at most.
_TOLERANCE = 2e-6
# File systems that keep no fractions round times down, FAT to even seconds.
_COARSE = 2.0


@dataclass(frozen=True)
class Step:
    """An action of the plan, with what is needed to do it."""

    action: SyncAction
    source: Entry | None = None
    target: Entry | None = None
    error: StorageError | None = None


@dataclass(frozen=True)
class PlanOptions:
    """The options of a plan; see `StorageDriver.sync`."""

    delete: bool
    compare: Compare
    names: NameFilter
    max_delete: int | None
    preserve: bool


class Plan:
    """
    The steps that make one tree equal to another.

    Attributes:
        unchanged: The number of files and objects so far that are equal on both sides.
    """

    def __init__(self, source: Tree | NoTree, target: Tree, options: PlanOptions) -> None:
        self._source = source
        self._target = target
        self._options = options
        self.unchanged = 0
        if isinstance(target, LocalTree):
            self._kind: ActionKind = "download"
        else:
            self._kind = "upload" if isinstance(source, LocalTree) else "copy"
        # The names to delete are on disk until both listings have ended.
        self._gone = tempfile.SpooledTemporaryFile(MiB, "w+b")
        self._gone_count = 0

    def close(self) -> None:
        """Remove the temporary file."""
        self._gone.close()

    def transfers(self) -> Iterator[Step]:
        """Yield all steps but deletions, in the order of the names."""
        for name, ours, theirs in _merged(self._source.entries(), self._target.entries()):
            unread = ours or theirs
            if unread is not None and unread.error is not None:
                action = SyncAction(self._kind, name, error=str(unread.error))
                yield Step(action, error=unread.error)
                continue
            if not self._options.names.accepts(name):
                continue
            if ours is not None:
                step = self._step(ours, theirs)
                if step is not None:
                    yield step
            elif theirs is not None and not theirs.skipped and self._options.delete:
                self._gone_count += 1
                line = json.dumps([theirs.name, theirs.size])
                self._gone.write(line.encode() + b"\n")

    def deletions(self) -> Iterator[Step]:
        """Yield the deletions; call it after `transfers` has ended."""
        most = self._options.max_delete
        if most is not None and self._gone_count > most:
            error = InvalidOptionError(
                f"{self._gone_count} deletions are more than max_delete={most}; nothing is deleted"
            )
            yield Step(SyncAction("refuse", "", error=str(error)), error=error)
            return
        self._gone.seek(0)
        for line in self._gone:
            name, size = json.loads(line)
            yield Step(SyncAction("delete", name, size, "it is not in the source"))

    def _step(self, ours: Entry, theirs: Entry | None) -> Step | None:
        if ours.skipped:
            return Step(SyncAction("skip", ours.name, ours.size, ours.skipped))
        try:
            self._target.check_name(ours.name)
            reason = "it is not in the target" if theirs is None else self._change(ours, theirs)
            if reason and isinstance(self._target, LocalTree):
                self._target.prepare(ours.name, create=False)
        except StorageError as error:
            action = SyncAction("refuse", ours.name, ours.size, error=str(error))
            return Step(action, ours, error=error)
        if not reason:
            self.unchanged += 1
            return None
        return Step(SyncAction(self._kind, ours.name, ours.size, reason), ours, theirs)

    # ------------------------------------------------------------------ comparisons

    def _change(self, ours: Entry, theirs: Entry) -> str:
        """Return what differs; an empty string if nothing does."""
        if theirs.skipped:
            return "the target is not a regular file"
        if ours.size != theirs.size:
            return "the size differs"
        compare = self._options.compare
        if compare != "size+mtime":
            same = self._same_content(ours, theirs, fetch=True)
            if same is False:
                return "the content differs"
            if same and compare == "hash":
                return ""
        return "" if self._same_time(ours, theirs) else "the modification time differs"

    def _same_time(self, ours: Entry, theirs: Entry) -> bool:
        if ours.modified is None or theirs.modified is None:
            return True  # the size is all that is known
        if self._kind == "download":
            if _is_kept(ours.modified, theirs.modified):
                # An object may be replaced within the second of its download.
                recent = theirs.changed is not None and theirs.changed - ours.modified < _COARSE
                return not recent or self._same_content(ours, theirs, fetch=False) is not False
            return self._has_kept_time(ours, theirs.modified)
        later = theirs.modified - ours.modified
        if abs(later) >= 1:
            return later > 0
        # Services may round to whole seconds, down or up. Then the content decides, if a listing
        # has its digest.
        same = self._same_content(ours, theirs, fetch=False)
        if same is not None:
            return same
        return later >= 0 or ours.modified.is_integer() or theirs.modified.is_integer()

    def _has_kept_time(self, ours: Entry, modified: float) -> bool:
        """Return whether a file has the time that the metadata of the object has."""
        if not self._options.preserve or not isinstance(self._source, ObjectTree):
            return False
        assert ours.info is not None
        kept = kept_time(self._source.handle(ours.info).metadata)
        return kept is not None and _is_kept(kept, modified)

    def _same_content(self, ours: Entry, theirs: Entry, *, fetch: bool) -> bool | None:
        """Return whether digests are equal; `None` if both sides have none in common."""
        known = self._digests(self._source, ours, fetch)
        others = self._digests(self._target, theirs, fetch)
        if known is None and others is None:
            return None
        for algorithm in known or others or ():
            one = self._digest(self._source, ours, known, algorithm)
            other = self._digest(self._target, theirs, others, algorithm)
            if one is not None and other is not None:
                return one == other
        return None

    @staticmethod
    def _digest(
        tree: Tree | NoTree, entry: Entry, known: dict[str, str] | None, algorithm: str
    ) -> str | None:
        """Return one digest, of a file by reading it."""
        if known is not None:
            return known.get(algorithm)
        if isinstance(tree, LocalTree) and algorithm in _HASHES:
            return _digest_of(tree, entry.name, algorithm)
        return None

    @staticmethod
    def _digests(tree: Tree | NoTree, entry: Entry, fetch: bool) -> dict[str, str] | None:
        """Return the digests of an object; `None` for a file, whose digests are computed."""
        if not isinstance(tree, ObjectTree) or entry.info is None:
            return None
        found = dict(entry.info.checksums)
        return dict(tree.handle(entry.info).checksums) if fetch and not found else found


def _is_kept(wanted: float, found: float) -> bool:
    """Return whether a file has the time that a download has set."""
    if found.is_integer():
        return 0 <= wanted - found < _COARSE
    return abs(wanted - found) < _TOLERANCE


def kept_time(metadata: Mapping[str, str]) -> float | None:
    """Return the modification time that metadata has, as rclone writes it, too."""
    text = metadata.get("mtime")
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _digest_of(tree: LocalTree, name: str, algorithm: str) -> str:
    path = tree.path(name)
    with local_errors(path, "file"), open(path, "rb") as file:
        digest = new_hasher(algorithm)
        while block := file.read(MiB):
            digest.update(block)
    return digest.hexdigest()


def _merged(
    ours: Iterable[Entry], theirs: Iterable[Entry]
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Yield each name with its entries on both sides."""
    left, right = iter(ours), iter(theirs)
    first, second = next(left, None), next(right, None)
    while first is not None or second is not None:
        if second is None or (first is not None and _is_next(first, second)):
            assert first is not None
            yield first.name, first, None
            first = next(left, None)
        elif first is None or _is_next(second, first):
            yield second.name, None, second
            second = next(right, None)
        else:
            yield first.name, first, second
            first, second = next(left, None), next(right, None)


def _is_next(entry: Entry, other: Entry) -> bool:
    """Return whether an entry comes first; one that cannot be read has no place in the order."""
    return entry.error is not None or (other.error is None and entry.name < other.name)
