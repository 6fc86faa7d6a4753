"""Listings: lazy lists, and the rules for following and folding pages."""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from itertools import islice
from typing import Generic, NoReturn, SupportsIndex, TypeVar, overload

from typing_extensions import override

from .arguments import shorten
from .errors import InvalidTypeError, NotSupportedError, ServiceError
from .notebooks import table
from .values import ListQuery, ObjectInfo, Page, Prefix

T = TypeVar("T")

#: A listing with more consecutive empty pages than this counts as endless.
MAX_EMPTY_PAGES = 1_000
#: How many items `repr` and notebooks show.
_SHOWN = 10


def as_page(found: Page[T]) -> Page[T]:
    """Return the result of a hook, which must be a page: a dict has `items`, too."""
    if not isinstance(found, Page):
        raise InvalidTypeError(
            f"a hook that lists must return a Page, not {type(found).__name__}; libstore.hooks"
            " says what each hook returns"
        )
    if not isinstance(found.items, Sequence):
        raise InvalidTypeError(
            f"the items of a Page must be a list or a tuple, not {type(found.items).__name__}"
        )
    if found.token is not None and not isinstance(found.token, str):
        raise InvalidTypeError(
            f"the token of a Page must be a str, or None on the last page, not"
            f" {type(found.token).__name__}"
        )
    return found


def iterate_pages(fetch: Callable[[str | None], Page[T]], label: str) -> Iterator[Page[T]]:
    """
    Yield all pages of a listing, up to the first page without a token.

    Args:
        fetch: Returns the page of a token; `None` requests the first page.
        label: The subject of the listing, for error messages.

    Raises:
        ServiceError: The listing does not end: a token or a page repeats, or more than
            `MAX_EMPTY_PAGES` consecutive pages are empty.
    """
    token: str | None = None
    seen: set[bytes] = set()
    last: tuple[int, T, T] | None = None
    empty = 0
    while True:
        page = as_page(fetch(token))
        yield page
        token = page.token
        if token is None:
            return
        # Keep digests only: tokens may be long, and a listing may have a million pages.
        digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in seen:
            raise _endless(label, "a token was sent twice", token)
        seen.add(digest)
        empty = 0 if page.items else empty + 1
        if empty > MAX_EMPTY_PAGES:
            raise _endless(label, f"{empty:,} consecutive pages are empty", token)
        if page.items:
            this = len(page.items), page.items[0], page.items[-1]
            if this == last:
                raise _endless(label, "a page was sent twice", token)
            last = this


def _endless(label: str, reason: str, token: str) -> ServiceError:
    if not token:
        reason += ", and only None marks the last page"
    return ServiceError(
        f"the service's listing of {label} does not end: {reason}; the last token is"
        f" {shorten(token)}"
    )


