"""Test the drivers of docs/writing-a-driver.md, and how drivers of other packages are found."""

from __future__ import annotations

import inspect
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers.example_server import TOKEN, ExampleServer, example_server
from network_driver import ExampleDriver, Settings
from network_features import FullDriver
from third_party_driver import SQLiteDriver

from libstore import RetryPolicy, StorageDriver, TransferOptions
from libstore.hooks import OPTIONS, DriverHooks
from libstore.rest import RestDriver, constructor
from libstore.testing import DriverConformance
from libstore.testing.downloads import Downloads

_DOCS = Path(__file__).parents[2] / "docs"
_EXAMPLES = _DOCS / "examples"
_PARTS = TransferOptions(multipart_threshold=64 * 1024, part_size=64 * 1024)


@pytest.fixture(scope="module")
def shared_driver(tmp_path_factory: pytest.TempPathFactory) -> StorageDriver:
    """Return a driver with a file of its own."""
    driver: StorageDriver = SQLiteDriver(tmp_path_factory.mktemp("sqlite") / "objects.db")
    return driver


class TestThirdParty(DriverConformance):
    """The suite."""

    @pytest.fixture
    def driver(self, shared_driver: StorageDriver) -> StorageDriver:
        """Return the driver that all tests share."""
        return shared_driver


class TestDownloadsBesideADriversFile(Downloads):
    """A driver may keep its file in the directory of the test, as an adopter's first try will."""

    @pytest.fixture
    def driver(self, tmp_path: Path) -> StorageDriver:
        """Return a driver of this test only."""
        driver: StorageDriver = SQLiteDriver(tmp_path / "file")
        return driver


@pytest.fixture(scope="module")
def server() -> Iterator[ExampleServer]:
    """Run the server of the made-up service."""
    with example_server() as server:
        yield server


@pytest.fixture(scope="module")
def network_driver(server: ExampleServer) -> Iterator[StorageDriver]:
    """Return a driver of the made-up service."""
    with ExampleDriver(server.url, TOKEN, pickle_secret=True) as driver:
        yield driver


class TestNetworkDriver(DriverConformance):
    """The suite, over HTTP and with the required hooks."""

    @pytest.fixture
    def driver(self, network_driver: StorageDriver) -> StorageDriver:
        """Return the driver that all tests share."""
        return network_driver


@pytest.fixture(scope="module")
def full_driver(server: ExampleServer) -> Iterator[StorageDriver]:
    """Return a driver of the made-up service with all of its features."""
    with FullDriver(server.url, TOKEN, pickle_secret=True) as driver:
        yield driver


class TestNetworkFeatures(DriverConformance):
    """The suite, over HTTP and with nearly all hooks."""

    @pytest.fixture
    def driver(self, full_driver: StorageDriver) -> StorageDriver:
        """Return the driver that all tests share."""
        return full_driver


def test_writes_with_lost_responses_take_effect_once(server: ExampleServer) -> None:
    """The token of a conditional write shows that it was the one that stored the object."""
    with ExampleDriver(server.url, TOKEN, retry=RetryPolicy(base=0)) as driver:
        server.lose = ["PUT"]
        box = driver.create_container("lost")
        server.lose = ["PUT"]
        first = box.upload_object(b"content", "a", if_absent=True)
        etag = first.etag
        server.lose = ["PUT"]
        second = box.upload_object(b"content", "a", if_match=etag)
        second.delete()
        server.lose = ["DELETE"]
        box.delete(recursive=False)

    assert [] == server.lose


def test_change_of_metadata_with_a_lost_response_takes_effect_once(server: ExampleServer) -> None:
    with FullDriver(server.url, TOKEN, retry=RetryPolicy(base=0)) as driver:
        obj = driver.create_container("changed").upload_object(b"content", "a")
        server.lose = ["PATCH"]
        changed = obj.update_metadata({"owner": "me"}, if_match=obj.etag)

    assert [] == server.lose
    assert {"owner": "me"} == dict(changed.metadata)


def test_lost_response_to_the_end_of_an_upload_is_confirmed(server: ExampleServer) -> None:
    with FullDriver(server.url, TOKEN, transfer=_PARTS, retry=RetryPolicy(base=0)) as driver:
        box = driver.create_container("finished")
        for condition in ({}, {"if_absent": True}):
            server.lose = ["POST upload"]
            content = os.urandom(100_000)
            obj = box.upload_object(content, f"{condition}", **condition)

            assert [] == server.lose
            assert content == obj.read()


def test_lost_response_to_the_start_of_an_upload_leaves_one_to_abort(
    server: ExampleServer,
) -> None:
    with FullDriver(server.url, TOKEN, transfer=_PARTS, retry=RetryPolicy(base=0)) as driver:
        box = driver.create_container("started")
        server.lose = ["POST begin"]
        content = os.urandom(100_000)

        assert content == box.upload_object(content, "a").read()
        assert [] == server.lose
        assert ["a"] == [upload.name for upload in box.abort_uploads()]
        assert [] == list(box.list_uploads())


