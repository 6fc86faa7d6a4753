"""Test that `driver.X(obj, ...)` and `obj.X(...)` are one operation."""

from __future__ import annotations

import contextlib
import inspect
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import singledispatch
from pathlib import Path
from typing import Any

import pytest
from faulty import FaultyDriver, stored

from libstore import (
    Container,
    ContainerInfo,
    ContainerNotFoundError,
    DeleteResult,
    InvalidOptionError,
    LazyList,
    Object,
    ObjectInfo,
    ObjectNotFoundError,
    SignedURL,
    StorageDriver,
    StorageError,
    SyncReport,
    get_driver,
)
from libstore.drivers.local import LocalDriver
from libstore.drivers.memory import MemoryDriver

# What a handle calls otherwise than the driver does.
_OTHER_NAMES = {
    (Container, "delete"): "delete_container",
    (Container, "exists"): "container_exists",
    (Object, "exists"): "object_exists",
    (Container, "refresh"): "get_container",
    (Object, "refresh"): "get_object",
    (Object, "as_file"): "open_object",
    **{
        (cls, f"{verb}_cdn{rest}"): f"{verb}_{cls.__name__.lower()}_cdn{rest}"
        for cls in (Container, Object)
        for verb, rest in (("enable", ""), ("get", "_url"))
    },
}
# What stands for the handle among an operation's parameters.
_CONTAINER_PARAMETERS = {"container"}
_OBJECT_PARAMETERS = {"obj", "objs"}


def _operations() -> dict[str, Callable[..., Any]]:
    """Return the public operations of a driver: its final methods with arguments."""
    return {
        name: function
        for name, function in inspect.getmembers(StorageDriver, inspect.isfunction)
        if not name.startswith("_") and getattr(function, "__final__", False)
    }


def _methods(cls: type) -> dict[str, Callable[..., Any]]:
    return {
        name: function
        for name, function in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
    }


def _pair(cls: type, method: str) -> str:
    """Return the name of the operation that a handle's method calls."""
    if (cls, method) in _OTHER_NAMES:
        return _OTHER_NAMES[cls, method]
    candidates = [method] if cls is Container else [f"{method}_object", method]
    if cls is Container:
        candidates.append(f"{method}_object")
    known = [name for name in candidates if name in _operations()]
    assert known, f"{cls.__name__}.{method} stands for no operation of a driver"
    return known[0]


_PAIRS = [
    pytest.param(cls, method, _pair(cls, method), id=f"{cls.__name__}.{method}")
    for cls in (Container, Object)
    for method in _methods(cls)
]


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters
    return {name: found for name, found in parameters.items() if name != "self"}


# ---------------------------------------------------------------------- the table of operations


def test_every_method_of_a_handle_is_an_operation() -> None:
    """Handles have no operations of their own."""
    assert 28 <= len(_PAIRS)
    for cls in (Container, Object):
        for method in _methods(cls):
            assert _pair(cls, method) in _operations()


def test_every_operation_on_a_handle_is_a_method() -> None:
    """Every operation on a container or an object exists on its handle."""
    on_containers = {_pair(Container, method) for method in _methods(Container)}
    on_objects = {_pair(Object, method) for method in _methods(Object)}
    for name, function in _operations().items():
        parameters = set(_parameters(function))
        if parameters & _OBJECT_PARAMETERS and name != "delete_objects":
            assert name in on_objects, f"Object has no method for {name}()"
        elif parameters & (_CONTAINER_PARAMETERS | {"objs"}):
            assert name in on_containers, f"Container has no method for {name}()"


def test_operations_without_a_handle_are_those_of_the_driver() -> None:
    """These have no container or object, or take an `Upload`."""
    handled = {_pair(cls, method) for cls in (Container, Object) for method in _methods(cls)}
    assert set(_operations()) - handled == {
        "abort_upload",
        "container",
        "create_container",
        "list_containers",
        "list_parts",
        "supports",
        "sync",
    }


