"""Syncs: the plan is carried out while it is made, deletions at the end."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from ..errors import InvalidOptionError, InvalidTypeError, StorageError
from ..transfer.progress import ProgressCallback
from .filters import NameFilter
from .planning import Compare, Plan, PlanOptions, Step
from .report import SyncAction, SyncReport
from .transfers import Ends, Outcome, delete, perform, perform_pickled
from .trees import LocalTree, NoTree, ObjectTree, Symlinks, Tree

# The transfers at once where the caller gives no executor.
_THREADS = 16
# The actions that one job of another process has, and the jobs that wait.
_BATCH = 32
_JOBS = 64
_DELETIONS = 1_000

#: The source of a deletion of all that is below a prefix.
NO_TREE = NoTree()

T = TypeVar("T")


@dataclass(frozen=True)
class SyncOptions:
    """The options of a sync; see `StorageDriver.sync`."""

    delete: bool = False
    compare: Compare = "size+mtime"
    dry_run: bool = False
    include: Iterable[str] = ()
    exclude: Iterable[str] = ()
    max_delete: int | None = None
    symlinks: Symlinks = "skip"
    preserve: bool = False
    progress: ProgressCallback | None = None
    executor: Executor | None = None
    on_error: Callable[[SyncAction, StorageError], object] | None = None

    def __post_init__(self) -> None:
        _check(self.compare, "compare", ("size+mtime", "hash", "both"))
        _check(self.symlinks, "symlinks", ("skip", "follow", "error"))
        if self.executor is not None and not isinstance(self.executor, Executor):
            raise InvalidTypeError(
                "executor must be a concurrent.futures.Executor, not"
                f" {type(self.executor).__name__}"
            )
        if self.max_delete is not None and self.max_delete < 0:
            raise InvalidOptionError(f"max_delete must not be negative: {self.max_delete}")


def _check(value: object, name: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidOptionError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def local_tree(
    path: str | os.PathLike[str], options: SyncOptions, *, missing_ok: bool = False
) -> LocalTree:
    """Return the tree of a directory, which a target need not have yet."""
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidTypeError(f"path must be a str or PathLike, not {type(path).__name__}")
    root = os.path.abspath(os.fsdecode(path))
    if "\0" in root:
        raise InvalidOptionError(f"the path {root!r} contains a NUL character; no path can")
    return LocalTree(root, options.symlinks, missing_ok)


def object_tree(container: Any, prefix: str) -> ObjectTree:
    """Return the tree below a prefix, which stands for a folder: it gets a slash at its end."""
    if not isinstance(prefix, str):
        raise InvalidTypeError(f"prefix must be a str, not {type(prefix).__name__}")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    return ObjectTree(container, prefix)


def sync(source: Tree | NoTree, target: Tree, options: SyncOptions) -> SyncReport:
    """Make a target equal to a source, and return the report."""
    if isinstance(source, LocalTree) and isinstance(target, LocalTree):
        raise InvalidOptionError("source and target are both directories; one must be a container")
    if isinstance(source, ObjectTree) and isinstance(target, ObjectTree):
        _refuse_overlap(source, target)
    names = NameFilter(options.include, options.exclude)
    plan = Plan(
        source,
        target,
        PlanOptions(options.delete, options.compare, names, options.max_delete, options.preserve),
    )
    run = _Run(Ends(source, target, options.preserve), options)
    with closing(plan):
        run.carry_out(plan)
    return run.report


def _refuse_overlap(source: ObjectTree, target: ObjectTree) -> None:
    """Refuse a target within its source, whose listing would have the copies, too."""
    first, second = source.container, target.container
    same = first.name == second.name and first.driver == second.driver
    if same and (
        source.prefix.startswith(target.prefix) or target.prefix.startswith(source.prefix)
    ):
        raise InvalidOptionError(
            f"source {source.prefix!r} and target {target.prefix!r} overlap in the container"
            f" {first.name!r}"
        )


class _Run:
    def __init__(self, ends: Ends, options: SyncOptions) -> None:
        self._ends = ends
        self._options = options
        self.report = SyncReport(dry_run=options.dry_run)

    def carry_out(self, plan: Plan) -> None:
        if self._options.dry_run:
            self._note(plan.transfers())
        else:
            self._transfer(plan.transfers())
        self.report.unchanged = plan.unchanged
        # A source that could not be read as a whole, or not stored, is no reason to delete.
        if not self.report.failed:
            self._delete(plan.deletions())
        progress = self._options.progress
        if progress is not None:
            progress(self.report.bytes, self.report.bytes)

    def _note(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._record(Outcome(step.action, step.error))

    def _transfer(self, steps: Iterator[Step]) -> None:
        executor = self._options.executor
        cancelled = threading.Event()
        with ExitStack() as stack:
            if executor is None:
                executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="libstore-sync")
                stack.callback(executor.shutdown, cancel_futures=True)
            window = _Window(self._record)
            try:
                if isinstance(executor, ThreadPoolExecutor):
                    for step in self._feasible(steps):
                        job = executor.submit(perform_one, self._ends, step, cancelled)
                        window.add(job, 2 * _THREADS)
                else:
                    ends = pickle.dumps(self._ends)
                    for batch in batches(self._feasible(steps), _BATCH):
                        window.add(executor.submit(perform_pickled, ends, batch), _JOBS)
                window.finish()
            except BaseException:
                cancelled.set()
                window.cancel()
                raise

    def _feasible(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Yield the steps that are to be done, and record the others."""
        for step in steps:
            if step.error is not None or step.action.kind in {"skip", "refuse"}:
                self._record(Outcome(step.action, step.error))
            else:
                yield step

    def _delete(self, steps: Iterator[Step]) -> None:
        for batch in batches(steps, _DELETIONS):
            refused = batch[0].action.kind == "refuse"
            if refused or self._options.dry_run:
                self._note(batch)
            else:
                for outcome in delete(self._ends.target, batch):
                    self._record(outcome)

    def _record(self, outcome: Outcome) -> None:
        self.report.add(outcome.action, outcome.error)
        if outcome.error is not None:
            if self._options.on_error is not None:
                self._options.on_error(outcome.action, outcome.error)
        elif self._options.progress is not None and not self._options.dry_run:
            self._options.progress(self.report.bytes, None)


def perform_one(ends: Ends, step: Step, cancelled: threading.Event) -> list[Outcome]:
    """Do one action in a thread."""
    return [perform(ends, step, cancelled)]


class _Window:
    """Jobs that were submitted, of which a bounded number waits."""

    def __init__(self, record: Callable[[Outcome], None]) -> None:
        self._record = record
        self._waiting: set[Future[list[Outcome]]] = set()

    def add(self, job: Future[list[Outcome]], most: int) -> None:
        self._waiting.add(job)
        self._collect(most)

    def finish(self) -> None:
        self._collect(0)

    def cancel(self) -> None:
        for job in self._waiting:
            job.cancel()

    def _collect(self, most: int) -> None:
        while len(self._waiting) > most:
            done, self._waiting = wait(self._waiting, return_when=FIRST_COMPLETED)
            for job in done:
                for outcome in job.result():
                    self._record(outcome)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
