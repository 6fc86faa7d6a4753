"""Options as data: what is made of the declaration of a driver's arguments."""

from __future__ import annotations

import inspect
import traceback
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

import pytest

from libstore import (
    Container,
    CopyOptions,
    InvalidOptionError,
    InvalidTypeError,
    Object,
    RetryPolicy,
    StorageDriver,
    WriteOptions,
    get_driver,
)
from libstore.drivers.memory import MemoryDriver
from libstore.hooks import OPTIONS
from libstore.options import (
    COPY_OPTIONS,
    WRITE_OPTIONS,
    DriverOptions,
    Options,
    constructor,
    option,
    texts,
    write_checks,
)
from libstore.testing import base, conditions
from libstore.values import WriteKeywords

DRIVERS = ("local", "memory", "s3", "r2", "azure", "gcs", "swift")
SECRET = "asecretthatmustnotshow"


def _even(value: object, label: str) -> int:
    if not isinstance(value, int) or value % 2:
        raise InvalidOptionError(f"{label} must be an even number")
    return value


class Settings(DriverOptions):
    """The arguments of `OwnDriver`."""

    credential_options: ClassVar[tuple[str, ...]] = ("token",)

    url: str = option("The address of the service.", kw_only=False)
    token: str | None = option(
        "The token.",
        default=None,
        secret=True,
        variables=["OWN_TOKEN", "OTHER_TOKEN"],
        kw_only=False,
    )
    size: int | None = option("A size.", _even, default=None, variables=["OWN_SIZE"])
    fast: bool = option("Be fast.", default=False)


class OwnDriver(MemoryDriver):
    """
    A driver with arguments of its own.

    Raises:
        InvalidOptionError: The size is odd.
    """

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        super().__init__(retry=settings.retry)
        self.settings = settings


def test_the_signature_shows_every_argument_with_its_type_and_default() -> None:
    shown = str(inspect.signature(OwnDriver))

    assert shown.startswith(
        "(url: str, token: str | None = None, *, size: int | None = None, fast: bool = False, "
    )
    with pytest.raises(TypeError):
        inspect.signature(OwnDriver).bind()


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_has_the_common_arguments_last(name: str) -> None:
    parameters = inspect.signature(get_driver(name)).parameters

    common = list(DriverOptions.table)
    assert list(parameters)[-len(common) :] == common
    assert all(parameters[one].kind is inspect.Parameter.KEYWORD_ONLY for one in common)


def test_the_docstring_describes_every_argument() -> None:
    lines = (OwnDriver.__doc__ or "").splitlines()

    start = lines.index("Args:")
    assert lines[start + 1] == "    url: The address of the service."
    assert lines[start + 2] == (
        "    token: The token. By default, the environment's ``OWN_TOKEN`` or ``OTHER_TOKEN``."
    )
    assert start < lines.index("Raises:")


@pytest.mark.parametrize("name", ["r2", "gcs-s3"])
def test_driver_of_an_s3_service_describes_its_arguments(name: str) -> None:
    lines = (get_driver(name).__doc__ or "").splitlines()

    named = [line.partition(":")[0].strip() for line in lines if line.startswith("    ")]
    assert "Args:" in lines
    assert {*inspect.signature(get_driver(name)).parameters} <= {*named}
    assert not any("AWS_" in line for line in lines)  # it does not read the environment


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        ((), {}, "OwnDriver needs the argument 'url'"),
        (("u", "t", "more"), {}, "OwnDriver takes at most 2 positional arguments, but 3"),
        (("u",), {"url": "u"}, "OwnDriver was given 'url' twice"),
        (("u",), {"tokn": SECRET}, "OwnDriver has no argument 'tokn'; did you mean 'token'"),
        (("u",), {"zzzzzz": 1}, "no argument 'zzzzzz'; it has url, token, size"),
        (("u",), {"fast": 1}, "fast must be True or False, not int"),
        ((1,), {}, "url must be a str, not int"),
        (("u",), {"retry": 3}, "retry must be a RetryPolicy, not int"),
    ],
)
def test_a_wrong_argument_is_named(
    args: tuple[object, ...], given: dict[str, object], message: str
) -> None:
    make: Any = OwnDriver

    with pytest.raises(InvalidTypeError, match=message):
        make(*args, **given)


def test_no_traceback_shows_a_secret_or_a_misspelt_one() -> None:
    given: dict[str, Any] = {"tken": SECRET, "token": SECRET}
    with pytest.raises(TypeError) as caught:
        OwnDriver("u", **given)
    given.clear()

    frames = traceback.StackSummary.extract(
        traceback.walk_tb(caught.tb), capture_locals=True, limit=None
    )
    inside = [frame for frame in frames if frame.filename.endswith("options.py")]
    assert any("options.py" in frame.filename for frame in inside)
    assert SECRET not in str([frame.locals for frame in inside if "test_" not in frame.filename])


