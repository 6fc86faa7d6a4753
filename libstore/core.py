"""
What every public operation needs before and after its hook.

The rooms that `StorageDriver` is assembled from build on this class: it checks arguments, turns
names into handles and back, and adds to any error which operation, container and object it is
about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import Self, final, override

from . import arguments
from .content_types import guess_content_type
from .error_context import ErrorContext
from .errors import InvalidOptionError, InvalidTypeError, NotSupportedError
from .handles import Container, Object
from .hooks import CAPABILITIES, CDN_HOOKS, MULTIPART_HOOKS, OPTIONS, Check, DriverHooks
from .redaction import hide_keys
from .values import Conditions, ContainerInfo, Extra, ObjectInfo, WriteOptions

if TYPE_CHECKING:
    from .driver import StorageDriver


class DriverCore(DriverHooks):
    """Checks, handles and errors, once for all operations."""

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
            (MULTIPART_HOOKS, "takes uploads in parts"),
            (CDN_HOOKS, "makes objects public"),
        ):
            missing = [name for name in hooks if not _overrides(cls, name)]
            if missing and len(missing) < len(hooks):
                raise TypeError(f"{cls.__name__} {what}, but lacks {', '.join(sorted(missing))}")
        unknown = ", ".join(sorted(cls.options - OPTIONS))
        if unknown:
            raise TypeError(f"{cls.__name__}.options has unknown names: {unknown}")

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
        Return whether the service itself has an operation or honours an option.

        An operation that this driver cannot do as it was made, such as ``"sign_url"`` without a
        key to sign with, is not supported. Swift is asked whether the account has such a key.

        What the service lacks may still work: `copy_object` reads and writes, `delete_objects`
        deletes one by one. The others raise `NotSupportedError` before anything is sent.

        Args:
            operation: The name of a method, such as ``"copy_object"`` or ``"sign_url"``, or an
                option: ``"if_absent"``, ``"if_match"``, ``"delete_if_match"``,
                ``"storage_class"``, ``"cache_control"``, ``"content_disposition"``,
                ``"content_encoding"``, ``"content_language"``, ``"sign_headers"``,
                ``"sign_response_headers"``.

        Raises:
            InvalidOptionError: No operation and no option has this name.
        """
        if not isinstance(operation, str):
            raise InvalidTypeError(f"operation must be a str, not {type(operation).__name__}")
        if operation in OPTIONS:
            return operation in self.options
        if operation in CAPABILITIES:
            return self._has_hook(operation) and self._is_configured_for(operation)
        if operation.startswith("_") or not callable(getattr(type(self), operation, None)):
            known = ", ".join(sorted(OPTIONS | set(CAPABILITIES)))
            raise InvalidOptionError(f"unknown operation {operation!r}; ask for one of {known}")
        return True

    def _has_hook(self, operation: str) -> bool:
        """Return whether the class has the hook of one of `CAPABILITIES`."""
        return _overrides(type(self), CAPABILITIES[operation])

    def _guard(
        self, operation: str, container: object = None, name: object = None
    ) -> ErrorContext:
        """Return what adds to errors which operation they are about, and on what it was called."""
        if isinstance(container, Object):
            container, name = container.container, container.name
        if isinstance(container, Container):
            container = container.name
        if isinstance(name, Object):
            name = name.name
        return ErrorContext(
            self,
            operation,
            container if isinstance(container, str) else None,
            name if isinstance(name, str) else None,
        )

    def _container_name(self, container: object) -> str:
        """Return the name of a container that is given as a handle or by its name."""
        if isinstance(container, Container):
            if container.driver != self:
                raise InvalidOptionError(
                    f"{container!r} belongs to another driver; pass its name, or use its driver"
                )
            return container.name
        if not isinstance(container, str):
            raise InvalidTypeError(
                f"container must be a Container or a str, not {type(container).__name__}"
            )
        name = arguments.container_name(container)
        self._check_container_name(name)
        return name

    def _object_name(self, name: object) -> str:
        checked = arguments.object_name(name, self.limits)
        self._check_object_name(checked)
        return checked

    def _target(self, obj: object) -> tuple[str, str]:
        """Return the names of an object's container and of the object."""
        if not isinstance(obj, Object):
            raise InvalidTypeError(
                f"obj must be an Object, not {type(obj).__name__};"
                " driver.object(container, name) makes one of a name"
            )
        if obj.driver != self:
            raise InvalidOptionError(f"{obj!r} belongs to another driver; use obj.driver")
        return obj.container.name, obj.name

    def _object_in(self, operation: str, container: Container | str, obj: object) -> Object:
        """Return an object of a container that is given as a handle or by its name."""
        with self._guard(operation, container, obj):
            container_name = self._container_name(container)
            if not isinstance(obj, Object):
                return self._object_handle(container, ObjectInfo(self._object_name(obj)))
            if self._target(obj)[0] != container_name:
                raise InvalidOptionError(f"{obj!r} is not in {container_name!r}")
            return obj

    def _objects_in(
        self, operation: str, container: Container | str, objs: object
    ) -> Iterable[Object]:
        """Return objects of a container that are given as handles or by their names."""
        with self._guard(operation, container):
            return [self._object_in(operation, container, obj) for obj in several(objs)]

    def _with_checksums(self, obj: Object) -> ObjectInfo:
        """Return what is known of an object, digests included if they can be had."""
        with self._guard("checksums", obj):
            container, name = self._target(obj)
            return replace(obj._info, checksums=self._compute_checksums(container, name))

    def _container_handle(self, container: Container | str) -> Container:
        driver = cast("StorageDriver", self)
        if not isinstance(container, Container):
            return Container(driver, ContainerInfo(container))
        return container if container.driver is self else Container(driver, container._info)

    def _object_handle(
        self, container: Container | str, info: ObjectInfo, verified_by: str | None = None
    ) -> Object:
        return Object(self._container_handle(container), info, verified_by)

    def _conditions(self, if_absent: bool, if_match: str | None) -> Conditions:
        """Return the conditions of one write, with a token unless the driver writes none."""
        conditions = Conditions(bool(if_absent), arguments.etag(if_match, "if_match"))
        if conditions.if_absent and conditions.if_match is not None:
            raise InvalidOptionError("if_absent and if_match cannot both hold; give one of them")
        self._need_option("if_absent", conditions.if_absent)
        self._need_option("if_match", conditions.if_match is not None)
        return conditions.with_token() if self.write_tokens else conditions

    def _delete_conditions(self, obj: Object, if_match: str | None) -> Conditions:
        """Return the condition of a delete, with the token that the handle has of that ETag."""
        self._need_option("delete_if_match", if_match is not None)
        wanted = arguments.etag(if_match, "if_match")
        known = None if wanted is None or wanted != obj._info.etag else obj._info.write_token
        return Conditions(if_match=wanted, token=known)

    def _write_options(
        self,
        name: str,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        conditions: Conditions,
        extra: Extra | None = None,
        **headers: str | None,
    ) -> WriteOptions:
        """Return checked options; a missing content type is guessed from the name."""
        given: dict[str, Any] = {
            label: checked
            for label, value in headers.items()
            if (checked := arguments.header_value(value, label)) is not None
        }
        for label in given:
            self._need_option(label, True)
        return WriteOptions(
            content_type=arguments.header_value(content_type, "content_type")
            or guess_content_type(name),
            metadata=arguments.metadata(metadata, self.limits),
            conditions=conditions,
            extra=self._extra(extra, self.upload_extras),
            **given,
        )

    def _extra(self, given: object, known: Mapping[str, Check]) -> Mapping[str, object]:
        """Return the options that only this service has, checked by the driver's own rules."""
        given = hide_keys(given)
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            raise InvalidTypeError(f"extra must be a mapping, not {type(given).__name__}")
        unknown = [name for name in given if name not in known]
        if unknown:
            choice = f"one of {', '.join(sorted(known))}" if known else "nothing at all here"
            raise InvalidOptionError(
                f"the {self.name} driver has no extra option {unknown[0]!r}; give {choice}"
            )
        return {name: known[name](value, f"extra[{name!r}]") for name, value in given.items()}

    def _need_option(self, option: str, wanted: bool) -> None:
        if wanted and option not in self.options:
            raise NotSupportedError(f"the {self.name} driver cannot honour {option}")


def _overrides(cls: type[DriverHooks], hook: str) -> bool:
    return getattr(cls, hook) is not getattr(DriverHooks, hook)


def several(objs: object) -> Iterable[object]:
    """Return what is no single object or name, but a number of them."""
    if isinstance(objs, (str, bytes, Object)) or not isinstance(objs, Iterable):
        raise InvalidTypeError(
            f"objs must be an iterable of objects, not {type(objs).__name__};"
            " delete_object() deletes a single one"
        )
    return objs


def _attribute(cls: type, name: str) -> object:
    """Return what a class has under a name, as it stands there."""
    return next(vars(ancestor)[name] for ancestor in cls.__mro__ if name in vars(ancestor))