@pytest.mark.parametrize(("cls", "method", "operation"), _PAIRS)
def test_signatures_are_equal(cls: type, method: str, operation: str) -> None:
    """Apart from the handle, parameters, kinds, defaults and order are equal."""
    own = _parameters(getattr(cls, method))
    theirs = _parameters(_operations()[operation])
    if method in {"refresh", "as_file"}:
        assert {} == own
        return
    container_given = cls is Container or operation in {"open_object", "object_exists"}
    if container_given:
        theirs.pop("container", None)
    if cls is Object:
        theirs.pop("obj" if "obj" in theirs else "name")
    assert list(theirs) == list(own)
    for name, parameter in own.items():
        assert theirs[name].kind == parameter.kind, name
        assert theirs[name].default == parameter.default, name
        if not (cls is Container and name in {"obj", "objs"}):
            assert theirs[name].annotation == parameter.annotation, name
    assert (
        inspect.signature(getattr(cls, method)).return_annotation
        == inspect.signature(_operations()[operation]).return_annotation
    )


# ---------------------------------------------------------------------- driver and handle


@dataclass
class _Scene:
    """A driver with a container, two objects, and other things that a test needs."""

    driver: StorageDriver
    folder: Path
    container: Container = field(init=False)
    obj: Object = field(init=False)

    def __post_init__(self) -> None:
        self.container = self.driver.create_container("c")
        self.container.upload_object(b"content of a", "a", metadata={"k": "v"})
        self.container.upload_object(b"content of b", "b/b", content_type="x/y")
        self.obj = self.container.object("a")
        tree = self.folder.parent / "tree"
        tree.mkdir(exist_ok=True)
        (tree / "file").write_bytes(b"content of a file")

    def arguments(self, operation: str) -> dict[str, Any]:
        """Return arguments for all parameters without a default, and for some with one."""
        given: dict[str, dict[str, Any]] = {
            "list_objects": {"prefix": "b", "delimiter": "/"},
            "get_object": {"name": "a"},
            "object_exists": {"name": "a"},
            "object": {"name": "a"},
            "upload_object": {"source": b"new", "name": "n.txt", "metadata": {"x": "y"}},
            "download_object": {"destination": self.folder / "download"},
            "stream_object": {"start": 3, "chunk_size": 2},
            "read_object": {"start": 3, "stop": 8},
            "read_objects": {"names": ["a", "missing", "b/b"]},
            "read_ranges": {"spans": [(0, 3), (5, None)]},
            "open_object": {"mode": "r", "encoding": "ascii"},
            "copy_object": {"container": "c", "name": "copy", "content_type": "a/b"},
            "move_object": {"container": "c", "name": "moved", "if_absent": True},
            "update_metadata": {"metadata": {"new": "pair"}, "content_type": "n/t"},
            "request": {"method": "GET", "query": {"versioning": ""}},
            "sign_url": {"method": "PUT", "expires": 60.0},
            "abort_uploads": {"older_than": 0.0},
            "delete_container": {"recursive": True},
            "upload_tree": {"path": self.folder.parent / "tree", "prefix": "p"},
            "download_tree": {"prefix": "b", "path": self.folder},
            "copy_tree": {"source_prefix": "b", "target": self.container, "prefix": "p"},
            "delete_tree": {"prefix": "b"},
        }
        return dict(given.get(operation, {}))

    def state(self) -> Any:
        """Return all stored objects and downloaded files."""
        try:
            objects = [
                (obj.name, obj.read(), obj.content_type, dict(obj.metadata))
                for obj in self.driver.list_objects("c")
            ]
        except ContainerNotFoundError:
            return "gone"
        return objects, [path.read_bytes() for path in self.folder.iterdir()]


@singledispatch
def _plain(value: Any) -> Any:
    """Return the comparable part of a result, without ETags and times."""
    return value


@_plain.register
def _(value: Object) -> Any:
    return ("object", value.container.name, value.name, value._info.size)


@_plain.register
def _(value: Container) -> Any:
    return ("container", value.name)


@_plain.register
def _(value: Path) -> Any:
    return ("path", value.name)


@_plain.register
def _(value: io.IOBase) -> Any:
    with value as file:
        return ("file", type(value), file.read())


@_plain.register
def _(value: SignedURL) -> Any:
    return ("url", "/c/a?" in value, "method=PUT" in value)


@_plain.register
def _(value: SyncReport) -> Any:
    return (repr(value), list(value.actions()))


