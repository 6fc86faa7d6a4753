"""Test trees and syncs between directories and containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from faulty import FaultyDriver
from typing_extensions import override

from libstore import (
    AccessDeniedError,
    Container,
    InvalidNameError,
    InvalidOptionError,
    LocalFileNotFoundError,
    StorageError,
    SyncAction,
    get_driver,
)
from libstore.drivers.memory import MemoryDriver

OLD = time.time() - 3600


@pytest.fixture(params=["memory", "local"])
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    if request.param == "memory":
        return get_driver("memory")().create_container("c")
    return get_driver("local")(tmp_path / "store", fsync=False).create_container("c")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    write(folder, {"a": b"1", "a-b": b"22", "a.d/x": b"333", "sub/deep/y.txt": b"4", "z": b""})
    return folder


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (OLD, OLD))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def objects(container: Container, prefix: str = "") -> dict[str, bytes]:
    return {obj.name: obj.read() for obj in container.list_objects(prefix)}


def kinds(actions: Iterator[SyncAction]) -> list[tuple[str, str]]:
    return sorted((action.kind, action.name) for action in actions)


def forbid_first(real: Callable[..., Any], container: str, name: str, *rest: Any) -> Any:
    """Refuse to store one of the objects."""
    if name == "a":
        raise AccessDeniedError("forbidden")
    return real(container, name, *rest)


# ---------------------------------------------------------------------- uploads


def test_upload_tree_stores_each_file(container: Container, folder: Path) -> None:
    report = container.upload_tree(folder, "p")

    assert (5, 7, True) == (report.uploaded, report.bytes, report.ok)
    assert {f"p/{name}": content for name, content in files(folder).items()} == objects(container)


def test_second_upload_sends_nothing(container: Container, folder: Path) -> None:
    container.upload_tree(folder)

    report = container.upload_tree(folder)
    assert (0, 5, []) == (report.transferred, report.unchanged, list(report.actions()))


def test_changed_file_is_the_only_one_that_is_sent(container: Container, folder: Path) -> None:
    container.upload_tree(folder)
    (folder / "a-b").write_bytes(b"2x")
    os.utime(folder / "a-b", (time.time() + 10, time.time() + 10))

    report = container.driver.sync(folder, container)
    assert [("upload", "a-b")] == kinds(report.actions())
    assert b"2x" == container.object("a-b").read()


def test_file_that_changed_in_the_second_of_its_upload_is_sent(
    container: Container, folder: Path
) -> None:
    container.upload_tree(folder)
    stored = container.get_object("a")
    assert stored.last_modified is not None
    (folder / "a").write_bytes(b"9")
    moment = int(stored.last_modified.timestamp())
    os.utime(folder / "a", (moment, moment))

    report = container.upload_tree(folder, compare="hash")
    assert [("upload", "a")] == kinds(report.actions())


def test_delete_removes_exactly_what_is_gone(container: Container, folder: Path) -> None:
    container.upload_tree(folder)
    (folder / "a.d/x").unlink()
    container.upload_object(b"", "extra/e")

    report = container.driver.sync(folder, container, delete=True)
    assert [("delete", "a.d/x"), ("delete", "extra/e")] == kinds(report.actions())
    assert files(folder) == objects(container)


def test_excluded_names_are_neither_sent_nor_deleted(container: Container, folder: Path) -> None:
    container.upload_object(b"", "kept.tmp")
    write(folder, {"sub/no.tmp": b"1"})

    container.driver.sync(folder, container, delete=True, exclude=["*.tmp", "a.d/**"])
    assert {"a", "a-b", "kept.tmp", "sub/deep/y.txt", "z"} == set(objects(container))


def test_include_limits_the_names(container: Container, folder: Path) -> None:
    report = container.upload_tree(folder, include="*.txt")

    assert [("upload", "sub/deep/y.txt")] == kinds(report.actions())


def test_dry_run_does_nothing_and_has_the_actions_of_the_run(
    container: Container, folder: Path
) -> None:
    container.upload_object(b"", "gone")

    plan = container.driver.sync(folder, container, delete=True, dry_run=True)
    assert {"gone"} == set(objects(container))
    report = container.driver.sync(folder, container, delete=True)
    assert plan.dry_run
    assert kinds(plan.actions()) == kinds(report.actions())
    assert "delete" == [action.kind for action in plan.actions()][-1]
    assert (plan.uploaded, plan.bytes) == (report.uploaded, report.bytes)


def test_action_is_a_line_of_json(container: Container, folder: Path) -> None:
    report = container.upload_tree(folder, include="a", dry_run=True)

    (action,) = report.actions()
    assert {
        "kind": "upload",
        "name": "a",
        "size": 1,
        "reason": "it is not in the target",
        "error": None,
    } == json.loads(action.to_json())


def test_more_deletions_than_max_delete_delete_nothing(container: Container, folder: Path) -> None:
    for name in ("x1", "x2"):
        container.upload_object(b"", name)

    report = container.driver.sync(folder, container, delete=True, max_delete=1)
    assert (5, 0, 1) == (report.uploaded, report.deleted, report.refused)
    with pytest.raises(InvalidOptionError, match="max_delete=1"):
        report.raise_for_errors()


def test_failed_upload_stops_neither_the_others_nor_permits_deletions(folder: Path) -> None:
    driver = FaultyDriver()
    container = driver.create_container("c")
    container.upload_object(b"", "gone")
    driver.around("_put_object", forbid_first)
    seen = []

    report = driver.sync(
        folder, container, delete=True, on_error=lambda action, error: seen.append(action)
    )
    assert (4, 1, 0) == (report.uploaded, report.failed, report.deleted)
    assert [action for action in report.actions() if action.error] == seen
    assert container.object_exists("gone")
    with pytest.raises(AccessDeniedError):
        report.raise_for_errors()


def test_error_of_a_callback_ends_the_sync(folder: Path) -> None:
    driver = FaultyDriver()
    container = driver.create_container("c")
    driver.around("_put_object", forbid_first)

    def stop(action: SyncAction, error: StorageError) -> None:
        raise error

    with pytest.raises(AccessDeniedError):
        container.upload_tree(folder, on_error=stop)


def test_symbolic_links_are_skipped_followed_or_refused(tmp_path: Path, folder: Path) -> None:
    container = MemoryDriver().create_container("c")
    write(tmp_path / "elsewhere", {"f": b"1"})
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)

    skipped = container.upload_tree(folder)
    assert (5, 2) == (skipped.uploaded, skipped.skipped)
    refused = container.upload_tree(folder, symlinks="error")
    assert not refused.ok
    assert 2 == len(refused.errors)
    followed = container.upload_tree(folder, symlinks="follow")
    assert [("skip", "loop"), ("upload", "link/f")] == kinds(followed.actions())


def test_missing_source_is_an_error(container: Container, tmp_path: Path) -> None:
    with pytest.raises(LocalFileNotFoundError):
        container.upload_tree(tmp_path / "missing")


def test_directory_that_cannot_be_read_is_reported_and_nothing_is_deleted(
    container: Container, folder: Path
) -> None:
    container.upload_tree(folder)
    (folder / "a").unlink()
    (folder / os.fsdecode(b"\xff")).write_bytes(b"")

    report = container.driver.sync(folder, container, delete=True)
    assert (1, 0, 4) == (report.failed, report.deleted, report.unchanged)
    assert container.object_exists("a")


def test_progress_ends_with_the_total(container: Container, folder: Path) -> None:
    calls: list[tuple[int, int | None]] = []

    container.upload_tree(folder, progress=lambda done, total: calls.append((done, total)))
    assert (7, 7) == calls[-1]


@pytest.mark.parametrize("end", ["part", "libstore-partial", "libstore-journal"])
def test_files_of_interrupted_downloads_are_left_out(folder: Path, end: str) -> None:
    container = MemoryDriver().create_container("c")
    (folder / f".a.0123456789ab.{end}").write_bytes(b"")

    assert 5 == container.upload_tree(folder).uploaded


# ---------------------------------------------------------------------- downloads


def test_download_tree_writes_each_object(
    container: Container, folder: Path, tmp_path: Path
) -> None:
    container.upload_tree(folder, "p/q")

    report = container.download_tree("p", tmp_path / "new/dir")
    assert (5, True) == (report.downloaded, report.ok)
    assert files(folder) == files(tmp_path / "new/dir/q")


def test_second_download_sends_nothing_and_one_change_is_one_download(
    container: Container, folder: Path, tmp_path: Path
) -> None:
    container.upload_tree(folder)
    container.download_tree("", tmp_path / "copy")

    report = container.download_tree("", tmp_path / "copy")
    assert (0, 5) == (report.transferred, report.unchanged)
    container.upload_object(b"9", "a")
    again = container.download_tree("", tmp_path / "copy")
    assert [("download", "a")] == kinds(again.actions())
    assert b"9" == (tmp_path / "copy/a").read_bytes()


def test_sync_to_a_directory_deletes_files_and_their_empty_directories(
    container: Container, folder: Path, tmp_path: Path
) -> None:
    container.upload_tree(folder)
    write(tmp_path / "copy", {"x/y/z": b"", "q": b""})

    report = container.driver.sync(container, tmp_path / "copy", delete=True)
    assert (5, 2) == (report.downloaded, report.deleted)
    assert files(folder) == files(tmp_path / "copy")
    assert not (tmp_path / "copy/x").exists()


def test_time_and_mode_are_preserved(container: Container, folder: Path, tmp_path: Path) -> None:
    (folder / "a").chmod(0o640)
    container.upload_tree(folder, preserve=True)
    container.download_tree("", tmp_path / "copy", preserve=True)

    status = (tmp_path / "copy/a").stat()
    assert (0o640, int(OLD)) == (status.st_mode & 0o777, int(status.st_mtime))
    assert 5 == container.download_tree("", tmp_path / "copy", preserve=True).unchanged
    assert 5 == container.upload_tree(folder, preserve=True).unchanged


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "a//b", "nul\0", "marker/", "./x", "y" * 300]
)
def test_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    container = Anything().create_container("c")
    container.upload_object(b"evil", name)
    container.upload_object(b"good", "good")
    target = tmp_path / "in" / "target"

    report = container.download_tree("", target)
    assert (1, 1) == (report.downloaded, report.refused)
    assert isinstance(report.errors[0], InvalidNameError)
    assert {"in/target/good": b"good"} == files(tmp_path)


class Anything(MemoryDriver):
    """A service with names of all kinds."""

    @override
    def _valid_name(self, name: Any) -> str:
        return str(name)


@pytest.mark.parametrize("name", ["link/x", "file-link"])
def test_links_in_the_target_are_not_followed_out_of_it(tmp_path: Path, name: str) -> None:
    container = MemoryDriver().create_container("c")
    container.upload_object(b"evil", name)
    outside, target = tmp_path / "outside", tmp_path / "target"
    write(outside, {"file": b"good"})
    target.mkdir()
    (target / "link").symlink_to(outside)
    (target / "file-link").symlink_to(outside / "file")

    for symlinks in ("skip", "follow"):
        plan = container.download_tree("", target, symlinks=symlinks, dry_run=True)
        report = container.download_tree("", target, symlinks=symlinks)
        assert (1, 1) == (plan.refused, report.refused)
    assert {"file": b"good"} == files(outside)


def test_file_that_is_in_the_way_is_refused(tmp_path: Path) -> None:
    container = MemoryDriver().create_container("c")
    for name in ("a", "a/b", "c/d"):
        container.upload_object(b"1", name)
    write(tmp_path / "t", {"c": b"2"})

    report = container.download_tree("", tmp_path / "t")
    assert (1, 2) == (report.downloaded, report.refused + report.failed)


def test_file_that_was_not_listed_is_not_replaced(tmp_path: Path) -> None:
    """So an object is not written over another one whose name differs in case only."""
    container = FaultyDriver().create_container("c")
    container.upload_object(b"1", "a")
    container.upload_object(b"1", "d/a")
    driver = container.driver
    target = tmp_path / "t"

    def appear(real: Callable[..., Any], *arguments: Any) -> Any:
        write(target, {"a": b"2"})
        return real(*arguments)

    assert isinstance(driver, FaultyDriver)
    driver.around("_get_object", appear)
    report = container.download_tree("", target, include="a", exclude="d/**")
    assert [("refuse", "a")] == kinds(report.actions())
    assert b"2" == (target / "a").read_bytes()


# ---------------------------------------------------------------------- containers


def test_copy_tree_copies_to_another_driver_and_then_nothing(
    container: Container, folder: Path
) -> None:
    other = MemoryDriver().create_container("other")
    container.upload_tree(folder, "p")

    report = container.copy_tree("p", other, "q")
    assert (5, 7) == (report.copied, report.bytes)
    assert {f"q/{name}": content for name, content in files(folder).items()} == objects(other)
    again = other.driver.sync((container, "p/"), (other, "q/"), delete=True)
    assert (0, 5, 0) == (again.transferred, again.unchanged, again.deleted)


def test_copies_among_their_sources_are_refused(container: Container) -> None:
    with pytest.raises(InvalidOptionError, match="overlap"):
        container.copy_tree("a", container, "a/b")


def test_delete_tree_deletes_below_the_prefix_only(container: Container) -> None:
    for name in ("a/1", "a/b/2", "a-b", "ab/3"):
        container.upload_object(b"", name)

    report = container.delete_tree("a", exclude="2")
    assert [("delete", "1")] == kinds(report.actions())
    assert ["a-b", "a/b/2", "ab/3"] == sorted(objects(container))


def test_sync_needs_a_container_of_the_driver(container: Container, tmp_path: Path) -> None:
    for ends in ((tmp_path, tmp_path), (tmp_path, MemoryDriver().container("c"))):
        with pytest.raises(InvalidOptionError, match="neither source nor target"):
            container.driver.sync(*ends)


@pytest.mark.parametrize("options", [{"compare": "x"}, {"symlinks": "x"}, {"max_delete": -1}])
def test_unknown_option_is_refused(
    container: Container, folder: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidOptionError):
        container.driver.sync(folder, container, **options)


# ---------------------------------------------------------------------- executors


def test_processes_share_the_work(folder: Path, tmp_path: Path) -> None:
    driver = get_driver("local")(tmp_path / "store", fsync=False)
    container = driver.create_container("c")
    write(folder, {f"many/{number}": b"x" for number in range(100)})

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        up = container.upload_tree(folder, executor=executor)
        down = container.download_tree("", tmp_path / "copy", executor=executor)
    assert (105, 105) == (up.uploaded, down.downloaded)
    assert files(folder) == files(tmp_path / "copy")


def test_threads_of_the_caller_do_the_work(container: Container, folder: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        report = container.upload_tree(folder, executor=executor)

    assert 5 == report.uploaded


def test_memory_does_not_depend_on_the_number_of_objects() -> None:
    """Both sides have 300,000 objects; half of those of the target are deleted."""
    code = """
    import resource
    from datetime import datetime, timezone
    from libstore import ObjectInfo, Page
    from libstore.drivers.memory import MemoryDriver

    NOW = datetime.now(timezone.utc)

    class Many(MemoryDriver):
        step = 1
        def _list_objects(self, container, query, token, limit):
            first = int(token or 0)
            numbers = range(first, min(first + limit * self.step, 300_000), self.step)
            items = [ObjectInfo(f"{number:09}", 1, last_modified=NOW) for number in numbers]
            end = first + limit * self.step
            return Page(items, str(end) if end < 300_000 else None)
        def _delete_objects(self, container, names):
            return [None for _ in names]

    source, target = Many(), Many()
    source.step = 2
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends = source.create_container("s"), target.create_container("t")
    target.sync(*ends, delete=True, include="00000*")
    before = peak()
    report = target.sync(*ends, delete=True)
    assert (report.unchanged, report.deleted) == (150_000, 150_000), report
    print(peak() - before)
    """
    grown = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True
    ).stdout
    assert int(grown) < 16 * 1024
