"""Test drivers by name: builtin, registered, and of other packages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from libstore import (
    InvalidOptionError,
    InvalidTypeError,
    UnknownDriverError,
    get_driver,
    list_drivers,
    register_driver,
    registry,
)
from libstore.drivers.local import LocalDriver
from libstore.drivers.memory import MemoryDriver


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo a test's registrations."""
    monkeypatch.setattr(registry, "_registered", {})


def test_get_driver_returns_the_class() -> None:
    assert MemoryDriver is get_driver("memory")
    assert LocalDriver is get_driver("local")


@pytest.mark.parametrize("name", ["local", "memory"])
def test_registered_name_is_the_name_of_class_and_module(name: str) -> None:
    cls = get_driver(name)
    assert name == cls.name
    assert f"libstore.drivers.{name}" == cls.__module__


def test_unknown_name_lists_the_drivers() -> None:
    """The message suggests a similar name."""
    with pytest.raises(UnknownDriverError, match=r"'memroy'.*Did you mean 'memory'\?.*local"):
        get_driver("memroy")
    with pytest.raises(LookupError, match="no driver has the name 'zzz'"):
        get_driver("zzz")
    with pytest.raises(UnknownDriverError):
        get_driver("")


def test_registered_driver_is_imported_on_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later registration of the same name replaces it."""
    (tmp_path / "own_driver_of_a_test.py").write_text(
        "from libstore import StorageDriver\n"
        "class Own(StorageDriver): ...\nclass Other(StorageDriver): ...\nvalue = 5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    register_driver("own", "own_driver_of_a_test:Own")
    assert "own_driver_of_a_test" not in sys.modules
    assert "own" in list_drivers()
    assert "Own" == get_driver("own").__name__
    register_driver("own", "own_driver_of_a_test:Other")
    assert "Other" == get_driver("own").__name__
    register_driver("own", "own_driver_of_a_test:value")
    with pytest.raises(UnknownDriverError, match="not a subclass of StorageDriver"):
        get_driver("own")
    monkeypatch.delitem(sys.modules, "own_driver_of_a_test")


def test_registered_driver_replaces_a_builtin() -> None:
    register_driver("local", "libstore.drivers.memory:MemoryDriver")
    assert MemoryDriver is get_driver("local")
    assert 1 == list_drivers().count("local")


@pytest.mark.parametrize(
    "target", ["", "module", "module:", ":Class", ":", "libstore.drivers.memory.MemoryDriver"]
)
def test_malformed_target_is_refused(target: str) -> None:
    """Registration fails rather than the first use."""
    with pytest.raises(InvalidOptionError, match="'module:Class'"):
        register_driver("own", target)
    assert "own" not in list_drivers()


def test_empty_driver_name_is_refused() -> None:
    with pytest.raises(InvalidOptionError):
        register_driver("", "libstore.drivers.memory:MemoryDriver")


@pytest.mark.parametrize("name", ["my store", "1store", "magasin-é", "a:b", "a/b"])
def test_driver_name_that_no_url_can_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidOptionError, match="URLs begin with the name"):
        register_driver(name, "libstore.drivers.memory:MemoryDriver")
    assert name not in list_drivers()


def test_class_in_place_of_its_name_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"as text: libstore\.drivers\.memory:Memory"):
        register_driver("own", MemoryDriver)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "target", ["no_such_module_anywhere:X", "libstore.drivers.memory:NoSuchDriver"]
)
def test_driver_that_cannot_be_imported_raises_the_cause(target: str) -> None:
    """The cause may be a missing dependency."""
    register_driver("own", target)
    with pytest.raises(UnknownDriverError, match=r"cannot be loaded.*No") as caught:
        get_driver("own")
    assert isinstance(caught.value.__cause__, (ImportError, AttributeError))


def _install(site: Path, name: str, entry: str) -> None:
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[libstore.drivers]\n{entry}\n")


def test_entry_point_adds_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is not imported."""
    (tmp_path / "third_party_driver_of_a_test.py").write_text(
        "from libstore import StorageDriver\nclass ThirdParty(StorageDriver): ...\n"
    )
    _install(tmp_path, "third-party", "third-party = third_party_driver_of_a_test:ThirdParty")
    monkeypatch.syspath_prepend(tmp_path)
    assert "third-party" in list_drivers()
    assert "third_party_driver_of_a_test" not in sys.modules
    assert "ThirdParty" == get_driver("third-party").__name__
    monkeypatch.delitem(sys.modules, "third_party_driver_of_a_test")


def test_entry_point_cannot_replace_a_builtin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "hostile", "local = libstore.drivers.memory:MemoryDriver")
    monkeypatch.syspath_prepend(tmp_path)
    assert LocalDriver is get_driver("local")


def test_drivers_are_listed_sorted() -> None:
    """The list is the same on every machine that has the same packages."""
    assert sorted(list_drivers()) == list_drivers()
    assert {"local", "memory"} <= set(list_drivers())


def test_driver_name_that_is_not_a_str_is_refused() -> None:
    """The error is one of the library's, rather than a bare `TypeError`."""
    with pytest.raises((InvalidOptionError, LookupError)):
        get_driver(["local"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("file", "Use 'local'"),
        ("aws", "Use 's3'"),
        ("google_storage", "Use 'gcs'"),
        ("Azure-Blobs", "Use 'azure'"),
        ("S3_US_WEST", "Use 's3' with region='us-west-1'"),
        ("s3_eu_central", "Use 's3' with region='eu-central-1'"),
        ("S3_EU_WEST2", "Use 's3' with region='eu-west-2'"),
        ("s3_us_east_2", "Use 's3' with region='us-east-2'"),
        ("S3_US_STANDARD", "Use 's3' with region='us-east-1'"),
        ("wasbs", "Use 'azure'"),
        ("https", "Use the name of the service with endpoint="),
    ],
)
def test_name_of_another_library_is_translated(name: str, hint: str) -> None:
    with pytest.raises(UnknownDriverError, match=re.escape(hint)):
        get_driver(name)


def test_translated_names_are_of_drivers() -> None:
    assert set(registry._OTHER_NAMES.values()) <= set(list_drivers())
    assert not registry._OTHER_NAMES.keys() & set(list_drivers())