class LazyList(Sequence[T], Generic[T]):
    """
    A sequence that fetches the pages of a listing on demand and keeps one page in memory.

    Each iteration sends new requests and yields the current state, so two iterations differ if
    objects were added or deleted in between. A non-negative index or slice fetches only the pages
    that it needs; `len()`, a negative index and `reversed()` fetch all of them. To keep the items,
    make a list: ``list(container.list_objects())``.

    `repr()` sends no request: it shows the first ten names if the list was read before. A notebook
    shows a table of the first ten items, which it requests.

    Args:
        fetch: Returns the page of a token (`None` for the first) with at most so many items.
        page_size: The maximum number of items on a page.
        label: The subject of the listing, for `repr()` and error messages.
        guard: A context manager that is entered while a page is fetched; it adds the operation to
            errors.
        keep: Returns whether an item belongs to the list; a page may have none that does.
    """

    __slots__ = (
        "__weakref__",
        "_fetch",
        "_first",
        "_guard",
        "_keep",
        "_label",
        "_page_size",
        "_unstarted",
    )

    def __init__(
        self,
        fetch: Callable[[str | None, int], Page[T]],
        page_size: int,
        label: str,
        guard: AbstractContextManager[None] | None = None,
        keep: Callable[[T], bool] | None = None,
    ) -> None:
        self._fetch = fetch
        self._keep = keep
        self._page_size = page_size
        self._label = label
        self._guard = guard or nullcontext()
        self._unstarted: weakref.ref[_Iteration[T]] | None = None
        self._first: tuple[Sequence[T], bool] | None = None

    @override
    def __iter__(self) -> Iterator[T]:
        iteration = _Iteration(self)
        self._unstarted = weakref.ref(iteration)
        return iteration

    @override
    def __len__(self) -> int:
        # list(x) calls len(x) for a hint after it called iter(x). That iterator receives the items
        # that were fetched for the count; otherwise list() would send every request twice.
        iteration = self._unstarted() if self._unstarted else None
        if iteration is not None and not iteration.started:
            return iteration.prefetch()
        return sum(1 for _ in self._items())

    def __bool__(self) -> bool:
        return any(True for _ in self._items(1))

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[T]: ...
    @override
    def __getitem__(self, index: SupportsIndex | slice, /) -> T | list[T]:
        if isinstance(index, slice):
            return self._slice(index)
        if not hasattr(index, "__index__"):
            raise InvalidTypeError(
                f"the index of a list must be an int or a slice, not {type(index).__name__}"
            )
        position = index.__index__()
        found: list[T] = []
        if 0 <= position < sys.maxsize:
            found = list(islice(self._items(position + 1), position, position + 1))
        elif -sys.maxsize <= position < 0:
            tail = deque(self._items(), maxlen=-position)
            found = [tail[0]] if len(tail) == -position else []
        if not found:
            raise IndexError(f"index {position} is out of range for {self!r}")
        return found[0]

    def _slice(self, index: slice) -> list[T]:
        start, stop, step = index.start, index.stop, index.step
        forward = step is None or step > 0
        bounded = stop is not None and stop >= 0 and (start is None or start >= 0)
        if forward and bounded:
            return list(islice(self._items(stop), *_within(start, stop, step)))
        if forward and stop is None and start is not None and start >= 0:
            return list(islice(self._items(), *_within(start, None, step)))
        return list(self._items())[index]

    @override
    def index(self, value: object, start: int = 0, stop: int | None = None) -> int:
        """Return the first index of a value, with one pass over the listing."""
        items = enumerate(self._items()) if start >= 0 else enumerate(list(self._items()))
        first, last, _ = slice(start, stop).indices(sys.maxsize if start >= 0 else len(self))
        for position, item in items:
            if first <= position < last and (item is value or item == value):
                return position
        raise ValueError(f"{value!r} is not in {self!r}")

    @override
    def __reversed__(self) -> Iterator[T]:
        return reversed(list(self._items()))

    @override
    def __repr__(self) -> str:
        if self._first is None:
            return f"<LazyList of {self._label}>"
        items, more = self._first
        names = [repr(getattr(item, "name", item)) for item in items] + ["..."] * more
        return f"<LazyList of {self._label}: {', '.join(names) or 'empty'}>"

    def _repr_html_(self) -> str:
        """Return a table of the first items, which notebooks show."""
        items = self[: _SHOWN + 1]
        return table(self._label, items[:_SHOWN], more=len(items) > _SHOWN)

    @override
    def __reduce__(self) -> NoReturn:
        raise NotSupportedError(
            f"{self!r} cannot be pickled or copied, because it sends requests when it is read;"
            " pickle a list of its items, list(...), or the driver and the arguments"
        )

    def _items(self, wanted: int | None = None) -> Iterator[T]:
        """Yield items from pages of at most `wanted` items, and at least so many if there are."""
        left = sys.maxsize if wanted is None else wanted
        keep = self._keep

        def fetch(token: str | None) -> Page[T]:
            return self._fetch(token, self._page_size if keep else min(left, self._page_size))

        pages = iterate_pages(fetch, self._label)
        first = True
        while left > 0:
            with self._guard:
                page = next(pages, None)
            if page is None:
                return
            items = [item for item in page.items if keep(item)] if keep else page.items
            if first and (items or page.token is None):
                more = len(items) > _SHOWN or page.token is not None
                self._first, first = (list(items[:_SHOWN]), more), False
            yield from items
            left -= len(items)


