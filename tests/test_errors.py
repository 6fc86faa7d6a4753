"""Test the exception classes: hierarchy, builtin bases, pickles and attributes."""

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
    """Return the parent and the builtin of each class in the module's diagram."""
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


def test_diagram_contains_every_error() -> None:
    """The diagram in the module's docstring has exactly the classes of the module."""
    assert set(errors.__all__) == set(_drawn())
    assert 33 == len(_drawn())


@pytest.mark.parametrize("cls", _all_errors(), ids=lambda cls: cls.__name__)
def test_error_has_the_bases_of_the_diagram(cls: type[StorageError]) -> None:
    """Each class has the parent and the builtin of the diagram, and no other."""
    parent, builtin = _drawn()[cls.__name__]
    names = [base.__name__ for base in cls.__bases__]
    assert names == [name for name in (parent or "Exception", builtin) if name is not None]


@pytest.mark.parametrize("cls", _all_errors(), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_error_keeps_all_attributes(cls: type[StorageError], protocol: int) -> None:
    """They include errno and file name."""
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


def test_copied_error_is_independent() -> None:
    """An attribute that is set on a copy does not change the original."""
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
def test_errno_matches_the_builtin(name: str, number: int) -> None:
    """Much of the standard library checks errno."""
    error = getattr(errors, name)("went wrong")
    assert number == error.errno
    assert "went wrong" == error.strerror


def test_only_temporary_failures_are_retryable() -> None:
    """The class has a default, which an instance can override."""
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


def test_str_contains_the_known_attributes() -> None:
    """The message is a sentence, followed by the attributes in brackets."""
    assert "went wrong" == str(IntegrityError("went wrong"))
    error = ObjectNotFoundError("gone", driver="s3", container="c", object="it's", status=404)
    assert """gone [driver s3, container 'c', object "it's", status 404]""" == str(error)
    error = LocalFileNotFoundError("upload source 'x': No such file", operation="upload_object")
    assert "upload source 'x': No such file [operation upload_object]" == str(error)


def test_line_breaks_in_names_are_escaped_in_str() -> None:
    """A name does not forge a line in a log."""
    assert "\n" not in str(ObjectNotFoundError("gone", object="a\nb", container="c\r\nd"))


def test_except_clause_for_builtin_catches_errors() -> None:
    """`except` clauses written for files work for objects."""
    with pytest.raises(FileNotFoundError):
        raise ObjectNotFoundError("gone")
    with pytest.raises(ConnectionError):
        raise TransportTimeoutError("late")
    with pytest.raises(TimeoutError):
        raise TransportTimeoutError("late")


def test_error_context_keeps_attributes_that_a_hook_set() -> None:
    """Only missing attributes are filled in."""
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


def test_error_context_does_not_change_other_exceptions() -> None:
    """Exceptions of other libraries pass unchanged."""
    error = KeyError("x")
    guard = ErrorContext(get_driver("memory")(), "copy_object", "c", "a")
    with pytest.raises(KeyError) as caught, guard:
        raise error
    assert error is caught.value
    assert {} == vars(error)


def test_error_of_an_operation_names_operation_and_target() -> None:
    """Operation, driver, container and object are set, whichever hook fails."""
    from faulty import FaultyDriver, fail

    driver = FaultyDriver()
    container = driver.create_container("c")
    fail(driver, "_head_object", TransportError("reset"))
    with pytest.raises(TransportError) as caught:
        container.get_object("a")
    error = caught.value
    assert "reset [driver faulty, operation get_object, container 'c', object 'a']" == str(error)