@_plain.register
def _(value: Exception) -> Any:
    facts = {name: fact for name, fact in vars(value).items() if name != "message"}
    return (type(value), facts)


@_plain.register
def _(value: DeleteResult) -> Any:
    return (value.container, value.name, _plain(value.error))


@_plain.register(Iterator)
@_plain.register(LazyList)
@_plain.register(list)
@_plain.register(tuple)
def _(value: Any) -> Any:
    return [_plain(item) for item in value]


def _run(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Return what a call returned or raised, in a comparable form."""
    try:
        return _plain(function(**arguments))
    except StorageError as error:
        return _plain(error)


@pytest.fixture(params=["memory", "local"])
def scenes(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[_Scene, _Scene]:
    """Return two equal scenes."""
    made = []
    for number in ("1", "2"):
        folder = tmp_path / f"folder{number}"
        folder.mkdir()
        cls = get_driver(request.param)
        driver = cls(tmp_path / number, fsync=False) if cls is LocalDriver else cls()
        made.append(_Scene(driver, folder))
    return made[0], made[1]


@pytest.mark.parametrize(("cls", "method", "operation"), _PAIRS)
@pytest.mark.parametrize("missing", [False, True], ids=["there", "missing"])
def test_driver_and_handle_have_the_same_effect(
    scenes: tuple[_Scene, _Scene], cls: type, method: str, operation: str, missing: bool
) -> None:
    """Result, error and stored objects are equal."""
    one, two = scenes
    if missing:
        for scene in scenes:
            if cls is Container:
                scene.driver.delete_container("c")
            else:
                scene.obj = scene.container.object("missing")

    handle = one.container if cls is Container else one.obj
    by_handle = _run(getattr(handle, method), _for_handle(one, cls, method, operation))
    by_driver = _run(getattr(two.driver, operation), _for_driver(two, cls, method, operation))
    assert by_driver == by_handle
    assert two.state() == one.state()


def _for_driver(scene: _Scene, cls: type, method: str, operation: str) -> dict[str, Any]:
    """Return the arguments of the driver's operation."""
    if method == "refresh" and cls is Container:
        return {"name": "c"}
    given = scene.arguments(operation)
    stand_ins = {
        "container": scene.container,
        "obj": scene.obj,
        "objs": [scene.obj, scene.container.object("b/b")],
    }
    for name in stand_ins.keys() & _parameters(_operations()[operation]).keys():
        given.setdefault(name, stand_ins[name])
    if operation in {"open_object", "object_exists"} or method == "refresh":
        given["name"] = scene.obj if operation == "open_object" else scene.obj.name
    if method == "as_file":
        given = {"container": given["container"], "name": scene.obj}
    return given


def _for_handle(scene: _Scene, cls: type, method: str, operation: str) -> dict[str, Any]:
    """Return the arguments of the handle's method: all but the handle."""
    given = _for_driver(scene, cls, method, operation)
    if method in {"refresh", "as_file"}:
        return {}
    if cls is Container or operation in {"open_object", "object_exists"}:
        given.pop("container", None)
    if cls is Object:
        del given["obj" if "obj" in given else "name"]
    return given


class _Switchboard:
    """A driver that records which operation is called with which arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "_delete_in":  # as `delete_objects`, without a handle for each name
                self.calls.append(("delete_objects", {"objs": arguments[-1]}))
                return []
            if name.startswith("_"):  # names become objects here, which changes nothing
                return arguments[-1]
            bound = inspect.signature(_operations()[name]).bind(self, *arguments, **options)
            self.calls.append((name, bound.arguments))
            return Container(self, ContainerInfo("c"))

        return call


@pytest.mark.parametrize(("cls", "method", "operation"), _PAIRS)
def test_handle_passes_every_argument(cls: type, method: str, operation: str) -> None:
    """Each argument arrives under its own name."""
    driver: Any = _Switchboard()
    container = Container(driver, ContainerInfo("c"))
    handle: Any = container if cls is Container else Object(container, ObjectInfo("a"))
    given = {name: f"the {name}" for name in _parameters(getattr(cls, method))}
    getattr(handle, method)(**given)
    ((called, arguments),) = driver.calls
    assert operation == called
    handles = {
        name: value for name, value in arguments.items() if name != "self" and name not in given
    }
    assert given == {name: arguments[name] for name in given}
    assert set(handles.values()) <= {"c", "a", "rb", None, handle, container}


# ---------------------------------------------------------------------- names in place of handles


@pytest.mark.parametrize(
    "call",
    [
        lambda c, obj: c.read_object(obj),
        lambda c, obj: list(c.stream_object(obj)),
        lambda c, obj: c.open(obj).read(),
        lambda c, obj: c.delete_object(obj),
        lambda c, obj: c.delete_objects([obj, obj]),
        lambda c, obj: obj in c,
    ],
    ids=["read", "stream", "open", "delete", "delete many", "in"],
)
def test_container_accepts_a_name_or_an_object(call: Callable[[Any, Any], Any]) -> None:
    """Both send the same requests; only `in` sends a HEAD."""
    found = []
    for by_name in (True, False):
        driver = FaultyDriver()
        container = stored(driver, b"content")
        result = call(container, "a" if by_name else container.object("a"))
        found.append((_plain(result), driver.hooks()))
        assert 1 == len(driver.calls)
    assert found[0] == found[1]


def test_object_of_another_container_is_refused() -> None:
    """`container.read_object(obj)` does not read from another container."""
    driver = FaultyDriver()
    container, other = stored(driver, b"x"), driver.create_container("other")
    driver.calls.clear()
    obj = container.object("a")
    for call in (
        other.read_object,
        other.open,
        other.delete_object,
        lambda obj: other.delete_objects([obj]),
        lambda obj: other.download_object(obj, "x"),
    ):
        with pytest.raises(InvalidOptionError, match="is not in 'other'"):
            call(obj)
    assert [] == driver.calls


def test_object_of_another_driver_is_refused() -> None:
    """Only the target of a copy may belong to another driver."""
    driver, stranger = FaultyDriver(), MemoryDriver()
    container = stored(driver, b"x")
    other = stored(stranger, b"y").object("a")
    for name, function in _operations().items():
        parameters = _parameters(function)
        if "obj" in parameters:
            given: dict[str, Any] = {"obj": other}
            given |= {"container": "c"} if "container" in parameters else {}
            given |= {"destination": "x"} if "destination" in parameters else {}
            given |= {"spans": []} if "spans" in parameters else {}
        elif "container" in parameters:
            given = {"container": other.container}
            given |= {"name": "a"} if "name" in parameters else {}
            given |= {"source": b""} if "source" in parameters else {}
            given |= {"method": "GET"} if "method" in parameters else {}
            given |= {"names": ["a"]} if "names" in parameters else {}
            given |= {"path": "x"} if "path" in parameters else {}
            given |= {"prefix": "x"} if "prefix" in parameters else {}
            given |= {"source_prefix": "x"} if "source_prefix" in parameters else {}
            given |= {"target": other.container} if "target" in parameters else {}
        else:
            continue
        with pytest.raises(InvalidOptionError, match="belongs to another driver"):
            getattr(driver, name)(**given)
    with pytest.raises(InvalidOptionError, match="belongs to another driver"):
        driver.delete_objects([container.object("a"), other])
    assert [] == driver.calls
    assert b"x" == container.object("a").copy(other.container, "copy").read()


# ---------------------------------------------------------------------- attributes


def test_object_handle_fetches_attributes_once() -> None:
    """`object()` sends nothing; the first access sends one request."""
    driver = FaultyDriver()
    container = stored(driver, b"content")
    obj = driver.object("c", "a")
    assert ("a", container, driver) == (obj.name, obj.container, obj.driver)
    assert [] == driver.calls
    assert 7 == obj.size
    assert ["_head_object"] == driver.hooks()
    for attribute in ("etag", "last_modified", "content_type", "metadata", "version", "extra"):
        getattr(obj, attribute)
    assert obj.hash_algorithm == "md5"
    assert obj.object_hash == obj.checksums["md5"]
    assert obj.storage_class is None
    assert 1 == len(driver.calls)


def test_listed_object_fetches_only_missing_attributes() -> None:
    """Metadata is not in the listing, so its first access sends a request."""
    driver = FaultyDriver()
    container = stored(driver, b"content")
    handle = Object(container, ObjectInfo("a", size=7, etag="e"))
    assert (7, "e") == (handle.size, handle.etag)
    assert [] == driver.calls
    assert {} == handle.metadata
    assert ["_head_object"] == driver.hooks()


def test_attributes_are_kept_until_refresh() -> None:
    driver = FaultyDriver()
    container = stored(driver, b"old")
    obj = container.get_object("a")
    container.upload_object(b"newer", "a")
    assert 3 == obj.size
    assert obj is obj.refresh()
    assert 5 == obj.size
    container.delete_object("a")
    with pytest.raises(ObjectNotFoundError):
        obj.refresh()
    assert 5 == obj.size


def test_container_fetches_attributes_on_access() -> None:
    """`object_count` never lists the objects."""
    driver = FaultyDriver()
    stored(driver, b"content")
    container = driver.object("c", "a").container
    assert isinstance(container.extra, dict)
    assert container.object_count in {None, 1}
    assert container.size in {None, 7}
    assert container.created is not None
    assert driver.hooks() in ([], ["_head_container"])
    assert container is container.refresh()
    assert [] == driver.requested("_list_objects")


def test_attribute_of_a_missing_container_raises() -> None:
    """The request on first access raises `ContainerNotFoundError`."""
    container = Container(FaultyDriver(), ContainerInfo("gone"))
    with pytest.raises(ContainerNotFoundError):
        _ = container.created


def test_handles_are_equal_by_driver_container_and_name() -> None:
    """Attributes are not compared."""
    driver, other = MemoryDriver(), MemoryDriver()
    one, two = driver.create_container("c"), driver.get_container("c")
    assert one == two
    assert hash(one) == hash(two)
    assert one != other.create_container("c")
    assert one != "c"
    obj = one.upload_object(b"", "a")
    assert obj == two.object("a")
    assert {obj} == {obj, two.object("a")}
    assert obj != one.object("b")
    assert obj != "a"


def test_membership_and_iteration() -> None:
    """`name in container` requests one object; a loop lists."""
    driver = FaultyDriver()
    container = stored(driver, b"x")
    assert "a" in container
    assert container.object("a") in container
    assert "b" not in container
    assert ["_head_object"] * 3 == driver.hooks()
    assert ["a"] == [obj.name for obj in container]


def test_repr_contains_names_and_sends_nothing() -> None:
    driver = FaultyDriver()
    container = stored(driver, b"content")
    assert "<Container 'c' of <FaultyDriver>>" == repr(container)
    assert "<Object 'a' in 'c'>" == repr(container.object("a"))
    assert [] == driver.calls
    assert "<Object 'a' in 'c', 7 bytes>" == repr(container.get_object("a"))


def test_handle_refuses_unknown_attributes() -> None:
    """Setting a misspelt attribute is an error."""
    container = FaultyDriver().create_container("c")
    for handle in (container, container.object("a")):
        with pytest.raises(AttributeError):
            handle.nmae = "x"


def test_threads_share_a_driver() -> None:
    """Sixteen threads on one container do not affect each other."""
    driver = MemoryDriver()
    container = driver.create_container("c")
    begin = threading.Barrier(16)

    def work(number: int) -> None:
        begin.wait(30)
        for turn in range(20):
            name = f"{number:02}/{turn:02}"
            content = name.encode() * 100
            obj = container.upload_object(content, name, metadata={"turn": str(turn)})
            assert content == obj.read() == container.read_object(name)
            assert {"turn": str(turn)} == container.get_object(name).metadata
            assert name in [found.name for found in container.list_objects(f"{number:02}/")]
            obj.copy(container, name + "copy").move(container, name + "moved")
            with obj.as_file() as file:
                file.seek(-5, 2)
                assert content[-5:] == file.read()
            if turn % 2:
                obj.delete()
            with contextlib.suppress(ObjectNotFoundError):
                container.read_object("contended")
            container.upload_object(content, "contended")
            container.delete_object("contended")

    with ThreadPoolExecutor(16) as pool:
        for result in [pool.submit(work, number) for number in range(16)]:
            result.result()
    assert 16 * 30 == len(container.list_objects())
    container.delete()
    assert [] == list(driver.list_containers())
