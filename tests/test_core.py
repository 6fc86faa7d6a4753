"""Test what every operation does around its hook: overrides, checks, requests, `supports()`."""

from __future__ import annotations

import gc
import inspect
import io
import itertools
import math
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from calls import count_calls
from faulty import FaultyDriver, OnePutDriver, PublicDriver, small_parts, stored

from libstore import (
    Container,
    ContainerAlreadyExistsError,
    ContainerInfo,
    ContainerNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    Limits,
    LocalFileError,
    NotSupportedError,
    Object,
    ObjectInfo,
    ObjectNotFoundError,
    Page,
    Reading,
    RetryPolicy,
    SignedURL,
    Span,
    StorageDriver,
    StorageError,
    TransferCancelledError,
    TransferOptions,
    get_driver,
    register_driver,
)
from libstore.drivers.memory import MemoryDriver
from libstore.hooks import CAPABILITIES, CDN_HOOKS, MULTIPART_HOOKS, OPTIONS, DriverHooks
from libstore.options import DriverOptions, constructor

_SEALED = sorted(
    name
    for name, value in inspect.getmembers(StorageDriver)
    if not name.startswith("_") and getattr(value, "__final__", False)
)
_OF_UPLOADS = OPTIONS - {
    "delete_if_match",
    "if_absent",
    "sign_headers",
    "sign_response_headers",
}


