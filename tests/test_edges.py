"""Rules at the edges: what is rare, wrong or goes wrong in an odd moment."""

from __future__ import annotations

import gc
import hashlib
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import (
    FaultyDriver,
    KiB,
    break_always,
    break_off,
    send_more,
    small_parts,
    stored,
    tell_digest,
)

from libstore import (
    Container,
    IntegrityError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    LazyList,
    LocalFileError,
    Page,
    Part,
    RetryPolicy,
    TransferOptions,
    TransportError,
    get_driver,
    register_driver,
)
from libstore.drivers.memory import MemoryDriver

PART = 10 * KiB
CONTENT = hashlib.shake_128(b"libstore").digest(100 * KiB)


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with one object."""
    driver = FaultyDriver(transfer=small_parts(part_size=PART))
    stored(driver, CONTENT)
    return driver


@pytest.fixture
def container(driver: FaultyDriver) -> Container:
    """Return the container with the object."""
    return driver.object("c", "a").container


@pytest.mark.parametrize("size", [1, 50_000])
def test_a_text_writer_that_nobody_closed_publishes_nothing(
    container: Container, size: int
) -> None:
    """Dropping a file of mode `w` warns and publishes nothing, as one of mode `wb` does."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        file = container.open("b", "w")
        file.write("x" * size)
        del file
        gc.collect()
    assert not container.object_exists("b")


def test_a_function_that_raises_with_an_open_text_file_publishes_nothing(
    container: Container,
) -> None:
    """An exception that leaves the only function that knows the file leaves half a text."""

    def writes() -> None:
        file = container.open("b", "w")
        file.write("half of")
        raise KeyError("x")

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            writes()
        except KeyError:
            pass
        gc.collect()
    assert not container.object_exists("b")


def test_an_iterator_that_gives_none_is_a_mistake(container: Container) -> None:
    """`None` amid the blocks is no end: what comes behind it must not be lost silently."""
    with pytest.raises(InvalidTypeError):
        container.upload_object(iter([b"a", None, b"b"]), "b")


def test_an_empty_object_is_verified_too(driver: FaultyDriver) -> None:
    """A service that sends nothing of an object that has a digest of something is found out."""
    container = stored(driver, b"", "b")
    tell_digest(driver, "_get_object", md5=hashlib.md5(b"what was stored").hexdigest())
    with pytest.raises(IntegrityError):
        container.read_object("b")


def test_an_error_of_a_read_by_handle_names_the_object(driver: FaultyDriver) -> None:
    """`obj.as_file()` fails with the object's name, as `container.open(name)` does."""
    break_always(driver, 0)
    with pytest.raises(TransportError) as caught:
        driver.object("c", "a").as_file()
    assert "a" == caught.value.object


def test_the_operation_that_was_called_is_the_one_that_is_named(driver: FaultyDriver) -> None:
    """`abort_uploads` of no container does not say `list_uploads`."""
    with pytest.raises(InvalidNameError) as caught:
        driver.abort_uploads("")
    assert "abort_uploads" == caught.value.operation


