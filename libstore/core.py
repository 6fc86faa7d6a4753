"""
The base of all drivers: default hooks, the checks of options, `supports`, and sealed operations.

Nothing here knows a handle; `libstore.driver` and `libstore.operations` build on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import CO_VARARGS, isasyncgenfunction, iscoroutinefunction, isfunction, signature
from typing import Any

from typing_extensions import Self, final, override

from . import arguments
from .content_types import guess_content_type
from .deleting import check_outcomes, delete_full, empty
from .errors import (
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
)
from .hooks import CAPABILITIES, CDN_HOOKS, MULTIPART_HOOKS, OPTIONS, DriverHooks
from .listing import iterate_pages
from .options import WRITE_OPTIONS, Check, DriverOptions, Options, document
from .retry import Retrier, TokenBucket
from .transfer.digests import ALGORITHMS
from .transfer.pacing import Pacing, RateLimit
from .values import (
    UNCONDITIONAL,
    Conditions,
    ContainerInfo,
    DeleteOutcome,
    Extra,
    Limits,
    ListQuery,
    ObjectInfo,
    Prefix,
    Undecided,
    WriteOptions,
)

# The arguments of a write beside `extra`.
_OF_WRITES = ("content_type", "metadata", *WRITE_OPTIONS)

# The hooks that read the content of an object.
_READING = ("_get_object", "_open_object")


class DriverCore(DriverHooks):
    """Default hooks, and the checks that come before a hook."""

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for ancestor in cls.__mro__[1:]:
            for name, operation in vars(ancestor).items():
                sealed = getattr(operation, "__final__", False)
                if sealed and _attribute(cls, name) is not operation:
                    raise TypeError(
                        f"{cls.__name__}.{name} is a public operation of {ancestor.__name__} and"
                        " cannot be overridden; fill in the hook behind it (see libstore.hooks)"
                    )
        for hooks, what in (
            (MULTIPART_HOOKS, "takes multipart uploads"),
            (CDN_HOOKS, "has public access"),
        ):
            missing = [name for name in hooks if not _overrides(cls, name)]
            if missing and len(missing) < len(hooks):
                raise TypeError(f"{cls.__name__} {what}, but lacks {', '.join(sorted(missing))}")
        _check_hooks(cls)
        _check_attributes(cls)
        if "__init__" in vars(cls):
            document(cls)

    @override
    def __eq__(self, other: object) -> bool:
        """Whether both are of one class, at one address, for one account."""
        if self is other:
            return True
        if not isinstance(other, DriverCore):
            return NotImplemented
        identity = self._identity()
        return type(self) is type(other) and identity is not None and identity == other._identity()

    @override
    def __hash__(self) -> int:
        identity = self._identity()
        return id(self) if identity is None else hash((type(self), identity))

    def __copy__(self) -> Self:
        """Return this driver itself, with its connections; its class makes another one."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return this driver itself, with its connections; its class makes another one."""
        return self

    @final
    def supports(self, operation: str) -> bool:
        """
        Return whether the service itself supports an operation or an option.

        An operation that this driver cannot do because of how it was created, such as
        ``"sign_url"`` without a key, is not supported. On Swift, ``"sign_url"`` may send a
        request for the account's key.

        Two operations work without support: `copy_object` then reads and writes, and
        `delete_objects` deletes one by one. All others raise `NotSupportedError` before anything
        is sent.

        Args:
            operation: The name of a method, such as ``"copy_object"`` or ``"sign_url"``, or of an
                option, such as ``"if_absent"`` or ``"storage_class"``; `libstore.hooks.OPTIONS`
                has them all.

        Raises:
            InvalidOptionError: There is no operation and no option of this name.
        """
        if not isinstance(operation, str):
            raise InvalidTypeError(f"operation must be a str, not {type(operation).__name__}")
        if operation in OPTIONS:
            return operation in self.options and self._is_configured_for(operation)
        if operation in CAPABILITIES:
            return self._has_hook(operation) and self._is_configured_for(operation)
        if operation.startswith("_") or not callable(getattr(type(self), operation, None)):
            known = sorted(OPTIONS | set(CAPABILITIES))
            nearest = arguments.nearest(operation, known)
            meant = f" (did you mean {nearest!r}?)" if nearest else ""
            raise InvalidOptionError(
                f"unknown operation {operation!r}{meant}; use one of {', '.join(known)}"
            )
        return True

    def _has_hook(self, operation: str) -> bool:
        """Return whether the class has the hook of one of `CAPABILITIES`."""
        return _overrides(type(self), CAPABILITIES[operation])

    # ------------------------------------------------------------------ default hooks

    #: Whether `__init__` has passed the options of every driver to this class.
    _has_options = False

    @property
    def _retrier(self) -> Retrier:
        """The retry policy and the token bucket that all requests of this driver share."""
        # Not made in __init__, which a driver need not call.
        tokens = vars(self).setdefault("_retry_tokens", TokenBucket())
        return Retrier(lambda: self.retry, tokens)

    @property
    def _pacing(self) -> Pacing | None:
        """The limited rate that all transfers of this driver share, if there is one."""
        rate = self.transfer.max_bytes_per_second
        if rate is None:
            return None
        limit = vars(self).setdefault("_rate_limit", RateLimit())
        retrier = self._retrier
        return Pacing(limit, rate, retrier.clock, retrier.sleep)

    @override
    def _url_options(self) -> Mapping[str, str]:
        settings = vars(self).get("_settings")
        if isinstance(settings, Options):
            return settings.texts()
        own = signature(type(self)).parameters.keys() - DriverOptions.table.keys()
        if own:
            raise NotSupportedError(
                f"the {self.name} driver has no URLs: {type(self).__name__} takes"
                f" {', '.join(sorted(own))}, and must implement _url_options"
            )
        return {}

    @override
    def _is_same_object(
        self,
        container: str,
        name: str,
        other: DriverHooks,
        other_container: str,
        other_name: str,
    ) -> bool | None:
        here, there = (container, name), (other_container, other_name)
        if other is self or other == self:
            return here == there
        stores = self._store_id(), other._store_id()
        if None not in stores:
            return stores[0] == stores[1] and here == there
        paths = "/".join(here), "/".join(there)
        longer, shorter = sorted(paths, key=len, reverse=True)
        return None if longer == shorter or longer.endswith(f"/{shorter}") else False

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        self._list_objects(name, ListQuery(), None, 1)
        return ContainerInfo(name, complete=True)

    @override
    @contextmanager
    def _list_folders(
        self, container: str, delimiter: str
    ) -> Iterator[Callable[[str], Sequence[ObjectInfo | Prefix]]]:
        def items_of(prefix: str) -> Sequence[ObjectInfo | Prefix]:
            query = ListQuery(prefix, delimiter)
            pages = iterate_pages(
                lambda token: self._list_objects(container, query, token, self.limits.page_size),
                f"objects in {container!r} below {prefix!r}",
            )
            return [item for page in pages for item in page.items]

        yield items_of

    @override
    def _empty_container(self, name: str) -> None:
        empty(self, name)

    @override
    def _delete_full_container(self, name: str) -> None:
        delete_full(self, name)

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        return [Undecided()] * len(names)

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        names = [info.name for info in versions if info.version is None]
        found = self._delete_objects(container, names) if names else ()
        check_outcomes(found, len(names))
        outcomes = dict(zip(names, found, strict=True))
        return [outcomes[info.name] if info.version is None else Undecided() for info in versions]

    @property
    def takes_parts(self) -> bool:
        """Whether the service has multipart uploads."""
        return type(self)._start_upload is not DriverHooks._start_upload

    @property
    def _starts_reads(self) -> bool:
        """Whether `_start_read` sends the request of `_get_object` in this class."""
        for kind in type(self).__mro__:
            if "_start_read" in vars(kind):
                return kind is not DriverHooks
            if not vars(kind).keys().isdisjoint(_READING):
                break
        return False

    # ------------------------------------------------------------------ checks

    def _valid_container(self, name: object) -> str:
        """Return a container's name that the service can have."""
        checked = arguments.container_name(name)
        self._check_container_name(checked)
        return checked

    def _valid_name(self, name: object) -> str:
        """Return an object's name that the service can have."""
        checked = arguments.object_name(name, self.limits)
        self._check_object_name(checked)
        return checked

    def _conditions(self, if_absent: bool, if_match: str | None) -> Conditions:
        """Return the conditions of one write, with a token unless the driver writes none."""
        if not if_absent and if_match is None:
            return UNCONDITIONAL
        conditions = Conditions(bool(if_absent), arguments.etag(if_match, "if_match"))
        if conditions.if_absent and conditions.if_match is not None:
            raise InvalidOptionError("if_absent and if_match exclude each other; pass one of them")
        self._need_option("if_absent", conditions.if_absent)
        self._need_option("if_match", conditions.if_match is not None)
        return conditions.with_token() if self.write_tokens else conditions

    def _delete_conditions(self, known: ObjectInfo, if_match: str | None) -> Conditions:
        """Return the condition of a delete, with the write token if it is known of that ETag."""
        if if_match is None:
            return Conditions()
        self._need_option("delete_if_match", True)
        etag = arguments.etag(if_match, "if_match")
        return Conditions(if_match=etag, token=known.write_token if etag == known.etag else None)

    def _write_options(
        self,
        name: str,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        conditions: Conditions,
        extra: Extra | None = None,
        **options: object,
    ) -> WriteOptions:
        """Return checked options; a missing content type is guessed from the name."""
        if content_type is not None:
            content_type = arguments.header_value(content_type, "content_type")
        return WriteOptions(
            content_type=content_type or guess_content_type(name),
            metadata={} if metadata is None else arguments.metadata(metadata, self.limits),
            conditions=conditions,
            extra={} if extra is None else self._extra(extra, self.upload_extras, _OF_WRITES),
            **self._service_options(options),
        )

    def _service_options(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return the given ones of `WRITE_OPTIONS`, checked; the service must support them."""
        checked: dict[str, Any] = {}
        for name, value in given.items():
            if value is not None:
                checked[name] = WRITE_OPTIONS[name](value, name)
                self._need_option(name, True)
        return checked

    def _extra(
        self, given: object, known: Mapping[str, Check], beside: Collection[str] = ()
    ) -> Mapping[str, object]:
        """
        Return the options that only this service has, checked by the driver's own rules.

        Args:
            beside: The arguments beside `extra`, for the error about one of them in it.
        """
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            raise InvalidTypeError(f"extra must be a mapping, not {type(given).__name__}")
        unknown = [name for name in given if name not in known]
        if unknown:
            argument = arguments.own_name(unknown[0], beside)
            nearest = arguments.own_name(unknown[0], known) or arguments.nearest(unknown[0], known)
            meant = f" (did you mean {nearest!r}?)" if nearest else ""
            choice = f"use one of {', '.join(sorted(known))}" if known else "it has none"
            if argument:
                meant, choice = "", f"pass {argument}= beside extra="
            raise InvalidOptionError(
                f"the {self.name} driver has no extra option {unknown[0]!r}{meant}; {choice}"
            )
        return {name: known[name](value, f"extra[{name!r}]") for name, value in given.items()}

    def _need_option(self, option: str, wanted: bool) -> None:
        if wanted and option not in self.options:
            raise NotSupportedError(f"the {self.name} driver does not support {option}")


def _overrides(cls: type[DriverHooks], hook: str) -> bool:
    return getattr(cls, hook) is not getattr(DriverCore, hook)


def _check_hooks(cls: type[DriverHooks]) -> None:
    """Refuse a class with a hook that cannot be called, or is called nearly like one."""
    for owner in cls.__mro__:
        if owner is not cls and issubclass(owner, DriverHooks):  # it was checked when it was made
            continue
        others = [vars(other) for other in cls.__mro__ if other is not owner]
        for name, value in vars(owner).items():
            if name in _HOOKS:
                check_hook(f"{owner.__name__}.{name}", value, _HOOKS[name])
            if not _may_be_hook(name, value) or any(name in names for names in others):
                continue
            meant = next((_SIMILAR[part] for part in _shortened(name) if part in _SIMILAR), None)
            if meant is not None and meant not in vars(owner):
                raise TypeError(
                    f"{owner.__name__}.{name} is not a hook; did you mean {meant}? Rename it if it"
                    " is a method of your own"
                )


def _may_be_hook(name: str, value: object) -> bool:
    """Return whether an attribute is a method that may be meant to be a hook."""
    is_method = isfunction(value) or isinstance(value, (staticmethod, classmethod))
    if name.startswith("__") or not is_method or getattr(value, "__final__", False):
        return False
    return name.startswith("_") or f"_{name}" in _HOOKS


def check_hook(label: str, value: object, hook: Callable[..., object]) -> None:
    """Refuse a hook that is no function, is asynchronous, or takes other arguments."""
    if not callable(value) and not hasattr(value, "__get__"):
        raise TypeError(f"{label} is a hook and must be a method, not {type(value).__name__}")
    if not isfunction(value):
        return
    if iscoroutinefunction(value) or isasyncgenfunction(value):
        raise TypeError(f"{label} must not be asynchronous; hooks return their result")
    assert isfunction(hook)
    code, needed = value.__code__, hook.__code__.co_argcount
    least = code.co_argcount - len(value.__defaults__ or ())
    if least > needed or (code.co_argcount < needed and not code.co_flags & CO_VARARGS):
        wanted = ", ".join(hook.__code__.co_varnames[:needed])
        raise TypeError(f"{label} must take the arguments ({wanted})")


def _shortened(name: str) -> Iterator[str]:
    """Yield a name with and without one character; similar names have one of them in common."""
    yield name
    for index in range(len(name)):
        yield name[:index] + name[index + 1 :]


_HOOKS: Mapping[str, Callable[..., object]] = {
    name: value
    for name, value in vars(DriverHooks).items()
    if isfunction(value) and not name.startswith("__")
}
# The hooks by their names, and by their names without one character.
_SIMILAR = {part: name for name in _HOOKS for part in _shortened(name)}


def _check_attributes(cls: type[DriverHooks]) -> None:
    """Refuse a class whose attributes have wrong values."""
    for name, check in CHECKED.items():
        value = vars(cls).get(name)
        if value is not None and not hasattr(value, "__get__"):  # it may be a property
            check(value, f"{cls.__name__}.{name}")


def _options(value: object, label: str) -> object:
    """Check the names of the options that a driver supports."""
    if not isinstance(value, (frozenset, set)):
        raise InvalidTypeError(f"{label} must be a frozenset of names, not {_kind(value)}")
    unknown = sorted(map(str, value - OPTIONS))
    if unknown:
        raise InvalidTypeError(
            f"{label} has unknown names: {', '.join(unknown)}; use {', '.join(sorted(OPTIONS))}"
        )
    return value


def _driver_name(value: object, label: str) -> object:
    """Check the name of a driver, which is in its errors and begins its URLs."""
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    if not value:
        raise InvalidOptionError(f"{label} must not be empty")
    return value


def _kind(value: object) -> str:
    return type(value).__name__


def _digests(value: object, label: str) -> object:
    """Check the names of the digests that a driver needs."""
    if not isinstance(value, (tuple, list)):
        raise InvalidTypeError(f"{label} must be a tuple of names, not {_kind(value)}")
    unknown = [name for name in value if name not in ALGORITHMS]
    if unknown:
        raise InvalidTypeError(
            f"{label} has the unknown name {unknown[0]!r}; use {', '.join(sorted(ALGORITHMS))}"
        )
    return value


#: The checks of the attributes of drivers, which are set in the class or later.
CHECKED: Mapping[str, Check] = {
    **DriverOptions.table,
    "name": _driver_name,
    "options": _options,
    "digests": _digests,
    "limits": lambda value, label: arguments.instance(value, Limits, label),
}


def _attribute(cls: type, name: str) -> object:
    """Return the attribute of a class or its bases, without binding it."""
    return next(vars(ancestor)[name] for ancestor in cls.__mro__ if name in vars(ancestor))