def test_the_environment_fills_in_missing_arguments() -> None:
    environ = {"OTHER_TOKEN": SECRET, "OWN_TOKEN": "", "OWN_SIZE": "even"}

    found = Settings(url="u").with_variables(environ, "token")
    assert (SECRET, "OTHER_TOKEN", "url") == (
        found.token,
        found.label("token"),
        found.label("url"),
    )
    assert SECRET not in repr(found)
    assert found.replaced(token="other").label("token") == "token"
    assert Settings(url="u", token="given").with_variables(environ, "token").token == "given"
    with pytest.raises(InvalidOptionError, match="OWN_SIZE must be an even number"):
        found.with_variables(environ, "size")


def test_options_are_frozen_and_compare_by_value() -> None:
    made: Any = Settings(url="u", size=2)

    assert made == Settings(url="u", size=2)
    with pytest.raises(AttributeError):
        made.size = 4


def test_an_options_class_of_another_library_needs_no_more_than_fields() -> None:
    class Small(Options):
        only: bool = option("One.", default=True)

    assert list(Small.table) == ["only"]


# ---------------------------------------------------------------------- attributes of a driver


@pytest.mark.parametrize("driver", [MemoryDriver(), get_driver("s3")("key", "secret")])
@pytest.mark.parametrize(
    ("name", "value"),
    [("retry", 3), ("transfer", {}), ("cdn", "cdn.example"), ("write_tokens", None)],
)
def test_a_wrong_attribute_is_refused_as_by_the_constructor(
    driver: StorageDriver, name: str, value: object
) -> None:
    before = getattr(driver, name)
    with pytest.raises(InvalidOptionError, match=f"{name} must be"):
        setattr(driver, name, value)
    assert getattr(driver, name) == before


def test_a_right_attribute_is_set() -> None:
    driver = MemoryDriver()
    driver.retry, driver.cdn = RetryPolicy(1), "https://cdn.example"
    driver.cdn = None
    assert (1, None) == (driver.retry.attempts, driver.cdn)


# ---------------------------------------------------------------------- options of a write


@pytest.mark.parametrize(
    "method",
    [
        StorageDriver.upload_object,
        StorageDriver.open_object,
        Container.upload_object,
        Container.open,
        Object.open,
    ],
    ids=lambda method: method.__qualname__,
)
def test_every_method_that_writes_has_all_options_of_a_write(method: Any) -> None:
    assert WRITE_OPTIONS.keys() <= inspect.signature(method).parameters.keys()


@pytest.mark.parametrize("method", [StorageDriver.copy_object, Object.copy])
def test_every_copy_has_all_options_of_a_copy(method: Any) -> None:
    assert {*COPY_OPTIONS} <= inspect.signature(method).parameters.keys()


def test_options_of_a_write_are_options_that_a_driver_may_have() -> None:
    assert WRITE_OPTIONS.keys() <= OPTIONS
    assert WRITE_OPTIONS.keys() <= WriteKeywords.__annotations__.keys()
    assert WRITE_OPTIONS.keys() <= {item.name for item in fields(WriteOptions)}
    assert {*COPY_OPTIONS} <= {item.name for item in fields(CopyOptions)}


def test_field_of_a_type_without_a_check_is_refused_by_name() -> None:
    @dataclass
    class Wrong:
        ttl: int | None = None

    with pytest.raises(TypeError, match=r"Wrong\.ttl has the type int \| None, .* _WRITE_CHECKS"):
        write_checks(Wrong)


def test_copy_between_drivers_keeps_options_that_are_not_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(cast("dict[str, Any]", WRITE_OPTIONS), "cache_control", texts)
    given: Any = {"max-age": "60"}
    source = MemoryDriver().create_container("c")
    obj = source.upload_object(b"content", "a", cache_control=given)

    copy = obj.copy(MemoryDriver().create_container("c"))

    assert given == copy.extra["cache_control"]


def test_error_of_a_misspelt_option_names_the_most_similar_one() -> None:
    with pytest.raises(InvalidOptionError, match=r"\(did you mean 'storage_class'\?\)"):
        MemoryDriver().supports("storge_class")


def test_conformance_suite_tries_every_option_that_a_driver_may_lack() -> None:
    assert WRITE_OPTIONS.keys() == base.WRITE_OPTIONS.keys()
    assert OPTIONS - {"sign_headers", "sign_response_headers"} == conditions._OPTIONS.keys()