def _within(*bounds: int | None) -> Iterator[int | None]:
    """Limit the bounds of a slice to those that `islice` accepts."""
    return (None if bound is None else min(bound, sys.maxsize) for bound in bounds)


class _Iteration(Iterator[T]):
    """One iteration over a lazy list."""

    __slots__ = ("__weakref__", "_items", "started")

    def __init__(self, listing: LazyList[T]) -> None:
        self._items = listing._items()
        self.started = False

    @override
    def __next__(self) -> T:
        self.started = True
        return next(self._items)

    def prefetch(self) -> int:
        """Fetch all items now and return how many there are."""
        try:
            items = list(self._items)
        except TypeError as error:
            # list() ignores a TypeError of len(x), and then requests the first item.
            self._items = map(_raise, [error])
            raise
        self._items = iter(items)
        return len(items)


def _raise(error: Exception) -> NoReturn:
    raise error


def prefixes_below(items: Iterable[object], prefix: str) -> list[str]:
    """
    Return the prefixes in the listing of a prefix, without the prefix itself.

    Raises:
        ServiceError: A prefix is not below the listed one, so a walk might not end.
    """
    found = [item.name for item in items if isinstance(item, Prefix) and item.name != prefix]
    for name in found:
        if not name.startswith(prefix):
            raise ServiceError(
                f"the service listed {shorten(name)}, which does not begin with the requested"
                f" prefix {shorten(prefix)}"
            )
    return found


def refolded(
    items: Iterable[ObjectInfo | Prefix], query: ListQuery, last: str
) -> list[ObjectInfo | Prefix] | None:
    """
    Correct a page that the service has folded; `None` if it has not been folded correctly.

    Errors that need no further request are corrected: an object whose name ends with the
    delimiter (a folder marker) becomes a prefix, a prefix is cut after its first delimiter, and
    the requested prefix itself is removed.

    Args:
        last: The last name or prefix of the previous pages.
    """
    shown = max(last, query.start_after)
    right: dict[tuple[str, bool], ObjectInfo | Prefix] = {}
    for item in items:
        name, is_prefix = item.name, isinstance(item, Prefix)
        if is_prefix and name == query.prefix:
            continue
        end = name.find(query.delimiter, len(query.prefix))
        folded = name[: end + len(query.delimiter)] if end >= 0 else name
        if end < 0:
            if is_prefix:
                return None
            right[name, False] = item
        elif is_prefix and folded == name:
            right[name, True] = item
        elif not is_prefix and folded != name:
            return None
        elif folded > shown:
            right[folded, True] = Prefix(folded)
    return list(right.values())


def fold_page(
    infos: Iterable[ObjectInfo], query: ListQuery, token: str | None, limit: int
) -> Page[ObjectInfo | Prefix]:
    """
    Fold and page a listing, for a driver whose service cannot.

    Args:
        infos: Objects in the order of their names; those that sort before the token, or do not
            begin with the prefix, may be omitted.
        token: The token of the previous page: the last name or prefix on it.
    """
    items: list[ObjectInfo | Prefix] = []
    last = query.start_after if token is None else max(token, query.start_after)
    for info in infos:
        if not info.name.startswith(query.prefix):
            continue
        item = _folded(info, query)
        # Names that fold into a prefix sort after it, so compare the prefix and not the name.
        if item.name <= last:
            continue
        if len(items) == limit:
            return Page(items, items[-1].name)
        items.append(item)
        last = item.name
    return Page(items)


def _folded(info: ObjectInfo, query: ListQuery) -> ObjectInfo | Prefix:
    if not query.delimiter:
        return info
    end = info.name.find(query.delimiter, len(query.prefix))
    return info if end < 0 else Prefix(info.name[: end + len(query.delimiter)])