# A response whose range has no end.
_ENDLESS = Reading(ObjectInfo("a", size=5), Span(), io.BytesIO(b"hello"))


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with one object."""
    driver = FaultyDriver()
    stored(driver, b"content")
    return driver


# ---------------------------------------------------------------------- driver classes


@pytest.mark.parametrize("operation", _SEALED)
def test_public_operation_cannot_be_overridden(operation: str) -> None:
    """The message names the hook to implement."""
    with pytest.raises(TypeError, match=rf"Own\.{operation} is a public operation.*hook"):
        type("Own", (MemoryDriver,), {"name": "own", operation: lambda self: None})


def test_all_public_operations_are_final() -> None:
    functions = inspect.getmembers(StorageDriver, inspect.isfunction)
    assert {"close"} == {name for name, _ in functions if name[0] != "_"} - set(_SEALED)


@pytest.mark.parametrize("missing", MULTIPART_HOOKS)
def test_driver_with_some_multipart_hooks_is_refused(missing: str) -> None:
    """The message names the missing hooks."""
    with pytest.raises(TypeError, match=f"lacks {missing}$"):
        type("Own", (MemoryDriver,), {"name": "own", missing: getattr(StorageDriver, missing)})
    none = {hook: getattr(StorageDriver, hook) for hook in MULTIPART_HOOKS}
    assert not type("Own", (MemoryDriver,), {"name": "own", **none})().takes_parts


def test_few_classes_are_between_object_and_a_driver() -> None:
    names = [cls.__name__ for cls in StorageDriver.__mro__ if "libstore" in cls.__module__]
    assert ["StorageDriver", "DriverCore", "DriverHooks"] == names


def test_driver_with_unknown_options_is_refused() -> None:
    """A misspelt option would never be honoured."""
    with pytest.raises(TypeError, match="unknown names: colour, if_none"):
        type("Own", (MemoryDriver,), {"options": frozenset({"if_none", "colour", "if_match"})})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("_coppy_object", "_copy_object"), ("_copy_objcet", "_copy_object"),
        ("_copyobject", "_copy_object"), ("_sign_urls", "_sign_url"),
        ("_list_version", "_list_versions"), ("_enable_object_cnd", "_enable_object_cdn"),
        ("set_metadata", "_set_metadata"),
    ],
)  # fmt: skip
def test_misspelt_hook_is_refused(given: str, meant: str) -> None:
    """The library would never call it."""
    with pytest.raises(TypeError, match=rf"Own\.{given} is not a hook; did you mean {meant}\?"):
        type("Own", (MemoryDriver,), {"name": "own", given: lambda self: None})


@pytest.mark.parametrize(
    ("hook", "value", "message"),
    [
        ("_sign_url", "https://a", "Own._sign_url is a hook and must be a method, not str"),
        (
            "_head_object",
            lambda self, container, name: None,
            r"Own._head_object must take the arguments \(self, container, name, version\)",
        ),
        ("_store_id", lambda self, container: None, r"must take the arguments \(self\)"),
    ],
)
def test_hook_that_cannot_be_called_is_refused(hook: str, value: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        type("Own", (MemoryDriver,), {"name": "own", hook: value})


def test_asynchronous_hook_is_refused() -> None:
    async def head(self: object, container: str, name: str, version: str | None) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match=r"Own\._head_object must not be asynchronous"):
        type("Own", (MemoryDriver,), {"name": "own", "_head_object": head})


def test_hooks_may_have_more_optional_arguments() -> None:
    type("Own", (MemoryDriver,), {"name": "own", "_store_id": lambda self, again=False: None})
    type("Own", (MemoryDriver,), {"name": "own", "_head_object": lambda *given: None})


@pytest.mark.parametrize("field", ["page_size", "batch_size", "min_part", "max_parts", "max_name"])
def test_limits_are_positive(field: str) -> None:
    with pytest.raises(InvalidOptionError, match=f"limits.{field} must be at least 1"):
        Limits(**{field: 0})


@pytest.mark.parametrize("field", ["max_put", "max_metadata", "max_expires"])
def test_limits_are_not_negative(field: str) -> None:
    with pytest.raises(InvalidOptionError, match=f"limits.{field} must be at least 0"):
        Limits(**{field: -1})


def test_limits_are_numbers() -> None:
    size: Any = "5 GiB"
    with pytest.raises(InvalidTypeError, match=r"limits\.max_put must be a number, not str"):
        Limits(max_put=size)


def test_driver_without_a_name_is_refused() -> None:
    hooks: dict[str, Any] = dict.fromkeys(StorageDriver.__abstractmethods__, lambda *given: None)
    with pytest.raises(InvalidTypeError, match="Own needs the class attribute name"):
        type("Own", (StorageDriver,), hooks)()
    with pytest.raises(InvalidOptionError, match=r"Own\.name must not be empty"):
        type("Own", (StorageDriver,), {"name": "", **hooks})


def test_attribute_with_the_name_of_a_property_is_refused(driver: FaultyDriver) -> None:
    with pytest.raises(AttributeError, match=r"url is a property.*such as _url"):
        driver.url = "https://a"  # type: ignore[misc]


def test_driver_that_does_not_name_its_store_has_no_urls() -> None:
    """The URL would lack an argument of the constructor, and open another store or none."""
    hooks: dict[str, Any] = dict.fromkeys(StorageDriver.__abstractmethods__, lambda *given: None)

    def init(self: StorageDriver, path: str) -> None:
        StorageDriver.__init__(self)

    own = type("Own", (StorageDriver,), {"name": "own", "__init__": init, **hooks})
    with pytest.raises(NotSupportedError, match="Own takes path, and must implement _url_options"):
        own("/a").container("c").url  # noqa: B018
    named = type("Named", (own,), {"_url_options": lambda self: {"path": "/a"}})
    assert named("/a").container("c").url == "own://c?path=/a"
    plain = type("Plain", (StorageDriver,), {"name": "plain", **hooks})
    assert plain().container("c").url == "plain://c"


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_misspelt_hook_of_any_kind_is_refused(kind: Callable[[object], object]) -> None:
    hook = kind(lambda *arguments: None)
    with pytest.raises(TypeError, match=r"Own\._coppy_object is not a hook"):
        type("Own", (MemoryDriver,), {"name": "own", "_coppy_object": hook})


def test_misspelt_hook_of_a_mixin_is_refused() -> None:
    mixin = type("Mixin", (), {"_coppy_object": lambda self: None})
    with pytest.raises(TypeError, match=r"Mixin\._coppy_object is not a hook"):
        type("Own", (mixin, MemoryDriver), {"name": "own"})


def test_methods_of_ones_own_may_have_other_names() -> None:
    own = {name: lambda self: None for name in ("_copy", "_list_rows", "_object", "_put_rows")}
    type("Own", (MemoryDriver,), {"name": "own", **own})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"digests": ("md5", "sha255")}, "Own.digests has the unknown name 'sha255'; use crc32,"),
        ({"digests": "md5"}, "Own.digests must be a tuple of names, not str"),
        ({"options": ["if_match"]}, "Own.options must be a frozenset of names, not list"),
        ({"limits": {"max_put": 5}}, "Own.limits must be a Limits, not dict"),
        ({"transfer": {"part_size": 5}}, "Own.transfer must be a TransferOptions, not dict"),
        ({"retry": 3}, "Own.retry must be a RetryPolicy, not int"),
        ({"options": "if_match"}, "Own.options must be a frozenset of names, not str"),
        ({"options": {"if_macth"}}, "Own.options has unknown names: if_macth; use cache_control,"),
        ({"name": 3}, "Own.name must be a str, not int"),
    ],
)
def test_class_with_a_wrong_attribute_is_refused(
    attributes: dict[str, object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        type("Own", (MemoryDriver,), {"name": "own", **attributes})


def test_wrong_attribute_of_a_driver_is_refused(driver: FaultyDriver) -> None:
    with pytest.raises(TypeError, match="digests has the unknown name 'sha255'"):
        driver.digests = ("sha255",)
    with pytest.raises(TypeError, match="limits must be a Limits, not dict"):
        driver.limits = {"max_put": 5}  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["local", "memory", "s3", "azure", "gcs", "swift"])
def test_init_without_that_of_its_base_is_an_error_of_the_first_call(name: str) -> None:
    own = type("Own", (get_driver(name),), {"__init__": lambda self: None})
    calls: list[Callable[[], object]] = [
        lambda: own().create_container("photos"),
        lambda: list(own().list_containers()),
        lambda: list(own().list_objects("photos")),
        lambda: own().object("photos", "a").read(),
        lambda: own().container("photos").upload_object(b"a", "a"),
    ]
    for call in calls:
        with pytest.raises(InvalidTypeError, match=r"Own.__init__ does not call super\(\)"):
            call()


def test_unknown_digest_of_an_object_is_refused() -> None:
    """No transfer would be compared with it."""
    with pytest.raises(InvalidTypeError, match="checksums has the unknown name 'MD5'; use crc32,"):
        ObjectInfo("a", checksums={"MD5": "0cc175b9c0f1b6a831c399e269772661"})


def test_driver_that_ignores_its_options_is_refused() -> None:
    class Settings(DriverOptions):
        pass

    class Own(MemoryDriver):
        name = "own"

        @constructor(Settings)
        def __init__(self, settings: Settings) -> None:
            self.settings = settings

    with pytest.raises(TypeError, match=r"Own\.__init__ does not call super\(\)\.__init__"):
        Own()


@pytest.mark.parametrize(
    ("hook", "value", "call", "message"),
    [
        ("_head_object", {"name": "a"}, lambda c: c.get_object("a"), "type dict.*'etag'"),
        ("_head_object", None, lambda c: c.get_object("a"), "type None.*'etag'"),
        ("_head_container", {"name": "a"}, lambda c: c.refresh(), "type dict.*'name'"),
        (
            "_put_object",
            {"etag": "e"},
            lambda c: c.upload_object(b"a", "a"),
            "dict.*'checksums'",
        ),
        ("_get_object", ({}, b""), lambda c: c.object("a").read(), "type tuple.*'info'"),
        ("_list_objects", {"items": []}, lambda c: list(c.list_objects()), "a Page, not dict"),
        ("_list_objects", [{"name": "a"}], lambda c: list(c.list_objects()), "a Page, not list"),
        ("_list_objects", Page([{"name": "a"}]), lambda c: list(c.list_objects()), "dict.*'name'"),
        ("_list_objects", {"items": []}, lambda c: list(c.walk()), "a Page, not dict"),
        ("_list_objects", Page(None), lambda c: list(c.list_objects()), "a list.*not NoneType"),
        (
            "_list_objects",
            Page([], 5),
            lambda c: list(c.list_objects()),
            "a str, or.*not int",
        ),
        (
            "_delete_objects",
            [{"code": 1}],
            lambda c: c.delete_objects(["a"]),
            "None, .*not dict",
        ),
        ("_delete_objects", None, lambda c: c.delete_objects(["a"]), "one outcome.*not NoneType"),
        ("_delete_objects", [], lambda c: c.delete_objects(["a"]), "these 1, not 0"),
        ("_sign_url", b"a", lambda c: c.object("a").sign_url(), "must return a str, not bytes"),
        ("_create_container", True, lambda c: c.driver.create_container("b"), "bool.*'name'"),
        ("_head_object", ContainerInfo("c"), lambda c: c.get_object("a"), "ContainerInfo.*'etag'"),
        ("_get_object", _ENDLESS, lambda c: c.object("a").read(), "must have an end"),
    ],
)
def test_hook_that_returns_no_record_is_named(
    hook: str, value: object, call: Callable[[Container], Any], message: str
) -> None:
    own: Any = type("Own", (MemoryDriver,), {"name": "own", hook: lambda self, *given: value})()

    with pytest.raises(InvalidTypeError, match=message) as raised:
        call(own.container("c"))

    assert raised.value.driver == "own"


def test_wrong_attribute_in_a_function_of_the_user_remains(driver: FaultyDriver) -> None:
    def show(done: int, total: int | None) -> None:
        print(total.missing)  # type: ignore[union-attr]

    with pytest.raises(AttributeError, match="missing"):
        driver.upload_object(b"content", "c", "a", progress=show)


def test_driver_without_a_required_hook_is_abstract() -> None:
    own = type("Own", (StorageDriver,), {"name": "own"})
    with pytest.raises(TypeError, match="_delete_object"):
        own()
    required = {name for name, value in vars(DriverHooks).items() if _is_abstract(value)}
    assert required == set(StorageDriver.__abstractmethods__)
    assert 8 == len(required)


def _is_abstract(value: object) -> bool:
    return getattr(value, "__isabstractmethod__", False)


# ---------------------------------------------------------------------- the method supports


@pytest.mark.parametrize("operation", CAPABILITIES)
def test_supports_is_computed_from_the_hooks(operation: str) -> None:
    assert PublicDriver().supports(operation)
    hook = CAPABILITIES[operation]
    groups = [group for group in (MULTIPART_HOOKS, CDN_HOOKS) if hook in group] or [(hook,)]
    without = {name: getattr(StorageDriver, name) for name in groups[0]}
    assert not type("Own", (PublicDriver,), {"name": "own", **without})().supports(operation)


def test_supports_accepts_operations_and_options_only(driver: FaultyDriver) -> None:
    for operation in _SEALED:
        assert isinstance(driver.supports(operation), bool)
    for option in OPTIONS:
        assert (option in driver.options) == driver.supports(option)
    for unknown in ("", "upload", "_put_object", "name", "__init__", "colour"):
        with pytest.raises(InvalidOptionError, match="unknown operation"):
            driver.supports(unknown)


def test_unsupported_option_is_refused_before_anything_is_sent() -> None:
    class Plain(OnePutDriver):
        name = "plain"
        options = frozenset()
        _sign_url = StorageDriver._sign_url
        _set_metadata = StorageDriver._set_metadata

    driver = Plain()
    container = stored(driver, b"content")
    obj = container.object("a")
    refused: list[Callable[[], object]] = [
        *(
            lambda option=option: container.upload_object(b"", "b", **{option: "x"})
            for option in sorted(_OF_UPLOADS)
        ),
        lambda: container.upload_object(b"", "b", if_absent=True),
        lambda: container.open("b", "xb"),
        lambda: container.open("b", "w", storage_class="COLD"),
        lambda: obj.delete(if_match="x"),
        lambda: obj.copy("c", "b", if_absent=True),
        lambda: obj.update_metadata({"a": "b"}, if_match="x"),
        container.list_uploads,
        container.abort_uploads,
    ]
    for call in refused:
        with pytest.raises(
            NotSupportedError, match=r"plain driver (cannot|does not support)"
        ) as caught:
            call()
        assert "plain" == caught.value.driver
        assert caught.value.operation
    assert [] == driver.calls
    for call in (obj.sign_url, lambda: obj.update_metadata({})):
        with pytest.raises(NotSupportedError):
            call()


# ---------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("call", "hooks"),
    [
        (lambda d, c: c.upload_object(b"x", "b"), ["_put_object"]),
        (lambda d, c: c.read_object("a"), ["_get_object"]),
        (lambda d, c: list(c.stream_object("a")), ["_get_object"]),
        (lambda d, c: c.object("a").read_ranges([(0, 1), (3, 5)]), ["_get_object"]),
        (lambda d, c: c.get_object("a").read(), ["_head_object", "_get_object"]),
        (lambda d, c: c.list_objects()[:20], ["_list_objects"]),
        (lambda d, c: c.object("a").delete(), ["_delete_object"]),
        (lambda d, c: c.delete_object("a"), ["_delete_object"]),
        (lambda d, c: c.delete_objects([str(n) for n in range(1000)]), ["_delete_objects"]),
        (lambda d, c: c.delete_objects([str(n) for n in range(1001)]), ["_delete_objects"] * 2),
        (lambda d, c: c.delete_objects([]), []),
        (lambda d, c: c.object("a").copy("c", "b"), ["_copy_object"]),
        (lambda d, c: c.object("a").update_metadata({"k": "v"}), ["_set_metadata"]),
        (lambda d, c: c.object("a").sign_url(), ["_sign_url"]),
        (lambda d, c: c.object_exists("a"), ["_head_object"]),
        (lambda d, c: c.object("a"), []),
        (lambda d, c: c.list_objects(), []),
        (lambda d, c: c.walk(), []),
        (lambda d, c: d.create_container("d"), ["_create_container"]),
        (lambda d, c: d.get_container("c"), ["_head_container"]),
        (lambda d, c: d.list_containers()[0], ["_list_containers"]),
        (
            lambda d, c: (c.delete_object("a"), c.delete(recursive=False)),
            ["_delete_object", "_delete_container"],
        ),
    ],
)
def test_operation_sends_only_the_requests_it_needs(
    driver: FaultyDriver, call: Callable[[Any, Any], object], hooks: list[str]
) -> None:
    """For example no HEAD before an operation."""
    container = driver.object("c", "a").container
    call(driver, container)
    assert hooks == driver.hooks()


@pytest.mark.parametrize("parts", [2, 7])
def test_upload_of_n_parts_is_n_plus_two_requests(parts: int) -> None:
    """One starts the upload, n send parts, one completes it."""
    driver = FaultyDriver(transfer=small_parts(part_size=1000))
    container = driver.create_container("c")
    driver.calls.clear()
    container.upload_object(bytes(parts * 1000), "a")
    assert parts + 2 == len(driver.calls)


def test_hooks_receive_no_handles(driver: FaultyDriver) -> None:
    container = driver.get_container("c")
    container.upload_object(b"x", "b")
    container.object("b").copy(container, "d").delete()
    container.delete_objects(["b"])
    list(container.list_objects())
    for argument in itertools.chain.from_iterable(call.arguments for call in driver.calls):
        assert not isinstance(argument, (Container, Object))


@pytest.mark.parametrize(
    ("call", "most"),
    [
        (lambda driver, obj: driver.read_object(obj), 45),
        (lambda driver, obj: driver.upload_object(b"x", "c", "a"), 62),
        (lambda driver, obj: driver.object("c", "a"), 22),
    ],
    ids=["read", "upload", "object"],
)
def test_small_operation_makes_few_calls(call: Callable[[Any, Any], object], most: int) -> None:
    """Calls of functions of the library are counted, those of the memory driver included."""
    driver = MemoryDriver()
    stored(driver, b"content")
    obj = driver.object("c", "a")
    call(driver, obj)
    assert 10 < count_calls(lambda: call(driver, obj)) <= most


# ---------------------------------------------------------------------- containers


def test_exist_ok_returns_the_existing_container(driver: FaultyDriver) -> None:
    """It takes a second request only if the container exists."""
    with pytest.raises(ContainerAlreadyExistsError) as caught:
        driver.create_container("c")
    assert ("create_container", "c") == (caught.value.operation, caught.value.container)
    assert driver.create_container("c", exist_ok=True) == driver.get_container("c")
    assert driver.object_exists("c", "a")


def test_every_operation_raises_for_a_missing_container() -> None:
    """The error names operation and container, however the container was passed."""
    driver = FaultyDriver()
    obj = driver.object("gone", "a")
    calls: dict[str, Callable[[], object]] = {
        "get_container": lambda: driver.get_container("gone"),
        "delete_container": lambda: driver.delete_container("gone"),
        "list_objects": lambda: list(driver.list_objects("gone")),
        "get_object": lambda: driver.get_object("gone", "a"),
        "object_exists": lambda: driver.object_exists("gone", "a"),
        "upload_object": lambda: driver.upload_object(b"", "gone", "a"),
        "download_object": lambda: driver.download_object(obj, "no/such/place"),
        "stream_object": lambda: list(driver.stream_object(obj)),
        "read_object": lambda: driver.read_object(obj),
        "read_ranges": lambda: driver.read_ranges(obj, [(0, 1)]),
        "open_object": lambda: driver.open_object("gone", "a"),
        "delete_object": lambda: driver.delete_object(obj),
        "copy_object": lambda: driver.copy_object(obj, "gone", "b"),
        "move_object": lambda: driver.move_object(obj, "gone", "b"),
        "update_metadata": lambda: driver.update_metadata(obj, {"k": "v"}),
        "list_uploads": lambda: list(driver.list_uploads("gone")),
    }
    for operation, call in calls.items():
        with pytest.raises(ContainerNotFoundError) as caught:
            call()
        error = caught.value
        assert (operation, "gone", "faulty") == (error.operation, error.container, error.driver)


def test_every_read_raises_for_a_missing_object(driver: FaultyDriver) -> None:
    """Deleting one does not raise."""
    obj = driver.object("c", "missing")
    calls: dict[str, Callable[[], object]] = {
        "get_object": obj.refresh,
        "download_object": lambda: obj.download("no/such/place"),
        "stream_object": lambda: list(obj.stream()),
        "read_object": obj.read,
        "read_ranges": lambda: obj.read_ranges([(0, 1)]),
        "open_object": lambda: driver.open_object("c", "missing"),
        "copy_object": lambda: obj.copy("c", "b"),
        "move_object": lambda: obj.move("c", "b"),
        "update_metadata": lambda: obj.update_metadata({"k": "v"}),
    }
    for operation, call in calls.items():
        with pytest.raises(ObjectNotFoundError) as caught:
            call()
        error = caught.value
        assert (operation, "c", "missing") == (error.operation, error.container, error.object)
    obj.delete()
    obj.delete()
    assert not driver.object_exists("c", "missing")


# ---------------------------------------------------------------------- invalid arguments

_WRONG_NAMES: list[tuple[Any, type[StorageError]]] = [
    ("", InvalidNameError),
    ("a\ud800", InvalidNameError),
    ("x" * 1025, InvalidNameError),
    (None, InvalidTypeError),
    (5, InvalidTypeError),
    (b"a", InvalidTypeError),
    (["a"], InvalidTypeError),
]


@pytest.mark.parametrize(("name", "error"), _WRONG_NAMES, ids=lambda value: repr(value)[:12])
def test_invalid_name_is_refused_by_every_operation(
    driver: FaultyDriver, name: Any, error: type[StorageError]
) -> None:
    """No hook is called; the error names the operation."""
    container = driver.object("c", "a").container
    obj = container.object("a")
    calls: dict[str, Callable[[], object]] = {
        "get_object": lambda: container.get_object(name),
        "object_exists": lambda: container.object_exists(name),
        "object": lambda: container.object(name),
        "upload_object": lambda: container.upload_object(b"", name),
        "download_object": lambda: container.download_object(name, "x"),
        "stream_object": lambda: container.stream_object(name),
        "read_object": lambda: container.read_object(name),
        "open_object": lambda: container.open(name),
        "delete_object": lambda: container.delete_object(name),
        "delete_objects": lambda: container.delete_objects([name]),
        "copy_object": lambda: obj.copy(container, name),
        "move_object": lambda: obj.move(container, name),
    }
    for operation, call in calls.items():
        if name is None and operation in {"copy_object", "move_object"}:
            continue
        driver.calls.clear()
        with pytest.raises(error) as caught:
            call()
        assert (operation, "faulty") == (caught.value.operation, caught.value.driver)
        assert set() == set(driver.hooks())


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("", InvalidNameError),
        ("a/b", InvalidNameError),
        ("a\ud800", InvalidNameError),
        (None, InvalidTypeError),
        (5, InvalidTypeError),
        (b"c", InvalidTypeError),
    ],
    ids=repr,
)
def test_invalid_container_is_refused_by_every_operation(
    driver: FaultyDriver, wrong: Any, error: type[StorageError]
) -> None:
    """The check is before any request."""
    given: dict[str, Any] = {"name": "a", "source": b"", "obj": driver.object("c", "a")}
    given |= {"method": "GET", "names": ["a"], "path": "x", "prefix": "x"}
    given |= {"source_prefix": "x", "target": driver.container("c")}
    checked = 0
    for operation in _SEALED:
        signature = inspect.signature(getattr(StorageDriver, operation))
        parameters = list(signature.parameters)
        where = "container" if "container" in parameters else "name"
        if operation not in {"create_container", "get_container"} and where == "name":
            continue
        if operation == "abort_uploads":
            continue  # it lists first
        if operation == "request" and not wrong:
            continue  # the account has no name
        arguments = {
            name: given[name]
            for name, parameter in signature.parameters.items()
            if name in given and parameter.default is parameter.empty
        }
        with pytest.raises(error) as caught:
            getattr(driver, operation)(**{**arguments, where: wrong})
        assert operation == caught.value.operation
        checked += 1
    assert checked >= 12
    assert [] == [hook for hook in driver.hooks() if hook != "_head_object"]


_WRONG_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("list_objects", {"prefix": None}),
    ("list_objects", {"delimiter": 5}),
    ("list_objects", {"start_after": b"a"}),
    ("list_objects", {"prefix": "\ud800"}),
    ("walk", {"delimiter": ""}),
    ("walk", {"delimiter": None}),
    ("walk", {"prefix": 5}),
    ("upload_object", {"source": None}),
    ("upload_object", {"source": 5}),
    ("upload_object", {"content_type": 5}),
    ("upload_object", {"content_type": "a\nb"}),
    ("upload_object", {"content_type": ""}),
    ("upload_object", {"metadata": [("a", "b")]}),
    ("upload_object", {"metadata": {"a": 1}}),
    ("upload_object", {"metadata": {"a b": "c"}}),
    ("upload_object", {"metadata": {"a": "x" * 3000}}),
    ("upload_object", {"storage_class": 5}),
    ("upload_object", {"cache_control": "a\rb"}),
    ("upload_object", {"content_encoding": b"gzip"}),
    ("upload_object", {"if_match": 5}),
    ("upload_object", {"if_match": ""}),
    ("upload_object", {"if_match": "x", "if_absent": True}),
    ("upload_object", {"checksum": "nonsense"}),
    ("upload_object", {"checksum": 5}),
    ("download_object", {"destination": 5}),
    ("download_object", {"destination": None}),
    ("stream_object", {"start": -1, "stop": 5}),
    ("stream_object", {"start": 5, "stop": 4}),
    ("stream_object", {"chunk_size": 0}),
    ("stream_object", {"chunk_size": "1"}),
    ("read_object", {"start": -1, "stop": 5}),
    ("read_object", {"if_match": ""}),
    ("read_object", {"if_match": "a", "if_none_match": "b"}),
    ("read_object", {"version": ""}),
    ("get_object", {"if_none_match": "*"}),
    ("read_object", {"stop": -1}),
    ("read_object", {"start": "0"}),
    ("read_object", {"start": 1.0}),
    ("read_ranges", {"spans": [(5, 4)]}),
    ("read_ranges", {"spans": [5]}),
    ("read_ranges", {"spans": [(0, "1")]}),
    ("open_object", {"mode": "a"}),
    ("open_object", {"mode": 5}),
    ("copy_object", {"metadata": 5}),
    ("copy_object", {"content_type": ""}),
    ("move_object", {"name": 5}),
    ("delete_object", {"if_match": 5}),
    ("update_metadata", {}),
    ("update_metadata", {"metadata": 5}),
    ("update_metadata", {"metadata": {"A": "1", "a": "2"}}),
    ("update_metadata", {"content_type": "a\nb"}),
    ("update_metadata", {"content_type": "a/b", "if_match": ""}),
    ("sign_url", {"method": "POST"}),
    ("sign_url", {"method": None}),
    ("sign_url", {"expires": 0}),
    ("sign_url", {"expires": -1.0}),
    ("sign_url", {"expires": math.nan}),
    ("sign_url", {"expires": math.inf}),
    ("sign_url", {"expires": "60"}),
    ("sign_url", {"expires": True}),
    ("sign_url", {"expires": 8 * 86_400}),
    ("delete_objects", {"objs": ["a"]}),
    ("delete_objects", {"objs": "a"}),
    ("abort_uploads", {"older_than": -1}),
    ("abort_uploads", {"older_than": math.nan}),
]


@pytest.mark.parametrize(
    ("operation", "wrong"), _WRONG_OPTIONS, ids=[f"{name}-{w!r:.30}" for name, w in _WRONG_OPTIONS]
)
def test_invalid_option_is_refused_before_anything_is_sent(
    driver: FaultyDriver, operation: str, wrong: dict[str, Any]
) -> None:
    """The error is also a ValueError."""
    given: dict[str, Any] = {
        "container": "c",
        "name": "a",
        "source": b"",
        "obj": driver.object("c", "a"),
        "destination": "x",
        "spans": [],
        "mode": "rb",
    }
    signature = inspect.signature(getattr(StorageDriver, operation))
    arguments = {
        name: given[name]
        for name, parameter in signature.parameters.items()
        if name in given and parameter.default is parameter.empty
    }
    with pytest.raises((InvalidOptionError, InvalidNameError)) as caught:
        getattr(driver, operation)(**{**arguments, **wrong})
    assert isinstance(caught.value, ValueError)
    assert set(driver.hooks()) <= ({"_head_object"} if operation == "move_object" else set())


@pytest.mark.parametrize("destination", ["path", "file"])
@pytest.mark.parametrize("operation", ["upload", "download", "copy", "move", "move onto itself"])
def test_transfer_that_was_cancelled_before_it_began_sends_and_reads_nothing(
    driver: FaultyDriver, tmp_path: Path, operation: str, destination: str
) -> None:
    cancel = threading.Event()
    cancel.set()
    source = io.BytesIO(b"content")
    obj = driver.object("c", "a")
    target: Any = tmp_path / "file" if destination == "path" else io.BytesIO()
    calls: dict[str, Callable[[], object]] = {
        "upload": lambda: driver.upload_object(source, "c", "b", cancel=cancel),
        "download": lambda: obj.download(target, cancel=cancel),
        "copy": lambda: obj.copy("c", "b", cancel=cancel),
        "move": lambda: obj.move("c", "b", cancel=cancel),
        "move onto itself": lambda: obj.move("c", "a", cancel=cancel),
    }
    with pytest.raises(TransferCancelledError):
        calls[operation]()
    assert 0 == source.tell()
    assert [] == driver.hooks()


def test_argument_that_is_not_an_object_is_refused_by_every_operation(
    driver: FaultyDriver,
) -> None:
    """The message says how to get an object."""
    for operation in _SEALED:
        signature = inspect.signature(getattr(StorageDriver, operation))
        if "obj" not in signature.parameters:
            continue
        extra = {"container": "c", "destination": "x", "spans": []}
        arguments = {name: extra[name] for name in extra if name in signature.parameters}
        for wrong in ("a", None, 5, driver.get_container):
            with pytest.raises(InvalidTypeError, match=r"must be an Object.*driver\.object"):
                getattr(driver, operation)(wrong, **arguments)
    assert [] == driver.calls


# ---------------------------------------------------------------------- the driver


def test_driver_is_a_context_manager() -> None:
    """It closes at the end and may be closed again."""
    closed: list[int] = []

    class Closing(FaultyDriver):
        name = "closing"

        def close(self) -> None:
            closed.append(1)

    with Closing() as driver:
        assert isinstance(driver, Closing)
        assert [] == closed
    assert [1] == closed
    plain = MemoryDriver()
    plain.close()
    plain.close()


def test_settings_of_drivers_are_independent() -> None:
    retry, transfer = RetryPolicy(attempts=1), TransferOptions(concurrency=1)
    driver = MemoryDriver(retry=retry, transfer=transfer)
    assert (retry, transfer) == (driver.retry, driver.transfer)
    assert (RetryPolicy(), TransferOptions()) == (MemoryDriver().retry, MemoryDriver().transfer)


def test_repr_of_a_signed_url_hides_the_query(driver: FaultyDriver) -> None:
    """In all else the URL is a `str`."""
    url = driver.object("c", "a b").sign_url(expires=60)
    assert isinstance(url, SignedURL)
    assert isinstance(url, str)
    assert "signature=" in str(url)
    assert "signature" not in repr(url)
    assert "signature" not in repr([url])
    assert "a%20b" in repr(url)


def test_mixin_cannot_override_an_operation() -> None:
    """The check covers methods of bases that are not drivers."""

    class Mixin:
        def delete_object(self, obj: object) -> None:
            """Do something else."""

    with pytest.raises(TypeError, match="public operation"):
        type("Own", (Mixin, MemoryDriver), {"name": "own"})


def test_error_names_the_operation_that_was_called(driver: FaultyDriver) -> None:
    """An error of `abort_uploads` does not name `list_uploads`, which it calls."""
    with pytest.raises(InvalidNameError) as caught:
        driver.abort_uploads("")
    assert "abort_uploads" == caught.value.operation


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.object("a").read_ranges(None),
        lambda c: c.object("a").read_ranges(5),
        lambda c: c.driver.supports(5),
        lambda c: c.driver.supports([]),
        lambda c: c.upload_object(b"", "b", progress=5),
        lambda c: c.upload_object(b"", "b", progress=lambda more: more),
        lambda c: c.object("a").download("a", progress=lambda more: more),
        lambda c: c.object("a").copy("c", "b", progress=lambda more: more),
        lambda c: c.object("a").move("c", "b", progress=lambda more: more),
        lambda c: c.upload_object(b"", "b", cancel=5),
        lambda c: c.open("a", "r", encoding=5),
        lambda c: c.open("a", "r", encoding="nonsense"),
        lambda c: c.open("b", "w", encoding="nonsense"),
        lambda c: c.open("b", "w", newline="q"),
        lambda c: c.open("b", "w", errors="nonsense"),
        lambda c: c.upload_object("a\0b", "b"),
        lambda c: c.download_object("a", "a\0b"),
        lambda c: register_driver("own", 5),
        lambda c: RetryPolicy(attempts="5"),
        lambda c: RetryPolicy(attempts=1.5),
        lambda c: RetryPolicy(base="1"),
        lambda c: MemoryDriver(retry=5),
        lambda c: MemoryDriver(transfer={"part_size": 5}),
    ],
    ids=[
        "spans None",
        "spans int",
        "supports int",
        "supports list",
        "progress",
        "progress of one argument",
        "progress of one argument of a download",
        "progress of one argument of a copy",
        "progress of one argument of a move",
        "cancel",
        "encoding type",
        "encoding of reading",
        "encoding of writing",
        "newline",
        "errors",
        "NUL in a source",
        "NUL in a destination",
        "target of a registration",
        "attempts type",
        "attempts fraction",
        "base type",
        "retry type",
        "transfer type",
    ],
)
def test_wrong_argument_is_refused_before_any_hook_is_called(
    driver: FaultyDriver, call: Callable[[Any], object]
) -> None:
    """The error is one of the library's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((InvalidOptionError, LocalFileError)):
            call(driver.object("c", "a").container)
        gc.collect()
    assert [] == driver.calls