def _in_memory(known: bool, concurrency: int) -> int:
    driver = FaultyDriver(transfer=TransferOptions(PART, 2 * PART, concurrency))
    container = driver.create_container("c")
    taken = stored_bytes = most = 0
    lock = threading.Lock()

    def put(real: Callable[..., Part], *arguments: Any) -> Part:
        nonlocal stored_bytes
        part = real(*arguments)
        with lock:
            stored_bytes += part.size
        return part

    class Source:
        position = 0

        def read(self, size: int) -> bytes:
            nonlocal taken, most
            with lock:
                taken += min(size, 20 * PART - self.position)
                most = max(most, taken - stored_bytes)
            count = min(size, 20 * PART - self.position)
            self.position += count
            return bytes(count)

        if known:

            def seekable(self) -> bool:
                return True

            def tell(self) -> int:
                return self.position

            def seek(self, offset: int, whence: int = 0) -> int:
                return 20 * PART if whence == 2 else offset

    driver.around("_put_part", put)
    container.upload_object(Source(), "a")
    return -(-most // PART)


@pytest.mark.parametrize("known", [True, False])
def test_no_more_parts_than_promised_are_held_before_the_threshold(known: bool) -> None:
    """With one part at a time there are two in memory, whatever the threshold is."""
    assert _in_memory(known, 1) <= 2


@pytest.mark.parametrize(
    "use",
    [
        lambda lst: lst[: 10**20] == [1, 2, 3],
        lambda lst: lst[1 : 10**20 : 10**20] == [2],
        lambda lst: lst[10**20 :] == [],
    ],
)
def test_a_slice_may_be_huge(use: Callable[[Any], bool]) -> None:
    """A bound beyond sys.maxsize is only "the end" for a list."""
    lst = LazyList(lambda token, limit: Page([1, 2, 3]), 10, "x")
    assert use([1, 2, 3])
    assert use(lst)


@pytest.mark.parametrize("index", [10**20, -(10**20), 2**63 - 1, -(2**63)])
def test_an_index_may_be_huge(index: int) -> None:
    """It is out of range."""
    lst = LazyList(lambda token, limit: Page([1, 2, 3]), 10, "x")
    with pytest.raises(IndexError):
        lst[index]


def test_index_asks_for_each_page_once() -> None:
    """`lst.index(x)` looks through the list once, not once for each item."""
    pages = 0

    def fetch(token: str | None, limit: int) -> Page[int]:
        nonlocal pages
        pages += 1
        start = int(token or 0)
        stop = min(start + limit, 1000)
        return Page(range(start, stop), str(stop) if stop < 1000 else None)

    lst = LazyList(fetch, 100, "x")
    assert 900 == lst.index(900)
    assert pages <= 10


def test_a_mixin_cannot_override_an_operation() -> None:
    """The seal holds for what a base that is no driver brings along, too."""

    class Mixin:
        def delete_object(self, obj: object) -> None:
            """Do something else."""

    with pytest.raises(TypeError, match="public operation"):
        type("Own", (Mixin, MemoryDriver), {"name": "own"})


def test_a_metadata_key_is_ascii_before_it_is_lower_case(container: Container) -> None:
    """KELVIN SIGN is no letter k, though its lower case is one."""
    with pytest.raises(InvalidOptionError):
        container.upload_object(b"", "b", metadata={"\u212aey": "v"})


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.object("a").read_ranges(None),
        lambda c: c.object("a").read_ranges(5),
        lambda c: c.driver.supports(5),
        lambda c: c.driver.supports([]),
        lambda c: c.upload_object(b"", "b", progress=5),
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
def test_wrong_arguments_are_typed_errors(
    driver: FaultyDriver, container: Container, call: Callable[[Any], object]
) -> None:
    """Each is refused with one of the library's errors, before any hook is called."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((InvalidOptionError, LocalFileError)):
            call(container)
        gc.collect()
    assert [] == driver.calls


def test_the_name_of_a_driver_is_a_str() -> None:
    """What is no name is an unknown driver, or an invalid one, but no bare TypeError."""
    with pytest.raises((InvalidOptionError, LookupError)):
        get_driver(["local"])


def test_a_destination_may_have_the_longest_name(container: Container, tmp_path: Path) -> None:
    """A file name of 255 bytes is one that the system takes."""
    name = "\U0001f600" * 62
    assert len(name.encode()) < 255
    (tmp_path / name).write_bytes(b"")
    path = container.download_object("a", tmp_path / name, overwrite=True)
    assert CONTENT == path.read_bytes()


def test_what_progress_raises_is_not_disguised(container: Container, tmp_path: Path) -> None:
    """A BrokenPipeError of the callback is not one of the destination."""

    def progress(done: int, total: int | None) -> None:
        raise BrokenPipeError("of the callback")

    with pytest.raises(BrokenPipeError) as caught:
        container.download_object("a", tmp_path / "a", progress=progress)
    assert not isinstance(caught.value, LocalFileError)


def test_a_link_to_itself_is_told(container: Container, tmp_path: Path) -> None:
    """A loop of links is not replaced by a file."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(LocalFileError):
        container.download_object("a", tmp_path / "loop", overwrite=True)
    assert (tmp_path / "loop").is_symlink()


def test_a_break_while_skipping_is_resumed(driver: FaultyDriver, container: Container) -> None:
    """An answer that breaks off before its first wanted byte is asked for again."""
    send_more(driver, 10**9, 0)
    sends = driver._around["_get_object"]
    break_off(driver, 5_000)
    cuts = driver._around["_get_object"]
    driver.around("_get_object", lambda real, *rest: cuts(lambda *a: sends(real, *a), *rest))
    assert CONTENT[20_000:] == container.read_object("a", start=20_000)


def test_the_end_of_one_writer_is_not_that_of_all() -> None:
    """At the interpreter's end, a writer that cannot be aborted leaves the others' turn."""
    from libstore import files

    driver = FaultyDriver(transfer=small_parts(part_size=PART))
    container = driver.create_container("c")
    writers = [container.open(str(number), "wb") for number in range(5)]
    for writer in writers:
        writer.write(CONTENT)
    counted = iter(range(10))

    def abort(real: Callable[..., Any], *arguments: Any) -> None:
        if next(counted) == 0:
            raise RuntimeError("a bug of a driver's")
        real(*arguments)

    driver.around("_abort_upload", abort)
    try:
        files._abort_open_writers()
    except RuntimeError:
        pass
    finally:
        left = len(list(container.list_uploads()))
        driver._around.clear()
        for writer in writers:
            writer.abort()
    assert left <= 1


def test_the_directory_of_a_zip_is_one_request(driver: FaultyDriver) -> None:
    """Who reads near the end gets the end in one block, rather than ever earlier beginnings."""
    import zipfile

    container = driver.object("c", "a").container
    with container.open("z", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for number in range(10):
            archive.writestr(str(number), CONTENT * 10)
    obj = container.get_object("z")
    driver.calls.clear()
    with obj.as_file() as file, zipfile.ZipFile(file) as archive:
        assert 10 == len(archive.namelist())
    assert 1 == len(driver.calls)
