"""The error tree: as it is drawn, with builtins, pickles, and facts one can act on."""

from __future__ import annotations

import copy
import errno
import pickle
import re

import pytest

from libstore import (
    ContainerNotFoundError,
    IntegrityError,
    LocalFileNotFoundError,
    ObjectNotFoundError,
    RateLimitedError,
    ServiceError,
    StorageError,
    TransportError,
    TransportTimeoutError,
    errors,
    get_driver,
)
from libstore.error_context import ErrorContext

_LINE = re.compile(
    r"^    (?P<branch>[│ ]*)(?:[├└]── )?(?P<name>\w+Error)(?: +\((?P<builtin>\w+)\))?$"
)


def _all_errors() -> list[type[StorageError]]:
    return [getattr(errors, name) for name in errors.__all__]


def _drawn() -> dict[str, tuple[str | None, str | None]]:
    """Return for each class of the drawing its parent and its builtin."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        depth = len(found["branch"]) // 4 + ("── " in line)
        del path[depth:]
        tree[found["name"]] = (path[-1] if path else None, found["builtin"])
        path.append(found["name"])
    return tree


def test_the_drawing_shows_every_error() -> None:
    """The module's drawing has exactly the classes that there are."""
    assert set(errors.__all__) == set(_drawn())
    assert 32 == len(_drawn())


@pytest.mark.parametrize("cls", _all_errors(), ids=lambda cls: cls.__name__)
def test_an_error_stands_where_it_is_drawn(cls: type[StorageError]) -> None:
    """Each class has the parent and the builtin that the drawing gives it, and no other."""
    parent, builtin = _drawn()[cls.__name__]
    names = [base.__name__ for base in cls.__bases__]
    assert names == [name for name in (parent or "Exception", builtin) if name is not None]


@pytest.mark.parametrize("cls", _all_errors(), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_keeps_every_fact(cls: type[StorageError], protocol: int) -> None:
    """What an error carries arrives in another process, errno and file name included."""
    error = cls(
        "went wrong",
        operation="upload_object",
        driver="s3",
        container="c",
        object="naïve/\U0001f600",
        status=503,
        code="SlowDown",
        request_id="4711",
        retryable=True,
    )
    if isinstance(error, OSError):
        errors.set_os_fields(error, 28, "No space left on device", "a.txt")
    loaded = pickle.loads(pickle.dumps(error, protocol))
    assert type(error) is type(loaded)
    assert vars(error) == vars(loaded)
    assert str(error) == str(loaded)
    assert error.args == loaded.args
    if isinstance(error, OSError):
        assert (28, "No space left on device", "a.txt") == (
            loaded.errno,
            loaded.strerror,
            loaded.filename,
        )


def test_a_copy_of_an_error_is_its_own() -> None:
    """A fact that is added to a copy is not added to the original."""
    error = ObjectNotFoundError("gone", container="c")
    twin = copy.copy(error)
    twin.object = "a"
    assert error.object is None
    assert ("gone", "c", errno.ENOENT) == (twin.message, twin.container, twin.errno)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ContainerNotFoundError", errno.ENOENT),
        ("ContainerAlreadyExistsError", errno.EEXIST),
        ("ContainerNotEmptyError", errno.ENOTEMPTY),
        ("ObjectNotFoundError", errno.ENOENT),
        ("ObjectAlreadyExistsError", errno.EEXIST),
        ("AccessDeniedError", errno.EACCES),
        ("StorageFullError", errno.ENOSPC),
        ("TransportTimeoutError", errno.ETIMEDOUT),
        ("LocalFileIsADirectoryError", errno.EISDIR),
    ],
)
def test_errno_says_what_the_builtin_says(name: str, number: int) -> None:
    """Code that looks at errno, as much of the standard library does, finds it."""
    error = getattr(errors, name)("went wrong")
    assert number == error.errno
    assert "went wrong" == error.strerror


def test_only_what_may_pass_is_retryable() -> None:
    """The classes whose failures may pass say so; an instance can say otherwise."""
    retryable = {cls.__name__ for cls in _all_errors() if cls("x").retryable}
    assert retryable == {
        "RateLimitedError",
        "ServiceUnavailableError",
        "TransportError",
        "TransportTimeoutError",
    }
    assert not RateLimitedError("x", retryable=False).retryable
    assert ServiceError("x", retryable=True).retryable
    assert not ServiceError("x").retryable


def test_str_tells_the_facts_that_are_known() -> None:
    """A message reads as a sentence, with the facts in brackets behind it."""
    assert "went wrong" == str(IntegrityError("went wrong"))
    error = ObjectNotFoundError("gone", driver="s3", container="c", object="it's", status=404)
    assert """gone [driver s3, container 'c', object "it's", status 404]""" == str(error)
    error = LocalFileNotFoundError("upload source 'x': No such file", operation="upload_object")
    assert "upload source 'x': No such file [operation upload_object]" == str(error)


def test_names_in_str_cannot_break_a_line() -> None:
    """A hostile name does not forge a line in a log."""
    assert "\n" not in str(ObjectNotFoundError("gone", object="a\nb", container="c\r\nd"))


def test_a_builtin_catches_its_errors() -> None:
    """`except` clauses that were written for files work for objects."""
    with pytest.raises(FileNotFoundError):
        raise ObjectNotFoundError("gone")
    with pytest.raises(ConnectionError):
        raise TransportTimeoutError("late")
    with pytest.raises(TimeoutError):
        raise TransportTimeoutError("late")


def test_a_guard_fills_in_only_what_is_missing() -> None:
    """What a hook said of an error stays; the rest is added."""
    guard = ErrorContext(get_driver("memory")(), "copy_object", "c", "a")
    with pytest.raises(ContainerNotFoundError) as caught, guard:
        raise ContainerNotFoundError("gone", container="other", status=404)
    error = caught.value
    assert ("memory", "copy_object", "other", "a") == (
        error.driver,
        error.operation,
        error.container,
        error.object,
    )
    assert 404 == error.status


def test_a_guard_leaves_other_errors_alone() -> None:
    """What is none of ours passes unchanged, attributes included."""
    error = KeyError("x")
    guard = ErrorContext(get_driver("memory")(), "copy_object", "c", "a")
    with pytest.raises(KeyError) as caught, guard:
        raise error
    assert error is caught.value
    assert {} == vars(error)


def test_an_error_of_an_operation_tells_which() -> None:
    """Operation, driver, container and object are told by whatever fails in a hook."""
    from faulty import FaultyDriver, fail

    driver = FaultyDriver()
    container = driver.create_container("c")
    fail(driver, "_head_object", TransportError("reset"))
    with pytest.raises(TransportError) as caught:
        container.get_object("a")
    error = caught.value
    assert "reset [driver faulty, operation get_object, container 'c', object 'a']" == str(error)