def test_constructor_that_does_not_call_its_base_is_named() -> None:
    class Own(ExampleDriver):
        @constructor(Settings)
        def __init__(self, settings: Settings) -> None:
            self.given = settings

    class Plain(ExampleDriver):
        def __init__(self) -> None:
            self.given = True

    with pytest.raises(TypeError, match=r"Own\.__init__ does not call super\(\)\.__init__"):
        Own("http://127.0.0.1:9", TOKEN)
    with pytest.raises(TypeError, match=r"Plain\.__init__ does not call super\(\)\.__init__"):
        Plain().list_containers()[0]
    with pytest.raises(AttributeError, match=r"Plain\.__init__ must call super\(\)\.__init__"):
        pickle.dumps(Plain())
    with pytest.raises(AttributeError, match="'Plain' object has no attribute 'colour'"):
        Plain().colour  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError, match=r"must pass its settings to super\(\).*not str"):
        RestDriver.__init__(Plain(), "https://a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must take the arguments \(self, container, query,"):
        type("Few", (ExampleDriver,), {"_list_page": lambda self, container, query: None})


def test_example_driver_has_the_required_hooks_only() -> None:
    """The worked example shows what is enough."""
    given = {name for name in vars(SQLiteDriver) if hasattr(DriverHooks, name)}
    attributes = {"options", "limits", "digests", "_identity", "_url_options"}
    dunders = {name for name in given if name.startswith(("__", "_abc"))}
    assert DriverHooks.__abstractmethods__ | attributes == given - dunders


def test_network_example_has_the_required_hooks_only() -> None:
    given = {name for name in vars(ExampleDriver) if hasattr(RestDriver, name)}
    optional = {name for name in given if not name.startswith(("__", "_abc"))}
    optional -= RestDriver.__abstractmethods__
    assert {"options", "limits", "_identity", "_head_container"} == optional


def test_documentation_describes_every_hook() -> None:
    """Each hook stands there with its arguments, each attribute and each option by its name."""
    page = (_DOCS / "writing-a-driver.md").read_text("utf-8")
    hooks = {
        name: ", ".join(list(inspect.signature(hook).parameters)[1:])
        for name, hook in vars(DriverHooks).items()
        if inspect.isfunction(hook) and name != "_unsupported"
    }
    assert len(hooks) > 20
    assert [] == [
        f"{name}({given})" for name, given in hooks.items() if f"`{name}({given})`" not in page
    ]
    named = {*inspect.get_annotations(DriverHooks), *OPTIONS}
    assert [] == [name for name in named if f"`{name}`" not in page]


def test_documentation_overrides_a_test_of_the_suite() -> None:
    page = (_DOCS / "writing-a-driver.md").read_text("utf-8")
    overridden = re.findall(r"def (test_\w+)", page)
    assert overridden
    assert [] == [name for name in overridden if not hasattr(DriverConformance, name)]


def test_objects_outlive_the_driver(tmp_path: Path) -> None:
    """Another driver on the same file has the same objects."""
    first = SQLiteDriver(tmp_path / "objects.db")
    first.create_container("box").upload_object(b"content", "a", metadata={"owner": "me"})
    found = SQLiteDriver(tmp_path / "objects.db").get_object("box", "a")
    assert (b"content", {"owner": "me"}) == (found.read(), dict(found.metadata))


_USE = """
import sys
import libstore
{register}
assert "sqlite" in libstore.list_drivers(), libstore.list_drivers()
assert "third_party_driver" not in sys.modules
driver = libstore.get_driver("sqlite")(sys.argv[1])
print(driver.create_container("box").upload_object(b"content", "a").read().decode())
"""


def _run(program: str, tmp_path: Path, *paths: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "objects.db")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), *sys.path[1:]])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "" == done.stderr
    return done.stdout


def test_it_is_found_once_it_is_registered(tmp_path: Path) -> None:
    """register_driver makes the name known; the module is imported on first use."""
    register = 'libstore.register_driver("sqlite", "third_party_driver:SQLiteDriver")'
    assert "content\n" == _run(_USE.format(register=register), tmp_path, _EXAMPLES)


def test_it_is_found_by_its_entry_point(tmp_path: Path) -> None:
    """A package that is installed makes its driver known without a call."""
    metadata = tmp_path / "site" / "third_party_driver-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: third-party-driver\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[libstore.drivers]\nsqlite = third_party_driver:SQLiteDriver\n"
    )
    program = _USE.format(register="")
    assert "content\n" == _run(program, tmp_path, metadata.parent, _EXAMPLES)
